//! What replay has read of the log and not yet brought to the partitions.
//!
//! Rows lie in one run of memory in the order of the log, which costs nothing but the copy. They leave it for the trees
//! in key order, the newest of each key only, so that each leaf is looked for once for all rows that go into it; or for
//! the overlays, as entries.
//!
//! Knows no file, no tree and no partition but by its id.

use std::{cmp::Ordering, ops::Range, rc::Rc};

use basalt_format::{
    DecodeError,
    wal::{Effect, Effects},
};
use basalt_runtime::Handle;

use crate::{
    btree::Change,
    ids::{EntryIndex, HybridTime, LogPosition, PartitionId},
    overlay::{KEY_OVERHEAD_BYTES, OverlayEntry},
};

/// Entries of any partitions of a shard, each partition's without gaps.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// Keys and values.
    bytes: Vec<u8>,
    rows: Vec<BacklogRow>,
    entries: Vec<BacklogEntry>,
}

/// What says of an entry where it belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntryPlace {
    pub(super) partition: PartitionId,
    pub(super) index: EntryIndex,
    pub(super) hybrid_time: HybridTime,
    pub(super) position: LogPosition,
}

#[derive(Debug)]
struct BacklogEntry {
    place: EntryPlace,
    /// Its place in `rows`.
    rows: Range<usize>,
}

#[derive(Debug)]
struct BacklogRow {
    /// Its entry's place in `entries`.
    entry: usize,
    /// Places in `bytes`; without a value the row was deleted.
    key: Range<usize>,
    value: Option<Range<usize>>,
}

/// Rows that are sorted, or joined, in one step: some hundred microseconds.
const ROWS_PER_STEP: usize = 2048;

/// What a row is sorted by: its partition, the start of its key as a number, and its place in `rows`.
#[derive(Debug, Clone, Copy)]
struct SortKey {
    partition: PartitionId,
    head: u64,
    row: usize,
}

/// The final rows of one partition, ascending, each key once.
pub(super) struct SortedRows<'a> {
    pub(super) partition: PartitionId,
    /// The last entry whose rows are among them.
    pub(super) through: EntryIndex,
    pub(super) changes: Vec<(&'a [u8], Change<'a>)>,
}

impl Backlog {
    /// Memory that the entries will take in overlays; here it is less.
    pub(super) fn overlay_bytes(&self) -> u64 {
        self.bytes.len() as u64 + self.rows.len() as u64 * KEY_OVERHEAD_BYTES
    }

    /// Adds the entry that follows its partition's last one; `body` is that of its Effects record.
    pub(super) fn push(&mut self, place: EntryPlace, body: &[u8]) -> Result<(), UnusableEffect> {
        let first_row = self.rows.len();
        for effect in Effects::new(body) {
            match effect? {
                Effect::Put { key, value } => self.push_row(key, Some(value)),
                Effect::Delete { key } => self.push_row(key, None),
                Effect::Splice(_) | Effect::DeleteRange { .. } => return Err(UnusableEffect::NeverWritten),
            }
        }
        self.entries.push(BacklogEntry { place, rows: first_row..self.rows.len() });
        Ok(())
    }

