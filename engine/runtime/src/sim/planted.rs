//! Deliberate mistakes, to prove that the simulation would find real ones.
//!
//! The code that must not be wrong asks `planted!(SkipLogSync)` where the mistake would be; the answer is false at
//! compile time unless the feature `planted-bugs` is on, and false at run time unless a test has planted that bug
//! on its thread. Each bug must be caught by the simulation, else the simulation is the bug.

/// Whether the named [`PlantedBug`] is active on this thread: `if planted!(SkipLogSync) { .. }`.
#[macro_export]
macro_rules! planted {
    ($bug:ident) => {
        $crate::sim::planted::is_active($crate::sim::planted::PlantedBug::$bug)
    };
}

macro_rules! planted_bugs {
    ($($(#[$documentation:meta])* $bug:ident,)*) => {
        /// A mistake that can be switched on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum PlantedBug {
            $($(#[$documentation])* $bug,)*
        }

        impl PlantedBug {
            /// Every bug there is, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$bug,)*];
        }
    };
}

planted_bugs! {
    /// The log writes a frame and never syncs it.
    SkipLogSync,
    /// Commits resolve when the frame is written, before its sync has ended.
    AcknowledgeBeforeLogSync,
    /// An extent freed by a generation is given out before the generation after it is durable.
    ReuseExtentEarly,
    /// The log's reader takes a frame whose payload checksum is wrong.
    BelieveTornFrame,
    /// A checkpoint ends without the sync of its superblock, and its log is recycled.
    SkipSuperblockSync,
    /// A checkpoint writes its superblock without the sync of the pages below it.
    SkipPageSync,
    /// A partition file grows, and a superblock names the new length, without a sync of the growth.
    SkipFileGrowthSync,
    /// Recovery goes on behind a torn tail without writing its Cut.
    ForgetCut,
    /// A checkpoint freezes between two keys of one entry.
    FreezeInsideEntry,
    /// A write that changes nothing is answered before the entry that it read is committed.
    AnswerNoOpBeforeCommit,
    /// A read sees entries of the overlay that are not yet committed.
    ReadUncommitted,
    /// A log segment is recycled while a superblock still needs it.
    RecycleSegmentEarly,
    /// A new segment or partition file is used before the sync of its directory.
    SkipDirectorySync,
    /// Recovery takes the older superblock though the newer one is valid.
    PreferOlderSuperblock,
    /// Replay applies an entry that the superblock says is applied.
    ReplayAppliedEntry,
    /// Replay leaves out the last entry of the log.
    DropLastEntry,
    /// A frame's chain to its predecessor is not checked, so that a recycled segment's old frames are believed.
    IgnoreFrameChain,
    /// A failed sync is tried again, and its success is believed.
    RetryFailedSync,
    /// A page is read without comparing its checksum with its parent's pointer.
    SkipPageChecksum,
    /// Entries that must be in one frame may come into two.
    SplitGroup,
    /// A transaction over several shards is committed without a durable decision.
    SkipDecision,
    /// A start does not settle what transactions prepared.
    ForgetPrepared,
    /// A start does not remember the tokens of transactions that ended before it.
    ForgetTokens,
    /// A write of one item does not see that the item belongs to a transaction that has not ended, or that its partition
    /// is being split.
    WritePastLocks,
    /// A transactional read does not see that an item belongs to a transaction that has not ended.
    ReadPastLocks,
    /// A trim of a stream removes records that are not too old.
    TrimFreshStreamRecords,
    /// An item whose expiry changes loses its place in the order of expiry.
    ForgetMovedExpiry,
    /// A base partition's changes are sent to its indexes before their entry is committed.
    SendUncommitted,
    /// An entry that changes indexes does not put its outbox rows.
    LeaveOutOutboxRows,
    /// An index partition notes what it receives in an entry of its own, before the one that takes the changes.
    NoteReceivedApart,
    /// A split opens the children without the last changes of their parent.
    SkipLastCatchUp,
    /// A split forgets what its parent has not delivered to the indexes yet.
    ForgetParentsOutbox,
    /// A superblock that names a newer applied index than the log holds durably is written.
    CheckpointAheadOfLog,
}

/// Whether `bug` is planted on this thread. Constant false without the feature `planted-bugs`.
#[inline]
#[must_use]
pub fn is_active(bug: PlantedBug) -> bool {
    #[cfg(feature = "planted-bugs")]
    return switch::ACTIVE.get() == Some(bug);
    #[cfg(not(feature = "planted-bugs"))]
    {
        let _ = bug;
        false
    }
}

#[cfg(feature = "planted-bugs")]
pub use switch::{Planted, plant};

/// Compiled only where a bug could act, so that a test of one cannot run where it would prove nothing.
#[cfg(feature = "planted-bugs")]
mod switch {
    use super::PlantedBug;
    use std::cell::Cell;

    thread_local! {
        pub(super) static ACTIVE: Cell<Option<PlantedBug>> = const { Cell::new(None) };
    }

    /// Plants `bug` on this thread for as long as the guard lives.
    ///
    /// # Panics
    /// When a bug is planted already: two at once would hide which one was caught.
    #[must_use]
    pub fn plant(bug: PlantedBug) -> Planted {
        let before = ACTIVE.replace(Some(bug));
        assert_eq!(before, None, "one planted bug at a time");
        Planted { _only_by_plant: () }
    }

    /// Keeps a planted bug active; dropping it ends the bug.
    #[derive(Debug)]
    pub struct Planted {
        _only_by_plant: (),
    }

    impl Drop for Planted {
        fn drop(&mut self) {
            ACTIVE.set(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_planted_by_default() {
        assert!(PlantedBug::ALL.iter().all(|&bug| !is_active(bug)));
        assert!(PlantedBug::ALL.len() >= 20);
    }

    #[cfg(feature = "planted-bugs")]
    #[test]
    fn a_bug_lives_as_long_as_its_guard() {
        {
            let _planted = plant(PlantedBug::SkipLogSync);
            assert!(planted!(SkipLogSync));
            assert!(!planted!(ForgetCut));
        }
        assert!(!planted!(SkipLogSync));
    }
}
