//! Walking rows in either direction, and asking for leaves before they are reached.

use std::ops::{Bound, ControlFlow, Range};

use basalt_format::page::PageView;

use super::{
    PageRequest, Stop, TreeRow,
    reader::{Step, Walk},
    request::Wanted,
};
use crate::{
    cache::BufferRef,
    ids::HybridTime,
    range::{Direction, KeyRange},
};

/// Leaves asked for at once when a walk begins.
const READ_AHEAD_FIRST: usize = 4;
/// Leaves asked for at once when a walk has shown that it goes on.
const READ_AHEAD: usize = 16;

/// Rows of a leaf that are looked up before the first of them is lent.
const ROWS_AT_ONCE: usize = 16;

/// Walks the rows of a range. Stands before the first row until [`TreeCursor::advance`].
///
/// The range is compared with the fences of each leaf, not with each row: what is left of a leaf is a [`Run`].
/// After an error it is spent: start another one behind the last key.
pub(crate) struct TreeCursor<'a> {
    walk: Walk<'a>,
    range: KeyRange<'a>,
    direction: Direction,
    position: Position<'a>,
    /// The key under the cursor. Begins with the prefix of the leaf that was entered last.
    key: Vec<u8>,
    row: Option<TreeRow<'a>>,
    leaves_passed: usize,
}

enum Position<'a> {
    Start,
    In(Run<'a>),
    End,
}

/// The rows of a leaf that are in the range and still to come.
struct Run<'a> {
    leaf: Leaf<'a>,
    slots: Range<usize>,
}

/// A leaf, and where its parent names it; a root has no parent.
#[derive(Clone, Copy)]
struct Leaf<'a> {
    view: PageView<'a>,
    parent: Option<Step>,
}

impl<'a> TreeCursor<'a> {
    pub(super) fn new(walk: Walk<'a>, range: KeyRange<'a>, direction: Direction) -> Self {
        let position = if range.is_empty() { Position::End } else { Position::Start };
        Self { walk, range, direction, position, key: Vec::new(), row: None, leaves_passed: 0 }
    }

    /// Moves to the next row; `false` when there is none left.
    pub(crate) fn advance(&mut self) -> Result<bool, Stop> {
        self.row = None;
        if !self.enter()? {
            return Ok(false);
        }
        let Position::In(run) = &mut self.position else { unreachable!("a leaf was entered") };
        let (view, slot) = (run.leaf.view, run.take(self.direction).expect("a run that is entered has rows"));
        self.stand_at(view, slot);
        self.row = Some(self.walk.row(view, slot)?);
        Ok(true)
    }

    /// Lends the rows that are left of the leaf under the cursor to `visit`, as long as they come before `limit`, until
    /// it breaks. Afterwards the last of them is the one under the cursor, or the one from before if there were none.
    pub(crate) fn visit_leaf(
        &mut self,
        limit: Option<&[u8]>,
        visit: &mut impl FnMut(TreeRow<'a>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Stop> {
        let Position::In(run) = &mut self.position else { return Ok(ControlFlow::Continue(())) };
        let (view, mut slots) = (run.leaf.view, run.before(limit, self.direction));
        let mut rows = [TreeRow { value: &[], last_write: HybridTime::default() }; ROWS_AT_ONCE];
        let mut last = None;
        let outcome = loop {
            let (taken, stop) = self.walk.rows(view, &mut slots, self.direction, &mut rows);
            let visited = visit_rows(&rows[..taken], &mut last, visit);
            match stop {
                Some(stop) if visited.is_continue() => break Err(stop),
                _ if visited.is_break() || taken < ROWS_AT_ONCE => break Ok(visited),
                _ => {}
            }
        };
        if let Some((lent, row)) = last {
            let slot = run.pass(lent, self.direction);
            self.stand_at(view, slot);
            self.row = Some(row);
        }
        outcome
    }

    /// The key under the cursor.
    ///
    /// # Panics
    /// If the last call of [`TreeCursor::advance`] did not return `true`.
    pub(crate) fn key(&self) -> &[u8] {
        assert!(self.row.is_some(), "the cursor stands on a row");
        &self.key
    }

    /// The row under the cursor.
    ///
    /// # Panics
    /// If the last call of [`TreeCursor::advance`] did not return `true`.
    pub(crate) fn row(&self) -> TreeRow<'a> {
        self.row.expect("the cursor stands on a row")
    }

    /// Puts the key of a row of the leaf that was entered last together.
    fn stand_at(&mut self, view: PageView<'a>, slot: usize) {
        self.key.truncate(view.prefix().len());
        self.key.extend_from_slice(view.suffix(slot));
    }

