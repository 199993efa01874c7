//! BatchWriteItem: up to 25 puts and deletes in one request, of several tables.

use std::collections::BTreeSet;

use basalt_model::{Item, KeyError};

use super::{
    ConsumedCapacity, DeleteItem, PutItem,
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
        mut results: Vec<((usize, usize), Result<ConsumedCapacity, Error>)>,
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
            };
            for write in table.writes {
                match results.next().expect("every write has a result") {
                    Ok(capacity) => output.capacity += capacity,
                    Err(_for_now) => output.unprocessed.push(write),
                }
            }
            output
        });
        Ok(BatchWriteItemOutput { tables: tables.collect() })
    }
}

fn may_be_sent_again(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Retry | ErrorKind::FreeSpace)
}

#[cfg(test)]
mod tests {
    use basalt_model::CapacityUnits;

    use super::*;

    fn plan() -> BatchWritePlan {
        let writes = (0..2).map(|_| BatchWrite::Put(Item::new())).collect();
        BatchWritePlan {
            tables: vec![BatchWriteTable { table_name: "t".to_owned(), writes }],
            writes: Vec::new(),
        }
    }

    fn done() -> Result<ConsumedCapacity, Error> {
        Ok(ConsumedCapacity::of_table(CapacityUnits::for_write(0, 1)))
    }

    #[test]
    fn writes_that_failed_for_now_are_unprocessed() {
        let output = plan().finish(vec![((0, 1), Err(Error::DiskFull)), ((0, 0), done())]).unwrap();
        assert_eq!(output.tables[0].unprocessed.len(), 1);
        assert_eq!(output.tables[0].capacity.table, CapacityUnits::for_write(0, 1));
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
