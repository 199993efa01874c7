//! One executor a core; files, sockets, timers and mailboxes.
//!
//! A shard is one thread that runs tasks from one queue ([`Handle::spawn`]) and does its I/O through one of three
//! backends ([`backend`]): io_uring, a portable one, or a deterministic simulation ([`sim`]). Shards share nothing;
//! they send each other jobs ([`Remote`]). Everything above this crate takes time, entropy, files and sockets from a
//! [`Handle`] and from nowhere else, which is why a seed replays the whole engine.
//!
//! Knows nothing of logs, trees or tables.
//!
//! The cross-thread parts are explored by loom: `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p
//! basalt-runtime --test loom --release`.

#![warn(missing_docs)]

mod aligned_buffer;
pub mod backend;
mod code_pages;
mod core;
mod current;
mod executor;
mod file;
mod file_map;
mod handle;
mod ids;
mod inbox;
mod join;
pub mod local;
mod operation_slab;
mod portable;
#[cfg(not(loom))]
mod queued_flag;
pub mod remote;
#[cfg(not(loom))]
mod room;
mod shard_set;
pub mod sim;
#[cfg(not(loom))]
mod sleep;
mod socket;
mod sync;
mod system;
mod table;
mod task;
mod time;
mod timer;
#[cfg(target_os = "linux")]
mod uring;

// Loom's models are outside of the crate and use these directly.
#[cfg(loom)]
pub mod queued_flag;
#[cfg(loom)]
pub mod room;
#[cfg(loom)]
pub mod sleep;

pub use aligned_buffer::{AlignedBuffer, BUFFER_ALIGNMENT_BYTES};
pub use backend::{
    BackendKind, DirectMode, DirectoryEntry, EntryKind, Metadata, OpenOptions, SharedFile, UringRung,
};
pub use code_pages::release_code_pages;
pub use current::current_shard;
pub use file::File;
pub use file_map::FileMap;
pub use handle::{Handle, YieldNow};
pub use ids::ShardIndex;
pub use inbox::{Job, SendError};
pub use join::{Either, join_all, race, timeout};
pub use remote::block_on;
pub use shard_set::{IoChoice, Remote, ShardContext, ShardMain, ShardSet, ShardSetOptions};
pub use socket::{DetachedStream, TcpListener, TcpStream};
pub use task::Task;
pub use time::{MonotonicTime, UnixTime};
pub use timer::Sleep;
