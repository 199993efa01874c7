//! The superblock: root of a partition's file, kept twice, at blocks 0 and 4.
//!
//! Odd generations live in superblock A, even ones in B, so that writing one never touches the other. A CRC-32
//! and an XXH3-128 under the file's salt cover all of it: the first finds damage cheaply, the second makes it
//! hopeless to craft a value that looks like a superblock.
//!
//! Byte table: `spec/superblock.md`.

use crate::key_encoding::LOCAL_INDEX_TAGS;
use crate::{
    BLOCK_SIZE_BYTES,
    bytes::{Put, Reader},
    checksum::{crc32, xxh3_128},
    error::DecodeError,
    extent::{FILE_BLOCKS_MAX, POINTER_BYTES, Pointer},
    layout::{Constant, Field},
};

/// First eight bytes of a superblock ("BASALTPT").
pub const SUPERBLOCK_MAGIC: u64 = 0x5450_544c_4153_4142;
/// The newest version of partition files that this code reads and writes.
pub const SUPERBLOCK_VERSION: u32 = 1;
/// Bytes of a superblock.
pub const SUPERBLOCK_BYTES: usize = BLOCK_SIZE_BYTES;
/// Block of superblock A.
pub const SUPERBLOCK_A_BLOCK: u64 = 0;
/// Block of superblock B.
pub const SUPERBLOCK_B_BLOCK: u64 = 4;
/// Blocks at the start of the file that hold no extents.
pub const SUPERBLOCK_AREA_BLOCKS: u64 = 8;
/// Offset of the CRC-32 over all bytes before it.
pub const SUPERBLOCK_CRC_OFFSET: usize = 4076;
/// Offset of the XXH3-128 over all bytes before it, seeded with the salt.
pub const SUPERBLOCK_HASH_OFFSET: usize = 4080;
/// Least size of a tree page in memory.
pub const PAGE_BYTES_MIN: u32 = 4096;
/// Largest size of a tree page in memory.
pub const PAGE_BYTES_MAX: u32 = 32768;

/// Where the superblock's fields are; the table of `spec/superblock.md`.
pub const SUPERBLOCK_LAYOUT: &[Field] = &[
    Field::new(0, 8, "magic"),
    Field::new(8, 4, "version"),
    Field::new(12, 4, "reserved_a"),
    Field::new(16, 8, "features_compatible"),
    Field::new(24, 8, "features_read_only"),
    Field::new(32, 8, "features_incompatible"),
    Field::new(40, 16, "cluster_uuid"),
    Field::new(56, 16, "file_uuid"),
    Field::new(SALT_OFFSET, 8, "salt"),
    Field::new(80, 16, "hash_secret"),
    Field::new(96, 8, "table"),
    Field::new(104, 8, "partition"),
    Field::new(112, 8, "parent_partition"),
    Field::new(120, 8, "parent_last_index"),
    Field::new(128, 8, "hash_first"),
    Field::new(136, 8, "hash_last"),
    Field::new(144, 8, "generation"),
    Field::new(152, POINTER_BYTES, "root"),
    Field::new(176, POINTER_BYTES, "allocation"),
    Field::new(200, POINTER_BYTES, "snapshots"),
    Field::new(224, POINTER_BYTES, "transactions"),
    Field::new(248, POINTER_BYTES, "to_free"),
    Field::new(272, 8, "applied_term"),
    Field::new(280, 8, "applied_index"),
    Field::new(288, 8, "applied_hybrid_time"),
    Field::new(296, 2, "needed_stream"),
    Field::new(298, 6, "reserved_b"),
    Field::new(304, 8, "needed_lsn"),
    Field::new(312, 8, "row_count"),
    Field::new(320, 8, "row_bytes"),
    Field::new(328, 8, "item_count"),
    Field::new(336, 8, "item_bytes"),
    Field::new(344, 4, "leaf_page_bytes"),
    Field::new(348, 4, "inner_page_bytes"),
    Field::new(352, 8, "file_blocks"),
    Field::new(360, 8, "token_expiry_max"),
    Field::new(368, 8, "layout_version"),
    Field::new(376, 8, "delete_time_max"),
    Field::new(384, 8, "open_epoch"),
    Field::new(392, LOCAL_INDEX_TAGS * ROW_COUNT_BYTES, "local_index_rows"),
    Field::new(FIELDS_BYTES, SUPERBLOCK_CRC_OFFSET - FIELDS_BYTES, "reserved_c"),
    Field::new(SUPERBLOCK_CRC_OFFSET, 4, "crc32"),
    Field::new(SUPERBLOCK_HASH_OFFSET, 16, "xxh3_128"),
];
/// The bounds of superblocks, as in `spec/superblock.md`.
pub const SUPERBLOCK_CONSTANTS: &[Constant] = &[
    Constant::new("SUPERBLOCK_MAGIC", SUPERBLOCK_MAGIC),
    Constant::new("SUPERBLOCK_VERSION", SUPERBLOCK_VERSION as u64),
    Constant::new("SUPERBLOCK_A_BLOCK", SUPERBLOCK_A_BLOCK),
    Constant::new("SUPERBLOCK_B_BLOCK", SUPERBLOCK_B_BLOCK),
    Constant::new("SUPERBLOCK_AREA_BLOCKS", SUPERBLOCK_AREA_BLOCKS),
    Constant::new("PAGE_BYTES_MIN", PAGE_BYTES_MIN as u64),
    Constant::new("PAGE_BYTES_MAX", PAGE_BYTES_MAX as u64),
];

