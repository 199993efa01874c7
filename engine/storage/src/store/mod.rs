//! One shard's storage: its log, its buffer pool and the partitions it owns.
//!
//! Everything here runs on one thread and shares nothing with other shards. Tasks of a shard meet only between
//! awaits, so state lives in cells; a borrow never lasts across an await.
//!
//! Invariants: frames become durable in order, so a partition's committed index only grows; a log position is
//! released only when both superblocks of every partition are past it.

mod apply;
mod backlog;
mod checkpointer;
mod log_release;
mod partition_files;
mod replay;
mod reserve_keeper;
mod snapshot;
mod start;

pub(crate) use self::apply::apply_through;
pub(crate) use checkpointer::{begin_load, publish_load};
pub(crate) use log_release::{LogNeed, LogNeeds};
pub use replay::ReplayReport;
pub use snapshot::{ShardSnapshot, SnapshotContent, SnapshotFile};
pub use start::StoreHooks;

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use basalt_runtime::{Either, Handle, local::Event, race, timeout};

use crate::{
    btree::Stop,
    cache::BufferPool,
    error::StorageError,
    extent::OpenFiles,
    ids::{CATALOG_PARTITION, EntryIndex, FrameSequence, HybridTime, LogPosition, PartitionId},
    options::{MemoryShares, StoreOptions},
    partition::{Commit, Partition, PartitionSpec, PartitionState, WriteBatch, together},
    recovery::NodeFacts,
    reserve::Reserve,
    view::View,
    wal::{EntryEffects, Ticket, Wal},
};

/// The term of every entry while there is no replication.
pub(crate) const TERM: u64 = 1;

/// Counts and levels of one shard's storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreMetrics {
    /// Partitions open on this shard.
    pub partition_count: usize,
    /// Bytes of log that cannot be released yet.
    pub log_used_bytes: u64,
    /// Bytes of log this shard may use.
    pub log_budget_bytes: u64,
    /// Bytes of pages changed since their last checkpoint.
    pub dirty_bytes: u64,
    /// Bytes of entries that no tree holds yet.
    pub overlay_bytes: u64,
    /// Checkpoints completed since the start.
    pub checkpoint_count: u64,
    /// Checkpoints that failed before their superblock, since the start.
    pub checkpoint_failure_count: u64,
    /// Bytes of the device that are kept for emptying it when it is full.
    pub reserve_bytes: u64,
    /// Whether the device is full: only what frees space is accepted.
    pub device_is_full: bool,
}

/// One shard's storage. Cheap to clone; stays on its shard.
#[derive(Clone)]
pub struct ShardStore {
    shard: Rc<Shard>,
}

impl ShardStore {
    /// The partition `id`, if this shard owns it.
    pub fn partition(&self, id: PartitionId) -> Option<Partition> {
        let state = self.shard.partitions.borrow().get(&id).cloned()?;
        Some(Partition::new(Rc::clone(&self.shard), state))
    }

