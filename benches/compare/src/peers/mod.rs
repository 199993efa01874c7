//! The other engines, each opened with a gigabyte of cache and a sync before every acknowledged write; and what is
//! asked of every engine that threads call.

mod fjall;
mod lmdb;
mod redb;
mod rocksdb;
mod sqlite;

use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use basalt_benches::{
    report::{Measured, latency_histogram},
    workload::{Chance, KEY_BYTES, VALUE_BYTES, key, value},
};
use hdrhistogram::Histogram;

use crate::{
    report::{Round, Row},
    workload::Plan,
};

/// Cache given to every engine that has one.
pub const CACHE_BYTES: usize = 1 << 30;
/// Items put by one transaction of the load.
const LOAD_BATCH_ITEMS: u64 = 1000;

/// What threads ask of an engine.
pub trait Asked: Send + Sync {
    /// Reads a value and looks at its first byte, as an application would.
    fn get(&self, number: u64) -> Option<u8>;
    /// Stores one item; durable when it returns.
    fn put(&self, number: u64, version: u64);
}

/// Another engine: keys and values are bytes.
pub trait Peer: Send + Sync {
    /// Stores these items together; need not be durable.
    fn load(&self, items: &mut dyn Iterator<Item = ([u8; KEY_BYTES], [u8; VALUE_BYTES])>);
    /// Reads a value and looks at its first byte.
    fn get(&self, key: &[u8]) -> Option<u8>;
    /// Stores one item; durable when it returns.
    fn put(&self, key: &[u8], value: &[u8]);
}

impl Asked for Box<dyn Peer> {
    fn get(&self, number: u64) -> Option<u8> {
        (**self).get(&key(number))
    }

    fn put(&self, number: u64, version: u64) {
        (**self).put(&key(number), &value(number, version));
    }
}

/// Opens the engine `name` in an empty directory and loads it.
pub fn open(name: &str, directory: &Path, plan: &Plan) -> Box<dyn Peer> {
    let peer: Box<dyn Peer> = match name {
        "rocksdb" => Box::new(rocksdb::Rocks::open(directory)),
        "lmdb" => Box::new(lmdb::Lmdb::open(directory)),
        "redb" => Box::new(redb::Redb::open(directory)),
        "fjall" => Box::new(fjall::Fjall::open(directory)),
        "sqlite" => Box::new(sqlite::Sqlite::open(directory)),
        other => panic!("no engine is called {other}"),
    };
    for first in (0..plan.items).step_by(LOAD_BATCH_ITEMS as usize) {
        let batch = first..plan.items.min(first + LOAD_BATCH_ITEMS);
        peer.load(&mut batch.map(|number| (key(number), value(number, 0))));
    }
    peer
}

/// Takes every measurement once, by threads.
pub fn measure(asked: &dyn Asked, plan: &Plan) -> Round {
    let get = |chance: &mut Chance| assert!(asked.get(chance.below(plan.items)).is_some(), "it was loaded");
    // Every put changes its item.
    let version = AtomicU64::new(1);
    let put =
        |chance: &mut Chance| asked.put(chance.below(plan.items), version.fetch_add(1, Ordering::Relaxed));
    vec![
        (Row::PointReads, clients(1, plan.duration, get)),
        (Row::DurablePuts, clients(1, plan.duration, put)),
        (Row::DurablePutsManyClients, clients(plan.clients, plan.duration, put)),
    ]
}

/// Runs `work` on `count` threads for `duration`.
fn clients(count: usize, duration: Duration, work: impl Fn(&mut Chance) + Sync) -> Measured {
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
    while !stopping.load(Ordering::Relaxed) {
        let started = Instant::now();
        work(&mut chance);
        histogram.saturating_record(started.elapsed().as_nanos() as u64);
    }
    histogram
}
