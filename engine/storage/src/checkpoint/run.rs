//! One checkpoint, step by step as STORAGE §6 names them.

use std::{cell::RefCell, rc::Rc};

use basalt_format::{
    extent::Pointer,
    superblock::{SUPERBLOCK_BYTES, Superblock},
};
use basalt_runtime::{AlignedBuffer, local::Semaphore};

use super::{allocation_map::WrittenMap, freeze::Frozen};
use crate::{
    btree::{LoadWriter, LoadedTree, TreeShared},
    cache::BufferRef,
    error::StorageError,
    ids::{EntryIndex, Generation, HybridTime, LogPosition},
    page::PageName,
};

/// Pages of one checkpoint that are being written at once.
const WRITES_IN_FLIGHT_MAX: usize = 32;

/// What a checkpoint holds, and where redo starts after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CheckpointPosition {
    /// The last entry that the tree holds. It is durable in the log.
    pub applied_index: EntryIndex,
    /// Its term.
    pub applied_term: u64,
    /// The log is needed from here on.
    pub needed: LogPosition,
    /// Hybrid time of the newest entry.
    pub hybrid_time_max: HybridTime,
}

impl TreeShared {
    /// Writes the tree as it stands now under a new generation.
    ///
    /// The tree is frozen at once. The rest is a task of its own, which goes on when whoever waits for it does not:
    /// a write that nobody waits for any more could otherwise land in blocks that were used again.
    pub(crate) async fn checkpoint(
        self: &Rc<Self>,
        position: CheckpointPosition,
    ) -> Result<Generation, StorageError> {
        let running = Running::begin(self);
        let tree = Rc::clone(self);
        if self.is_unchanged() {
            let generation = self.number_for_copy();
            let copying = async move { tree.copy_superblock(generation, Some(position), running).await };
            return self.handle.spawn(copying).await;
        }
        let frozen = self.freeze(position);
        self.handle.spawn(async move { tree.write_generation(frozen, running).await }).await
    }

    /// A generation for a copy; changes from now on belong to a later one.
    fn number_for_copy(&self) -> u64 {
        let generation = self.progress.borrow().next_generation(0);
        let mut state = self.state.borrow_mut();
        state.live = state.live.max(live_after(generation));
        generation
    }

    /// Copies the newest superblock over the older one, whatever was changed since. Both then lead to one tree, and the
    /// log that it holds is needed by neither. `None`: they do already.
    pub(crate) async fn mirror_superblock(self: &Rc<Self>) -> Result<Option<Generation>, StorageError> {
        let generation = self.progress.borrow().next_generation(0);
        if generation >= self.state.borrow().live {
            return Ok(None);
        }
        let running = Running::begin(self);
        let tree = Rc::clone(self);
        self.handle
            .spawn(async move { tree.copy_superblock(generation, None, running).await })
            .await
            .map(Some)
    }

    /// Makes a loaded tree this empty one's next generation: durable and visible at once, or, after an error, neither.
    /// The live tree must not be changed meanwhile.
    pub(crate) async fn publish(
        self: &Rc<Self>,
        loaded: LoadedTree,
        writer: LoadWriter,
        position: CheckpointPosition,
    ) -> Result<Generation, StorageError> {
        let running = Running::begin(self);
        let (extents, birth) = (writer.publish(), writer.birth());
        let frozen = self.freeze_loaded(loaded, position);
        let tree = Rc::clone(self);
        let publishing = self.handle.spawn(async move {
            let published = tree.write_generation(frozen, running).await;
            if published.is_err() {
                let state = &mut *tree.state.borrow_mut();
                extents.into_iter().for_each(|run| state.allocator.free(run, birth, state.live));
            }
            published
        });
        publishing.await
    }

    async fn write_generation(
        self: &Rc<Self>,
        frozen: Frozen,
        running: Running,
    ) -> Result<Generation, StorageError> {
        let map = match self.write_tree(&frozen).await {
            Ok(map) => map,
            Err(error) => {
                basalt_runtime::sometimes!("checkpoint given up");
                self.thaw(&frozen);
                return Err(error);
            }
        };
        self.complete(&frozen, map).await;
        drop(running);
        Ok(Generation::new(frozen.generation))
    }

