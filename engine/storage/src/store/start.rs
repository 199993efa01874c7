//! Opening a shard's storage: first look, then act (STORAGE §7).
//!
//! `prepare` and `open_partitions` only read, and refuse where acknowledged entries are missing. `replay` (a module of
//! its own) brings the log's entries into memory; `go_live` opens the log for writing. The engine takes all shards through
//! each step together.

use std::{
    cell::{Cell, OnceCell, RefCell},
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    rc::Rc,
    sync::Arc,
};

use basalt_runtime::{Handle, local::Event};

use super::{Shard, ShardStore, apply, checkpointer, reserve_keeper};
use crate::{
    btree::Tree,
    cache::BufferPool,
    checkpoint::{Expectation, OpenedTree, TreeIdentity},
    error::{Refusal, StorageError},
    extent::OpenFiles,
    ids::{CATALOG_PARTITION, EntryIndex, Generation, LogPosition, Lsn, PartitionId, StreamId},
    options::{MemoryShares, StoreOptions},
    partition::{PartitionSpec, PartitionState},
    recovery::NodeFacts,
    reserve::Reserve,
    wal::{Wal, WalOptions},
};

/// What storage asks of its owner.
pub struct StoreHooks {
    /// Makes it durable in the catalog that a partition's file exists, before the log behind its first checkpoint
    /// is released.
    #[expect(clippy::type_complexity, reason = "a hook's type is read here only")]
    pub materialised:
        Box<dyn Fn(PartitionId, [u8; 16]) -> Pin<Box<dyn Future<Output = Result<(), StorageError>>>>>,
}

impl ShardStore {
    /// A shard's storage without partitions and without a log to write to.
    pub fn prepare(
        handle: &Handle,
        directory: &Path,
        facts: Arc<NodeFacts>,
        options: StoreOptions,
        shard_count: u16,
        hooks: StoreHooks,
    ) -> Self {
        let shares = MemoryShares::of(&options, shard_count);
        let reserve = Rc::new(Reserve::new(
            handle,
            directory.join("tmp").join(format!("reserve-{}", handle.shard().0)),
            options.log_segment_bytes_min,
        ));
        let open_files_max = options.partition_files_max as usize / usize::from(shard_count.max(1));
        let shard = Shard {
            handle: handle.clone(),
            directory: directory.to_owned(),
            shares,
            pool: BufferPool::new(handle, shares),
            files: OpenFiles::new(open_files_max, Rc::clone(&reserve)),
            reserve,
            options,
            facts,
            hooks,
            shard_count,
            wal: OnceCell::new(),
            partitions: Default::default(),
            uncommitted: Default::default(),
            durable_seen: Cell::default(),
            apply_queue: Default::default(),
            overlay_bytes: Cell::new(0),
            recycling: Cell::new(false),
            device_full: Cell::new(false),
            log_held_by: RefCell::default(),
            closing: Cell::new(false),
            sealed: Cell::new(false),
            entry_appended: Event::new(),
            entries_applied: Event::new(),
            checkpoint_wanted: Event::new(),
            writes_refused: Event::new(),
            write_count: Cell::new(0),
            compacted_write_count: Cell::new(0),
            checkpoint_count: Cell::new(0),
            checkpoint_failure_count: Cell::new(0),
        };
        Self { shard: Rc::new(shard) }
    }

    /// Opens the files of `specs` and judges whether the log reaches back to each of them. Changes nothing. A partition
    /// whose allocation map is damaged is closed from the start on.
    pub async fn open_partitions(&self, specs: Vec<PartitionSpec>) -> Result<(), StorageError> {
        for mut spec in specs {
            if spec.id == CATALOG_PARTITION {
                spec.materialised = self.shard.facts.catalog_file_uuid();
            }
            let OpenedTree { tree, damage } = self.shard.open_tree(&spec).await?;
            let [first, second] = tree.superblock_applied();
            let applied = first.max(second);
            judge_entries(&self.shard.facts, spec.id, applied, &tree)?;
            let clock = tree.hybrid_time_max();
            let state = self.shard.adopt(PartitionState::new(spec, tree, applied, clock));
            self.shard.note_log_found(&state);
            if let Some(damage) = damage {
                state.fence_if_corrupt(damage);
            }
        }
        Ok(())
    }

    /// Opens this shard's log for writing and starts its tasks: from here on it serves.
    pub async fn go_live(&self) -> Result<(), StorageError> {
        let shard = &self.shard;
        for state in shard.partitions_snapshot() {
            state.tree().sync_found().await?;
        }
        let options = WalOptions {
            budget_bytes: shard.log_budget_bytes(),
            frame_soft_limit_bytes: shard.options.frame_soft_limit_bytes,
            segment_bytes_min: shard.options.log_segment_bytes_min,
        };
        let stream = StreamId::new(shard.handle.shard().0);
        let wal = Wal::start(&shard.handle, &shard.directory, &shard.facts, stream, options).await?;
        wal.draw_on(Rc::clone(&shard.reserve));
        assert!(shard.wal.set(wal).is_ok(), "a shard goes live once");
        for state in shard.partitions_snapshot() {
            shard.queue_for_apply(&state);
        }
        drop(shard.handle.spawn(apply::apply_forever(Rc::clone(shard))));
        drop(shard.handle.spawn(checkpointer::checkpoint_forever(Rc::clone(shard))));
        drop(shard.handle.spawn(reserve_keeper::keep_reserve(Rc::clone(shard))));
        Ok(())
    }

