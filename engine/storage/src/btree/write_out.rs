//! Writing a dirty page or value to an extent of its own: for a checkpoint, or to make room in the pool.

use std::{future::Future, pin::Pin, rc::Rc};

use basalt_format::{
    BLOCK_SIZE_BYTES,
    extent::{Codec, ExtentKind, Pointer},
    page::PageView,
};
use basalt_runtime::AlignedBuffer;

use super::{TreeShared, TreeState, edit::names_of};
use crate::{
    cache::{Buffer, BufferKind, BufferPlace, BufferRef, BufferState, DirtyPages, Pool},
    error::StorageError,
    extent::Run,
    page::{BufferBytes, MemoryId, PageName, squeeze, squeezed_bytes},
};

/// Free space is asked for in steps that grow with the file, between these bounds.
const GROWTH_BLOCKS_MIN: u64 = 16;
const GROWTH_BLOCKS_MAX: u64 = 4096;

/// What came of starting a write.
enum Begin {
    /// The buffer is clean, or gone.
    NotNeeded,
    /// It names something that has no extent yet.
    NotYet,
    /// Another write of it is in flight.
    InFlight,
    /// There is no free extent of that many blocks.
    FileFull(u32),
    Started(PendingWrite),
}

/// A write on its way.
struct PendingWrite {
    run: Run,
    id: MemoryId,
    kind: ExtentKind,
    birth: u64,
    change_count: u32,
    content_bytes: usize,
    stored: AlignedBuffer,
}

impl DirtyPages for TreeShared {
    fn is_writable(&self, _pool: &Pool, buffer: &Buffer) -> bool {
        names_only_extents(&self.state.borrow(), buffer)
    }

    fn write_out(
        self: Rc<Self>,
        buffer: BufferRef,
    ) -> Pin<Box<dyn Future<Output = Result<(), StorageError>>>> {
        Box::pin(async move { self.write_buffer(buffer).await.map(|_| ()) })
    }
}

impl TreeShared {
    /// Writes a dirty buffer, which is still dirty afterwards if it was changed meanwhile. `false`: it names
    /// something that has no extent yet.
    pub(crate) async fn write_buffer(&self, buffer: BufferRef) -> Result<bool, StorageError> {
        self.settle_superblocks().await?;
        loop {
            let begun = self.begin_write(buffer);
            match begun {
                Begin::NotNeeded => return Ok(true),
                Begin::NotYet => return Ok(false),
                Begin::InFlight => self.pool.progress().await,
                Begin::FileFull(blocks) => self.grow(blocks).await?,
                Begin::Started(write) => return self.finish_write(buffer, write).await.map(|()| true),
            }
        }
    }

    /// Makes the file long enough for an extent of `blocks`.
    pub(crate) async fn grow(&self, blocks: u32) -> Result<(), StorageError> {
        let _turn = self.growing.acquire(1).await;
        let (from, step) = {
            let allocator = &self.state.borrow().allocator;
            if allocator.can_take(blocks) {
                return Ok(());
            }
            let from = allocator.file_blocks();
            (from, (from / 8).clamp(GROWTH_BLOCKS_MIN, GROWTH_BLOCKS_MAX))
        };
        let blocks = u64::from(blocks);
        let step = step.max(blocks).next_multiple_of(GROWTH_BLOCKS_MIN);
        let to = match self.file.grow(from, from + step).await {
            Ok(()) => from + step,
            // The last blocks of a device may do for what is needed now.
            Err(StorageError::Full { .. }) => {
                basalt_runtime::sometimes!("file grown by the least");
                self.file.grow_by_reserve(from, from + blocks).await?;
                from + blocks
            }
            Err(error) => return Err(error),
        };
        self.state.borrow_mut().allocator.grow(to);
        Ok(())
    }

    /// Makes the file longer by `blocks` that a load will write.
    pub(crate) async fn extend(&self, blocks: u64) -> Result<(), StorageError> {
        let _turn = self.growing.acquire(1).await;
        let from = self.state.borrow().allocator.file_blocks();
        self.file.extend(from, from + blocks).await?;
        self.state.borrow_mut().allocator.grow(from + blocks);
        Ok(())
    }

