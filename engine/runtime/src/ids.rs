//! Names of the things a backend keeps: shards, operations in flight, open files and sockets.
//!
//! All are plain numbers that mean nothing outside of the shard that made them. A number is never the
//! operating system's descriptor, so that a stale one finds nothing instead of somebody else's file.

use std::fmt;

/// Which shard of the process: 0 up to the shard count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShardIndex(pub u16);

impl ShardIndex {
    /// The shard's place in lists ordered by shard.
    pub fn as_usize(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for ShardIndex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// An entry of a table whose places are used again: the place, and how often it had been used before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SlotId {
    /// The place in the table.
    pub index: u32,
    /// Grows by one each time the place is freed, so that a late visitor is recognised.
    pub generation: u32,
}

impl SlotId {
    /// Both numbers in one, as a backend hands them to the kernel.
    pub fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The inverse of [`SlotId::to_u64`].
    pub fn from_u64(bits: u64) -> SlotId {
        SlotId { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// A file that the shard's backend holds open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileId(pub u64);

/// A connected socket that the shard's backend holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SocketId(pub u64);

/// A listening socket that the shard's backend holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListenerId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_id_survives_the_kernel() {
        for slot in [
            SlotId { index: 0, generation: 0 },
            SlotId { index: u32::MAX, generation: 7 },
            SlotId { index: 3, generation: u32::MAX },
        ] {
            assert_eq!(SlotId::from_u64(slot.to_u64()), slot);
        }
    }
}
