//! Write-ahead log, B+tree, checkpoint and recovery of one shard's partitions.
//!
//! Sees keys and values as bytes: it never knows an attribute, a table or a socket. Everything that touches
//! the world goes through `basalt_runtime`, so that the whole of it runs in simulation from one seed.
#![warn(missing_docs)]

mod btree;
mod cache;
mod checkpoint;
mod error;
mod extent;
mod ids;
mod options;
mod overlay;
mod page;
mod partition;
mod range;
mod recovery;
mod reserve;
mod store;
mod view;
mod wal;

pub use btree::{CheckReport, Stop};
pub use error::{CorruptReason, DiskOperation, Place, Refusal, SharedIoError, StorageError};
pub use ids::{
    CATALOG_PARTITION, EntryIndex, FrameSequence, Generation, HybridTime, LogPosition, Lsn, PartitionId,
    StreamId,
};
pub use options::{MemoryShares, OptionOutOfRange, StoreOptions};
pub use partition::{Commit, Load, Partition, PartitionSpec, PartitionStats, WriteBatch};
pub use range::{Direction, KeyRange};
pub use recovery::{
    CatalogLog, FrameReader, IndexRanges, JudgedStream, Node, NodeFacts, StreamFacts, UnjudgedNode,
    UnjudgedStream,
};
pub use store::{
    ReplayReport, ShardSnapshot, ShardStore, SnapshotContent, SnapshotFile, StoreHooks, StoreMetrics,
};
pub use view::{Cursor, Row, View};
pub use wal::{
    EntryEffects, Frame, LogHold, LogPin, PinnedSegment, RowChange, Ticket, Wal, WalCounters, WalOptions,
};
