//! Power is lost at any I/O event, again and again: the file always holds exactly one of the trees that were
//! checkpointed, and never an older one than the last that was reported done.

use std::{cell::RefCell, collections::BTreeMap, path::Path, rc::Rc};

use basalt_runtime::{
    Handle, ShardIndex,
    sim::{CrashPolicy, Disk, Ended, Random, SimOptions, Simulation},
};

use crate::{
    btree::tests::{Harness, Mix, Model, seeds_of},
    checkpoint::Compact,
};

const PAGE_BYTES: u32 = 4096;

/// What is known of the file from outside.
struct History {
    /// The tree at each checkpoint that was begun, by its applied index.
    begun: BTreeMap<u64, Model>,
    /// The newest checkpoint that was reported done: its applied index and generation.
    done: (u64, u64),
}

async fn open_and_judge(handle: &Handle, history: &RefCell<History>, pool_bytes: u64) -> Harness {
    let (done_index, done_generation) = history.borrow().done;
    let mut harness =
        Harness::open(handle, PAGE_BYTES, pool_bytes, done_generation).await.expect("the file is sound");
    let applied = harness.applied();
    assert!(applied >= done_index, "found {applied}, but {done_index} was reported done");
    harness.model =
        history.borrow().begun.get(&applied).cloned().expect("the file holds a tree that was frozen");
    harness.compare_all().await;
    let mut history = history.borrow_mut();
    history.begun.retain(|&index, _| index <= applied);
    history.done = (applied, done_generation.max(harness.tree.generation().get()));
    harness
}

async fn work(handle: Handle, history: Rc<RefCell<History>>, seed: u64, pool_bytes: u64) {
    let mut random = Random::new(seed);
    let mix = Mix { keys: 400, ..Mix::USUAL };
    let mut harness = open_and_judge(&handle, &history, pool_bytes).await;
    for _ in 0..6 {
        for _ in 0..random.below(4) {
            harness.apply(mix.changes(&mut random, 12)).await;
        }
        if random.below(3) == 0 {
            let wanted = [Compact::InSpace, Compact::InLength][random.below(2) as usize];
            harness.tree.compact(wanted).await.expect("the disk takes it");
        }
        harness.tree.rebalance().await.expect("rebalancing reads nothing");
        history.borrow_mut().begun.insert(harness.applied(), harness.model.clone());
        let running = harness.begin_checkpoint().await;
        let frozen = harness.applied();
        for _ in 0..random.below(3) {
            harness.apply(mix.changes(&mut random, 12)).await;
        }
        let generation = running.await.expect("the disk takes it");
        history.borrow_mut().done = (frozen, generation.get());
        if random.below(2) == 0 {
            harness.apply(mix.changes(&mut random, 12)).await;
            let copy = harness.tree.mirror_superblock().await.expect("the disk takes it");
            history.borrow_mut().done.1 = copy.unwrap_or(generation).get();
        }
    }
    harness.compare_all().await;
}

/// Runs a few lives of one file, each ended by a loss of power; returns how many.
fn crash_rounds(seed: u64) -> u64 {
    let mut random = Random::new(seed);
    let history = Rc::new(RefCell::new(History { begun: BTreeMap::from([(0, Model::new())]), done: (0, 0) }));
    let pool_bytes = [100 << 10, 8 << 20][random.below(2) as usize];
    let mut disk = disk_with_data_directory();
    let lives = 5;
    for life in 0..lives {
        let event = 1 + random.below(400);
        let options = SimOptions { crash_at_event: Some(event), ..SimOptions::new(random.next_u64()) };
        let mut simulation = Simulation::new(options, disk);
        let body = work(simulation.handle(ShardIndex(0)), Rc::clone(&history), random.next_u64(), pool_bytes);
        match simulation.run_until(ShardIndex(0), body) {
            Ok(()) | Err(Ended::AtEvent) => {}
            Err(ended) => panic!("seed {seed}, life {life}: {ended:?}"),
        }
        disk = simulation.lose_power(CrashPolicy::Any);
    }
    lives
}

/// The data directory itself is somebody else's to make durable.
fn disk_with_data_directory() -> Disk {
    let mut disk = Disk::new();
    disk.create_directory_all(Path::new("/data")).expect("a new disk takes it");
    disk.sync_all();
    disk
}

/// More rounds: `TREE_CRASH_SEEDS=1000..2000 cargo test -p basalt-storage crash_leaves`.
#[test]
fn a_crash_leaves_the_last_checkpoint_or_the_next_one() {
    let lives: u64 = seeds_of("TREE_CRASH_SEEDS", 0..60).map(crash_rounds).sum();
    assert!(lives > 0);
}

#[test]
fn a_lost_checkpoint_that_the_log_names_is_followed_by_a_newer_generation() {
    let ((), simulation) = crate::btree::tests::simulate(7, Disk::new(), |handle| async move {
        let mut harness = Harness::new(&handle, PAGE_BYTES, 8 << 20);
        harness.apply([(b"\x10a".to_vec(), Some(b"1".to_vec()))].into()).await;
        assert_eq!(harness.checkpoint().await.get(), 1);
    });
    let disk = simulation.kill();
    let ((), simulation) = crate::btree::tests::simulate(8, disk, |handle| async move {
        // The log says that generation 4 was completed; nothing of it is left.
        let mut harness = Harness::open(&handle, PAGE_BYTES, 8 << 20, 4).await.expect("the file is sound");
        assert_eq!(harness.tree.generation().get(), 1);
        harness.model.insert(b"\x10a".to_vec(), (b"1".to_vec(), 1));
        harness.apply([(b"\x10b".to_vec(), Some(b"2".to_vec()))].into()).await;
        assert_eq!(
            harness.checkpoint().await.get(),
            9,
            "6 replaces the place of the lost one, 7 is kept for a copy, 9 takes the other place"
        );
        harness.compare_all().await;
    });
    drop(simulation);
}
