//! One executor a core; files, sockets, timers and mailboxes.
#![warn(missing_docs)]

mod aligned_buffer;
pub mod backend;
mod ids;
pub mod sim;
mod time;

pub use aligned_buffer::{AlignedBuffer, BUFFER_ALIGNMENT_BYTES};
pub use backend::{BackendKind, DirectMode, DirectoryEntry, EntryKind, Metadata, OpenOptions, UringRung};
pub use ids::ShardIndex;
pub use time::{MonotonicTime, UnixTime};
