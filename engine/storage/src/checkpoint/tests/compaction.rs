//! Space that is not used is given back, and nothing else changes.

use std::path::Path;

use basalt_runtime::sim::{Disk, Random};

use crate::{
    btree::tests::{Harness, Mix, PATH, simulate},
    checkpoint::Compaction,
};

const MIX: Mix = Mix { keys: 5000, delete_one_in: u64::MAX, large_value_one_in: 30, ..Mix::USUAL };

#[test]
fn a_tree_that_has_shrunk_gives_its_space_back() {
    simulate(1, Disk::new(), |handle| async move {
        let mut random = Random::new(1);
        let mut harness = Harness::new(&handle, 4096, 4 << 20);
        for _ in 0..60 {
            harness.apply(MIX.changes(&mut random, 100)).await;
        }
        harness.checkpoint().await;
        let large = harness.file_blocks();
        let keys: Vec<_> = harness.model.keys().cloned().collect();
        for (place, key) in keys.into_iter().enumerate() {
            if !place.is_multiple_of(10) {
                harness.apply([(key, None)].into()).await;
            }
        }
        let mut rounds = 0;
        while harness.tree.compact().await.expect("the disk takes it") == Compaction::Unfinished {
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