/// Bytes of fields before the reserved area.
const FIELDS_BYTES: usize = 392 + LOCAL_INDEX_TAGS * ROW_COUNT_BYTES;
/// Bytes of a count of rows with their bytes.
const ROW_COUNT_BYTES: usize = 16;
const SALT_OFFSET: usize = 72;

const _: () = assert!(
    SUPERBLOCK_LAYOUT[SUPERBLOCK_LAYOUT.len() - 1].end() == SUPERBLOCK_BYTES,
    "the table is the whole superblock"
);

/// Rows of one sort and the bytes of their keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowCount {
    /// Rows.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The state of a partition as of one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// Features that any version may ignore.
    pub features_compatible: u64,
    /// Features that a version which lacks them may only read.
    pub features_read_only: u64,
    /// Features without which the file must not be opened.
    pub features_incompatible: u64,
    /// The cluster whose partition this is.
    pub cluster_uuid: [u8; 16],
    /// This file; a rebuilt partition gets another one.
    pub file_uuid: [u8; 16],
    /// Secret seed of all checksums in the file.
    pub salt: u64,
    /// Secret of the partition key hashes; opaque to storage.
    pub hash_secret: [u8; 16],
    /// The table or index; opaque to storage.
    pub table: u64,
    /// The partition.
    pub partition: u64,
    /// The partition that this one was split from; 0 for none.
    pub parent_partition: u64,
    /// The last entry of the parent that this partition holds.
    pub parent_last_index: u64,
    /// First partition key hash it owns.
    pub hash_first: u64,
    /// Last partition key hash it owns.
    pub hash_last: u64,
    /// Number of the checkpoint, at least 1.
    pub generation: u64,
    /// The tree's root; `None` for an empty tree.
    pub root: Option<Pointer>,
    /// First part of the allocation map.
    pub allocation: Option<Pointer>,
    /// Pinned generations.
    pub snapshots: Option<Pointer>,
    /// Undecided transactions.
    pub transactions: Option<Pointer>,
    /// Subtrees whose extents are freed in the background.
    pub to_free: Option<Pointer>,
    /// Term of the applied entry.
    pub applied_term: u64,
    /// Index of the last entry that the tree holds.
    pub applied_index: u64,
    /// Hybrid time of that entry; a partition's clock never goes behind it.
    pub applied_hybrid_time: u64,
    /// Stream of the log from which redo starts.
    pub needed_stream: u16,
    /// Position in it.
    pub needed_lsn: u64,
    /// Rows in the tree.
    pub row_count: u64,
    /// Bytes of their keys and values.
    pub row_bytes: u64,
    /// Rows among them that are items.
    pub item_count: u64,
    /// Bytes of the items' keys and values.
    pub item_bytes: u64,
    /// Size of a leaf in memory.
    pub leaf_page_bytes: u32,
    /// Size of an inner page in memory.
    pub inner_page_bytes: u32,
    /// Length of the file.
    pub file_blocks: u64,
    /// The latest expiry of any token.
    pub token_expiry_max: u64,
    /// Version of the layout that rows are derived by.
    pub layout_version: u64,
    /// The latest hybrid time of a deletion.
    pub delete_time_max: u64,
    /// How often the data directory had been opened for writing.
    pub open_epoch: u64,
    /// Rows of each local index, in the order of their tags.
    pub local_index_rows: [RowCount; LOCAL_INDEX_TAGS],
}

