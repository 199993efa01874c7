//! Rows of time to live: the items of a partition that have an expiry, in its order; and how far a live table's
//! items have been taken into that order.
//!
//! An item that can expire has one row, which is written and removed in the entries that change the item. Who reads
//! the rows still asks the item. Bytes: `spec/time_to_live.md`.

use crate::catalog::{byte_of, enumerated};
use crate::key_encoding::{TAG_ITEM, TAG_LAYOUT, TAG_TIME_TO_LIVE};
use crate::layout::{Constant, Field};
use crate::{DecodeError, Put, Reader};

/// First byte of every progress row.
pub const TIME_TO_LIVE_PROGRESS_VERSION: u8 = 1;
/// Kind of a layout row: how far time to live has filled a partition.
pub const KIND_TIME_TO_LIVE: u8 = 0x02;

/// The beginning of an expiry's key; the item's key without its tag follows.
pub const TIME_TO_LIVE_KEY_LAYOUT: &[Field] =
    &[Field::new(0, 1, "tag"), Field::new(1, 8, "expiry_unix_seconds")];

/// The key of the progress row.
pub const TIME_TO_LIVE_PROGRESS_KEY: [u8; 2] = [TAG_LAYOUT, KIND_TIME_TO_LIVE];

/// The beginning of the progress row; where items are still to be taken, the last key that was follows.
pub const TIME_TO_LIVE_PROGRESS_LAYOUT: &[Field] =
    &[Field::new(0, 1, "version"), Field::new(1, 8, "setting_unix_us"), Field::new(9, 1, "state")];

const KEY_WHAT: &str = "time to live key";
const PROGRESS_WHAT: &str = "time to live progress";

/// How far a partition's items have been taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Passed,
    Done,
}

const STATES: [(State, u8); 2] = [(State::Passed, 1), (State::Done, 2)];

/// The states as the specification lists them.
pub const TIME_TO_LIVE_PROGRESS_STATES: &[Constant] = &[Constant::new("Passed", 1), Constant::new("Done", 2)];

/// The key of an item's expiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeToLiveKey<'a> {
    /// Seconds since 1970; from the next one on the item is expired.
    pub expiry_unix_seconds: u64,
    /// The item's key behind its tag.
    pub item_key_tail: &'a [u8],
}

impl<'a> TimeToLiveKey<'a> {
    /// The expiry of the item whose row has this key.
    pub fn of_item(item_key: &'a [u8], expiry_unix_seconds: u64) -> Self {
        let (tag, item_key_tail) = item_key.split_first().expect("a key has a tag");
        assert_eq!(*tag, TAG_ITEM, "only items expire");
        Self { expiry_unix_seconds, item_key_tail }
    }

    /// The key's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(TIME_TO_LIVE_KEY_LAYOUT[1].end() + self.item_key_tail.len());
        key.put_u8(TAG_TIME_TO_LIVE);
        key.put_bytes(&self.expiry_unix_seconds.to_be_bytes());
        key.put_bytes(self.item_key_tail);
        key
    }

    /// Reads a key; what is behind the expiry is not looked into.
    pub fn decode(key: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(KEY_WHAT, key);
        let tag = reader.u8()?;
        if tag != TAG_TIME_TO_LIVE {
            return Err(DecodeError::OutOfRange {
                field: "tag of a time to live key",
                value: tag.into(),
                minimum: TAG_TIME_TO_LIVE.into(),
                maximum: TAG_TIME_TO_LIVE.into(),
            });
        }
        let expiry_unix_seconds = u64::from_be_bytes(reader.array()?);
        Ok(Self { expiry_unix_seconds, item_key_tail: reader.rest() })
    }

    /// The key of the item's row.
    pub fn item_key(&self) -> Vec<u8> {
        [&[TAG_ITEM], self.item_key_tail].concat()
    }
}

/// The least key and the exclusive end of the expiries from one second up to, not including, another.
pub fn expiry_range(first_unix_seconds: u64, end_unix_seconds: u64) -> (Vec<u8>, Vec<u8>) {
    let at = |seconds: u64| [&[TAG_TIME_TO_LIVE][..], &seconds.to_be_bytes()].concat();
    (at(first_unix_seconds), at(end_unix_seconds))
}

/// The least key and the exclusive end of all expiries.
pub fn all_expiries() -> (Vec<u8>, Vec<u8>) {
    (vec![TAG_TIME_TO_LIVE], vec![TAG_TIME_TO_LIVE + 1])
}

/// How far a partition's items have been taken into the order of expiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeToLiveProgress {
    /// When the setting was made that the items are taken by: a later one begins anew.
    pub setting_unix_us: u64,
    /// The last item that was taken, its key whole; `None` once all are.
    pub passed: Option<Vec<u8>>,
}

impl TimeToLiveProgress {
    /// The row's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let state = if self.passed.is_some() { State::Passed } else { State::Done };
        let mut row = vec![TIME_TO_LIVE_PROGRESS_VERSION];
        row.put_u64(self.setting_unix_us);
        row.put_u8(byte_of(&STATES, state));
        row.put_bytes(self.passed.as_deref().unwrap_or_default());
        row
    }

    /// Reads a row, all of it.
    pub fn decode(row: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(PROGRESS_WHAT, row);
        let version = reader.u8()?;
        if version != TIME_TO_LIVE_PROGRESS_VERSION {
            return Err(DecodeError::UnknownVersion {
                what: PROGRESS_WHAT,
                found: version.into(),
                newest_known: TIME_TO_LIVE_PROGRESS_VERSION.into(),
            });
        }
        let setting_unix_us = reader.u64()?;
        let passed = match enumerated("state of a time to live progress", &STATES, reader.u8()?)? {
            State::Done => {
                reader.finish()?;
                None
            }
            State::Passed if reader.rest().first() == Some(&TAG_ITEM) => Some(reader.rest().to_vec()),
            State::Passed => {
                return Err(DecodeError::NotCanonical {
                    what: PROGRESS_WHAT,
                    rule: "the key that was passed is an item's",
                });
            }
        };
        Ok(Self { setting_unix_us, passed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn expiries_sort_by_time_and_find_their_item(a: (u64, Vec<u8>), b: (u64, Vec<u8>)) {
            let key = |(seconds, tail): &(u64, Vec<u8>)| {
                let item_key = [&[TAG_ITEM], &tail[..]].concat();
                let key = TimeToLiveKey::of_item(&item_key, *seconds).encode();
                assert_eq!(TimeToLiveKey::decode(&key).unwrap().item_key(), item_key);
                key
            };
            prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
        }
    }

    #[test]
    fn a_range_of_expiries_ends_before_its_end() {
        let (start, end) = expiry_range(5, 7);
        let within = |seconds| {
            let key = TimeToLiveKey::of_item(&[TAG_ITEM, 0xff], seconds).encode();
            start <= key && key < end
        };
        assert_eq!([4, 5, 6, 7].map(within), [false, true, true, false]);
    }
}
