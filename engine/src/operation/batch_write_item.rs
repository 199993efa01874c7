//! BatchWriteItem: up to 25 puts and deletes in one request, of several tables.

use std::collections::BTreeSet;

use basalt_model::{Item, KeyError};

use super::{
    ConsumedCapacity, DeleteItem, ItemCollection, PutItem, WriteOutput,
    delete_item::DeletePlan,
    item_write::ItemWrite,
    put_item::{self, PutPlan},
};
use crate::{
    catalog::Catalog,
    error::{Error, ErrorKind, ValidationError},
    place::ItemPlace,
};

/// The most writes of one request.
pub const BATCH_WRITES_MAX: usize = 25;

/// One write of a batch.
#[derive(Debug, Clone)]
pub enum BatchWrite {
    /// Puts this item.
    Put(Item),
    /// Deletes the item with this key.
    Delete(Item),
}

/// The writes of one table.
#[derive(Debug, Clone)]
pub struct BatchWriteTable {
    /// The table.
    pub table_name: String,
    /// The writes; no item may be written twice.
    pub writes: Vec<BatchWrite>,
}

/// Writes items of several tables. Each write is atomic by itself; the batch is not.
#[derive(Debug, Clone)]
pub struct BatchWriteItem {
    /// The tables, none twice.
    pub tables: Vec<BatchWriteTable>,
}

/// What was written of one table.
#[derive(Debug, Clone)]
pub struct BatchWriteTableOutput {
    /// The table.
    pub table_name: String,
    /// Writes that were refused for now: send them again.
    pub unprocessed: Vec<BatchWrite>,
    /// Write units used.
    pub capacity: ConsumedCapacity,
    /// The collections of the items written, each once, as they are now; only of a table with local indexes.
    pub item_collections: Vec<ItemCollection>,
}

/// The answer to [`BatchWriteItem`].
#[derive(Debug, Clone)]
pub struct BatchWriteItemOutput {
    /// One entry a table, in the order of the request.
    pub tables: Vec<BatchWriteTableOutput>,
}

/// The writes of a batch: one plan each, tables and writes in the order of the request.
pub(crate) struct BatchWritePlan {
    tables: Vec<BatchWriteTable>,
    pub(crate) writes: Vec<PlannedWrite>,
}

/// One write of a batch.
pub(crate) struct PlannedWrite {
    /// Place of the table and of the write in the request.
    pub(crate) at: (usize, usize),
    pub(crate) plan: WritePlan,
}

/// A put or a delete.
pub(crate) enum WritePlan {
    Put(PutPlan),
    Delete(DeletePlan),
}

impl WritePlan {
    pub(crate) fn place(&self) -> &ItemPlace {
        match self {
            Self::Put(plan) => plan.place(),
            Self::Delete(plan) => plan.place(),
        }
    }
}

impl BatchWriteItem {
    pub(crate) fn plan(self, catalog: &Catalog) -> Result<BatchWritePlan, Error> {
        self.check_request()?;
        let mut writes = Vec::new();
        for (table_index, table) in self.tables.iter().enumerate() {
            let mut seen = BTreeSet::new();
            for (write_index, write) in table.writes.iter().enumerate() {
                let plan = write.plan(&table.table_name, catalog).map_err(as_of_a_batch)?;
                if !seen.insert(plan.place().key.clone()) {
                    return Err(ValidationError::DuplicateKeys.into());
                }
                writes.push(PlannedWrite { at: (table_index, write_index), plan });
            }
        }
        Ok(BatchWritePlan { tables: self.tables, writes })
    }

    /// The rules that need no table.
    fn check_request(&self) -> Result<(), Error> {
        let all = || self.tables.iter().flat_map(|table| &table.writes);
        if all().count() > BATCH_WRITES_MAX {
            return Err(ValidationError::TooManyWrites.into());
        }
        all().try_for_each(|write| match write {
            BatchWrite::Put(item) => put_item::check_item(item),
            BatchWrite::Delete(_) => Ok(()),
        })
    }
}

impl BatchWrite {
    fn plan(&self, table_name: &str, catalog: &Catalog) -> Result<WritePlan, Error> {
        Ok(match self {
            Self::Put(item) => WritePlan::Put(PutItem::new(table_name, item.clone()).plan(catalog)?),
            Self::Delete(key) => WritePlan::Delete(DeleteItem::new(table_name, key.clone()).plan(catalog)?),
        })
    }
}

