//! Keys and rows of the catalog.

use basalt_format::catalog::{CatalogKey, CountersRow, PartitionRow, TableRow};

use super::check_form;

/// A byte that chooses the structure, then its bytes.
pub fn catalog(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    match choice % 4 {
        0 => check_form(bytes, CatalogKey::decode, CatalogKey::encode),
        1 => check_form(bytes, CountersRow::decode, CountersRow::encode),
        2 => check_form(bytes, TableRow::decode, TableRow::encode),
        _ => check_form(bytes, PartitionRow::decode, PartitionRow::encode),
    }
}
