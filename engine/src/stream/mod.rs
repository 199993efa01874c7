//! Streams: what changed in a table, in order, readable for a day.
//!
//! A record is written in the entry that makes the change (`derive::stream`), so a stream is exactly the history of
//! committed changes, whatever crashes. One stream shard is one partition, read and trimmed by the partition's owner;
//! how requests get there is `shard::streams`.
//!
//! Invariants:
//! - A reader's whole state is its iterator: nothing is kept of readers, and any shard may be asked.
//! - Readers see records of committed entries only, in the order of the entries.
//! - A trim removes records from the oldest on and notes in the same entry how far: who asks for one of those is
//!   told so, never given the next one silently.
//!
//! Deliberately unknown here: resource names and JSON (the server's).
//!
//! Bytes: format-spec/spec/stream_record.md.

mod iterator;
mod label;
mod reading;
mod sequence_number;
mod shard_id;
mod trimming;

pub use iterator::{IteratorError, ShardIterator};
pub use label::StreamLabel;
pub(crate) use reading::{RecordPage, first_at_or_after, horizon, last_position};
pub use sequence_number::SequenceNumber;
pub use shard_id::StreamShardId;
pub(crate) use trimming::{Kept, RETENTION, Trimmed, remove_all_but, remove_records, trim_records};
