//! The engine's operations for threads that wait.
//!
//! A call costs two wake-ups between threads, some 40 microseconds; who needs many operations a second awaits them
//! together, or runs beside the data with [`BlockingEngine::on_shard`].

use std::future::Future;

use basalt_model::Value;
use basalt_runtime::{block_on, current_shard};
use basalt_storage::StoreMetrics;

use crate::{
    catalog::TimeToLive,
    engine::Engine,
    error::Error,
    index::IndexCheck,
    operation::{
        BatchGetItem, BatchGetItemOutput, BatchWriteItem, BatchWriteItemOutput, ChangeTags, CreateTable,
        DeleteItem, DeleteItemOutput, DescribeStream, DescribeStreamOutput, GetItem, GetItemOutput,
        GetRecords, GetRecordsOutput, GetShardIterator, ListStreams, ListStreamsOutput, ListTables,
        ListTablesOutput, PutItem, PutItemOutput, Query, QueryOutput, Scan, ScanOutput, TableDescription,
        UpdateItem, UpdateItemOutput, UpdateTable, UpdateTimeToLive,
    },
    outbox::IndexLag,
    recovery_report::RecoveryReport,
    shard::ShardAccess,
    stream::ShardIterator,
    transaction::{TransactGet, TransactGetOutput, TransactWrite, TransactWriteOutput},
};

/// [`Engine`] for threads that wait. None of its calls may be made on a shard's thread, which would wait for itself.
#[derive(Clone)]
pub struct BlockingEngine {
    engine: Engine,
}

macro_rules! waiting {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $output:ty;)*) => {
        impl BlockingEngine {
            $(
                $(#[$doc])*
                pub fn $name(&self, $($argument: $type),*) -> Result<$output, Error> {
                    wait_for(self.engine.$name($($argument),*))
                }
            )*
        }
    };
}

waiting! {
    /// As [`Engine::compact`].
    compact() -> (u64, u64);
    /// As [`Engine::create_table`].
    create_table(request: CreateTable) -> TableDescription;
    /// As [`Engine::update_table`].
    update_table(request: UpdateTable) -> TableDescription;
    /// As [`Engine::change_tags`].
    change_tags(request: ChangeTags) -> ();
    /// As [`Engine::delete_table`].
    delete_table(table_name: &str) -> TableDescription;
    /// As [`Engine::describe_table`].
    describe_table(table_name: &str) -> TableDescription;
    /// As [`Engine::index_lag`].
    index_lag(table_name: &str) -> IndexLag;
    /// As [`Engine::wait_for_indexes`].
    wait_for_indexes(table_name: &str) -> ();
    /// As [`Engine::check_global_indexes`].
    check_global_indexes(table_name: &str) -> Vec<IndexCheck>;
    /// As [`Engine::list_tables`].
    list_tables(request: ListTables) -> ListTablesOutput;
    /// As [`Engine::put_item`].
    put_item(request: PutItem) -> PutItemOutput;
    /// As [`Engine::transact_write`].
    transact_write(request: TransactWrite) -> TransactWriteOutput;
    /// As [`Engine::transact_get`].
    transact_get(request: TransactGet) -> TransactGetOutput;
    /// As [`Engine::get_item`].
    get_item(request: GetItem) -> GetItemOutput;
    /// As [`Engine::update_item`].
    update_item(request: UpdateItem) -> UpdateItemOutput;
    /// As [`Engine::delete_item`].
    delete_item(request: DeleteItem) -> DeleteItemOutput;
    /// As [`Engine::query`].
    query(request: Query) -> QueryOutput;
    /// As [`Engine::scan`].
    scan(request: Scan) -> ScanOutput;
    /// As [`Engine::batch_get_item`].
    batch_get_item(request: BatchGetItem) -> BatchGetItemOutput;
    /// As [`Engine::checkpoint`].
    checkpoint() -> ();
    /// As [`Engine::metrics`].
    metrics() -> Vec<StoreMetrics>;
    /// As [`Engine::batch_write_item`].
    batch_write_item(request: BatchWriteItem) -> BatchWriteItemOutput;
    /// As [`Engine::list_streams`].
    list_streams(request: ListStreams) -> ListStreamsOutput;
    /// As [`Engine::describe_stream`].
    describe_stream(request: DescribeStream) -> DescribeStreamOutput;
    /// As [`Engine::get_shard_iterator`].
    get_shard_iterator(request: GetShardIterator) -> ShardIterator;
    /// As [`Engine::get_records`].
    get_records(request: GetRecords) -> GetRecordsOutput;
    /// As [`Engine::update_time_to_live`].
    update_time_to_live(request: UpdateTimeToLive) -> ();
    /// As [`Engine::describe_time_to_live`].
    describe_time_to_live(table_name: &str) -> Option<TimeToLive>;
}

impl BlockingEngine {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// What was found when the engine was opened.
    pub fn recovery_report(&self) -> RecoveryReport {
        self.engine.recovery_report()
    }

    /// The handle whose operations are awaited.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// As [`Engine::on_shard`].
    pub fn on_shard<T, W, F>(&self, table_name: &str, partition_key: Value, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce(ShardAccess) -> F + Send + 'static,
        F: Future<Output = T> + 'static,
    {
        wait_for(self.engine.on_shard(table_name, partition_key, work))
    }

    /// As [`Engine::close`], and waits until the engine's threads have ended: the directory can then be opened again.
    pub fn close(self) -> Result<(), Error> {
        let closed = wait_for(self.engine.clone().close());
        self.engine.join();
        closed
    }
}

/// Runs a future to its end on this thread, which sleeps in between.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    assert!(current_shard().is_none(), "a shard's thread must not wait for a shard");
    block_on(future)
}
