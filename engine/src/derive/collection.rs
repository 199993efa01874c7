//! Sizes of item collections: all items of one partition key with their entries in local indexes.
//!
//! Only tables with local indexes have them. They can get those at their making alone, so a collection's row counts
//! every change from the first item on.

use std::collections::BTreeMap;

use basalt_format::{DecodeError, collection_size};
use basalt_model::size::STORAGE_OVERHEAD_BYTES;
use basalt_storage::{Stop, View, WriteBatch};

use super::{ItemChange, local_index::LocalDeltas};
use crate::{
    error::Error,
    operation::{ItemCollection, size_bytes},
};

/// The collections that one entry changes, and their sizes with its changes so far.
#[derive(Debug, Default)]
pub(super) struct Collections {
    /// Sizes by the keys of their rows.
    sizes: BTreeMap<Vec<u8>, u64>,
}

/// A collection as one change of an item would leave it.
#[derive(Debug)]
pub(super) struct Resized {
    row_key: Vec<u8>,
    size_bytes: u64,
    grows: bool,
}

impl Collections {
    /// What becomes of the collection of the item that changes.
    pub(super) fn resize(
        &self,
        change: &ItemChange<'_>,
        local: &LocalDeltas,
        view: &View<'_>,
    ) -> Result<Result<Resized, Error>, Stop> {
        let row_key = match row_key(change) {
            Ok(row_key) => row_key,
            Err(reason) => return Ok(Err(reason.into())),
        };
        let present = match self.sizes.get(&row_key) {
            Some(size_bytes) => Ok(*size_bytes),
            None => view.get(&row_key)?.map_or(Ok(0), |row| collection_size::decode(row.value)),
        };
        Ok(present.map_err(Error::from).and_then(|present| {
            let (removed, added) = difference(change, local)?;
            let size_bytes = (present + added).checked_sub(removed).ok_or(DecodeError::NotCanonical {
                what: "collection size",
                rule: "a collection is at least as large as what is removed from it",
            })?;
            Ok(Resized { row_key, size_bytes, grows: added > removed })
        }))
    }

    /// Takes the collection's new size.
    pub(super) fn note(&mut self, resized: Resized) {
        self.sizes.insert(resized.row_key, resized.size_bytes);
    }

    /// Puts the collections' rows into the entry.
    pub(super) fn put_into(self, batch: &mut WriteBatch) {
        for (row_key, size_bytes) in self.sizes {
            match size_bytes {
                0 => batch.delete(&row_key),
                _ => batch.put(&row_key, collection_size::encode(size_bytes)),
            }
        }
    }
}

impl Resized {
    /// Refuses growth beyond `bytes_max`.
    pub(super) fn check(&self, bytes_max: u64) -> Result<(), Error> {
        if self.grows && self.size_bytes > bytes_max { Err(Error::ItemCollectionTooLarge) } else { Ok(()) }
    }

    /// What the client is told of the collection.
    pub(super) fn describe(&self, change: &ItemChange<'_>) -> Result<ItemCollection, DecodeError> {
        let key = change.table.keys.decode(change.key)?;
        let partition = &change.table.schema().partition.name;
        let key = key.into_iter().filter(|(name, _)| name == partition).collect();
        Ok(ItemCollection { key, size_bytes: self.size_bytes })
    }
}

/// The bytes that go and those that come.
fn difference(change: &ItemChange<'_>, local: &LocalDeltas) -> Result<(u64, u64), Error> {
    let item = (size_bytes(change.old)?, size_bytes(change.new)?);
    let all = std::iter::once(item).chain(local.sizes());
    Ok(all.fold((0, 0), |(removed, added), (old, new)| (removed + stored(old), added + stored(new))))
}

/// What a row of this size takes; no row takes nothing.
fn stored(bytes: usize) -> u64 {
    if bytes == 0 { 0 } else { (bytes + STORAGE_OVERHEAD_BYTES) as u64 }
}

fn row_key(change: &ItemChange<'_>) -> Result<Vec<u8>, DecodeError> {
    let prefix = change.table.keys.partition_prefix_of(change.key)?;
    Ok(collection_size::row_key(prefix))
}
