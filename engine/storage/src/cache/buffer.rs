//! One place of the pool: bytes of a page or a value, and what is known of them.

use std::cell::Cell;

use crate::page::{BufferBytes, MemoryId};

/// Number of a tree in its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TreeSlot(pub(crate) u32);

/// What a buffer is found by: its tree, and its first block or memory id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BufferKey {
    pub(crate) tree: TreeSlot,
    pub(crate) place: BufferPlace,
}

/// Where the bytes are besides in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum BufferPlace {
    /// In the extent that starts with this block.
    Block(u64),
    /// Nowhere.
    Memory(MemoryId),
}

/// A buffer's place in the pool and which of the place's buffers is meant: later ones have another serial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BufferRef {
    pub(super) index: u32,
    pub(super) serial: u64,
}

/// Bytes in memory.
#[derive(Debug)]
pub(crate) struct Buffer {
    pub(crate) key: BufferKey,
    pub(super) serial: u64,
    pub(super) content: BufferBytes,
    pub(super) kind: BufferKind,
    pub(super) state: BufferState,
    pub(super) pins: u32,
    /// Set by every use, cleared by the clock's hand.
    pub(super) referenced: Cell<bool>,
    /// A write of it is in flight: nobody else starts one.
    pub(super) writing: bool,
    /// Grows with every change, so that a write's end knows whether it wrote the newest bytes.
    pub(super) change_count: u32,
    /// Where the last row was inserted: ascending inserts are told by it.
    pub(crate) last_insert_slot: u16,
}

/// What the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BufferKind {
    /// A page of the tree.
    Page,
    /// A value with an extent of its own.
    Value,
}

/// How a buffer relates to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BufferState {
    /// Holds what the pointer with this birth and checksum names.
    Clean { birth: u64, checksum: u64 },
    /// Holds what no extent holds yet.
    Dirty {
        /// The generation that made it, and the only one that may change it.
        birth: u64,
        /// Only the frozen tree of a running checkpoint still names it.
        superseded: bool,
    },
}

impl Buffer {
    /// The page or value.
    pub(crate) fn content(&self) -> &[u8] {
        &self.content
    }

    /// What the bytes are.
    pub(crate) fn kind(&self) -> BufferKind {
        self.kind
    }

    /// How it relates to the disk.
    pub(crate) fn state(&self) -> BufferState {
        self.state
    }

    /// Whether the bytes are nowhere else.
    pub(crate) fn is_dirty(&self) -> bool {
        matches!(self.state, BufferState::Dirty { .. })
    }

    /// Whether a write of it is in flight.
    pub(crate) fn is_writing(&self) -> bool {
        self.writing
    }

    /// Grows with every change.
    pub(crate) fn change_count(&self) -> u32 {
        self.change_count
    }

    /// Memory that the buffer takes.
    pub(super) fn bytes(&self) -> u64 {
        (self.content.memory_bytes() + size_of::<Self>()) as u64
    }
}
