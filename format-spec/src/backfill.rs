//! How far the items of a base partition were taken into an index that was made while the table lived.
//!
//! One row for each index that is being filled, written in the entry of each step; it goes before the index is
//! done. Bytes: `spec/global_index.md`.

use crate::key_encoding::{TAG_ITEM, TAG_LAYOUT};
use crate::layout::{Constant, Field};
use crate::outbox::{expect_tag, expect_version};
use crate::{DecodeError, Put, Reader};

/// First byte of every row.
pub const ROW_VERSION: u8 = 1;
/// Kind of a layout row: the backfill of a global index.
pub const KIND_BACKFILL: u8 = 0x01;

/// The key of a row.
pub const BACKFILL_KEY_LAYOUT: &[Field] =
    &[Field::new(0, 1, "tag"), Field::new(1, 1, "kind"), Field::new(2, 8, "index_number")];

const STATE_PASSED: u8 = 1;
const STATE_DONE: u8 = 2;

/// The states as the specification lists them.
pub const BACKFILL_STATES: &[Constant] =
    &[Constant::new("Passed", STATE_PASSED as u64), Constant::new("Done", STATE_DONE as u64)];

/// Whose row it is: the number of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackfillKey(pub u64);

impl BackfillKey {
    /// The key's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut key = vec![TAG_LAYOUT, KIND_BACKFILL];
        key.put_bytes(&self.0.to_be_bytes());
        key
    }

    /// Reads a key, all of it.
    pub fn decode(key: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("backfill key", key);
        expect_tag("tag of a backfill key", TAG_LAYOUT, reader.u8()?)?;
        expect_tag("kind of a backfill key", KIND_BACKFILL, reader.u8()?)?;
        let index_number = u64::from_be_bytes(reader.array()?);
        reader.finish()?;
        Ok(Self(index_number))
    }
}

/// How far the items were taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackfillRow {
    /// Every item up to this key, included; the key is an item's, whole.
    Passed(Vec<u8>),
    /// All of them.
    Done,
}

impl BackfillRow {
    /// The row's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut row = vec![ROW_VERSION];
        match self {
            Self::Passed(item_key) => {
                row.put_u8(STATE_PASSED);
                row.put_bytes(item_key);
            }
            Self::Done => row.put_u8(STATE_DONE),
        }
        row
    }

    /// Reads a row, all of it.
    pub fn decode(row: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "backfill row";
        let mut reader = Reader::new(WHAT, row);
        expect_version(WHAT, ROW_VERSION, reader.u8()?)?;
        match reader.u8()? {
            STATE_PASSED => {
                let item_key = reader.rest();
                expect_tag("tag of a passed item", TAG_ITEM, reader.u8()?)?;
                Ok(Self::Passed(item_key.to_vec()))
            }
            STATE_DONE => reader.finish().map(|()| Self::Done),
            state => Err(DecodeError::OutOfRange {
                field: "state of a backfill",
                value: state.into(),
                minimum: STATE_PASSED.into(),
                maximum: STATE_DONE.into(),
            }),
        }
    }
}
