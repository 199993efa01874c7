//! From a tree in memory to a generation on disk, and back at the next start.
//!
//! Owned by the partition's shard. One checkpoint of a partition at a time.
//!
//! Invariants (STORAGE §6, §15):
//! - No write touches a block that either superblock reaches.
//! - A superblock is written after a sync of everything it reaches and of the file's length.
//! - A generation is written at most once; each is above every one that a superblock or the log has named.
//! - Live changes go on while a checkpoint runs; the generation holds the tree exactly as it was frozen.
//! - A superblock that was rejected at the start is durably overwritten before the first page is written.
//!
//! Knows nothing of the log: whoever asks for a checkpoint says what it holds, and that this is durable.

mod allocation_map;
mod compact;
mod freeze;
mod open;
mod pin;
mod progress;
mod run;

#[cfg(test)]
mod tests;

pub(crate) use compact::{Compact, Compaction};
pub(crate) use open::{Expectation, OpenedTree, TreeIdentity};
pub(crate) use pin::TreePin;
pub(crate) use progress::Progress;
pub(crate) use run::CheckpointPosition;
