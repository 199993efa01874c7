//! The handle to a tree.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

use basalt_format::{BLOCK_SIZE_BYTES, key_encoding::LOCAL_INDEX_TAGS, superblock::RowCount};
use basalt_runtime::{
    Handle,
    local::{Event, Semaphore},
};
use rustc_hash::FxHashMap;

use super::{
    BroughtIn, CheckReport, Counts, Editor, PageRequest, TreeReader, TreeState, redirects::Redirects,
};
use crate::{
    cache::{BufferPool, Pins, TreeSlot},
    checkpoint::{CheckpointPosition, Compact, Compaction, Progress, TreeIdentity},
    error::StorageError,
    extent::{Allocator, PartitionFile},
    ids::{EntryIndex, Generation, HybridTime, PartitionId},
    page::PageName,
};

/// What happens to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// The row becomes this.
    Put {
        /// Its bytes.
        value: &'a [u8],
        /// Hybrid time of the entry that writes it.
        last_write: HybridTime,
    },
    /// The row goes; an absent one is no error.
    Delete,
}

impl Change<'_> {
    pub(super) fn is_delete(&self) -> bool {
        matches!(self, Self::Delete)
    }

    /// Bytes of the value that it stores.
    pub(crate) fn value_bytes(&self) -> u64 {
        match self {
            Self::Put { value, .. } => value.len() as u64,
            Self::Delete => 0,
        }
    }
}

/// One partition's tree. Cheap to clone; stays on its shard.
#[derive(Clone)]
pub(crate) struct Tree {
    pub(crate) shared: Rc<TreeShared>,
}

/// What all handles of a tree share.
pub(crate) struct TreeShared {
    pub(crate) handle: Handle,
    pub(crate) pool: BufferPool,
    pub(crate) identity: TreeIdentity,
    pub(crate) file: PartitionFile,
    pub(crate) state: RefCell<TreeState>,
    /// Superblocks and what the next one says.
    pub(crate) progress: RefCell<Progress>,
    /// Extents that are being read, by first block.
    pub(super) reading: RefCell<FxHashMap<u64, Rc<Event>>>,
    /// One growth of the file at a time.
    pub(crate) growing: Semaphore,
    /// One writer of superblocks at a time.
    pub(crate) superblocks: Semaphore,
    pub(crate) checkpoint_is_running: Cell<bool>,
    /// The partition was dropped while a generation was pinned.
    pub(crate) removal_is_due: Cell<bool>,
}

/// What a new handle starts from: nothing, or a superblock's state.
pub(crate) struct TreeStart {
    pub(crate) root: Option<PageName>,
    pub(crate) live: u64,
    pub(crate) counts: Counts,
    pub(crate) allocator: Allocator,
    pub(crate) progress: Progress,
}

impl Tree {
    /// Makes the handle of a tree in `file`.
    pub(crate) fn start(
        handle: &Handle,
        pool: &BufferPool,
        identity: TreeIdentity,
        file: PartitionFile,
        start: TreeStart,
    ) -> Self {
        let shared = Rc::new_cyclic(|owner: &Weak<TreeShared>| {
            let slot = pool.register(owner.clone());
            TreeShared {
                handle: handle.clone(),
                pool: pool.clone(),
                state: RefCell::new(TreeState {
                    slot,
                    partition: identity.partition.get(),
                    page_bytes: identity.page_bytes as usize,
                    root: start.root,
                    live: start.live,
                    frozen: None,
                    counts: start.counts,
                    redirects: Redirects::default(),
                    allocator: start.allocator,
                }),
                identity,
                file,
                progress: RefCell::new(start.progress),
                reading: RefCell::default(),
                growing: Semaphore::new(1),
                superblocks: Semaphore::new(1),
                checkpoint_is_running: Cell::new(false),
                removal_is_due: Cell::new(false),
            }
        });
        Self { shared }
    }

