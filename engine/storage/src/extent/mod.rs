//! A partition's file below its tree: which blocks are whose, and moving extents to and from the device.
//!
//! Owned by the partition's shard. The allocator never waits; the file grows only when asked.
//!
//! Invariants:
//! - Free, pending and taken blocks are disjoint and, with the superblocks' area, cover the file.
//! - A block that either superblock's tree reaches is never free: what generation g frees stays pending until no
//!   superblock is older than g.
//! - An extent that is being read is not handed out again before the read has ended.
//! - The file's length is durable before any superblock mentions it.
//!
//! Knows nothing of pages and keys. Bytes: format-spec/spec/extent.md and superblock.md.

mod allocator;
mod file;
mod open_files;
mod runs;

pub(crate) use allocator::{Allocator, Run};
pub(crate) use file::{FileIdentity, PartitionFile};
pub(crate) use open_files::OpenFiles;