    /// Steps b to d: everything that the superblock will reach is durable.
    async fn write_tree(self: &Rc<Self>, frozen: &Frozen) -> Result<WrittenMap, StorageError> {
        self.write_levels(frozen).await?;
        let map = self.write_map(frozen).await?;
        if !basalt_runtime::planted!(SkipPageSync) {
            self.file.sync_or_abort().await;
        }
        Ok(map)
    }

    /// Replaces a superblock that was rejected at the start, before anything else is written.
    pub(crate) async fn settle_superblocks(&self) -> Result<(), StorageError> {
        if self.progress.borrow().replacement.is_none() {
            return Ok(());
        }
        let _turn = self.superblocks.acquire(1).await;
        let superblock = {
            let progress = self.progress.borrow();
            let (Some(generation), Some(newest)) = (progress.replacement, &progress.newest) else {
                return Ok(());
            };
            Superblock { generation, open_epoch: self.identity.open_epoch, ..newest.clone() }
        };
        basalt_runtime::sometimes!("rejected superblock replaced");
        self.write_superblock(&superblock).await;
        self.progress.borrow_mut().written(superblock);
        Ok(())
    }

    /// Whether the newest superblock names this very tree, in a file of this length.
    fn is_unchanged(&self) -> bool {
        let (state, progress) = (self.state.borrow(), self.progress.borrow());
        progress.newest.as_ref().is_some_and(|newest| {
            newest.root.map(PageName::Disk) == state.root.map(|root| state.resolve(root))
                && newest.file_blocks == state.allocator.file_blocks()
        })
    }

    /// The newest superblock's tree under a new generation, and a new position if nothing has changed it since.
    async fn copy_superblock(
        &self,
        generation: u64,
        position: Option<CheckpointPosition>,
        running: Running,
    ) -> Result<Generation, StorageError> {
        self.settle_superblocks().await?;
        let newest = self.progress.borrow().newest.clone().expect("only what was written is copied");
        let copy = Superblock { generation, open_epoch: self.identity.open_epoch, ..newest };
        let superblock = match position {
            Some(position) => position.apply_to(copy),
            None => copy,
        };
        self.write_superblock(&superblock).await;
        self.progress.borrow_mut().written(superblock);
        self.release_extents();
        drop(running);
        Ok(Generation::new(generation))
    }

    /// Step b: values and leaves, then the levels above, so that each page names extents only.
    async fn write_levels(self: &Rc<Self>, frozen: &Frozen) -> Result<(), StorageError> {
        self.settle_superblocks().await?;
        let window = Rc::new(Semaphore::new(WRITES_IN_FLIGHT_MAX));
        let failure = Rc::new(RefCell::new(None));
        for level in &frozen.levels {
            for &buffer in level {
                let permit = window.acquire(1).await;
                if failure.borrow().is_some() {
                    break;
                }
                let (tree, failure) = (Rc::clone(self), Rc::clone(&failure));
                self.handle
                    .spawn(async move {
                        let (pace, started) = (tree.pool.pace(), tree.handle.now());
                        let write = pace.begin();
                        match tree.write_frozen(buffer).await {
                            Ok(()) => write.end(tree.handle.now() - started, &tree.handle).await,
                            Err(error) => *failure.borrow_mut() = Some(error),
                        }
                        drop(permit);
                    })
                    .detach();
            }
            // All of a level is on disk before a page that names it is written.
            drop(window.acquire(WRITES_IN_FLIGHT_MAX).await);
            if let Some(error) = failure.borrow_mut().take() {
                return Err(error);
            }
        }
        Ok(())
    }

    async fn write_frozen(&self, buffer: BufferRef) -> Result<(), StorageError> {
        let is_dirty = || self.pool.borrow().try_get(buffer).is_some_and(|buffer| buffer.is_dirty());
        while is_dirty() {
            let written = self.write_buffer(buffer).await?;
            assert!(written, "everything that a frozen page names was written before it");
        }
        Ok(())
    }

    /// Steps f and g, and what follows from them. Errors end the process: whether the device holds the new
    /// superblock can only be found out by reading it again.
    async fn complete(&self, frozen: &Frozen, map: WrittenMap) {
        let superblock = self.superblock_of(frozen, &map);
        self.write_superblock(&superblock).await;
        if !self.file.is_placed()
            && let Err(error) = self.file.place().await
        {
            self.fail(&error);
        }
        {
            let state = &mut *self.state.borrow_mut();
            let mut progress = self.progress.borrow_mut();
            state.frozen = None;
            state.redirects.checkpoint_complete();
            if frozen.is_loaded {
                assert_eq!(state.root, None, "nothing is written to a tree that is loaded");
                (state.root, state.counts) = (frozen.root, frozen.counts);
            }
            let old_map = std::mem::replace(&mut progress.map, map.extents);
            progress.map.iter().for_each(|&run| state.allocator.reference(run));
            old_map.into_iter().for_each(|run| state.allocator.free(run, 0, frozen.generation));
            progress.written(superblock);
        }
        self.release_extents();
    }

