//! One shard's write-ahead log: appends records and says which are durable.
//!
//! Owned by one shard, so nothing here locks. Knows nothing of items or pages.
//!
//! Invariants:
//! - durable <= written <= next, as positions and as frames, and each only grows.
//! - A ticket is durable once its whole frame and all frames before it are synced, never earlier.
//! - One write and sync is in flight at a time; so a crash can tear one frame, and the Seal before it.
//! - A failed write or sync ends the process: the kernel may forget dirty pages and report success on the next call
//!   (Rebello et al., USENIX ATC 2020). Restart decides from the disk.
//! - A segment is used again only when a durable frame says that nothing in it is needed.
//!
//! Bytes: format-spec/spec/wal.md. What is believed after a crash: `crate::recovery`.

mod calibration;
mod frame_queue;
mod frame_waits;
mod hold;
mod log;
mod reader;
mod segment;
mod spares;
mod window;
mod writer;

pub use hold::{LogHold, LogPin, PinnedSegment};
pub use log::{EntryEffects, RowChange, Ticket, Wal, WalCounters, WalOptions};
pub use reader::Frame;
pub(crate) use reader::{NextFrame, SegmentReader};
pub(crate) use segment::{
    BLOCK_BYTES, ChainEnd, FIRST_FRAME_OFFSET, StreamIdentity, UnusedFile, file_number, log_directory,
    stream_directory, whole_blocks,
};
pub(crate) use window::Window;
