//! Writing extents that no tree names yet: as they come, many of them in one write, with several writes under way.
//!
//! Owned by one load on the partition's shard. What it has taken from the file goes back when it is dropped, once the
//! last write has ended; unless a superblock names it by then.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use basalt_format::{
    BLOCK_SIZE_BYTES,
    extent::{Codec, ExtentKind, Pointer},
};
use basalt_runtime::{AlignedBuffer, local::Semaphore};

use super::TreeShared;
use crate::{cache::BufferKind, error::StorageError, extent::Run, page::BufferBytes};

/// Blocks that are written together.
const BATCH_BLOCKS_MAX: usize = 128;
/// Writes under way.
const WRITES_IN_FLIGHT_MAX: usize = 8;
/// By how many blocks the file grows at least: nothing is written twice for it, so it may be many.
const EXTENSION_BLOCKS: u64 = 2048;

/// Writes the extents of a load.
pub(crate) struct LoadWriter {
    extents: Rc<LoadExtents>,
    batch: Option<Batch>,
    window: Rc<Semaphore>,
    failure: Rc<RefCell<Option<StorageError>>>,
    /// Buffers whose writes have ended: fresh memory costs more than what is written into it.
    spares: Rc<RefCell<Vec<AlignedBuffer>>>,
}

/// Extents that follow each other in the file and wait to be written.
struct Batch {
    first_block: u64,
    stored: AlignedBuffer,
}

/// What a load has taken from its file.
struct LoadExtents {
    tree: Rc<TreeShared>,
    /// The generation that the load's extents are born in.
    birth: u64,
    /// First block and length of those that no superblock names.
    taken: RefCell<BTreeMap<u64, u32>>,
}

impl LoadWriter {
    /// A writer into the file of `tree`, of which no checkpoint may be written meanwhile.
    pub(super) async fn start(tree: &Rc<TreeShared>) -> Result<Self, StorageError> {
        tree.settle_superblocks().await?;
        let birth = tree.state.borrow().live;
        Ok(Self {
            extents: Rc::new(LoadExtents { tree: Rc::clone(tree), birth, taken: RefCell::default() }),
            batch: None,
            window: Rc::new(Semaphore::new(WRITES_IN_FLIGHT_MAX)),
            failure: Rc::default(),
            spares: Rc::default(),
        })
    }

    pub(super) fn tree(&self) -> &Rc<TreeShared> {
        &self.extents.tree
    }

    pub(crate) fn birth(&self) -> u64 {
        self.extents.birth
    }

    /// Writes an extent; it is on its way when this returns.
    pub(super) async fn store(&mut self, kind: ExtentKind, content: &[u8]) -> Result<Pointer, StorageError> {
        let run = self.take(content.len().div_ceil(BLOCK_SIZE_BYTES) as u32).await?;
        let batch = self.batch_for(run).await?;
        let start = batch.stored.len();
        batch.stored.extend_from_slice(content);
        batch.stored.resize(start + run.blocks as usize * BLOCK_SIZE_BYTES);
        let tree = &self.extents.tree;
        let batch = self.batch.as_ref().expect("the extent was just added");
        let checksum = tree.file.checksum(run, &batch.stored[start..]);
        let birth = self.extents.birth;
        let pointer =
            Pointer { block: run.block, blocks: run.blocks, codec: Codec::Raw, kind, birth, checksum };
        self.keep_in_memory(&pointer, content);
        Ok(pointer)
    }

    /// Waits until everything that was stored is written.
    pub(super) async fn finish(&mut self) -> Result<(), StorageError> {
        self.write_batch().await;
        drop(self.window.acquire(WRITES_IN_FLIGHT_MAX).await);
        self.check()
    }

    /// Gives an extent back that nothing names any more. Its write must have ended.
    pub(super) fn discard(&self, pointer: &Pointer) {
        let taken = self.extents.taken.borrow_mut().remove(&pointer.block);
        assert_eq!(taken, Some(pointer.blocks), "a load gives back what it has taken");
        let run = Run { block: pointer.block, blocks: pointer.blocks };
        self.extents.tree.state.borrow_mut().allocator.discard(run);
    }

