//! One process a directory: who comes second waits, then is refused.

use std::path::Path;

use basalt_runtime::{
    ShardIndex,
    sim::{Disk, FaultKind, FaultPlan, FaultRate, SimOptions, Simulation},
};
use basalt_storage::{Node, Refusal, StorageError};

use crate::harness::DIRECTORY;

/// A start while the lock is somebody else's as the plan says; what came of it, and how many seconds it took.
fn start_against(plan: FaultPlan) -> (Result<(), StorageError>, u64) {
    let mut options = SimOptions::new(3);
    options.faults = plan;
    let mut simulation = Simulation::new(options, Disk::new());
    let handle = simulation.handle(ShardIndex(0));
    let outcome = simulation.run_until(ShardIndex(0), async move {
        let started_at = handle.now();
        let result = Node::judge(&handle, Path::new(DIRECTORY), 1).await;
        (result.map(drop), (handle.now() - started_at).as_secs())
    });
    outcome.expect("nothing ends the process")
}

#[test]
fn a_lock_that_comes_free_is_waited_for() {
    let (result, seconds) = start_against(FaultPlan::none().with(FaultKind::LockTaken, FaultRate::Once(0)));
    assert!(result.is_ok(), "{result:?}");
    assert!(seconds < 2);
}

#[test]
fn a_lock_that_is_kept_refuses_after_ten_seconds() {
    let always = FaultRate::PerMillion(1_000_000);
    let (result, seconds) = start_against(FaultPlan::none().with(FaultKind::LockTaken, always));
    assert!(matches!(result, Err(StorageError::Refused(Refusal::Locked { .. }))), "{result:?}");
    assert!((10..12).contains(&seconds), "it took {seconds} s");
}