impl Superblock {
    /// The block of the superblock that holds `generation`.
    pub const fn block_of(generation: u64) -> u64 {
        if generation % 2 == 1 { SUPERBLOCK_A_BLOCK } else { SUPERBLOCK_B_BLOCK }
    }

    /// The superblock's block of bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SUPERBLOCK_BYTES);
        self.encode_identity(&mut bytes);
        self.encode_roots(&mut bytes);
        self.encode_progress(&mut bytes);
        assert_eq!(bytes.len(), FIELDS_BYTES, "the fields are those of the byte table");
        bytes.resize(SUPERBLOCK_CRC_OFFSET, 0);
        bytes.put_u32(crc32(&bytes));
        bytes.put_u128(xxh3_128(&bytes, self.salt));
        assert_eq!(bytes.len(), SUPERBLOCK_BYTES, "a superblock is one block");
        bytes
    }

    fn encode_identity(&self, bytes: &mut Vec<u8>) {
        bytes.put_u64(SUPERBLOCK_MAGIC);
        bytes.put_u32(SUPERBLOCK_VERSION);
        bytes.put_u32(0);
        bytes.put_u64(self.features_compatible);
        bytes.put_u64(self.features_read_only);
        bytes.put_u64(self.features_incompatible);
        bytes.put_bytes(&self.cluster_uuid);
        bytes.put_bytes(&self.file_uuid);
        bytes.put_u64(self.salt);
        bytes.put_bytes(&self.hash_secret);
        bytes.put_u64(self.table);
        bytes.put_u64(self.partition);
        bytes.put_u64(self.parent_partition);
        bytes.put_u64(self.parent_last_index);
        bytes.put_u64(self.hash_first);
        bytes.put_u64(self.hash_last);
        bytes.put_u64(self.generation);
    }

    fn encode_roots(&self, bytes: &mut Vec<u8>) {
        for pointer in [&self.root, &self.allocation, &self.snapshots, &self.transactions, &self.to_free] {
            bytes.put_bytes(&Pointer::encode_optional(pointer.as_ref()));
        }
    }

    fn encode_progress(&self, bytes: &mut Vec<u8>) {
        bytes.put_u64(self.applied_term);
        bytes.put_u64(self.applied_index);
        bytes.put_u64(self.applied_hybrid_time);
        bytes.put_u16(self.needed_stream);
        bytes.put_bytes(&[0; 6]);
        bytes.put_u64(self.needed_lsn);
        bytes.put_u64(self.row_count);
        bytes.put_u64(self.row_bytes);
        bytes.put_u64(self.item_count);
        bytes.put_u64(self.item_bytes);
        bytes.put_u32(self.leaf_page_bytes);
        bytes.put_u32(self.inner_page_bytes);
        bytes.put_u64(self.file_blocks);
        bytes.put_u64(self.token_expiry_max);
        bytes.put_u64(self.layout_version);
        bytes.put_u64(self.delete_time_max);
        bytes.put_u64(self.open_epoch);
        for rows in self.local_index_rows {
            bytes.put_u64(rows.count);
            bytes.put_u64(rows.bytes);
        }
    }

    /// Reads a superblock from one block, checking magic, checksums, version and every field's range.
    pub fn decode(block: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("superblock", block);
        let magic = reader.u64()?;
        if magic != SUPERBLOCK_MAGIC {
            let expected = SUPERBLOCK_MAGIC;
            return Err(DecodeError::BadMagic { what: "superblock", expected, found: magic });
        }
        verify_checksums(block)?;
        let version = reader.u32()?;
        if version != SUPERBLOCK_VERSION {
            let (found, newest_known) = (version.into(), SUPERBLOCK_VERSION.into());
            return Err(DecodeError::UnknownVersion { what: "superblock", found, newest_known });
        }
        reader.reserved(4)?;
        let superblock = Self::decode_fields(&mut reader)?;
        reader.reserved(SUPERBLOCK_CRC_OFFSET - FIELDS_BYTES)?;
        reader.bytes(SUPERBLOCK_BYTES - SUPERBLOCK_CRC_OFFSET)?;
        reader.finish()?;
        superblock.check_ranges()?;
        Ok(superblock)
    }

    fn decode_fields(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            features_compatible: reader.u64()?,
            features_read_only: reader.u64()?,
            features_incompatible: reader.u64()?,
            cluster_uuid: reader.array()?,
            file_uuid: reader.array()?,
            salt: reader.u64()?,
            hash_secret: reader.array()?,
            table: reader.u64()?,
            partition: reader.u64()?,
            parent_partition: reader.u64()?,
            parent_last_index: reader.u64()?,
            hash_first: reader.u64()?,
            hash_last: reader.u64()?,
            generation: reader.u64()?,
            root: Pointer::decode_optional(&reader.array()?)?,
            allocation: Pointer::decode_optional(&reader.array()?)?,
            snapshots: Pointer::decode_optional(&reader.array()?)?,
            transactions: Pointer::decode_optional(&reader.array()?)?,
            to_free: Pointer::decode_optional(&reader.array()?)?,
            applied_term: reader.u64()?,
            applied_index: reader.u64()?,
            applied_hybrid_time: reader.u64()?,
            needed_stream: {
                let stream = reader.u16()?;
                reader.reserved(6)?;
                stream
            },
            needed_lsn: reader.u64()?,
            row_count: reader.u64()?,
            row_bytes: reader.u64()?,
            item_count: reader.u64()?,
            item_bytes: reader.u64()?,
            leaf_page_bytes: reader.u32()?,
            inner_page_bytes: reader.u32()?,
            file_blocks: reader.u64()?,
            token_expiry_max: reader.u64()?,
            layout_version: reader.u64()?,
            delete_time_max: reader.u64()?,
            open_epoch: reader.u64()?,
            local_index_rows: decode_local_index_rows(reader)?,
        })
    }

    fn check_ranges(&self) -> Result<(), DecodeError> {
        within("superblock generation", self.generation, 1, u64::MAX)?;
        within("superblock file_blocks", self.file_blocks, SUPERBLOCK_AREA_BLOCKS, FILE_BLOCKS_MAX)?;
        within("superblock hash_last", self.hash_last, self.hash_first, u64::MAX)?;
        within("superblock item_count", self.item_count, 0, self.row_count)?;
        within("superblock item_bytes", self.item_bytes, 0, self.row_bytes)?;
        for size in [self.leaf_page_bytes, self.inner_page_bytes] {
            within("superblock page size", size.into(), PAGE_BYTES_MIN.into(), PAGE_BYTES_MAX.into())?;
            if !size.is_power_of_two() {
                let rule = "page sizes are powers of two";
                return Err(DecodeError::NotCanonical { what: "superblock", rule });
            }
        }
        for pointer in [&self.root, &self.allocation].into_iter().flatten() {
            let last = self.file_blocks.saturating_sub(pointer.blocks.into());
            within("superblock pointer", pointer.block, SUPERBLOCK_AREA_BLOCKS, last)?;
            within("superblock pointer birth", pointer.birth, 0, self.generation)?;
        }
        Ok(())
    }
}

