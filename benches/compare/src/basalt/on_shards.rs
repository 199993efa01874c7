//! Clients that are tasks on the shards.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use basalt_benches::{
    engine_under_test::{
        EngineUnderTest, ORDERED_TABLE, TABLE, item, key_value, ordered_partition, ordered_sort,
    },
    keys::{Distribution, KeyChooser},
    report::{Measured, latency_histogram},
    workload::Chance,
};
use basalt_engine::{
    Error, LocalEngine, LocalTable, ScanDirection,
    model::{ItemRef, SortCondition},
};
use hdrhistogram::Histogram;

use super::first_byte;
use crate::{
    plan::Plan,
    row::{Figure, Figures, Row},
    threads::{BATCH_ITEMS, RANGE_ITEMS, YCSB_A_READS, YCSB_B_READS},
};

/// A client of reads lets others run after so many.
const READS_BETWEEN_YIELDS: u64 = 64;
/// Items of a scan that are lent before others run.
const SCAN_ITEMS: u64 = 4096;
/// Items that are overwritten together where only what is written counts.
const OVERWRITE_ITEMS: u64 = 640;

/// What a client does again and again.
#[derive(Debug, Clone, Copy)]
enum Work {
    Get,
    Put,
    PutBatch,
    /// Reads in hundredths; the rest are puts; keys are zipfian.
    Ycsb(u64),
    ReadModifyWrite,
}

/// Single items and batches, once each.
pub fn measure(engine: &EngineUnderTest, plan: &Plan) -> Figures {
    let one = |count, work| clients(engine, count, plan.duration, work);
    vec![
        (Row::PointReads, Figure::of(one(1, Work::Get), 1)),
        (Row::PointReadsTwo, Figure::of(one(2, Work::Get), 1)),
        (Row::DurablePuts, Figure::of(one(1, Work::Put), 1)),
        (Row::DurableBatches, Figure::of(one(1, Work::PutBatch), BATCH_ITEMS)),
        (Row::DurablePutsManyClients, Figure::of(one(plan.clients, Work::Put), 1)),
        (Row::YcsbA, Figure::of(one(plan.clients, Work::Ycsb(YCSB_A_READS)), 1)),
        (Row::YcsbB, Figure::of(one(plan.clients, Work::Ycsb(YCSB_B_READS)), 1)),
    ]
}

/// Reads, then reads followed by a durable write, where the data do not fit into memory.
pub fn measure_large(engine: &EngineUnderTest, plan: &Plan) -> Figures {
    let one = |work| Figure::of(clients(engine, plan.clients, plan.duration, work), 1);
    vec![(Row::LargeReads, one(Work::Get)), (Row::LargeReadModifyWrites, one(Work::ReadModifyWrite))]
}

/// Ranges and a scan of everything, by one client.
pub fn measure_ordered(engine: &EngineUnderTest, plan: &Plan) -> Figures {
    let (items, duration) = (plan.items, plan.duration);
    let one = |limit| {
        let started = Instant::now();
        let run = engine.run_beside_ordered(1, move |local, _| range_loop(local, duration, items, limit));
        measured_since(started, run)
    };
    vec![(Row::Ranges, Figure::of(one(RANGE_ITEMS), 1)), (Row::Scan, Figure::of(one(items), items))]
}

/// Overwrites `items` items in durable batches, by one client on each shard.
pub fn overwrite(engine: &EngineUnderTest, items: u64, distribution: Distribution) {
    let shards = engine.blocking().engine().remotes().len();
    let numbers: Vec<_> = (0..shards).map(|client| engine.numbers_of_client(client)).collect();
    let done = engine.run_clients(shards, move |local, client| {
        let numbers = numbers[client].clone();
        async move {
            let table = local.local_table(TABLE)?;
            let own = numbers.len() as u64;
            let (mut keys, mut chance) = (KeyChooser::new(distribution, own), Chance::new(client as u64));
            for batch in 0..(items / shards as u64).div_ceil(OVERWRITE_ITEMS) {
                let version = batch + 1 + ((distribution as u64) << 32);
                let chosen = (0..OVERWRITE_ITEMS).map(|_| numbers[keys.choose(own, &mut chance) as usize]);
                table.put_all(chosen.map(|number| item(number, version))).await?;
            }
            Ok::<_, Error>(())
        }
    });
    done.into_iter().for_each(|client| client.expect("Basalt puts"));
}

/// Puts from many clients until the process ends.
pub fn write_for_ever(engine: &EngineUnderTest, clients_count: usize) {
    clients(engine, clients_count, Duration::MAX, Work::Put);
}