    /// Writes partitions whose entries lie in other shards' streams, as after a change of the shard count, so that
    /// no stream is needed by a shard that does not write it.
    ///
    /// An error means that some stream is still needed; it may be tried again.
    pub async fn settle_foreign_entries(&self) -> Result<(), StorageError> {
        for state in self.shard.partitions_snapshot() {
            while state.needs_foreign_log() && !state.is_dropped() {
                state.check_serving()?;
                checkpointer::checkpoint_partition(&self.shard, &state).await?;
            }
        }
        Ok(())
    }

    /// Lets released log be used again. Every shard must have settled its foreign entries before.
    pub fn start_recycling(&self) {
        self.shard.recycling.set(true);
        self.shard.release_log();
    }
}

impl Shard {
    /// The tree of a partition that has never been written.
    pub(super) fn empty_tree(&self, spec: &PartitionSpec) -> Tree {
        Tree::empty(
            &self.handle,
            &self.pool,
            &self.files,
            &self.partition_path(spec.id),
            self.tree_identity(spec),
        )
    }

    fn tree_identity(&self, spec: &PartitionSpec) -> TreeIdentity {
        TreeIdentity {
            partition: spec.id,
            table: spec.table,
            hash_range: spec.hash_range,
            hash_secret: spec.hash_secret,
            cluster_uuid: self.facts.cluster_uuid(),
            page_bytes: self.options.page_size_bytes,
            open_epoch: self.facts.open_epoch(),
        }
    }

    async fn open_tree(&self, spec: &PartitionSpec) -> Result<OpenedTree, StorageError> {
        let path = self.partition_path(spec.id);
        let expectation = Expectation {
            file_uuid: spec.materialised,
            generation: self
                .facts
                .highest_checkpoint(spec.id)
                .map_or(Generation::default(), |(generation, _)| generation),
        };
        let identity = self.tree_identity(spec);
        match Tree::open(&self.handle, &self.pool, &self.files, &path, identity, expectation).await? {
            Some(opened) => Ok(opened),
            None if spec.materialised.is_none() => {
                Ok(OpenedTree { tree: self.empty_tree(spec), damage: None })
            }
            None => Err(Refusal::MissingFile { path, detail: format!("the file of {}", spec.id) }.into()),
        }
    }

    /// `DATA/part/<xx>/<partition16>.pt`, spread over 256 directories by the id's low byte.
    pub(super) fn partition_path(&self, id: PartitionId) -> PathBuf {
        let id = id.get();
        self.directory.join("part").join(format!("{:02x}", id & 0xff)).join(format!("{id:016x}.pt"))
    }

    /// This shard's share of the log budget, which follows the data.
    pub(super) fn log_budget_bytes(&self) -> u64 {
        let data_bytes = self.partitions.borrow().values().map(|state| state.tree().row_bytes()).sum::<u64>();
        let shards = u64::from(self.shard_count);
        self.options.log_budget_bytes_for(data_bytes.saturating_mul(shards)) / shards
    }

    /// Takes note of logged entries that a superblock may need although they are not replayed, or that lie in another
    /// shard's stream.
    fn note_log_found(&self, state: &PartitionState) {
        let own = StreamId::new(self.handle.shard().0);
        let [older_applied, newer_applied] = [state.log_needs().older_applied(), state.applied()];
        for stream in self.facts.streams() {
            let Some(ranges) = stream.entries.get(&state.spec().id) else { continue };
            if stream.stream != own {
                state.note_foreign_entries(ranges.last());
            } else if ranges.iter().any(|(first, last)| first <= newer_applied && last > older_applied) {
                state.note_kept_log(LogPosition { stream: own, lsn: stream.log.needed_lsn });
            }
        }
    }

    /// Where the next entry's frame may start at the earliest.
    pub(super) fn end_of_log(&self) -> LogPosition {
        let stream = StreamId::new(self.handle.shard().0);
        let lsn = self.wal.get().map_or(Lsn::default(), Wal::next_lsn);
        LogPosition { stream, lsn }
    }
}

/// Refuses when the logs do not hold every entry from `applied` on, or lost a checkpoint's entries.
fn judge_entries(
    facts: &NodeFacts,
    partition: PartitionId,
    applied: EntryIndex,
    tree: &Tree,
) -> Result<(), StorageError> {
    let mut runs: Vec<_> = facts
        .streams()
        .iter()
        .filter_map(|stream| stream.entries.get(&partition))
        .flat_map(|ranges| ranges.iter())
        .collect();
    runs.sort_unstable();
    let mut last = applied;
    for (first, end) in runs {
        if first > last.next() {
            return Err(Refusal::IndexGap { partition, expected: last.next(), found: first }.into());
        }
        last = last.max(end);
    }
    match facts.highest_checkpoint(partition) {
        Some((_, index)) if index > last => {
            Err(Refusal::IndexGap { partition, expected: last.next(), found: index.next() }.into())
        }
        Some((generation, _)) if generation > tree.generation() => {
            basalt_runtime::sometimes!("completed checkpoint lost");
            tracing::error!(
                partition = partition.get(),
                "storage degraded: a completed checkpoint was lost; going on from the one before it and the log"
            );
            Ok(())
        }
        _ => Ok(()),
    }
}
