//! Joining siblings: after deletes, and before a checkpoint writes them.

use basalt_format::{
    extent::ExtentKind,
    page::{PAGE_HEADER_BYTES, PageView},
};

use super::{
    Editor,
    edit::names_of,
    entries::{Entries, Share},
    reader::Walk,
};
use crate::{
    cache::BufferRef,
    page::{PageName, squeezed_bytes},
};

/// The largest page that comes of joining one with a sibling that has no rows, or a single child.
const VOID_MERGE_BYTES_MAX: usize = 32 << 10;

impl Walk<'_> {
    /// Whether a page holds so little that it should be joined with a sibling.
    pub(super) fn is_sparse(&self, page: PageView<'_>) -> bool {
        page.slot_count() == 0 || squeezed_bytes(page) < self.tree.page_bytes / 4
    }
}

impl Editor<'_> {
    /// Joins the page at `level` that holds `key` with a sibling, if one is in memory and both fit into a page;
    /// then the pages above as far as they have become sparse by it.
    pub(super) fn merge_around(&mut self, key: &[u8], level: u8) {
        let Some(parent) = self.open_page(key, level + 1) else { return self.lower_root() };
        if self.view(parent).slot_count() == 1 {
            // An only child gets siblings when its parent is joined with one.
            self.merge_around(key, level + 1);
        }
        let Some(parent) = self.open_page(key, level + 1) else { return self.lower_root() };
        let slot = self.view(parent).child_slot(key);
        let fits = self.tree.page_bytes / 4 * 3;
        let merged = slot.checked_sub(1).is_some_and(|left| self.try_merge(parent, left, fits))
            || self.try_merge(parent, slot, fits);
        if merged && (self.view(parent).slot_count() == 1 || self.walk().is_sparse(self.view(parent))) {
            self.merge_around(key, level + 1);
        }
    }

    /// Gives up all pages of a tree that has lost its last row, if the inner ones are in memory.
    pub(super) fn drop_without_rows(&mut self) {
        let Some(root) = self.tree.root else { return };
        let mut names = vec![root];
        let mut next = 0;
        while let Some(&name) = names.get(next) {
            next += 1;
            match self.walk().find(name) {
                Ok(page) => names.extend(names_of(self.view(page))),
                Err(pointer) if pointer.kind == ExtentKind::Leaf => {}
                Err(_) => return,
            }
        }
        self.tree.root = None;
        names.into_iter().for_each(|name| self.release(name));
    }

    /// Drops roots that have nothing to choose between, and a root leaf without rows.
    fn lower_root(&mut self) {
        while let Some(root) = self.tree.root
            && let Ok(page) = self.walk().find(root)
        {
            let view = self.view(page);
            match (view.is_leaf(), view.slot_count()) {
                (true, 0) => self.tree.root = None,
                (false, 1) => self.tree.root = Some(PageName::decode(view.child(0))),
                _ => return,
            }
            self.release(root);
        }
    }

    /// Replaces the children at `left` and right of it by one, if that has at most `bytes_max` bytes.
    fn try_merge(&mut self, parent: BufferRef, left: usize, bytes_max: usize) -> bool {
        let Some(sparse) = self.sparse_children(parent, left, 2) else { return false };
        // A page with nothing to find or choose in it goes, even if very long fences make its sibling too large.
        let limit = if sparse.has_void { VOID_MERGE_BYTES_MAX } else { bytes_max };
        if sparse.cell_bytes > limit {
            return false;
        }
        let children = self.children(parent, left, 2);
        let pages: Vec<PageView<'_>> =
            children.iter().map(|child| PageView::of_built(&child.content)).collect();
        let entries = self.entries_of(&pages);
        if entries.content_bytes() > limit {
            return false;
        }
        basalt_runtime::sometimes!("siblings merged");
        let merged = entries.build_one();
        let (name, _) = self.add_page(&merged.squeezed);
        let mut page = self.page_mut(parent);
        page.set_child(left, name);
        page.remove(left + 1);
        children.into_iter().for_each(|child| self.release(child.name));
        true
    }

    /// Replaces three dirty children from `first` on by two, if they fit and the parent has room for any separator.
    fn try_spread(&mut self, parent: BufferRef, first: usize, bytes_max: usize) -> bool {
        if self.sparse_children(parent, first, 3).is_none_or(|sparse| sparse.cell_bytes > 2 * bytes_max) {
            return false;
        }
        let children = self.children(parent, first, 3);
        let pages: Vec<PageView<'_>> =
            children.iter().map(|child| PageView::of_built(&child.content)).collect();
        let entries = self.entries_of(&pages);
        if entries.entries.len() < 4 || entries.content_bytes() > 2 * bytes_max {
            return false;
        }
        let [left, right] = entries.build_two(Share::Evenly);
        let room = self.page_mut(parent).free_bytes();
        if left.squeezed.len().max(right.squeezed.len()) > self.tree.page_bytes
            || room < right.lower.len() + 64
        {
            return false;
        }
        basalt_runtime::sometimes!("three siblings spread over two");
        let level = pages[0].level();
        let (left_name, _) = self.add_page(&left.squeezed);
        let (right_name, _) = self.add_page(&right.squeezed);
        let mut page = self.page_mut(parent);
        page.set_child(first, left_name);
        page.remove(first + 2);
        page.remove(first + 1);
        self.insert_child(level + 1, &right.lower, right_name);
        children.into_iter().for_each(|child| self.release(child.name));
        true
    }

    /// Joins and evens out dirty neighbours below one inner page of level 1: the first dirty one at or behind
    /// `from`. Returns where to go on; `None` when there are no more.
    pub(crate) fn rebalance_step(&mut self, from: &[u8]) -> Option<Vec<u8>> {
        let lower = self.walk().dirty_parent_from(from)?;
        let parent = self.open_page(&lower, 1)?;
        let next = self.view(parent).upper_fence().map(<[u8]>::to_vec);
        let bytes_max = self.tree.page_bytes / 100 * 95;
        let mut slot = 0;
        while slot + 1 < self.view(parent).slot_count() {
            let merged = self.are_dirty(parent, slot, 2) && self.try_merge(parent, slot, bytes_max);
            if !merged {
                if self.are_dirty(parent, slot, 3) {
                    self.try_spread(parent, slot, bytes_max);
                }
                slot += 1;
            }
        }
        if self.view(parent).slot_count() == 1 {
            self.merge_around(&lower, 1);
            self.lower_root();
        }
        next
    }

    fn entries_of<'a>(&self, pages: &[PageView<'a>]) -> Entries<'a> {
        let (first, last) = (pages[0], pages[pages.len() - 1]);
        let mut entries = Entries::between(first, self.tree.live, first.lower_fence(), last.upper_fence());
        pages.iter().for_each(|&page| entries.extend(page));
        entries
    }

    /// What `count` neighbouring children hold, seen without copying them; `None` if there are fewer or not all are in
    /// memory.
    fn sparse_children(&self, parent: BufferRef, first: usize, count: usize) -> Option<SparseChildren> {
        let view = self.view(parent);
        if first + count > view.slot_count() {
            return None;
        }
        let mut sparse = SparseChildren { cell_bytes: 0, has_void: false };
        for slot in first..first + count {
            let child = self.view(self.walk().find(PageName::decode(view.child(slot))).ok()?);
            sparse.cell_bytes += cell_bytes(child);
            sparse.has_void |= child.slot_count() <= usize::from(!child.is_leaf());
        }
        Some(sparse)
    }

    /// Copies of `count` neighbouring children, which are there and in memory.
    fn children(&self, parent: BufferRef, first: usize, count: usize) -> Vec<Child> {
        let view = self.view(parent);
        let child = |slot| {
            let name = PageName::decode(view.child(slot));
            Child { name, content: self.pool.get(self.resident(name)).content().into() }
        };
        (first..first + count).map(child).collect()
    }

    fn are_dirty(&self, parent: BufferRef, first: usize, count: usize) -> bool {
        let view = self.view(parent);
        first + count <= view.slot_count()
            && (first..first + count).all(|slot| self.walk().is_dirty(PageName::decode(view.child(slot))))
    }
}