/// A batch tells every misfit of a key in the same words.
fn as_of_a_batch(error: Error) -> Error {
    match error {
        Error::Validation(ValidationError::Key(KeyError::Missing { .. } | KeyError::TypeMismatch { .. })) => {
            ValidationError::Key(KeyError::SchemaMismatch).into()
        }
        other => other,
    }
}

impl BatchWritePlan {
    /// The answer, given the outcome of each write. Writes that failed for now are unprocessed; if none was done,
    /// or one failed for good, the batch fails.
    pub(crate) fn finish(
        self,
        mut results: Vec<((usize, usize), Result<WriteOutput, Error>)>,
    ) -> Result<BatchWriteItemOutput, Error> {
        let none_done = results.iter().all(|(_, result)| result.is_err());
        if let Some(index) = results.iter().position(|(_, result)| {
            result.as_ref().is_err_and(|error| none_done || !may_be_sent_again(error))
        }) {
            return Err(results.swap_remove(index).1.expect_err("it was found by its error"));
        }
        results.sort_unstable_by_key(|(at, _)| *at);
        let mut results = results.into_iter().map(|(_, result)| result);
        let tables = self.tables.into_iter().map(|table| {
            let mut output = BatchWriteTableOutput {
                table_name: table.table_name,
                unprocessed: Vec::new(),
                capacity: ConsumedCapacity::default(),
                item_collections: Vec::new(),
            };
            for write in table.writes {
                match results.next().expect("every write has a result") {
                    Ok(written) => output.add(written),
                    Err(_for_now) => output.unprocessed.push(write),
                }
            }
            output
        });
        Ok(BatchWriteItemOutput { tables: tables.collect() })
    }
}

impl BatchWriteTableOutput {
    /// Adds what a write did. The writes of a collection run in the order of the request, so the last tells how large
    /// it is.
    fn add(&mut self, written: WriteOutput) {
        self.capacity += written.capacity;
        if let Some(collection) = written.item_collection {
            self.item_collections.retain(|known| known.key != collection.key);
            self.item_collections.push(collection);
        }
    }
}

fn may_be_sent_again(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Retry | ErrorKind::FreeSpace)
}

#[cfg(test)]
mod tests {
    use basalt_model::{CapacityUnits, Value};

    use super::*;

    fn plan() -> BatchWritePlan {
        let writes = (0..2).map(|_| BatchWrite::Put(Item::new())).collect();
        BatchWritePlan {
            tables: vec![BatchWriteTable { table_name: "t".to_owned(), writes }],
            writes: Vec::new(),
        }
    }

    fn done() -> Result<WriteOutput, Error> {
        let capacity = ConsumedCapacity::of_table(CapacityUnits::for_write(0, 1));
        Ok(WriteOutput { attributes: None, capacity, item_collection: None })
    }

    fn done_in_collection(key: &str, size_bytes: u64) -> Result<WriteOutput, Error> {
        let key = Item::from_iter([("pk".to_owned(), Value::S(key.to_owned()))]);
        Ok(WriteOutput { item_collection: Some(ItemCollection { key, size_bytes }), ..done()? })
    }

    #[test]
    fn writes_that_failed_for_now_are_unprocessed() {
        let output = plan().finish(vec![((0, 1), Err(Error::DiskFull)), ((0, 0), done())]).unwrap();
        assert_eq!(output.tables[0].unprocessed.len(), 1);
        assert_eq!(output.tables[0].capacity.table, CapacityUnits::for_write(0, 1));
    }

    #[test]
    fn each_collection_is_told_once_as_the_last_write_left_it() {
        let results = vec![((0, 1), done_in_collection("a", 20)), ((0, 0), done_in_collection("a", 10))];
        let output = plan().finish(results).unwrap();
        let [collection] = output.tables[0].item_collections.as_slice() else { panic!("{output:?}") };
        assert_eq!(collection.size_bytes, 20);
        let results = vec![((0, 0), done_in_collection("a", 10)), ((0, 1), done_in_collection("b", 5))];
        assert_eq!(plan().finish(results).unwrap().tables[0].item_collections.len(), 2);
    }

    #[test]
    fn a_batch_of_which_nothing_was_done_fails() {
        let failed = plan().finish(vec![((0, 0), Err(Error::DiskFull)), ((0, 1), Err(Error::Overloaded))]);
        assert!(matches!(failed, Err(Error::DiskFull)));
    }

    #[test]
    fn a_failure_for_good_fails_the_batch() {
        let failed = plan().finish(vec![((0, 0), done()), ((0, 1), Err(Error::Closed))]);
        assert!(matches!(failed, Err(Error::Closed)));
    }
}