fn decode_local_index_rows(reader: &mut Reader<'_>) -> Result<[RowCount; LOCAL_INDEX_TAGS], DecodeError> {
    let mut all = [RowCount::default(); LOCAL_INDEX_TAGS];
    for rows in &mut all {
        *rows = RowCount { count: reader.u64()?, bytes: reader.u64()? };
    }
    Ok(all)
}

fn verify_checksums(block: &[u8]) -> Result<(), DecodeError> {
    let mut fields = Reader::new("superblock", block);
    let covered = fields.bytes(SUPERBLOCK_CRC_OFFSET)?;
    let (stored, computed) = (u128::from(fields.u32()?), u128::from(crc32(covered)));
    if stored != computed {
        return Err(DecodeError::BadChecksum { what: "superblock", stored, computed });
    }
    let salt = salt_of(covered)?;
    let mut all = Reader::new("superblock", block);
    let covered = all.bytes(SUPERBLOCK_HASH_OFFSET)?;
    let (stored, computed) = (all.u128()?, xxh3_128(covered, salt));
    if stored != computed {
        return Err(DecodeError::BadChecksum { what: "superblock", stored, computed });
    }
    Ok(())
}

fn salt_of(fields: &[u8]) -> Result<u64, DecodeError> {
    let mut reader = Reader::new("superblock", fields);
    reader.bytes(SALT_OFFSET)?;
    reader.u64()
}

