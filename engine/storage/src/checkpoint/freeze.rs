//! Freezing a tree: remembering its root, and which of its pages are not on disk.

use std::rc::Rc;

use basalt_format::page::PageView;

use super::{CheckpointPosition, run::live_after};
use crate::{
    btree::{Counts, LoadedTree, TreeShared, TreeState, names_of},
    cache::{BufferKind, BufferRef, BufferState, Pool},
    page::PageName,
};

/// A tree as it stood between two entries.
pub(super) struct Frozen {
    pub(super) generation: u64,
    pub(super) root: Option<PageName>,
    pub(super) counts: Counts,
    pub(super) position: CheckpointPosition,
    /// Buffers that must be written: values, leaves, then each level of inner pages.
    pub(super) levels: Vec<Vec<BufferRef>>,
    /// Whether this is a loaded tree, which takes the live one's place when it is durable.
    pub(super) is_loaded: bool,
}

impl TreeShared {
    /// Starts a new live generation; what the old one made belongs to the frozen tree, and is not changed any more.
    pub(super) fn freeze(self: &Rc<Self>, position: CheckpointPosition) -> Frozen {
        let pool = self.pool.borrow();
        let state = &mut *self.state.borrow_mut();
        let generation = self.progress.borrow().next_generation(state.live);
        let mut levels = Vec::new();
        // The root's name is in no page that would be written or copied, so its redirect ends here.
        state.root = state.root.map(|root| state.resolve(root));
        if let Some(root) = state.root {
            gather(&pool, state, root, &mut levels);
        }
        state.redirects.freeze();
        state.allocator.freeze();
        state.frozen = Some(generation);
        state.live = live_after(generation);
        let (root, counts) = (state.root, state.counts);
        Frozen { generation, root, counts, position, levels, is_loaded: false }
    }

    /// As [`TreeShared::freeze`], of a loaded tree: the live one is empty and stays so.
    pub(super) fn freeze_loaded(&self, loaded: LoadedTree, position: CheckpointPosition) -> Frozen {
        let state = &mut *self.state.borrow_mut();
        assert_eq!(state.root, None, "a tree is loaded into an empty one");
        let generation = self.progress.borrow().next_generation(state.live);
        state.redirects.freeze();
        state.allocator.freeze();
        state.frozen = Some(generation);
        state.live = live_after(generation);
        let LoadedTree { root, counts } = loaded;
        Frozen { generation, root: Some(root), counts, position, levels: Vec::new(), is_loaded: true }
    }

    /// The frozen tree will not be written: its pages are the live tree's, as far as that still names them.
    pub(super) fn thaw(&self, frozen: &Frozen) {
        let mut pool = self.pool.borrow_mut();
        self.state.borrow_mut().frozen = None;
        for &buffer in frozen.levels.iter().flatten() {
            let state = pool.try_get(buffer).map(|buffer| buffer.state());
            if matches!(state, Some(BufferState::Dirty { superseded: true, .. })) {
                pool.remove(buffer);
            }
        }
    }
}

/// Collects the dirty buffers that `name` leads to. Parents of dirty pages are dirty, or have been written since
/// and name extents; so nothing dirty hides behind a clean page.
fn gather(pool: &Pool, state: &TreeState, name: PageName, levels: &mut Vec<Vec<BufferRef>>) {
    let PageName::Memory(_) = name else { return };
    let Some(reference) = pool.find(state.slot, name) else { return };
    let buffer = pool.get(reference);
    let place = match buffer.kind() {
        BufferKind::Value => 0,
        BufferKind::Page => 1 + usize::from(PageView::of_built(buffer.content()).level()),
    };
    if levels.len() <= place {
        levels.resize_with(place + 1, Vec::new);
    }
    levels[place].push(reference);
    if buffer.kind() == BufferKind::Page {
        names_of(PageView::of_built(buffer.content())).for_each(|name| gather(pool, state, name, levels));
    }
}
