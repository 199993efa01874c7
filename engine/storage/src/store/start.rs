//! Opening a shard's storage: first look, then act (STORAGE §7).
//!
//! `prepare` and `open_partitions` only read, and refuse where acknowledged entries are missing. `replay` brings
//! the log's entries into the overlays; `go_live` opens the log for writing. The engine takes all shards through
//! each step together.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::BTreeMap,
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    rc::Rc,
    sync::Arc,
};

use basalt_format::wal::{Effect, Effects, Record, RecordKind};
use basalt_runtime::{Handle, local::Event};

use super::{Shard, ShardStore, apply, apply::apply_committed, checkpointer};
use crate::{
    btree::Tree,
    cache::BufferPool,
    checkpoint::{Expectation, TreeIdentity},
    error::{Refusal, StorageError},
    ids::{CATALOG_PARTITION, EntryIndex, Generation, HybridTime, LogPosition, Lsn, PartitionId, StreamId},
    options::{MemoryShares, StoreOptions},
    overlay::{KeyChange, OverlayEntry},
    partition::{PartitionSpec, PartitionState},
    recovery::{FrameReader, NodeFacts, StreamFacts},
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

/// What recovery did on one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplayReport {
    /// Entries that were newer than their partition's file.
    pub entry_count: u64,
    /// Bytes of log read.
    pub log_bytes: u64,
}

