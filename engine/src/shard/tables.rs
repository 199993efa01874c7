//! Table operations: shard 0 makes the change durable, then every shard learns of it, then the client is answered.

use std::{collections::BTreeSet, future::Future, sync::Arc};

use basalt_runtime::{ShardIndex, UnixTime, join_all};
use basalt_storage::{PartitionId, PartitionStats};

use super::LocalEngine;
use crate::{
    catalog::{
        Catalog, CatalogWriter, Claim, DeletionProtection, GlobalIndex, IndexStatus, Table, TableDraft,
    },
    error::{Error, TableChange, ValidationError},
    index::OnlineIndexChange,
    operation::{
        ChangeTags, CreateTable, ListTables, ListTablesOutput, TableCounts, TableDescription, TableStatus,
        UpdateTable,
    },
};

/// Names told by one ListTables that asks for no number.
const LIST_TABLES_DEFAULT: u32 = 100;

/// The shard that owns the catalog, partition 0.
pub(crate) const CATALOG_SHARD: ShardIndex = ShardIndex(0);

impl LocalEngine {
    /// Makes a table. It takes reads and writes when this answers, although the answer says CREATING, as DynamoDB's.
    pub async fn create_table(&self, request: CreateTable) -> Result<TableDescription, Error> {
        request.validate()?;
        self.on_catalog_shard(|shard| async move { shard.create_table_here(request).await }).await
    }

    /// Changes a table's settings.
    pub async fn update_table(&self, request: UpdateTable) -> Result<TableDescription, Error> {
        request.validate()?;
        self.on_catalog_shard(|shard| async move { shard.update_table_here(request).await }).await
    }

    /// Puts and removes tags of a table.
    pub async fn change_tags(&self, request: ChangeTags) -> Result<(), Error> {
        self.on_catalog_shard(|shard| async move { shard.change_tags_here(request).await }).await
    }

    /// Deletes a table and everything in it.
    pub async fn delete_table(&self, table_name: &str) -> Result<TableDescription, Error> {
        let table_name = table_name.to_owned();
        self.on_catalog_shard(|shard| async move { shard.delete_table_here(&table_name).await }).await
    }

    /// Tells what a table is, with its present counts.
    pub async fn describe_table(&self, table_name: &str) -> Result<TableDescription, Error> {
        let table = self.table(table_name)?;
        let status = match self.is_in_creation(&table) {
            true => TableStatus::Creating,
            false => TableStatus::of(&table),
        };
        self.describe(&table, status).await
    }

    /// Lists the names of tables.
    pub async fn list_tables(&self, request: ListTables) -> Result<ListTablesOutput, Error> {
        Ok(list_tables(&self.catalog(), &request))
    }

    /// The catalog as reads and writes see it: without tables that are told to be CREATING.
    pub(crate) fn request_catalog(&self) -> Arc<Catalog> {
        let catalog = self.catalog();
        match self.creation_unix_us() {
            Some(since) if catalog.tables().any(|table| table.created_unix_us >= since) => {
                Arc::new(catalog.without_tables_since(since))
            }
            _ => catalog,
        }
    }

    fn is_in_creation(&self, table: &Table) -> bool {
        self.creation_unix_us().is_some_and(|since| table.created_unix_us >= since)
    }

    /// Tables that were made since then are told to be CREATING; `None`: no tables are.
    fn creation_unix_us(&self) -> Option<u64> {
        let time = self.shards().options.table_creation_time;
        let time_us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        (!time.is_zero()).then(|| self.handle().unix_time().as_micros().saturating_sub(time_us))
    }

