//! Reading a tree: from the root to a leaf, to a row and its value.

use std::cell::Ref;

use basalt_format::{
    extent::Pointer,
    page::{LeafValue, PageView},
};

use super::{
    Stop, TreeCursor, TreeState,
    request::{Expected, Wanted},
};
use crate::{
    cache::{BufferRef, Pool},
    ids::HybridTime,
    page::PageName,
    range::{Direction, KeyRange},
};

/// A row of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeRow<'a> {
    /// The value, contiguous.
    pub value: &'a [u8],
    /// Hybrid time of the entry that wrote it.
    pub last_write: HybridTime,
}

/// Reads a tree as it stands. Lives within one synchronous step: while it does, the tree and its pool do not change.
pub(crate) struct TreeReader<'a> {
    pub(super) pool: Ref<'a, Pool>,
    pub(super) tree: Ref<'a, TreeState>,
}

/// A tree's state and pages, to walk over. Made by readers and editors.
#[derive(Clone, Copy)]
pub(crate) struct Walk<'a> {
    pub(super) pool: &'a Pool,
    pub(super) tree: &'a TreeState,
}

/// A page on the way to a key, and the child that leads on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) page: BufferRef,
    pub(super) slot: usize,
}

impl TreeReader<'_> {
    /// The row under `key`, if there is one.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<TreeRow<'_>>, Stop> {
        let walk = self.walk();
        let Some(leaf) = walk.page_of(key, 0)? else { return Ok(None) };
        let leaf = walk.view(leaf);
        match leaf.search_within(key) {
            Ok(slot) => Ok(Some(walk.row(leaf, slot)?)),
            Err(_) => Ok(None),
        }
    }

    /// Walks the rows of `range` in `direction`.
    pub(crate) fn cursor<'b>(&'b self, range: KeyRange<'b>, direction: Direction) -> TreeCursor<'b> {
        TreeCursor::new(self.walk(), range, direction)
    }

    pub(super) fn walk(&self) -> Walk<'_> {
        Walk { pool: &self.pool, tree: &self.tree }
    }
}

