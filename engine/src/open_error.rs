//! Why an engine could not be opened.

use std::io;

use basalt_storage::{Refusal, StorageError};

use crate::{error::Error, options::OptionsError};

/// An engine could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The options cannot be used.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The shards' threads or rings could not be started.
    #[error("shards cannot be started: {0}")]
    Shards(#[from] io::Error),
    /// The directory cannot be opened or must not be opened as it is; refused ones are unchanged.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The catalog's rows contradict themselves.
    #[error("the catalog is damaged: {detail}. Run `basaltctl verify` on the directory")]
    DamagedCatalog {
        /// What is wrong.
        detail: String,
    },
    /// A shard ended while it was being started.
    #[error("a shard ended while it was being started")]
    ShardEnded,
}

/// What the operator should do about an engine that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// Change the options.
    FixOptions,
    /// End the other process, or name another directory.
    InUse,
    /// Acknowledged log may be lost: look with `basaltctl verify`, restore, or accept the loss with the offline tool.
    DamagedLog,
    /// Files or entries that the catalog or log name are missing: restore.
    MissingData,
    /// Root structures are damaged in every copy: restore.
    DamagedRoot,
    /// The directory is another cluster's or another version's.
    Incompatible,
    /// The device or file system failed: look at the path, its rights and its space.
    Device,
}

impl OpenError {
    /// What to do about it.
    pub fn kind(&self) -> OpenErrorKind {
        match self {
            Self::Options(_) => OpenErrorKind::FixOptions,
            Self::Shards(_) | Self::ShardEnded => OpenErrorKind::Device,
            Self::DamagedCatalog { .. } => OpenErrorKind::DamagedRoot,
            Self::Storage(StorageError::Refused(refusal)) => kind_of_refusal(refusal),
            Self::Storage(StorageError::Corrupt { .. }) => OpenErrorKind::DamagedRoot,
            Self::Storage(_) => OpenErrorKind::Device,
        }
    }
}

fn kind_of_refusal(refusal: &Refusal) -> OpenErrorKind {
    match refusal {
        Refusal::Locked { .. } => OpenErrorKind::InUse,
        Refusal::DamagedLog { .. } => OpenErrorKind::DamagedLog,
        Refusal::IndexGap { .. } | Refusal::MissingFile { .. } => OpenErrorKind::MissingData,
        Refusal::Incompatible { .. } => OpenErrorKind::Incompatible,
        _ => OpenErrorKind::DamagedRoot,
    }
}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        match error {
            Error::Storage(error) => Self::Storage(error),
            Error::DamagedItem(reason) => Self::DamagedCatalog { detail: reason.to_string() },
            Error::DiskFull => Self::Shards(io::ErrorKind::StorageFull.into()),
            _ => Self::ShardEnded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_own_kind() {
        let kind = |refusal: Refusal| OpenError::from(StorageError::from(refusal)).kind();
        let detail = || String::from("detail");
        assert_eq!(kind(Refusal::Locked { path: "d".into() }), OpenErrorKind::InUse);
        assert_eq!(
            kind(Refusal::MissingFile { path: "d".into(), detail: detail() }),
            OpenErrorKind::MissingData
        );
        assert_eq!(
            kind(Refusal::Incompatible { path: "d".into(), detail: detail() }),
            OpenErrorKind::Incompatible
        );
        assert_eq!(
            kind(Refusal::DamagedRoot { path: "d".into(), detail: detail() }),
            OpenErrorKind::DamagedRoot
        );
    }
}
