//! Write-ahead log, B+tree, checkpoint and recovery of one shard's partitions.
//!
//! Sees keys and values as bytes: it never knows an attribute, a table or a socket. Everything that touches
//! the world goes through `basalt_runtime`, so that the whole of it runs in simulation from one seed.
#![warn(missing_docs)]

mod error;
mod ids;
mod options;
mod recovery;
mod wal;

pub use error::{CorruptReason, DiskOperation, Place, Refusal, SharedIoError, StorageError};
pub use ids::{
    CATALOG_PARTITION, EntryIndex, FrameSequence, Generation, HybridTime, LogPosition, Lsn, PartitionId, StreamId,
};
pub use options::{MemoryShares, OptionOutOfRange, StoreOptions};
pub use recovery::{FrameReader, IndexRanges, Node, NodeFacts, StreamFacts};
pub use wal::{Frame, RowChange, Ticket, Wal, WalCounters, WalOptions};
