//! Planted bugs, each of which a rung must catch within a number of jobs.
//!
//! A checker that cannot fail proves nothing; this table is how we know that ours can.

use crate::campaign::{Campaign, JOB_TIME_MAX, OnFailure};
use crate::oracle::Violation;
use crate::rung::Rung;
use basalt_runtime::sim::planted::PlantedBug;

/// A bug and where it must be caught.
#[derive(Debug, Clone, Copy)]
pub struct Hunt {
    /// What is planted.
    pub bug: PlantedBug,
    /// Where it is looked for.
    pub rung: Rung,
    /// Within how many jobs, from number 0.
    pub jobs_max: u64,
}

/// A bug that was found.
#[derive(Debug, Clone)]
pub struct Caught {
    /// By which job.
    pub job: u64,
    /// How it showed.
    pub violation: Violation,
}

/// Every bug that these rungs can see, within ten times the jobs that each took and more.
///
/// Not here: SplitGroup, which the tests of groups catch; FreezeInsideEntry, CheckpointAheadOfLog and DropLastEntry have
/// no place in storage yet, and SkipPageChecksum shows only on a device that returns wrong bytes, which these rungs do
/// not have.
pub const HUNTED: &[Hunt] = &[
    hunted(PlantedBug::SkipLogSync, Rung::Crashes, 50),
    hunted(PlantedBug::AcknowledgeBeforeLogSync, Rung::Crashes, 100),
    hunted(PlantedBug::ReuseExtentEarly, Rung::Crashes, 100),
    hunted(PlantedBug::BelieveTornFrame, Rung::Crashes, 200),
    hunted(PlantedBug::SkipSuperblockSync, Rung::Crashes, 50),
    hunted(PlantedBug::SkipPageSync, Rung::Crashes, 1000),
    hunted(PlantedBug::AnswerNoOpBeforeCommit, Rung::Crashes, 100),
    hunted(PlantedBug::ReadUncommitted, Rung::Crashes, 100),
    hunted(PlantedBug::RecycleSegmentEarly, Rung::Crashes, 50),
    hunted(PlantedBug::SkipDirectorySync, Rung::Crashes, 50),
    hunted(PlantedBug::PreferOlderSuperblock, Rung::Crashes, 100),
    hunted(PlantedBug::ReplayAppliedEntry, Rung::Crashes, 50),
    hunted(PlantedBug::IgnoreFrameChain, Rung::Crashes, 200),
    hunted(PlantedBug::RetryFailedSync, Rung::Faults, 200),
    hunted(PlantedBug::SkipDecision, Rung::Engine, 200),
    hunted(PlantedBug::ForgetPrepared, Rung::Engine, 300),
    hunted(PlantedBug::SendUncommitted, Rung::Engine, 100),
    hunted(PlantedBug::LeaveOutOutboxRows, Rung::Engine, 50),
    hunted(PlantedBug::NoteReceivedApart, Rung::Engine, 100),
    hunted(PlantedBug::SkipLastCatchUp, Rung::Engine, 50),
    hunted(PlantedBug::ForgetParentsOutbox, Rung::Engine, 1000),
    hunted(PlantedBug::TrimFreshStreamRecords, Rung::Engine, 400),
    hunted(PlantedBug::ForgetMovedExpiry, Rung::Wire, 100),
    hunted(PlantedBug::ForgetTokens, Rung::Wire, 50),
    hunted(PlantedBug::WritePastLocks, Rung::Wire, 200),
    hunted(PlantedBug::ReadPastLocks, Rung::Wire, 400),
];

const fn hunted(bug: PlantedBug, rung: Rung, jobs_max: u64) -> Hunt {
    Hunt { bug, rung, jobs_max }
}

impl Hunt {
    /// Looks for the bug; `None` if it escaped.
    #[must_use]
    pub fn run(&self, threads: usize, on_hang: impl Fn(u64) + Send) -> Option<Caught> {
        let campaign = Campaign {
            jobs: 0..self.jobs_max,
            threads,
            on_failure: OnFailure::Stop,
            time_max: None,
            job_time_max: JOB_TIME_MAX,
        };
        let totals = campaign.run(|job| self.rung.run(job, Some(self.bug)), |_progress| {}, on_hang);
        totals.failures.into_iter().next().map(|(job, violation)| Caught { job, violation })
    }
}
