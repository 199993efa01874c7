//! A partition's state: tree, overlay, commit progress and clock. Owned by its shard; changed only between awaits.

use std::{
    cell::{Cell, Ref, RefCell},
    collections::{BTreeMap, VecDeque},
};

use basalt_runtime::{
    UnixTime,
    local::{Event, Semaphore},
};

use super::{PartitionSpec, PartitionStats, noted_keys::NotedKeys};
use crate::{
    btree::Tree,
    error::StorageError,
    ids::{EntryIndex, HybridTime, LogPosition},
    overlay::{ApplyBatch, Overlay, OverlayEntry},
    store::{LogNeed, LogNeeds},
    wal::Ticket,
};

pub(crate) struct PartitionState {
    spec: PartitionSpec,
    tree: Tree,
    overlay: RefCell<Overlay>,
    /// Entries that are logged but not durable, in index order.
    uncommitted: RefCell<VecDeque<(EntryIndex, Ticket)>>,
    committed: Cell<EntryIndex>,
    clock: Cell<HybridTime>,
    /// When a row was last deleted, by the first byte of its key.
    last_deletes: RefCell<BTreeMap<u8, HybridTime>>,
    /// What is changed behind a copy of the rows; `None`: nobody copies them.
    noted_keys: RefCell<Option<NotedKeys>>,
    queued_for_apply: Cell<bool>,
    log_needs: Cell<LogNeeds>,
    /// The highest entry in a stream that this shard does not write; zero if there is none.
    foreign_through: Cell<EntryIndex>,
    /// Whether the catalog knows that the file exists.
    materialised: Cell<bool>,
    applying: Semaphore,
    checkpointing: Semaphore,
    /// Rows are being loaded, which nothing else sees: nothing is logged, and no checkpoint is written.
    loading: Cell<bool>,
    load_ended: Event,
    dropped: Cell<bool>,
    /// Why the partition answers errors; never cleared while the process lives.
    fenced: RefCell<Option<StorageError>>,
}

impl PartitionState {
    /// A partition whose tree holds every entry up to `applied`, written at or before `clock`.
    pub(crate) fn new(spec: PartitionSpec, tree: Tree, applied: EntryIndex, clock: HybridTime) -> Self {
        let log_needs = LogNeeds::of_superblocks(tree.superblock_applied());
        Self {
            materialised: Cell::new(spec.materialised.is_some()),
            spec,
            tree,
            overlay: RefCell::new(Overlay::new(applied)),
            uncommitted: RefCell::default(),
            committed: Cell::new(applied),
            clock: Cell::new(clock),
            last_deletes: RefCell::default(),
            noted_keys: RefCell::default(),
            queued_for_apply: Cell::new(false),
            log_needs: Cell::new(log_needs),
            foreign_through: Cell::default(),
            applying: Semaphore::new(1),
            checkpointing: Semaphore::new(1),
            loading: Cell::new(false),
            load_ended: Event::new(),
            dropped: Cell::new(false),
            fenced: RefCell::new(None),
        }
    }

    pub(crate) fn spec(&self) -> &PartitionSpec {
        &self.spec
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    pub(crate) fn overlay(&self) -> Ref<'_, Overlay> {
        self.overlay.borrow()
    }

    pub(crate) fn committed(&self) -> EntryIndex {
        self.committed.get()
    }

    pub(crate) fn applied(&self) -> EntryIndex {
        self.overlay.borrow().applied()
    }

    pub(crate) fn last_index(&self) -> EntryIndex {
        self.overlay.borrow().last()
    }

    /// The partition's clock: the hybrid time of its newest entry.
    pub(crate) fn clock(&self) -> HybridTime {
        self.clock.get()
    }

    /// What the clock will say at `now` or later: one step on where the wall clock has not passed it.
    pub(crate) fn next_tick(&self, now: UnixTime) -> HybridTime {
        HybridTime::new(now.as_micros()).max(self.clock.get().next())
    }

    /// Adds an entry that has just been logged; returns the bytes of memory that it takes.
    pub(crate) fn push(&self, entry: OverlayEntry) -> u64 {
        self.note_entry(entry.index, entry.hybrid_time, entry.position);
        self.note_deletes(&entry);
        if let Some(noted) = &mut *self.noted_keys.borrow_mut() {
            noted.note(&entry.changes);
        }
        self.keep(entry)
    }

    /// Takes note of the next entry that replay found in the log: committed, and neither in the overlay nor in the
    /// tree until [`PartitionState::keep`] or [`PartitionState::advance_applied`].
    pub(crate) fn replay(&self, index: EntryIndex, hybrid_time: HybridTime, position: LogPosition) {
        assert_eq!(
            index,
            self.committed.get().next(),
            "a partition's entries are replayed in order, each once"
        );
        self.note_entry(index, hybrid_time, position);
        self.committed.set(index);
    }

