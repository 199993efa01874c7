//! Basalt, asked in two ways: by tasks on its shards, as an embedding program that cares for speed would, and by
//! threads through the blocking handle.
//!
//! A client on a shard asks for items of that shard. Reads are lent, so that only the first byte of the value is
//! looked at, as with the other engines; keys and values are whole DynamoDB items all the same.

mod blocking;
mod on_shards;

use std::{path::Path, time::Instant};

use basalt_benches::engine_under_test::EngineUnderTest;
use basalt_engine::{
    EngineOptions,
    model::{ItemRef, ValueRef},
};

pub use self::on_shards::{measure, measure_large, measure_ordered, overwrite, write_for_ever};
use crate::{
    plan::{CACHE_BYTES, Plan},
    row::{Figure, Figures, Row},
};

/// What the pool gets of the whole budget, in hundredths; the others' caches are all pool.
const POOL_PERCENT: u64 = 60;

/// Opens the engine in an empty directory, with as much cache as the others have.
pub fn create(directory: &Path) -> EngineUnderTest {
    EngineUnderTest::create(directory, options())
}

/// Opens the engine in an empty directory, with so much memory for everything.
pub fn create_small(directory: &Path, memory_budget_bytes: u64) -> EngineUnderTest {
    EngineUnderTest::create(directory, EngineOptions { memory_budget_bytes, ..EngineOptions::default() })
}

/// What the engine is opened with where the data fit into memory.
pub fn options() -> EngineOptions {
    let memory_budget_bytes = CACHE_BYTES * 100 / POOL_PERCENT;
    EngineOptions { memory_budget_bytes, ..EngineOptions::default() }
}

/// Loads the items in random order.
pub fn load(engine: &mut EngineUnderTest, plan: &Plan) -> Figures {
    let started = Instant::now();
    engine.load(plan.items);
    vec![(Row::LoadRandom, rate(plan.items, started))]
}

/// Loads the items in the order of their keys.
pub fn load_ordered(engine: &EngineUnderTest, plan: &Plan) -> Figures {
    let started = Instant::now();
    engine.load_ordered(plan.items);
    vec![(Row::LoadOrdered, rate(plan.items, started))]
}

fn rate(items: u64, started: Instant) -> Figure {
    Figure::plain(items as f64 / started.elapsed().as_secs_f64())
}

fn first_byte(item: ItemRef<'_>) -> Option<u8> {
    match item.get("v") {
        Ok(Some(ValueRef::B(value))) => value.first().copied(),
        _ => None,
    }
}
