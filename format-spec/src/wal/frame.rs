//! A frame: one group commit. A header of 80 bytes, then its payload, then zeros to the end of the block.

use crate::BLOCK_SIZE_BYTES;
use crate::bytes::{Put, Reader};
use crate::checksum::xxh3_64;
use crate::error::DecodeError;
use crate::layout::Field;

/// "BSLTFRAM", read as a little-endian number.
pub const FRAME_MAGIC: u64 = u64::from_le_bytes(*b"BSLTFRAM");
/// Bytes of an encoded frame header; the payload follows at once.
pub const FRAME_HEADER_BYTES: usize = 80;
/// The largest frame, header and padding included: one entry of 64 MiB with what surrounds it.
pub const FRAME_BYTES_MAX: usize = (64 << 20) + 2 * BLOCK_SIZE_BYTES;
/// Flag: the payload starts with a repetition of the segment's header.
pub const FRAME_OPENS_SEGMENT: u16 = 1;

/// Where the header's fields are; the table of `spec/wal.md`.
pub const FRAME_HEADER_LAYOUT: &[Field] = &[
    Field::new(0, 8, "magic"),
    Field::new(8, 8, "frame_hash"),
    Field::new(16, 8, "sequence"),
    Field::new(24, 8, "lsn"),
    Field::new(32, 8, "durable_lsn"),
    Field::new(40, 8, "needed_lsn"),
    Field::new(48, 8, "previous_hash"),
    Field::new(56, 8, "payload_hash"),
    Field::new(64, 4, "payload_bytes"),
    Field::new(68, 4, "record_count"),
    Field::new(72, 2, "flags"),
    Field::new(74, 2, "stream"),
    Field::new(76, 4, "key_epoch"),
];

const _: () = assert!(FRAME_HEADER_LAYOUT[FRAME_HEADER_LAYOUT.len() - 1].end() == FRAME_HEADER_BYTES);

const WHAT: &str = "log frame header";
const HASH_AT: usize = 8;
const PAYLOAD_BYTES_MAX: usize = FRAME_BYTES_MAX - FRAME_HEADER_BYTES;

/// What a frame says of itself and of the log before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Counts the stream's frames from 1.
    pub sequence: u64,
    /// Where the frame starts.
    pub lsn: u64,
    /// Everything below was durable when this frame was written. Its proof that a hole before it is damage.
    pub durable_lsn: u64,
    /// Nothing below was needed any more when this frame was written: those segments may be gone or reused.
    pub needed_lsn: u64,
    /// Hash of the frame before, 0 for a stream's first.
    pub previous_hash: u64,
    /// Hash of the payload, [`payload_hash`].
    pub payload_hash: u64,
    /// Bytes of the payload, without the padding.
    pub payload_bytes: u32,
    /// Records in the payload.
    pub record_count: u32,
    /// [`FRAME_OPENS_SEGMENT`] or 0.
    pub flags: u16,
    /// The stream, as in the segment's header.
    pub stream: u16,
}