struct Child {
    name: PageName,
    content: Box<[u8]>,
}

/// What some neighbouring pages hold together.
struct SparseChildren {
    /// Bytes of their cells: a page that takes all of them is larger, for its header, its fences and a shorter prefix.
    cell_bytes: usize,
    /// One of them has nothing to find or choose in it.
    has_void: bool,
}

fn cell_bytes(page: PageView<'_>) -> usize {
    let fences = page.lower_fence().len() + page.upper_fence().map_or(0, <[u8]>::len);
    squeezed_bytes(page) - PAGE_HEADER_BYTES - fences
}

impl Walk<'_> {
    fn is_dirty(&self, name: PageName) -> bool {
        self.pool.find(self.tree.slot, name).is_some_and(|buffer| self.pool.get(buffer).is_dirty())
    }

    /// The lower fence of the first dirty page of level 1 whose keys are not all below `from`.
    fn dirty_parent_from(&self, from: &[u8]) -> Option<Vec<u8>> {
        let root = self.tree.root.filter(|&root| self.is_dirty(root))?;
        self.dirty_parent_below(self.find(root).ok()?, from)
    }

    fn dirty_parent_below(&self, page: BufferRef, from: &[u8]) -> Option<Vec<u8>> {
        let view = self.view(page);
        match view.level() {
            0 => None,
            1 => Some(view.lower_fence().to_vec()),
            _ => (view.child_slot(from)..view.slot_count())
                .map(|slot| PageName::decode(view.child(slot)))
                .filter(|&child| self.is_dirty(child))
                .find_map(|child| self.dirty_parent_below(self.find(child).ok()?, from)),
        }
    }
}
