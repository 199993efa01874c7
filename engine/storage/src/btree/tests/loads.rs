//! Trees that are built from rows in key order, beside trees that grew.

use basalt_runtime::{
    Handle,
    sim::{Disk, Random},
};

use super::{Harness, Mix, Model, simulate};
use crate::{
    btree::{LoadWriter, LoadedRuns},
    range::{Direction, KeyRange},
};

const PAGE_BYTES: u32 = 4096;

/// Loads random rows in runs that overlap, or follow each other, and checks what came of it.
async fn random_load(handle: Handle, seed: u64) {
    let mut random = Random::new(seed);
    let mix = Mix { keys: 1 + random.below(3000), long_key_one_in: 1 + random.below(60), ..Mix::USUAL };
    let pool_bytes = [100 << 10, 8 << 20][random.below(2) as usize];
    let mut harness = Harness::new(&handle, PAGE_BYTES, pool_bytes);
    let mut writer = harness.tree.begin_load().await.expect("nothing was written yet");
    let mut runs = LoadedRuns::default();
    for _ in 0..random.below(6) {
        let count = random.below(800);
        let rows: Model = (0..count)
            .map(|_| (mix.key(&mut random), (mix.value(&mut random), 1 + random.below(9))))
            .collect();
        put_run(&mut runs, &mut writer, &rows).await;
        harness.model.extend(rows);
    }
    let mut merged = runs.merge(&mut writer).await.expect("the disk takes it");
    let loaded = merged.finish(&mut writer).await.expect("the disk takes it");
    assert_eq!(loaded.is_none(), harness.model.is_empty());
    assert!(harness.tree.is_empty(), "nobody sees what is not published");
    if let Some(loaded) = loaded {
        let publishing = harness.tree.shared.publish(loaded, writer, harness.position());
        publishing.await.expect("the disk takes it");
    }
    harness.compare_all().await;
    for _ in 0..10 {
        harness.compare_range(&mut random, &mix).await;
    }
    let model = harness.model.clone();
    harness.reopen(pool_bytes).await;
    harness.model = model;
    harness.compare_all().await;
    for _ in 0..5 {
        harness.apply(mix.changes(&mut random, 100)).await;
        harness.checkpoint().await;
    }
    harness.compare_all().await;
}

async fn put_run(runs: &mut LoadedRuns, writer: &mut LoadWriter, rows: &Model) {
    let Some((first, _)) = rows.first_key_value() else { return };
    let run = runs.run_for(first);
    for (key, (value, last_write)) in rows {
        run.put(writer, key, value, *last_write).await.expect("the disk takes it");
    }
}

#[test]
fn loaded_runs_are_one_tree_of_the_newest_rows() {
    for seed in 0..40 {
        simulate(seed, Disk::new(), |handle| random_load(handle, seed));
    }
}

#[test]
fn a_load_that_is_given_up_leaves_its_file_free() {
    for seed in 100..110 {
        simulate(seed, Disk::new(), |handle| async move {
            let mut random = Random::new(seed);
            let mut harness = Harness::new(&handle, PAGE_BYTES, 8 << 20);
            let mut writer = harness.tree.begin_load().await.expect("nothing was written yet");
            let mut runs = LoadedRuns::default();
            for _ in 0..3 {
                let row = |random: &mut Random| (Mix::USUAL.key(random), (Mix::USUAL.value(random), 1));
                let rows: Model = (0..random.below(900)).map(|_| row(&mut random)).collect();
                put_run(&mut runs, &mut writer, &rows).await;
            }
            drop((runs, writer));
            harness.apply(Mix::USUAL.changes(&mut random, 200)).await;
            harness.checkpoint().await;
            harness.compare_all().await;
        });
    }
}

#[test]
fn loaded_leaves_are_full() {
    simulate(2, Disk::new(), |handle| async move {
        let harness = Harness::new(&handle, 16384, 1 << 20);
        let mut writer = harness.tree.begin_load().await.expect("nothing was written yet");
        let mut runs = LoadedRuns::default();
        for number in 0..50_000_u32 {
            let key = format!("\x10{number:08}").into_bytes();
            let run = runs.run_for(&key);
            run.put(&mut writer, &key, &[number as u8; 100], 1).await.expect("the disk takes it");
        }
        let mut tree = runs.merge(&mut writer).await.expect("rows in key order are one run");
        let loaded = tree.finish(&mut writer).await.expect("the disk takes it").expect("there are rows");
        let publishing = harness.tree.shared.publish(loaded, writer, harness.position());
        publishing.await.expect("the disk takes it");
        let report = harness.tree.check().await.expect("sound");
        assert_eq!(report.row_count, 50_000);
        // Slot, cell, value, and what of the key the leaf's prefix does not say.
        assert!(report.leaf_count <= 50_000 * (8 + 11 + 100 + 4) / 16000, "{} leaves", report.leaf_count);
        let last = harness.scan(KeyRange::ALL, Direction::Backward, 1).await;
        assert_eq!(last[0].0, b"\x1000049999");
    });
}