    /// The tree's next superblock will name every extent that is left: these.
    pub(crate) fn publish(&self) -> Vec<Run> {
        let taken = std::mem::take(&mut *self.extents.taken.borrow_mut());
        let extents: Vec<Run> = taken.into_iter().map(|(block, blocks)| Run { block, blocks }).collect();
        let allocator = &mut self.extents.tree.state.borrow_mut().allocator;
        extents.iter().for_each(|&run| allocator.reference(run));
        extents
    }

    async fn take(&self, blocks: u32) -> Result<Run, StorageError> {
        let LoadExtents { tree, birth, taken } = &*self.extents;
        loop {
            let run = tree.state.borrow_mut().allocator.take(blocks, *birth, *birth);
            if let Some(run) = run {
                taken.borrow_mut().insert(run.block, run.blocks);
                return Ok(run);
            }
            tree.extend(EXTENSION_BLOCKS.max(blocks.into())).await?;
        }
    }

    /// The batch that goes on at `run`.
    async fn batch_for(&mut self, run: Run) -> Result<&mut Batch, StorageError> {
        let follows = |batch: &Batch| {
            let blocks = batch.stored.len() / BLOCK_SIZE_BYTES;
            batch.first_block + blocks as u64 == run.block && blocks < BATCH_BLOCKS_MAX
        };
        if !self.batch.as_ref().is_some_and(follows) {
            self.write_batch().await;
            self.check()?;
        }
        let spares = &self.spares;
        Ok(self.batch.get_or_insert_with(|| {
            let spare = spares.borrow_mut().pop();
            let new = || AlignedBuffer::with_capacity(2 * BATCH_BLOCKS_MAX * BLOCK_SIZE_BYTES);
            Batch { first_block: run.block, stored: spare.unwrap_or_else(new) }
        }))
    }

    async fn write_batch(&mut self) {
        let Some(batch) = self.batch.take() else { return };
        let permit = self.window.acquire(1).await;
        let (extents, failure, spares) =
            (Rc::clone(&self.extents), Rc::clone(&self.failure), Rc::clone(&self.spares));
        // A task of its own: it keeps the extents until the write has ended, whoever waits for it.
        let write = self.extents.tree.handle.spawn(async move {
            let tree = &extents.tree;
            let (pace, started) = (tree.pool.pace(), tree.handle.now());
            let write = pace.begin();
            match tree.file.write_blocks(batch.first_block, batch.stored).await {
                Ok(mut buffer) => {
                    buffer.clear();
                    spares.borrow_mut().push(buffer);
                    write.end(tree.handle.now() - started, &tree.handle).await;
                }
                Err(error) => *failure.borrow_mut() = Some(error),
            }
            drop(permit);
        });
        write.detach();
    }

    fn check(&self) -> Result<(), StorageError> {
        match &*self.failure.borrow() {
            None => Ok(()),
            Some(error) => Err(error.clone()),
        }
    }

    /// What was just loaded is likely to be read: it stays in memory where that costs nobody else's page.
    fn keep_in_memory(&self, pointer: &Pointer, content: &[u8]) {
        let tree = &self.extents.tree;
        let kind = match pointer.kind {
            ExtentKind::Overflow => BufferKind::Value,
            _ => BufferKind::Page,
        };
        let mut pool = tree.pool.borrow_mut();
        if pool.has_room(2 * content.len() as u64) {
            pool.insert_clean(tree.slot(), pointer, kind, BufferBytes::copied(content));
        }
    }
}

impl Drop for LoadExtents {
    fn drop(&mut self) {
        let allocator = &mut self.tree.state.borrow_mut().allocator;
        let taken = std::mem::take(self.taken.get_mut());
        taken.into_iter().for_each(|(block, blocks)| allocator.discard(Run { block, blocks }));
    }
}
