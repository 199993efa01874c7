//! The write-ahead log: segments of frames of records.
//!
//! A **segment** is one life of a log file; its header says whose it is and what it follows. A **frame** is one group
//! commit, all or nothing. A **record** is one entry of a partition, or a note of the log itself.
//!
//! Two secrets keep bytes that a user chose from being taken for the log's own: `log_salt` (in NODE, one a data
//! directory) seeds the hash of frame headers, so that one can be told from user bytes even where the segment's
//! header is lost; the segment's salt seeds the hash of payloads, so that a file's earlier life is never believed.
//!
//! What is written when, and believed when, is the storage crate's. Bytes: `spec/wal.md`; examples: `golden/v1/wal_*`.

mod bodies;
mod effects;
mod frame;
mod record;
mod segment;

pub use bodies::{CheckpointDone, Cut, PartCreate};
pub use effects::{EFFECT_KINDS, Effect, Effects, KEY_BYTES_MAX, Splice, SpliceRange, SpliceRanges};
pub use frame::{
    FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FRAME_HEADER_LAYOUT, FRAME_MAGIC, FRAME_OPENS_SEGMENT, FrameHeader,
    frame_bytes, payload_hash,
};
pub use record::{
    FrameRecords, RECORD_ALIGNMENT_BYTES, RECORD_HEADER_BYTES, RECORD_HEADER_LAYOUT, RECORD_KINDS, Record,
    RecordKind, decode_records, put_record, record_bytes,
};
pub use segment::{
    Predecessor, SEGMENT_HEADER_BYTES, SEGMENT_HEADER_LAYOUT, SEGMENT_MAGIC, SEGMENT_SIZE_BYTES_MIN,
    SegmentHeader, WAL_FORMAT_VERSION,
};
