//! What an operation can fail with, by cause; DynamoDB's exception names are the server's.

use basalt_format::DecodeError;
use basalt_model::{
    EncodedItem, KeyError,
    expression::{ExpressionError, SchemaError, UpdateError},
};
use basalt_storage::StorageError;

use crate::stream::{StreamLabel, StreamShardId};
use crate::throughput::Throttled;
pub use crate::validation::ValidationError;

/// An operation failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request breaks one of DynamoDB's rules; the text is DynamoDB's.
    #[error(transparent)]
    Validation(#[from] ValidationError),
    /// There is no such table.
    #[error("table {table_name} does not exist")]
    TableNotFound {
        /// The name asked for.
        table_name: String,
    },
    /// The table was dropped while the operation was under way.
    #[error("the table was dropped meanwhile")]
    TableDropped,
    /// A table of this name exists already, or is being made.
    #[error("table {table_name} exists already")]
    TableExists {
        /// The name asked for.
        table_name: String,
    },
    /// The table is being made, changed or deleted by another request.
    #[error("table {table_name} is being {change}")]
    TableInUse {
        /// The table.
        table_name: String,
        /// What is being done to it.
        change: TableChange,
    },
    /// The table has no such index to be changed.
    #[error("index {index_name} does not exist")]
    IndexNotFound {
        /// The name asked for.
        index_name: String,
    },
    /// Another index of the table is being made or deleted, or the request names two.
    #[error("only one index of a table can be made or deleted at a time")]
    IndexChangeInProgress,
    /// The condition does not hold for the present item.
    #[error("the condition does not hold")]
    ConditionalCheckFailed {
        /// The present item, if the request asked for it and if there is one.
        item: Option<EncodedItem>,
    },
    /// The item is part of a transaction that has not ended; nothing was done.
    #[error("the item is part of a transaction that has not ended")]
    TransactionConflict,
    /// A transaction did not come to pass; nothing was done.
    #[error("the transaction was cancelled")]
    TransactionCanceled {
        /// One an action, in the order of the request: what stood against it.
        reasons: Vec<Option<Error>>,
    },
    /// A request with this token is still running.
    #[error("a request with this token is still running")]
    TransactionInProgress,
    /// Another request with this token has run.
    #[error("another request with this token has run")]
    IdempotentParameterMismatch,
    /// The items of a partition key, with their entries in local indexes, would become larger than they may.
    #[error("Collection size exceeded.")]
    ItemCollectionTooLarge,
    /// There is no such stream, or it is too old.
    #[error("stream {label} of table {table_name} does not exist")]
    StreamNotFound {
        /// The table's name, as asked for.
        table_name: String,
        /// The stream's label, as asked for.
        label: StreamLabel,
    },
    /// The stream has no such shard.
    #[error("stream {label} of table {table_name} has no shard {shard}")]
    StreamShardNotFound {
        /// The table.
        table_name: String,
        /// The stream's label.
        label: StreamLabel,
        /// The shard asked for.
        shard: StreamShardId,
    },
    /// Records that were asked for are too old, and gone.
    #[error("the stream's records have been trimmed")]
    StreamTrimmed,
    /// The iterator was given out too long ago.
    #[error("the iterator is too old")]
    IteratorExpired,
    /// The table has as many streams that can be read as it may have.
    #[error("table {table_name} has too many streams that can still be read")]
    TooManyStreams {
        /// The table.
        table_name: String,
    },
    /// The table's throughput, or that of an index, is used up for now; nothing was done.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// The shard has as much work queued as it may; nothing was done.
    #[error("the engine is overloaded")]
    Overloaded,
    /// The items' partition was split, and they are elsewhere now; nothing was done. Only work that is bound to a shard
    /// is told this ([`crate::Engine::on_shard`]): begin it again.
    #[error("the partition was split meanwhile")]
    PartitionMoved {
        /// The catalog that knows where they are.
        catalog_version: u64,
    },
    /// The table cannot be loaded in bulk; nothing was done. Put its items instead.
    #[error("table {table_name} cannot be loaded in bulk: {reason}")]
    LoadRefused {
        /// The table.
        table_name: String,
        /// What stands against it.
        reason: LoadRefusal,
    },
    /// The device is full: reads and deletes go on, other writes are refused.
    #[error("the device is full")]
    DiskFull,
    /// A stored item's bytes break the format, although storage found them whole.
    #[error("a stored item is damaged: {0}. Run `basaltctl verify` on the directory")]
    DamagedItem(DecodeError),
    /// Storage failed; the text tells where.
    #[error(transparent)]
    Storage(StorageError),
    /// The engine is closing or closed.
    #[error("the engine is closed")]
    Closed,
}