    /// The rows as the last entry of each partition left them, by partition. Other tasks run meanwhile.
    pub(super) async fn sorted(&self, handle: &Handle) -> Vec<SortedRows<'_>> {
        let mut sorted: Vec<SortedRows<'_>> = Vec::new();
        for (place, row) in self.in_key_order(handle).await.enumerate() {
            if place.is_multiple_of(ROWS_PER_STEP) {
                handle.yield_if_due().await;
            }
            let partition = self.partition_of(row);
            if sorted.last().is_none_or(|rows| rows.partition != partition) {
                sorted.push(SortedRows { partition, through: EntryIndex::default(), changes: Vec::new() });
            }
            let rows = sorted.last_mut().expect("one was pushed where there was none");
            rows.through = rows.through.max(self.entries[row.entry].place.index);
            let key = self.key(row);
            // Rows of one key come in the order of the log: the last one wins.
            rows.changes.pop_if(|(last, _)| *last == key);
            rows.changes.push((key, self.change(row)));
        }
        sorted
    }

    /// The entries of the partitions that `is_wanted` says, in order.
    pub(super) fn entries(
        &self,
        is_wanted: impl Fn(PartitionId) -> bool,
    ) -> impl Iterator<Item = (PartitionId, OverlayEntry)> {
        let wanted = self.entries.iter().filter(move |entry| is_wanted(entry.place.partition));
        wanted.map(|entry| {
            let EntryPlace { partition, index, hybrid_time, position } = entry.place;
            let rows = &self.rows[entry.rows.clone()];
            let changes = rows.iter().map(|row| (self.key(row).into(), self.value(row).map(Rc::from)));
            (partition, OverlayEntry { index, hybrid_time, position, changes: changes.collect() })
        })
    }

    /// Forgets all entries and keeps the memory for the next ones.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
        self.entries.clear();
    }

    fn push_row(&mut self, key: &[u8], value: Option<&[u8]>) {
        let key = self.push_bytes(key);
        let value = value.map(|value| self.push_bytes(value));
        self.rows.push(BacklogRow { entry: self.entries.len(), key, value });
    }

    fn push_bytes(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// Sorts in runs of one step each, and joins these two by two.
    async fn in_key_order(&self, handle: &Handle) -> impl Iterator<Item = &BacklogRow> {
        let mut keys = Vec::with_capacity(self.rows.len());
        for rows in self.rows.chunks(ROWS_PER_STEP) {
            let first = keys.len();
            keys.extend(rows.iter().enumerate().map(|(place, row)| self.sort_key(row, first + place)));
            keys[first..].sort_unstable_by(|left, right| self.order(left, right));
            handle.yield_if_due().await;
        }
        let mut run_length = ROWS_PER_STEP;
        while run_length < keys.len() {
            let mut joined = Vec::with_capacity(keys.len());
            for pair in keys.chunks(2 * run_length) {
                let (left, right) = pair.split_at(run_length.min(pair.len()));
                self.join(left, right, &mut joined, handle).await;
            }
            keys = joined;
            run_length *= 2;
        }
        keys.into_iter().map(|key| &self.rows[key.row])
    }

    /// Appends two sorted runs to `joined`, as one.
    async fn join(
        &self,
        mut left: &[SortKey],
        mut right: &[SortKey],
        joined: &mut Vec<SortKey>,
        handle: &Handle,
    ) {
        while let (Some(first), Some(second)) = (left.first(), right.first()) {
            if self.order(first, second).is_le() {
                joined.push(*first);
                left = &left[1..];
            } else {
                joined.push(*second);
                right = &right[1..];
            }
            if joined.len().is_multiple_of(ROWS_PER_STEP) {
                handle.yield_if_due().await;
            }
        }
        joined.extend_from_slice(left);
        joined.extend_from_slice(right);
    }

    fn sort_key(&self, row: &BacklogRow, place: usize) -> SortKey {
        SortKey { partition: self.partition_of(row), head: head_of(self.key(row)), row: place }
    }

    fn order(&self, left: &SortKey, right: &SortKey) -> Ordering {
        let heads = (left.partition, left.head).cmp(&(right.partition, right.head));
        heads
            .then_with(|| self.key(&self.rows[left.row]).cmp(self.key(&self.rows[right.row])))
            .then_with(|| left.row.cmp(&right.row))
    }

    fn partition_of(&self, row: &BacklogRow) -> PartitionId {
        self.entries[row.entry].place.partition
    }

    fn key(&self, row: &BacklogRow) -> &[u8] {
        &self.bytes[row.key.clone()]
    }

    fn value(&self, row: &BacklogRow) -> Option<&[u8]> {
        row.value.clone().map(|value| &self.bytes[value])
    }

    fn change(&self, row: &BacklogRow) -> Change<'_> {
        match self.value(row) {
            Some(value) => Change::Put { value, last_write: self.entries[row.entry].place.hybrid_time },
            None => Change::Delete,
        }
    }
}

/// Why an effect cannot be replayed, although its frame is whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnusableEffect {
    #[error(transparent)]
    Format(#[from] DecodeError),
    #[error("an effect of a kind that this version does not write")]
    NeverWritten,
}

