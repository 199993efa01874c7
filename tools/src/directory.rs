//! A data directory as files, held so that no daemon changes it meanwhile.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use basalt_runtime::FileMap;

/// How long the lock is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// How often it is asked for.
const LOCK_RETRY_AFTER: Duration = Duration::from_millis(20);

/// A data directory that no other process uses.
pub(crate) struct HeldDirectory {
    path: PathBuf,
    _lock: Option<File>,
}

/// Why a directory cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectoryError {
    #[error("{path} is in use by a daemon: stop it first, or ask it (--admin-listen)", path = path.display())]
    InUse { path: PathBuf },
    #[error("{path} is not a Basalt data directory: it has no {what}", path = path.display())]
    NotBasalt { path: PathBuf, what: &'static str },
    #[error("{path} cannot be read: {source}", path = path.display())]
    Unreadable { path: PathBuf, source: io::Error },
}

impl HeldDirectory {
    /// Takes the lock of `path`. The kernel keeps a daemon's lock until its last request has ended, a moment after
    /// the process has: that moment is waited for.
    pub(crate) fn hold(path: &Path) -> Result<Self, DirectoryError> {
        Self::hold_what_has(path, "NODE")
    }

    /// The same for what may be left of a directory: partitions' files are enough.
    pub(crate) fn hold_remains(path: &Path) -> Result<Self, DirectoryError> {
        Self::hold_what_has(path, "part")
    }

    fn hold_what_has(path: &Path, what: &'static str) -> Result<Self, DirectoryError> {
        let unreadable = |source| DirectoryError::Unreadable { path: path.to_owned(), source };
        if !path.join(what).try_exists().map_err(unreadable)? {
            return Err(DirectoryError::NotBasalt { path: path.to_owned(), what });
        }
        let lock = match File::open(path.join("LOCK")) {
            // A daemon's directory has it as long as the daemon runs.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { path: path.to_owned(), _lock: None });
            }
            lock => lock.map_err(unreadable)?,
        };
        let started = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { path: path.to_owned(), _lock: Some(lock) }),
                Err(TryLockError::Error(source)) => return Err(unreadable(source)),
                Err(TryLockError::WouldBlock) if started.elapsed() > LOCK_PATIENCE => {
                    return Err(DirectoryError::InUse { path: path.to_owned() });
                }
                // flock has no way to be told.
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_RETRY_AFTER),
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A file's path within the directory, with slashes.
    pub(crate) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.path).unwrap_or(path).to_string_lossy().into_owned()
    }

    /// The file with the directory's identity.
    pub(crate) fn node(&self) -> PathBuf {
        self.path.join("NODE")
    }

    /// Every file of a log stream, in the order of their names.
    pub(crate) fn log_files(&self, stream: u16) -> Result<Vec<PathBuf>, DirectoryError> {
        let mut found = Vec::new();
        for directory in entries(&self.path.join("wal"))? {
            let name = directory.file_name().unwrap_or_default().to_string_lossy();
            if name.parse() == Ok(stream) {
                found.extend(
                    entries(&directory)?
                        .into_iter()
                        .filter(|file| file.extension().is_some_and(|end| end == "wal")),
                );
            }
        }
        Ok(found)
    }

    /// Where a partition's file lies, if it has one.
    pub(crate) fn partition_file(&self, partition: u64) -> PathBuf {
        self.path.join(format!("part/{:02x}/{partition:016x}.pt", partition & 0xff))
    }

    /// Every partition's file with the partition's number, in the order of their names.
    pub(crate) fn partition_files(&self) -> Result<Vec<(u64, PathBuf)>, DirectoryError> {
        let mut files = Vec::new();
        for group in entries(&self.path.join("part"))? {
            let named = entries(&group)?.into_iter().filter_map(|file| Some((partition_of(&file)?, file)));
            files.extend(named.filter(|(number, file)| self.partition_file(*number) == *file));
        }
        Ok(files)
    }
}

/// The partition that a file's name tells of.
fn partition_of(file: &Path) -> Option<u64> {
    let name = file.file_name()?.to_str()?.strip_suffix(".pt")?;
    u64::from_str_radix(name, 16).ok()
}

/// Maps a whole file for reading.
pub(crate) fn map(path: &Path) -> Result<FileMap, DirectoryError> {
    FileMap::open(path).map_err(|source| DirectoryError::Unreadable { path: path.to_owned(), source })
}

fn entries(path: &Path) -> Result<Vec<PathBuf>, DirectoryError> {
    let list = || -> io::Result<Vec<PathBuf>> {
        let mut found = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        found.sort();
        Ok(found)
    };
    match list() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.map_err(|source| DirectoryError::Unreadable { path: path.to_owned(), source }),
    }
}
