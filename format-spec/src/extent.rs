//! Extents: runs of blocks in a partition's file, the pointers that name them, and the map of all blocks.
//!
//! A pointer carries the checksum and the birth generation of what it names, so that whoever follows it finds
//! rot and torn, lost, stale or misdirected writes. The allocation map is a run-length code over the whole file:
//! its classes are disjoint and cover the file by construction.
//!
//! Knows nothing of what pages hold. Byte tables: `spec/extent.md`.

use crate::{
    BLOCK_SIZE_BYTES,
    bytes::{Put, Reader},
    checksum::xxh3_64,
    error::DecodeError,
    layout::{Constant, Field},
};

/// Encoded size of a pointer, in bytes.
pub const POINTER_BYTES: usize = 24;
/// Bits of a pointer's first word that hold the block.
pub const POINTER_BLOCK_BITS: u32 = 40;
/// Bits of a pointer's first word that hold the number of blocks.
pub const POINTER_BLOCKS_BITS: u32 = 12;
/// Bits of the codec, and of the kind.
pub const POINTER_TAG_BITS: u32 = 4;
/// The first block past the largest file.
pub const FILE_BLOCKS_MAX: u64 = 1 << POINTER_BLOCK_BITS;
/// The longest extent that a pointer can name, in blocks.
pub const EXTENT_BLOCKS_MAX: u32 = (1 << POINTER_BLOCKS_BITS) - 1;

/// First four bytes of a part of the allocation map ("BALM").
pub const ALLOCATION_MAGIC: u32 = 0x4d4c_4142;
/// Size of the header of a part of the allocation map, in bytes.
pub const ALLOCATION_HEADER_BYTES: usize = 72;
/// The longest part of an allocation map, in blocks (512 KiB).
pub const ALLOCATION_PART_BLOCKS_MAX: u32 = 128;

/// Where a pointer's fields are; the table of `spec/extent.md`. The first word is told apart by bits.
pub const POINTER_LAYOUT: &[Field] =
    &[Field::new(0, 8, "place"), Field::new(8, 8, "birth_generation"), Field::new(16, 8, "checksum")];
/// Where the fields of an allocation part's header are; its runs follow.
pub const ALLOCATION_HEADER_LAYOUT: &[Field] = &[
    Field::new(0, 4, "magic"),
    Field::new(4, 4, "run_bytes"),
    Field::new(8, 8, "partition"),
    Field::new(16, 8, "generation"),
    Field::new(24, 8, "first_block"),
    Field::new(32, 16, "reserved"),
    Field::new(48, POINTER_BYTES, "next"),
];
/// The kinds of extents, as in `spec/extent.md`.
pub const EXTENT_KINDS: &[Constant] = &[
    Constant::new("Leaf", ExtentKind::Leaf.encode() as u64),
    Constant::new("LeafWithOverflow", ExtentKind::LeafWithOverflow.encode() as u64),
    Constant::new("Inner", ExtentKind::Inner.encode() as u64),
    Constant::new("Overflow", ExtentKind::Overflow.encode() as u64),
    Constant::new("Allocation", ExtentKind::Allocation.encode() as u64),
    Constant::new("KIND_IN_MEMORY", KIND_IN_MEMORY as u64),
];
/// The classes of blocks, as in `spec/extent.md`.
pub const BLOCK_CLASSES: &[Constant] = &[
    Constant::new("Free", BlockClass::Free.encode()),
    Constant::new("Allocated", BlockClass::Allocated.encode()),
    Constant::new("FreedByThisGeneration", BlockClass::FreedByThisGeneration.encode()),
];

/// Where an extent is, what it holds and how to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pointer {
    /// First block.
    pub block: u64,
    /// Number of blocks, at least 1.
    pub blocks: u32,
    /// How the bytes are stored.
    pub codec: Codec,
    /// What the extent holds.
    pub kind: ExtentKind,
    /// The generation in which it was made.
    pub birth: u64,
    /// XXH3-64 of all stored bytes, seeded by [`extent_seed`].
    pub checksum: u64,
}

/// How an extent's bytes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// As they are.
    Raw,
}

/// What an extent holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExtentKind {
    /// A leaf whose values all stand in its cells.
    Leaf,
    /// A leaf that owns at least one overflow extent.
    LeafWithOverflow,
    /// An inner page.
    Inner,
    /// One value.
    Overflow,
    /// A part of the allocation map.
    Allocation,
}

/// The kind that no file holds: engines use it in memory for pages that have no extent yet.
pub const KIND_IN_MEMORY: u8 = 15;

impl Codec {
    const fn encode(self) -> u64 {
        match self {
            Self::Raw => 0,
        }
    }

