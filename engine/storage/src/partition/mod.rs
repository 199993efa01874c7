//! One partition on its owner shard: evaluates reads and writes, and remembers which entries are committed.
//!
//! A write is evaluated against the newest state and becomes one entry, in one synchronous step, so nothing can
//! come between what it read and what it wrote. A read sees committed entries only.
//!
//! Invariants: applied ≤ committed ≤ last; indexes have no gaps; no answer before its entries, and those it
//! read, are committed; the partition's hybrid time never goes back.
//!
//! Knows nothing of attributes, tables or other partitions.

mod batch;
mod commit;
mod load;
mod noted_keys;
mod sort_buffer;
mod state;
pub(crate) mod together;

pub use batch::WriteBatch;
pub use commit::Commit;
pub use load::Load;
pub(crate) use state::PartitionState;

use std::rc::Rc;

use basalt_format::{DecodeError, key_encoding::LOCAL_INDEX_TAGS, superblock::RowCount};

use crate::{
    btree::{Pins, Stop},
    error::{Place, StorageError},
    ids::{EntryIndex, HybridTime, PartitionId},
    overlay::OverlayEntry,
    store::{Admission, Shard, TERM, apply_through},
    view::View,
    wal::{EntryEffects, Ticket},
};

/// What storage has to know of a partition; the catalog is the one that remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionSpec {
    /// Never reused.
    pub id: PartitionId,
    /// The table or index it belongs to; opaque here, kept in the superblock for the offline tools.
    pub table: u64,
    /// First and last hash it owns.
    pub hash_range: (u64, u64),
    /// The secret its hashes are made with; opaque here, kept in the superblock.
    pub hash_secret: [u8; 16],
    /// The uuid of its file, once its first checkpoint has made one: without it the file may be absent.
    pub materialised: Option<[u8; 16]>,
}

/// Counts of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartitionStats {
    /// Rows in the tree, all tags; entries still in the overlay are not counted.
    pub row_count: u64,
    /// Bytes of keys and values in the tree.
    pub row_bytes: u64,
    /// Rows in the tree that are items of a table or entries of a global index.
    pub item_count: u64,
    /// Bytes of keys and values of those.
    pub item_bytes: u64,
    /// Rows in the tree of each local index, by tag.
    pub local_index_rows: [RowCount; LOCAL_INDEX_TAGS],
    /// Bytes of memory held by entries that the tree lacks.
    pub overlay_bytes: u64,
    /// The highest entry the tree holds.
    pub applied: EntryIndex,
    /// The highest durable entry.
    pub committed: EntryIndex,
}

/// A handle to a partition of this shard. Cheap to clone; stays on its shard.
#[derive(Clone)]
pub struct Partition {
    shard: Rc<Shard>,
    state: Rc<PartitionState>,
}

impl Partition {
    pub(crate) fn new(shard: Rc<Shard>, state: Rc<PartitionState>) -> Self {
        Self { shard, state }
    }

    /// The partition's id.
    pub fn id(&self) -> PartitionId {
        self.state.spec().id
    }

    /// Why it answers errors, if it does.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when damaged bytes have closed it, [`StorageError::UnknownPartition`] when it was
    /// dropped.
    pub fn check_serving(&self) -> Result<(), StorageError> {
        self.state.check_serving()
    }

    /// What an evaluation fails with that finds a row of this partition, whole by its checksum, to break the format:
    /// it closes the partition.
    pub fn damaged_row(&self, reason: DecodeError) -> Stop {
        StorageError::Corrupt { partition: self.id(), place: Place::Row, reason: reason.into() }.into()
    }

    /// What the catalog says of it.
    pub fn spec(&self) -> &PartitionSpec {
        self.state.spec()
    }

