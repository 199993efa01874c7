//! The device refuses: the old tree stays in force, and the live one goes on.

use basalt_runtime::sim::{Disk, Random};

use crate::{
    btree::tests::{Harness, Mix, simulate},
    error::StorageError,
};

const MIX: Mix = Mix { keys: 1500, large_value_one_in: 100, ..Mix::USUAL };

#[test]
fn a_full_device_keeps_the_old_tree_and_forgets_nothing() {
    for seed in 0..10 {
        let mut disk = Disk::new();
        disk.set_capacity_bytes(Some(300 << 10));
        let mut refused = 0;
        let (refusals, mut simulation) = simulate(seed, disk, |handle| async move {
            let mut random = Random::new(seed);
            let mut harness = Harness::new(&handle, 4096, 64 << 20);
            let mut durable = harness.model.clone();
            for _ in 0..20 {
                harness.apply(MIX.changes(&mut random, 40)).await;
                let frozen = harness.model.clone();
                match harness.tree.checkpoint(harness.position()).await {
                    Ok(_) => durable = frozen,
                    Err(StorageError::Full { .. }) => refused += 1,
                    Err(error) => panic!("{error}"),
                }
                harness.compare_all().await;
            }
            if durable.is_empty() {
                return refused;
            }
            harness.reopen(64 << 20).await;
            harness.model = durable;
            harness.compare_all().await;
            refused
        });
        assert!(refusals > 0, "the device was too large");
        assert!(simulation.disk_mut().used_bytes() <= 300 << 10);
    }
}

#[test]
fn a_checkpoint_succeeds_when_the_device_has_room_again() {
    let mut disk = Disk::new();
    disk.set_capacity_bytes(Some(400 << 10));
    let (filled, simulation) = simulate(1, disk, |handle| async move {
        let mut random = Random::new(1);
        let mut harness = Harness::new(&handle, 4096, 64 << 20);
        for _ in 0..100 {
            harness.apply(MIX.changes(&mut random, 40)).await;
            if harness.tree.checkpoint(harness.position()).await.is_err() {
                return Some((harness, random));
            }
        }
        None
    });
    let (harness, mut random) = filled.expect("the device fills up");
    let mut simulation = simulation;
    simulation.disk_mut().set_capacity_bytes(None);
    let body = async move {
        let mut harness = harness;
        harness.checkpoint().await;
        harness.compare_all().await;
        harness.apply(MIX.changes(&mut random, 40)).await;
        harness.checkpoint().await;
        let model = harness.model.clone();
        harness.reopen(8 << 20).await;
        harness.model = model;
        harness.compare_all().await;
    };
    simulation.run_until(basalt_runtime::ShardIndex(0), body).expect("everything fits");
}

#[test]
fn failing_writes_of_pages_leave_the_tree_whole() {
    use basalt_runtime::{
        ShardIndex,
        sim::{FaultKind, FaultPlan, FaultRate, SimOptions, Simulation},
    };
    for seed in 0..20 {
        // The first superblock is written after tens of page writes: one in 40 fails, so many checkpoints fail early.
        let faults = FaultPlan::none().with(FaultKind::WriteError, FaultRate::PerMillion(25_000));
        let mut simulation = Simulation::new(SimOptions { faults, ..SimOptions::new(seed) }, Disk::new());
        let handle = simulation.handle(ShardIndex(0));
        let ended = simulation.run_until(ShardIndex(0), async move {
            let mut random = Random::new(seed);
            let mut harness = Harness::new(&handle, 4096, 64 << 20);
            for _ in 0..10 {
                harness.apply(MIX.changes(&mut random, 40)).await;
                let _ = harness.tree.checkpoint(harness.position()).await;
                harness.compare_all().await;
            }
        });
        // A superblock whose write fails ends the process: that is the other allowed end.
        assert!(
            matches!(ended, Ok(()) | Err(basalt_runtime::sim::Ended::Stopped(_))),
            "seed {seed}: {ended:?}"
        );
    }
}
