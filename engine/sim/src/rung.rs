//! The rungs of the ladder: small crashes, random crashes and faults of storage, damaged directories, the whole engine,
//! then the server on it.

use crate::campaign::JobReport;
use crate::damage;
use crate::exhaustive::{Letter, StartingPoint, run_workload, workload, workload_count};
use crate::round::{Errors, RoundOptions, run_seed};
use crate::storage::StorageSubject;
use crate::whole;
use crate::wire;
use basalt_runtime::sim::planted::{PlantedBug, plant};
use basalt_runtime::sim::{FaultKind, FaultPlan, FaultRate, Random};
use std::fmt;

/// A way of testing; its jobs are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// Workloads of at most four operations, crashed everywhere in every way. Even numbers start on an empty disk, odd
    /// ones on one that has been in use.
    Small,
    /// Random workloads and crashes; a number is a seed.
    Crashes,
    /// The same on a device that fails, and says so.
    Faults,
    /// Directories of a real daemon, damaged in one place; a number is a seed.
    Damage,
    /// The whole engine: tables, clients, shards; a number is a seed.
    Engine,
    /// The same behind DynamoDB's JSON, with a model that knows each answer; a number is a seed.
    Wire,
}

/// Faults that a process may notice but that are no errors: short transfers, slowness, clocks, strange orders.
pub const WEATHER: &[FaultKind] = &[
    FaultKind::ReadShort,
    FaultKind::ReadSlow,
    FaultKind::WriteShort,
    FaultKind::WriteSlow,
    FaultKind::SyncSlow,
    FaultKind::CompletionDelayed,
    FaultKind::WallClockForward,
    FaultKind::WallClockBack,
];

/// Faults that come with an error. What was acknowledged before must stay.
pub const HONEST_FAULTS: &[FaultKind] = &[
    FaultKind::ReadError,
    FaultKind::WriteError,
    FaultKind::WriteErrorPartial,
    FaultKind::WriteNoSpace,
    FaultKind::SyncErrorForgets,
    FaultKind::SyncErrorKeeps,
    FaultKind::SyncErrorAfterwards,
    FaultKind::SyncDirectoryError,
    FaultKind::AllocateError,
    FaultKind::AllocateNoSpace,
    FaultKind::TruncateError,
    FaultKind::PunchError,
    FaultKind::OpenError,
    FaultKind::OpenNoDescriptor,
    FaultKind::CreateNoSpace,
    FaultKind::CloseError,
    FaultKind::SizeError,
    FaultKind::CreateDirectoryError,
    FaultKind::CreateDirectoryNoSpace,
    FaultKind::RenameError,
    FaultKind::RenameNoSpace,
    FaultKind::RemoveError,
    FaultKind::ReadDirectoryError,
    FaultKind::MetadataError,
];

impl Rung {
    /// Every rung, fastest to find things first.
    pub const ALL: [Self; 6] =
        [Self::Small, Self::Crashes, Self::Faults, Self::Damage, Self::Engine, Self::Wire];

    /// Runs the job with this number, with `bug` planted if there is one.
    #[must_use]
    pub fn run(self, number: u64, bug: Option<PlantedBug>) -> JobReport {
        let _planted = bug.map(plant);
        match self {
            Self::Small => small(number),
            Self::Crashes => crashes(number),
            Self::Faults => faults(number),
            Self::Damage => damage::run(number),
            Self::Engine => engine(number),
            Self::Wire => wire(number),
        }
    }

    /// How many jobs there are, if not without end.
    #[must_use]
    pub fn job_count(self) -> Option<u64> {
        (self == Self::Small).then(|| workload_count() * 2)
    }
}

/// The name on the command line.
impl fmt::Display for Rung {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Small => "small",
            Self::Crashes => "crashes",
            Self::Faults => "faults",
            Self::Damage => "damage",
            Self::Engine => "engine",
            Self::Wire => "wire",
        })
    }
}

impl std::str::FromStr for Rung {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|rung| rung.to_string() == text);
        found
            .ok_or_else(|| format!("there is no rung {text}: small, crashes, faults, damage, engine or wire"))
    }
}

fn small(number: u64) -> JobReport {
    let subject = StorageSubject::small();
    let letters = workload(number / 2);
    let start = match number % 2 {
        0 => Ok(StartingPoint::empty()),
        _ => StartingPoint::empty()
            .after(&subject, &[Letter::PutSeveral, Letter::Checkpoint, Letter::PutFirst]),
    };
    match start {
        Ok(start) => run_workload(&subject, &letters, &start).into(),
        Err(violation) => JobReport { violation: Some(violation), ..JobReport::default() },
    }
}

fn crashes(seed: u64) -> JobReport {
    let subject = StorageSubject::any(&mut Random::new(seed ^ 0x5707_A6E5));
    // Every fourth run has weather.
    let per_million = if seed.is_multiple_of(4) { 10_000 } else { 0 };
    let options = RoundOptions { faults: plan(WEATHER, per_million), ..RoundOptions::default() };
    run_seed(&subject, seed, &options).into()
}

fn engine(seed: u64) -> JobReport {
    // Every fourth run has weather.
    let per_million = if seed.is_multiple_of(4) { 10_000 } else { 0 };
    let options =
        RoundOptions { faults: plan(WEATHER, per_million), shard_count_max: 3, ..RoundOptions::default() };
    whole::run_seed(seed, &options).into()
}

fn wire(seed: u64) -> JobReport {
    // Every fourth run has weather, but the calendar jumps only when the model knows of it.
    let is_of_calendar =
        |kind: &FaultKind| [FaultKind::WallClockForward, FaultKind::WallClockBack].contains(kind);
    let kinds: Vec<FaultKind> = WEATHER.iter().copied().filter(|kind| !is_of_calendar(kind)).collect();
    let per_million = if seed.is_multiple_of(4) { 10_000 } else { 0 };
    let options =
        RoundOptions { faults: plan(&kinds, per_million), shard_count_max: 3, ..RoundOptions::default() };
    wire::run_seed(seed, &options).into()
}

fn faults(seed: u64) -> JobReport {
    let mut random = Random::new(seed ^ 0xFA17);
    let subject = StorageSubject::any(&mut random);
    // Many faults at once end every run early; few let it come far.
    let per_million = [200, 1_000, 5_000, 30_000][random.index(4)];
    let kinds: Vec<FaultKind> = match random.below(3) {
        0 => HONEST_FAULTS.to_vec(),
        1 => vec![HONEST_FAULTS[random.index(HONEST_FAULTS.len())]],
        _ => HONEST_FAULTS.iter().chain(WEATHER).copied().filter(|_| random.coin()).collect(),
    };
    let options = RoundOptions {
        faults: plan(&kinds, per_million),
        errors: Errors::AreExpected,
        ..RoundOptions::default()
    };
    run_seed(&subject, seed, &options).into()
}

fn plan(kinds: &[FaultKind], per_million: u32) -> FaultPlan {
    if per_million == 0 {
        return FaultPlan::none();
    }
    kinds.iter().fold(FaultPlan::none(), |plan, &kind| plan.with(kind, FaultRate::PerMillion(per_million)))
}
