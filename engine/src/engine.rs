//! The engine's handle: opens a directory, carries operations to the shard that owns their item, closes.

use std::{future::Future, path::Path, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use basalt_model::{Item, Value};
use basalt_runtime::{Handle, Remote, ShardIndex, ShardSet};
use basalt_storage::StoreMetrics;

use crate::{
    blocking::BlockingEngine,
    catalog::TimeToLive,
    error::Error,
    index::IndexCheck,
    open_error::OpenError,
    operation::{
        BatchGetItem, BatchGetItemOutput, BatchWriteItem, BatchWriteItemOutput, ChangeTags, CreateTable,
        DeleteItem, DeleteItemOutput, DescribeStream, DescribeStreamOutput, GetItem, GetItemOutput,
        GetRecords, GetRecordsOutput, GetShardIterator, ListStreams, ListStreamsOutput, ListTables,
        ListTablesOutput, PutItem, PutItemOutput, Query, QueryOutput, Scan, ScanOutput, TableDescription,
        TableKeys, UpdateItem, UpdateItemOutput, UpdateTable, UpdateTimeToLive,
    },
    options::EngineOptions,
    outbox::IndexLag,
    recovery_report::RecoveryReport,
    shard::{self, LocalEngine, ShardAccess, Shards},
    snapshot::Snapshot,
    stream::ShardIterator,
    threads,
    transaction::{TransactGet, TransactGetOutput, TransactWrite, TransactWriteOutput},
};

/// How long a close may write checkpoints; what they do not reach is in the log.
const CLOSE_CHECKPOINT_TIME: Duration = Duration::from_millis(500);

/// An open database. Cheap to clone; its operations can be awaited on any executor.
///
/// When the last clone goes without [`Engine::close`], the shards end at once: nothing acknowledged is lost, and
/// the next start replays the log.
#[derive(Clone)]
pub struct Engine {
    life: Arc<Life>,
}

/// What ends with the last handle.
struct Life {
    shards: Arc<Shards>,
    recovery_report: RecoveryReport,
    /// The engine's own threads; `None` once they are joined, and on shards that somebody else runs.
    threads: ArcSwapOption<ShardSet>,
    /// Dropped to let the threads end.
    leash: ArcSwapOption<threads::Leash>,
}

impl Engine {
    /// Opens the database in `directory`, which is made if it is not there, and recovers it. Blocks.
    ///
    /// # Errors
    /// When the directory cannot be used or must not be opened as it is; it is then unchanged.
    pub fn open(directory: impl AsRef<Path>, options: EngineOptions) -> Result<Self, OpenError> {
        options.validate()?;
        let (set, leash) = threads::start(&options)?;
        let shards = Arc::new(Shards::new(set.remotes().into(), options));
        let recovery_report = threads::lead(&shards, directory.as_ref().to_owned())?;
        let threads = ArcSwapOption::from_pointee(set);
        let leash = ArcSwapOption::from_pointee(leash);
        Ok(Self { life: Arc::new(Life { shards, recovery_report, threads, leash }) })
    }

    /// Opens the database on shards that somebody else runs, as a simulation does: one remote a shard, in order.
    /// Must be awaited on the first of them, whose handle `leader` is.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub async fn open_on(
        leader: Handle,
        remotes: Vec<Remote>,
        directory: impl AsRef<Path>,
        options: EngineOptions,
    ) -> Result<Self, OpenError> {
        options.validate()?;
        let shards = Arc::new(Shards::new(remotes.into(), options));
        let recovery_report =
            shard::start(leader, directory.as_ref().to_owned(), Arc::clone(&shards)).await?;
        let (threads, leash) = (ArcSwapOption::empty(), ArcSwapOption::empty());
        Ok(Self { life: Arc::new(Life { shards, recovery_report, threads, leash }) })
    }

    /// The same operations, waiting on the calling thread.
    pub fn blocking(&self) -> BlockingEngine {
        BlockingEngine::new(self.clone())
    }

    /// This engine's part on the shard that the caller runs on; `None` on any other thread.
    pub fn local(&self) -> Option<LocalEngine> {
        self.shards().local()
    }

    /// The ways to the shards, in their order: for work that is to run beside the engine's.
    pub fn remotes(&self) -> &[Remote] {
        self.shards().remotes()
    }

    /// The options that the engine was opened with.
    pub fn options(&self) -> &EngineOptions {
        &self.shards().options
    }

    /// What was found when the engine was opened.
    pub fn recovery_report(&self) -> RecoveryReport {
        self.life.recovery_report
    }

    /// Makes a table. It takes reads and writes when this answers.
    pub async fn create_table(&self, request: CreateTable) -> Result<TableDescription, Error> {
        self.anywhere(|local| async move { local.create_table(request).await }).await
    }

    /// Changes a table's settings.
    pub async fn update_table(&self, request: UpdateTable) -> Result<TableDescription, Error> {
        self.anywhere(|local| async move { local.update_table(request).await }).await
    }

    /// Puts and removes tags of a table.
    pub async fn change_tags(&self, request: ChangeTags) -> Result<(), Error> {
        self.anywhere(|local| async move { local.change_tags(request).await }).await
    }

    /// Deletes a table and everything in it.
    pub async fn delete_table(&self, table_name: &str) -> Result<TableDescription, Error> {
        let table_name = table_name.to_owned();
        self.anywhere(|local| async move { local.delete_table(&table_name).await }).await
    }

    /// Tells what a table is, with its present counts.
    pub async fn describe_table(&self, table_name: &str) -> Result<TableDescription, Error> {
        let table_name = table_name.to_owned();
        self.anywhere(|local| async move { local.describe_table(&table_name).await }).await
    }

    /// The keys of a table and of its indexes, without its counts.
    ///
    /// # Errors
    /// When there is no such table.
    pub async fn table_keys(&self, table_name: &str) -> Result<TableKeys, Error> {
        let table_name = table_name.to_owned();
        self.anywhere(|local| async move { local.table_keys(&table_name) }).await
    }

    /// Lists the names of tables.
    pub async fn list_tables(&self, request: ListTables) -> Result<ListTablesOutput, Error> {
        self.anywhere(|local| async move { local.list_tables(request).await }).await
    }

    /// Creates an item or replaces it whole.
    pub async fn put_item(&self, request: PutItem) -> Result<PutItemOutput, Error> {
        let shard = self.owner(&request.table_name, &request.item);
        self.shards().run(shard, |local| async move { local.put_item(request).await }).await
    }

    /// Reads one item.
    pub async fn get_item(&self, request: GetItem) -> Result<GetItemOutput, Error> {
        let shard = self.owner(&request.table_name, &request.key);
        self.shards().run(shard, |local| async move { local.get_item(request).await }).await
    }

    /// Changes an item by an update expression, or creates it.
    pub async fn update_item(&self, request: UpdateItem) -> Result<UpdateItemOutput, Error> {
        let shard = self.owner(&request.table_name, &request.key);
        self.shards().run(shard, |local| async move { local.update_item(request).await }).await
    }

    /// Removes an item; removing what is not there succeeds.
    pub async fn delete_item(&self, request: DeleteItem) -> Result<DeleteItemOutput, Error> {
        let shard = self.owner(&request.table_name, &request.key);
        self.shards().run(shard, |local| async move { local.delete_item(request).await }).await
    }

    /// Reads a page of the items of one partition key.
    pub async fn query(&self, request: Query) -> Result<QueryOutput, Error> {
        let owner = self.shards().catalog().owner_of_query(&request, self.shards().count());
        let shard = owner.unwrap_or_else(|| self.shards().near());
        self.shards().run(shard, |local| async move { local.query(request).await }).await
    }

    /// Reads a page of a table's items.
    pub async fn scan(&self, request: Scan) -> Result<ScanOutput, Error> {
        self.anywhere(|local| async move { local.scan(request).await }).await
    }

    /// Reads items of several tables; each read stands alone.
    pub async fn batch_get_item(&self, request: BatchGetItem) -> Result<BatchGetItemOutput, Error> {
        self.anywhere(|local| async move { local.batch_get_item(request).await }).await
    }

    /// Writes items of several tables; each write is atomic by itself.
    pub async fn batch_write_item(&self, request: BatchWriteItem) -> Result<BatchWriteItemOutput, Error> {
        self.anywhere(|local| async move { local.batch_write_item(request).await }).await
    }

    /// Changes several items of any tables, all of them or none.
    pub async fn transact_write(&self, request: TransactWrite) -> Result<TransactWriteOutput, Error> {
        self.anywhere(|local| async move { local.transact_write(request).await }).await
    }

    /// Reads several items of any tables as of one moment.
    pub async fn transact_get(&self, request: TransactGet) -> Result<TransactGetOutput, Error> {
        self.anywhere(|local| async move { local.transact_get(request).await }).await
    }

    /// Lists streams by table and label.
    pub async fn list_streams(&self, request: ListStreams) -> Result<ListStreamsOutput, Error> {
        self.anywhere(|local| async move { local.list_streams(request).await }).await
    }

    /// Tells what a stream is, and its shards.
    pub async fn describe_stream(&self, request: DescribeStream) -> Result<DescribeStreamOutput, Error> {
        self.anywhere(|local| async move { local.describe_stream(request).await }).await
    }

    /// Begins to read a stream shard.
    pub async fn get_shard_iterator(&self, request: GetShardIterator) -> Result<ShardIterator, Error> {
        self.anywhere(|local| async move { local.get_shard_iterator(request).await }).await
    }

    /// Reads records of a stream shard.
    pub async fn get_records(&self, request: GetRecords) -> Result<GetRecordsOutput, Error> {
        self.anywhere(|local| async move { local.get_records(request).await }).await
    }

    /// Changes whether a table's items expire.
    pub async fn update_time_to_live(&self, request: UpdateTimeToLive) -> Result<(), Error> {
        self.anywhere(|local| async move { local.update_time_to_live(request).await }).await
    }

    /// By what a table's items expire, if they do.
    pub async fn describe_time_to_live(&self, table_name: &str) -> Result<Option<TimeToLive>, Error> {
        let table_name = table_name.to_owned();
        self.anywhere(|local| async move { local.describe_time_to_live(&table_name).await }).await
    }

    /// The directory as of now, to be read while everything goes on.
    ///
    /// # Errors
    /// [`Error::Closed`] also while the log of earlier starts is being settled, shortly after a start.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        let leader = ShardIndex(0);
        self.shards().run(leader, |local| async move { Snapshot::take(&local).await }).await
    }

    /// Gives back the space of files that holds nothing, while everything goes on: the bytes of all partitions' files
    /// before and after.
    pub async fn compact(&self) -> Result<(u64, u64), Error> {
        self.anywhere(|local| async move { local.compact().await }).await
    }

    /// Runs `work` on the shard that owns the items of a partition key, where it reads them in place.
    ///
    /// # Errors
    /// When there is no such table, or the value is no partition key of it.
    pub async fn on_shard<T, W, F>(&self, table_name: &str, partition_key: Value, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce(ShardAccess) -> F + Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let table_name = table_name.to_owned();
        let owner = self.shards().catalog().owner_of(&table_name, &partition_key, self.shards().count());
        let shard = owner.unwrap_or_else(|| self.shards().near());
        self.shards()
            .run(shard, |local| async move { local.on_shard(&table_name, partition_key, work).await })
            .await
    }

    /// Writes every shard's committed entries into its partitions' files.
    ///
    /// # Errors
    /// When a file could not be written; the log keeps everything.
    pub async fn checkpoint(&self) -> Result<(), Error> {
        let everywhere = |local: LocalEngine| async move {
            local.on_every_shard(|shard| async move { shard.checkpoint().await }).await.map(|_every_shard| ())
        };
        self.anywhere(everywhere).await
    }

    /// Counts and levels of each shard's storage, in the order of the shards.
    ///
    /// # Errors
    /// When the engine is closed.
    pub async fn metrics(&self) -> Result<Vec<StoreMetrics>, Error> {
        self.anywhere(|local| async move {
            local.on_every_shard(|shard| async move { Ok(shard.metrics()) }).await
        })
        .await
    }

    /// How far a table's global indexes are behind it.
    ///
    /// # Errors
    /// When there is no such table, or the engine is closed.
    pub async fn index_lag(&self, table_name: &str) -> Result<IndexLag, Error> {
        let table_name = table_name.to_owned();
        self.anywhere(|local| async move { local.index_lag(&table_name).await }).await
    }

    /// Waits until a table's global indexes show every write that has been answered; of use where writes are answered
    /// before that ([`IndexAcknowledgement::Asynchronous`](crate::IndexAcknowledgement)).
    ///
    /// # Errors
    /// When there is no such table, when an index cannot receive (its file is damaged, say; it is tried again for as
    /// long as the engine runs), or the engine is closed.
    pub async fn wait_for_indexes(&self, table_name: &str) -> Result<(), Error> {
        let table_name = table_name.to_owned();
        self.anywhere(|local| async move { local.wait_for_indexes(&table_name).await }).await
    }

    /// Compares every global index of a table with what its items derive to; for tests, simulation and doubt. Says
    /// what is so only while nothing is written to the table and no index is behind.
    ///
    /// # Errors
    /// When there is no such table, or rows cannot be read.
    pub async fn check_global_indexes(&self, table_name: &str) -> Result<Vec<IndexCheck>, Error> {
        let table_name = table_name.to_owned();
        self.anywhere(|local| async move { local.check_global_indexes(&table_name).await }).await
    }

    /// Ends the engine: makes what is logged durable, checkpoints for at most half a second, seals the logs and
    /// lets the shards end. Other handles answer [`Error::Closed`] from then on.
    ///
    /// # Errors
    /// When a shard's log could not be sealed; nothing acknowledged is lost.
    pub async fn close(self) -> Result<(), Error> {
        let closed = self.anywhere(|local| async move { local.close_all(CLOSE_CHECKPOINT_TIME).await }).await;
        drop(self.life.leash.swap(None));
        closed
    }

    /// Waits for the engine's threads to end, after a close. Blocks.
    pub(crate) fn join(&self) {
        if let Some(threads) = self.life.threads.swap(None).and_then(Arc::into_inner) {
            threads.join();
        }
    }

    fn shards(&self) -> &Arc<Shards> {
        &self.life.shards
    }

    /// Runs `work` on the caller's own shard if it is on one, else on one that is picked by turns.
    async fn anywhere<T, W, F>(&self, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce(LocalEngine) -> F + Send + 'static,
        F: Future<Output = Result<T, Error>> + 'static,
    {
        self.shards().run(self.shards().near(), work).await
    }

    /// The shard that owns an item, as far as this thread can tell. A wrong guess costs a message, nothing else: the
    /// shard looks again.
    fn owner(&self, table_name: &str, item: &Item) -> ShardIndex {
        let owner = self.shards().catalog().owner_of_item(table_name, item, self.shards().count());
        owner.unwrap_or_else(|| self.shards().near())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_can_be_awaited_on_any_thread() {
        fn is_send<T: Send>(_: impl FnOnce(Engine) -> T) {}
        is_send(|engine| async move { engine.put_item(PutItem::new("t", Item::new())).await });
        is_send(|engine| async move { engine.scan(Scan::new("t")).await });
        is_send(|engine| async move { engine.on_shard("t", Value::Null, |_access| async {}).await });
        is_send(|engine| async move { engine.close().await });
    }
}