    /// Goes on to a leaf with rows to come, unless one was reached; `false` when there is none left.
    fn enter(&mut self) -> Result<bool, Stop> {
        loop {
            let next = match &self.position {
                Position::End => return Ok(false),
                Position::In(run) if !run.slots.is_empty() => return Ok(true),
                Position::In(run) => self.leaf_behind(run.leaf)?,
                Position::Start => self.first_leaf()?,
            };
            if let Position::In(_) = self.position {
                self.leaves_passed += 1;
            }
            self.position = match next {
                Some(leaf) => {
                    self.key.clear();
                    self.key.extend_from_slice(leaf.view.prefix());
                    Position::In(Run { leaf, slots: self.slots_in_range(leaf.view) })
                }
                None => Position::End,
            };
        }
    }

    fn slots_in_range(&self, leaf: PageView<'a>) -> Range<usize> {
        if self.range.holds_between(leaf.lower_fence(), leaf.upper_fence()) {
            return 0..leaf.slot_count();
        }
        let first = match self.range.from {
            Bound::Unbounded => 0,
            Bound::Included(key) => slots_below(leaf, key),
            Bound::Excluded(key) => slots_through(leaf, key),
        };
        let end = match self.range.to {
            Bound::Unbounded => leaf.slot_count(),
            Bound::Included(key) => slots_through(leaf, key),
            Bound::Excluded(key) => slots_below(leaf, key),
        };
        first..end.max(first)
    }

    fn first_leaf(&self) -> Result<Option<Leaf<'a>>, Stop> {
        match self.direction {
            Direction::Forward => {
                let (Bound::Included(from) | Bound::Excluded(from)) = self.range.from else {
                    return self.leaf(|_| 0);
                };
                self.leaf(|page| page.child_slot(from))
            }
            Direction::Backward => match self.range.to {
                Bound::Unbounded => self.leaf(|page| page.slot_count() - 1),
                Bound::Included(to) => self.leaf(|page| page.child_slot(to)),
                Bound::Excluded(to) => self.leaf_before(to),
            },
        }
    }

    /// The leaf that follows in the cursor's direction, if the range reaches it.
    fn leaf_behind(&self, leaf: Leaf<'a>) -> Result<Option<Leaf<'a>>, Stop> {
        match self.direction {
            Direction::Forward => {
                let fence = leaf.view.upper_fence().filter(|fence| self.range_reaches_up_to(fence));
                let Some(fence) = fence else { return Ok(None) };
                match leaf.parent.and_then(|step| self.sibling(step, step.slot + 1)) {
                    Some(step) => self.child(step).map(Some),
                    None => self.leaf(|page| page.child_slot(fence)),
                }
            }
            Direction::Backward => {
                let fence = leaf.view.lower_fence();
                if fence.is_empty() || !self.range_reaches_down_below(fence) {
                    return Ok(None);
                }
                match leaf.parent.and_then(|step| self.sibling(step, step.slot.checked_sub(1)?)) {
                    Some(step) => self.child(step).map(Some),
                    None => self.leaf_before(fence),
                }
            }
        }
    }

    fn sibling(&self, step: Step, slot: usize) -> Option<Step> {
        (slot < self.walk.view(step.page).slot_count()).then_some(Step { slot, ..step })
    }

    fn leaf_before(&self, key: &[u8]) -> Result<Option<Leaf<'a>>, Stop> {
        self.leaf(|page| page.search(key).unwrap_or_else(|place| place).saturating_sub(1))
    }

    /// Follows the children that `choose` says to a leaf; if one is missing, asks for the leaves that come next, too.
    fn leaf(&self, choose: impl Fn(PageView<'_>) -> usize) -> Result<Option<Leaf<'a>>, Stop> {
        let Some(mut page) = self.walk.root()? else { return Ok(None) };
        let mut parent = None;
        while !self.walk.view(page).is_leaf() {
            let step = Step { page, slot: choose(self.walk.view(page)) };
            page = self.child_of(step)?;
            parent = Some(step);
        }
        Ok(Some(Leaf { view: self.walk.view(page), parent }))
    }

    fn child(&self, step: Step) -> Result<Leaf<'a>, Stop> {
        let page = self.child_of(step)?;
        Ok(Leaf { view: self.walk.view(page), parent: Some(step) })
    }

    fn child_of(&self, step: Step) -> Result<BufferRef, Stop> {
        self.walk
            .child(step.page, step.slot)
            .map_err(|wanted| Stop::Missing(PageRequest { first: wanted, ahead: self.leaves_ahead(step) }))
    }

    /// The missing siblings that the walk comes to after the child of `step`.
    fn leaves_ahead(&self, step: Step) -> Vec<Wanted> {
        let parent = self.walk.view(step.page);
        if parent.level() != 1 {
            return Vec::new();
        }
        let count = if self.leaves_passed == 0 { READ_AHEAD_FIRST } else { READ_AHEAD } - 1;
        let mut fence = Vec::new();
        let mut in_range = |slot: usize| {
            fence.clear();
            match self.direction {
                Direction::Forward => {
                    parent.copy_child_lower_fence(slot, &mut fence);
                    self.range_reaches_up_to(&fence)
                }
                Direction::Backward => {
                    parent.copy_child_lower_fence(slot + 1, &mut fence);
                    self.range_reaches_down_below(&fence)
                }
            }
        };
        let missing = |slot: usize| self.walk.missing_child(step.page, slot);
        match self.direction {
            Direction::Forward => {
                let siblings = (step.slot + 1..parent.slot_count()).take(count);
                siblings.take_while(|&slot| in_range(slot)).filter_map(missing).collect()
            }
            Direction::Backward => {
                let siblings = (0..step.slot).rev().take(count);
                siblings.take_while(|&slot| in_range(slot)).filter_map(missing).collect()
            }
        }
    }

    fn range_reaches_up_to(&self, key: &[u8]) -> bool {
        match self.range.to {
            Bound::Included(to) => to >= key,
            Bound::Excluded(to) => to > key,
            Bound::Unbounded => true,
        }
    }

    fn range_reaches_down_below(&self, key: &[u8]) -> bool {
        match self.range.from {
            Bound::Included(from) | Bound::Excluded(from) => from < key,
            Bound::Unbounded => true,
        }
    }
}

