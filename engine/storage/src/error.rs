//! What can go wrong below the engine, by cause: the request, the world, or damaged bytes.
//!
//! A broken invariant of our own is not here: it is an assert, and the process stops.

use std::{io, path::PathBuf};

use basalt_format::DecodeError;

use crate::ids::{EntryIndex, LogPosition, Lsn, PartitionId, StreamId};

/// An operation on storage failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Bytes on disk break the format. The partition answers errors until it is restored; the process stays up.
    #[error("{partition} is damaged at {place}: {reason}")]
    Corrupt {
        /// The partition whose bytes are wrong.
        partition: PartitionId,
        /// Where in its file.
        place: Place,
        /// What was wrong.
        reason: CorruptReason,
    },
    /// The device or file system refused an operation.
    #[error("{operation} of {path} failed: {source}", path = path.display())]
    Disk {
        /// What was tried.
        operation: DiskOperation,
        /// On which file.
        path: PathBuf,
        /// What the system answered.
        source: SharedIoError,
    },
    /// The device is full: writes are refused, reads, deletes and drops go on.
    #[error("no space left on the device of {path}", path = path.display())]
    Full {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// Entries that must become durable together do not fit into one frame of the log. Nothing was changed.
    #[error("entries of {bytes} bytes do not fit into a frame of the log ({bytes_max})")]
    TooLarge {
        /// Bytes of the frame that would hold them.
        bytes: usize,
        /// Bytes of the largest frame.
        bytes_max: usize,
    },
    /// Rows are loaded only into a partition that has none, and that nothing else is done to. Nothing was changed.
    #[error("{0} is not empty, or is being loaded or split")]
    NotEmpty(PartitionId),
    /// The partition does not exist on this shard, or has been dropped.
    #[error("{0} does not exist here")]
    UnknownPartition(PartitionId),
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
    /// The directory must not be opened as it is.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Why a data directory was not opened. Nothing in it has been changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Another process holds LOCK.
    #[error("{path} is in use by another process", path = path.display())]
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// A log stream lost bytes that had been acknowledged.
    #[error(
        "{stream} is damaged at {lsn}: {detail}; acknowledged writes may be lost. Run `basaltctl verify` on the directory"
    )]
    DamagedLog {
        /// The stream.
        stream: StreamId,
        /// The first position that cannot be read.
        lsn: Lsn,
        /// How it is known.
        detail: String,
    },
    /// Entries of a partition are missing between its file and the logs.
    #[error(
        "{partition} misses entries from {expected} (the log goes on at {found}). Run `basaltctl verify` on the directory"
    )]
    IndexGap {
        /// The partition.
        partition: PartitionId,
        /// The entry that should follow.
        expected: EntryIndex,
        /// The entry that was found.
        found: EntryIndex,
    },
    /// A file that the catalog or NODE names is not there.
    #[error("{path} is missing ({detail})", path = path.display())]
    MissingFile {
        /// The missing file.
        path: PathBuf,
        /// Who names it.
        detail: String,
    },
    /// The directory was written by another cluster, or by a version with features this one lacks.
    #[error("{path} cannot be opened by this version: {detail}", path = path.display())]
    Incompatible {
        /// The file that says so.
        path: PathBuf,
        /// What it says.
        detail: String,
    },
    /// NODE, a superblock pair or another root structure is damaged in every copy.
    #[error("{path} is damaged: {detail}. Run `basaltctl verify` on the directory", path = path.display())]
    DamagedRoot {
        /// The damaged file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
}

/// Where damaged bytes were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Place {
    /// A run of blocks of the partition's file.
    #[error("block {block} (+{blocks})")]
    Extent {
        /// First block.
        block: u64,
        /// Number of blocks.
        blocks: u32,
    },
    /// One of the two superblocks.
    #[error("superblock at block {block}")]
    Superblock {
        /// Its block.
        block: u64,
    },
    /// A row, wherever it lies. Its key is the user's, and not told.
    #[error("a row")]
    Row,
    /// A place in the log.
    #[error("{stream} {lsn}", stream = position.stream, lsn = position.lsn)]
    Log {
        /// Stream and position.
        position: LogPosition,
    },
}

/// What is wrong with damaged bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CorruptReason {
    /// The stored bytes do not have the checksum their parent names.
    #[error("checksum mismatch")]
    Checksum,
    /// The page was written by another checkpoint than its parent says: lost, stale or misdirected write.
    #[error("birth generation mismatch")]
    Birth,
    /// The bytes are whole but break the format.
    #[error("{0}")]
    Format(#[from] DecodeError),
    /// A structural rule is broken: order, fences, counts, reachability.
    #[error("{0}")]
    Structure(&'static str),
}

/// What was asked of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskOperation {
    /// Opening or creating a file.
    Open,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Making written bytes durable.
    Sync,
    /// Reserving blocks.
    Allocate,
    /// Cutting a file, or punching a hole into it.
    Truncate,
    /// Renaming.
    Rename,
    /// Removing.
    Remove,
    /// Listing or making a directory.
    Directory,
    /// Taking the lock of the data directory.
    Lock,
}

impl std::fmt::Display for DiskOperation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Allocate => "allocation",
            Self::Truncate => "truncation",
            Self::Rename => "rename",
            Self::Remove => "removal",
            Self::Directory => "directory access",
            Self::Lock => "lock",
        })
    }
}

/// An `io::Error` that several waiters of one commit can hold.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct SharedIoError(std::sync::Arc<io::Error>);

impl SharedIoError {
    /// The kind of the underlying error.
    pub fn kind(&self) -> io::ErrorKind {
        self.0.kind()
    }
}

impl From<io::Error> for SharedIoError {
    fn from(error: io::Error) -> Self {
        Self(std::sync::Arc::new(error))
    }
}

impl StorageError {
    /// Names the operation and file of an I/O error; a full device gets its own variant.
    pub fn disk(operation: DiskOperation, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        if source.kind() == io::ErrorKind::StorageFull {
            return Self::Full { path };
        }
        Self::Disk { operation, path, source: source.into() }
    }
}
