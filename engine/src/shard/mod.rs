//! One shard's part of the engine: routes each operation to the owner of its item and runs it there.
//!
//! Owned by one shard and never leaves it. Shards share nothing but queues and the catalog snapshot; every message
//! carries its sender's snapshot, so nobody acts on an older catalog than the one he was asked under.
//!
//! Deliberately unknown here: what an operation does (`operation`), where bytes lie (storage).

mod access;
mod batches;
mod bulk_load;
mod items;
mod local_table;
mod pages;
mod progress;
mod registry;
mod routing;
mod shards;
mod start;
mod streams;
mod tables;
mod throttle;
mod time_to_live;
mod transact;

use std::{
    cell::{Cell, OnceCell, RefCell},
    future::Future,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use basalt_runtime::{Handle, MonotonicTime, ShardIndex, join_all, local::Event};
use basalt_storage::{ShardStore, StoreMetrics};

pub use access::ShardAccess;
pub use bulk_load::BulkLoad;
pub use local_table::LocalTable;
pub(crate) use shards::Shards;
pub(crate) use start::start;
use tables::CATALOG_SHARD;
use transact::Transactions;

use crate::{
    catalog::{Catalog, CatalogWriter, Table, TablePartition},
    error::Error,
    outbox::Outboxes,
    snapshot::ShardSnapshots,
    split::Gates,
};

/// Operations that other threads may have running on one shard; more are refused, not queued.
const REMOTE_OPERATIONS_MAX: u32 = 65_536;

/// The engine as seen from one of its shards: the same operations as [`crate::Engine`], without a message when the
/// item is this shard's own. Cheap to clone; its futures stay on the shard.
#[derive(Clone)]
pub struct LocalEngine {
    state: Rc<ShardState>,
}

struct ShardState {
    handle: Handle,
    store: ShardStore,
    shards: Arc<Shards>,
    catalog: RefCell<Arc<Catalog>>,
    /// The shard knows a later catalog.
    catalog_changed: Event,
    /// Shard 0 alone changes the catalog.
    catalog_writer: OnceCell<CatalogWriter>,
    remote_operations: Cell<u32>,
    transactions: Transactions,
    outboxes: Outboxes,
    snapshots: ShardSnapshots,
    gates: Gates,
}

impl LocalEngine {
    /// Makes the part of the engine on the handle's shard and lets messages find it for as long as the shard lives.
    pub(crate) fn start(handle: Handle, store: ShardStore, shards: Arc<Shards>) -> Self {
        let (number, shard) = (shards.number(), handle.shard());
        let transactions = Transactions::new(shards.options.memory_budget_bytes, shards.count());
        let local = Self {
            state: Rc::new(ShardState {
                handle: handle.clone(),
                store,
                shards,
                catalog: RefCell::default(),
                catalog_changed: Event::new(),
                catalog_writer: OnceCell::new(),
                remote_operations: Cell::new(0),
                transactions,
                outboxes: Outboxes::default(),
                snapshots: ShardSnapshots::default(),
                gates: Gates::default(),
            }),
        };
        registry::register(number, shard, &local);
        let kept = local.clone();
        let keeper = handle.spawn(async move {
            std::future::pending::<()>().await;
            drop(kept);
        });
        keeper.detach();
        local
    }

    /// The shard's executor.
    pub fn handle(&self) -> &Handle {
        &self.state.handle
    }

    /// Which shard this is.
    pub fn shard(&self) -> ShardIndex {
        self.state.handle.shard()
    }

    pub(crate) fn store(&self) -> &ShardStore {
        &self.state.store
    }

    pub(crate) fn outboxes(&self) -> &Outboxes {
        &self.state.outboxes
    }

    /// This shard's parts of the snapshots that there are.
    pub(crate) fn snapshots(&self) -> &ShardSnapshots {
        &self.state.snapshots
    }

    pub(crate) fn gates(&self) -> &Gates {
        &self.state.gates
    }

    pub(crate) fn shards(&self) -> &Arc<Shards> {
        &self.state.shards
    }

    /// The catalog as this shard knows it.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.state.catalog.borrow())
    }

    fn become_catalog_writer(&self, writer: CatalogWriter) {
        assert!(
            self.state.catalog_writer.set(writer).is_ok(),
            "the catalog has one writer for the engine's life"
        );
    }

    /// Closes every shard's storage: logged writes become durable, checkpoints run for at most `checkpoint_time` in
    /// all, logs are sealed. The catalog's shard goes last: the others' checkpoints may have something to tell it.
    pub(crate) async fn close_all(&self, checkpoint_time: Duration) -> Result<(), Error> {
        let deadline = self.handle().now() + checkpoint_time;
        let close = move |shard: LocalEngine| async move { shard.close_by(deadline).await };
        let others = self.state.shards.indexes().filter(|shard| *shard != CATALOG_SHARD);
        let closed: Result<(), Error> =
            join_all(others.map(|shard| self.run_on(shard, close))).await.into_iter().collect();
        self.run_on(CATALOG_SHARD, close).await.and(closed)
    }

    pub(crate) async fn checkpoint(&self) -> Result<(), Error> {
        Ok(self.state.store.checkpoint().await?)
    }

    /// Compacts every shard's files, one shard after the other: the others go on at full speed meanwhile.
    pub(crate) async fn compact(&self) -> Result<(u64, u64), Error> {
        let mut sum = (0, 0);
        for shard in self.shards().indexes() {
            let (before, after) =
                self.run_on(shard, |shard| async move { Ok(shard.store().compact().await?) }).await?;
            sum = (sum.0 + before, sum.1 + after);
        }
        Ok(sum)
    }

    /// Counts and levels of this shard's storage.
    pub fn metrics(&self) -> StoreMetrics {
        self.state.store.metrics()
    }

    async fn close_by(&self, deadline: MonotonicTime) -> Result<(), Error> {
        Ok(self.state.store.close(deadline - self.handle().now()).await?)
    }

    /// Counts an operation of another thread, as long as the guard lives.
    fn admit(&self) -> Result<Admitted, Error> {
        let running = self.state.remote_operations.get();
        if running >= REMOTE_OPERATIONS_MAX {
            return Err(Error::Overloaded);
        }
        self.state.remote_operations.set(running + 1);
        Ok(Admitted { state: Rc::clone(&self.state) })
    }

    /// The table of this name.
    pub(crate) fn table(&self, name: &str) -> Result<Arc<Table>, Error> {
        self.state
            .catalog
            .borrow()
            .table(name)
            .cloned()
            .ok_or_else(|| Error::TableNotFound { table_name: name.into() })
    }

    /// A table as this shard knows it now, which may have been changed since `known` was looked up.
    pub(crate) fn current(&self, known: &Table) -> Result<Arc<Table>, Error> {
        let table = self.table(&known.name)?;
        if table.id == known.id {
            Ok(table)
        } else {
            Err(Error::TableNotFound { table_name: known.name.to_string() })
        }
    }

    /// Replaces the snapshot if `catalog` is a later one.
    pub(crate) fn adopt(&self, catalog: Arc<Catalog>) {
        let mut current = self.state.catalog.borrow_mut();
        if catalog.version() > current.version() {
            *current = catalog;
            self.state.catalog_changed.notify_all();
        }
    }

    /// Waits for a catalog that meets `condition`.
    async fn until_catalog(&self, condition: impl Fn(&Catalog) -> bool) {
        self.state.catalog_changed.wait_until(|| condition(&self.catalog())).await;
    }

    /// Which shard owns a partition.
    pub(crate) fn owner(&self, partition: &TablePartition) -> ShardIndex {
        partition.owner(self.state.shards.count())
    }

    /// Runs `work` on shard `owner`: at once if that is this one, else by one message there and one back.
    pub(crate) async fn run_on<T, W, F>(&self, owner: ShardIndex, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce(LocalEngine) -> F + Send + 'static,
        F: Future<Output = Result<T, Error>> + 'static,
    {
        if owner == self.shard() {
            return work(self.clone()).await;
        }
        let catalog = self.catalog();
        self.state
            .shards
            .run(owner, move |local| {
                local.adopt(catalog);
                work(local)
            })
            .await
    }

    /// As [`LocalEngine::run_on`], for work that running operations wait for: it is not refused however many of them
    /// there are.
    pub(crate) async fn run_admitted_on<T, W, F>(&self, owner: ShardIndex, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce(LocalEngine) -> F + Send + 'static,
        F: Future<Output = Result<T, Error>> + 'static,
    {
        if owner == self.shard() {
            return work(self.clone()).await;
        }
        let catalog = self.catalog();
        self.state
            .shards
            .run_admitted(owner, move |local| {
                local.adopt(catalog);
                work(local)
            })
            .await
    }

    /// Runs `work` on all shards at once; the results are in the order of the shards.
    pub(crate) async fn on_every_shard<T, W, F>(&self, work: W) -> Result<Vec<T>, Error>
    where
        T: Send + 'static,
        W: Fn(LocalEngine) -> F + Clone + Send + 'static,
        F: Future<Output = Result<T, Error>> + 'static,
    {
        let running = self.state.shards.indexes().map(|shard| self.run_on(shard, work.clone()));
        join_all(running).await.into_iter().collect()
    }
}

/// An operation of another thread that runs here.
struct Admitted {
    state: Rc<ShardState>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.state.remote_operations.set(self.state.remote_operations.get() - 1);
    }
}
