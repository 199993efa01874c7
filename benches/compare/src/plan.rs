//! How much every engine is asked to do. Keys and values are those of `basalt_benches::workload`.

use std::time::Duration;

use basalt_benches::workload::{KEY_BYTES, VALUE_BYTES};

/// Bytes of an item's key and value.
pub const ITEM_BYTES: u64 = (KEY_BYTES + VALUE_BYTES) as u64;
/// Cache given to every engine that has one, where the data fit into it.
pub const CACHE_BYTES: u64 = 1 << 30;
/// How many times its memory an engine's data are, where they do not fit.
const LARGER: u64 = 8;
/// Engines refuse to work with less.
const SMALL_MEMORY_BYTES_MIN: u64 = 16 << 20;

/// One engine's round.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Items loaded before anything is measured.
    pub items: u64,
    /// How long each measurement runs.
    pub duration: Duration,
    /// Clients of the rows with many.
    pub clients: usize,
    /// How long after the last write the disk is looked at.
    pub pause: Duration,
}

impl Plan {
    /// Items of the part whose data are larger than memory: enough for the smallest memory that engines take.
    pub fn large_items(&self) -> u64 {
        (2 * self.items).max(LARGER * SMALL_MEMORY_BYTES_MIN / ITEM_BYTES)
    }

    /// Memory of that part.
    pub fn small_memory_bytes(&self) -> u64 {
        (self.large_items() * ITEM_BYTES / LARGER).max(SMALL_MEMORY_BYTES_MIN)
    }
}
