//! Every byte of Basalt that outlives a process or crosses a socket.
//!
//! One source file and one page of `spec/` describe each structure: the page says where bytes are and what they
//! may hold, the file encodes and decodes exactly that, and the tests compare the two. Storage owns how the bytes
//! change; nothing here does I/O.
//!
//! Invariants of every decoder:
//! - It never panics and never allocates more than a small multiple of its input.
//! - It rejects trailing bytes, non-zero reserved bytes and any form that the encoder would not have written.
//! - It checks what it reads even when a checksum over it has passed.
//!
//! Conventions shared by all structures: `spec/conventions.md`.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod backfill;
pub mod backup;
pub mod bytes;
pub mod catalog;
pub mod checksum;
pub mod collection_size;
pub mod data_directory;
pub mod error;
pub mod extent;
pub mod item_encoding;
pub mod key_encoding;
pub mod layout;
pub mod native;
pub mod number;
pub mod outbox;
pub mod page;
pub mod received;
pub mod stream_iterator;
pub mod stream_record;
pub mod superblock;
pub mod time_to_live;
pub mod transaction;
pub mod wal;

pub use bytes::{Put, Reader};
pub use error::DecodeError;

/// The unit in which files are laid out, written and synced.
pub const BLOCK_SIZE_BYTES: usize = 4096;