impl<'a> Walk<'a> {
    /// Takes the next of a leaf's `slots` into `rows`, as many as fit or until one is not in memory. Many rows' cells are
    /// looked at before anything is done with one: what is not in the processor's caches comes at the same time.
    fn rows(
        &self,
        leaf: PageView<'a>,
        slots: &mut Range<usize>,
        direction: Direction,
        rows: &mut [TreeRow<'a>],
    ) -> (usize, Option<Stop>) {
        let mut taken = 0;
        while taken < rows.len()
            && let Some(slot) = take(slots, direction)
        {
            match self.row(leaf, slot) {
                Ok(row) => rows[taken] = row,
                Err(stop) => return (taken, Some(stop)),
            }
            taken += 1;
        }
        (taken, None)
    }
}

/// Lends `rows` until `visit` breaks; `last` counts them and is the last one.
fn visit_rows<'a>(
    rows: &[TreeRow<'a>],
    last: &mut Option<(usize, TreeRow<'a>)>,
    visit: &mut impl FnMut(TreeRow<'a>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    for &row in rows {
        *last = Some((last.map_or(0, |(lent, _)| lent) + 1, row));
        visit(row)?;
    }
    ControlFlow::Continue(())
}

impl Run<'_> {
    fn take(&mut self, direction: Direction) -> Option<usize> {
        take(&mut self.slots, direction)
    }

    /// Those that come before `limit`.
    fn before(&self, limit: Option<&[u8]>, direction: Direction) -> Range<usize> {
        let Range { start, end } = self.slots;
        match (limit, direction) {
            (None, _) => start..end,
            (Some(limit), Direction::Forward) => start..end.min(slots_below(self.leaf.view, limit)),
            (Some(limit), Direction::Backward) => start.max(slots_through(self.leaf.view, limit))..end,
        }
    }

    /// Takes the next `count` rows away; returns the last of them.
    fn pass(&mut self, count: usize, direction: Direction) -> usize {
        let last = match direction {
            Direction::Forward => self.slots.nth(count - 1),
            Direction::Backward => self.slots.nth_back(count - 1),
        };
        last.expect("only rows of the run were lent")
    }
}

fn take(slots: &mut Range<usize>, direction: Direction) -> Option<usize> {
    match direction {
        Direction::Forward => slots.next(),
        Direction::Backward => slots.next_back(),
    }
}

/// How many rows of the leaf have keys below `key`.
fn slots_below(leaf: PageView<'_>, key: &[u8]) -> usize {
    leaf.search(key).unwrap_or_else(|place| place)
}

/// How many rows of the leaf have keys up to and including `key`.
fn slots_through(leaf: PageView<'_>, key: &[u8]) -> usize {
    leaf.search(key).map_or_else(|place| place, |slot| slot + 1)
}
