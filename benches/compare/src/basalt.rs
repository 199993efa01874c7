//! Basalt, asked in two ways: by tasks on its shards, as an embedding program that cares for speed would, and by
//! threads through the blocking handle.
//!
//! A client on a shard asks for items of that shard. Reads are lent, so that only the first byte of the value is
//! looked at, as with the other engines; keys and values are whole DynamoDB items all the same.

use std::{path::Path, time::Duration};

use basalt_benches::{
    engine_under_test::{EngineUnderTest, TABLE, item, key_item, partition_key},
    report::{Measured, latency_histogram},
    workload::Chance,
};
use basalt_engine::{
    BlockingEngine, EngineOptions, Error, GetItem, LocalEngine, PutItem,
    model::{ItemRef, ValueRef},
};
use hdrhistogram::Histogram;

use crate::{
    peers::{Asked, CACHE_BYTES},
    report::{Round, Row},
    workload::Plan,
};

/// What the pool gets of the whole budget, in hundredths; the others' caches are all pool.
const POOL_PERCENT: u64 = 60;
/// A client of reads lets others run after so many.
const READS_BETWEEN_YIELDS: u64 = 64;

/// Opens the engine in an empty directory, with as much cache as the others have, and loads it.
pub fn open(directory: &Path, plan: &Plan) -> EngineUnderTest {
    let memory_budget_bytes = CACHE_BYTES as u64 * 100 / POOL_PERCENT;
    let options = EngineOptions { memory_budget_bytes, ..EngineOptions::default() };
    EngineUnderTest::open(directory, options, plan.items)
}

/// Takes every measurement once, by tasks on the shards.
pub fn measure_on_shards(engine: &EngineUnderTest, plan: &Plan) -> Round {
    vec![
        (Row::PointReads, clients(engine, 1, plan.duration, Work::Get)),
        (Row::DurablePuts, clients(engine, 1, plan.duration, Work::Put)),
        (Row::DurablePutsManyClients, clients(engine, plan.clients, plan.duration, Work::Put)),
    ]
}

#[derive(Debug, Clone, Copy)]
enum Work {
    Get,
    Put,
}

fn clients(engine: &EngineUnderTest, count: usize, duration: Duration, work: Work) -> Measured {
    let numbers: Vec<_> = (0..count).map(|client| engine.numbers_of_client(client)).collect();
    let measured = engine.run_clients(count, move |local, client| {
        let numbers = numbers[client].clone();
        async move {
            let mut chance = Chance::new(client as u64);
            let next = move || numbers[chance.below(numbers.len() as u64) as usize];
            match work {
                Work::Get => get_loop(local, duration, next).await,
                Work::Put => put_loop(local, duration, next).await,
            }
        }
    });
    let histograms: Vec<_> = measured.into_iter().map(|client| client.expect("the engine answers")).collect();
    Measured::of(duration, &histograms)
}

async fn get_loop(
    local: LocalEngine,
    duration: Duration,
    mut next: impl FnMut() -> u64,
) -> Result<Histogram<u64>, Error> {
    let handle = local.handle().clone();
    let mut histogram = latency_histogram();
    let mut started = handle.now();
    let end = started + duration;
    while started < end {
        for _ in 0..READS_BETWEEN_YIELDS {
            let number = next();
            let found = local.on_shard(TABLE, partition_key(number), move |access| async move {
                access.get(&key_item(number), |item| item.and_then(first_byte)).await
            });
            assert!(found.await??.is_some(), "it was loaded");
            let now = handle.now();
            histogram.saturating_record((now - started).as_nanos() as u64);
            started = now;
        }
        handle.yield_now().await;
    }
    Ok(histogram)
}

async fn put_loop(
    local: LocalEngine,
    duration: Duration,
    mut next: impl FnMut() -> u64,
) -> Result<Histogram<u64>, Error> {
    let handle = local.handle().clone();
    let mut histogram = latency_histogram();
    let mut started = handle.now();
    let end = started + duration;
    while started < end {
        // A version of its own: every put changes its item.
        local.put_item(PutItem::new(TABLE, item(next(), handle.now().as_nanos()))).await?;
        let now = handle.now();
        histogram.saturating_record((now - started).as_nanos() as u64);
        started = now;
    }
    Ok(histogram)
}

fn first_byte(item: ItemRef<'_>) -> Option<u8> {
    match item.get("v") {
        Ok(Some(ValueRef::B(value))) => value.first().copied(),
        _ => None,
    }
}

impl Asked for BlockingEngine {
    fn get(&self, number: u64) -> Option<u8> {
        let answer = self.get_item(GetItem::new(TABLE, key_item(number))).expect("Basalt gets");
        answer.item.and_then(|item| first_byte(item.as_item()))
    }

    fn put(&self, number: u64, version: u64) {
        self.put_item(PutItem::new(TABLE, item(number, version))).expect("Basalt puts");
    }
}