/// An entry met before the ones it follows, which lie in another stream.
type EarlyEntries = BTreeMap<(PartitionId, EntryIndex), OverlayEntry>;

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
        let shard = Shard {
            handle: handle.clone(),
            directory: directory.to_owned(),
            shares,
            pool: BufferPool::new(handle, shares),
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
            checkpoint_count: Cell::new(0),
            checkpoint_failure_count: Cell::new(0),
        };
        Self { shard: Rc::new(shard) }
    }

    /// Opens the files of `specs` and judges whether the log reaches back to each of them. Changes nothing.
    pub async fn open_partitions(&self, specs: Vec<PartitionSpec>) -> Result<(), StorageError> {
        for mut spec in specs {
            if spec.id == CATALOG_PARTITION {
                spec.materialised = self.shard.facts.catalog_file_uuid();
            }
            let tree = self.shard.open_tree(&spec).await?;
            let [first, second] = tree.superblock_applied();
            let applied = first.max(second);
            judge_entries(&self.shard.facts, spec.id, applied, &tree)?;
            let clock = tree.hybrid_time_max();
            let state = self.shard.adopt(PartitionState::new(spec, tree, applied, clock));
            self.shard.note_log_found(&state);
        }
        Ok(())
    }

    /// Brings the logged entries of the partitions opened so far into memory.
    ///
    /// Partitions that were complete before are passed over, so it may be called after each `open_partitions`.
    /// When the overlays fill their share of memory, entries are applied and pages written before reading on.
    pub async fn replay(&self, mut progress: impl FnMut(u64)) -> Result<ReplayReport, StorageError> {
        // The first step that may write.
        self.shard.facts.hold_lock(&self.shard.handle)?;
        let mut report = ReplayReport::default();
        let mut early = EarlyEntries::new();
        let facts = Arc::clone(&self.shard.facts);
        for stream in facts.streams() {
            if !self.shard.lacks_entries_of(stream) {
                continue;
            }
            let mut reader = FrameReader::open(&self.shard.handle, &self.shard.directory, stream).await?;
            while let Some(frame) = reader.next_frame().await? {
                let position = LogPosition { stream: stream.stream, lsn: frame.lsn() };
                for record in frame.records() {
                    let record = record.map_err(|reason| damaged_log(position, reason))?;
                    report.entry_count += self.shard.replay_record(position, &record, &mut early)?;
                }
                report.log_bytes += frame.size_bytes();
                progress(report.log_bytes);
                self.shard.make_replay_room().await;
            }
        }
        match early.first_key_value() {
            None => Ok(report),
            Some((&(partition, found), _)) => {
                let expected = self.shard.next_index_of(partition);
                Err(Refusal::IndexGap { partition, expected, found }.into())
            }
        }
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
        assert!(shard.wal.set(wal).is_ok(), "a shard goes live once");
        for state in shard.partitions_snapshot() {
            shard.queue_for_apply(&state);
        }
        drop(shard.handle.spawn(apply::apply_forever(Rc::clone(shard))));
        drop(shard.handle.spawn(checkpointer::checkpoint_forever(Rc::clone(shard))));
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
        Tree::empty(&self.handle, &self.pool, &self.partition_path(spec.id), self.tree_identity(spec))
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

    async fn open_tree(&self, spec: &PartitionSpec) -> Result<Tree, StorageError> {
        let path = self.partition_path(spec.id);
        let expectation = Expectation {
            file_uuid: spec.materialised,
            generation: self
                .facts
                .highest_checkpoint(spec.id)
                .map_or(Generation::default(), |(generation, _)| generation),
        };
        match Tree::open(&self.handle, &self.pool, &path, self.tree_identity(spec), expectation).await? {
            Some(tree) => Ok(tree),
            None if spec.materialised.is_none() => Ok(self.empty_tree(spec)),
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

    fn lacks_entries_of(&self, stream: &StreamFacts) -> bool {
        self.partitions.borrow().values().any(|state| {
            stream.entries.get(&state.spec().id).is_some_and(|ranges| ranges.last() > state.last_index())
        })
    }

    fn next_index_of(&self, partition: PartitionId) -> EntryIndex {
        self.partitions
            .borrow()
            .get(&partition)
            .map_or(EntryIndex::default(), |state| state.last_index().next())
    }

    /// Takes one record of the log; returns how many entries it completed.
    fn replay_record(
        &self,
        position: LogPosition,
        record: &Record<'_>,
        early: &mut EarlyEntries,
    ) -> Result<u64, StorageError> {
        let id = PartitionId::new(record.partition);
        if record.kind != RecordKind::Effects {
            return Ok(0);
        }
        // A partition that the catalog does not know was dropped: its records mean nothing any more.
        let Some(state) = self.partitions.borrow().get(&id).cloned() else { return Ok(0) };
        let index = EntryIndex::new(record.index);
        if index <= state.last_index() && !basalt_runtime::planted!(ReplayAppliedEntry) {
            return Ok(0);
        }
        let changes = decode_changes(record.body).map_err(|reason| damaged_log(position, reason))?;
        let hybrid_time = HybridTime::new(record.hybrid_time);
        early.insert((id, index), OverlayEntry { index, hybrid_time, position, changes });
        let mut completed = 0;
        while let Some(entry) = early.remove(&(id, state.last_index().next())) {
            let bytes = state.replay(entry);
            self.overlay_bytes.set(self.overlay_bytes.get() + bytes);
            if !state.is_serving() {
                self.forget_overlay(&state);
            }
            self.queue_for_apply(&state);
            completed += 1;
        }
        Ok(completed)
    }

    async fn make_replay_room(&self) {
        if self.overlay_bytes.get() <= self.shares.overlay_bytes {
            return;
        }
        basalt_runtime::sometimes!("replay applies before it reads on");
        for state in self.partitions_snapshot() {
            apply_committed(self, &state).await;
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

fn decode_changes(body: &[u8]) -> Result<Vec<KeyChange>, String> {
    Effects::new(body)
        .map(|effect| match effect.map_err(|reason| reason.to_string())? {
            Effect::Put { key, value } => Ok((Rc::from(key), Some(Rc::from(value)))),
            Effect::Delete { key } => Ok((Rc::from(key), None)),
            Effect::Splice(_) | Effect::DeleteRange { .. } => {
                Err("an effect of a kind that this version does not write".to_owned())
            }
        })
        .collect()
}

/// The frame's checksum passed, and yet its bytes are wrong: nothing behind it can be trusted to be complete.
fn damaged_log(position: LogPosition, detail: impl ToString) -> StorageError {
    let LogPosition { stream, lsn } = position;
    Refusal::DamagedLog { stream, lsn, detail: detail.to_string() }.into()
}
