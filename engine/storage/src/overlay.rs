//! The entries of one partition that its tree does not hold yet: (applied, last].
//!
//! Owned by the partition, on its shard. Writes are evaluated against all of it; reads see the part that is
//! committed. An entry leaves when the tree has taken it, whole.
//!
//! Invariants:
//! - `entries` is gapless and starts at `applied + 1`.
//! - `rows` holds exactly the keys that `entries` name, each with its versions in index order.

use std::{collections::BTreeMap, collections::VecDeque, ops::Bound, rc::Rc};

use crate::{
    ids::{EntryIndex, HybridTime, LogPosition},
    range::{Direction, KeyRange},
};

/// What an entry did to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) index: EntryIndex,
    pub(crate) last_write: HybridTime,
    /// The row's bytes; `None` when the entry deleted it.
    pub(crate) value: Option<Rc<[u8]>>,
}

/// One key's change in an entry: its new value, or `None` for its deletion.
pub(crate) type KeyChange = (Rc<[u8]>, Option<Rc<[u8]>>);

/// An entry as it came from an evaluation or from the log.
#[derive(Debug)]
pub(crate) struct OverlayEntry {
    pub(crate) index: EntryIndex,
    pub(crate) hybrid_time: HybridTime,
    pub(crate) position: LogPosition,
    /// A later change of the same key wins.
    pub(crate) changes: Vec<KeyChange>,
}

#[derive(Debug)]
struct PendingEntry {
    index: EntryIndex,
    position: LogPosition,
    keys: Box<[Rc<[u8]>]>,
    bytes: u64,
}

/// A key's versions; almost every key has one, which costs no allocation of its own.
#[derive(Debug)]
struct Versions {
    newest: Version,
    /// Ascending by index.
    older: Vec<Version>,
}

/// Bytes of bookkeeping a changed key costs beside its own bytes: map slot, versions, counts.
pub(crate) const KEY_OVERHEAD_BYTES: u64 = 120;

/// Entries of a partition that are logged but not in its tree.
#[derive(Debug)]
pub(crate) struct Overlay {
    rows: BTreeMap<Rc<[u8]>, Versions>,
    entries: VecDeque<PendingEntry>,
    applied: EntryIndex,
    bytes: u64,
}

/// The final effect of some whole entries, for the tree.
#[derive(Debug)]
pub(crate) struct ApplyBatch {
    /// The highest entry in it.
    pub(crate) through: EntryIndex,
    /// Each key once, ascending, with what the entries left of it.
    pub(crate) rows: Vec<(Rc<[u8]>, Version)>,
}

impl Overlay {
    /// An overlay over a tree that holds every entry up to `applied`.
    pub(crate) fn new(applied: EntryIndex) -> Self {
        Self { rows: BTreeMap::new(), entries: VecDeque::new(), applied, bytes: 0 }
    }

    /// The highest entry that the tree holds.
    pub(crate) fn applied(&self) -> EntryIndex {
        self.applied
    }

    /// The highest entry there is.
    pub(crate) fn last(&self) -> EntryIndex {
        self.entries.back().map_or(self.applied, |entry| entry.index)
    }

    /// Memory held, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where the log is still needed from, if the tree is written as it stands.
    pub(crate) fn first_position(&self) -> Option<LogPosition> {
        self.entries.front().map(|entry| entry.position)
    }

    /// Adds the entry that follows the last one.
    pub(crate) fn push(&mut self, entry: OverlayEntry) {
        assert_eq!(entry.index, self.last().next(), "entries of a partition have no gaps");
        let OverlayEntry { index, hybrid_time, position, changes } = entry;
        let keys = changes.iter().map(|(key, _)| Rc::clone(key)).collect();
        let mut bytes = 0;
        for (key, value) in changes {
            bytes += KEY_OVERHEAD_BYTES + (key.len() + value.as_ref().map_or(0, |value| value.len())) as u64;
            self.add_version(key, Version { index, last_write: hybrid_time, value });
        }
        self.bytes += bytes;
        self.entries.push_back(PendingEntry { index, position, keys, bytes });
    }

    /// The version of `key` that a reader of all entries up to `horizon` sees; `None`: ask the tree.
    pub(crate) fn get(&self, key: &[u8], horizon: EntryIndex) -> Option<&Version> {
        self.rows.get(key).and_then(|versions| versions.at(horizon))
    }

