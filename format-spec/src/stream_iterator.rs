//! What a client holds to read a stream's shard from a place on: all of a reader's state, so that none is kept here.
//!
//! The checksum tells an iterator from arbitrary bytes. It is no signature: an iterator opens nothing that its
//! holder could not ask for by name. Bytes: `spec/stream_record.md`.

use crate::checksum::xxh3_64;
use crate::layout::Field;
use crate::stream_record::StreamPosition;
use crate::{DecodeError, Put, Reader};

/// First byte of every iterator.
pub const STREAM_ITERATOR_VERSION: u8 = 1;

/// An iterator's bytes.
pub const STREAM_ITERATOR_LAYOUT: &[Field] = &[
    Field::new(0, 1, "version"),
    Field::new(1, 16, "table_id"),
    Field::new(17, 4, "stream_number"),
    Field::new(21, 8, "partition"),
    Field::new(29, 8, "entry_index"),
    Field::new(37, 2, "change"),
    Field::new(39, 8, "issued_unix_us"),
    Field::new(47, 8, "checksum"),
];

const WHAT: &str = "shard iterator";
/// Sets an iterator's checksum apart from those of other structures.
/// Seed of an iterator's checksum.
pub const CHECKSUM_SEED: u64 = 0x7369_7465_7261_746f;

/// A place in a stream, and when somebody was given it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamIterator {
    /// The table's identity.
    pub table_id: [u8; 16],
    /// The stream among the table's.
    pub stream_number: u32,
    /// The partition whose changes are read.
    pub partition: u64,
    /// The first position that is still to be read.
    pub position: StreamPosition,
    /// When it was given out.
    pub issued_unix_us: u64,
}

impl StreamIterator {
    /// The iterator's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![STREAM_ITERATOR_VERSION];
        bytes.put_bytes(&self.table_id);
        bytes.put_u32(self.stream_number);
        bytes.put_u64(self.partition);
        bytes.put_u64(self.position.entry_index);
        bytes.put_u16(self.position.change);
        bytes.put_u64(self.issued_unix_us);
        let checksum = xxh3_64(&bytes, CHECKSUM_SEED);
        bytes.put_u64(checksum);
        bytes
    }

    /// Reads an iterator, all of it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        let version = reader.u8()?;
        if version != STREAM_ITERATOR_VERSION {
            return Err(DecodeError::UnknownVersion {
                what: WHAT,
                found: version.into(),
                newest_known: STREAM_ITERATOR_VERSION.into(),
            });
        }
        let table_id = reader.array()?;
        let stream_number = reader.u32()?;
        let partition = reader.u64()?;
        let position = StreamPosition { entry_index: reader.u64()?, change: reader.u16()? };
        let issued_unix_us = reader.u64()?;
        let computed = xxh3_64(bytes.get(..reader.position()).unwrap_or_default(), CHECKSUM_SEED);
        let stored = reader.u64()?;
        reader.finish()?;
        if stored != computed {
            return Err(DecodeError::BadChecksum {
                what: WHAT,
                stored: stored.into(),
                computed: computed.into(),
            });
        }
        Ok(Self { table_id, stream_number, partition, position, issued_unix_us })
    }
}