    /// Runs `read` on the committed state.
    ///
    /// When a page is missing, it is fetched and `read` runs again from the start: keep progress outside of it
    /// and go on from the last key. Pages stay pinned until `read` has come through.
    pub async fn read<T>(
        &self,
        mut read: impl FnMut(&View<'_>) -> Result<T, Stop>,
    ) -> Result<T, StorageError> {
        let mut pins = Pins::default();
        loop {
            match self.try_read(&mut read) {
                Ok(value) => return Ok(value),
                Err(stop) => self.resume(stop, &mut pins).await?,
            }
        }
    }

    /// Runs `read` once on the committed state, without waiting: [`Stop::Missing`] when a page is not in memory.
    pub fn try_read<T>(&self, mut read: impl FnMut(&View<'_>) -> Result<T, Stop>) -> Result<T, Stop> {
        self.state.check_serving()?;
        self.shard.advance_committed();
        let overlay = self.state.overlay();
        let horizon = if planted_read_uncommitted() { overlay.last() } else { self.state.committed() };
        read(&View::new(&overlay, &self.state.tree().reader(), horizon))
    }

    /// Evaluates `write` against the newest state and logs the batch that it fills as one entry.
    ///
    /// `write` may run several times, each with an empty batch; only its last run counts. The result must not be
    /// shown to anybody before [`Commit::wait`] has returned: it may rest on entries that a crash takes back.
    ///
    /// On a full device a batch that puts rows is refused with [`StorageError::Full`] and leaves nothing behind; one of
    /// deletes, or that is [marked](WriteBatch::mark_freeing), is logged as long as the log's open segment has room.
    pub async fn write<T>(
        &self,
        mut write: impl FnMut(&View<'_>, &mut WriteBatch) -> Result<T, Stop>,
    ) -> Result<(T, Commit), StorageError> {
        let mut pins = Pins::default();
        let mut batch = WriteBatch::default();
        loop {
            let admission = self.admit_write().await?;
            self.begin(&mut batch);
            match self.evaluate(&mut write, &mut batch) {
                Ok((value, read_through)) => {
                    self.shard.check_admitted(admission, std::slice::from_ref(&batch))?;
                    return Ok((value, self.log(batch, read_through)?));
                }
                Err(stop) => self.resume(stop, &mut pins).await?,
            }
        }
    }

    /// Waits until a write may be evaluated.
    async fn admit_write(&self) -> Result<Admission, StorageError> {
        loop {
            let admission = self.shard.admit_write(self.id()).await?;
            if !self.state.is_loading() {
                return Ok(admission);
            }
            self.state.until_loaded().await;
        }
    }

    /// Begins to note the keys of what entries change behind a copy of the rows, which has passed nothing yet.
    pub fn begin_noting(&self) {
        self.state.set_noting(true);
    }

    /// The copy has passed the keys up to this one. To be told in the poll in which they were read.
    pub fn note_through(&self, key: Vec<u8>) {
        self.state.with_noted(|noted| noted.pass(key));
    }

    /// How many keys are noted.
    pub fn noted_count(&self) -> usize {
        self.state.with_noted(|noted| noted.count()).unwrap_or(0)
    }

    /// The first of the noted keys, at most `count`. They stay noted.
    pub fn noted_keys(&self, count: usize) -> Vec<Rc<[u8]>> {
        self.state.with_noted(|noted| noted.first(count)).unwrap_or_default()
    }

    /// Forgets noted keys. To be called in the poll in which their rows were read: a later change notes them again.
    pub fn forget_noted(&self, keys: &[Rc<[u8]>]) {
        self.state.with_noted(|noted| noted.forget(keys));
    }

    /// Ends the notes.
    pub fn end_noting(&self) {
        self.state.set_noting(false);
    }

    /// The index of the newest entry, committed or not.
    pub fn last_index(&self) -> EntryIndex {
        self.state.last_index()
    }

    /// The time of the newest entry since the start that deleted a row whose key begins with `tag`, committed or not;
    /// zero if none did. Tells whether an absent row may have come and gone.
    pub fn last_delete(&self, tag: u8) -> HybridTime {
        self.state.last_delete(tag)
    }

    /// Counts of this partition with every entry that is committed by now: the tree is brought up to them first.
    /// Where it can take none, because its device is full, the counts are of what it has.
    pub async fn settled_stats(&self) -> PartitionStats {
        self.shard.advance_committed();
        apply_through(&self.shard, &self.state, self.state.committed()).await;
        self.state.stats()
    }

    /// Counts of this partition; of its rows only those that the tree has taken.
    pub fn stats(&self) -> PartitionStats {
        self.state.stats()
    }

    /// Walks the whole tree and proves its invariants; for tests and simulation.
    pub async fn check(&self) -> Result<(), StorageError> {
        self.state.tree().check().await?;
        Ok(())
    }

    fn evaluate<T>(
        &self,
        write: &mut impl FnMut(&View<'_>, &mut WriteBatch) -> Result<T, Stop>,
        batch: &mut WriteBatch,
    ) -> Result<(T, EntryIndex), Stop> {
        self.state.check_serving()?;
        let overlay = self.state.overlay();
        let reader = self.state.tree().reader();
        let view = View::new(&overlay, &reader, overlay.last());
        let value = write(&view, batch)?;
        Ok((value, view.read_through()))
    }

    /// Appends the batch's entry to the open frame and to the overlay, in this order, without waiting.
    fn log(&self, batch: WriteBatch, read_through: EntryIndex) -> Result<Commit, StorageError> {
        if batch.is_empty() {
            return Ok(Commit::of(&self.shard, self.frame_of_read(read_through)));
        }
        let ticket = self.shard.append_entries(&[self.effects(&batch)])?;
        self.note_logged(batch, ticket);
        Ok(Commit::of(&self.shard, Some(ticket)))
    }

    /// Readies `batch` for an evaluation, whose entry would be the partition's next.
    fn begin(&self, batch: &mut WriteBatch) {
        batch.begin(self.state.last_index().next(), self.state.next_tick(self.shard.handle().unix_time()));
    }

    /// The batch's entry, for the log.
    fn effects<'a>(&self, batch: &'a WriteBatch) -> EntryEffects<'a> {
        EntryEffects {
            partition: self.id(),
            term: TERM,
            index: batch.index(),
            hybrid_time: batch.hybrid_time(),
            changes: batch.changes(),
            bytes: batch.log_bytes(),
        }
    }

    /// Adds the batch's entry, which has just been logged, to the overlay.
    fn note_logged(&self, batch: WriteBatch, ticket: Ticket) {
        let index = batch.index();
        let bytes = self.state.push(OverlayEntry {
            index,
            hybrid_time: batch.hybrid_time(),
            position: self.shard.position_of(ticket),
            changes: batch.into_changes(),
        });
        self.shard.entry_pending(&self.state, ticket, index, bytes);
    }

    /// The frame that an answer which read entries up to `read_through` must wait for, if any.
    fn frame_of_read(&self, read_through: EntryIndex) -> Option<Ticket> {
        self.shard.advance_committed();
        self.state.frame_of(read_through).filter(|_| !planted_answer_early())
    }

    async fn resume(&self, stop: Stop, pins: &mut Pins) -> Result<(), StorageError> {
        let result = match stop {
            Stop::Missing(request) => self.state.tree().fetch(&request).await,
            Stop::Failed(error) => Err(error),
        };
        match result {
            Ok(fetched) => {
                pins.extend(fetched);
                Ok(())
            }
            Err(error) => Err(self.shard.fence_if_corrupt(&self.state, error)),
        }
    }
}

fn planted_read_uncommitted() -> bool {
    basalt_runtime::planted!(ReadUncommitted)
}

fn planted_answer_early() -> bool {
    basalt_runtime::planted!(AnswerNoOpBeforeCommit)
}