impl<'a> Walk<'a> {
    /// The page in `buffer`.
    pub(super) fn view(&self, buffer: BufferRef) -> PageView<'a> {
        PageView::of_built(self.pool.get(buffer).content())
    }

    /// The buffer of what `name` names, or the extent that it must be read from.
    pub(super) fn find(&self, name: PageName) -> Result<BufferRef, Pointer> {
        if let Some(buffer) = self.pool.find(self.tree.slot, name) {
            return Ok(buffer);
        }
        match self.tree.resolve(name) {
            PageName::Disk(pointer) => self.pool.find(self.tree.slot, PageName::Disk(pointer)).ok_or(pointer),
            PageName::Memory(id) => panic!("{id:?} is neither in memory nor on disk"),
        }
    }

    /// The root's page; `None` for an empty tree.
    pub(super) fn root(&self) -> Result<Option<BufferRef>, Stop> {
        let Some(root) = self.tree.root else { return Ok(None) };
        match self.find(root) {
            Ok(buffer) => Ok(Some(buffer)),
            Err(pointer) => {
                let expected = Expected::Page { level: None, lower: Vec::new(), upper: None };
                Err(Wanted { pointer, expected }.into())
            }
        }
    }

    /// The page at `level` whose range holds `key`: `None` if the tree is empty or lower than that.
    pub(super) fn page_of(&self, key: &[u8], level: u8) -> Result<Option<BufferRef>, Stop> {
        self.descend(key, level).map_err(Stop::from)
    }

    /// As [`Walk::page_of`]; tells what is missing from whether it has a parent.
    pub(super) fn descend(&self, key: &[u8], level: u8) -> Result<Option<BufferRef>, Descent> {
        let Some(mut page) = self.root().map_err(Descent::AtRoot)? else { return Ok(None) };
        let mut view = self.view(page);
        if view.level() < level {
            return Ok(None);
        }
        while view.level() > level {
            page = self.child(page, view.child_slot_within(key)).map_err(Descent::Below)?;
            view = self.view(page);
        }
        Ok(Some(page))
    }

    /// The child at `slot`, or what must be read to have it.
    pub(super) fn child(&self, parent: BufferRef, slot: usize) -> Result<BufferRef, Wanted> {
        let name = PageName::decode(self.view(parent).child(slot));
        self.find(name).map_err(|pointer| self.wanted_child(parent, slot, pointer))
    }

    /// What to read for the child at `slot`; `None` if it is in memory.
    pub(super) fn missing_child(&self, parent: BufferRef, slot: usize) -> Option<Wanted> {
        self.child(parent, slot).err()
    }

    /// The row at a leaf's slot.
    #[inline]
    pub(super) fn row(&self, leaf: PageView<'a>, slot: usize) -> Result<TreeRow<'a>, Stop> {
        let cell = leaf.leaf_cell(slot);
        let value = match cell.value {
            LeafValue::Inline(value) => value,
            LeafValue::Overflow { pointer, value_bytes, .. } => {
                self.overflow_value(leaf, slot, PageName::decode(pointer), value_bytes)?
            }
        };
        Ok(TreeRow { value, last_write: HybridTime::new(cell.last_write) })
    }

    fn overflow_value(
        &self,
        leaf: PageView<'a>,
        slot: usize,
        name: PageName,
        value_bytes: u32,
    ) -> Result<&'a [u8], Stop> {
        let found = self.find(name).map(|buffer| self.pool.get(buffer).content());
        found.map_err(|pointer| {
            let mut key = Vec::new();
            leaf.copy_key(slot, &mut key);
            Wanted { pointer, expected: Expected::Value { key, value_bytes } }.into()
        })
    }

    /// Whether the tree still names the extent, as far as pages in memory tell. `None`: they do not.
    pub(super) fn still_names(&self, wanted: &Wanted) -> Option<bool> {
        let mut page = match self.tree.root.map(|root| self.find(root)) {
            None => return Some(false),
            Some(Err(pointer)) => return Some(pointer == wanted.pointer),
            Some(Ok(buffer)) => buffer,
        };
        let key = wanted.expected.probe_key();
        while !self.view(page).is_leaf() {
            match self.child(page, self.view(page).child_slot(key)) {
                Ok(child) => page = child,
                Err(missing) if missing.pointer == wanted.pointer => return Some(true),
                Err(_) => return None,
            }
        }
        let (view, Expected::Value { .. }) = (self.view(page), &wanted.expected) else { return Some(false) };
        let Ok(slot) = view.search(key) else { return Some(false) };
        match view.leaf_cell(slot).value {
            LeafValue::Inline(_) => Some(false),
            LeafValue::Overflow { pointer, .. } => {
                Some(self.tree.resolve(PageName::decode(pointer)) == PageName::Disk(wanted.pointer))
            }
        }
    }

    fn wanted_child(&self, parent: BufferRef, slot: usize, pointer: Pointer) -> Wanted {
        let view = self.view(parent);
        let mut lower = Vec::new();
        view.copy_child_lower_fence(slot, &mut lower);
        let upper = if slot + 1 < view.slot_count() {
            let mut upper = Vec::new();
            view.copy_key(slot + 1, &mut upper);
            Some(upper)
        } else {
            view.upper_fence().map(<[u8]>::to_vec)
        };
        Wanted { pointer, expected: Expected::Page { level: Some(view.level() - 1), lower, upper } }
    }
}

/// Why a descent ended early.
pub(super) enum Descent {
    /// The root is not in memory.
    AtRoot(Stop),
    /// A child is not in memory; its parent is.
    Below(Wanted),
}

impl From<Descent> for Stop {
    fn from(descent: Descent) -> Self {
        match descent {
            Descent::AtRoot(stop) => stop,
            Descent::Below(wanted) => wanted.into(),
        }
    }
}