    /// Adds an entry to the overlay; returns the bytes of memory that it takes.
    pub(crate) fn keep(&self, entry: OverlayEntry) -> u64 {
        let mut overlay = self.overlay.borrow_mut();
        let before = overlay.bytes();
        overlay.push(entry);
        overlay.bytes() - before
    }

    /// The tree holds every entry up to `applied`, which were never in the overlay.
    pub(crate) fn advance_applied(&self, applied: EntryIndex) {
        assert!(applied <= self.committed.get(), "no tree change before commit");
        self.overlay.borrow_mut().advance(applied);
    }

    /// Begins a load, if there is nothing in the partition and nothing is done to it.
    pub(crate) fn begin_load(&self) -> Result<(), StorageError> {
        self.check_serving()?;
        let is_at_rest = self.last_index() == self.applied() && self.uncommitted.borrow().is_empty();
        let is_watched = self.loading.get() || self.noted_keys.borrow().is_some();
        if !is_at_rest || is_watched || self.has_unwritten_changes() || !self.tree.is_empty() {
            return Err(StorageError::NotEmpty(self.spec.id));
        }
        self.loading.set(true);
        Ok(())
    }

    /// The load has ended, whatever came of it.
    pub(crate) fn end_load(&self) {
        self.loading.set(false);
        self.load_ended.notify_all();
    }

    pub(crate) fn is_loading(&self) -> bool {
        self.loading.get()
    }

    /// Waits until no load runs.
    pub(crate) async fn until_loaded(&self) {
        self.load_ended.wait_until(|| !self.loading.get()).await;
    }

    /// The loaded rows are durable in the tree, as its entry `index`, which no log holds.
    pub(crate) fn note_loaded(&self, index: EntryIndex, hybrid_time: HybridTime) {
        assert_eq!(index, self.last_index().next(), "nothing is logged while rows are loaded");
        self.clock.set(self.clock.get().max(hybrid_time));
        self.committed.set(index);
        self.overlay.borrow_mut().advance(index);
    }

    fn note_entry(&self, index: EntryIndex, hybrid_time: HybridTime, position: LogPosition) {
        self.clock.set(self.clock.get().max(hybrid_time));
        let mut needs = self.log_needs.get();
        needs.note_entry(index, position);
        self.log_needs.set(needs);
    }

    /// When a row whose key begins with `tag` was last deleted.
    pub(crate) fn last_delete(&self, tag: u8) -> HybridTime {
        self.last_deletes.borrow().get(&tag).copied().unwrap_or_default()
    }

    fn note_deletes(&self, entry: &OverlayEntry) {
        let mut last_deletes = self.last_deletes.borrow_mut();
        let deleted = entry.changes.iter().filter(|(_, value)| value.is_none());
        for tag in deleted.filter_map(|(key, _)| key.first()) {
            last_deletes.insert(*tag, entry.hybrid_time);
        }
    }

    /// Begins or ends the notes of changed keys.
    pub(crate) fn set_noting(&self, is_noting: bool) {
        *self.noted_keys.borrow_mut() = is_noting.then(NotedKeys::default);
    }

    /// Gives the notes to `work`, if there are any.
    pub(crate) fn with_noted<T>(&self, work: impl FnOnce(&mut NotedKeys) -> T) -> Option<T> {
        self.noted_keys.borrow_mut().as_mut().map(work)
    }

    /// Notes that `index` becomes committed with `ticket`'s frame; returns whether it is the only such entry.
    pub(crate) fn await_commit(&self, index: EntryIndex, ticket: Ticket) -> bool {
        let mut uncommitted = self.uncommitted.borrow_mut();
        uncommitted.push_back((index, ticket));
        uncommitted.len() == 1
    }

    /// The frame of the oldest entry that is not committed.
    pub(crate) fn oldest_uncommitted(&self) -> Option<Ticket> {
        self.uncommitted.borrow().front().map(|&(_, ticket)| ticket)
    }

    /// Commits every entry whose frame `is_durable`; returns whether all of them are committed now.
    pub(crate) fn advance_committed(&self, is_durable: impl Fn(Ticket) -> bool) -> bool {
        let mut uncommitted = self.uncommitted.borrow_mut();
        while let Some(&(index, ticket)) = uncommitted.front() {
            if !is_durable(ticket) {
                return false;
            }
            uncommitted.pop_front();
            assert!(index > self.committed.get(), "entries are committed in order");
            self.committed.set(index);
        }
        true
    }

    /// The frame with which entry `index` becomes committed; `None` if it already is.
    pub(crate) fn frame_of(&self, index: EntryIndex) -> Option<Ticket> {
        let uncommitted = self.uncommitted.borrow();
        let place = uncommitted.binary_search_by_key(&index, |&(index, _)| index).ok()?;
        uncommitted.get(place).map(|&(_, ticket)| ticket)
    }

