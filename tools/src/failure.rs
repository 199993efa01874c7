//! Why a command did not do what it was asked to, and the exit code that tells scripts.

use std::{fmt, io, path::Path, process::ExitCode};

use crate::directory::DirectoryError;

/// What an exit code means; `--help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Bytes are damaged or missing.
    Damaged = 1,
    /// The command line asks for something that makes no sense.
    Usage = 2,
    /// Something cannot be read or written.
    Unreadable = 3,
    /// A daemon is using the directory.
    InUse = 4,
    /// The destination holds something already.
    Exists = 5,
}

/// An error with its exit code, in words for a person.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// Bytes are not what they must be.
    pub(crate) fn damaged(message: impl Into<String>) -> Self {
        Self::new(Exit::Damaged, message)
    }

    /// What was asked for makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A file or a peer refused.
    pub(crate) fn io(path: impl AsRef<Path>, error: io::Error) -> Self {
        Self::new(Exit::Unreadable, format!("{}: {error}", path.as_ref().display()))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        let exit = match error {
            DirectoryError::InUse { .. } => Exit::InUse,
            DirectoryError::NotBasalt { .. } | DirectoryError::Unreadable { .. } => Exit::Unreadable,
        };
        Self::new(exit, error.to_string())
    }
}
