//! The harness itself, on a subject that is known to be right, or known to be wrong.

mod toy_log;

use basalt_runtime::sim::planted::{PlantedBug, plant};
use basalt_runtime::sim::{FaultKind, FaultPlan, FaultRate};
use basalt_sim::exhaustive::{Letter, StartingPoint, run_workload, workload, workload_count};
use basalt_sim::round::{Errors, RoundOptions, run_seed};
use toy_log::ToyLog;

#[test]
fn a_right_log_survives_every_crash() {
    let (mut crashes, mut operations) = (0, 0);
    for seed in 0..300 {
        let report = run_seed(&ToyLog, seed, &RoundOptions::default());
        assert_eq!(report.violation, None, "seed {seed}");
        assert!(report.rounds > 0);
        crashes += report.crashes;
        operations += report.operations;
    }
    assert!(crashes > 600, "{crashes} crashes");
    assert!(operations > 20_000, "{operations} operations");
}

#[test]
fn a_seed_run_twice_is_the_same_run() {
    for seed in 0..40 {
        let first = run_seed(&ToyLog, seed, &RoundOptions::default());
        let second = run_seed(&ToyLog, seed, &RoundOptions::default());
        assert_eq!(first.trace_hash, second.trace_hash, "seed {seed}");
        assert_eq!(first.operations, second.operations, "seed {seed}");
    }
}

#[test]
fn a_device_that_fails_aloud_loses_nothing() {
    let faults = [
        FaultKind::WriteError,
        FaultKind::WriteErrorPartial,
        FaultKind::WriteNoSpace,
        FaultKind::WriteShort,
        FaultKind::SyncErrorForgets,
        FaultKind::SyncErrorKeeps,
        FaultKind::SyncErrorAfterwards,
        FaultKind::SyncSlow,
        FaultKind::ReadError,
        FaultKind::CompletionDelayed,
    ];
    let plan =
        faults.iter().fold(FaultPlan::none(), |plan, &kind| plan.with(kind, FaultRate::PerMillion(4_000)));
    let options = RoundOptions { faults: plan, errors: Errors::AreExpected, ..RoundOptions::default() };
    let mut fired = std::collections::BTreeMap::new();
    for seed in 0..300 {
        let report = run_seed(&ToyLog, seed, &options);
        assert_eq!(report.violation, None, "seed {seed}");
        for (kind, count) in report.faults_fired {
            *fired.entry(kind).or_insert(0) += count;
        }
    }
    for kind in faults {
        assert!(fired.contains_key(&kind), "{kind:?} never struck");
    }
}

#[test]
fn planted_bugs_are_caught_within_a_few_hundred_seeds() {
    for bug in [
        PlantedBug::SkipLogSync,
        PlantedBug::AcknowledgeBeforeLogSync,
        PlantedBug::BelieveTornFrame,
        PlantedBug::SkipDirectorySync,
        PlantedBug::AnswerNoOpBeforeCommit,
        PlantedBug::ReadUncommitted,
        PlantedBug::DropLastEntry,
    ] {
        let _planted = plant(bug);
        let caught =
            (0..500).find(|&seed| run_seed(&ToyLog, seed, &RoundOptions::default()).violation.is_some());
        assert!(caught.is_some(), "{bug:?} was not caught");
    }
}

#[test]
fn a_right_log_survives_small_workloads_crashed_everywhere() {
    let used =
        StartingPoint::empty().after(&ToyLog, &[Letter::PutSeveral, Letter::DeleteFirst]).expect("no crash");
    let mut crash_states = 0;
    for number in (0..workload_count()).step_by(211) {
        for start in [&StartingPoint::empty(), &used] {
            let report = run_workload(&ToyLog, &workload(number), start);
            assert_eq!(report.violation, None, "workload {number}: {:?}", workload(number));
            crash_states += report.crash_states;
        }
    }
    assert!(crash_states > 5_000, "{crash_states} crash states");
}

#[test]
fn small_workloads_catch_planted_bugs_too() {
    for bug in [PlantedBug::SkipLogSync, PlantedBug::BelieveTornFrame, PlantedBug::SkipDirectorySync] {
        let _planted = plant(bug);
        let caught = (0..200).find(|&number| {
            run_workload(&ToyLog, &workload(number), &StartingPoint::empty()).violation.is_some()
        });
        assert!(caught.is_some(), "{bug:?} was not caught");
    }
}