    pub(crate) fn next_batch(&self, keys_max: usize, bytes_max: u64) -> Option<ApplyBatch> {
        self.overlay.borrow().next_batch(self.committed.get(), keys_max, bytes_max)
    }

    /// Forgets overlay entries that the tree has taken; returns the bytes of memory given back.
    pub(crate) fn retire(&self, through: EntryIndex) -> u64 {
        assert!(through <= self.committed.get(), "no tree change before commit");
        self.overlay.borrow_mut().retire(through)
    }

    /// Forgets every entry that the tree lacks, of a partition that serves no more; returns the bytes given back.
    pub(crate) fn forget_overlay(&self) -> u64 {
        self.overlay.borrow_mut().forget()
    }

    /// Where the log is needed from if the tree were written now; `None` if nothing of it is needed.
    pub(crate) fn needed_after_checkpoint(&self) -> Option<LogPosition> {
        self.overlay.borrow().first_position()
    }

    /// What the log owes this partition's superblocks.
    pub(crate) fn log_needs(&self) -> LogNeeds {
        self.log_needs.get()
    }

    /// A superblock with this need is about to be written.
    pub(crate) fn superblock_begun(&self, need: LogNeed) {
        let mut needs = self.log_needs.get();
        needs.superblock_begun(need);
        self.log_needs.set(needs);
    }

    /// Takes note that the superblock begun last is durable.
    pub(crate) fn superblock_written(&self) {
        let mut needs = self.log_needs.get();
        needs.superblock_written();
        self.log_needs.set(needs);
    }

    /// Takes note that this shard's stream, from `start` on, holds entries that the tree has and the older
    /// superblock lacks: they are not replayed, and yet must stay until that superblock is past them.
    pub(crate) fn note_kept_log(&self, start: LogPosition) {
        let mut needs = self.log_needs.get();
        needs.note_entry(needs.older_applied().next(), start);
        self.log_needs.set(needs);
    }

    /// Takes note that a stream of another shard holds entries up to `last`.
    pub(crate) fn note_foreign_entries(&self, last: EntryIndex) {
        self.foreign_through.set(self.foreign_through.get().max(last));
    }

    /// Whether a superblock still needs a stream that this shard does not write.
    pub(crate) fn needs_foreign_log(&self) -> bool {
        self.log_needs.get().older_applied() < self.foreign_through.get()
    }

    /// Whether there are committed entries that no superblock covers.
    pub(crate) fn has_unwritten_changes(&self) -> bool {
        self.log_needs.get().newest_applied() < self.committed.get()
    }

    pub(crate) fn is_materialised(&self) -> bool {
        self.materialised.get()
    }

    /// The catalog durably knows the file.
    pub(crate) fn mark_materialised(&self) {
        self.materialised.set(true);
    }

    /// The turn of the only one that applies this partition's entries.
    pub(crate) fn applying(&self) -> &Semaphore {
        &self.applying
    }

    /// The turn of this partition's only running checkpoint.
    pub(crate) fn checkpointing(&self) -> &Semaphore {
        &self.checkpointing
    }

    /// Sets the mark that this partition waits for its entries to be applied; returns whether it was set before.
    pub(crate) fn mark_queued(&self, queued: bool) -> bool {
        self.queued_for_apply.replace(queued)
    }

    pub(crate) fn mark_dropped(&self) {
        self.dropped.set(true);
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.dropped.get()
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.check_serving().is_ok()
    }

    pub(crate) fn check_serving(&self) -> Result<(), StorageError> {
        if self.dropped.get() {
            return Err(StorageError::UnknownPartition(self.spec.id));
        }
        match &*self.fenced.borrow() {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Damaged bytes close this partition, and only it; any other error passes through.
    pub(crate) fn fence_if_corrupt(&self, error: StorageError) -> StorageError {
        if matches!(error, StorageError::Corrupt { .. }) && self.fenced.borrow().is_none() {
            tracing::error!(partition = self.spec.id.get(), %error, "partition closed: restore it, or run basaltctl verify");
            *self.fenced.borrow_mut() = Some(error.clone());
        }
        error
    }

    /// Why the partition answers errors, if it does.
    pub(crate) fn fence(&self) -> Option<StorageError> {
        self.fenced.borrow().clone()
    }

    pub(crate) fn stats(&self) -> PartitionStats {
        PartitionStats {
            row_count: self.tree.row_count(),
            row_bytes: self.tree.row_bytes(),
            item_count: self.tree.item_count(),
            item_bytes: self.tree.item_bytes(),
            local_index_rows: self.tree.local_index_rows(),
            overlay_bytes: self.overlay.borrow().bytes(),
            applied: self.applied(),
            committed: self.committed.get(),
        }
    }
}
