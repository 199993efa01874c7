//! What a partition of a global index has received from each base partition: one row a sender.
//!
//! Written in the entry that takes the changes, so that both are there or neither: what is sent again is known.
//! Bytes: `spec/global_index.md`.

use crate::key_encoding::TAG_RECEIVED;
use crate::layout::Field;
use crate::outbox::{check_entry_index, expect_tag, expect_version};
use crate::{DecodeError, Put, Reader};

/// First byte of every row.
pub const ROW_VERSION: u8 = 1;

/// The key of a row.
pub const RECEIVED_KEY_LAYOUT: &[Field] = &[Field::new(0, 1, "tag"), Field::new(1, 8, "base_partition")];

/// A row.
pub const RECEIVED_ROW_LAYOUT: &[Field] = &[Field::new(0, 1, "version"), Field::new(1, 8, "entry_index")];

/// Whose row it is: the number of the base partition that sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReceivedKey(pub u64);

impl ReceivedKey {
    /// The key's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut key = vec![TAG_RECEIVED];
        key.put_bytes(&self.0.to_be_bytes());
        key
    }

    /// Reads a key, all of it.
    pub fn decode(key: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("received key", key);
        expect_tag("tag of a received key", TAG_RECEIVED, reader.u8()?)?;
        let base_partition = u64::from_be_bytes(reader.array()?);
        reader.finish()?;
        Ok(Self(base_partition))
    }
}

/// How far a base partition's entries were received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedRow {
    /// The highest entry whose changes are in the index; at least 1.
    pub entry_index: u64,
}

impl ReceivedRow {
    /// The row's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut row = vec![ROW_VERSION];
        row.put_u64(self.entry_index);
        row
    }

    /// Reads a row, all of it.
    pub fn decode(row: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "received row";
        let mut reader = Reader::new(WHAT, row);
        expect_version(WHAT, ROW_VERSION, reader.u8()?)?;
        let entry_index = reader.u64()?;
        reader.finish()?;
        check_entry_index(entry_index)?;
        Ok(Self { entry_index })
    }
}
