//! Space that is not used is given back, and nothing else changes.

use std::path::Path;

use basalt_runtime::{
    Handle,
    sim::{Disk, Random},
};

use crate::{
    btree::tests::{Harness, Mix, PATH, simulate},
    checkpoint::{Compact, Compaction},
};

const MIX: Mix = Mix { keys: 5000, delete_one_in: u64::MAX, large_value_one_in: 30, ..Mix::USUAL };

/// A tree of some thousand rows, on disk.
async fn grown(handle: &Handle, seed: u64, pool_bytes: u64) -> Harness {
    let mut random = Random::new(seed);
    let mut harness = Harness::new(handle, 4096, pool_bytes);
    for _ in 0..60 {
        harness.apply(MIX.changes(&mut random, 100)).await;
    }
    harness.checkpoint().await;
    harness
}

#[test]
fn a_tree_that_has_shrunk_gives_its_space_back() {
    simulate(1, Disk::new(), |handle| async move {
        let mut harness = grown(&handle, 1, 4 << 20).await;
        let large = harness.file_blocks();
        let keys: Vec<_> = harness.model.keys().cloned().collect();
        for (place, key) in keys.into_iter().enumerate() {
            if !place.is_multiple_of(10) {
                harness.apply([(key, None)].into()).await;
            }
        }
        let mut rounds = 0;
        while harness.tree.compact(Compact::InLength).await.expect("the disk takes it")
            == Compaction::Unfinished
        {
            harness.checkpoint().await;
            harness.checkpoint().await;
            harness.compare_all().await;
            rounds += 1;
            assert!(rounds < 50, "compaction comes to an end");
        }
        let report = harness.compare_all().await;
        let small = harness.file_blocks();
        assert!(small < large / 4, "{small} blocks of {large}");
        assert!(small <= report.stored_blocks * 21 / 20 + 64, "{small} blocks for {}", report.stored_blocks);
        let size = handle.metadata(Path::new(PATH)).await.expect("there").expect("there").size_bytes;
        assert_eq!(size, small * 4096);
        let model = harness.model.clone();
        harness.reopen(4 << 20).await;
        harness.model = model;
        harness.compare_all().await;
    });
}

#[test]
fn space_between_large_holes_is_given_back_without_writing_a_page() {
    simulate(2, Disk::new(), |handle| async move {
        let mut harness = grown(&handle, 2, 64 << 20).await;
        // Every page is written anew, behind the ones that it replaces.
        let rows: Vec<_> =
            harness.model.iter().map(|(key, (value, _))| (key.clone(), Some(value.clone()))).collect();
        for part in rows.chunks(100) {
            harness.apply(part.iter().cloned().collect()).await;
        }
        harness.checkpoint().await;
        harness
            .tree
            .mirror_superblock()
            .await
            .expect("the disk takes it")
            .expect("there is something to copy");
        let (length, writes) = (harness.file_blocks(), harness.pool.counts().writes);
        let mut rounds = 0;
        while harness.tree.compact(Compact::InSpace).await.expect("the disk takes it")
            == Compaction::Unfinished
        {
            // A superblock that mentions a longer file is replaced.
            harness.checkpoint().await;
            harness.tree.mirror_superblock().await.expect("the disk takes it");
            rounds += 1;
            assert!(rounds < 3, "there is nothing to move");
        }
        assert_eq!(harness.pool.counts().writes, writes);
        let report = harness.compare_all().await;
        let free: u64 =
            harness.tree.shared.state.borrow().allocator.free_runs(16).iter().map(|run| run.1).sum();
        let stored = report.stored_blocks;
        assert!(free >= stored * 9 / 10, "{free} blocks of {length} were given back beside {stored}");
    });
}

#[test]
fn a_copy_of_a_superblock_writes_no_page_whatever_was_changed_since() {
    simulate(3, Disk::new(), |handle| async move {
        let mut random = Random::new(3);
        let mut harness = Harness::new(&handle, 4096, 64 << 20);
        harness.apply(MIX.changes(&mut random, 500)).await;
        let generation = harness.checkpoint().await.get();
        let checkpointed = harness.model.clone();
        harness.apply(MIX.changes(&mut random, 500)).await;
        let writes = harness.pool.counts().writes;
        let copy = harness.tree.mirror_superblock().await.expect("the disk takes it");
        assert_eq!(copy.map(|copy| copy.get()), Some(generation + 1));
        assert_eq!(harness.tree.mirror_superblock().await.expect("nothing is written"), None);
        assert_eq!(harness.pool.counts().writes, writes);
        harness.reopen(64 << 20).await;
        harness.model = checkpointed;
        harness.compare_all().await;
        // Changes after a copy go on as after any checkpoint.
        harness.apply(MIX.changes(&mut random, 500)).await;
        harness.checkpoint().await;
        harness.compare_all().await;
    });
}
