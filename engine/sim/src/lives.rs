//! The lives of one simulated process on one disk: starts that may be crashed, and ends of every kind.

use crate::oracle::Violation;
use crate::round::{Errors, RoundOptions, SeedReport};
use basalt_runtime::sim::{CrashPolicy, Disk, Ended, FaultPlan, Random, SimOptions, Simulation};

/// Turns of all shards in one process's life: a hundred times what a round takes.
const TURNS_MAX: u64 = 3_000_000;
/// Recoveries are crashed within this many I/O events.
const RECOVERY_EVENTS: u64 = 40;
/// Starts that may fail because of a fault before the device behaves.
const FAULTY_STARTS_MAX: u32 = 4;

/// Why something was not done.
pub(crate) enum Stop {
    /// The run ended.
    Ended(Ended),
    /// The process would not go on.
    Refused(String),
    /// What must not happen has.
    Violation(Violation),
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl From<Ended> for Stop {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

/// Starts and ends processes, and counts.
pub(crate) struct Lives<'a> {
    pub(crate) options: &'a RoundOptions,
    pub(crate) random: Random,
    pub(crate) report: SeedReport,
}

impl<'a> Lives<'a> {
    pub(crate) fn new(seed: u64, options: &'a RoundOptions) -> Self {
        Self { options, random: Random::new(seed), report: SeedReport::default() }
    }

    /// Starts the process by `start_once` until it is up and verified; it may be crashed on the way.
    pub(crate) fn start<T>(
        &mut self,
        mut disk: Disk,
        mut start_once: impl FnMut(&mut Simulation) -> Result<T, Stop>,
    ) -> Result<(Simulation, T), Violation> {
        for attempt in 0.. {
            let mut simulation = Simulation::new(self.options_of_attempt(attempt), disk);
            disk = match start_once(&mut simulation) {
                Ok(started) => {
                    simulation.crash_at_event(None);
                    return Ok((simulation, started));
                }
                Err(Stop::Violation(violation)) => return Err(violation),
                Err(Stop::Ended(ended)) => self.disk_after(simulation, ended)?,
                Err(Stop::Refused(reason))
                    if self.options.errors == Errors::AreViolations || attempt > FAULTY_STARTS_MAX =>
                {
                    return Err(Violation::Failed(format!("the process refused its own disk: {reason}")));
                }
                Err(Stop::Refused(_)) => self.end(simulation),
            };
        }
        unreachable!("the loop ends by returning")
    }

    /// The first attempts may crash and meet faults; after that the device behaves, and the process must start.
    fn options_of_attempt(&mut self, attempt: u32) -> SimOptions {
        let crash_permille = match attempt {
            0 => self.options.second_crash_permille,
            1 => self.options.third_crash_permille,
            _ => 0,
        };
        let crashes = self.random.chance(crash_permille);
        let shard_count = self.random.between(1, u64::from(self.options.shard_count_max));
        SimOptions {
            shard_count: u16::try_from(shard_count).expect("at most shard_count_max"),
            turns_max: TURNS_MAX,
            faults: if attempt < FAULTY_STARTS_MAX { self.options.faults.clone() } else { FaultPlan::none() },
            crash_at_event: crashes.then(|| self.random.between(1, RECOVERY_EVENTS)),
            ..SimOptions::new(self.random.next_u64())
        }
    }

    /// The disk after a run that has ended by itself, if it was allowed to.
    pub(crate) fn disk_after(&mut self, simulation: Simulation, ended: Ended) -> Result<Disk, Violation> {
        let may_stop = self.options.errors == Errors::AreExpected;
        match ended {
            Ended::AtEvent => Ok(self.end(simulation)),
            Ended::Stopped(_) if may_stop => Ok(self.end(simulation)),
            Ended::Stopped(reason) => Err(Violation::Failed(format!("the process stopped itself: {reason}"))),
            Ended::Panicked(reason) => Err(Violation::Failed(format!("a panic: {reason}"))),
            Ended::Stalled => Err(Violation::Failed("everybody waits for ever".to_owned())),
            Ended::OutOfTurns => Err(Violation::Failed("the process goes round in circles".to_owned())),
            Ended::OutOfTime => Err(Violation::Failed("an hour has passed and nothing is done".to_owned())),
        }
    }

    /// Takes the process its power, or its life.
    pub(crate) fn end(&mut self, simulation: Simulation) -> Disk {
        self.note_end(&simulation);
        self.report.crashes += 1;
        match self.random.below(20) {
            0..3 => simulation.kill(),
            3..6 => simulation.lose_power(CrashPolicy::LoseUnsynced),
            _ => simulation.lose_power(CrashPolicy::Any),
        }
    }

    pub(crate) fn note_end(&mut self, simulation: &Simulation) {
        let report = &mut self.report;
        report.events += simulation.event_count();
        report.trace_hash = report.trace_hash.rotate_left(7) ^ simulation.trace_hash();
        for (kind, count) in simulation.faults_fired() {
            *report.faults_fired.entry(kind).or_insert(0) += count;
        }
    }
}
