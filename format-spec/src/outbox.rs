//! Changes of global indexes that their partitions have not received yet: rows of a base partition.
//!
//! An entry that changes an index puts its changes here, so that they are durable with it. One entry's changes fill
//! as many rows as they need, since a value has a greatest length; the rows of an entry are numbered from 0.
//!
//! Knows nothing of what the rows of an index hold. Bytes: `spec/global_index.md`.

use crate::key_encoding::{HASHED_KEY_PARTS_OFFSET, TAG_GLOBAL_INDEX, TAG_OUTBOX, prefix_end};
use crate::layout::{Constant, Field};
use crate::{DecodeError, Put, Reader};

/// First byte of every row.
pub const ROW_VERSION: u8 = 1;
/// A row of the index is put.
pub const CHANGE_PUT: u8 = 1;
/// A row of the index is deleted.
pub const CHANGE_DELETE: u8 = 2;

/// The kinds of changes as the specification lists them.
pub const CHANGE_KINDS: &[Constant] =
    &[Constant::new("CHANGE_PUT", CHANGE_PUT as u64), Constant::new("CHANGE_DELETE", CHANGE_DELETE as u64)];

/// The key of an outbox row.
pub const OUTBOX_KEY_LAYOUT: &[Field] =
    &[Field::new(0, 1, "tag"), Field::new(1, 8, "entry_index"), Field::new(9, 4, "part")];

/// The beginning of a change in an outbox row.
pub const OUTBOX_CHANGE_LAYOUT: &[Field] = &[Field::new(0, 1, "kind"), Field::new(1, 8, "index_number")];

/// A row holds changes up to this many bytes; a single longer one has a row of its own.
pub const ROW_SOFT_BYTES_MAX: usize = 64 << 10;

const WHAT_KEY: &str = "outbox key";
const WHAT_ROW: &str = "outbox row";

/// Which row of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutboxKey {
    /// The entry that made the changes; at least 1.
    pub entry_index: u64,
    /// Which of the entry's rows, from 0.
    pub part: u32,
}

impl OutboxKey {
    /// The key's bytes, which sort by entry, then by part.
    pub fn encode(&self) -> Vec<u8> {
        let mut key = vec![TAG_OUTBOX];
        key.put_bytes(&self.entry_index.to_be_bytes());
        key.put_bytes(&self.part.to_be_bytes());
        key
    }

    /// Reads a key, all of it.
    pub fn decode(key: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT_KEY, key);
        expect_tag(WHAT_KEY, TAG_OUTBOX, reader.u8()?)?;
        let entry_index = u64::from_be_bytes(reader.array()?);
        let part = u32::from_be_bytes(reader.array()?);
        reader.finish()?;
        check_entry_index(entry_index)?;
        Ok(Self { entry_index, part })
    }

    /// All rows of the outbox: from the first key, included, to the second, excluded.
    pub fn all() -> (Vec<u8>, Vec<u8>) {
        (vec![TAG_OUTBOX], prefix_end(vec![TAG_OUTBOX]))
    }
}

/// One change of a global index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxChange<'a> {
    /// The index.
    pub index_number: u64,
    /// The whole key of the row in the index's partition.
    pub row_key: &'a [u8],
    /// The row's new value; `None`: it is deleted.
    pub row: Option<&'a [u8]>,
}

impl<'a> OutboxChange<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_u8(if self.row.is_some() { CHANGE_PUT } else { CHANGE_DELETE });
        out.put_u64(self.index_number);
        out.put_prefixed_bytes(self.row_key);
        if let Some(row) = self.row {
            out.put_prefixed_bytes(row);
        }
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let kind = reader.u8()?;
        let index_number = reader.u64()?;
        let row_key = reader.prefixed_bytes()?;
        check_row_key(row_key)?;
        let row = match kind {
            CHANGE_PUT => Some(reader.prefixed_bytes()?),
            CHANGE_DELETE => None,
            kind => {
                return Err(DecodeError::OutOfRange {
                    field: "kind of an index change",
                    value: kind.into(),
                    minimum: CHANGE_PUT.into(),
                    maximum: CHANGE_DELETE.into(),
                });
            }
        };
        Ok(Self { index_number, row_key, row })
    }
}

/// The rows of one entry, in the order of their parts.
pub fn encode_rows<'a>(changes: impl IntoIterator<Item = OutboxChange<'a>>) -> Vec<Vec<u8>> {
    let mut rows: Vec<Vec<u8>> = Vec::new();
    let mut encoded = Vec::new();
    for change in changes {
        encoded.clear();
        change.put(&mut encoded);
        match rows.last_mut() {
            Some(last) if last.len() + encoded.len() <= ROW_SOFT_BYTES_MAX => last.put_bytes(&encoded),
            _ => rows.push([&[ROW_VERSION][..], &encoded].concat()),
        }
    }
    rows
}

