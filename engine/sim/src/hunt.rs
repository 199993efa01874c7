//! Planted bugs, each of which a rung must catch within a number of jobs.
//!
//! A checker that cannot fail proves nothing; this table is how we know that ours can.

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

/// Every bug that storage has a place for.
pub const HUNTED: &[Hunt] = &[
    hunted(PlantedBug::SkipLogSync, Rung::Crashes, 200),
    hunted(PlantedBug::AcknowledgeBeforeLogSync, Rung::Crashes, 200),
    hunted(PlantedBug::ReuseExtentEarly, Rung::Crashes, 3000),
    hunted(PlantedBug::BelieveTornFrame, Rung::Crashes, 2000),
    hunted(PlantedBug::SkipSuperblockSync, Rung::Crashes, 2000),
    hunted(PlantedBug::SkipPageSync, Rung::Crashes, 1000),
    hunted(PlantedBug::ReadUncommitted, Rung::Crashes, 1000),
    hunted(PlantedBug::AnswerNoOpBeforeCommit, Rung::Crashes, 1000),
];

const fn hunted(bug: PlantedBug, rung: Rung, jobs_max: u64) -> Hunt {
    Hunt { bug, rung, jobs_max }
}

impl Hunt {
    /// Looks for the bug; `None` if it escaped.
    #[must_use]
    pub fn run(&self) -> Option<Caught> {
        (0..self.jobs_max).find_map(|job| {
            let violation = self.rung.run(job, Some(self.bug)).violation?;
            Some(Caught { job, violation })
        })
    }
}