    /// The keys of `range` that entries up to `horizon` changed, in `direction`.
    pub(crate) fn range<'a>(
        &'a self,
        range: KeyRange<'_>,
        direction: Direction,
        horizon: EntryIndex,
    ) -> OverlayRange<'a> {
        // BTreeMap::range panics on reversed bounds, which are an empty range here.
        let rows = if range.is_empty() {
            None
        } else {
            Some(self.rows.range::<[u8], (Bound<&[u8]>, Bound<&[u8]>)>((range.from, range.to)))
        };
        OverlayRange { rows, direction, horizon }
    }

    /// Takes whole entries up to `committed`, until `keys_max` keys or `bytes_max` bytes are reached.
    ///
    /// `None` when nothing is committed that the tree lacks. The entries stay until [`Overlay::retire`].
    pub(crate) fn next_batch(
        &self,
        committed: EntryIndex,
        keys_max: usize,
        bytes_max: u64,
    ) -> Option<ApplyBatch> {
        let mut keys: Vec<Rc<[u8]>> = Vec::new();
        let mut bytes = 0;
        let mut last = None;
        for entry in self.entries.iter().take_while(|entry| entry.index <= committed) {
            let fits = keys.len() + entry.keys.len() <= keys_max && bytes + entry.bytes <= bytes_max;
            if last.is_some() && !fits {
                break;
            }
            keys.extend(entry.keys.iter().cloned());
            bytes += entry.bytes;
            last = Some(entry.index);
        }
        let through = last?;
        keys.sort_unstable();
        keys.dedup();
        let rows = keys.into_iter().map(|key| self.final_row(key, through)).collect();
        Some(ApplyBatch { through, rows })
    }

    /// Forgets every entry up to `through`, which the tree has taken. Returns the bytes given back.
    pub(crate) fn retire(&mut self, through: EntryIndex) -> u64 {
        assert!(through <= self.last(), "only entries that are there can be retired");
        let before = self.bytes;
        while self.entries.front().is_some_and(|entry| entry.index <= through) {
            let entry = self.entries.pop_front().expect("front was just seen");
            for key in &entry.keys {
                self.drop_versions(key, entry.index);
            }
            self.bytes -= entry.bytes;
            self.applied = entry.index;
        }
        before - self.bytes
    }

    /// Takes note that the tree holds every entry up to `applied`, none of which was ever here.
    pub(crate) fn advance(&mut self, applied: EntryIndex) {
        assert!(self.entries.is_empty(), "the tree takes entries in order");
        assert!(applied >= self.applied, "a tree never goes back");
        self.applied = applied;
    }

    /// Forgets every entry, as if the tree had taken them all. Returns the bytes given back.
    pub(crate) fn forget(&mut self) -> u64 {
        self.applied = self.last();
        self.entries.clear();
        self.rows.clear();
        std::mem::take(&mut self.bytes)
    }

    fn final_row(&self, key: Rc<[u8]>, through: EntryIndex) -> (Rc<[u8]>, Version) {
        let version =
            self.get(&key, through).expect("an entry's keys have versions until it is retired").clone();
        (key, version)
    }

    fn add_version(&mut self, key: Rc<[u8]>, version: Version) {
        match self.rows.get_mut(&key) {
            None => {
                self.rows.insert(key, Versions { newest: version, older: Vec::new() });
            }
            Some(versions) => versions.push(version),
        }
    }

    fn drop_versions(&mut self, key: &Rc<[u8]>, through: EntryIndex) {
        let Some(versions) = self.rows.get_mut(key) else {
            return; // The entry named this key twice, and the first time dropped it.
        };
        if versions.newest.index <= through {
            self.rows.remove(key);
        } else {
            versions.older.retain(|version| version.index > through);
        }
    }
}

impl Versions {
    fn push(&mut self, version: Version) {
        assert!(self.newest.index <= version.index, "versions of a key come in index order");
        let replaced = std::mem::replace(&mut self.newest, version);
        if replaced.index < self.newest.index {
            self.older.push(replaced);
        }
    }

    fn at(&self, horizon: EntryIndex) -> Option<&Version> {
        if self.newest.index <= horizon {
            return Some(&self.newest);
        }
        self.older.iter().rev().find(|version| version.index <= horizon)
    }
}

