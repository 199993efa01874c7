//! Clients as threads, as the peers have them, and what they measure.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use basalt_benches::{
    keys::{Distribution, KeyChooser},
    report::{Measured, latency_histogram},
    workload::Chance,
};
use hdrhistogram::Histogram;

use crate::{
    plan::Plan,
    row::{Figure, Figures, Row},
};

/// Items of one range.
pub const RANGE_ITEMS: u64 = 100;
/// Items of one batch.
pub const BATCH_ITEMS: u64 = 64;
/// Items that are overwritten together where only what is written counts.
const OVERWRITE_ITEMS: u64 = 640;
/// YCSB's mixes: reads in hundredths.
pub const YCSB_A_READS: u64 = 50;
pub const YCSB_B_READS: u64 = 95;

/// What threads ask of an engine that holds numbered items under keys without order.
pub trait Asked: Send + Sync {
    /// Reads a value and looks at its first byte, as an application would.
    fn get(&self, number: u64) -> Option<u8>;
    /// Stores one item; durable when it returns.
    fn put(&self, number: u64, version: u64);
    /// Stores items, each of them whole or not at all; durable when it returns.
    fn put_batch(&self, numbers: &[u64], version: u64);
}

/// What threads ask of an engine that holds items in the order of their numbers.
pub trait Ordered: Send + Sync {
    /// Looks at the first byte of at most `limit` values from `first` on; how many there were.
    fn range(&self, first: u64, limit: u64) -> u64;
}

/// Single items and batches, once each.
pub fn measure(asked: &dyn Asked, plan: &Plan) -> Figures {
    let get = |chance: &mut Chance| assert!(asked.get(chance.below(plan.items)).is_some(), "it was loaded");
    // Every put changes its item.
    let versions = AtomicU64::new(1);
    let version = || versions.fetch_add(1, Ordering::Relaxed);
    let put = |chance: &mut Chance| asked.put(chance.below(plan.items), version());
    let put_batch = |chance: &mut Chance| {
        let numbers: Vec<u64> = (0..BATCH_ITEMS).map(|_| chance.below(plan.items)).collect();
        asked.put_batch(&numbers, version());
    };
    let zipfian = KeyChooser::new(Distribution::Zipfian, plan.items);
    let ycsb = |reads: u64| {
        let (zipfian, version) = (&zipfian, &version);
        move |chance: &mut Chance| {
            let number = zipfian.clone().choose(plan.items, chance);
            if chance.below(100) < reads {
                assert!(asked.get(number).is_some(), "it was loaded");
            } else {
                asked.put(number, version());
            }
        }
    };
    let one = |count, work: &(dyn Fn(&mut Chance) + Sync)| clients(count, plan.duration, work);
    vec![
        (Row::PointReads, Figure::of(one(1, &get), 1)),
        (Row::PointReadsTwo, Figure::of(one(2, &get), 1)),
        (Row::DurablePuts, Figure::of(one(1, &put), 1)),
        (Row::DurableBatches, Figure::of(one(1, &put_batch), BATCH_ITEMS)),
        (Row::DurablePutsManyClients, Figure::of(one(plan.clients, &put), 1)),
        (Row::YcsbA, Figure::of(one(plan.clients, &ycsb(YCSB_A_READS)), 1)),
        (Row::YcsbB, Figure::of(one(plan.clients, &ycsb(YCSB_B_READS)), 1)),
    ]
}

/// Ranges and a scan of everything, by one thread.
pub fn measure_ordered(ordered: &dyn Ordered, plan: &Plan) -> Figures {
    let range = |chance: &mut Chance| {
        let first = chance.below(plan.items - RANGE_ITEMS);
        assert_eq!(ordered.range(first, RANGE_ITEMS), RANGE_ITEMS, "all items were loaded");
    };
    let scan = |_: &mut Chance| assert_eq!(ordered.range(0, plan.items), plan.items, "all items were loaded");
    vec![
        (Row::Ranges, Figure::of(clients(1, plan.duration, range), 1)),
        (Row::Scan, Figure::of(clients(1, plan.duration, scan), plan.items)),
    ]
}

/// Reads, then reads followed by a durable write, where the data do not fit into memory.
pub fn measure_large(asked: &dyn Asked, plan: &Plan) -> Figures {
    let items = plan.large_items();
    let get = |chance: &mut Chance| assert!(asked.get(chance.below(items)).is_some(), "it was loaded");
    let versions = AtomicU64::new(1);
    let read_modify_write = |chance: &mut Chance| {
        let number = chance.below(items);
        assert!(asked.get(number).is_some(), "it was loaded");
        asked.put(number, versions.fetch_add(1, Ordering::Relaxed));
    };
    vec![
        (Row::LargeReads, Figure::of(clients(plan.clients, plan.duration, get), 1)),
        (Row::LargeReadModifyWrites, Figure::of(clients(plan.clients, plan.duration, read_modify_write), 1)),
    ]
}

/// Overwrites as many items as there are, in durable batches.
pub fn overwrite(asked: &dyn Asked, items: u64, distribution: Distribution) {
    let (mut keys, mut chance) = (KeyChooser::new(distribution, items), Chance::new(distribution as u64));
    for batch in 0..items.div_ceil(OVERWRITE_ITEMS) {
        let count = OVERWRITE_ITEMS.min(items - batch * OVERWRITE_ITEMS);
        let numbers: Vec<u64> = (0..count).map(|_| keys.choose(items, &mut chance)).collect();
        asked.put_batch(&numbers, batch + 1 + ((distribution as u64) << 32));
    }
}

/// Runs `work` on `count` threads for `duration`.
pub fn clients(count: usize, duration: Duration, work: impl Fn(&mut Chance) + Sync) -> Measured {
    let stopping = AtomicBool::new(false);
    let started = Instant::now();
    let histograms: Vec<Histogram<u64>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..count)
            .map(|client| {
                let (work, stopping) = (&work, &stopping);
                scope.spawn(move || client_loop(client as u64, stopping, work))
            })
            .collect();
        thread::sleep(duration);
        stopping.store(true, Ordering::Relaxed);
        workers.into_iter().map(|worker| worker.join().expect("a client does not panic")).collect()
    });
    Measured::of(started.elapsed(), &histograms)
}

fn client_loop(client: u64, stopping: &AtomicBool, work: impl Fn(&mut Chance)) -> Histogram<u64> {
    let mut histogram = latency_histogram();
    let mut chance = Chance::new(client);
    let mut started = Instant::now();
    while !stopping.load(Ordering::Relaxed) {
        work(&mut chance);
        let now = Instant::now();
        histogram.saturating_record((now - started).as_nanos() as u64);
        started = now;
    }
    histogram
}