/// Looks at the first byte of each item and counts to `limit`.
pub fn count_to(limit: u64, seen: &mut u64) -> impl FnMut(ItemRef<'_>) -> ControlFlow<()> {
    move |item| {
        *seen += u64::from(std::hint::black_box(first_byte(item)).is_some());
        if *seen < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

fn clients(engine: &EngineUnderTest, count: usize, duration: Duration, work: Work) -> Measured {
    let numbers: Vec<_> = (0..count).map(|client| engine.numbers_of_client(client)).collect();
    let started = Instant::now();
    let run = engine.run_clients(count, move |local, client| {
        let numbers = numbers[client].clone();
        async move {
            let mut chance = Chance::new(client as u64);
            let table = local.local_table(TABLE)?;
            let next = |chance: &mut Chance| numbers[chance.below(numbers.len() as u64) as usize];
            match work {
                Work::Get => {
                    client_loop(&local, duration, async || get(&table, next(&mut chance)).await).await
                }
                Work::Put => {
                    let put = async || put(&local, &table, [next(&mut chance)]).await;
                    client_loop(&local, duration, put).await
                }
                Work::PutBatch => {
                    let put = async || put(&local, &table, (0..BATCH_ITEMS).map(|_| next(&mut chance))).await;
                    client_loop(&local, duration, put).await
                }
                Work::ReadModifyWrite => {
                    let change = async || {
                        let number = next(&mut chance);
                        get(&table, number).await?;
                        put(&local, &table, [number]).await
                    };
                    client_loop(&local, duration, change).await
                }
                Work::Ycsb(reads) => {
                    let mut zipfian = KeyChooser::new(Distribution::Zipfian, numbers.len() as u64);
                    let step = async || {
                        let number = numbers[zipfian.choose(numbers.len() as u64, &mut chance) as usize];
                        match chance.below(100) < reads {
                            true => get(&table, number).await,
                            false => put(&local, &table, [number]).await,
                        }
                    };
                    client_loop(&local, duration, step).await
                }
            }
        }
    });
    measured_since(started, run)
}

/// Until now, as with threads: the operations that went on beyond the end have their time counted.
fn measured_since(started: Instant, clients: Vec<Result<Histogram<u64>, Error>>) -> Measured {
    let elapsed = started.elapsed();
    let histograms: Vec<_> = clients.into_iter().map(|client| client.expect("the engine answers")).collect();
    Measured::of(elapsed, &histograms)
}

async fn client_loop(
    local: &LocalEngine,
    duration: Duration,
    mut step: impl AsyncFnMut() -> Result<(), Error>,
) -> Result<Histogram<u64>, Error> {
    let handle = local.handle();
    let mut histogram = latency_histogram();
    let (mut started, mut steps) = (handle.now(), 0);
    let first = started;
    while started - first < duration {
        step().await?;
        let now = handle.now();
        histogram.saturating_record((now - started).as_nanos() as u64);
        started = now;
        steps += 1;
        if steps % READS_BETWEEN_YIELDS == 0 {
            handle.yield_now().await;
        }
    }
    Ok(histogram)
}

async fn get(table: &LocalTable, number: u64) -> Result<(), Error> {
    let found = table.get(&key_value(number), None, |item| item.and_then(first_byte)).await?;
    assert!(found.is_some(), "it was loaded");
    Ok(())
}

/// Puts items with a version of their own: every put changes its item.
async fn put(
    local: &LocalEngine,
    table: &LocalTable,
    numbers: impl IntoIterator<Item = u64>,
) -> Result<(), Error> {
    let version = local.handle().now().as_nanos();
    table.put_all(numbers.into_iter().map(|number| item(number, version))).await
}

async fn range_loop(
    local: LocalEngine,
    duration: Duration,
    items: u64,
    limit: u64,
) -> Result<Histogram<u64>, Error> {
    let access = local.local_table(ORDERED_TABLE)?.access(ordered_partition()).await?;
    let mut chance = Chance::new(0);
    let step = async || {
        let first = chance.below(items - limit + 1);
        let mut count = 0;
        while count < limit {
            let from = SortCondition::GreaterOrEqual(ordered_sort(first + count));
            let (wanted, mut seen) = (SCAN_ITEMS.min(limit - count), 0);
            access.for_each(Some(&from), ScanDirection::Forward, count_to(wanted, &mut seen)).await?;
            assert_eq!(seen, wanted, "all items were loaded");
            count += seen;
        }
        Ok(())
    };
    client_loop(&local, duration, step).await
}