    /// Runs a change of the catalog as a task of its own: once begun it must come to its end, whether or not anybody
    /// still waits, or shards would not learn of a durable change.
    pub(crate) async fn on_catalog_shard<T, W, F>(&self, change: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce(LocalEngine) -> F + Send + 'static,
        F: Future<Output = Result<T, Error>> + 'static,
    {
        self.shards().run(CATALOG_SHARD, change).await
    }

    async fn create_table_here(&self, request: CreateTable) -> Result<TableDescription, Error> {
        let writer = self.catalog_writer();
        if self.catalog().table(&request.table_name).is_some() {
            return Err(Error::TableExists { table_name: request.table_name });
        }
        let definition = request.definition();
        let name = Arc::clone(&definition.name);
        let _claim = writer.claim(&name, TableChange::Created)?;
        // One partition a shard: as many as can work at once.
        let first_label = self.next_stream_time(&name);
        let draft = TableDraft::new(definition, self.shards().count(), first_label, self.handle());
        let table = writer.insert(&draft).await?;
        self.spread(self.catalog().with(table.clone())).await?;
        self.describe(&table, TableStatus::Creating).await
    }

    /// From when on a stream of a table of this name has a label of its own: now, but for deleted tables of the name
    /// whose streams can be read, if the clock was set back.
    fn next_stream_time(&self, table_name: &str) -> UnixTime {
        let catalog = self.catalog();
        let departed = catalog.departed().filter(|table| *table.name == *table_name);
        let labels = departed.flat_map(|table| &table.streams).map(|stream| stream.created_unix_us + 1000);
        UnixTime::from_micros(labels.max().unwrap_or(0).max(self.handle().unix_time().as_micros()))
    }

    async fn update_table_here(&self, request: UpdateTable) -> Result<TableDescription, Error> {
        let (table, _claim) = self.claim_table(&request.table_name, TableChange::Updated).await?;
        let index_change = OnlineIndexChange::of(&table, &request.index_changes)?;
        let now = self.handle().unix_time();
        let streams = match request.stream {
            Some(change) => table.streams_after(change, self.next_stream_time(&table.name))?,
            None => table.streams.clone(),
        };
        let changed = Table { streams, ..request.apply(&table, now)? };
        let changed = match index_change {
            None => self.replace_table(changed).await?,
            Some(OnlineIndexChange::Create(index)) => {
                let writer = self.catalog_writer();
                let changed = writer.insert_index(&changed, &index, self.shards().count()).await?;
                self.spread(self.catalog().with(changed.clone())).await?;
                changed
            }
            Some(OnlineIndexChange::Delete(index)) => {
                let going = GlobalIndex { status: IndexStatus::Deleting, ..GlobalIndex::clone(&index) };
                self.replace_table(changed.with_global_index(going)).await?
            }
        };
        self.follow_index_changes(&changed);
        let mut description = self.describe(&changed, TableStatus::Updating).await?;
        description.as_changes_begin(&table, now);
        Ok(description)
    }

    async fn change_tags_here(&self, request: ChangeTags) -> Result<(), Error> {
        let (table, _claim) = self.claim_table(&request.table_name, TableChange::Updated).await?;
        let settings = request.settings_over(&table.settings)?;
        self.replace_table(Table { settings, ..Table::clone(&table) }).await.map(drop)
    }

    /// Changes a table for the database's own reasons, as soon as no request is changing it. One that is gone stays so.
    pub(super) async fn change_table(
        &self,
        known: &Table,
        change: impl FnOnce(&mut Table),
    ) -> Result<(), Error> {
        let _claim = self.catalog_writer().claim_for_engine(&known.name).await;
        let Ok(present) = self.current(known) else { return Ok(()) };
        let mut changed = Table::clone(&present);
        change(&mut changed);
        self.replace_table(changed).await.map(drop)
    }

    /// Makes what became of a claimed table durable and known.
    pub(crate) async fn replace_table(&self, changed: Table) -> Result<Table, Error> {
        self.catalog_writer().replace(&changed).await?;
        self.spread(self.catalog().with(changed.clone())).await?;
        Ok(changed)
    }

    async fn delete_table_here(&self, table_name: &str) -> Result<TableDescription, Error> {
        let (table, _claim) = self.claim_table(table_name, TableChange::Deleted).await?;
        if table.settings.deletion_protection == DeletionProtection::Enabled {
            return Err(ValidationError::DeletionProtected.into());
        }
        if table.global_indexes.iter().any(|index| matches!(index.status, IndexStatus::Creating { .. })) {
            let table_name = table_name.to_owned();
            return Err(Error::TableInUse { table_name, change: TableChange::Updated });
        }
        let mut description = self.describe(&table, TableStatus::Deleting).await?;
        // Global indexes go first, and DynamoDB's answer is without them.
        description.global_indexes.clear();
        let number = table.number;
        self.pause_transactions(number).await?;
        let removed = self.remove_table(table).await;
        self.resume_transactions(number).await?;
        removed.map(|()| description)
    }

    /// Forgets a table, first durably, then everywhere; its streams stay for their readers, and tokens until they have
    /// had their time. No transaction with a token runs on it meanwhile.
    async fn remove_table(&self, table: Arc<Table>) -> Result<(), Error> {
        let now = self.handle().unix_time();
        let departed = match self.has_tokens(&table).await? {
            true => Some(table.departed_with_tokens(now)),
            false => table.departed(now),
        };
        let kept: BTreeSet<PartitionId> = match departed {
            Some(departed) => {
                self.catalog_writer().depart(&table, &departed).await?;
                let kept = departed.all_partitions().map(|(_, partition)| partition.id).collect();
                self.spread(self.catalog().with_departed(departed)).await?;
                kept
            }
            None => {
                self.catalog_writer().remove(&table).await?;
                self.spread(self.catalog().without(&table.name)).await?;
                BTreeSet::new()
            }
        };
        let all = table.all_partitions().map(|(_, partition)| partition.id);
        let gone: Arc<[PartitionId]> = all.filter(|id| !kept.contains(id)).collect();
        self.close_outboxes_everywhere(kept.into_iter().collect()).await?;
        self.drop_everywhere(gone).await
    }

    /// Gives up the outboxes of partitions that take no writes any more.
    async fn close_outboxes_everywhere(&self, partitions: Arc<[PartitionId]>) -> Result<(), Error> {
        self.with_each_everywhere(partitions, LocalEngine::close_outbox).await
    }

    /// An existing table that no other request is changing.
    pub(super) async fn claim_table(
        &self,
        table_name: &str,
        change: TableChange,
    ) -> Result<(Arc<Table>, Claim<'_>), Error> {
        self.catalog_writer().wait_for_engine(table_name).await;
        let table = self.table(table_name)?;
        if self.is_in_creation(&table) {
            let table_name = table_name.to_owned();
            return Err(Error::TableInUse { table_name, change: TableChange::Created });
        }
        let claim = self.catalog_writer().claim(&table.name, change)?;
        Ok((table, claim))
    }

    pub(crate) fn catalog_writer(&self) -> &CatalogWriter {
        self.state.catalog_writer.get().expect("changes are sent to the catalog's shard, which is live")
    }

    /// Makes `next` every shard's catalog, then all other threads'.
    pub(crate) async fn spread(&self, next: Catalog) -> Result<(), Error> {
        let next = Arc::new(next);
        // At once and before any wait: the next change must be made from this snapshot.
        self.adopt(Arc::clone(&next));
        let told = Arc::clone(&next);
        self.on_every_shard(move |shard| {
            let told = Arc::clone(&told);
            async move {
                shard.adopt(told);
                Ok(())
            }
        })
        .await?;
        // A later change may have been quicker with its round; its snapshot holds this one's change.
        if next.version() > self.shards().catalog().version() {
            self.shards().publish(next);
        }
        Ok(())
    }

    /// Lets go of partitions that the catalog has forgotten, on whatever shard they are.
    pub(crate) async fn drop_everywhere(&self, partitions: Arc<[PartitionId]>) -> Result<(), Error> {
        self.with_each_everywhere(partitions, LocalEngine::drop_partition).await
    }

    /// Does something with each partition on every shard: the one that has it knows what.
    async fn with_each_everywhere(
        &self,
        partitions: Arc<[PartitionId]>,
        work: fn(&LocalEngine, PartitionId),
    ) -> Result<(), Error> {
        let working = self.on_every_shard(move |shard| {
            let partitions = Arc::clone(&partitions);
            async move {
                partitions.iter().for_each(|id| work(&shard, *id));
                Ok(())
            }
        });
        working.await.map(|_every_shard| ())
    }

    /// Lets go of a partition if it is this shard's. The file goes in the background: after a crash, recovery removes
    /// what the catalog does not name.
    fn drop_partition(&self, id: PartitionId) {
        let store = self.store().clone();
        if store.partition(id).is_none() {
            return;
        }
        self.close_outbox(id);
        let dropping = self.handle().spawn(async move {
            if let Err(error) = store.drop_partition(id).await {
                tracing::warn!(%id, %error, "a dropped partition's file stays until the next start");
            }
        });
        dropping.detach();
    }

    async fn describe(&self, table: &Table, status: TableStatus) -> Result<TableDescription, Error> {
        let numbers_and_ids = table.serving_partitions().map(|(number, partition)| (number, partition.id));
        let numbers_and_ids: Arc<[(u64, PartitionId)]> = numbers_and_ids.collect();
        let counting = self.on_every_shard(move |shard| {
            let numbers_and_ids = Arc::clone(&numbers_and_ids);
            async move { Ok(shard.count_rows(&numbers_and_ids).await) }
        });
        let mut counts = TableCounts::default();
        for (number, stats) in counting.await?.into_iter().flatten() {
            counts.add(number, &stats);
        }
        Ok(TableDescription::of(table, status, &counts, &self.shards().options, self.handle().unix_time()))
    }

    /// What this shard holds of the partitions, by the number of the table or index that each belongs to.
    async fn count_rows(&self, numbers_and_ids: &[(u64, PartitionId)]) -> Vec<(u64, PartitionStats)> {
        let open =
            numbers_and_ids.iter().filter_map(|(number, id)| Some((*number, self.store().partition(*id)?)));
        let counting =
            open.map(|(number, partition)| async move { (number, partition.settled_stats().await) });
        join_all(counting).await
    }
}

fn list_tables(catalog: &Catalog, request: &ListTables) -> ListTablesOutput {
    let limit = request.limit.unwrap_or(LIST_TABLES_DEFAULT) as usize;
    let start = request.exclusive_start_table_name.as_deref().unwrap_or("");
    let mut names = catalog.tables_after(start).map(|table| table.name.to_string());
    let table_names: Vec<String> = names.by_ref().take(limit).collect();
    let last_evaluated_table_name = names.next().and_then(|_more| table_names.last().cloned());
    ListTablesOutput { table_names, last_evaluated_table_name }
}