    fn begin_write(&self, reference: BufferRef) -> Begin {
        let mut pool = self.pool.borrow_mut();
        let state = &mut *self.state.borrow_mut();
        let Some(buffer) = pool.try_get(reference).filter(|buffer| buffer.is_dirty()) else {
            return Begin::NotNeeded;
        };
        if buffer.is_writing() {
            return Begin::InFlight;
        }
        if !names_only_extents(state, buffer) {
            return Begin::NotYet;
        }
        let (BufferPlace::Memory(id), BufferState::Dirty { birth, .. }) = (buffer.key.place, buffer.state())
        else {
            panic!("a dirty buffer has a memory id");
        };
        let content_bytes = stored_bytes(buffer);
        let blocks = content_bytes.div_ceil(BLOCK_SIZE_BYTES) as u32;
        let Some(run) = state.allocator.take(blocks, birth, state.live) else {
            return Begin::FileFull(blocks);
        };
        let (stored, kind) = store(state, buffer, blocks);
        let change_count = buffer.change_count();
        pool.set_writing(reference, true);
        Begin::Started(PendingWrite { run, id, kind, birth, change_count, content_bytes, stored })
    }

    async fn finish_write(&self, reference: BufferRef, write: PendingWrite) -> Result<(), StorageError> {
        let PendingWrite { run, id, kind, birth, change_count, content_bytes, stored } = write;
        let written = self.file.write(run, stored).await;
        let mut pool = self.pool.borrow_mut();
        let state = &mut *self.state.borrow_mut();
        pool.counts.writes += 1;
        let current = pool.try_get(reference).map(|buffer| (buffer.change_count(), buffer.state()));
        if current.is_some() {
            pool.set_writing(reference, false);
        }
        let result = match (written, current) {
            (Err(error), _) => {
                state.allocator.discard(run);
                Err(error)
            }
            (Ok((checksum, stored)), Some((count, BufferState::Dirty { superseded, .. })))
                if count == change_count =>
            {
                state.allocator.reference(run);
                let pointer = Pointer {
                    block: run.block,
                    blocks: run.blocks,
                    codec: Codec::Raw,
                    kind,
                    birth,
                    checksum,
                };
                state.redirect(id, pointer);
                if superseded {
                    pool.remove(reference);
                    state.allocator.free(run, birth, state.live);
                } else {
                    pool.set_clean(reference, &pointer, BufferBytes::copied(&stored[..content_bytes]));
                }
                Ok(())
            }
            // Dropped or changed under way: nothing ever named the extent.
            (Ok(_), _) => {
                basalt_runtime::sometimes!("page changed while it was written");
                state.allocator.discard(run);
                Ok(())
            }
        };
        drop(pool);
        self.pool.notify_progress();
        result
    }
}

/// Whether everything that the buffer's cells name has an extent.
fn names_only_extents(state: &TreeState, buffer: &Buffer) -> bool {
    if buffer.kind() == BufferKind::Value {
        return true;
    }
    let page = PageView::of_built(buffer.content());
    if page.is_leaf() && !page.owns_overflow() {
        return true;
    }
    names_of(page).all(|name| matches!(state.resolve(name), PageName::Disk(_)))
}

/// Bytes of the buffer as it will be stored, without padding.
fn stored_bytes(buffer: &Buffer) -> usize {
    match buffer.kind() {
        BufferKind::Value => buffer.content().len(),
        BufferKind::Page => squeezed_bytes(PageView::of_built(buffer.content())),
    }
}

/// The buffer's stored form, padded to whole blocks.
fn store(state: &TreeState, buffer: &Buffer, blocks: u32) -> (AlignedBuffer, ExtentKind) {
    let mut stored = AlignedBuffer::zeroed(blocks as usize * BLOCK_SIZE_BYTES);
    if buffer.kind() == BufferKind::Value {
        stored[..buffer.content().len()].copy_from_slice(buffer.content());
        return (stored, ExtentKind::Overflow);
    }
    let page = PageView::of_built(buffer.content());
    let length = squeeze(page, &mut stored, |name| state.resolve(name));
    debug_assert!(PageView::parse(&stored).is_ok(), "only valid pages leave: {:?}", PageView::parse(&stored));
    let page = PageView::of_built(&stored[..length]);
    let kind = match (page.is_leaf(), page.owns_overflow()) {
        (false, _) => ExtentKind::Inner,
        (true, false) => ExtentKind::Leaf,
        (true, true) => ExtentKind::LeafWithOverflow,
    };
    (stored, kind)
}
