//! What the two superblocks say, and which generation comes next.

use basalt_format::superblock::Superblock;

use crate::{
    extent::Run,
    ids::{EntryIndex, HybridTime},
};

/// The durable state of a partition's file.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// What superblocks A and B hold.
    pub(super) slots: [SlotState; 2],
    /// The newest valid superblock.
    pub(super) newest: Option<Superblock>,
    /// Extents of the allocation map that it names.
    pub(super) map: Vec<Run>,
    /// The highest generation that anything has named; the next one is above it.
    pub(super) named: u64,
    /// The generation under which a copy of the newest superblock must replace the rejected one before anything
    /// else is written.
    pub(super) replacement: Option<u64>,
    /// Free runs whose space was given back to the file system: (start, length).
    pub(super) punched: Vec<(u64, u64)>,
}

/// What one of the two superblocks holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum SlotState {
    /// Nothing was ever written.
    #[default]
    Absent,
    /// Bytes that are no superblock of this file.
    Rejected,
    /// A superblock.
    Valid { generation: u64, applied: u64, file_blocks: u64 },
}

impl SlotState {
    pub(super) fn valid(superblock: &Superblock) -> Self {
        Self::Valid {
            generation: superblock.generation,
            applied: superblock.applied_index,
            file_blocks: superblock.file_blocks,
        }
    }
}

impl Progress {
    /// The newest durable generation; zero if there is none.
    pub(crate) fn newest_generation(&self) -> u64 {
        self.newest.as_ref().map_or(0, |superblock| superblock.generation)
    }

    /// The generation of the other superblock, if it is valid.
    pub(super) fn older_generation(&self) -> u64 {
        let generations = self.slots.iter().map(|slot| match slot {
            SlotState::Valid { generation, .. } => *generation,
            SlotState::Absent | SlotState::Rejected => 0,
        });
        generations.min().unwrap_or(0)
    }

    /// The entries up to which superblocks A and B hold the tree.
    pub(crate) fn applied(&self) -> [EntryIndex; 2] {
        self.slots.map(|slot| match slot {
            SlotState::Valid { applied, .. } => EntryIndex::new(applied),
            SlotState::Absent | SlotState::Rejected => EntryIndex::default(),
        })
    }

    /// Hybrid time of the newest entry that the file holds.
    pub(crate) fn hybrid_time_max(&self) -> HybridTime {
        HybridTime::new(self.newest.as_ref().map_or(0, |superblock| superblock.applied_hybrid_time))
    }

    /// The longest that a superblock says the file is.
    pub(super) fn file_blocks_max(&self) -> u64 {
        let mentioned = self.slots.iter().map(|slot| match slot {
            SlotState::Valid { file_blocks, .. } => *file_blocks,
            SlotState::Absent | SlotState::Rejected => 0,
        });
        mentioned.max().unwrap_or(0)
    }

    /// Blocks of the allocation map.
    pub(crate) fn map_blocks(&self) -> u64 {
        self.map.iter().map(|run| u64::from(run.blocks)).sum()
    }

    /// The next generation at or above `least`: above every one named, and in the place of the older superblock.
    pub(super) fn next_generation(&self, least: u64) -> u64 {
        let next = least.max(self.named + 1);
        let last = self.replacement.unwrap_or(self.newest_generation());
        if last != 0 && Superblock::block_of(next) == Superblock::block_of(last) { next + 1 } else { next }
    }

    /// A superblock has become durable.
    pub(super) fn written(&mut self, superblock: Superblock) {
        let state = SlotState::valid(&superblock);
        self.slots[slot_of(superblock.generation)] = state;
        self.named = self.named.max(superblock.generation);
        self.replacement = None;
        self.newest = Some(superblock);
    }
}

/// The place of a generation's superblock: 0 for A, 1 for B.
pub(super) fn slot_of(generation: u64) -> usize {
    usize::from(generation.is_multiple_of(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(newest: u64, named: u64, replacement: Option<u64>) -> Progress {
        let newest =
            (newest > 0).then(|| Superblock { generation: newest, ..super::super::tests::superblock() });
        Progress { newest, named, replacement, ..Progress::default() }
    }

    #[test]
    fn the_next_generation_never_takes_the_place_of_the_newest() {
        assert_eq!(progress(0, 0, None).next_generation(1), 1);
        assert_eq!(progress(1, 1, None).next_generation(2), 2);
        assert_eq!(progress(2, 2, None).next_generation(3), 3);
        assert_eq!(progress(2, 3, None).next_generation(4), 5, "generation 3 failed, 4 would overwrite 2");
        assert_eq!(
            progress(7, 8, None).next_generation(9),
            10,
            "8 was acknowledged and is lost, 9 would overwrite 7"
        );
        assert_eq!(
            progress(7, 8, Some(8)).next_generation(9),
            9,
            "the copy of 7 replaces what stood in its place"
        );
    }
}