    fn decode(tag: u64) -> Result<Self, DecodeError> {
        match tag {
            0 => Ok(Self::Raw),
            value => Err(DecodeError::OutOfRange { field: "pointer codec", value, minimum: 0, maximum: 0 }),
        }
    }
}

impl ExtentKind {
    /// The number that stands in pointers.
    pub const fn encode(self) -> u8 {
        match self {
            Self::Leaf => 1,
            Self::LeafWithOverflow => 2,
            Self::Inner => 3,
            Self::Overflow => 4,
            Self::Allocation => 5,
        }
    }

    fn decode(tag: u64) -> Result<Self, DecodeError> {
        match tag {
            1 => Ok(Self::Leaf),
            2 => Ok(Self::LeafWithOverflow),
            3 => Ok(Self::Inner),
            4 => Ok(Self::Overflow),
            5 => Ok(Self::Allocation),
            value => Err(DecodeError::OutOfRange { field: "pointer kind", value, minimum: 1, maximum: 5 }),
        }
    }
}

impl Pointer {
    /// The pointer's 24 bytes.
    pub fn encode(&self) -> [u8; POINTER_BYTES] {
        assert!(self.block < FILE_BLOCKS_MAX, "a block number has 40 bits");
        assert!(self.blocks >= 1, "an extent has a block");
        assert!(self.blocks <= EXTENT_BLOCKS_MAX, "an extent's length has 12 bits");
        let word = self.block
            | u64::from(self.blocks) << POINTER_BLOCK_BITS
            | self.codec.encode() << (POINTER_BLOCK_BITS + POINTER_BLOCKS_BITS)
            | u64::from(self.kind.encode()) << (POINTER_BLOCK_BITS + POINTER_BLOCKS_BITS + POINTER_TAG_BITS);
        let mut bytes = [0; POINTER_BYTES];
        bytes[..8].copy_from_slice(&word.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.birth.to_le_bytes());
        bytes[16..].copy_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    /// Reads a pointer.
    pub fn decode(bytes: &[u8; POINTER_BYTES]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("pointer", bytes);
        let word = reader.u64()?;
        let (birth, checksum) = (reader.u64()?, reader.u64()?);
        let take = |from: u32, bits: u32| (word >> from) & ((1 << bits) - 1);
        let codec_at = POINTER_BLOCK_BITS + POINTER_BLOCKS_BITS;
        let kind_at = codec_at + POINTER_TAG_BITS;
        if word >> (kind_at + POINTER_TAG_BITS) != 0 {
            return Err(DecodeError::ReservedNotZero { what: "pointer" });
        }
        let blocks = take(POINTER_BLOCK_BITS, POINTER_BLOCKS_BITS);
        if blocks == 0 {
            let maximum = EXTENT_BLOCKS_MAX.into();
            return Err(DecodeError::OutOfRange { field: "pointer blocks", value: 0, minimum: 1, maximum });
        }
        Ok(Self {
            block: take(0, POINTER_BLOCK_BITS),
            blocks: blocks as u32,
            codec: Codec::decode(take(codec_at, POINTER_TAG_BITS))?,
            kind: ExtentKind::decode(take(kind_at, POINTER_TAG_BITS))?,
            birth,
            checksum,
        })
    }

    /// A pointer that may be absent: 24 zero bytes then.
    pub fn encode_optional(pointer: Option<&Self>) -> [u8; POINTER_BYTES] {
        pointer.map_or([0; POINTER_BYTES], Self::encode)
    }

    /// Reads a pointer that may be absent.
    pub fn decode_optional(bytes: &[u8; POINTER_BYTES]) -> Result<Option<Self>, DecodeError> {
        if bytes.iter().all(|&byte| byte == 0) { Ok(None) } else { Self::decode(bytes).map(Some) }
    }

    /// Bytes that the extent takes in the file.
    pub fn stored_bytes(&self) -> usize {
        self.blocks as usize * BLOCK_SIZE_BYTES
    }

    /// Offset of the extent in the file, in bytes.
    pub fn offset(&self) -> u64 {
        self.block * BLOCK_SIZE_BYTES as u64
    }

    /// Compares the stored bytes with the pointer's checksum.
    pub fn verify(&self, salt: u64, stored: &[u8]) -> Result<(), DecodeError> {
        if stored.len() != self.stored_bytes() {
            let (needed, available) = (self.stored_bytes() as u64, stored.len() as u64);
            return Err(DecodeError::Truncated { what: "extent", needed, available });
        }
        let computed = extent_checksum(salt, self.block, stored);
        if computed != self.checksum {
            let (stored, computed) = (self.checksum.into(), computed.into());
            return Err(DecodeError::BadChecksum { what: "extent", stored, computed });
        }
        Ok(())
    }
}

/// The seed of an extent's checksum: the file's salt and the place, so that no other file's and no other place's
/// bytes pass.
pub fn extent_seed(salt: u64, block: u64) -> u64 {
    salt.wrapping_add(block)
}

/// The checksum that a pointer to these stored bytes at `block` carries.
pub fn extent_checksum(salt: u64, block: u64, stored: &[u8]) -> u64 {
    xxh3_64(stored, extent_seed(salt, block))
}

/// What the allocation map says of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockClass {
    /// Not reachable from this generation's root nor from the one before: may be written.
    Free,
    /// Reachable from this generation's roots, or a superblock's place.
    Allocated,
    /// Reachable from the generation before, freed by this one: reserved while its superblock can be opened.
    FreedByThisGeneration,
}