/// The changes of one row, in the order in which they were made; there is at least one.
pub fn decode_row(row: &[u8]) -> Result<Vec<OutboxChange<'_>>, DecodeError> {
    let mut reader = Reader::new(WHAT_ROW, row);
    expect_version(WHAT_ROW, ROW_VERSION, reader.u8()?)?;
    let mut changes = vec![OutboxChange::decode(&mut reader)?];
    while reader.remaining() > 0 {
        changes.push(OutboxChange::decode(&mut reader)?);
    }
    Ok(changes)
}

pub(crate) fn expect_tag(field: &'static str, expected: u8, found: u8) -> Result<(), DecodeError> {
    if found == expected {
        return Ok(());
    }
    let (value, bound) = (found.into(), expected.into());
    Err(DecodeError::OutOfRange { field, value, minimum: bound, maximum: bound })
}

pub(crate) fn expect_version(what: &'static str, known: u8, found: u8) -> Result<(), DecodeError> {
    if found == known {
        return Ok(());
    }
    Err(DecodeError::UnknownVersion { what, found: found.into(), newest_known: known.into() })
}

/// Entries count from 1.
pub(crate) fn check_entry_index(entry_index: u64) -> Result<(), DecodeError> {
    if entry_index > 0 {
        return Ok(());
    }
    Err(DecodeError::OutOfRange { field: "entry index", value: 0, minimum: 1, maximum: u64::MAX })
}

/// Rows of an index are found by tag and hash; whatever follows is the index's own.
fn check_row_key(row_key: &[u8]) -> Result<(), DecodeError> {
    const WHAT: &str = "key of an index row";
    expect_tag(WHAT, TAG_GLOBAL_INDEX, Reader::new(WHAT, row_key).u8()?)?;
    Reader::new(WHAT, row_key).bytes(HASHED_KEY_PARTS_OFFSET).map(|_tag_and_hash| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row_key(rest: &[u8]) -> Vec<u8> {
        [&[TAG_GLOBAL_INDEX, 1, 2, 3, 4, 5, 6, 7, 8][..], rest].concat()
    }

    proptest! {
        #[test]
        fn changes_come_back_in_their_order(
            made in proptest::collection::vec(
                (any::<u64>(), proptest::collection::vec(any::<u8>(), 0..9), proptest::option::of(0..40_000usize)),
                0..8,
            ),
        ) {
            let owned: Vec<_> = made
                .into_iter()
                .map(|(number, rest, row)| (number, row_key(&rest), row.map(|bytes| vec![7; bytes])))
                .collect();
            let changes: Vec<OutboxChange<'_>> = owned
                .iter()
                .map(|(number, key, row)| OutboxChange { index_number: *number, row_key: key, row: row.as_deref() })
                .collect();
            let rows = encode_rows(changes.iter().copied());
            prop_assert!(rows.iter().all(|row| row.len() <= ROW_SOFT_BYTES_MAX));
            let mut decoded = Vec::new();
            for row in &rows {
                decoded.extend(decode_row(row).unwrap());
            }
            prop_assert_eq!(decoded, changes);
        }

        #[test]
        fn any_bytes_are_refused_or_encode_to_themselves(
            bytes in proptest::collection::vec(prop_oneof![Just(0), Just(1), Just(2), Just(9), Just(0x80)], 0..40),
        ) {
            if let Ok(changes) = decode_row(&bytes) {
                prop_assert_eq!(encode_rows(changes), [bytes]);
            }
        }
    }

    #[test]
    fn a_change_longer_than_a_row_has_a_row_of_its_own() {
        let (key, long) = (row_key(b""), vec![1; 2 * ROW_SOFT_BYTES_MAX]);
        let change = |row| OutboxChange { index_number: 1, row_key: &key, row };
        let rows = encode_rows([change(None), change(Some(&long)), change(None), change(None)]);
        let counts: Vec<usize> = rows.iter().map(|row| decode_row(row).unwrap().len()).collect();
        assert_eq!(counts, [1, 1, 2]);
    }

    #[test]
    fn keys_sort_by_entry_then_by_part() {
        let keys = [(1, 0), (1, 1), (2, 0), (256, 0), (u64::MAX, u32::MAX)];
        let encoded = keys.map(|(entry_index, part)| OutboxKey { entry_index, part }.encode());
        assert!(encoded.is_sorted());
        let (first, end) = OutboxKey::all();
        assert!(encoded.iter().all(|key| first <= *key && *key < end));
    }

    #[test]
    fn a_row_without_changes_and_an_entry_numbered_zero_are_refused() {
        assert!(decode_row(&[ROW_VERSION]).is_err());
        assert!(OutboxKey::decode(&OutboxKey { entry_index: 0, part: 0 }.encode()).is_err());
    }
}