/// The first bytes of a key as a number that orders like them. A tag and most of a hash tell nearly all keys apart.
fn head_of(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = key.len().min(bytes.len());
    bytes[..length].copy_from_slice(&key[..length]);
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use basalt_runtime::{
        ShardIndex,
        sim::{Disk, SimOptions, Simulation},
    };
    use proptest::prelude::*;

    use super::*;
    use crate::ids::{Lsn, StreamId};

    type Model = BTreeMap<(u64, Vec<u8>), Option<Vec<u8>>>;
    type PlannedEntry = (u64, Vec<(Vec<u8>, Option<Vec<u8>>)>);

    fn planned_entries() -> impl Strategy<Value = Vec<PlannedEntry>> {
        let key = proptest::collection::vec(0..3u8, 1..12);
        let value = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9));
        let entry = (1..4u64, proptest::collection::vec((key, value), 1..5));
        proptest::collection::vec(entry, 0..40)
    }

    /// Numbers the entries of each partition from 1 on.
    fn backlog_of(planned: &[PlannedEntry]) -> Backlog {
        let mut backlog = Backlog::default();
        let mut last = BTreeMap::<u64, u64>::new();
        for (partition, changes) in planned {
            let index = last.entry(*partition).or_default();
            *index += 1;
            let mut body = Vec::new();
            for (key, value) in changes {
                match value {
                    Some(value) => Effect::put(&mut body, key, value),
                    None => Effect::delete(&mut body, key),
                }
            }
            let place = EntryPlace {
                partition: PartitionId::new(*partition),
                index: EntryIndex::new(*index),
                hybrid_time: HybridTime::new(*index * 10),
                position: LogPosition { stream: StreamId::new(0), lsn: Lsn::new(*index * 4096) },
            };
            backlog.push(place, &body).expect("the body was made just now");
        }
        backlog
    }

    /// Runs `look` on the sorted rows.
    fn with_sorted<T: 'static>(backlog: Backlog, look: impl FnOnce(Vec<SortedRows<'_>>) -> T + 'static) -> T {
        const SHARD: ShardIndex = ShardIndex(0);
        let mut simulation = Simulation::new(SimOptions::new(1), Disk::new());
        let handle = simulation.handle(SHARD);
        let looking = async move { look(backlog.sorted(&handle).await) };
        simulation.run_until(SHARD, looking).expect("sorting comes to an end")
    }

    /// The rows found, and for each partition the last entry; ascending keys are seen to.
    fn looked_at(sorted: Vec<SortedRows<'_>>) -> (Model, BTreeMap<u64, u64>) {
        let (mut found, mut through) = (Model::new(), BTreeMap::new());
        for rows in sorted {
            assert!(rows.changes.is_sorted_by(|left, right| left.0 < right.0));
            through.insert(rows.partition.get(), rows.through.get());
            for (key, change) in &rows.changes {
                let value = match change {
                    Change::Put { value, .. } => Some(value.to_vec()),
                    Change::Delete => None,
                };
                found.insert((rows.partition.get(), key.to_vec()), value);
            }
        }
        (found, through)
    }

    proptest! {
        #[test]
        fn sorted_rows_are_what_the_entries_leave_behind(planned in planned_entries()) {
            let backlog = backlog_of(&planned);
            let mut model = Model::new();
            for (partition, changes) in &planned {
                for (key, value) in changes {
                    model.insert((*partition, key.clone()), value.clone());
                }
            }
            let (found, through) = with_sorted(backlog, looked_at);
            for (&partition, &last) in &through {
                let written = planned.iter().filter(|(of, _)| *of == partition);
                prop_assert_eq!(last, written.count() as u64);
            }
            prop_assert_eq!(found, model);
        }

        #[test]
        fn entries_come_back_as_they_were_logged(planned in planned_entries()) {
            let backlog = backlog_of(&planned);
            let found: Vec<PlannedEntry> = backlog
                .entries(|partition| partition.get() != 2)
                .map(|(partition, entry)| {
                    let changes = entry.changes.iter()
                        .map(|(key, value)| (key.to_vec(), value.as_ref().map(|value| value.to_vec())));
                    (partition.get(), changes.collect())
                })
                .collect();
            let expected: Vec<PlannedEntry> =
                planned.into_iter().filter(|(partition, _)| *partition != 2).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn many_steps_sort_as_one() {
        let number = |place: u64| (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40).to_be_bytes().to_vec();
        let entries = 5 * ROWS_PER_STEP as u64 + 7;
        let planned: Vec<PlannedEntry> = (0..entries)
            .map(|place| (1 + place % 2, vec![(number(place), Some(number(place + 1)))]))
            .collect();
        let mut model = Model::new();
        for (partition, changes) in &planned {
            model.extend(changes.iter().map(|(key, value)| ((*partition, key.clone()), value.clone())));
        }
        let (found, _) = with_sorted(backlog_of(&planned), looked_at);
        assert!(found == model);
    }

    #[test]
    fn a_cleared_backlog_is_empty() {
        let mut backlog = backlog_of(&[(1, vec![(b"key".to_vec(), Some(b"value".to_vec()))])]);
        assert_eq!(backlog.overlay_bytes(), KEY_OVERHEAD_BYTES + 8);
        backlog.clear();
        assert_eq!(backlog.overlay_bytes(), 0);
        assert_eq!(backlog.entries(|_any| true).count(), 0);
        assert_eq!(with_sorted(backlog, |sorted| sorted.len()), 0);
    }
}
