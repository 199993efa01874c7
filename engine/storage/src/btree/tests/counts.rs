//! How much is read and written for what.

use std::collections::BTreeMap;

use basalt_runtime::sim::Disk;

use super::{Harness, simulate};
use crate::range::{Direction, KeyRange};

fn row(number: u32) -> (Vec<u8>, Option<Vec<u8>>) {
    (format!("\x10{number:08}").into_bytes(), Some(vec![7; 100]))
}

/// `count` rows in key order, on disk.
async fn loaded(handle: &basalt_runtime::Handle, count: u32, pool_bytes: u64) -> Harness {
    let mut harness = Harness::new(handle, 16384, 256 << 20);
    for from in (0..count).step_by(100) {
        harness.apply((from..from + 100).map(row).collect()).await;
    }
    harness.checkpoint().await;
    harness.reopen(pool_bytes).await;
    harness
}

#[test]
fn a_get_reads_one_page_of_each_level_once() {
    simulate(1, Disk::new(), |handle| async move {
        let harness = loaded(&handle, 20_000, 64 << 20).await;
        let height = u64::from(harness.tree.check().await.expect("sound").height);
        let mut harness = harness;
        harness.reopen(64 << 20).await;
        let key = row(7777).0;
        assert!(harness.get(&key).await.is_some());
        assert_eq!(harness.pool.counts().reads, height);
        assert!(harness.get(&key).await.is_some());
        assert_eq!(harness.pool.counts().reads, height, "the second time from memory");
    });
}

#[test]
fn a_scan_reads_each_leaf_once_even_in_a_small_pool() {
    simulate(2, Disk::new(), |handle| async move {
        let mut harness = loaded(&handle, 20_000, 64 << 20).await;
        let report = harness.tree.check().await.expect("sound");
        harness.reopen(600 << 10).await;
        for direction in [Direction::Forward, Direction::Backward] {
            let before = harness.pool.counts().reads;
            assert_eq!(harness.scan(KeyRange::ALL, direction, usize::MAX).await.len(), 20_000);
            let reads = harness.pool.counts().reads - before;
            let pages = report.leaf_count + report.inner_count;
            assert!(reads <= pages, "{reads} reads of {pages} pages");
        }
    });
}

#[test]
fn rows_in_key_order_fill_their_leaves() {
    simulate(3, Disk::new(), |handle| async move {
        let harness = loaded(&handle, 20_000, 64 << 20).await;
        let report = harness.tree.check().await.expect("sound");
        let filled = 20_000 * (8 + 11 + 7 + 100) / 16384;
        assert!(report.leaf_count <= filled * 11 / 10, "{} leaves for {filled} full ones", report.leaf_count);
    });
}

#[test]
fn one_changed_row_costs_its_path_a_map_and_a_superblock() {
    simulate(4, Disk::new(), |handle| async move {
        let mut harness = loaded(&handle, 20_000, 64 << 20).await;
        harness.apply(BTreeMap::from([row(5)])).await;
        let before = harness.pool.counts().writes;
        harness.checkpoint().await;
        let report = harness.tree.check().await.expect("sound");
        assert_eq!(harness.pool.counts().writes - before, u64::from(report.height));
    });
}

#[test]
fn an_unchanged_tree_costs_a_superblock() {
    simulate(5, Disk::new(), |handle| async move {
        let mut harness = loaded(&handle, 1000, 64 << 20).await;
        let (writes, blocks) = (harness.pool.counts().writes, harness.file_blocks());
        let generation = harness.checkpoint().await;
        assert_eq!(harness.checkpoint().await.get(), generation.get() + 1);
        assert_eq!((harness.pool.counts().writes, harness.file_blocks()), (writes, blocks));
        harness.reopen(64 << 20).await;
        assert_eq!(harness.tree.generation().get(), generation.get() + 1);
    });
}
