//! What one round carries, by the partitions that are to receive it.

use std::{collections::BTreeMap, sync::Arc};

use basalt_storage::{EntryIndex, PartitionId};

use super::queue::Undelivered;
use crate::{catalog::Table, derive::IndexChange};

/// Whole entries in their order.
#[derive(Default)]
pub(super) struct Round {
    changes: Vec<(EntryIndex, Arc<IndexChange>)>,
    through: EntryIndex,
}

/// One partition's part of a round. Crosses threads.
#[derive(Debug, Clone)]
pub(crate) struct IndexShare {
    pub(crate) index_number: u64,
    /// A partition of that index.
    pub(crate) partition: PartitionId,
    /// In the order of the entries; at least one.
    pub(crate) changes: Vec<(EntryIndex, Arc<IndexChange>)>,
}

impl Round {
    pub(super) fn add(&mut self, entry: &Undelivered) {
        self.changes.extend(entry.changes.iter().map(|change| (entry.entry_index, Arc::clone(change))));
        self.through = entry.entry_index;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.through == EntryIndex::default()
    }

    /// The last entry in it.
    pub(super) fn through(&self) -> EntryIndex {
        self.through
    }

    /// What each partition of the table's indexes is to receive. Changes of indexes that are gone or going
    /// are left out: they go with their index.
    pub(super) fn shares(&self, table: &Table) -> Vec<IndexShare> {
        let mut shares: BTreeMap<PartitionId, IndexShare> = BTreeMap::new();
        for (entry_index, change) in &self.changes {
            let Some(index) = table.receiving_index(change.index_number) else { continue };
            let partition = index.partition_of(change.hash()).id;
            let share = shares.entry(partition).or_insert_with(|| IndexShare {
                index_number: index.number,
                partition,
                changes: Vec::new(),
            });
            share.changes.push((*entry_index, Arc::clone(change)));
        }
        shares.into_values().collect()
    }
}
