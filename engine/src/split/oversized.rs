//! Finds the partitions of a shard that are too large, and has them split one after the other.

use std::collections::BTreeMap;

use basalt_format::key_encoding::{TAG_GLOBAL_INDEX, TAG_ITEM};
use basalt_storage::{PartitionId, PartitionStats};

use super::{catalog_change::Cut, lead::Outcome};
use crate::{
    catalog::{Catalog, TablePartition},
    error::Error,
    shard::LocalEngine,
};

/// A partition that is larger than it should be.
struct Oversized {
    table_name: std::sync::Arc<str>,
    number: u64,
    place: TablePartition,
    bytes: u64,
}

/// Partitions that could not be split, and how large they were when that was found.
type Unsplittable = BTreeMap<PartitionId, u64>;

impl LocalEngine {
    /// Splits partitions of this shard that become too large, for as long as the shard lives. Costs nothing while
    /// nothing is written.
    pub(crate) async fn split_partitions_forever(self) {
        let mut unsplittable = Unsplittable::new();
        loop {
            match self.split_oversized(&mut unsplittable).await {
                Ok(true) => self.store().until_written().await,
                Ok(false) => {}
                Err(Error::Closed) => return,
                Err(error) => tracing::warn!(%error, "a partition could not be split, tried again"),
            }
            self.handle().sleep(self.shards().options.partition_check_interval).await;
        }
    }

    /// Splits what is too large now; whether nothing of it is to be tried again soon.
    async fn split_oversized(&self, unsplittable: &mut Unsplittable) -> Result<bool, Error> {
        let mut is_done = true;
        for oversized in self.find_oversized(&self.catalog(), unsplittable) {
            is_done &= self.split_one(oversized, unsplittable).await?;
        }
        Ok(is_done)
    }

    fn find_oversized(&self, catalog: &Catalog, unsplittable: &Unsplittable) -> Vec<Oversized> {
        let limit = self.shards().options.partition_bytes_max;
        let mut found = Vec::new();
        for table in catalog.tables() {
            for (number, place) in
                table.serving_partitions().filter(|(_, place)| self.owner(place) == self.shard())
            {
                let Some(partition) = self.store().partition(place.id) else { continue };
                let bytes = bytes_to_split(&partition.stats());
                // What could not be split is looked at again when it has grown by as much as it may have.
                let left_alone =
                    unsplittable.get(&place.id).is_some_and(|then| bytes < then.saturating_add(limit));
                if bytes > limit && !left_alone {
                    found.push(Oversized { table_name: table.name.clone(), number, place: *place, bytes });
                }
            }
        }
        found
    }

    /// Splits a partition; whether that is not to be tried again soon.
    async fn split_one(&self, oversized: Oversized, unsplittable: &mut Unsplittable) -> Result<bool, Error> {
        let Oversized { table_name, number, place, bytes } = oversized;
        let Ok(table) = self.table(&table_name) else { return Ok(true) };
        let Some(parent) = self.store().partition(place.id) else { return Ok(true) };
        if !table.may_be_split(number) {
            return Ok(false);
        }
        let tag = if number == table.number { TAG_ITEM } else { TAG_GLOBAL_INDEX };
        let Some(upper_first) = self.find_cut(&parent, tag, parent.stats().item_bytes).await? else {
            let partition = place.id.get();
            tracing::warn!(%table_name, partition, bytes, "all items of a large partition have one partition key: it cannot be split");
            unsplittable.insert(place.id, bytes);
            return Ok(true);
        };
        match self.split(Cut { table, number, parent: place, upper_first }, &parent).await {
            // It may also have gone with its table.
            Ok(Outcome::Done) | Err(Error::TableDropped | Error::TableNotFound { .. }) => Ok(true),
            Ok(Outcome::NotNow) => Ok(false),
            Ok(Outcome::Unsettled) => {
                let partition = place.id.get();
                tracing::warn!(%table_name, partition, bytes, "a transaction waits for the next start: a large partition cannot be split before");
                unsplittable.insert(place.id, bytes);
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }
}

/// Bytes of the rows that a split divides. Stream records and changes on their way go by themselves.
fn bytes_to_split(stats: &PartitionStats) -> u64 {
    let of_local_indexes: u64 = stats.local_index_rows.iter().map(|rows| rows.bytes).sum();
    stats.item_bytes + of_local_indexes
}
