//! Names of pages and values: a pointer to an extent, or a number while there is no extent yet.

use basalt_format::extent::{KIND_IN_MEMORY, POINTER_BYTES, Pointer};

/// Number of a page or value that has no extent yet. Unique in its buffer pool, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MemoryId(pub(crate) u64);

/// How a parent names a child, or a leaf an overflow value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageName {
    /// It has an extent.
    Disk(Pointer),
    /// It is dirty in memory, or was written since and has a redirect.
    Memory(MemoryId),
}

/// Where a pointer's codec and kind are: its eighth byte, of which the low half is the kind.
const KIND_BYTE: usize = 7;

impl PageName {
    /// The name as it stands in a cell.
    pub(crate) fn encode(self) -> [u8; POINTER_BYTES] {
        match self {
            Self::Disk(pointer) => pointer.encode(),
            Self::Memory(MemoryId(number)) => {
                let mut bytes = [0; POINTER_BYTES];
                bytes[KIND_BYTE] = KIND_IN_MEMORY;
                bytes[16..].copy_from_slice(&number.to_le_bytes());
                bytes
            }
        }
    }

    /// Reads a name from a cell of a page that was validated or built here.
    pub(crate) fn decode(bytes: &[u8; POINTER_BYTES]) -> Self {
        if bytes[KIND_BYTE] == KIND_IN_MEMORY {
            let number = bytes.last_chunk().expect("a name is longer than a number");
            return Self::Memory(MemoryId(u64::from_le_bytes(*number)));
        }
        Self::Disk(Pointer::decode(bytes).expect("pointers of a validated page are valid"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_format::extent::{Codec, ExtentKind};

    #[test]
    fn names_come_back() {
        let pointer = Pointer {
            block: 9,
            blocks: 4,
            codec: Codec::Raw,
            kind: ExtentKind::Inner,
            birth: 3,
            checksum: u64::MAX,
        };
        for name in
            [PageName::Disk(pointer), PageName::Memory(MemoryId(0)), PageName::Memory(MemoryId(u64::MAX))]
        {
            assert_eq!(PageName::decode(&name.encode()), name);
        }
        assert!(
            Pointer::decode(&PageName::Memory(MemoryId(1)).encode()).is_err(),
            "never accepted from disk"
        );
    }
}
