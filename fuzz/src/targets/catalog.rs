//! Keys and rows of the catalog.

use basalt_format::DecodeError;
use basalt_format::catalog::{CatalogKey, CountersRow, PartitionRow, TableRow};

/// A byte that chooses the structure, then its bytes.
pub fn catalog(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    match choice % 4 {
        0 => check(bytes, CatalogKey::decode, CatalogKey::encode),
        1 => check(bytes, CountersRow::decode, CountersRow::encode),
        2 => check(bytes, TableRow::decode, TableRow::encode),
        _ => check(bytes, PartitionRow::decode, PartitionRow::encode),
    }
}

fn check<T>(bytes: &[u8], decode: fn(&[u8]) -> Result<T, DecodeError>, encode: fn(&T) -> Vec<u8>) {
    match decode(bytes) {
        Ok(value) => assert_eq!(encode(&value), bytes, "a value has one form"),
        Err(error) => drop(error.to_string()),
    }
}
