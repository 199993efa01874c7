//! A table for programs that run on the shards and ask for single items again and again: what every request would look
//! up by name and build anew is there already.

use std::sync::Arc;

use basalt_model::{Item, ItemRef, KeyError, KeyValue};
use basalt_runtime::{ShardIndex, join_all};

use super::{LocalEngine, access::ShardAccess, items::item_of};
use crate::{
    catalog::Table,
    error::Error,
    operation::{PutItem, PutPlan},
};

/// A table, asked from one shard.
///
/// Follows the table as it is changed and split; when it is deleted, everything answers that it is gone.
#[derive(Clone)]
pub struct LocalTable {
    pub(super) local: LocalEngine,
    pub(super) table: Arc<Table>,
}

impl LocalEngine {
    /// A table, for a program that runs on this shard.
    ///
    /// # Errors
    /// When there is no such table.
    pub fn local_table(&self, table_name: &str) -> Result<LocalTable, Error> {
        Ok(LocalTable { local: self.clone(), table: self.table(table_name)? })
    }
}

impl LocalTable {
    /// The shard that owns the items of a partition key now.
    ///
    /// # Errors
    /// When the table is gone, or the value is no partition key of it.
    pub fn owner(&self, partition_key: &KeyValue) -> Result<ShardIndex, Error> {
        let hash = self.hash(partition_key)?;
        let table = self.local.current(&self.table)?;
        Ok(self.local.owner(table.partition_of(hash)))
    }

    /// Lends the committed item of a key to `look`, which may be called again when a page had to be fetched.
    ///
    /// # Errors
    /// When the values are no key of the table; [`Error::PartitionMoved`] when another shard owns the item.
    pub async fn get<R>(
        &self,
        partition_key: &KeyValue,
        sort_key: Option<&KeyValue>,
        mut look: impl FnMut(Option<ItemRef<'_>>) -> R,
    ) -> Result<R, Error> {
        let key = self.table.keys.encode_values(partition_key, sort_key)?;
        let partition = self.local.readable_partition(&self.table, key.hash()).await?;
        let read = partition.read(|view| {
            let row = view.get(key.as_bytes())?;
            Ok(self.local.check_readable(partition.id()).and_then(|()| Ok(look(item_of(row)?))))
        });
        read.await.map_err(|error| self.local.moved_if_dropped(&self.table, error.into()))?
    }

    /// The items of one partition key, if this shard owns them.
    ///
    /// # Errors
    /// When the value is no partition key of the table; [`Error::PartitionMoved`] when another shard owns the items.
    pub async fn access(&self, partition_key: KeyValue) -> Result<ShardAccess, Error> {
        let hash = self.hash(&partition_key)?;
        let table = self.local.current(&self.table)?;
        self.local.readable_partition(&table, hash).await?;
        Ok(ShardAccess::new(self.local.clone(), table, partition_key))
    }

    /// Puts items, each atomic by itself: evaluated one after the other without waiting, made durable by shared
    /// frames. Answers when all of them are durable. Items of other shards travel there, one message each.
    ///
    /// # Errors
    /// The first refusal; the other items are put all the same.
    pub async fn put_all(&self, items: impl IntoIterator<Item = Item>) -> Result<(), Error> {
        let catalog = self.local.request_catalog();
        let name = &*self.table.name;
        let plans = items.into_iter().map(|item| PutItem::new(name, item).plan(&catalog));
        let plans = plans.collect::<Result<Vec<PutPlan>, Error>>()?;
        let written = join_all(plans.into_iter().map(|plan| self.local.write_item(plan))).await;
        written.into_iter().try_for_each(|output| output.map(drop))
    }

    fn hash(&self, partition_key: &KeyValue) -> Result<u64, Error> {
        if partition_key.kind() != self.table.schema().partition.kind {
            return Err(KeyError::SchemaMismatch.into());
        }
        Ok(self.table.keys.hash(partition_key))
    }
}
