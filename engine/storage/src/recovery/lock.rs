//! LOCK: one process a data directory.
//!
//! A killed process's last writes can reach the disk after the process is gone. The kernel keeps LOCK's flock until
//! the last of them has ended (`Handle::hold_for_ring`), so that a starter who has the lock has the disk to itself.

use std::{path::Path, time::Duration};

use basalt_runtime::{File, Handle, OpenOptions, sometimes};

use crate::error::{DiskOperation, Refusal, StorageError};

/// How long a starter waits for the requests of a killed process.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it asks: flock has no way to be told.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// Takes the lock of a data directory, which must exist. The lock lives as long as the file is open.
pub(super) async fn lock_directory(handle: &Handle, directory: &Path) -> Result<File, StorageError> {
    let path = directory.join("LOCK");
    let options = OpenOptions::new().read(true).write(true).create(true);
    let opened = handle.open_file(&path, options).await;
    let file = opened.map_err(|error| StorageError::disk(DiskOperation::Open, &path, error))?;
    let deadline = handle.now() + PATIENCE;
    let mut told = false;
    while !file.try_lock_exclusive().map_err(|error| StorageError::disk(DiskOperation::Lock, &path, error))? {
        if handle.now() >= deadline {
            return Err(Refusal::Locked { path: directory.to_owned() }.into());
        }
        if !std::mem::replace(&mut told, true) {
            sometimes!("data directory locked by another process");
            tracing::warn!(
                directory = %directory.display(),
                "the data directory is in use; waiting up to 10 s for the other process to end"
            );
        }
        handle.sleep(RETRY_AFTER).await;
    }
    Ok(file)
}
