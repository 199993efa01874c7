//! Takes all shards through a start together, step by step: first look, then act (STORAGE §7).
//!
//! Runs on shard 0, which leads: every step ends on every shard before the next one begins on any. Until
//! `Node::act` nothing in the directory is changed, so a refusal leaves every byte as it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use basalt_runtime::{Handle, ShardIndex, join_all};
use basalt_storage::{
    CATALOG_PARTITION, CatalogLog, Node, NodeFacts, PartitionId, PartitionSpec, ReplayReport, ShardStore,
    StorageError, StoreHooks,
};

use super::{LocalEngine, Shards, progress::Progress, tables::CATALOG_SHARD};
use crate::{
    catalog::{Catalog, CatalogWriter, LoadedCatalog, owner_of},
    error::Error,
    open_error::OpenError,
    recovery_report::RecoveryReport,
};

/// Brings an engine from a directory to serving; runs on the catalog's shard.
pub(crate) async fn start(
    handle: Handle,
    directory: PathBuf,
    shards: Arc<Shards>,
) -> Result<RecoveryReport, OpenError> {
    assert_eq!(handle.shard(), CATALOG_SHARD, "the catalog's shard leads the start");
    let started = handle.now();
    let mut node = judge(&handle, &directory, &shards).await?;
    let leader = prepare_shards(&shards, &directory, &node.facts()).await?;
    let LoadedCatalog { catalog, specs, abandoned } = leader.load_catalog(node.take_catalog_log()).await?;
    leader.open_partitions(specs).await?;
    node.act().await?;
    let replayed = leader.replay().await?;
    let is_new = node.facts().is_new();
    let catalog = Arc::new(catalog);
    leader.go_live(Arc::clone(&catalog)).await?;
    leader.forget_abandoned(&abandoned).await;
    // What follows writes, and may have to wait for log that this releases.
    let settling = leader.clone();
    handle.spawn(async move { settling.settle(node).await }).detach();
    leader.begin_to_serve(catalog).await?;
    let report = RecoveryReport {
        is_new,
        table_count: leader.catalog().tables().count(),
        entry_count: replayed.entry_count,
        log_bytes: replayed.log_bytes,
        duration: handle.now() - started,
    };
    Ok(report)
}

/// Locks the directory and judges it, the log streams on all shards at once.
async fn judge(handle: &Handle, directory: &Path, shards: &Shards) -> Result<Node, OpenError> {
    let node = Node::lock(handle, directory, shards.count()).await?;
    let judging = node.streams().into_iter().map(|stream| {
        let shard = ShardIndex(stream.stream().get() % shards.count());
        shards.run_with_handle(shard, move |handle| async move { Ok(stream.judge(&handle).await?) })
    });
    let judged = join_all(judging).await.into_iter().collect::<Result<Vec<_>, Error>>()?;
    Ok(node.conclude(judged)?)
}

/// Gives every shard its storage, still without partitions, and hands back the leader's part.
async fn prepare_shards(
    shards: &Arc<Shards>,
    directory: &Path,
    facts: &Arc<NodeFacts>,
) -> Result<LocalEngine, Error> {
    let preparing = shards.indexes().map(|shard| {
        let (directory, facts, told) = (directory.to_owned(), Arc::clone(facts), Arc::clone(shards));
        shards.run_with_handle(shard, move |handle| async move {
            let (options, count) = (told.options.store_options(), told.count());
            let hooks = hooks(Arc::clone(&told));
            let store = ShardStore::prepare(&handle, &directory, facts, options, count, hooks);
            LocalEngine::start(handle, store, told);
            Ok(())
        })
    });
    join_all(preparing).await.into_iter().collect::<Result<(), Error>>()?;
    shards.local().ok_or(Error::Closed)
}

/// What storage asks of the engine: the catalog's shard notes each partition's first file.
fn hooks(shards: Arc<Shards>) -> StoreHooks {
    StoreHooks {
        materialised: Box::new(move |partition, file_uuid| {
            let shards = Arc::clone(&shards);
            Box::pin(async move {
                let noted = shards.run(CATALOG_SHARD, move |shard| async move {
                    shard.catalog_writer().note_file(partition, file_uuid).await
                });
                noted.await.map_err(into_storage_error)
            })
        }),
    }
}

fn into_storage_error(error: Error) -> StorageError {
    match error {
        Error::Storage(error) => error,
        // Nothing else can come of a catalog entry that names no table.
        _ => StorageError::Closed,
    }
}

/// The catalog's own partition, which no catalog row names.
fn catalog_spec() -> PartitionSpec {
    PartitionSpec {
        id: CATALOG_PARTITION,
        table: 0,
        hash_range: (0, u64::MAX),
        hash_secret: [0; 16],
        materialised: None,
    }
}

impl LocalEngine {
    /// Recovers partition 0, first and alone: only it says which other partitions there are.
    async fn load_catalog(&self, log: CatalogLog) -> Result<LoadedCatalog, Error> {
        self.store().open_partitions(vec![catalog_spec()]).await?;
        self.store().replay_catalog(log).await?;
        let partition = self.store().partition(CATALOG_PARTITION).expect("it was opened just now");
        LoadedCatalog::read(&partition).await
    }

