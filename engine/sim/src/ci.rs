//! What every change must pass: a portion of each rung, and proof that the portion tested something.
//!
//! A fault that never fired and a branch that was never reached were not tested, however many rounds were good. So each
//! kind of fault that the rungs can fire must fire, and each mark must be passed, but for the exceptions that are listed
//! here with their reasons.

use crate::campaign::{JobReport, Totals};
use crate::marks::MARKS;
use crate::rung::{HONEST_FAULTS, Rung, WEATHER};
use basalt_runtime::sim::FaultKind;
use basalt_runtime::sim::marks::never_hit;
use std::ops::Range;

/// The jobs of each rung: about two minutes on two cores, the hunt the third.
pub const PORTIONS: [(Rung, Range<u64>); 6] = [
    (Rung::Small, 0..60),
    (Rung::Crashes, 0..6000),
    (Rung::Faults, 0..5000),
    (Rung::Damage, 0..3000),
    (Rung::Engine, 0..2000),
    (Rung::Wire, 0..200),
];

/// Seeds of which each is run twice, to the same trace.
pub const REPLAYED: Range<u64> = 0..20;

/// Kinds of faults that these rungs have and that need not fire.
const FAULTS_OUT_OF_REACH: &[(FaultKind, &str)] = &[
    (FaultKind::TruncateError, "rare: files are cut by shards that are idle"),
    (FaultKind::PunchError, "rare: holes are punched by shards that are idle"),
    (FaultKind::SizeError, "rare: storage takes most sizes from directory entries"),
];

/// Marks that these rungs need not pass.
const MARKS_OUT_OF_REACH: &[(&str, &str)] = &[
    ("catalog log read again", "needs 16 MiB of catalog entries in the log"),
    ("completed checkpoint lost", "needs a device that lies about a sync"),
    ("data directory locked by another process", "one process at a time here"),
    ("dirty page evicted", "these workloads fit the smallest pool; storage's own tests have larger ones"),
    ("extent freed while it is read", "needs reads of pages that the pool does not hold"),
    ("partition file closed for another", "needs more partitions; storage's own tests have sixty"),
    ("a split catches up with its writers", "needs more keys written beside a copy than these clients have"),
    (
        "a decided transaction finds damage",
        "needs damage beside a crash; the engine's own test tries every page",
    ),
    (
        "start leaves a transaction in doubt",
        "needs damage beside a crash; the engine's own test tries every page",
    ),
    ("page changed while it was written", "needs a page written for its room alone"),
    ("wal damage before a durable frame refused", "a refusal: no run of these rungs may reach it"),
    ("wal segment that is no longer needed was written over", "rare: not seen in these portions"),
    ("write waits for frames before it", "needs more waiting frames than these workloads write"),
    ("NODE's other copy rejected", "rare: not seen in these portions"),
];

/// The kinds of faults that should have fired and did not.
#[must_use]
pub fn faults_not_fired(totals: &Totals) -> Vec<FaultKind> {
    let is_excused = |kind: &FaultKind| FAULTS_OUT_OF_REACH.iter().any(|(excused, _)| excused == kind);
    let kinds = WEATHER.iter().chain(HONEST_FAULTS).copied();
    kinds.filter(|kind| !totals.faults_fired.contains_key(kind) && !is_excused(kind)).collect()
}

/// The marks that should have been passed and were not.
#[must_use]
pub fn marks_not_hit(totals: &Totals) -> Vec<&'static str> {
    let is_excused = |mark: &&str| MARKS_OUT_OF_REACH.iter().any(|(excused, _)| excused == mark);
    let mut missing = never_hit(MARKS.iter().copied(), &totals.marks);
    missing.retain(|mark| !is_excused(mark));
    missing
}

/// Runs a job twice; `Err` names the job if the second run was another one.
///
/// # Errors
/// The two traces differ: something in the engine does not follow from the seed.
pub fn replay(rung: Rung, job: u64) -> Result<(), String> {
    let [first, second] = [(); 2].map(|()| rung.run(job, None));
    let outcome = |report: &JobReport| (report.trace_hash, report.events, report.operations);
    if outcome(&first) == outcome(&second) {
        return Ok(());
    }
    Err(format!(
        "{rung} job {job} ran differently the second time: {:?}, {:?}",
        outcome(&first),
        outcome(&second)
    ))
}
