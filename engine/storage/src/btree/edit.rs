//! Changing a tree's pages: copying what another generation made, naming the copies, freeing the originals.

use basalt_format::{
    extent::Pointer,
    page::{LeafValue, PageView},
};

use super::{TreeState, reader::Walk};
use crate::{
    cache::{BufferKind, BufferRef, BufferState, Pool},
    extent::Run,
    page::{BufferBytes, PageMut, PageName, expand},
};

/// Changes a tree, in one synchronous step.
pub(crate) struct Editor<'a> {
    pub(super) pool: &'a mut Pool,
    pub(super) tree: &'a mut TreeState,
    /// The leaf that was opened last: changes come in key order, so the next key often belongs there, too.
    pub(super) last_leaf: Option<BufferRef>,
}

impl<'a> Editor<'a> {
    pub(crate) fn new(pool: &'a mut Pool, tree: &'a mut TreeState) -> Self {
        Self { pool, tree, last_leaf: None }
    }
    pub(super) fn walk(&self) -> Walk<'_> {
        Walk { pool: self.pool, tree: self.tree }
    }

    pub(super) fn view(&self, buffer: BufferRef) -> PageView<'_> {
        PageView::of_built(self.pool.get(buffer).content())
    }

    pub(super) fn page_mut(&mut self, buffer: BufferRef) -> PageMut<'_> {
        PageMut::new(self.pool.content_mut(buffer))
    }

    /// Adds a value with an extent of its own to the live generation.
    pub(super) fn add_value(&mut self, value: &[u8]) -> PageName {
        self.add(BufferKind::Value, BufferBytes::copied(value)).0
    }

    /// Adds a page in its stored form to the live generation, with a gap to change it in. Its cells may come from
    /// pages of older generations, so what they name is resolved as in a copy.
    pub(super) fn add_page(&mut self, squeezed: &[u8]) -> (PageName, BufferRef) {
        let mut content = expand(PageView::of_built(squeezed), self.tree.page_bytes, self.tree.live);
        resolve_names(&mut content, self.tree);
        self.add(BufferKind::Page, content)
    }

    /// The page at `level` whose range holds `key`, open for changes, as all pages above it: they must be in memory.
    ///
    /// `None` if the tree is lower than that.
    pub(super) fn open_page(&mut self, key: &[u8], level: u8) -> Option<BufferRef> {
        let root = self.tree.root?;
        let mut page = self.resident(root);
        if self.view(page).level() < level {
            return None;
        }
        if let Some((name, copy)) = self.copy_unless_live(root, page) {
            self.tree.root = Some(name);
            page = copy;
        }
        while self.view(page).level() > level {
            let slot = self.view(page).child_slot(key);
            page = self.open_child(page, slot);
        }
        Some(page)
    }

    /// The child at `slot`, open for changes, as its parent is already.
    pub(super) fn open_child(&mut self, parent: BufferRef, slot: usize) -> BufferRef {
        let name = PageName::decode(self.view(parent).child(slot));
        let child = self.resident(name);
        match self.copy_unless_live(name, child) {
            None => child,
            Some((name, copy)) => {
                self.page_mut(parent).set_child(slot, name);
                copy
            }
        }
    }

    /// The buffer of a page that the caller made sure is in memory.
    pub(super) fn resident(&self, name: PageName) -> BufferRef {
        self.walk().find(name).expect("a change touches only pages that were collected")
    }

    /// Nothing in the live tree names this page or value any more.
    pub(super) fn release(&mut self, name: PageName) {
        if let PageName::Memory(_) = name
            && let Some(buffer) = self.pool.find(self.tree.slot, name)
        {
            return self.release_dirty(buffer);
        }
        match self.tree.resolve(name) {
            PageName::Disk(pointer) => self.release_extent(&pointer),
            PageName::Memory(id) => panic!("{id:?} is neither in memory nor on disk"),
        }
    }

    fn add(&mut self, kind: BufferKind, content: BufferBytes) -> (PageName, BufferRef) {
        let (id, buffer) = self.pool.insert_dirty(self.tree.slot, kind, content, self.tree.live);
        (PageName::Memory(id), buffer)
    }

    fn release_dirty(&mut self, buffer: BufferRef) {
        let BufferState::Dirty { birth, .. } = self.pool.get(buffer).state() else {
            panic!("a memory id names a dirty buffer");
        };
        if self.tree.is_frozen(birth) {
            self.pool.set_superseded(buffer);
        } else {
            self.pool.remove(buffer);
        }
    }

    fn release_extent(&mut self, pointer: &Pointer) {
        if let Some(buffer) = self.pool.find(self.tree.slot, PageName::Disk(*pointer)) {
            self.pool.remove(buffer);
        }
        let run = Run { block: pointer.block, blocks: pointer.blocks };
        self.tree.allocator.free(run, pointer.birth, self.tree.live);
    }

    /// Copies a page that the live generation has not made. The copy names extents where there are any, because
    /// redirects do not last.
    fn copy_unless_live(&mut self, name: PageName, page: BufferRef) -> Option<(PageName, BufferRef)> {
        let live = self.tree.live;
        if matches!(self.pool.get(page).state(), BufferState::Dirty { birth, .. } if birth == live) {
            return None;
        }
        let mut content = expand(self.view(page), self.tree.page_bytes, live);
        resolve_names(&mut content, self.tree);
        let copy = self.add(BufferKind::Page, content);
        self.release(name);
        Some(copy)
    }
}

/// Replaces every name in a page that has a redirect.
fn resolve_names(content: &mut [u8], tree: &TreeState) {
    let mut page = PageMut::new(content);
    let view = page.view();
    if view.is_leaf() && !view.owns_overflow() {
        return;
    }
    for slot in 0..page.view().slot_count() {
        let Some(name) = name_in(page.view(), slot) else { continue };
        let resolved = tree.resolve(name);
        if resolved == name {
            continue;
        }
        if page.view().is_leaf() {
            page.set_overflow(slot, resolved);
        } else {
            page.set_child(slot, resolved);
        }
    }
}

/// Everything that a page's cells name.
pub(crate) fn names_of(page: PageView<'_>) -> impl Iterator<Item = PageName> + '_ {
    let slots = if page.is_leaf() && !page.owns_overflow() { 0 } else { page.slot_count() };
    (0..slots).filter_map(move |slot| name_in(page, slot))
}

/// What the slot's cell names: a child, or an overflow value.
pub(super) fn name_in(page: PageView<'_>, slot: usize) -> Option<PageName> {
    if !page.is_leaf() {
        return Some(PageName::decode(page.child(slot)));
    }
    match page.leaf_cell(slot).value {
        LeafValue::Inline(_) => None,
        LeafValue::Overflow { pointer, .. } => Some(PageName::decode(pointer)),
    }
}
