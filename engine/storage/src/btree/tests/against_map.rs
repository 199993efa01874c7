use basalt_runtime::{
    Handle,
    sim::{Disk, Random},
};

use super::{Harness, Mix, Model, seeds_of, simulate};

async fn random_operations(
    handle: Handle,
    seed: u64,
    page_bytes: u32,
    pool_bytes: u64,
    mix: Mix,
    steps: usize,
) {
    let mut random = Random::new(seed);
    let mut harness = Harness::new(&handle, page_bytes, pool_bytes);
    let mut durable: Option<Model> = None;
    for _ in 0..steps {
        match random.below(20) {
            0..=9 => {
                let count = 1 + random.below(30);
                harness.apply(mix.changes(&mut random, count)).await;
            }
            10..=12 => {
                for (key, _) in mix.changes(&mut random, 5) {
                    assert_eq!(harness.get(&key).await, harness.model.get(&key).cloned());
                }
            }
            13..=15 => harness.compare_range(&mut random, &mix).await,
            16 => {
                harness.checkpoint().await;
                durable = Some(harness.model.clone());
            }
            17 => {
                // Changes go on while a checkpoint runs; it holds what was there when it began.
                let frozen = harness.model.clone();
                let running = harness.begin_checkpoint().await;
                for _ in 0..random.below(6) {
                    let count = 1 + random.below(30);
                    harness.apply(mix.changes(&mut random, count)).await;
                    harness.compare_range(&mut random, &mix).await;
                }
                running.await.expect("the disk takes it");
                durable = Some(frozen);
            }
            18 => {
                harness.compare_all().await;
            }
            _ => {
                if let Some(model) = &durable {
                    harness.reopen(pool_bytes).await;
                    harness.model = model.clone();
                    harness.compare_all().await;
                }
            }
        }
    }
    harness.compare_all().await;
}

#[test]
fn a_tree_behaves_like_a_map_when_all_fits_into_memory() {
    for seed in 0..4 {
        simulate(seed, Disk::new(), |handle| {
            random_operations(handle, seed, 16384, 64 << 20, Mix::USUAL, 150)
        });
    }
}

#[test]
fn a_tree_behaves_like_a_map_when_almost_nothing_fits_into_memory() {
    for seed in 10..14 {
        simulate(seed, Disk::new(), |handle| {
            random_operations(handle, seed, 4096, 200 << 10, Mix::USUAL, 150)
        });
    }
}

#[test]
fn a_tree_behaves_like_a_map_when_all_keys_are_long() {
    let mix = Mix { keys: 300, long_key_one_in: 1, ..Mix::USUAL };
    for seed in 20..22 {
        simulate(seed, Disk::new(), |handle| random_operations(handle, seed, 16384, 1 << 20, mix, 150));
    }
}

#[test]
fn a_tree_behaves_like_a_map_when_rows_come_and_go() {
    let mix = Mix { keys: 3000, delete_one_in: 2, value_bytes_max: 30, ..Mix::USUAL };
    for seed in 30..34 {
        simulate(seed, Disk::new(), |handle| random_operations(handle, seed, 4096, 1 << 20, mix, 200));
    }
}

#[test]
fn a_tree_emptied_row_by_row_has_no_page_left() {
    simulate(40, Disk::new(), |handle| async move {
        let mix = Mix { keys: 3000, delete_one_in: u64::MAX, ..Mix::USUAL };
        let mut random = Random::new(40);
        let mut harness = Harness::new(&handle, 4096, 64 << 20);
        for _ in 0..100 {
            harness.apply(mix.changes(&mut random, 50)).await;
        }
        harness.checkpoint().await;
        let mut keys: Vec<_> = harness.model.keys().cloned().collect();
        while !keys.is_empty() {
            let key = keys.swap_remove(random.below(keys.len() as u64) as usize);
            harness.apply([(key, None)].into()).await;
        }
        let report = harness.compare_all().await;
        assert_eq!((report.height, report.leaf_count, report.inner_count), (0, 0, 0));
        harness.checkpoint().await;
        harness.checkpoint().await;
        harness.compare_all().await;
    });
}

/// More rounds: `TREE_MODEL_SEEDS=1000..2000 cargo test -p basalt-storage any_shape`.
#[test]
fn a_tree_of_any_shape_behaves_like_a_map() {
    for seed in seeds_of("TREE_MODEL_SEEDS", 100..110) {
        let mut random = Random::new(seed);
        let mut one_of = |choices: &[u64]| choices[random.below(choices.len() as u64) as usize];
        let mix = Mix {
            keys: one_of(&[20, 300, 3000, 50_000]),
            long_key_one_in: one_of(&[1, 7, 50, u64::MAX]),
            value_bytes_max: one_of(&[1, 30, 200, 3000]),
            large_value_one_in: one_of(&[5, 40, 1000]),
            delete_one_in: one_of(&[2, 3, 10]),
        };
        let page_bytes = one_of(&[4096, 8192, 16384, 32768]) as u32;
        let pool_bytes = one_of(&[100 << 10, 1 << 20, 64 << 20]);
        simulate(seed, Disk::new(), |handle| {
            random_operations(handle, seed, page_bytes, pool_bytes, mix, 100)
        });
    }
}