/// Why a table cannot be loaded in bulk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoadRefusal {
    /// It has items, or is being loaded, written or split.
    #[error("it is not empty")]
    NotEmpty,
    /// It has indexes, a stream or a time to live.
    #[error("rows of indexes, of a stream or of expiries would have to follow from its items")]
    DerivedRows,
}

/// What another request is doing to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableChange {
    /// It is being made.
    Created,
    /// Its settings are being changed.
    Updated,
    /// It is being deleted.
    Deleted,
}

impl std::fmt::Display for TableChange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        })
    }
}

/// What the caller should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Change the request: it fails again as it is.
    FixRequest,
    /// The state forbids it: look at the item or table and decide.
    Conflict,
    /// Try again, later.
    Retry,
    /// Make room on the device.
    FreeSpace,
    /// Stored bytes are damaged: restore them, or run `basaltctl verify`.
    Restore,
    /// The engine is shut down: open it again.
    Reopen,
}

impl Error {
    /// A transaction of `count` actions that did not come to pass, for reasons at some places of its request.
    pub(crate) fn canceled(count: usize, reasons: impl IntoIterator<Item = (usize, Error)>) -> Self {
        let mut listed: Vec<Option<Error>> = std::iter::repeat_with(|| None).take(count).collect();
        for (at, reason) in reasons {
            listed[at] = Some(reason);
        }
        Self::TransactionCanceled { reasons: listed }
    }

    /// Whether this is a reason for which a transaction is cancelled, rather than a failure of its own.
    pub(crate) fn is_cancellation_reason(&self) -> bool {
        matches!(
            self,
            Self::Validation(_)
                | Self::ConditionalCheckFailed { .. }
                | Self::ItemCollectionTooLarge { .. }
                | Self::TransactionConflict
                | Self::Throttled(_)
        )
    }

    /// What the caller should do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Validation(_)
            | Self::TableNotFound { .. }
            | Self::TableDropped
            | Self::StreamNotFound { .. }
            | Self::StreamShardNotFound { .. }
            | Self::StreamTrimmed
            | Self::IteratorExpired
            | Self::IndexNotFound { .. }
            | Self::IdempotentParameterMismatch => ErrorKind::FixRequest,
            Self::TableExists { .. }
            | Self::LoadRefused { .. }
            | Self::TooManyStreams { .. }
            | Self::ConditionalCheckFailed { .. }
            | Self::ItemCollectionTooLarge
            | Self::TransactionCanceled { .. } => ErrorKind::Conflict,
            Self::TableInUse { .. }
            | Self::Throttled(_)
            | Self::IndexChangeInProgress
            | Self::Overloaded
            | Self::PartitionMoved { .. }
            | Self::TransactionConflict
            | Self::TransactionInProgress => ErrorKind::Retry,
            Self::DiskFull => ErrorKind::FreeSpace,
            Self::DamagedItem(_) | Self::Storage(StorageError::Corrupt { .. } | StorageError::Refused(_)) => {
                ErrorKind::Restore
            }
            Self::Storage(_) => ErrorKind::Retry,
            Self::Closed => ErrorKind::Reopen,
        }
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Closed => Self::Closed,
            StorageError::Full { .. } => Self::DiskFull,
            // Partitions go with their tables, and only so.
            StorageError::UnknownPartition(_) => Self::TableDropped,
            // One item and what follows from it fit always.
            StorageError::TooLarge { .. } => Self::Validation(ValidationError::TransactionTooLarge),
            other => Self::Storage(other),
        }
    }
}

impl From<DecodeError> for Error {
    fn from(reason: DecodeError) -> Self {
        Self::DamagedItem(reason)
    }
}

impl From<ExpressionError> for Error {
    fn from(error: ExpressionError) -> Self {
        Self::Validation(error.into())
    }
}

impl From<SchemaError> for Error {
    fn from(error: SchemaError) -> Self {
        ExpressionError::from(error).into()
    }
}

impl From<UpdateError> for Error {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::Damaged(reason) => Self::DamagedItem(reason),
            refused => Self::Validation(refused.into()),
        }
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::Validation(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_device_and_a_closed_store_have_names_of_their_own() {
        assert!(matches!(Error::from(StorageError::Full { path: "x".into() }), Error::DiskFull));
        assert!(matches!(Error::from(StorageError::Closed), Error::Closed));
    }

    #[test]
    fn kinds_tell_the_next_move() {
        assert_eq!(Error::Overloaded.kind(), ErrorKind::Retry);
        assert_eq!(Error::TableNotFound { table_name: "t".into() }.kind(), ErrorKind::FixRequest);
        assert_eq!(Error::ConditionalCheckFailed { item: None }.kind(), ErrorKind::Conflict);
    }
}
