//! Faults of the simulated world: which kinds there are, how often they strike, how often they have struck.
//!
//! A kind that never fired in a campaign tested nothing, so each is counted by itself.

use super::Random;
use std::collections::BTreeMap;
use std::path::Path;

macro_rules! fault_kinds {
    ($($(#[$documentation:meta])* $kind:ident,)*) => {
        /// One way in which the world may fail.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FaultKind {
            $($(#[$documentation])* $kind,)*
        }

        impl FaultKind {
            /// Every kind, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];
        }
    };
}

fault_kinds! {
    /// A read fails with EIO.
    ReadError,
    /// A read returns fewer bytes than asked for.
    ReadShort,
    /// A read returns one wrong bit; the disk holds the right one.
    ReadFlipped,
    /// A read returns another place's bytes.
    ReadMisdirected,
    /// A read takes a thousand times as long.
    ReadSlow,
    /// A write fails with EIO and changes nothing.
    WriteError,
    /// A write fails with EIO after some of its sectors were written.
    WriteErrorPartial,
    /// A write fails with ENOSPC.
    WriteNoSpace,
    /// A write writes fewer bytes than asked for, and says so.
    WriteShort,
    /// A write stores one wrong bit.
    WriteFlipped,
    /// A write goes to another place of the same file.
    WriteMisdirected,
    /// A write goes to another file.
    WriteToOtherFile,
    /// A write is acknowledged and never happens.
    WriteLost,
    /// A write is acknowledged and some of its sectors are never written.
    WriteTorn,
    /// A write takes a thousand times as long.
    WriteSlow,
    /// A sync fails, and the system forgets some of what was to be synced (Rebello et al., USENIX ATC 2020).
    SyncErrorForgets,
    /// A sync fails; what was to be synced stays unsynced.
    SyncErrorKeeps,
    /// A sync fails though everything was synced.
    SyncErrorAfterwards,
    /// A sync is acknowledged and never happens.
    SyncLost,
    /// A sync takes a thousand times as long.
    SyncSlow,
    /// A directory's sync fails.
    SyncDirectoryError,
    /// A directory's sync is acknowledged and never happens.
    SyncDirectoryLost,
    /// Reserving space fails with EIO.
    AllocateError,
    /// Reserving space fails with ENOSPC.
    AllocateNoSpace,
    /// Setting a file's size fails.
    TruncateError,
    /// Punching a hole fails.
    PunchError,
    /// Opening a file that is there fails with EIO.
    OpenError,
    /// The process has no descriptor left.
    OpenNoDescriptor,
    /// A new file's name finds no space.
    CreateNoSpace,
    /// Direct access is refused, and the file is opened buffered.
    DirectRefused,
    /// Closing a file reports an error.
    CloseError,
    /// Asking for a file's size fails.
    SizeError,
    /// Making a directory fails with EIO.
    CreateDirectoryError,
    /// Making a directory finds no space.
    CreateDirectoryNoSpace,
    /// Removing a directory fails.
    RemoveDirectoryError,
    /// Renaming fails with EIO.
    RenameError,
    /// Renaming finds no space in the directory.
    RenameNoSpace,
    /// Removing a file fails.
    RemoveError,
    /// Listing a directory fails.
    ReadDirectoryError,
    /// Asking what a path is fails.
    MetadataError,
    /// The lock is somebody else's, for now.
    LockTaken,
    /// The news of an operation comes long after it has happened, and after that of later ones.
    CompletionDelayed,
    /// The calendar's clock jumps forward by up to a day.
    WallClockForward,
    /// The calendar's clock jumps back by up to a day.
    WallClockBack,
}

/// When a kind of fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultRate {
    /// At each opportunity with this chance of a million.
    PerMillion(u32),
    /// At the opportunity with this number, from 0, and never again.
    Once(u64),
}

/// Which faults strike, and where.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    rates: BTreeMap<FaultKind, FaultRate>,
    only_paths_with: Option<String>,
}

impl FaultPlan {
    /// A world without faults.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// This plan with one more kind of fault.
    #[must_use]
    pub fn with(mut self, kind: FaultKind, rate: FaultRate) -> Self {
        self.rates.insert(kind, rate);
        self
    }

    /// This plan, striking only files and directories whose path contains `part`.
    #[must_use]
    pub fn only_paths_with(mut self, part: &str) -> Self {
        self.only_paths_with = Some(part.to_owned());
        self
    }

    /// Whether no fault can strike.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rates.is_empty()
    }
}

/// A plan at work.
#[derive(Debug)]
pub(super) struct Faults {
    plan: FaultPlan,
    random: Random,
    opportunities: BTreeMap<FaultKind, u64>,
    fired: BTreeMap<FaultKind, u64>,
}

impl Faults {
    pub(super) fn new(plan: FaultPlan, random: Random) -> Self {
        Self { plan, random, opportunities: BTreeMap::new(), fired: BTreeMap::new() }
    }

    /// Whether `kind` strikes now, at `path`. Each call is an opportunity.
    pub(super) fn strikes(&mut self, kind: FaultKind, path: &Path) -> bool {
        let Some(&rate) = self.plan.rates.get(&kind) else {
            return false;
        };
        if let Some(part) = &self.plan.only_paths_with
            && !path.to_string_lossy().contains(part.as_str())
        {
            return false;
        }
        let seen = self.opportunities.entry(kind).or_insert(0);
        let number = *seen;
        *seen += 1;
        let struck = match rate {
            FaultRate::PerMillion(per_million) => self.random.below(1_000_000) < u64::from(per_million),
            FaultRate::Once(at) => number == at,
        };
        if struck {
            *self.fired.entry(kind).or_insert(0) += 1;
        }
        struck
    }

    /// The first of `kinds` that strikes.
    pub(super) fn first_of(&mut self, kinds: &[FaultKind], path: &Path) -> Option<FaultKind> {
        kinds.iter().copied().find(|&kind| self.strikes(kind, path))
    }

    /// Where and how badly a fault strikes.
    pub(super) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    pub(super) fn fired(&self) -> &BTreeMap<FaultKind, u64> {
        &self.fired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_strike_at_their_rate_where_they_may_and_are_counted() {
        let plan = FaultPlan::none()
            .with(FaultKind::ReadError, FaultRate::PerMillion(500_000))
            .with(FaultKind::WriteError, FaultRate::Once(2))
            .only_paths_with("/wal/");
        let mut faults = Faults::new(plan, Random::new(5));
        let (log, other) = (Path::new("/wal/1"), Path::new("/part/1"));
        let reads = (0..1000).filter(|_| faults.strikes(FaultKind::ReadError, log)).count();
        assert!((400..600).contains(&reads), "{reads} of 1000 at one half");
        assert!((0..1000).all(|_| !faults.strikes(FaultKind::ReadError, other)));
        let writes: Vec<bool> = (0..5).map(|_| faults.strikes(FaultKind::WriteError, log)).collect();
        assert_eq!(writes, [false, false, true, false, false]);
        assert!(!faults.strikes(FaultKind::SyncLost, log));
        assert_eq!(faults.fired().get(&FaultKind::ReadError), Some(&(reads as u64)));
        assert!(FaultKind::ALL.len() >= 40);
    }
}