/// A run of blocks of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRun {
    /// The class of each of its blocks.
    pub class: BlockClass,
    /// Its length in blocks, at least 1.
    pub blocks: u64,
}

impl BlockClass {
    const BITS: u32 = 2;

    const fn encode(self) -> u64 {
        match self {
            Self::Free => 0,
            Self::Allocated => 1,
            Self::FreedByThisGeneration => 2,
        }
    }

    fn decode(tag: u64) -> Result<Self, DecodeError> {
        match tag {
            0 => Ok(Self::Free),
            1 => Ok(Self::Allocated),
            2 => Ok(Self::FreedByThisGeneration),
            value => Err(DecodeError::OutOfRange { field: "block class", value, minimum: 0, maximum: 2 }),
        }
    }
}

/// One extent's share of an allocation map: a header and as many runs as fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationPart {
    /// The partition whose file this maps.
    pub partition: u64,
    /// The generation that wrote it.
    pub generation: u64,
    /// The first block that the runs of this part speak of.
    pub first_block: u64,
    /// The part that follows; `None` in the last.
    pub next: Option<Pointer>,
    /// Runs from `first_block` on, neighbours of different classes.
    pub runs: Vec<BlockRun>,
}

impl AllocationPart {
    /// The part's bytes without padding.
    pub fn encode(&self) -> Vec<u8> {
        let mut runs = Vec::with_capacity(self.runs.len() * 2);
        for run in &self.runs {
            runs.put_varint(run.blocks << BlockClass::BITS | run.class.encode());
        }
        let mut bytes = Vec::with_capacity(ALLOCATION_HEADER_BYTES + runs.len());
        bytes.put_u32(ALLOCATION_MAGIC);
        bytes.put_u32(u32::try_from(runs.len()).expect("a part has at most 512 KiB"));
        bytes.put_u64(self.partition);
        bytes.put_u64(self.generation);
        bytes.put_u64(self.first_block);
        bytes.put_u64(0);
        bytes.put_u64(0);
        bytes.put_bytes(&Pointer::encode_optional(self.next.as_ref()));
        bytes.put_bytes(&runs);
        bytes
    }

    /// Bytes that a run takes in a part.
    pub fn run_bytes(run: BlockRun) -> usize {
        let bits = u64::BITS - (run.blocks << BlockClass::BITS | run.class.encode()).leading_zeros();
        bits.div_ceil(7).max(1) as usize
    }

    /// Reads a part from its stored bytes; what follows the runs must be zero.
    pub fn decode(stored: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("allocation part", stored);
        let magic = reader.u32()?;
        if magic != ALLOCATION_MAGIC {
            let (expected, found) = (ALLOCATION_MAGIC.into(), magic.into());
            return Err(DecodeError::BadMagic { what: "allocation part", expected, found });
        }
        let run_bytes = reader.u32()?;
        let partition = reader.u64()?;
        let generation = reader.u64()?;
        let first_block = reader.u64()?;
        reader.reserved(16)?;
        let next = Pointer::decode_optional(&reader.array()?)?;
        let runs = decode_runs(reader.bytes(run_bytes as usize)?)?;
        let padding = reader.remaining();
        reader.reserved(padding)?;
        Ok(Self { partition, generation, first_block, next, runs })
    }

    /// The first block that this part does not speak of.
    pub fn end_block(&self) -> u64 {
        self.runs.iter().fold(self.first_block, |block, run| block.saturating_add(run.blocks))
    }
}

