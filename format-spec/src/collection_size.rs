//! How large an item collection is: a row beside the items of a table with local secondary indexes.
//!
//! Invariant: a collection of no bytes has no row. Bytes: `spec/collection_size.md`.

use crate::key_encoding::{TAG_COLLECTION, TAG_ITEM};
use crate::layout::Field;
use crate::{DecodeError, Put, Reader};

/// First byte of every row.
pub const ROW_VERSION: u8 = 1;

/// A collection's row.
pub const COLLECTION_SIZE_LAYOUT: &[Field] = &[Field::new(0, 1, "version"), Field::new(1, 8, "size_bytes")];

const WHAT: &str = "collection size";

/// The key of a collection's row, given what the keys of its items begin with: tag, hash and partition key.
pub fn row_key(item_prefix: &[u8]) -> Vec<u8> {
    let mut key = item_prefix.to_vec();
    let tag = key.first_mut().expect("keys of items begin with a tag");
    assert_eq!(*tag, TAG_ITEM, "only items are in collections");
    *tag = TAG_COLLECTION;
    key
}

/// The row's bytes.
pub fn encode(size_bytes: u64) -> Vec<u8> {
    assert_ne!(size_bytes, 0, "an empty collection has no row");
    let mut row = vec![ROW_VERSION];
    row.put_u64(size_bytes);
    row
}

/// Reads a row, all of it.
pub fn decode(row: &[u8]) -> Result<u64, DecodeError> {
    let mut reader = Reader::new(WHAT, row);
    let version = reader.u8()?;
    if version != ROW_VERSION {
        let (found, newest_known) = (version.into(), ROW_VERSION.into());
        return Err(DecodeError::UnknownVersion { what: WHAT, found, newest_known });
    }
    let size_bytes = reader.u64()?;
    reader.finish()?;
    match size_bytes {
        0 => Err(DecodeError::OutOfRange { field: WHAT, value: 0, minimum: 1, maximum: u64::MAX }),
        _ => Ok(size_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_lies_beside_the_items_of_its_collection() {
        assert_eq!(row_key(&[TAG_ITEM, 7, 8]), [TAG_COLLECTION, 7, 8]);
    }

    #[test]
    fn empty_collections_and_other_versions_are_refused() {
        assert_eq!(decode(&encode(5)), Ok(5));
        assert!(decode(&[1, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(decode(&[2, 1, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }
}
