//! What a new item must keep so that it can be indexed; asked before the item enters an entry.

use basalt_format::DecodeError;
use basalt_model::{IndexKeyCodec, ItemRef, KeyError, size::ITEM_BYTES_MAX};

use super::index_entry::IndexEntry;
use crate::{catalog::Table, error::Error};

/// Refuses an item of which a key attribute of an index has a value that no key may have.
pub(crate) fn check_index_keys(table: &Table, item: ItemRef<'_>) -> Result<(), Error> {
    for (name, keys) in indexes(table) {
        keys.check_item(name, item)??;
    }
    Ok(())
}

/// As [`check_index_keys`], for what an update makes of `present`: only indexes of which it changes the key are asked,
/// because an item from before an index may hold what the index cannot take.
pub(crate) fn check_updated_index_keys(
    table: &Table,
    present: Option<ItemRef<'_>>,
    updated: ItemRef<'_>,
) -> Result<Result<(), KeyError>, DecodeError> {
    for (name, keys) in indexes(table) {
        if changes_key(keys, present, updated)?
            && let Err(error) = keys.check_item(name, updated)?
        {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

/// Whether an item is too large together with its entries in local indexes, which share the limit of items.
pub(crate) fn is_too_large_with_indexes(table: &Table, item: ItemRef<'_>) -> Result<bool, DecodeError> {
    if table.local_indexes.is_empty() {
        return Ok(false);
    }
    let mut bytes = item.size_bytes()?;
    for index in &table.local_indexes {
        if let Some(entry) = IndexEntry::of(&index.keys, &index.stored, item)? {
            bytes += entry.size_bytes()?;
        }
    }
    Ok(bytes > ITEM_BYTES_MAX)
}

fn indexes(table: &Table) -> impl Iterator<Item = (&str, &IndexKeyCodec)> {
    let local = table.local_indexes.iter().map(|index| (&*index.name, &index.keys));
    local.chain(table.global_indexes.iter().map(|index| (&*index.name, &index.keys)))
}

fn changes_key(
    keys: &IndexKeyCodec,
    present: Option<ItemRef<'_>>,
    updated: ItemRef<'_>,
) -> Result<bool, DecodeError> {
    let Some(present) = present else { return Ok(true) };
    for attribute in keys.schema().attributes() {
        let values = [present, updated].map(|item| item.get_encoded(&attribute.name));
        let [old, new] = values;
        if old? != new? {
            return Ok(true);
        }
    }
    Ok(false)
}
