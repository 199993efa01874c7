//! What a start finds in a data directory: judged first, without changing a byte, then acted upon (STORAGE §7).
//!
//! Shard 0 takes LOCK and reads NODE; the log streams are judged on any shards; the facts go to all of them. Partitions,
//! their superblocks and gaps between them and the log are the store's.
//!
//! Invariants:
//! - Judging writes nothing but LOCK. A refusal leaves the directory as it was.
//! - What was believed is made durable before anything is served from it.
//! - NODE's open_epoch, revision and the streams' ends never go back.

mod catalog_log;
mod facts;
mod frame_reader;
mod judge;
mod lock;
mod node;
mod node_file;
mod survey;

pub use catalog_log::CatalogLog;
pub(crate) use facts::StreamLog;
pub use facts::{IndexRanges, StreamFacts};
pub use frame_reader::FrameReader;
pub use judge::{JudgedStream, UnjudgedStream};
pub use node::{Node, NodeFacts, UnjudgedNode};
