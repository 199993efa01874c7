//! BatchGetItem: up to a hundred reads in one request, of several tables.

use std::{collections::BTreeSet, sync::Arc};

use basalt_model::{Consistency, EncodedItem, Item, expression::Projection};

use super::{ConsumedCapacity, GetItemOutput, get_item::GetPlan};
use crate::{
    catalog::Catalog,
    error::{Error, ValidationError},
    throughput::Throttled,
};

/// The most keys of one request.
pub const BATCH_GET_KEYS_MAX: usize = 100;
/// A reply holds at most this many bytes of items; the other keys are told as unprocessed.
pub const BATCH_GET_REPLY_BYTES: usize = 16 << 20;

/// The reads of one table.
#[derive(Debug, Clone)]
pub struct BatchGetTable {
    /// The table.
    pub table_name: String,
    /// The keys; none may come twice.
    pub keys: Vec<Item>,
    /// Paths to return; `None`: whole items.
    pub projection: Option<Projection>,
    /// How fresh the reads must be.
    pub consistency: Consistency,
}

/// Reads items of several tables. Each read stands alone: the batch is no snapshot.
#[derive(Debug, Clone)]
pub struct BatchGetItem {
    /// The tables, none twice.
    pub tables: Vec<BatchGetTable>,
}

/// What was read of one table, in the order of the request's tables.
#[derive(Debug, Clone)]
pub struct BatchGetTableOutput {
    /// The table.
    pub table_name: String,
    /// The items found, in the order of their keys.
    pub items: Vec<EncodedItem>,
    /// Keys that did not fit into the reply: ask again.
    pub unprocessed_keys: Vec<Item>,
    /// Read units used.
    pub capacity: ConsumedCapacity,
}

/// The answer to [`BatchGetItem`].
#[derive(Debug, Clone)]
pub struct BatchGetItemOutput {
    /// One entry a table, in the order of the request.
    pub tables: Vec<BatchGetTableOutput>,
}

/// The reads of a batch: one plan a key, tables and keys in the order of the request.
pub(crate) struct BatchGetPlan {
    tables: Vec<BatchGetTable>,
    pub(crate) reads: Vec<BatchRead>,
}

/// One read of a batch.
pub(crate) struct BatchRead {
    /// Place of the table and of the key in the request.
    pub(crate) at: (usize, usize),
    pub(crate) plan: GetPlan,
}

impl BatchGetItem {
    pub(crate) fn plan(self, catalog: &Catalog) -> Result<BatchGetPlan, Error> {
        self.check_request()?;
        let mut reads = Vec::new();
        for (table_index, table) in self.tables.iter().enumerate() {
            let projection = table.projection.clone().map(Arc::new);
            for (key_index, key) in table.keys.iter().enumerate() {
                let plan =
                    GetPlan::new(catalog, &table.table_name, key, projection.clone(), table.consistency)?;
                reads.push(BatchRead { at: (table_index, key_index), plan });
            }
        }
        Ok(BatchGetPlan { tables: self.tables, reads })
    }

    /// The rules that need no table.
    fn check_request(&self) -> Result<(), Error> {
        let mut key_count = 0;
        for table in &self.tables {
            // Encoded keys are equal exactly if the keys are, however their numbers were written.
            let mut seen = BTreeSet::new();
            if !table.keys.iter().all(|key| seen.insert(key.encode().into_bytes())) {
                return Err(ValidationError::DuplicateKeys.into());
            }
            key_count += table.keys.len();
        }
        if key_count > BATCH_GET_KEYS_MAX { Err(ValidationError::TooManyKeys.into()) } else { Ok(()) }
    }
}

/// What came of one read of a batch.
#[derive(Debug)]
pub(crate) enum BatchReadResult {
    /// It was read.
    Read(GetItemOutput),
    /// The item does not fit into the reply.
    NoRoom,
    /// It was not let in.
    Throttled(Throttled),
}

impl BatchGetPlan {
    /// The answer, given what came of each key; what a shard left unread is unprocessed, and so is what does not fit
    /// into the reply. If every read was held back, the batch fails.
    pub(crate) fn finish(
        self,
        mut results: Vec<((usize, usize), BatchReadResult)>,
    ) -> Result<BatchGetItemOutput, Error> {
        let is_throttled =
            |(_, result): &(_, BatchReadResult)| matches!(result, BatchReadResult::Throttled(_));
        if results.iter().all(is_throttled)
            && let Some((_, BatchReadResult::Throttled(throttled))) = results.pop()
        {
            return Err(throttled.into());
        }
        results.sort_unstable_by_key(|(at, _)| *at);
        let mut results = results.into_iter().map(|(_, result)| result);
        let mut budget = ReplyBudget::default();
        let tables = self.tables.into_iter().map(|table| {
            let mut output = BatchGetTableOutput {
                table_name: table.table_name,
                items: Vec::new(),
                unprocessed_keys: Vec::new(),
                capacity: ConsumedCapacity::default(),
            };
            for key in table.keys {
                let result = results.next().expect("every key has a result");
                match result {
                    BatchReadResult::Read(result) if budget.admits(result.item.as_ref()) => {
                        output.capacity += result.capacity;
                        output.items.extend(result.item);
                    }
                    _ => output.unprocessed_keys.push(key),
                }
            }
            output
        });
        Ok(BatchGetItemOutput { tables: tables.collect() })
    }
}

/// What a reply, or one shard's part of it, still has room for.
pub(crate) struct ReplyBudget {
    bytes_left: usize,
}

impl Default for ReplyBudget {
    fn default() -> Self {
        Self { bytes_left: BATCH_GET_REPLY_BYTES }
    }
}

impl ReplyBudget {
    /// Takes the room for an item, if there is enough.
    pub(crate) fn admits(&mut self, item: Option<&EncodedItem>) -> bool {
        let bytes = item.map_or(0, |item| item.as_bytes().len());
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.bytes_left = left;
                true
            }
            None => false,
        }
    }
}
