//! Which part of the shard's log is still needed, and by whom.
//!
//! A superblock needs the log from the first entry behind its applied index. A partition needs what either of its
//! two superblocks needs, since the newer one may turn out damaged; a superblock that does not exist yet needs
//! everything. A partition without entries behind both needs nothing, however old its superblocks are.

use super::Shard;
use crate::ids::{EntryIndex, LogPosition};

/// What the log owes one superblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LogNeed {
    /// The superblock's applied index; zero while it does not exist.
    pub(crate) applied: EntryIndex,
    /// Where the first entry behind `applied` lies, once there is one.
    pub(crate) first_after: Option<LogPosition>,
}

/// The needs of a partition's two superblocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LogNeeds {
    older: LogNeed,
    newer: LogNeed,
    /// Of the superblock that is being written: entries go on being logged meanwhile.
    coming: Option<LogNeed>,
}

impl LogNeeds {
    /// The needs of a file whose superblocks hold these applied indexes, before its log is replayed.
    pub(crate) fn of_superblocks(applied: [EntryIndex; 2]) -> Self {
        let need = |applied| LogNeed { applied, first_after: None };
        Self {
            older: need(applied[0].min(applied[1])),
            newer: need(applied[0].max(applied[1])),
            coming: None,
        }
    }

    /// Takes note of an entry of the partition; entries come in index order.
    pub(crate) fn note_entry(&mut self, index: EntryIndex, position: LogPosition) {
        for need in [&mut self.older, &mut self.newer].into_iter().chain(&mut self.coming) {
            if index > need.applied && need.first_after.is_none() {
                need.first_after = Some(position);
            }
        }
    }

    /// A superblock with this need is about to be written. Replaces one whose writing was given up.
    pub(crate) fn superblock_begun(&mut self, need: LogNeed) {
        self.coming = Some(need);
    }

    /// The superblock begun last was written over the older one.
    pub(crate) fn superblock_written(&mut self) {
        let written = self.coming.take().expect("a superblock is begun before it is written");
        self.older = std::mem::replace(&mut self.newer, written);
    }

    /// What the newer superblock needs, and so a copy of it.
    pub(crate) fn newer(&self) -> LogNeed {
        self.newer
    }

    /// The highest entry that both superblocks cover.
    pub(crate) fn older_applied(&self) -> EntryIndex {
        self.older.applied
    }

    /// The highest entry that a superblock covers.
    pub(crate) fn newest_applied(&self) -> EntryIndex {
        self.newer.applied
    }

    /// Whether a superblock copy would release log that only the older superblock still needs.
    pub(crate) fn copy_releases_log(&self) -> bool {
        self.older.first_after.is_some() && self.older.first_after != self.newer.first_after
    }

    /// The positions needed, of either superblock.
    pub(crate) fn positions(&self) -> impl Iterator<Item = LogPosition> {
        [self.older.first_after, self.newer.first_after].into_iter().flatten()
    }

    /// The oldest position needed, in the order of entries: the older superblock's comes first.
    pub(crate) fn oldest(&self) -> Option<LogPosition> {
        self.older.first_after.or(self.newer.first_after)
    }
}

impl Shard {
    /// Gives back the log that no superblock needs any more.
    pub(super) fn release_log(&self) {
        let Some(wal) = self.wal.get() else { return };
        if !self.recycling.get() {
            return;
        }
        let stream = wal.stream();
        let partitions = self.partitions.borrow();
        let needed = partitions
            .values()
            .flat_map(|state| state.log_needs().positions().collect::<Vec<_>>())
            .filter(|position| position.stream == stream)
            .map(|position| position.lsn)
            .min();
        wal.set_needed_low(needed.unwrap_or_else(|| wal.next_lsn()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Lsn, StreamId};

    fn at(lsn: u64) -> LogPosition {
        LogPosition { stream: StreamId::new(0), lsn: Lsn::new(lsn) }
    }

    fn write_superblock(needs: &mut LogNeeds, applied: u64) {
        needs.superblock_begun(LogNeed { applied: EntryIndex::new(applied), first_after: None });
        needs.superblock_written();
    }

    #[test]
    fn an_entry_logged_while_a_superblock_is_written_is_needed_by_it() {
        let mut needs = LogNeeds::default();
        needs.note_entry(EntryIndex::new(1), at(100));
        needs.superblock_begun(LogNeed { applied: EntryIndex::new(1), first_after: None });
        needs.note_entry(EntryIndex::new(2), at(200));
        needs.superblock_written();
        needs.note_entry(EntryIndex::new(3), at(300));
        write_superblock(&mut needs, 3);
        assert_eq!(needs.oldest(), Some(at(200)), "the older superblock holds entry 1 only");
    }

    #[test]
    fn the_log_is_needed_until_both_superblocks_are_past_it() {
        let mut needs = LogNeeds::default();
        needs.note_entry(EntryIndex::new(1), at(100));
        needs.note_entry(EntryIndex::new(2), at(200));
        assert_eq!(needs.oldest(), Some(at(100)));

        write_superblock(&mut needs, 2);
        assert_eq!(needs.oldest(), Some(at(100)), "the superblock that does not exist yet needs everything");
        assert!(needs.copy_releases_log());

        write_superblock(&mut needs, 2);
        assert_eq!(needs.oldest(), None);
        assert!(!needs.copy_releases_log());

        needs.note_entry(EntryIndex::new(3), at(900));
        assert_eq!(needs.positions().collect::<Vec<_>>(), [at(900), at(900)]);
        assert!(!needs.copy_releases_log(), "a copy of the newer one would need the same");
    }

    #[test]
    fn a_copy_of_a_superblock_releases_what_was_logged_before_it_whatever_came_since() {
        let mut needs = LogNeeds::default();
        needs.note_entry(EntryIndex::new(1), at(100));
        write_superblock(&mut needs, 1);
        needs.note_entry(EntryIndex::new(2), at(200));
        assert!(needs.copy_releases_log());
        needs.superblock_begun(needs.newer());
        needs.note_entry(EntryIndex::new(3), at(300));
        needs.superblock_written();
        assert_eq!(needs.positions().collect::<Vec<_>>(), [at(200), at(200)]);
        assert_eq!(needs.older_applied(), EntryIndex::new(1));
        assert!(!needs.copy_releases_log());
    }

    #[test]
    fn replayed_entries_below_a_superblock_are_not_needed_by_it() {
        let mut needs = LogNeeds::of_superblocks([EntryIndex::new(7), EntryIndex::new(5)]);
        needs.note_entry(EntryIndex::new(6), at(60));
        needs.note_entry(EntryIndex::new(7), at(70));
        needs.note_entry(EntryIndex::new(8), at(80));
        assert_eq!(needs.positions().collect::<Vec<_>>(), [at(60), at(80)]);
    }
}
