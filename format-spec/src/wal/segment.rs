//! The header of a segment: block 0 of its file, repeated in its first frame.

use crate::BLOCK_SIZE_BYTES;
use crate::bytes::{Put, Reader};
use crate::checksum::crc32;
use crate::error::DecodeError;
use crate::layout::Field;

/// "BSLTWALS", read as a little-endian number.
pub const SEGMENT_MAGIC: u64 = u64::from_le_bytes(*b"BSLTWALS");
/// The version of segments, frames and records that this crate writes.
pub const WAL_FORMAT_VERSION: u32 = 1;
/// Bytes of an encoded header; the rest of block 0 is zero.
pub const SEGMENT_HEADER_BYTES: usize = 144;
/// The smallest segment: its header and one frame of one block.
pub const SEGMENT_SIZE_BYTES_MIN: u64 = 2 * BLOCK_SIZE_BYTES as u64;

/// Where the header's fields are; the table of `spec/wal.md`.
pub const SEGMENT_HEADER_LAYOUT: &[Field] = &[
    Field::new(0, 8, "magic"),
    Field::new(8, 4, "version"),
    Field::new(12, 2, "stream"),
    Field::new(14, 2, "reserved_a"),
    Field::new(16, 16, "cluster_uuid"),
    Field::new(32, 16, "incarnation_uuid"),
    Field::new(48, 8, "node_id"),
    Field::new(56, 8, "sequence"),
    Field::new(64, 8, "base_lsn"),
    Field::new(72, 8, "size_bytes"),
    Field::new(80, 8, "first_frame_sequence"),
    Field::new(88, 8, "salt"),
    Field::new(96, 8, "predecessor_sequence"),
    Field::new(104, 8, "predecessor_end_lsn"),
    Field::new(112, 8, "predecessor_last_frame_hash"),
    Field::new(120, 8, "created_us"),
    Field::new(128, 12, "reserved_b"),
    Field::new(140, 4, "checksum"),
];

const _: () = assert!(SEGMENT_HEADER_LAYOUT[SEGMENT_HEADER_LAYOUT.len() - 1].end() == SEGMENT_HEADER_BYTES);

const WHAT: &str = "log segment header";
const CHECKED_BYTES: usize = SEGMENT_HEADER_BYTES - size_of::<u32>();

/// Whose segment it is, where it stands in its stream, and what it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The cluster that the data directory belongs to.
    pub cluster_uuid: [u8; 16],
    /// This life of the file. Never used again, not even for the same file.
    pub incarnation_uuid: [u8; 16],
    /// The node that the data directory belongs to.
    pub node_id: u64,
    /// The stream, one a shard.
    pub stream: u16,
    /// Counts the stream's segments from 1, and those that a crash left torn with them; never reused.
    pub sequence: u64,
    /// LSN of the file's first byte.
    pub base_lsn: u64,
    /// Bytes of the file. The next segment's base is at least `base_lsn + size_bytes`.
    pub size_bytes: u64,
    /// Sequence of the frame that opens the segment.
    pub first_frame_sequence: u64,
    /// Seeds the payload hashes of this segment. Secret: no client may learn it.
    pub salt: u64,
    /// The end of the stream when this segment was opened.
    pub predecessor: Predecessor,
    /// Wall clock at the opening, in microseconds since 1970. For people; nothing is decided by it.
    pub created_us: u64,
}

/// Where the stream ended when a segment was opened: all zero for a stream's first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Predecessor {
    /// Sequence of the segment that was the last one.
    pub sequence: u64,
    /// Where its last frame ends.
    pub end_lsn: u64,
    /// Hash of its last frame, [`FrameHeader::hash`](super::FrameHeader::hash).
    pub last_frame_hash: u64,
}