fn within(field: &'static str, value: u64, minimum: u64, maximum: u64) -> Result<(), DecodeError> {
    if (minimum..=maximum).contains(&value) {
        Ok(())
    } else {
        Err(DecodeError::OutOfRange { field, value, minimum, maximum })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extent::{Codec, ExtentKind};
    use proptest::prelude::*;

    fn example() -> Superblock {
        let pointer =
            |block, kind| Pointer { block, blocks: 3, codec: Codec::Raw, kind, birth: 7, checksum: 99 };
        Superblock {
            features_compatible: 0,
            features_read_only: 0,
            features_incompatible: 0,
            cluster_uuid: [1; 16],
            file_uuid: [2; 16],
            salt: 0x0123_4567_89ab_cdef,
            hash_secret: [3; 16],
            table: 4,
            partition: 5,
            parent_partition: 0,
            parent_last_index: 0,
            hash_first: 0,
            hash_last: u64::MAX,
            generation: 7,
            root: Some(pointer(8, ExtentKind::Inner)),
            allocation: Some(pointer(11, ExtentKind::Allocation)),
            snapshots: None,
            transactions: None,
            to_free: None,
            applied_term: 1,
            applied_index: 1000,
            applied_hybrid_time: 1_700_000_000_000_000,
            needed_stream: 1,
            needed_lsn: 4096,
            row_count: 20,
            row_bytes: 2000,
            item_count: 10,
            item_bytes: 1500,
            leaf_page_bytes: 16384,
            inner_page_bytes: 16384,
            file_blocks: 64,
            token_expiry_max: 0,
            layout_version: 1,
            delete_time_max: 0,
            open_epoch: 2,
            local_index_rows: [RowCount { count: 1, bytes: 30 }; LOCAL_INDEX_TAGS],
        }
    }

    #[test]
    fn a_superblock_comes_back() {
        let superblock = example();
        assert_eq!(Superblock::decode(&superblock.encode()), Ok(superblock));
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_found() {
        let bytes = example().encode();
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x40;
            assert!(Superblock::decode(&damaged).is_err(), "byte {place}");
            assert!(Superblock::decode(&bytes[..place]).is_err(), "cut at {place}");
        }
    }

    #[test]
    fn fields_outside_of_their_ranges_are_refused_even_with_good_checksums() {
        let base = example;
        let root = |block| base().root.map(|pointer| Pointer { block, ..pointer });
        for broken in [
            Superblock { generation: 0, ..base() },
            Superblock { file_blocks: 7, ..base() },
            Superblock { leaf_page_bytes: 5000, ..base() },
            Superblock { inner_page_bytes: 131_072, ..base() },
            Superblock { hash_first: 9, hash_last: 8, ..base() },
            Superblock { item_count: 21, ..base() },
            Superblock { root: root(7), ..base() },
            Superblock { root: root(62), ..base() },
            Superblock { generation: 6, ..base() },
        ] {
            assert!(Superblock::decode(&broken.encode()).is_err(), "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_a_superblock_or_an_error(mut bytes in proptest::collection::vec(any::<u8>(), 0..5000)) {
            if bytes.len() > 8 {
                bytes[..8].copy_from_slice(&SUPERBLOCK_MAGIC.to_le_bytes());
            }
            prop_assert!(Superblock::decode(&bytes).is_err());
        }
    }
}
