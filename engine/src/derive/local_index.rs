//! Local secondary indexes: their rows lie beside the items of their partition key and change in the same entry.

use basalt_format::DecodeError;
use basalt_storage::WriteBatch;

use super::{ItemChange, index_entry::IndexDelta};
use crate::operation::ConsumedCapacity;

/// How an item's change changes the local indexes of its table.
#[derive(Debug, Default)]
pub(super) struct LocalDeltas(Vec<IndexDelta>);

impl LocalDeltas {
    /// Finds out the changes and counts what they use.
    pub(super) fn of(change: &ItemChange<'_>, capacity: &mut ConsumedCapacity) -> Result<Self, DecodeError> {
        let mut deltas = Vec::new();
        for index in &change.table.local_indexes {
            if let Some(delta) = IndexDelta::between(&index.keys, &index.stored, change.old, change.new)? {
                capacity.local_indexes.insert(index.name.to_string(), delta.units());
                deltas.push(delta);
            }
        }
        Ok(Self(deltas))
    }

    /// The changed entries' sizes: of each the old one and the new one, 0 standing for none.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (usize, usize)> {
        self.0.iter().map(|delta| (delta.old_bytes, delta.new_bytes))
    }

    /// Puts the changed rows into the entry.
    pub(super) fn put_into(self, batch: &mut WriteBatch) {
        for delta in self.0 {
            if let Some(key) = delta.removed {
                batch.delete(key.as_bytes());
            }
            if let Some(entry) = delta.stored {
                batch.put(entry.key.as_bytes(), entry.row.into_bytes());
            }
        }
    }
}
