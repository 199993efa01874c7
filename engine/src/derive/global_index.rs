//! Global secondary indexes: their rows lie in partitions of their own, so what changes in them is sent there.

use basalt_format::DecodeError;
use basalt_model::ItemRef;

use super::{
    ItemChange,
    index_entry::{IndexDelta, IndexEntry},
};
use crate::{
    catalog::{GlobalIndex, IndexStatus},
    operation::ConsumedCapacity,
};

/// One change of a row of a global index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexChange {
    /// The index.
    pub(crate) index_number: u64,
    /// The row's key in the index's partition; its hash is behind the tag.
    pub(crate) row_key: Vec<u8>,
    /// The row; `None`: it goes.
    pub(crate) row: Option<Vec<u8>>,
}

/// The row that an index holds of an item, if it holds it at all: what brings an item into an index from after it.
pub(crate) fn index_row(index: &GlobalIndex, item: ItemRef<'_>) -> Result<Option<IndexChange>, DecodeError> {
    let entry = IndexEntry::of(&index.keys, &index.stored, item)?;
    Ok(entry.map(|entry| stored_row(index.number, entry)))
}

/// How an item's change changes the global indexes of its table; counts what that uses.
pub(super) fn changes(
    change: &ItemChange<'_>,
    capacity: &mut ConsumedCapacity,
) -> Result<Vec<IndexChange>, DecodeError> {
    let mut changes = Vec::new();
    // An index that is going away takes nothing.
    for index in change.table.global_indexes.iter().filter(|index| index.status != IndexStatus::Deleting) {
        if let Some(delta) = IndexDelta::between(&index.keys, &index.stored, change.old, change.new)? {
            capacity.global_indexes.insert(index.name.to_string(), delta.units());
            push_changes(index.number, delta, &mut changes);
        }
    }
    Ok(changes)
}

fn push_changes(index_number: u64, delta: IndexDelta, changes: &mut Vec<IndexChange>) {
    if let Some(key) = delta.removed {
        changes.push(IndexChange { index_number, row_key: key.into_bytes(), row: None });
    }
    if let Some(entry) = delta.stored {
        changes.push(stored_row(index_number, entry));
    }
}

fn stored_row(index_number: u64, entry: IndexEntry) -> IndexChange {
    IndexChange { index_number, row_key: entry.key.into_bytes(), row: Some(entry.row.into_bytes()) }
}
