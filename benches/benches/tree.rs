//! The B+tree behind a partition: rows of 16 and 256 bytes, read from cached pages, and written through the log.
//!
//! Files are in memory where processor time is asked for, in a temporary directory where the device counts too.

mod bounded;

use std::{hint::black_box, ops::Bound, time::Duration};

use basalt_benches::{
    shard_thread::{FilePlace, ShardThread},
    store_under_test::StoreUnderTest,
    workload::{Chance, key},
};
use basalt_runtime::join_all;
use basalt_storage::{Direction, KeyRange};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ROWS: u64 = 200_000;
const RANGE_ROWS: u64 = 100;
const WRITERS: u64 = 64;

fn reads(criterion: &mut Criterion) {
    let store = StoreUnderTest::start(&FilePlace::Memory);
    store.run(|store| async move { store.load(ROWS).await });
    let mut group = criterion.benchmark_group("tree");
    group.bench_function("get a row that is there", |bencher| {
        bencher.iter_custom(|times| store.run(move |store| get(store, times, 0)));
    });
    group.bench_function("get a row that is not there", |bencher| {
        bencher.iter_custom(|times| store.run(move |store| get(store, times, ROWS)));
    });
    group.throughput(Throughput::Elements(RANGE_ROWS));
    for (name, direction) in [("forward", Direction::Forward), ("backward", Direction::Backward)] {
        group.bench_function(format!("range of 100 rows {name}"), |bencher| {
            bencher.iter_custom(|times| store.run(move |store| range(store, times, direction)));
        });
    }
}

/// Reads random rows with numbers from `first` on.
async fn get(store: StoreUnderTest, times: u64, first: u64) -> Duration {
    let mut chance = Chance::new(times);
    let started = store.handle.now();
    for _ in 0..times {
        let key = key(first + chance.below(ROWS));
        let found = store.partition.try_read(|view| Ok(view.get(&key)?.map(|row| row.value[0])));
        let found = found.unwrap_or_else(|_stop| panic!("the pool holds all pages"));
        assert_eq!(black_box(found).is_some(), first == 0);
    }
    store.handle.now() - started
}

async fn range(store: StoreUnderTest, times: u64, direction: Direction) -> Duration {
    let mut chance = Chance::new(times);
    let started = store.handle.now();
    for _ in 0..times {
        let bound = key(chance.below(ROWS));
        let range = match direction {
            Direction::Forward => KeyRange { from: Bound::Included(&bound), to: Bound::Unbounded },
            Direction::Backward => KeyRange { from: Bound::Unbounded, to: Bound::Included(&bound) },
        };
        let read = store.partition.try_read(|view| {
            let mut cursor = view.cursor(range, direction);
            let (mut rows, mut bytes) = (0, 0);
            while rows < RANGE_ROWS
                && let Some((key, row)) = cursor.next()?
            {
                (rows, bytes) = (rows + 1, bytes + key.len() + row.value.len());
            }
            Ok(bytes)
        });
        black_box(read.unwrap_or_else(|_stop| panic!("the pool holds all pages")));
    }
    store.handle.now() - started
}

fn writes(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let mut group = criterion.benchmark_group("put");
    for (name, place) in
        [("in memory", FilePlace::Memory), ("on disk", FilePlace::Directory(directory.path().into()))]
    {
        let store = StoreUnderTest::start(&place);
        store.run(|store| async move { store.load(ROWS).await });
        bench_puts(&mut group, &store, name);
    }
}

fn bench_puts(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    store: &ShardThread<StoreUnderTest>,
    place: &str,
) {
    group.throughput(Throughput::Elements(1));
    group.bench_function(format!("1 writer {place}"), |bencher| {
        bencher.iter_custom(|times| store.run(move |store| put(store, 1, times)));
    });
    group.throughput(Throughput::Elements(WRITERS));
    group.bench_function(format!("64 writers {place}, one row each"), |bencher| {
        bencher.iter_custom(|times| store.run(move |store| put(store, WRITERS, times)));
    });
}

/// Each writer overwrites random rows, each durable before the next.
async fn put(store: StoreUnderTest, writers: u64, times: u64) -> Duration {
    let started = store.handle.now();
    let writing = (0..writers).map(|writer| {
        let store = store.clone();
        async move {
            let mut chance = Chance::new(writer);
            for time in 0..times {
                store.put(chance.below(ROWS), time).await;
            }
        }
    });
    join_all(writing).await;
    store.handle.now() - started
}

criterion_group! { name = benches; config = bounded::criterion(); targets = reads, writes }
criterion_main!(benches);