    /// Runs `read` on the committed states of several partitions of this shard, as of one moment: of entries that
    /// were written together it sees all or none. `read` gets the views in the order of `partitions`, which must be
    /// different ones, and runs again when a page was missing, as in [`Partition::read`].
    pub async fn read_together<T>(
        &self,
        partitions: &[Partition],
        read: impl FnMut(&[View<'_>]) -> Result<T, Stop>,
    ) -> Result<T, StorageError> {
        together::read(&self.shard, partitions, read).await
    }

    /// Evaluates `write` against the newest states of several partitions of this shard and logs the batches that it
    /// fills, one entry a partition, all in one frame: after a crash all of them are there, or none.
    ///
    /// Views and batches come in the order of `partitions`, which must be different ones. For the rest as
    /// [`Partition::write`]; [`StorageError::TooLarge`] if the entries exceed a frame.
    pub async fn write_together<T>(
        &self,
        partitions: &[Partition],
        write: impl FnMut(&[View<'_>], &mut [WriteBatch]) -> Result<T, Stop>,
    ) -> Result<(T, Commit), StorageError> {
        together::write(&self.shard, partitions, write).await
    }

    /// Opens a new, empty partition. Costs no file, page or sync: the catalog entry that names it is its creation.
    ///
    /// # Panics
    /// If this shard has a partition of that id: ids are never reused.
    pub fn create_partition(&self, spec: PartitionSpec) -> Partition {
        let tree = self.shard.empty_tree(&spec);
        let state = PartitionState::new(spec, tree, EntryIndex::default(), HybridTime::default());
        let state = self.shard.adopt(state);
        Partition::new(Rc::clone(&self.shard), state)
    }

    /// Closes the partition and removes its file. The catalog entry that drops it must be durable before.
    pub async fn drop_partition(&self, id: PartitionId) -> Result<(), StorageError> {
        let Some(state) = self.shard.partitions.borrow_mut().remove(&id) else {
            return Err(StorageError::UnknownPartition(id));
        };
        state.mark_dropped();
        self.shard.forget_overlay(&state);
        self.shard.release_log();
        self.shard.refuse_writes_if_log_is_held();
        // A running checkpoint must not find its file gone: from its superblock on, an error ends the process.
        let _turn = state.checkpointing().acquire(1).await;
        state.tree().remove_file().await
    }

    /// Writes every partition's committed entries into its file, and both its superblocks past them.
    pub async fn checkpoint(&self) -> Result<(), StorageError> {
        checkpointer::checkpoint_all(&self.shard).await
    }

    /// Brings the files of all partitions close to what their trees take, whether anybody writes or not; returns their
    /// bytes before and after.
    pub async fn compact(&self) -> Result<(u64, u64), StorageError> {
        checkpointer::compact_all(&self.shard).await
    }

    /// Refuses new writes, makes the logged ones durable, checkpoints for at most `checkpoint_time`, oldest first,
    /// and seals the log. What was not checkpointed is in the log.
    pub async fn close(&self, checkpoint_time: Duration) -> Result<(), StorageError> {
        self.shard.closing.set(true);
        self.shard.wake_all();
        let handle = &self.shard.handle;
        let deadline = handle.now() + checkpoint_time;
        // A task of its own: a checkpoint that has begun is not given up in the middle, only not waited for.
        let checkpoints = handle.spawn(checkpointer::checkpoint_until(Rc::clone(&self.shard), deadline));
        timeout(handle, checkpoint_time, checkpoints).await;
        self.shard.sealed.set(true);
        if let Some(wal) = self.shard.wal.get() {
            wal.seal_and_close().await?;
        }
        if let Err(error) = self.shard.reserve.remove().await {
            tracing::warn!(%error, "the reserve was not removed; the next start does it");
        }
        Ok(())
    }

    /// Waits until an entry is logged.
    pub async fn until_written(&self) {
        self.shard.entry_appended.notified().await;
    }

    /// Counts and levels.
    pub fn metrics(&self) -> StoreMetrics {
        let shard = &self.shard;
        let wal = shard.wal.get();
        StoreMetrics {
            partition_count: shard.partitions.borrow().len(),
            log_used_bytes: wal.map_or(0, Wal::used_bytes),
            log_budget_bytes: wal.map_or(0, Wal::budget_bytes),
            dirty_bytes: shard.dirty_bytes(),
            overlay_bytes: shard.overlay_bytes.get(),
            checkpoint_count: shard.checkpoint_count.get(),
            checkpoint_failure_count: shard.checkpoint_failure_count.get(),
            reserve_bytes: shard.reserve.held_bytes(),
            device_is_full: shard.reserve.is_short(),
        }
    }
}

/// What may be logged after an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Anything.
    Anything,
    /// Only what gives space back: the device is full.
    WhatFreesSpace,
}

/// The state behind a [`ShardStore`] and its partitions.
pub(crate) struct Shard {
    handle: Handle,
    directory: PathBuf,
    shard_count: u16,
    options: StoreOptions,
    shares: MemoryShares,
    facts: Arc<NodeFacts>,
    hooks: StoreHooks,
    pool: BufferPool,
    files: OpenFiles,
    reserve: Rc<Reserve>,
    /// Set when the shard goes live; before, partitions can only be read.
    wal: OnceCell<Wal>,
    partitions: RefCell<BTreeMap<PartitionId, Rc<PartitionState>>>,
    /// Partitions with entries that are not durable yet, in the order of their first such entry.
    uncommitted: RefCell<Vec<Rc<PartitionState>>>,
    durable_seen: Cell<FrameSequence>,
    /// Partitions with committed entries that their trees lack.
    apply_queue: RefCell<VecDeque<Rc<PartitionState>>>,
    overlay_bytes: Cell<u64>,
    recycling: Cell<bool>,
    device_full: Cell<bool>,
    /// Why writes are refused although the device has space: a closed partition holds the log.
    log_held_by: RefCell<Option<StorageError>>,
    /// No new writes, but those of the catalog.
    closing: Cell<bool>,
    /// The log takes nothing any more.
    sealed: Cell<bool>,
    entry_appended: Event,
    entries_applied: Event,
    checkpoint_wanted: Event,
    /// `log_held_by` was set.
    writes_refused: Event,
    /// Entries logged since the start; tells whether the shard is idle.
    write_count: Cell<u64>,
    /// How many of them there were when all files were compact last.
    compacted_write_count: Cell<u64>,
    checkpoint_count: Cell<u64>,
    checkpoint_failure_count: Cell<u64>,
}

impl Shard {
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn wal(&self) -> Result<&Wal, StorageError> {
        self.wal.get().ok_or(StorageError::Closed)
    }

    /// The log, as long as it may be appended to.
    fn open_log(&self) -> Result<&Wal, StorageError> {
        if self.sealed.get() { Err(StorageError::Closed) } else { self.wal() }
    }

    /// Memory for rows that are loaded and wait to be sorted: as much as entries may take that wait to be applied.
    pub(crate) fn load_buffer_bytes(&self) -> u64 {
        self.shares.overlay_bytes
    }

    /// Waits until a write to `partition` may be evaluated: there is room for its entry in the log and in memory, or the
    /// device is full, which [`Shard::check_admitted`] judges when the entry is known.
    ///
    /// The catalog never waits, nor does a closing shard refuse it: a checkpoint that is to make room may have to
    /// write to it first. Its entries are few and small.
    pub(crate) async fn admit_write(&self, partition: PartitionId) -> Result<Admission, StorageError> {
        if partition == CATALOG_PARTITION {
            return self.open_log().map(|_open| Admission::Anything);
        }
        loop {
            if self.closing.get() {
                return Err(StorageError::Closed);
            }
            if self.overlay_bytes.get() <= self.shares.overlay_bytes {
                break;
            }
            if self.device_full.get() {
                return Ok(Admission::WhatFreesSpace);
            }
            self.entries_applied.notified().await;
        }
        if let Some(error) = &*self.log_held_by.borrow() {
            return Err(error.clone());
        }
        if self.reserve.is_short() {
            let may_release = || !self.device_full.get() && self.has_work();
            self.open_log()?.room_for_what_frees(may_release).await?;
            return Ok(Admission::WhatFreesSpace);
        }
        let room = self.open_log()?.room(u64::from(self.options.frame_soft_limit_bytes));
        match race(room, self.writes_refused.notified()).await {
            Either::Left(Ok(())) => Ok(Admission::Anything),
            Either::Left(Err(StorageError::Full { .. })) => Ok(Admission::WhatFreesSpace),
            Either::Left(Err(error)) => Err(error),
            Either::Right(()) => Err(self.log_held_by.borrow().clone().unwrap_or(StorageError::Closed)),
        }
    }

    /// Whether what an evaluation has filled may be logged; an error leaves nothing behind.
    ///
    /// What is written without asking, such as the end of a log, must find room behind it.
    pub(crate) fn check_admitted(
        &self,
        admission: Admission,
        batches: &[WriteBatch],
    ) -> Result<(), StorageError> {
        let bytes: usize = batches.iter().map(WriteBatch::log_bytes).sum();
        if admission == Admission::Anything || bytes == 0 {
            return Ok(());
        }
        let frees_space = batches.iter().all(WriteBatch::frees_space);
        if frees_space && self.open_log()?.has_room_without_growth(bytes) {
            return Ok(());
        }
        Err(StorageError::Full { path: self.directory.clone() })
    }

    /// Appends entries to the open frame, all of them into the same one.
    pub(crate) fn append_entries(&self, entries: &[EntryEffects<'_>]) -> Result<Ticket, StorageError> {
        let wal = self.wal.get().expect("a write is admitted only while the log is open");
        wal.append_entries(entries)
    }

    pub(crate) fn position_of(&self, ticket: Ticket) -> LogPosition {
        let wal = self.wal.get().expect("tickets come from an open log");
        LogPosition { stream: wal.stream(), lsn: ticket.lsn }
    }

    /// Takes note of an entry that was logged but is not durable yet, and of the memory that it holds.
    pub(crate) fn entry_pending(
        &self,
        state: &Rc<PartitionState>,
        ticket: Ticket,
        index: EntryIndex,
        bytes: u64,
    ) {
        if state.await_commit(index, ticket) {
            self.uncommitted.borrow_mut().push(Rc::clone(state));
        }
        self.overlay_bytes.set(self.overlay_bytes.get() + bytes);
        self.write_count.set(self.write_count.get() + 1);
        self.entry_appended.notify_all();
    }

    /// Commits what has become durable. Cheap when nothing has.
    pub(crate) fn advance_committed(&self) {
        let Some(wal) = self.wal.get() else { return };
        let durable = wal.durable_frame();
        if self.durable_seen.replace(durable) == durable {
            return;
        }
        self.pool.pace().note_sync(wal.last_sync_took());
        self.uncommitted.borrow_mut().retain(|state| {
            let all_committed = state.advance_committed(|ticket| ticket.frame <= durable);
            self.queue_for_apply(state);
            !all_committed
        });
    }

    /// Opens `state`'s partition on this shard.
    fn adopt(&self, state: PartitionState) -> Rc<PartitionState> {
        let id = state.spec().id;
        let state = Rc::new(state);
        let previous = self.partitions.borrow_mut().insert(id, Rc::clone(&state));
        assert!(previous.is_none(), "partition ids are never reused");
        state
    }

    fn queue_for_apply(&self, state: &Rc<PartitionState>) {
        if state.applied() < state.committed() && !state.mark_queued(true) {
            self.apply_queue.borrow_mut().push_back(Rc::clone(state));
        }
    }

    fn release_overlay_bytes(&self, bytes: u64) {
        self.overlay_bytes.set(self.overlay_bytes.get() - bytes);
        self.entries_applied.notify_all();
    }

    /// The entries of a dropped partition need not be applied any more; those of a closed one cannot be, and wait in
    /// the log.
    fn forget_overlay(&self, state: &PartitionState) {
        self.release_overlay_bytes(state.forget_overlay());
    }

    /// Damaged bytes close their partition, and only it: its entries must not keep memory that the others need.
    pub(crate) fn fence_if_corrupt(&self, state: &PartitionState, error: StorageError) -> StorageError {
        let error = state.fence_if_corrupt(error);
        if !state.is_serving() {
            self.forget_overlay(state);
        }
        error
    }

    /// While the device is full, writes that would need more of it are refused instead of waiting for ever.
    fn set_device_full(&self, full: bool) {
        if self.device_full.replace(full) != full {
            self.entries_applied.notify_all();
            if let Some(wal) = self.wal.get() {
                wal.set_device_full(full);
            }
        }
    }

    fn dirty_bytes(&self) -> u64 {
        self.partitions.borrow().values().map(|state| state.tree().dirty_bytes()).sum()
    }

    fn partitions_snapshot(&self) -> Vec<Rc<PartitionState>> {
        self.partitions.borrow().values().cloned().collect()
    }

    fn wake_all(&self) {
        self.entry_appended.notify_all();
        self.entries_applied.notify_all();
        self.checkpoint_wanted.notify_all();
        self.reserve.wake();
    }
}
