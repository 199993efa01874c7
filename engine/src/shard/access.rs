//! Work that runs on the shard that owns its items, where reads are lent, not copied.

use std::{future::Future, ops::ControlFlow, sync::Arc};

use basalt_model::{Item, ItemRef, KeyError, KeyValue, SortCondition, Value};
use basalt_storage::{Direction, KeyRange, Partition, Stop};

use super::{LocalEngine, items::item_of, routing::Routed};
use crate::{
    catalog::Table,
    error::{Error, ValidationError},
    operation::ScanDirection,
    place::ItemPlace,
};

/// The items of one partition key, on the shard that owns them.
pub struct ShardAccess {
    local: LocalEngine,
    table: Arc<Table>,
    partition_key: KeyValue,
}

impl LocalEngine {
    /// Runs `work` on the shard that owns the items of a partition key.
    ///
    /// # Errors
    /// When there is no such table, or the value is no partition key of it.
    pub async fn on_shard<T, W, F>(&self, table_name: &str, partition_key: Value, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce(ShardAccess) -> F + Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let table = self.table(table_name)?;
        let partition_key = KeyValue::try_from(partition_key).map_err(|_no_key| KeyError::SchemaMismatch)?;
        if partition_key.kind() != table.schema().partition.kind {
            return Err(KeyError::SchemaMismatch.into());
        }
        let hash = table.keys.hash(&partition_key);
        let mut request = (work, partition_key);
        loop {
            let known = self.current(&table)?;
            let running = self.run_on(self.owner(known.partition_of(hash)), move |local| async move {
                // It begins where the items are; a split while it runs is told to it.
                match local.readable_partition(&known, hash).await {
                    Ok(_here) => {
                        let (work, partition_key) = request;
                        let access = ShardAccess::new(local, known, partition_key);
                        Ok(Routed::Done(work(access).await))
                    }
                    Err(error) => Self::routed(Err(error), request),
                }
            });
            match running.await? {
                Routed::Done(outcome) => return Ok(outcome),
                Routed::Moved { request: back, catalog_version } => {
                    request = back;
                    self.until_catalog_version(catalog_version).await;
                }
            }
        }
    }
}

impl ShardAccess {
    /// To be made on the shard that owns the items.
    pub(super) fn new(local: LocalEngine, table: Arc<Table>, partition_key: KeyValue) -> Self {
        Self { local, table, partition_key }
    }

    /// The engine's part on this shard, for writes and everything else.
    pub fn engine(&self) -> &LocalEngine {
        &self.local
    }

    /// Lends the committed item of a key to `look`, which may be called again when a page had to be fetched.
    ///
    /// # Errors
    /// When the key is no key of the table, or of another partition key than this access is for;
    /// [`Error::PartitionMoved`] when the partition was split since the access began.
    pub async fn get<R>(
        &self,
        key: &Item,
        mut look: impl FnMut(Option<ItemRef<'_>>) -> R,
    ) -> Result<R, Error> {
        let place = ItemPlace::of_key(&self.table, key)?;
        if !self.table.keys.query_range(&self.partition_key, None).contains(place.key.as_bytes()) {
            return Err(ValidationError::Key(KeyError::SchemaMismatch).into());
        }
        let partition = self.partition().await?;
        let read = partition.read(|view| {
            let row = view.get(place.key.as_bytes())?;
            Ok(self.local.check_readable(partition.id()).and_then(|()| Ok(look(item_of(row)?))))
        });
        read.await.map_err(|error| self.local.moved_if_dropped(&self.table, error.into()))?
    }

    /// Lends every committed item whose sort key meets `condition` to `visit`, in order, until it breaks.
    ///
    /// The shard does nothing else meanwhile, except when a page must be fetched: keep the range small.
    ///
    /// # Errors
    /// When a stored item is damaged; [`Error::PartitionMoved`] when the partition was split since the access began.
    pub async fn for_each(
        &self,
        condition: Option<&SortCondition>,
        direction: ScanDirection,
        mut visit: impl FnMut(ItemRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let range = self.table.keys.query_range(&self.partition_key, condition);
        let direction = Direction::from(direction);
        // Empty: none was visited yet. No row's key is empty.
        let mut last_key = Vec::new();
        let partition = self.partition().await?;
        let visited = partition.read(|view| -> Result<Result<(), Error>, Stop> {
            if let Err(moved) = self.local.check_readable(partition.id()) {
                return Ok(Err(moved));
            }
            let resume = last_key.clone();
            let whole = KeyRange::half_open(&range.start, &range.end);
            let rest = if resume.is_empty() { whole } else { whole.after(&resume, direction) };
            let mut damage = Ok(());
            view.cursor(rest, direction).for_each(&mut last_key, |row| match ItemRef::new(row.value) {
                Ok(item) => visit(item),
                Err(reason) => {
                    damage = Err(reason.into());
                    ControlFlow::Break(())
                }
            })?;
            Ok(damage)
        });
        visited.await.map_err(|error| self.local.moved_if_dropped(&self.table, error.into()))?
    }

    async fn partition(&self) -> Result<Partition, Error> {
        self.local.readable_partition(&self.table, self.table.keys.hash(&self.partition_key)).await
    }
}