    /// Lends the tree for reading, for as long as nothing waits.
    pub(crate) fn reader(&self) -> TreeReader<'_> {
        self.shared.reader()
    }

    /// Brings in what an operation stopped at. It may stop again: at another page, or at the same when the tree has
    /// changed meanwhile. Pages stay in memory as long as the result lives.
    pub(crate) async fn fetch(&self, request: &PageRequest) -> Result<Pins, StorageError> {
        self.shared.fetch(request).await
    }

    /// Brings in everything that `changes` will touch, and makes room. Apply them at once, before anything waits.
    pub(crate) async fn bring_in(&self, changes: &[(&[u8], Change<'_>)]) -> Result<BroughtIn, StorageError> {
        self.shared.bring_in(changes).await
    }

    /// Makes `changes`, in key order, each key once, which were just brought in. Never waits.
    ///
    /// # Panics
    /// If they were not collected: a page is missing.
    pub(crate) fn apply(&self, changes: &[(&[u8], Change<'_>)], brought_in: BroughtIn) {
        debug_assert!(changes.is_sorted_by(|left, right| left.0 < right.0), "changes come in key order");
        let pool = &mut *self.shared.pool.borrow_mut();
        let tree = &mut *self.shared.state.borrow_mut();
        let mut editor = Editor::new(pool, tree);
        for (place, (key, change)) in changes.iter().enumerate() {
            match change {
                Change::Put { value, last_write } => {
                    let leaf = brought_in.leaves.get(place).copied();
                    editor.put(key, value, last_write.get(), leaf);
                }
                Change::Delete => editor.delete(key),
            }
        }
    }

    /// Joins and evens out badly filled dirty pages, so that a checkpoint writes fewer. Yields in between.
    pub(crate) async fn rebalance(&self) -> Result<(), StorageError> {
        let mut from = Some(Vec::new());
        while let Some(key) = from {
            from = {
                let pool = &mut *self.shared.pool.borrow_mut();
                let tree = &mut *self.shared.state.borrow_mut();
                Editor::new(pool, tree).rebalance_step(&key)
            };
            self.shared.handle.yield_if_due().await;
        }
        Ok(())
    }

    /// Writes the tree as it stands when this is first polled, and the older superblock (STORAGE §6, steps a to g).
    ///
    /// An unchanged tree costs a superblock only. An error leaves the old superblocks and the live tree as they
    /// were; from the superblock's write on, errors end the process.
    pub(crate) async fn checkpoint(&self, position: CheckpointPosition) -> Result<Generation, StorageError> {
        self.shared.checkpoint(position).await
    }

    /// Brings the older superblock up to the newer one, unless it is. No checkpoint may run meanwhile.
    pub(crate) async fn mirror_superblock(&self) -> Result<Option<Generation>, StorageError> {
        self.shared.mirror_superblock().await
    }

    /// Does a part of giving unused space back: moves what lies last in the file, cuts the file, punches free runs.
    /// For idle times, between checkpoints.
    pub(crate) async fn compact(&self, wanted: Compact) -> Result<Compaction, StorageError> {
        self.shared.compact(wanted).await
    }

    /// Walks the whole tree and proves its invariants.
    pub(crate) async fn check(&self) -> Result<CheckReport, StorageError> {
        self.shared.check().await
    }

    /// Makes the file that was opened durable as it was found; before it is served from.
    pub(crate) async fn sync_found(&self) -> Result<(), StorageError> {
        self.shared.file.sync_found().await
    }

    /// Removes the file, or lets its last pin do it. Operations under way fail; the tree must not be used any more.
    pub(crate) async fn remove_file(&self) -> Result<(), StorageError> {
        let slot = self.shared.slot();
        if self.shared.state.borrow().allocator.is_pinned() {
            self.shared.removal_is_due.set(true);
        } else {
            self.shared.file.remove().await?;
        }
        self.shared.pool.drop_buffers_of(slot);
        Ok(())
    }

    /// Length of the file; zero while there is none.
    pub(crate) async fn file_bytes(&self) -> Result<u64, StorageError> {
        let file = &self.shared.file;
        if file.is_placed() { Ok(file.blocks().await? * BLOCK_SIZE_BYTES as u64) } else { Ok(0) }
    }

    /// Length that the file has, or will have when what is being written is complete.
    pub(crate) fn planned_file_bytes(&self) -> u64 {
        self.shared.state.borrow().allocator.file_blocks() * BLOCK_SIZE_BYTES as u64
    }

    /// Whether there is no row and no page.
    pub(crate) fn is_empty(&self) -> bool {
        self.shared.state.borrow().root.is_none()
    }

    /// Rows in the tree, of all tags.
    pub(crate) fn row_count(&self) -> u64 {
        self.shared.state.borrow().counts.row_count
    }

    /// Bytes of their keys and values.
    pub(crate) fn row_bytes(&self) -> u64 {
        self.shared.state.borrow().counts.row_bytes
    }

    /// Rows that are items of a table or entries of a global index.
    pub(crate) fn item_count(&self) -> u64 {
        self.shared.state.borrow().counts.item_count
    }

    /// Bytes of keys and values of those rows.
    pub(crate) fn item_bytes(&self) -> u64 {
        self.shared.state.borrow().counts.item_bytes
    }

    /// Rows of each local index, by tag.
    pub(crate) fn local_index_rows(&self) -> [RowCount; LOCAL_INDEX_TAGS] {
        self.shared.state.borrow().counts.local_index_rows
    }

    /// Bytes of pages and values that are not on disk.
    pub(crate) fn dirty_bytes(&self) -> u64 {
        self.shared.pool.borrow().dirty_bytes_of(self.shared.slot())
    }

    /// The newest durable generation; zero if there is no superblock.
    pub(crate) fn generation(&self) -> Generation {
        Generation::new(self.shared.progress.borrow().newest_generation())
    }

    /// The entries up to which superblocks A and B hold the tree; zero for one that does not exist.
    pub(crate) fn superblock_applied(&self) -> [EntryIndex; 2] {
        self.shared.progress.borrow().applied()
    }

    /// Hybrid time of the newest entry that the file holds.
    pub(crate) fn hybrid_time_max(&self) -> HybridTime {
        self.shared.progress.borrow().hybrid_time_max()
    }

    /// The file's identity; `None` while there is no file with a superblock.
    pub(crate) fn file_uuid(&self) -> Option<[u8; 16]> {
        (self.generation().get() > 0).then(|| self.shared.file.identity().file_uuid)
    }
}

impl TreeShared {
    pub(crate) fn slot(&self) -> TreeSlot {
        self.state.borrow().slot
    }

    pub(crate) fn partition(&self) -> PartitionId {
        self.identity.partition
    }

    pub(crate) fn reader(&self) -> TreeReader<'_> {
        TreeReader { pool: self.pool.borrow(), tree: self.state.borrow() }
    }
}

impl Drop for TreeShared {
    fn drop(&mut self) {
        self.pool.unregister(self.slot());
    }
}
