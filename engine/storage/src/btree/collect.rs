//! Before a change: everything that it will touch must be in memory.

use std::borrow::Cow;

use basalt_format::page::LeafValue;

use super::{
    Change, PageRequest, Stop,
    reader::{Descent, Walk},
    request::{Expected, Wanted},
};
use crate::{cache::BufferRef, page::squeezed_bytes};

/// Pages asked for at once.
const REQUEST_PAGES_MAX: usize = 32;

/// What a change will take when all its pages are there.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// Bytes of buffers that it may add, roughly.
    pub(super) new_bytes: u64,
    /// The leaf of each change, as long as nothing waits; none at all for an empty tree.
    pub(super) leaves: Vec<BufferRef>,
}

/// The leaf that was looked at last.
struct LastLeaf<'a> {
    /// Keys below belong to it; without one, all that follow.
    fence: Option<Cow<'a, [u8]>>,
    /// Its buffer, if it is in memory.
    buffer: Option<BufferRef>,
}

impl LastLeaf<'_> {
    /// Whether `key`, which follows one of its keys, belongs to it.
    fn holds(&self, key: &[u8]) -> bool {
        self.fence.as_ref().is_none_or(|fence| key < &**fence)
    }
}

impl Walk<'_> {
    /// Sees that all pages are in memory that `changes`, in key order, will touch.
    pub(super) fn collect(&self, changes: &[(&[u8], Change<'_>)]) -> Result<Collected, Stop> {
        let mut collected = Collected::default();
        let mut missing = Vec::new();
        let mut last: Option<LastLeaf<'_>> = None;
        for (key, change) in changes {
            if missing.len() >= REQUEST_PAGES_MAX {
                break;
            }
            collected.new_bytes += change.value_bytes();
            let known = last.as_ref().filter(|leaf| leaf.holds(key));
            let is_known = known.is_some();
            match known.map(|leaf| leaf.buffer) {
                Some(None) => continue,
                Some(Some(leaf)) if !change.is_delete() => {
                    collected.leaves.push(leaf);
                    continue;
                }
                _ => {}
            }
            match self.descend(key, 0) {
                Ok(None) => return Ok(collected),
                Ok(Some(leaf)) => {
                    let fence = self.view(leaf).upper_fence().map(Cow::from);
                    last = Some(LastLeaf { fence, buffer: Some(leaf) });
                    collected.leaves.push(leaf);
                    if !is_known {
                        collected.new_bytes += self.tree.page_bytes as u64;
                    }
                    if change.is_delete() {
                        self.collect_siblings(key, leaf, &mut missing)?;
                    }
                }
                Err(Descent::AtRoot(stop)) => return Err(stop),
                Err(Descent::Below(wanted)) => {
                    last = Some(LastLeaf { fence: upper_fence(&wanted).map(Cow::from), buffer: None });
                    missing.push(wanted);
                }
            }
        }
        let mut missing = missing.into_iter();
        match missing.next() {
            None => Ok(collected),
            Some(first) => Err(Stop::Missing(PageRequest { first, ahead: missing.collect() })),
        }
    }

    /// A leaf that becomes sparse is joined with a sibling: both neighbours should be there.
    fn collect_siblings(&self, key: &[u8], leaf: BufferRef, missing: &mut Vec<Wanted>) -> Result<(), Stop> {
        let view = self.view(leaf);
        let Ok(slot) = view.search(key) else { return Ok(()) };
        let left_bytes = squeezed_bytes(view) - view.cell_bytes(slot);
        if left_bytes >= self.tree.page_bytes / 4 && view.slot_count() > 1 {
            return Ok(());
        }
        let Some(parent) = self.page_of(key, 1)? else { return Ok(()) };
        let slot = self.view(parent).child_slot(key);
        let last = self.view(parent).slot_count() - 1;
        let siblings = slot.checked_sub(1).into_iter().chain((slot < last).then_some(slot + 1));
        missing.extend(siblings.filter_map(|sibling| self.missing_child(parent, sibling)));
        Ok(())
    }

    /// The length of the value at a leaf's slot.
    pub(super) fn value_bytes(&self, leaf: BufferRef, slot: usize) -> usize {
        match self.view(leaf).leaf_cell(slot).value {
            LeafValue::Inline(value) => value.len(),
            LeafValue::Overflow { value_bytes, .. } => value_bytes as usize,
        }
    }
}

fn upper_fence(wanted: &Wanted) -> Option<Vec<u8>> {
    match &wanted.expected {
        Expected::Page { upper, .. } => upper.clone(),
        Expected::Value { .. } => None,
    }
}
