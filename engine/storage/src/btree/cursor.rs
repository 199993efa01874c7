//! Walking rows in either direction, and asking for leaves before they are reached.

use std::ops::Bound;

use super::{
    PageRequest, Stop, TreeRow,
    reader::{Descent, Step, Walk},
    request::Wanted,
};
use crate::{
    cache::BufferRef,
    range::{Direction, KeyRange},
};

/// Leaves asked for at once when a walk begins.
const READ_AHEAD_FIRST: usize = 4;
/// Leaves asked for at once when a walk has shown that it goes on.
const READ_AHEAD: usize = 16;

/// Walks the rows of a range. Stands before the first row until [`TreeCursor::advance`].
///
/// After an error it is spent: start another one behind the last key.
pub(crate) struct TreeCursor<'a> {
    walk: Walk<'a>,
    range: KeyRange<'a>,
    direction: Direction,
    position: Position,
    /// The key under the cursor. Begins with the prefix of the leaf that was entered last.
    key: Vec<u8>,
    entered: Option<Entered>,
    row: Option<TreeRow<'a>>,
    leaves_passed: usize,
}

#[derive(Clone, Copy)]
enum Position {
    Start,
    At { leaf: BufferRef, slot: usize },
    End,
}

/// What need not be looked at again for each row of a leaf.
#[derive(Clone, Copy)]
struct Entered {
    leaf: BufferRef,
    prefix_bytes: usize,
    /// Every row of the leaf is in the range.
    is_within: bool,
}

impl<'a> TreeCursor<'a> {
    pub(super) fn new(walk: Walk<'a>, range: KeyRange<'a>, direction: Direction) -> Self {
        let position = if range.is_empty() { Position::End } else { Position::Start };
        Self { walk, range, direction, position, key: Vec::new(), entered: None, row: None, leaves_passed: 0 }
    }

    /// Moves to the next row; `false` when there is none left.
    pub(crate) fn advance(&mut self) -> Result<bool, Stop> {
        self.row = None;
        let next = match (self.position, self.direction) {
            (Position::End, _) => return Ok(false),
            (Position::Start, Direction::Forward) => self.first_forward()?,
            (Position::Start, Direction::Backward) => self.first_backward()?,
            (Position::At { leaf, slot }, Direction::Forward) => self.settle_forward(leaf, slot + 1)?,
            (Position::At { leaf, slot }, Direction::Backward) => self.settle_backward(leaf, slot)?,
        };
        self.position = Position::End;
        let Some((leaf, slot)) = next else { return Ok(false) };
        let entered = self.enter(leaf);
        self.key.truncate(entered.prefix_bytes);
        self.key.extend_from_slice(self.walk.view(leaf).suffix(slot));
        if !entered.is_within && !self.range.contains(&self.key) {
            return Ok(false);
        }
        self.row = Some(self.walk.row(leaf, slot)?);
        self.position = Position::At { leaf, slot };
        Ok(true)
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

    /// Readies the key for rows of `leaf`.
    fn enter(&mut self, leaf: BufferRef) -> Entered {
        if let Some(entered) = self.entered.filter(|entered| entered.leaf == leaf) {
            return entered;
        }
        let view = self.walk.view(leaf);
        self.key.clear();
        self.key.extend_from_slice(view.prefix());
        let is_within = self.range.holds_between(view.lower_fence(), view.upper_fence());
        *self.entered.insert(Entered { leaf, prefix_bytes: self.key.len(), is_within })
    }

    fn first_forward(&mut self) -> Result<Option<(BufferRef, usize)>, Stop> {
        let (key, behind): (&[u8], bool) = match self.range.from {
            Bound::Unbounded => (&[], false),
            Bound::Included(key) => (key, false),
            Bound::Excluded(key) => (key, true),
        };
        let Some(leaf) = self.leaf(|walk| walk.descend(0, |page| page.child_slot(key)))? else {
            return Ok(None);
        };
        let slot = match self.walk.view(leaf).search(key) {
            Ok(slot) => slot + usize::from(behind),
            Err(slot) => slot,
        };
        self.settle_forward(leaf, slot)
    }

    fn first_backward(&mut self) -> Result<Option<(BufferRef, usize)>, Stop> {
        let leaf = match self.range.to {
            Bound::Unbounded => self.leaf(|walk| walk.descend(0, |page| page.slot_count() - 1))?,
            Bound::Included(key) => self.leaf(|walk| walk.descend(0, |page| page.child_slot(key)))?,
            Bound::Excluded(key) => self.leaf_before(key)?,
        };
        let Some(leaf) = leaf else { return Ok(None) };
        let view = self.walk.view(leaf);
        let end = match self.range.to {
            Bound::Unbounded => view.slot_count(),
            Bound::Included(key) => view.search(key).map_or_else(|place| place, |slot| slot + 1),
            Bound::Excluded(key) => view.search(key).unwrap_or_else(|place| place),
        };
        self.settle_backward(leaf, end)
    }

    /// The row at `slot`, or the first of the leaves behind.
    fn settle_forward(&mut self, leaf: BufferRef, slot: usize) -> Result<Option<(BufferRef, usize)>, Stop> {
        let (mut leaf, mut slot) = (leaf, slot);
        while slot >= self.walk.view(leaf).slot_count() {
            let Some(fence) = self.walk.view(leaf).upper_fence() else { return Ok(None) };
            if !self.range_reaches_up_to(fence) {
                return Ok(None);
            }
            self.leaves_passed += 1;
            let next = self.leaf(|walk| walk.descend(0, |page| page.child_slot(fence)))?;
            leaf = next.expect("a fence has a page behind it");
            slot = 0;
        }
        Ok(Some((leaf, slot)))
    }

    /// The row before `end`, or the last of the leaves before.
    fn settle_backward(&mut self, leaf: BufferRef, end: usize) -> Result<Option<(BufferRef, usize)>, Stop> {
        let (mut leaf, mut end) = (leaf, end);
        while end == 0 {
            let fence = self.walk.view(leaf).lower_fence();
            if fence.is_empty() || !self.range_reaches_down_below(fence) {
                return Ok(None);
            }
            self.leaves_passed += 1;
            leaf = self.leaf_before(fence)?.expect("a fence has a page before it");
            end = self.walk.view(leaf).slot_count();
        }
        Ok(Some((leaf, end - 1)))
    }

    fn leaf_before(&self, key: &[u8]) -> Result<Option<BufferRef>, Stop> {
        self.leaf(|walk| {
            walk.descend(0, |page| page.search(key).unwrap_or_else(|place| place).saturating_sub(1))
        })
    }

    /// Finds a leaf; if it is missing, asks for those that come next, too.
    fn leaf(
        &self,
        find: impl FnOnce(Walk<'a>) -> Result<Option<BufferRef>, Descent>,
    ) -> Result<Option<BufferRef>, Stop> {
        match find(self.walk) {
            Ok(leaf) => Ok(leaf),
            Err(Descent::Below { step, wanted }) => {
                let ahead = self.leaves_ahead(step);
                Err(Stop::Missing(PageRequest { first: wanted, ahead }))
            }
            Err(stop) => Err(stop.into()),
        }
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
