//! Global indexes on the receiving side, and their making and unmaking on a live table.
//!
//! `receiver` takes what outboxes send into the partitions of indexes; `backfill` takes the items that a table had
//! before an index was made; `change` leads an index from its catalog entry to its first read, and to its end;
//! `check` compares an index with its table.
//!
//! Owned by the shards of the partitions concerned; the catalog's shard leads changes.
//!
//! Invariants:
//! - A backfill begins when every shard derives the index's rows: an item is brought in, or its write was.
//! - An index that is made or deleted is so in the catalog first; whatever crashes, the next start goes on.
//! - Nothing of a deleted index is left when the catalog forgets it, but the files of its partitions.
//!
//! Deliberately unknown here: how an index's rows are made (`derive`), how changes travel (`outbox`).
//!
//! Tests: engine/tests/scenarios/{index_delivery,index_changes}.rs.

mod backfill;
mod change;
mod check;
mod receiver;

use std::sync::Arc;

pub(crate) use change::OnlineIndexChange;
pub use check::{IndexCheck, IndexDigest};

use crate::{
    catalog::{GlobalIndex, IndexStatus, Table, TableId},
    shard::LocalEngine,
};

/// Names one global index for as long as it and its table live. Crosses threads.
#[derive(Debug, Clone)]
pub(crate) struct IndexPlace {
    table_name: Arc<str>,
    table_id: TableId,
    index_number: u64,
}

impl IndexPlace {
    pub(crate) fn new(table: &Table, index_number: u64) -> Self {
        Self { table_name: Arc::clone(&table.name), table_id: table.id, index_number }
    }
}

impl LocalEngine {
    /// The index as this shard knows it, with its table; `None` once it is gone.
    fn find_index(&self, place: &IndexPlace) -> Option<(Arc<Table>, Arc<GlobalIndex>)> {
        let catalog = self.catalog();
        let table = catalog.table(&place.table_name).filter(|table| table.id == place.table_id)?;
        let index = table.global_index_numbered(place.index_number)?;
        Some((Arc::clone(table), Arc::clone(index)))
    }

    /// As [`LocalEngine::find_index`], of an index that is being filled.
    fn find_creating_index(&self, place: &IndexPlace) -> Option<(Arc<Table>, Arc<GlobalIndex>)> {
        self.find_index(place).filter(|(_, index)| matches!(index.status, IndexStatus::Creating { .. }))
    }
}
