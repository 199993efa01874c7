//! How a bound statement is run on a table or index whose key is known.

use std::cmp::Ordering;

use super::ast::SortOrder;
use super::bound::{BoundDelete, BoundUpdate};
use super::columns::Columns;
use super::error::StatementError;
use super::keys::{self, KeyedRead};
use crate::expression::Condition;
use crate::index_key::IndexKeySchema;
use crate::item::Item;
use crate::path::DocumentPath;

/// Reads items.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundSelect {
    /// The table.
    pub table_name: String,
    /// The index, if one is named.
    pub index_name: Option<String>,
    /// What is shown of each item; `None`: everything.
    pub columns: Option<Columns>,
    /// Which items.
    pub condition: Option<Condition>,
    pub(super) order: Vec<(DocumentPath, SortOrder)>,
}

/// What a SELECT comes to.
#[derive(Debug, Clone)]
pub enum SelectPlan {
    /// One scan, filtered by the whole condition.
    Scan,
    /// Queries, one after the other, each filtered by the whole condition. They share no item.
    Queries {
        /// The queries in the order of their answers.
        reads: Vec<KeyedRead>,
        /// The order of each query's sort keys.
        sort_order: SortOrder,
    },
}

impl BoundSelect {
    /// How to read the table or index that has this key.
    pub fn plan(&self, key: &IndexKeySchema) -> Result<SelectPlan, StatementError> {
        let reads = match &self.condition {
            Some(condition) => keys::keyed_reads(condition, key)?,
            None => None,
        };
        let order = self.key_order(key)?;
        match (reads, order.is_asked_for) {
            (None, false) => Ok(SelectPlan::Scan),
            (None, true) => Err(StatementError::OrderWithoutKey),
            (Some(mut reads), _) => {
                order.sort(&mut reads)?;
                Ok(SelectPlan::Queries { reads, sort_order: order.sort_order() })
            }
        }
    }

    /// The item that the condition names by its key and by nothing else.
    pub fn exact_key(&self, key: &IndexKeySchema) -> Option<Item> {
        keys::exact_key(self.condition.as_ref(), key)
    }

    /// The item that EXISTS checks, and what must hold of it; also of one that is not there.
    pub fn checked_key(&self, key: &IndexKeySchema) -> Result<(Item, Condition), StatementError> {
        keys::checked_key(self.condition.as_ref(), key)
    }

    fn key_order(&self, key: &IndexKeySchema) -> Result<KeyOrder, StatementError> {
        let mut order = KeyOrder { is_asked_for: !self.order.is_empty(), ..KeyOrder::default() };
        for (path, direction) in &self.order {
            let is_of = |attributes: &[crate::key::KeyAttribute]| {
                path.rest.is_empty() && attributes.iter().any(|attribute| attribute.name == path.name)
            };
            if is_of(&key.partition) {
                order.partition = Some(*direction);
            } else if is_of(&key.sort) {
                order.sort = Some(*direction);
            } else {
                return Err(StatementError::OrderOfOther { attribute: path.name.clone() });
            }
        }
        Ok(order)
    }
}

impl BoundUpdate {
    /// The item that is changed.
    pub fn key(&self, key: &IndexKeySchema) -> Result<Item, StatementError> {
        keys::written_key(self.condition.as_ref(), key)
    }
}

impl BoundDelete {
    /// The item that is removed.
    pub fn key(&self, key: &IndexKeySchema) -> Result<Item, StatementError> {
        keys::written_key(self.condition.as_ref(), key)
    }
}

/// What ORDER BY asks of the keys.
#[derive(Debug, Clone, Copy, Default)]
struct KeyOrder {
    is_asked_for: bool,
    partition: Option<SortOrder>,
    sort: Option<SortOrder>,
}

impl KeyOrder {
    /// Ascending, unless there is an ORDER BY that names no sort key: DynamoDB then reads backwards, also for
    /// `ORDER BY pk ASC` (captured in eu-west-2, September 2026).
    fn sort_order(self) -> SortOrder {
        match self.sort {
            Some(order) => order,
            None if self.is_asked_for => SortOrder::Descending,
            None => SortOrder::Ascending,
        }
    }

    /// Puts reads in the order of their answers.
    fn sort(self, reads: &mut [KeyedRead]) -> Result<(), StatementError> {
        if !self.is_asked_for {
            return Ok(());
        }
        let several_partitions = reads.windows(2).any(|pair| pair[0].order(&pair[1]).0.is_ne());
        if several_partitions && self.partition.is_none() {
            return Err(StatementError::OrderWithoutPartition);
        }
        let partition_order = self.partition.unwrap_or_default();
        reads.sort_by(|left, right| {
            let (by_partition, by_sort) = left.order(right);
            directed(by_partition, partition_order).then(directed(by_sort, self.sort_order()))
        });
        Ok(())
    }
}

fn directed(ordering: Ordering, order: SortOrder) -> Ordering {
    match order {
        SortOrder::Ascending => ordering,
        SortOrder::Descending => ordering.reverse(),
    }
}
