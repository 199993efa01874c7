//! Work that runs on the shard that owns its items, where reads are lent, not copied.

use std::{future::Future, ops::ControlFlow, sync::Arc};

use basalt_model::{Item, ItemRef, KeyError, KeyValue, SortCondition, Value};
use basalt_storage::{Direction, KeyRange, Partition, Stop};

use super::{LocalEngine, items::item_of};
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
        let owner = self.owner(table.partition_of(table.keys.hash(&partition_key)));
        self.run_on(
            owner,
            move |local| async move { Ok(work(ShardAccess { local, table, partition_key }).await) },
        )
        .await
    }
}

impl ShardAccess {
    /// The engine's part on this shard, for writes and everything else.
    pub fn engine(&self) -> &LocalEngine {
        &self.local
    }

    /// Lends the committed item of a key to `look`, which may be called again when a page had to be fetched.
    ///
    /// # Errors
    /// When the key is no key of the table, or of another partition key than this access is for.
    pub async fn get<R>(
        &self,
        key: &Item,
        mut look: impl FnMut(Option<ItemRef<'_>>) -> R,
    ) -> Result<R, Error> {
        let place = ItemPlace::of_key(&self.table, key)?;
        if !self.table.keys.query_range(&self.partition_key, None).contains(place.key.as_bytes()) {
            return Err(ValidationError::Key(KeyError::SchemaMismatch).into());
        }
        let partition = self.partition()?;
        partition.read(|view| Ok(item_of(view.get(place.key.as_bytes())?).map(&mut look))).await?
    }

    /// Lends every committed item whose sort key meets `condition` to `visit`, in order, until it breaks.
    ///
    /// The shard does nothing else meanwhile, except when a page must be fetched: keep the range small.
    ///
    /// # Errors
    /// When a stored item is damaged.
    pub async fn for_each(
        &self,
        condition: Option<&SortCondition>,
        direction: ScanDirection,
        mut visit: impl FnMut(ItemRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let range = self.table.keys.query_range(&self.partition_key, condition);
        let direction = Direction::from(direction);
        let mut last_key: Option<Vec<u8>> = None;
        let partition = self.partition()?;
        let visited = partition.read(|view| -> Result<Result<(), Error>, Stop> {
            let resume = last_key.clone();
            let whole = KeyRange::half_open(&range.start, &range.end);
            let rest = resume.as_deref().map_or(whole, |key| whole.after(key, direction));
            let mut cursor = view.cursor(rest, direction);
            while let Some((key, row)) = cursor.next()? {
                match ItemRef::new(row.value) {
                    Ok(item) if visit(item).is_continue() => last_key = Some(key.to_vec()),
                    Ok(_) => break,
                    Err(reason) => return Ok(Err(reason.into())),
                }
            }
            Ok(Ok(()))
        });
        visited.await?
    }

    fn partition(&self) -> Result<Partition, Error> {
        self.local.partition(&self.table, self.table.keys.hash(&self.partition_key))
    }
}
