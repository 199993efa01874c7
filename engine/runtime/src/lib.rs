//! One executor a core; files, sockets, timers and mailboxes.
#![warn(missing_docs)]

mod aligned_buffer;
pub mod backend;
mod core;
mod current;
mod executor;
mod file;
mod handle;
mod ids;
mod inbox;
mod operation_slab;
mod portable;
mod shard_set;
pub mod sim;
mod sleep;
mod socket;
mod sync;
mod system;
mod table;
mod task;
mod time;
mod timer;

pub use aligned_buffer::{AlignedBuffer, BUFFER_ALIGNMENT_BYTES};
pub use backend::{BackendKind, DirectMode, DirectoryEntry, EntryKind, Metadata, OpenOptions, UringRung};
pub use current::current_shard;
pub use file::File;
pub use handle::{Handle, YieldNow};
pub use ids::ShardIndex;
pub use inbox::{Job, SendError};
pub use shard_set::{IoChoice, Remote, ShardContext, ShardMain, ShardSet, ShardSetOptions};
pub use socket::{DetachedStream, TcpListener, TcpStream};
pub use task::Task;
pub use time::{MonotonicTime, UnixTime};
pub use timer::Sleep;