fn decode_runs(bytes: &[u8]) -> Result<Vec<BlockRun>, DecodeError> {
    let mut reader = Reader::new("allocation runs", bytes);
    let mut runs: Vec<BlockRun> = Vec::new();
    while reader.remaining() > 0 {
        let word = reader.varint()?;
        let run = BlockRun {
            class: BlockClass::decode(word & ((1 << BlockClass::BITS) - 1))?,
            blocks: word >> BlockClass::BITS,
        };
        if run.blocks == 0 || run.blocks > FILE_BLOCKS_MAX {
            let (value, maximum) = (run.blocks, FILE_BLOCKS_MAX);
            return Err(DecodeError::OutOfRange { field: "allocation run", value, minimum: 1, maximum });
        }
        if runs.last().is_some_and(|last| last.class == run.class) {
            let rule = "neighbouring runs differ in class";
            return Err(DecodeError::NotCanonical { what: "allocation runs", rule });
        }
        runs.push(run);
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pointers() -> impl Strategy<Value = Pointer> {
        let kinds = prop_oneof![
            Just(ExtentKind::Leaf),
            Just(ExtentKind::LeafWithOverflow),
            Just(ExtentKind::Inner),
            Just(ExtentKind::Overflow),
            Just(ExtentKind::Allocation)
        ];
        (0..FILE_BLOCKS_MAX, 1..=EXTENT_BLOCKS_MAX, kinds, any::<u64>(), any::<u64>()).prop_map(
            |(block, blocks, kind, birth, checksum)| Pointer {
                block,
                blocks,
                codec: Codec::Raw,
                kind,
                birth,
                checksum,
            },
        )
    }

    fn parts() -> impl Strategy<Value = AllocationPart> {
        let lengths = proptest::collection::vec((1..1u64 << 30, 0..2u8), 0..40);
        (any::<u64>(), any::<u64>(), 0..1u64 << 40, proptest::option::of(pointers()), lengths).prop_map(
            |(partition, generation, first_block, next, lengths)| {
                let classes = [BlockClass::Free, BlockClass::Allocated, BlockClass::FreedByThisGeneration];
                let mut class = 0usize;
                let runs = lengths
                    .into_iter()
                    .map(|(blocks, step)| {
                        class = (class + 1 + usize::from(step)) % 3;
                        BlockRun { class: classes[class], blocks }
                    })
                    .collect();
                AllocationPart { partition, generation, first_block, next, runs }
            },
        )
    }

    proptest! {
        #[test]
        fn pointers_come_back(pointer in pointers()) {
            prop_assert_eq!(Pointer::decode(&pointer.encode()), Ok(pointer));
        }

        #[test]
        fn an_accepted_pointer_is_the_one_that_is_written(bytes: [u8; POINTER_BYTES]) {
            if let Ok(pointer) = Pointer::decode(&bytes) {
                prop_assert_eq!(pointer.encode(), bytes);
            }
        }

        #[test]
        fn allocation_parts_come_back(part in parts(), padding in 0..64usize) {
            let mut bytes = part.encode();
            let runs: usize = part.runs.iter().map(|&run| AllocationPart::run_bytes(run)).sum();
            prop_assert_eq!(bytes.len(), ALLOCATION_HEADER_BYTES + runs);
            bytes.resize(bytes.len() + padding, 0);
            prop_assert_eq!(AllocationPart::decode(&bytes), Ok(part));
        }

        #[test]
        fn arbitrary_bytes_are_an_allocation_part_or_an_error(mut bytes: Vec<u8>, run_bytes in 0..64u32) {
            let _ = AllocationPart::decode(&bytes);
            if let Some(header) = bytes.first_chunk_mut::<8>() {
                header[..4].copy_from_slice(&ALLOCATION_MAGIC.to_le_bytes());
                header[4..].copy_from_slice(&run_bytes.to_le_bytes());
            }
            let _ = AllocationPart::decode(&bytes);
        }
    }

    #[test]
    fn every_flipped_bit_of_an_extent_is_found() {
        let mut stored = vec![7; BLOCK_SIZE_BYTES];
        let checksum = extent_checksum(99, 12, &stored);
        let pointer =
            Pointer { block: 12, blocks: 1, codec: Codec::Raw, kind: ExtentKind::Leaf, birth: 1, checksum };
        assert_eq!(pointer.verify(99, &stored), Ok(()));
        assert!(Pointer { block: 13, ..pointer }.verify(99, &stored).is_err(), "another place");
        assert!(pointer.verify(98, &stored).is_err(), "another file");
        assert!(pointer.verify(99, &stored[1..]).is_err(), "another length");
        for bit in (0..BLOCK_SIZE_BYTES * 8).step_by(97) {
            stored[bit / 8] ^= 1 << (bit % 8);
            assert!(pointer.verify(99, &stored).is_err(), "bit {bit}");
            stored[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn an_absent_pointer_is_all_zero() {
        assert_eq!(Pointer::encode_optional(None), [0; POINTER_BYTES]);
        assert_eq!(Pointer::decode_optional(&[0; POINTER_BYTES]), Ok(None));
        assert!(Pointer::decode(&[0; POINTER_BYTES]).is_err());
    }
}
