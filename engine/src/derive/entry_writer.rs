//! Collects the changes of one entry.

use basalt_model::CapacityUnits;
use basalt_storage::{Stop, View, WriteBatch};

use super::ItemChange;
use crate::{
    error::Error,
    operation::{ConsumedCapacity, size_bytes},
};

/// Writes changes of items, with all that is derived from them, into the batch of one partition's entry.
pub(crate) struct EntryWriter<'a> {
    view: &'a View<'a>,
    batch: &'a mut WriteBatch,
    work: EntryWork,
}

/// What is left to do elsewhere when the entry has been logged.
#[derive(Debug, Default)]
pub(crate) struct EntryWork {
    /// Changes of global indexes, in the order of the items' changes.
    pub(crate) deliveries: Vec<IndexChange>,
}

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

/// What one change of an item used and led to.
#[derive(Debug, Default)]
pub(crate) struct WriteReport {
    /// Write units, by index.
    pub(crate) capacity: ConsumedCapacity,
}

impl<'a> EntryWriter<'a> {
    /// Starts an entry. `view` is the partition as it is before the entry.
    pub(crate) fn new(view: &'a View<'a>, batch: &'a mut WriteBatch) -> Self {
        Self { view, batch, work: EntryWork::default() }
    }

    /// Adds one change of an item; an entry changes an item at most once. Refused changes leave no trace.
    pub(crate) fn change(&mut self, change: &ItemChange<'_>) -> Result<Result<WriteReport, Error>, Stop> {
        let table = match table_units(change) {
            Ok(units) => units,
            Err(error) => return Ok(Err(error)),
        };
        let report = WriteReport { capacity: ConsumedCapacity::of_table(table) };
        if !change.is_none() {
            self.put_item(change);
        }
        Ok(Ok(report))
    }

    /// Ends the entry.
    pub(crate) fn finish(self) -> EntryWork {
        self.work
    }

    fn put_item(&mut self, change: &ItemChange<'_>) {
        match change.new {
            Some(item) => self.batch.put(change.key, item.as_bytes()),
            None => self.batch.delete(change.key),
        }
    }
}

fn table_units(change: &ItemChange<'_>) -> Result<CapacityUnits, Error> {
    Ok(CapacityUnits::for_write(size_bytes(change.old)?, size_bytes(change.new)?))
}
