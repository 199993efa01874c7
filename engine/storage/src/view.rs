//! What a synchronous closure sees of a partition: its tree with the overlay on top, up to a horizon.
//!
//! A view never waits. When a page is missing it stops the closure with [`Stop::Missing`]; the partition fetches
//! the page and runs the closure again. Rows are lent from page buffers and the overlay, not copied.

use std::{cell::Cell, ops::ControlFlow};

use crate::{
    btree::{Stop, TreeCursor, TreeReader, TreeRow},
    ids::{EntryIndex, HybridTime},
    overlay::{Overlay, OverlayRange, Version},
    range::{Direction, KeyRange},
};

/// A row's bytes and when they were last written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// The value, contiguous.
    pub value: &'a [u8],
    /// Hybrid time of the entry that wrote it.
    pub last_write: HybridTime,
}

/// A partition as of one horizon; lives as long as the closure it is lent to.
pub struct View<'a> {
    overlay: &'a Overlay,
    tree: &'a TreeReader<'a>,
    horizon: EntryIndex,
    /// The highest overlay entry whose effects were looked at: what an answer depends on.
    read_through: Cell<EntryIndex>,
    /// Whether the tree had to stop what was asked of it.
    has_stopped: Cell<bool>,
}

impl<'a> View<'a> {
    pub(crate) fn new(overlay: &'a Overlay, tree: &'a TreeReader<'a>, horizon: EntryIndex) -> Self {
        Self { overlay, tree, horizon, read_through: Cell::default(), has_stopped: Cell::default() }
    }

    /// The row under `key`, if there is one.
    pub fn get(&self, key: &[u8]) -> Result<Option<Row<'_>>, Stop> {
        match self.overlay.get(key, self.horizon) {
            Some(version) => {
                self.note(version);
                Ok(version.row())
            }
            None => Ok(self.note_stop(self.tree.get(key))?.map(Row::from)),
        }
    }

    /// Walks the rows of `range` in `direction`.
    pub fn cursor<'b>(&'b self, range: KeyRange<'b>, direction: Direction) -> Cursor<'b> {
        Cursor {
            view: self,
            tree: self.tree.cursor(range, direction),
            tree_state: Side::Unread,
            overlay: self.overlay.range(range, direction, self.horizon),
            overlay_head: None,
            overlay_ended: false,
            direction,
        }
    }

    /// The highest overlay entry whose effects were looked at so far; zero if only the tree was.
    pub(crate) fn read_through(&self) -> EntryIndex {
        self.read_through.get()
    }

    /// Whether it was this view that stopped the closure.
    pub(crate) fn has_stopped(&self) -> bool {
        self.has_stopped.get()
    }

    fn note_stop<T>(&self, result: Result<T, Stop>) -> Result<T, Stop> {
        if result.is_err() {
            self.has_stopped.set(true);
        }
        result
    }

    fn note(&self, version: &Version) {
        self.read_through.set(self.read_through.get().max(version.index));
    }
}

impl Version {
    fn row(&self) -> Option<Row<'_>> {
        self.value.as_deref().map(|value| Row { value, last_write: self.last_write })
    }
}

impl<'a> From<TreeRow<'a>> for Row<'a> {
    fn from(row: TreeRow<'a>) -> Self {
        Self { value: row.value, last_write: row.last_write }
    }
}

/// Merges the rows of the tree with those of the overlay, which win.
pub struct Cursor<'a> {
    view: &'a View<'a>,
    tree: TreeCursor<'a>,
    tree_state: Side,
    overlay: OverlayRange<'a>,
    overlay_head: Option<(&'a [u8], &'a Version)>,
    overlay_ended: bool,
    direction: Direction,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The row under the cursor was used, or none was read yet.
    Unread,
    /// A row is under the cursor.
    Ready,
    /// There are no more rows.
    Ended,
}

/// Which side holds the next key.
enum Next {
    Neither,
    Tree,
    Overlay,
    /// Both hold the key: the tree's row is stale.
    OverlayShadowingTree,
}

impl<'a> Cursor<'a> {
    /// The next row and its key; `None` at the end of the range.
    ///
    /// After an error the cursor is spent: start another one behind the last key that it gave.
    #[expect(clippy::should_implement_trait, reason = "a lending iterator: the key lives in the cursor")]
    pub fn next(&mut self) -> Result<Option<(&[u8], Row<'_>)>, Stop> {
        loop {
            self.fill()?;
            match self.choose() {
                Next::Neither => return Ok(None),
                Next::Tree => {
                    self.tree_state = Side::Unread;
                    return Ok(Some((self.tree.key(), self.tree.row().into())));
                }
                Next::Overlay => {}
                Next::OverlayShadowingTree => self.tree_state = Side::Unread,
            }
            let (key, version) = self.overlay_head.take().expect("the overlay's side was chosen");
            self.view.note(version);
            if let Some(row) = version.row() {
                return Ok(Some((key, row)));
            }
        }
    }

    /// Lends the rows that are left to `visit`, until it breaks. Where the overlay has nothing between the rows of a leaf,
    /// they come without a look at their keys.
    ///
    /// `passed` becomes the key of the last row that was lent: after a stop, another cursor goes on behind it. It stays as
    /// it is if there was none.
    pub fn for_each(
        &mut self,
        passed: &mut Vec<u8>,
        mut visit: impl FnMut(Row<'_>) -> ControlFlow<()>,
    ) -> Result<(), Stop> {
        loop {
            let Some((key, row)) = self.next()? else { return Ok(()) };
            passed.clear();
            passed.extend_from_slice(key);
            if visit(row).is_break() {
                return Ok(());
            }
            if self.tree_state == Side::Unread && self.visit_leaf(passed, &mut visit)?.is_break() {
                return Ok(());
            }
        }
    }

    /// Lends what is left of the tree's leaf before the overlay's next key.
    fn visit_leaf(
        &mut self,
        passed: &mut Vec<u8>,
        visit: &mut impl FnMut(Row<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Stop> {
        self.fill_overlay();
        let limit = self.overlay_head.map(|(key, _)| key);
        let mut lent = 0;
        let visited = self.tree.visit_leaf(limit, &mut |row| {
            lent += 1;
            visit(row.into())
        });
        if lent > 0 {
            passed.clear();
            passed.extend_from_slice(self.tree.key());
        }
        self.view.note_stop(visited)
    }

    fn fill(&mut self) -> Result<(), Stop> {
        if self.tree_state == Side::Unread {
            let advanced = self.view.note_stop(self.tree.advance())?;
            self.tree_state = if advanced { Side::Ready } else { Side::Ended };
        }
        self.fill_overlay();
        Ok(())
    }

    fn fill_overlay(&mut self) {
        if self.overlay_head.is_none() && !self.overlay_ended {
            self.overlay_head = self.overlay.next();
            self.overlay_ended = self.overlay_head.is_none();
        }
    }

    fn choose(&self) -> Next {
        match (self.tree_state == Side::Ready, self.overlay_head) {
            (false, None) => Next::Neither,
            (true, None) => Next::Tree,
            (false, Some(_)) => Next::Overlay,
            (true, Some((overlay_key, _))) => {
                let order = overlay_key.cmp(self.tree.key());
                let order = if self.direction == Direction::Forward { order } else { order.reverse() };
                match order {
                    std::cmp::Ordering::Less => Next::Overlay,
                    std::cmp::Ordering::Equal => Next::OverlayShadowingTree,
                    std::cmp::Ordering::Greater => Next::Tree,
                }
            }
        }
    }
}
