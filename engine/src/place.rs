//! Where an item lies: its table, its key in the tree, and the hash that chooses its partition.

use std::sync::Arc;

use basalt_model::{IndexKeyCodec, Item, KeyBytes, KeyValue, Value};
use basalt_runtime::ShardIndex;

use crate::{
    catalog::{Catalog, Table},
    error::Error,
    operation::Query,
};

/// The place of one item, whether or not it is there.
#[derive(Debug, Clone)]
pub(crate) struct ItemPlace {
    pub(crate) table: Arc<Table>,
    /// The row's key in its partition.
    pub(crate) key: KeyBytes,
    pub(crate) hash: u64,
}

impl ItemPlace {
    /// The place of a whole item; what is wrong with its key attributes is told as of an item's.
    pub(crate) fn of_item(table: &Arc<Table>, item: &Item) -> Result<Self, Error> {
        Ok(Self::of(table, table.keys.encode_item(item)?))
    }

    /// The place that a request's key argument names: exactly the key attributes.
    pub(crate) fn of_key(table: &Arc<Table>, key: &Item) -> Result<Self, Error> {
        Ok(Self::of(table, table.keys.encode_key(key)?))
    }

    fn of(table: &Arc<Table>, key: KeyBytes) -> Self {
        Self { table: Arc::clone(table), hash: key.hash(), key }
    }
}

impl Catalog {
    /// The shard that owns an item, if the table is known and the item has a partition key.
    pub(crate) fn owner_of_item(
        &self,
        table_name: &str,
        item: &Item,
        shard_count: u16,
    ) -> Option<ShardIndex> {
        let partition_key = item.get(&self.table(table_name)?.schema().partition.name)?;
        self.owner_of(table_name, partition_key, shard_count)
    }

    /// The shard that owns what a query asks for, as far as the query is sound.
    pub(crate) fn owner_of_query(&self, query: &Query, shard_count: u16) -> Option<ShardIndex> {
        let table = self.table(&query.table_name)?;
        let conditions = &query.key_conditions;
        let hash_in = |keys: &IndexKeyCodec| {
            let condition = conditions.bind_index::<Error>(keys.schema(), |_, _| Ok(())).ok()?;
            Some(keys.hash(&condition.partition))
        };
        let partition = match query.index_name.as_deref() {
            None => {
                let condition = conditions.bind::<Error>(table.schema(), |_, _| Ok(())).ok()?;
                table.partition_of(table.keys.hash(&condition.partition))
            }
            Some(name) => match table.global_index(name) {
                Some(index) => index.partition_of(hash_in(&index.keys)?),
                None => table.partition_of(hash_in(&table.local_index(name)?.keys)?),
            },
        };
        Some(partition.owner(shard_count))
    }

    /// The shard that owns the items of a partition key, if the table is known and the value may be one.
    pub(crate) fn owner_of(
        &self,
        table_name: &str,
        partition_key: &Value,
        shard_count: u16,
    ) -> Option<ShardIndex> {
        let table = self.table(table_name)?;
        let partition_key = KeyValue::try_from(partition_key.clone()).ok()?;
        Some(table.partition_of(table.keys.hash(&partition_key)).owner(shard_count))
    }

    /// The table of a request.
    pub(crate) fn expect(&self, table_name: &str) -> Result<&Arc<Table>, Error> {
        self.table(table_name).ok_or_else(|| Error::TableNotFound { table_name: table_name.to_owned() })
    }
}
