//! What a start finds in a data directory: judged first, without changing a byte, then acted upon (STORAGE §7).
//!
//! Shard 0 takes LOCK, reads NODE and judges every log stream; the facts go to all shards. Partitions, their
//! superblocks and gaps between them and the log are the store's.
//!
//! Invariants:
//! - Judging writes nothing but LOCK. A refusal leaves the directory as it was.
//! - What was believed is made durable before anything is served from it.
//! - NODE's open_epoch, revision and the streams' ends never go back.

mod facts;
mod frame_reader;
mod judge;
mod lock;
mod node;
mod node_file;
mod survey;

pub(crate) use facts::StreamLog;
pub use facts::{IndexRanges, StreamFacts};
pub use frame_reader::FrameReader;
pub use node::{Node, NodeFacts};