impl FrameHeader {
    /// Encodes the header, its hash included.
    pub fn encode(&self, log_salt: u64) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(FRAME_HEADER_BYTES);
        bytes.put_u64(FRAME_MAGIC);
        bytes.put_u64(0);
        bytes.put_u64(self.sequence);
        bytes.put_u64(self.lsn);
        bytes.put_u64(self.durable_lsn);
        bytes.put_u64(self.needed_lsn);
        bytes.put_u64(self.previous_hash);
        bytes.put_u64(self.payload_hash);
        bytes.put_u32(self.payload_bytes);
        bytes.put_u32(self.record_count);
        bytes.put_u16(self.flags);
        bytes.put_u16(self.stream);
        // Key epoch: frames are not encrypted yet.
        bytes.put_u32(0);
        let mut bytes: [u8; FRAME_HEADER_BYTES] =
            bytes.try_into().expect("the fields above add up to the header's size");
        let hash = xxh3_64(&bytes, log_salt);
        bytes[HASH_AT..HASH_AT + 8].copy_from_slice(&hash.to_le_bytes());
        bytes
    }

    /// The frame's hash: of the header, and through it of the payload and of every frame before.
    pub fn hash(&self, log_salt: u64) -> u64 {
        let bytes = self.encode(log_salt);
        u64::from_le_bytes(*bytes[HASH_AT..].first_chunk().expect("the hash lies inside the header"))
    }

    /// Decodes the header at the start of `bytes`, which may go on behind it. Says nothing about the payload.
    pub fn decode(bytes: &[u8], log_salt: u64) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        let found = reader.u64()?;
        if found != FRAME_MAGIC {
            return Err(DecodeError::BadMagic { what: WHAT, expected: FRAME_MAGIC, found });
        }
        let stored = reader.u64()?;
        let header = Self {
            sequence: reader.u64()?,
            lsn: reader.u64()?,
            durable_lsn: reader.u64()?,
            needed_lsn: reader.u64()?,
            previous_hash: reader.u64()?,
            payload_hash: reader.u64()?,
            payload_bytes: reader.u32()?,
            record_count: reader.u32()?,
            flags: reader.u16()?,
            stream: reader.u16()?,
        };
        reader.reserved(4)?;
        // Every byte is a field, the hash itself, or was zero: encoding again gives the bytes that were hashed.
        let computed = header.hash(log_salt);
        if stored != computed {
            return Err(DecodeError::BadChecksum {
                what: WHAT,
                stored: stored.into(),
                computed: computed.into(),
            });
        }
        header.check_relations()?;
        Ok(header)
    }

    /// Bytes of the frame on disk, padding included.
    pub fn frame_bytes(&self) -> u64 {
        frame_bytes(self.payload_bytes as usize) as u64
    }

    /// Where the frame ends, padding included.
    pub fn end_lsn(&self) -> u64 {
        self.lsn.saturating_add(self.frame_bytes())
    }

    /// Whether the payload starts with a repetition of the segment's header.
    pub fn opens_segment(&self) -> bool {
        self.flags & FRAME_OPENS_SEGMENT != 0
    }

    /// Checks that `payload` and the `padding` behind it are what was written: the last step before records are read.
    pub fn check_payload(
        &self,
        payload: &[u8],
        padding: &[u8],
        segment_salt: u64,
    ) -> Result<(), DecodeError> {
        let computed = payload_hash(payload, segment_salt);
        if payload.len() != self.payload_bytes as usize || computed != self.payload_hash {
            return Err(DecodeError::BadChecksum {
                what: "log frame payload",
                stored: self.payload_hash.into(),
                computed: computed.into(),
            });
        }
        Reader::new("log frame padding", padding).reserved(padding.len())
    }

    fn check_relations(&self) -> Result<(), DecodeError> {
        let flags_known = self.flags & !FRAME_OPENS_SEGMENT == 0;
        let payload_fits = self.payload_bytes as usize <= PAYLOAD_BYTES_MAX;
        let in_order = self.needed_lsn <= self.durable_lsn && self.durable_lsn <= self.lsn;
        let placed = self.lsn.is_multiple_of(BLOCK_SIZE_BYTES as u64)
            && self.lsn.checked_add(self.frame_bytes()).is_some();
        let numbered = self.sequence > 0 && self.sequence < u64::MAX;
        let rule = match (flags_known, payload_fits, in_order, placed, numbered) {
            (true, true, true, true, true) => return Ok(()),
            (false, ..) => "only known flags are set",
            (_, false, ..) => "the payload is at most 64 MiB and a block",
            (_, _, false, ..) => "needed <= durable <= own position",
            (_, _, _, false, _) => "a frame starts on a block",
            (.., false) => "frames are counted from 1",
        };
        Err(DecodeError::NotCanonical { what: WHAT, rule })
    }
}

/// Hash of a frame's payload under its segment's salt.
pub fn payload_hash(payload: &[u8], segment_salt: u64) -> u64 {
    xxh3_64(payload, segment_salt)
}

/// Bytes on disk of a frame with this much payload.
pub fn frame_bytes(payload_bytes: usize) -> usize {
    (FRAME_HEADER_BYTES + payload_bytes).next_multiple_of(BLOCK_SIZE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LOG_SALT: u64 = 0x10_65a1;

    fn header() -> FrameHeader {
        FrameHeader {
            sequence: 12,
            lsn: 81920,
            durable_lsn: 77824,
            needed_lsn: 4096,
            previous_hash: 0xabcd,
            payload_hash: payload_hash(b"records", 5),
            payload_bytes: 7,
            record_count: 1,
            flags: 0,
            stream: 2,
        }
    }

    #[test]
    fn a_header_comes_back_as_it_was_written() {
        assert_eq!(FrameHeader::decode(&header().encode(LOG_SALT), LOG_SALT), Ok(header()));
    }

    #[test]
    fn a_header_written_without_the_secret_is_refused() {
        assert!(matches!(
            FrameHeader::decode(&header().encode(LOG_SALT + 1), LOG_SALT),
            Err(DecodeError::BadChecksum { .. })
        ));
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_refused() {
        let whole = header().encode(LOG_SALT);
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(FrameHeader::decode(&flipped, LOG_SALT).is_err(), "bit {bit} was not noticed");
        }
    }

    #[test]
    fn a_payload_of_another_segment_or_with_dirty_padding_is_refused() {
        assert_eq!(header().check_payload(b"records", &[0; 9], 5), Ok(()));
        assert!(header().check_payload(b"records", &[0; 9], 6).is_err());
        assert!(header().check_payload(b"recordz", &[0; 9], 5).is_err());
        assert!(header().check_payload(b"record", &[0; 10], 5).is_err());
        assert!(header().check_payload(b"records", &[0, 1], 5).is_err());
    }

    #[test]
    fn impossible_relations_are_refused_even_with_a_good_hash() {
        for broken in [
            FrameHeader { flags: 2, ..header() },
            FrameHeader { payload_bytes: u32::MAX, ..header() },
            FrameHeader { durable_lsn: 86016, ..header() },
            FrameHeader { needed_lsn: 81920, ..header() },
            FrameHeader { lsn: 81921, ..header() },
            FrameHeader { lsn: !4095, ..header() },
            FrameHeader { sequence: 0, ..header() },
        ] {
            let bytes = broken.encode(LOG_SALT);
            assert!(
                matches!(FrameHeader::decode(&bytes, LOG_SALT), Err(DecodeError::NotCanonical { .. })),
                "{broken:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = FrameHeader::decode(&bytes, LOG_SALT);
        }
    }
}
