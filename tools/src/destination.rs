//! Directories that commands make: never over anything, and under their name only when they are whole.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::failure::{Exit, Failure};

/// Refuses a destination that holds anything: nothing is ever written over.
pub(crate) fn require_absent_or_empty(path: &Path) -> Result<(), Failure> {
    match std::fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::io(path, error)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Failure::new(
                Exit::Exists,
                format!("{} is not empty: name a directory that does not exist", path.display()),
            )),
        },
    }
}

/// `DIR.suffix` beside `DIR`: where a directory is built before it gets its name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// Removes what a run that was broken off has built: nobody else gives directories such names.
pub(crate) fn start_over(built: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(built) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::io(built, error)),
        _ => Ok(()),
    }
}

/// Gives what was built its name, durably. An empty directory may be in the way; the rename replaces it.
pub(crate) fn publish(built: &Path, to: &Path) -> Result<(), Failure> {
    fs::rename(built, to).map_err(|error| Failure::io(to, error))?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync_names(parent).map_err(|error| Failure::io(parent, error))
}

/// Makes a directory's names durable.
pub(crate) fn sync_names(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
