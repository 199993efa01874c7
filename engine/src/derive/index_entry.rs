//! What a secondary index holds of an item, and how that changes when the item does.

use basalt_format::DecodeError;
use basalt_model::{CapacityUnits, EncodedItem, IndexKeyCodec, ItemRef, KeyBytes};

use crate::catalog::StoredView;

/// An item's entry in an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    /// The key of the entry's row.
    pub(crate) key: KeyBytes,
    /// What the index holds of the item.
    pub(crate) row: EncodedItem,
}

/// How an index changes when one item does. Never empty: an entry that stays as it is has no delta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexDelta {
    /// The row that goes: the item has no entry any more, or one with another key.
    pub(super) removed: Option<KeyBytes>,
    /// The row that comes, or is replaced.
    pub(super) stored: Option<IndexEntry>,
    /// Size of the old entry; 0 if there was none.
    pub(super) old_bytes: usize,
    /// Size of the new one.
    pub(super) new_bytes: usize,
}

impl IndexEntry {
    /// The item's entry, if it has one.
    pub(crate) fn of(
        keys: &IndexKeyCodec,
        stored: &StoredView,
        item: ItemRef<'_>,
    ) -> Result<Option<Self>, DecodeError> {
        let Some(key) = keys.encode_entry(item)? else { return Ok(None) };
        Ok(Some(Self { key, row: stored.of_item(item)? }))
    }

    /// The entry's size by DynamoDB's measure.
    pub(crate) fn size_bytes(&self) -> Result<usize, DecodeError> {
        self.row.as_item().size_bytes()
    }
}

impl IndexDelta {
    /// What becomes of the item's entry when the item becomes `new`; `None`: nothing.
    pub(super) fn between(
        keys: &IndexKeyCodec,
        stored: &StoredView,
        old: Option<ItemRef<'_>>,
        new: Option<ItemRef<'_>>,
    ) -> Result<Option<Self>, DecodeError> {
        let entry = |item: Option<ItemRef<'_>>| match item {
            Some(item) => IndexEntry::of(keys, stored, item),
            None => Ok(None),
        };
        let (old, new) = (entry(old)?, entry(new)?);
        if old == new {
            return Ok(None);
        }
        let size = |entry: &Option<IndexEntry>| entry.as_ref().map_or(Ok(0), IndexEntry::size_bytes);
        let (old_bytes, new_bytes) = (size(&old)?, size(&new)?);
        let stays = |key: &KeyBytes| new.as_ref().is_some_and(|new| new.key == *key);
        let removed = old.map(|old| old.key).filter(|key| !stays(key));
        Ok(Some(Self { removed, stored: new, old_bytes, new_bytes }))
    }

    /// The write units that the index uses: a change in place costs the larger image, a move both of them.
    pub(super) fn units(&self) -> CapacityUnits {
        match (&self.removed, &self.stored) {
            (Some(_), Some(_)) => {
                CapacityUnits::for_write(self.old_bytes, 0) + CapacityUnits::for_write(0, self.new_bytes)
            }
            _ => CapacityUnits::for_write(self.old_bytes, self.new_bytes),
        }
    }
}