    /// Opens every partition on its owner, which judges whether the log reaches back to its file.
    async fn open_partitions(&self, specs: Vec<PartitionSpec>) -> Result<(), Error> {
        let mut by_owner: BTreeMap<ShardIndex, Vec<PartitionSpec>> = BTreeMap::new();
        for spec in specs {
            by_owner.entry(owner_of(spec.id, self.shards().count())).or_default().push(spec);
        }
        let opening = by_owner.into_iter().map(|(owner, specs)| {
            self.run_on(owner, move |shard| async move { Ok(shard.store().open_partitions(specs).await?) })
        });
        join_all(opening).await.into_iter().collect()
    }

    /// Brings the logged entries of all partitions into memory, on every shard at once.
    async fn replay(&self) -> Result<ReplayReport, Error> {
        let reports = self.on_every_shard(|shard| async move { shard.replay_here().await }).await?;
        Ok(reports.into_iter().fold(ReplayReport::default(), |sum, report| ReplayReport {
            entry_count: sum.entry_count + report.entry_count,
            log_bytes: sum.log_bytes + report.log_bytes,
        }))
    }

    /// Opens the logs for writing and makes the catalog known. The catalog's shard goes first: another shard's first
    /// checkpoint needs it.
    async fn go_live(&self, catalog: Arc<Catalog>) -> Result<(), Error> {
        self.store().go_live().await?;
        let partition = self.store().partition(CATALOG_PARTITION).expect("the catalog was loaded");
        self.become_catalog_writer(CatalogWriter::new(partition));
        self.on_every_shard(move |shard| {
            let told = Arc::clone(&catalog);
            async move {
                shard.adopt(told);
                if shard.shard() != CATALOG_SHARD {
                    shard.store().go_live().await?;
                }
                shard.start_sweeping_tokens();
                Ok(())
            }
        })
        .await?;
        Ok(())
    }

    /// Forgets partitions that a split was filling when the last life ended. Their rows serve nothing: what cannot be
    /// written now is left to the next start.
    async fn forget_abandoned(&self, abandoned: &[PartitionId]) {
        if abandoned.is_empty() {
            return;
        }
        tracing::info!(count = abandoned.len(), "splits that had not come to their end begin anew");
        if let Err(error) = self.catalog_writer().forget_partitions(abandoned).await {
            tracing::warn!(%error, "rows of partitions that nothing serves from stay until the next start");
        }
    }

    /// Settles what a crash has left half done, then lets everybody in.
    async fn begin_to_serve(&self, catalog: Arc<Catalog>) -> Result<(), Error> {
        // When every shard takes writes: what an earlier life left for indexes may be for any of them.
        self.on_every_shard(|shard| async move {
            shard.open_outboxes();
            Ok(())
        })
        .await?;
        self.resume_index_changes();
        self.settle_transactions().await?;
        // Only now is it known which items transactions hold.
        self.on_every_shard(|shard| async move {
            shard.handle().spawn(shard.clone().trim_streams_forever()).detach();
            shard.handle().spawn(shard.clone().expire_items_forever()).detach();
            shard.handle().spawn(shard.clone().split_partitions_forever()).detach();
            Ok(())
        })
        .await?;
        self.resume_time_to_live();
        self.shards().publish(catalog);
        Ok(())
    }

    /// Lets go of log that shards of an earlier start wrote, then lets released log be used again. Runs while the
    /// engine begins to serve and serves, and keeps the directory's lock for as long as this shard lives.
    async fn settle(self, node: Node) {
        if let Err(error) = self.try_settle(&node).await {
            tracing::error!(%error, "log of earlier starts cannot be released; it stays until the next start");
        }
        std::future::pending::<()>().await;
        drop(node);
    }

    async fn try_settle(&self, node: &Node) -> Result<(), Error> {
        self.on_every_shard(|shard| async move { Ok(shard.store().settle_foreign_entries().await?) }).await?;
        node.retire_streams(self.shards().count()).await?;
        self.on_every_shard(|shard| async move {
            shard.store().start_recycling();
            Ok(())
        })
        .await?;
        self.remove_dropped_files().await
    }

    /// Removes files of tables and indexes whose drop was durable before a crash came; the last thing that a start does.
    async fn remove_dropped_files(&self) -> Result<(), Error> {
        let store = self.store();
        let files = store.partition_files().await?;
        // A file that is there now and belongs to a table was made after the table was known here.
        let catalog = self.catalog();
        let known: BTreeSet<PartitionId> = catalog
            .tables_of_streams()
            .flat_map(|table| table.all_partitions())
            .map(|(_, partition)| partition.id)
            .collect();
        for id in files.into_iter().filter(|id| *id != CATALOG_PARTITION && !known.contains(id)) {
            tracing::info!(
                partition = id.get(),
                "removed a file that the catalog does not know: its table or index was dropped"
            );
            store.remove_partition_file(id).await?;
        }
        Ok(())
    }

    async fn replay_here(&self) -> Result<ReplayReport, Error> {
        let handle = self.handle().clone();
        let mut told = Progress::new(&handle);
        Ok(self.store().replay(|log_bytes| told.tell(&handle, log_bytes)).await?)
    }
}