impl SegmentHeader {
    /// Encodes the header; block 0 is these bytes followed by zeros.
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        bytes.put_u64(SEGMENT_MAGIC);
        bytes.put_u32(WAL_FORMAT_VERSION);
        bytes.put_u16(self.stream);
        bytes.put_u16(0);
        bytes.put_bytes(&self.cluster_uuid);
        bytes.put_bytes(&self.incarnation_uuid);
        bytes.put_u64(self.node_id);
        bytes.put_u64(self.sequence);
        bytes.put_u64(self.base_lsn);
        bytes.put_u64(self.size_bytes);
        bytes.put_u64(self.first_frame_sequence);
        bytes.put_u64(self.salt);
        bytes.put_u64(self.predecessor.sequence);
        bytes.put_u64(self.predecessor.end_lsn);
        bytes.put_u64(self.predecessor.last_frame_hash);
        bytes.put_u64(self.created_us);
        bytes.put_bytes(&[0; 12]);
        bytes.put_u32(crc32(&bytes));
        bytes.try_into().expect("the fields above add up to the header's size")
    }

    /// Decodes block 0 of a log file.
    pub fn decode_block(block: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, block);
        let header = Self::decode(reader.bytes(SEGMENT_HEADER_BYTES)?)?;
        reader.reserved(BLOCK_SIZE_BYTES - SEGMENT_HEADER_BYTES)?;
        reader.finish()?;
        Ok(header)
    }

    /// Decodes exactly [`SEGMENT_HEADER_BYTES`] bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        check_identity(bytes)?;
        let mut reader = Reader::new(WHAT, bytes);
        reader.bytes(12)?;
        let stream = reader.u16()?;
        reader.reserved(2)?;
        let header = Self {
            stream,
            cluster_uuid: reader.array()?,
            incarnation_uuid: reader.array()?,
            node_id: reader.u64()?,
            sequence: reader.u64()?,
            base_lsn: reader.u64()?,
            size_bytes: reader.u64()?,
            first_frame_sequence: reader.u64()?,
            salt: reader.u64()?,
            predecessor: Predecessor {
                sequence: reader.u64()?,
                end_lsn: reader.u64()?,
                last_frame_hash: reader.u64()?,
            },
            created_us: reader.u64()?,
        };
        reader.reserved(12)?;
        reader.u32()?;
        reader.finish()?;
        header.check_relations()?;
        Ok(header)
    }

    /// Where the file of this segment ends in the stream; no later segment may start below.
    pub fn file_end_lsn(&self) -> u64 {
        self.base_lsn.saturating_add(self.size_bytes)
    }

    fn check_relations(&self) -> Result<(), DecodeError> {
        in_range("log segment sequence", self.sequence, 1, u64::MAX - 1)?;
        in_range("log segment first frame sequence", self.first_frame_sequence, 1, u64::MAX - 1)?;
        in_range("log segment predecessor", self.predecessor.sequence, 0, self.sequence - 1)?;
        in_range("log segment predecessor end", self.predecessor.end_lsn, 0, self.base_lsn)?;
        let size_max = (u64::MAX - self.base_lsn) / 2;
        in_range("log segment size", self.size_bytes, SEGMENT_SIZE_BYTES_MIN, size_max)?;
        let whole_blocks = [self.base_lsn, self.size_bytes, self.predecessor.end_lsn];
        if whole_blocks.iter().any(|bytes| bytes % BLOCK_SIZE_BYTES as u64 != 0) {
            return Err(DecodeError::NotCanonical { what: WHAT, rule: "positions are whole blocks" });
        }
        Ok(())
    }
}

/// Checks magic, then checksum, then version: a foreign file, a damaged header and a newer one are told apart.
fn check_identity(bytes: &[u8]) -> Result<(), DecodeError> {
    let mut reader = Reader::new(WHAT, bytes);
    let found = reader.u64()?;
    if found != SEGMENT_MAGIC {
        return Err(DecodeError::BadMagic { what: WHAT, expected: SEGMENT_MAGIC, found });
    }
    let version = reader.u32()?;
    let mut whole = Reader::new(WHAT, bytes);
    let computed = crc32(whole.bytes(CHECKED_BYTES)?);
    let stored = whole.u32()?;
    whole.finish()?;
    if stored != computed {
        return Err(DecodeError::BadChecksum {
            what: WHAT,
            stored: stored.into(),
            computed: computed.into(),
        });
    }
    if version != WAL_FORMAT_VERSION {
        return Err(DecodeError::UnknownVersion {
            what: WHAT,
            found: version.into(),
            newest_known: WAL_FORMAT_VERSION.into(),
        });
    }
    Ok(())
}

fn in_range(field: &'static str, value: u64, minimum: u64, maximum: u64) -> Result<(), DecodeError> {
    if (minimum..=maximum).contains(&value) {
        Ok(())
    } else {
        Err(DecodeError::OutOfRange { field, value, minimum, maximum })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            cluster_uuid: [7; 16],
            incarnation_uuid: [9; 16],
            node_id: 3,
            stream: 1,
            sequence: 5,
            base_lsn: 1 << 20,
            size_bytes: 1 << 20,
            first_frame_sequence: 40,
            salt: 0x5eed,
            predecessor: Predecessor { sequence: 4, end_lsn: 0xf_f000, last_frame_hash: 11 },
            created_us: 1_700_000_000_000_000,
        }
    }

    fn block(header: &SegmentHeader) -> Vec<u8> {
        let mut block = header.encode().to_vec();
        block.resize(BLOCK_SIZE_BYTES, 0);
        block
    }

    #[test]
    fn a_header_comes_back_as_it_was_written() {
        assert_eq!(SegmentHeader::decode_block(&block(&header())), Ok(header()));
    }

    #[test]
    fn every_flipped_bit_of_block_zero_is_refused() {
        let whole = block(&header());
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode_block(&flipped).is_err(), "bit {bit} was not noticed");
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut bytes = header().encode();
        bytes[8] = 2;
        let checksum = crc32(&bytes[..CHECKED_BYTES]);
        bytes[CHECKED_BYTES..].copy_from_slice(&checksum.to_le_bytes());
        assert!(matches!(SegmentHeader::decode(&bytes), Err(DecodeError::UnknownVersion { found: 2, .. })));
    }

    #[test]
    fn impossible_relations_are_refused_even_with_a_good_checksum() {
        for broken in [
            SegmentHeader { sequence: 0, ..header() },
            SegmentHeader { first_frame_sequence: 0, ..header() },
            SegmentHeader { size_bytes: 4096, ..header() },
            SegmentHeader { size_bytes: u64::MAX, ..header() },
            SegmentHeader { base_lsn: 4097, ..header() },
            SegmentHeader { predecessor: Predecessor { sequence: 5, ..header().predecessor }, ..header() },
            SegmentHeader {
                predecessor: Predecessor { end_lsn: 1 << 21, ..header().predecessor },
                ..header()
            },
        ] {
            assert!(SegmentHeader::decode(&broken.encode()).is_err(), "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..5000)) {
            let _ = SegmentHeader::decode_block(&bytes);
            let _ = SegmentHeader::decode(&bytes);
        }
    }
}