    /// Extents that neither superblock nor a pinned generation reaches are free.
    pub(super) fn release_extents(&self) {
        let older = self.progress.borrow().older_generation();
        self.state.borrow_mut().allocator.release(older);
    }

    async fn write_superblock(&self, superblock: &Superblock) {
        let mut block = AlignedBuffer::zeroed(SUPERBLOCK_BYTES);
        block.copy_from_slice(&superblock.encode());
        if let Err(error) = self.file.write_blocks(Superblock::block_of(superblock.generation), block).await {
            self.fail(&error);
        }
        if !basalt_runtime::planted!(SkipSuperblockSync) {
            self.file.sync_or_abort().await;
        }
    }

    fn fail(&self, error: &StorageError) -> ! {
        self.handle.abort_process(&format!("a superblock of {} was not written: {error}", self.partition()))
    }

    fn superblock_of(&self, frozen: &Frozen, map: &WrittenMap) -> Superblock {
        let identity = &self.identity;
        let file = self.file.identity();
        let newest = self.progress.borrow().newest.clone();
        let superblock = Superblock {
            features_compatible: 0,
            features_read_only: 0,
            features_incompatible: 0,
            cluster_uuid: identity.cluster_uuid,
            file_uuid: file.file_uuid,
            salt: file.salt,
            hash_secret: identity.hash_secret,
            table: identity.table,
            partition: identity.partition.get(),
            parent_partition: newest.as_ref().map_or(0, |newest| newest.parent_partition),
            parent_last_index: newest.as_ref().map_or(0, |newest| newest.parent_last_index),
            hash_first: identity.hash_range.0,
            hash_last: identity.hash_range.1,
            generation: frozen.generation,
            root: self.root_pointer(frozen),
            allocation: Some(map.first),
            snapshots: None,
            transactions: None,
            to_free: None,
            applied_term: 0,
            applied_index: 0,
            applied_hybrid_time: 0,
            needed_stream: 0,
            needed_lsn: 0,
            row_count: frozen.counts.row_count,
            row_bytes: frozen.counts.row_bytes,
            item_count: frozen.counts.item_count,
            item_bytes: frozen.counts.item_bytes,
            leaf_page_bytes: identity.page_bytes,
            inner_page_bytes: identity.page_bytes,
            file_blocks: map.file_blocks,
            token_expiry_max: 0,
            layout_version: 0,
            delete_time_max: 0,
            open_epoch: identity.open_epoch,
            local_index_rows: frozen.counts.local_index_rows,
        };
        frozen.position.apply_to(superblock)
    }

    fn root_pointer(&self, frozen: &Frozen) -> Option<Pointer> {
        frozen.root.map(|root| match self.state.borrow().resolve(root) {
            PageName::Disk(pointer) => pointer,
            PageName::Memory(id) => panic!("the root {id:?} was written last"),
        })
    }
}

/// The live generation behind a checkpoint: between them is a number for one copy of its superblock, which can so be
/// written while the tree goes on changing.
pub(super) fn live_after(generation: u64) -> u64 {
    generation + 2
}

impl CheckpointPosition {
    fn apply_to(&self, superblock: Superblock) -> Superblock {
        Superblock {
            applied_term: self.applied_term,
            applied_index: self.applied_index.get(),
            applied_hybrid_time: self.hybrid_time_max.get(),
            needed_stream: self.needed.stream.get(),
            needed_lsn: self.needed.lsn.get(),
            ..superblock
        }
    }
}

/// Marks that a checkpoint runs.
struct Running {
    tree: Rc<TreeShared>,
}

impl Running {
    fn begin(tree: &Rc<TreeShared>) -> Self {
        let was_running = tree.checkpoint_is_running.replace(true);
        assert!(!was_running, "one checkpoint of a partition at a time");
        Self { tree: Rc::clone(tree) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tree.checkpoint_is_running.set(false);
    }
}
