//! Loading an empty table in bulk, on the shards that own its items: items in any order become full pages, without a log.
//!
//! Each partition of the table is loaded by itself. Its part becomes visible and durable at one instant, in
//! [`BulkLoad::finish`]; a crash before leaves it empty. Nothing is derived from the items that are loaded, so the table
//! may have no indexes, no stream and no time to live; nor does a load count as writes for the table's throughput.

use std::sync::Arc;

use basalt_model::Item;
use basalt_storage::{Load, PartitionId, StorageError};

use super::{LocalEngine, LocalTable};
use crate::{
    catalog::Table,
    error::{Error, LoadRefusal},
    operation::PutItem,
};

/// A load of what one shard owns of a table. Dropped before [`BulkLoad::finish`], it leaves the table empty.
///
/// While it runs, the partitions are read as empty, and whoever writes to them waits.
pub struct BulkLoad {
    local: LocalEngine,
    table: Arc<Table>,
    /// The partitions of this shard, in the order of their hashes.
    loads: Vec<(PartitionId, Load)>,
}

impl LocalTable {
    /// Begins to load items into the partitions of the table that this shard owns.
    ///
    /// # Errors
    /// [`Error::LoadRefused`] if there are items already, or rows would have to follow from those that are loaded.
    pub async fn begin_load(&self) -> Result<BulkLoad, Error> {
        let (local, table) = (&self.local, self.local.current(&self.table)?);
        check_derives_nothing(&table)?;
        let mut loads = Vec::new();
        for place in table.partitions.iter().filter(|place| local.owner(place) == local.shard()) {
            let partition = local.writable_partition(&table, place.hash_first).await?;
            if partition.id() != place.id {
                return Err(local.moved());
            }
            let load = partition.begin_load().await;
            loads.push((place.id, load.map_err(|error| load_error(local, &table, error))?));
        }
        Ok(BulkLoad { local: local.clone(), table, loads })
    }
}

impl BulkLoad {
    /// Adds an item; of several with one key the last counts. Answers when there is memory for the next one.
    ///
    /// # Errors
    /// What [`PutItem`] would be refused for; the load goes on without the item. [`Error::PartitionMoved`] if another
    /// shard owns it ([`LocalTable::owner`]).
    pub async fn put(&mut self, item: Item) -> Result<(), Error> {
        let (place, item) =
            PutItem::new(&*self.table.name, item).plan(&self.local.request_catalog())?.into_row();
        let id = self.table.partition_of(place.hash).id;
        match self.loads.iter_mut().find(|(loaded, _)| *loaded == id) {
            None => Err(self.local.moved()),
            Some((_, load)) => {
                let put = load.put(place.key.as_bytes(), item.as_bytes()).await;
                put.map_err(|error| load_error(&self.local, &self.table, error))
            }
        }
    }

    /// Makes the items visible and durable, those of each partition at once.
    ///
    /// # Errors
    /// [`Error::LoadRefused`] if the table was changed meanwhile, so that rows would have to follow from the items: nothing
    /// is loaded then. When the device fails or is full, or the process ends, each partition has all of its items or none:
    /// delete the table and load it again.
    pub async fn finish(self) -> Result<(), Error> {
        let Self { local, table, loads } = self;
        check_derives_nothing(&*local.current(&table)?)?;
        for (_, load) in loads {
            load.finish().await.map_err(|error| load_error(&local, &table, error))?;
        }
        Ok(())
    }
}

fn check_derives_nothing(table: &Table) -> Result<(), Error> {
    let has_indexes = !table.local_indexes.is_empty() || !table.global_indexes.is_empty();
    if has_indexes || table.enabled_stream().is_some() || table.time_to_live.is_some() {
        return Err(refused(table, LoadRefusal::DerivedRows));
    }
    Ok(())
}

fn load_error(local: &LocalEngine, table: &Table, error: StorageError) -> Error {
    match error {
        StorageError::NotEmpty(_) => refused(table, LoadRefusal::NotEmpty),
        other => local.moved_if_dropped(table, other.into()),
    }
}

fn refused(table: &Table, reason: LoadRefusal) -> Error {
    Error::LoadRefused { table_name: table.name.to_string(), reason }
}
