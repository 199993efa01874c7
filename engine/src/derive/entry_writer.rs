//! Collects the changes of one entry.

use basalt_model::CapacityUnits;
use basalt_storage::{Stop, View, WriteBatch};

use super::{
    ItemChange,
    collection::Collections,
    global_index::{self, IndexChange},
    local_index::LocalDeltas,
    stream::ChangeRecord,
    time_to_live::ExpiryShift,
};
use crate::{
    error::Error,
    operation::{ConsumedCapacity, ItemCollection, size_bytes},
};

/// Writes changes of items, with all that is derived from them, into the batch of one partition's entry.
pub(crate) struct EntryWriter<'a> {
    view: &'a View<'a>,
    batch: &'a mut WriteBatch,
    collection_bytes_max: u64,
    collections: Collections,
    /// Changes of items that the entry has so far.
    change_count: u16,
    work: EntryWork,
}

/// What is left to do elsewhere when the entry has been logged.
#[derive(Debug, Default)]
pub(crate) struct EntryWork {
    /// Changes of global indexes, in the order of the items' changes.
    pub(crate) deliveries: Vec<IndexChange>,
}

impl EntryWork {
    /// Bytes of what is to be delivered.
    pub(crate) fn bytes(&self) -> usize {
        let bytes = |change: &IndexChange| change.row_key.len() + change.row.as_ref().map_or(0, Vec::len);
        self.deliveries.iter().map(bytes).sum()
    }
}

/// What one change of an item used and led to.
#[derive(Debug, Default)]
pub(crate) struct WriteReport {
    /// Write units, by index.
    pub(crate) capacity: ConsumedCapacity,
    /// The item's collection with this change; only of a table with local indexes.
    pub(crate) item_collection: Option<ItemCollection>,
}

impl<'a> EntryWriter<'a> {
    /// Starts an entry. `view` is the partition as it is before the entry; no item collection may grow beyond
    /// `collection_bytes_max`.
    pub(crate) fn new(view: &'a View<'a>, batch: &'a mut WriteBatch, collection_bytes_max: u64) -> Self {
        let (collections, work) = (Collections::default(), EntryWork::default());
        Self { view, batch, collection_bytes_max, collections, change_count: 0, work }
    }

    /// Adds one change of an item; an entry changes an item at most once. Refused changes leave no trace.
    pub(crate) fn change(&mut self, change: &ItemChange<'_>) -> Result<Result<WriteReport, Error>, Stop> {
        let derived = match Derived::of(change) {
            Ok(derived) => derived,
            Err(error) => return Ok(Err(error)),
        };
        let mut report = WriteReport { capacity: derived.capacity, item_collection: None };
        if !change.table.local_indexes.is_empty() {
            match self.resize_collection(change, &derived.local)? {
                Ok(collection) => report.item_collection = Some(collection),
                Err(error) => return Ok(Err(error)),
            }
        }
        if !change.is_none() {
            self.put_item(change);
            derived.local.put_into(self.batch);
            derived.expiry.put_into(change.key, self.batch);
            if let Some(record) = derived.record {
                record.put_into(self.change_count, self.batch);
            }
            self.change_count = self.change_count.checked_add(1).expect("an entry has few changes");
            self.work.deliveries.extend(derived.global);
        }
        Ok(Ok(report))
    }

    /// Ends the entry.
    pub(crate) fn finish(self) -> EntryWork {
        self.collections.put_into(self.batch);
        self.work
    }

    fn resize_collection(
        &mut self,
        change: &ItemChange<'_>,
        local: &LocalDeltas,
    ) -> Result<Result<ItemCollection, Error>, Stop> {
        let resized = self.collections.resize(change, local, self.view)?;
        let checked = resized.and_then(|resized| {
            resized.check(self.collection_bytes_max)?;
            Ok((resized.describe(change)?, resized))
        });
        Ok(checked.map(|(collection, resized)| {
            if !change.is_none() {
                self.collections.note(resized);
            }
            collection
        }))
    }

    fn put_item(&mut self, change: &ItemChange<'_>) {
        match change.new {
            Some(item) => self.batch.put(change.key, item.as_bytes()),
            None => self.batch.delete(change.key),
        }
    }
}

/// What a change of an item leads to, and what all of it uses.
#[derive(Default)]
struct Derived {
    local: LocalDeltas,
    global: Vec<IndexChange>,
    expiry: ExpiryShift,
    record: Option<ChangeRecord>,
    capacity: ConsumedCapacity,
}

impl Derived {
    fn of(change: &ItemChange<'_>) -> Result<Self, Error> {
        let table = CapacityUnits::for_write(size_bytes(change.old)?, size_bytes(change.new)?);
        let mut capacity = ConsumedCapacity::of_table(table);
        if change.is_none() {
            return Ok(Self { capacity, ..Self::default() });
        }
        let local = LocalDeltas::of(change, &mut capacity)?;
        let global = global_index::changes(change, &mut capacity)?;
        let (expiry, record) = (ExpiryShift::of(change)?, ChangeRecord::of(change)?);
        Ok(Self { local, global, expiry, record, capacity })
    }
}
