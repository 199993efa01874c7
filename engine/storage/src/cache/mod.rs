//! The buffer pool of one shard: the only place where pages and overflow values live in memory.
//!
//! Owned by one shard; trees share it. Clean buffers hold pages exactly as stored, without a gap; dirty ones hold
//! pages of a live or frozen generation. Which bytes a buffer holds is the trees' business, which buffers stay is
//! the pool's.
//!
//! Invariants:
//! - Every buffer is either clean, with a place on disk, or dirty, with a memory id; never both.
//! - A pinned buffer, and one that is being written, is not evicted.
//! - `used_bytes` and `dirty_bytes` are the sums over the buffers.
//! - No borrow of the pool is held over an await.
//!
//! The budget is exceeded only while nothing can be evicted: pinned pages, inner pages above unwritten children.
//! Knows nothing of keys, files or extents.

mod buffer;
mod evict;
mod pace;
mod pin;
mod pool;

pub(crate) use buffer::{Buffer, BufferKey, BufferKind, BufferPlace, BufferRef, BufferState, TreeSlot};
pub(crate) use evict::DirtyPages;
pub(crate) use pace::WritePace;
pub(crate) use pin::Pins;
pub(crate) use pool::Pool;

use std::{
    cell::{Ref, RefCell, RefMut},
    rc::{Rc, Weak},
};

use basalt_runtime::{Handle, local::Event};

use crate::options::MemoryShares;

/// One shard's buffer pool. Cheap to clone.
#[derive(Clone)]
pub(crate) struct BufferPool {
    shared: Rc<PoolShared>,
}

struct PoolShared {
    handle: Handle,
    pool: RefCell<Pool>,
    pace: WritePace,
    /// Some buffer became clean, or unpinned, or went away.
    progress: Event,
}

impl BufferPool {
    /// An empty pool within the shard's share of memory.
    pub(crate) fn new(handle: &Handle, shares: MemoryShares) -> Self {
        Self::with_budget(handle, shares.pool_bytes + shares.frozen_bytes)
    }

    /// An empty pool of `budget_bytes`.
    pub(crate) fn with_budget(handle: &Handle, budget_bytes: u64) -> Self {
        let pool = RefCell::new(Pool::new(budget_bytes));
        Self {
            shared: Rc::new(PoolShared {
                handle: handle.clone(),
                pool,
                pace: WritePace::default(),
                progress: Event::new(),
            }),
        }
    }

    /// How fast a checkpoint may write.
    pub(crate) fn pace(&self) -> &WritePace {
        &self.shared.pace
    }

    /// Bytes of buffers that are not on disk.
    pub(crate) fn dirty_bytes(&self) -> u64 {
        self.borrow().dirty_bytes()
    }

    /// Counts of what the pool did since its start.
    pub(crate) fn counts(&self) -> PoolCounts {
        self.borrow().counts
    }

    pub(crate) fn borrow(&self) -> Ref<'_, Pool> {
        self.shared.pool.borrow()
    }

    pub(crate) fn borrow_mut(&self) -> RefMut<'_, Pool> {
        self.shared.pool.borrow_mut()
    }

    /// Admits a tree, which from now on writes its dirty pages when the pool asks it to.
    pub(crate) fn register(&self, owner: Weak<dyn DirtyPages>) -> TreeSlot {
        self.borrow_mut().register(owner)
    }

    /// Drops every buffer of a tree that is going away.
    pub(crate) fn unregister(&self, tree: TreeSlot) {
        self.borrow_mut().unregister(tree);
        self.notify_progress();
    }

    /// Drops every buffer of a tree whose file is gone.
    pub(crate) fn drop_buffers_of(&self, tree: TreeSlot) {
        self.borrow_mut().drop_buffers_of(tree);
        self.notify_progress();
    }

    /// Tells those who wait for buffers to become clean.
    pub(crate) fn notify_progress(&self) {
        self.shared.progress.notify_all();
    }

    /// Waits for the next such news.
    pub(crate) async fn progress(&self) {
        self.shared.progress.notified().await;
    }
}

/// What a pool did since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PoolCounts {
    /// Extents read into buffers.
    pub reads: u64,
    /// Buffers written to extents, by checkpoints and evictions.
    pub writes: u64,
    /// Dirty buffers among them that were written to make room.
    pub eviction_writes: u64,
    /// Clean buffers dropped to make room.
    pub evictions: u64,
    /// Times that the budget was exceeded because nothing could be evicted.
    pub overcommits: u64,
}