/// Walks the changed keys of a range; made by [`Overlay::range`].
#[derive(Debug)]
pub(crate) struct OverlayRange<'a> {
    rows: Option<std::collections::btree_map::Range<'a, Rc<[u8]>, Versions>>,
    direction: Direction,
    horizon: EntryIndex,
}

impl<'a> Iterator for OverlayRange<'a> {
    type Item = (&'a [u8], &'a Version);

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows.as_mut()?;
        loop {
            let (key, versions) = match self.direction {
                Direction::Forward => rows.next()?,
                Direction::Backward => rows.next_back()?,
            };
            if let Some(version) = versions.at(self.horizon) {
                return Some((key, version));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Lsn, StreamId};

    fn entry(index: u64, changes: &[(&str, Option<&str>)]) -> OverlayEntry {
        OverlayEntry {
            index: EntryIndex::new(index),
            hybrid_time: HybridTime::new(index * 10),
            position: LogPosition { stream: StreamId::new(0), lsn: Lsn::new(index * 4096) },
            changes: changes
                .iter()
                .map(|(key, value)| (Rc::from(key.as_bytes()), value.map(|value| Rc::from(value.as_bytes()))))
                .collect(),
        }
    }

    fn seen(overlay: &Overlay, horizon: u64, direction: Direction) -> Vec<(String, Option<String>)> {
        overlay
            .range(KeyRange::ALL, direction, EntryIndex::new(horizon))
            .map(|(key, version)| {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("test keys are text");
                (text(key), version.value.as_deref().map(text))
            })
            .collect()
    }

    #[test]
    fn readers_see_only_entries_up_to_their_horizon() {
        let mut overlay = Overlay::new(EntryIndex::new(4));
        overlay.push(entry(5, &[("a", Some("1")), ("b", Some("1"))]));
        overlay.push(entry(6, &[("a", Some("2")), ("c", None)]));
        let at = |horizon| {
            overlay.get(b"a", EntryIndex::new(horizon)).and_then(|version| version.value.as_deref())
        };
        assert_eq!(at(4), None);
        assert_eq!(at(5), Some(b"1".as_slice()));
        assert_eq!(at(6), Some(b"2".as_slice()));
        assert_eq!(seen(&overlay, 5, Direction::Forward).len(), 2);
        let backward = seen(&overlay, 6, Direction::Backward);
        assert_eq!(backward[0], ("c".to_owned(), None));
        assert_eq!(backward[2], ("a".to_owned(), Some("2".to_owned())));
    }

    #[test]
    fn retired_entries_leave_nothing_behind() {
        let mut overlay = Overlay::new(EntryIndex::new(0));
        overlay.push(entry(1, &[("a", Some("1")), ("a", Some("1b"))]));
        overlay.push(entry(2, &[("a", None), ("b", Some("2"))]));
        let after_first = overlay.retire(EntryIndex::new(1));
        assert!(after_first > 0);
        assert_eq!(overlay.applied(), EntryIndex::new(1));
        assert_eq!(overlay.get(b"a", EntryIndex::new(1)), None);
        overlay.retire(EntryIndex::new(2));
        assert_eq!(overlay.bytes(), 0);
        assert!(overlay.rows.is_empty());
        assert_eq!(overlay.last(), EntryIndex::new(2));
    }

    #[test]
    fn a_batch_holds_whole_entries_and_each_key_once() {
        let mut overlay = Overlay::new(EntryIndex::new(0));
        overlay.push(entry(1, &[("b", Some("1")), ("a", Some("1"))]));
        overlay.push(entry(2, &[("b", Some("2")), ("c", Some("2"))]));
        overlay.push(entry(3, &[("d", Some("3"))]));
        assert!(overlay.next_batch(EntryIndex::new(0), 10, u64::MAX).is_none());
        let batch = overlay.next_batch(EntryIndex::new(2), 10, u64::MAX).expect("two entries are committed");
        assert_eq!(batch.through, EntryIndex::new(2));
        assert_eq!(batch.rows.iter().map(|(key, _)| key.to_vec()).collect::<Vec<_>>(), [b"a", b"b", b"c"]);
        let one = overlay.next_batch(EntryIndex::new(3), 1, u64::MAX).expect("one entry always fits");
        assert_eq!(one.through, EntryIndex::new(1));
    }

    #[test]
    #[should_panic(expected = "no gaps")]
    fn a_gap_is_a_broken_invariant() {
        Overlay::new(EntryIndex::new(1)).push(entry(3, &[("a", None)]));
    }
}
