//! Global indexes hold exactly what their tables' items derive to: after every answer in the default mode, in a while
//! in the asynchronous one, and after any crash once the start has delivered what was left.
//!
//! Method: simulated shards and disks; many clients at once; the process is killed or loses power at any I/O event;
//! the engine compares its indexes with its items. The checks are shown to fail on planted mistakes.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use basalt_engine::{
    CreateTable, DeleteItem, Engine, EngineOptions, GlobalIndexDefinition, IndexAcknowledgement,
    IndexProjection, IndexThroughput, PutItem, UpdateItem,
    model::{IndexKeySchema, Item, KeyAttribute, ScalarKind},
    runtime::{
        join_all,
        sim::{
            Disk, Random,
            planted::{PlantedBug, plant},
        },
    },
};

use crate::{
    seeds::for_each_seed,
    simulated::Simulated,
    support::{COMPOSITE, attribute, composite_schema, item, number, options, text, updating},
};

const SEEDS: std::ops::Range<u64> = 0..40;
/// Clients that write at once.
const CLIENTS: usize = 6;
const WRITES_A_CLIENT: usize = 25;
/// Few, so that clients meet.
const PARTITION_KEYS: usize = 5;
const SORT_KEYS: u64 = 4;
/// I/O events within which most of a workload lies.
const EVENTS_OF_A_WORKLOAD: u64 = 250;

#[test]
fn an_answered_write_is_in_its_indexes() {
    for shard_count in 1..=3 {
        let mut simulated = with_indexes(options(shard_count), 1);
        simulated.run(|engine| async move {
            let mut random = Random::new(7);
            for _ in 0..60 {
                write(&engine, &mut random).await;
                check(&engine).await;
            }
        });
    }
}

#[test]
fn writes_that_are_answered_early_reach_their_indexes_and_the_lag_ends() {
    // On one shard the question needs no message: it is answered before another frame can be durable.
    let options = EngineOptions { index_acknowledgement: IndexAcknowledgement::Asynchronous, ..options(1) };
    let mut simulated = with_indexes(options, 1);
    simulated.run(|engine| async move {
        let new = item([("pk", text("a")), ("sk", number(1)), ("color", text("red")), ("n", number(1))]);
        engine.put_item(PutItem::new(COMPOSITE, new)).await.unwrap();
        let lag = engine.index_lag(COMPOSITE).await.unwrap();
        assert_eq!(lag.entry_count, 1, "the write is answered before its indexes have it");
        assert!(lag.bytes > 0);
        assert!(lag.oldest_age > Duration::ZERO);
        engine.wait_for_indexes(COMPOSITE).await.unwrap();
        assert_eq!(engine.index_lag(COMPOSITE).await.unwrap(), Default::default());
        check(&engine).await;
    });
}

#[test]
fn many_clients_leave_exact_indexes() {
    for_each_seed(0..6, |seed| {
        let mut simulated = with_indexes(options(3), seed);
        simulated.run(move |engine| async move {
            write_at_once(&engine, seed).await;
            check(&engine).await;
        });
    });
}

#[test]
fn crashes_at_any_event_neither_lose_nor_repeat_a_change() {
    for_each_seed(SEEDS, lives_that_crash);
}

#[test]
fn what_was_answered_is_in_the_indexes_as_soon_as_the_engine_is_open_again() {
    for_each_seed(0..6, |seed| {
        let mut simulated = with_indexes(options(2), seed);
        simulated.run(move |engine| async move { write_at_once(&engine, seed).await });
        let disk = if seed % 2 == 0 { simulated.kill() } else { simulated.lose_power() };
        let mut reopened = Simulated::open(disk, 3, seed);
        reopened.run(|engine| async move { check(&engine).await });
    });
}

#[test]
fn what_a_crash_left_is_delivered_before_anything_newer_however_much_it_is() {
    // More than one round carries, and than is read at once.
    const LARGE_ITEMS: i64 = 30;
    let asynchronous =
        || EngineOptions { index_acknowledgement: IndexAcknowledgement::Asynchronous, ..options(1) };
    let put_all = |engine: Engine, color: &'static str| async move {
        let put = |index: i64| {
            let new = item([
                ("pk", text("large")),
                ("sk", number(index)),
                ("n", number(index)),
                ("color", text(color)),
                ("padding", text(&"x".repeat(90_000))),
            ]);
            engine.put_item(PutItem::new(COMPOSITE, new))
        };
        join_all((0..LARGE_ITEMS).map(put)).await.into_iter().for_each(|done| drop(done.unwrap()));
    };
    for_each_seed(0..4, |seed| {
        let mut simulated = with_indexes(asynchronous(), seed);
        simulated.run(move |engine| put_all(engine, "old"));
        let mut reopened = Simulated::try_open(simulated.kill(), asynchronous(), seed, None).ok().unwrap();
        reopened.run(move |engine| async move {
            put_all(engine.clone(), "new").await;
            engine.wait_for_indexes(COMPOSITE).await.unwrap();
            check(&engine).await;
        });
    });
}

#[test]
fn a_table_can_be_deleted_while_changes_are_under_way() {
    let options = EngineOptions { index_acknowledgement: IndexAcknowledgement::Asynchronous, ..options(3) };
    let mut simulated = with_indexes(options, 1);
    simulated.run(|engine| async move {
        let writing = write_at_once(&engine, 1);
        let deleting = async {
            sleep(&engine, Duration::from_millis(1)).await;
            engine.delete_table(COMPOSITE).await.unwrap();
        };
        let _both: (_, _) = (writing.await, deleting.await);
        engine.create_table(table()).await.unwrap();
        write(&engine, &mut Random::new(3)).await;
        engine.wait_for_indexes(COMPOSITE).await.unwrap();
        check(&engine).await;
    });
}

#[test]
fn planted_mistakes_are_caught() {
    const SEEDS_MAX: u64 = 200;
    for bug in [PlantedBug::SendUncommitted, PlantedBug::LeaveOutOutboxRows, PlantedBug::NoteReceivedApart] {
        let _planted = plant(bug);
        let caught = (0..SEEDS_MAX).find(|seed| {
            // What a planted mistake breaks is told by a panic of the check.
            catch_unwind(AssertUnwindSafe(|| lives_that_crash(*seed))).is_err()
        });
        assert!(caught.is_some(), "{bug:?} escaped {SEEDS_MAX} seeds");
    }
}

/// A few lives of a table with indexes; each ends at any I/O event, the starts between them too.
fn lives_that_crash(seed: u64) {
    const LIVES: u64 = 3;
    let mut random = Random::new(seed);
    let acknowledgement =
        if random.coin() { IndexAcknowledgement::Visible } else { IndexAcknowledgement::Asynchronous };
    let any_options = |random: &mut Random| EngineOptions {
        index_acknowledgement: acknowledgement,
        ..options(u16::try_from(random.between(1, 3)).unwrap())
    };
    let mut simulated = with_indexes(any_options(&mut random), seed);
    for life in 0..LIVES {
        simulated.crash_in(random.between(1, EVENTS_OF_A_WORKLOAD));
        let workload_seed = seed * LIVES + life;
        simulated.run_or_crash(move |engine| async move { write_at_once(&engine, workload_seed).await });
        let mut disk = if random.coin() { simulated.kill() } else { simulated.lose_power() };
        if random.coin() {
            let crash_at = Some(random.between(1, 60));
            disk = match Simulated::try_open(disk, any_options(&mut random), random.next_u64(), crash_at) {
                Ok(opened) => opened.lose_power(),
                Err(disk) => *disk,
            };
        }
        simulated = Simulated::try_open(disk, any_options(&mut random), random.next_u64(), None)
            .expect("no crash was asked for");
        simulated.run(|engine| async move {
            engine.wait_for_indexes(COMPOSITE).await.unwrap();
            check(&engine).await;
        });
    }
}

/// A process with an empty table that has indexes.
pub(crate) fn with_indexes(options: EngineOptions, seed: u64) -> Simulated {
    let opened = Simulated::try_open(Disk::new(), options, seed, None);
    let mut simulated = opened.expect("no crash was asked for");
    simulated.run(|engine| async move {
        engine.create_table(table()).await.unwrap();
    });
    simulated
}

fn table() -> CreateTable {
    CreateTable {
        global_indexes: vec![by_color(), by_number()],
        ..CreateTable::new(COMPOSITE, composite_schema(ScalarKind::N))
    }
}

/// Sparse: not every item has a color.
pub(crate) fn by_color() -> GlobalIndexDefinition {
    definition("by-color", attribute("color", ScalarKind::S), Some(attribute("n", ScalarKind::N)))
}

fn by_number() -> GlobalIndexDefinition {
    let definition = definition("by-number", attribute("n", ScalarKind::N), None);
    GlobalIndexDefinition { projection: IndexProjection::KeysOnly, ..definition }
}

fn definition(name: &str, partition: KeyAttribute, sort: Option<KeyAttribute>) -> GlobalIndexDefinition {
    GlobalIndexDefinition {
        index_name: name.to_owned(),
        key_schema: IndexKeySchema { partition: vec![partition], sort: sort.into_iter().collect() },
        projection: IndexProjection::All,
        throughput: IndexThroughput::default(),
    }
}

/// Clients write side by side until they are done.
pub(crate) async fn write_at_once(engine: &Engine, seed: u64) {
    let client = |number: usize| async move {
        let mut random = Random::new(seed * CLIENTS as u64 + number as u64);
        for _ in 0..WRITES_A_CLIENT {
            write(engine, &mut random).await;
        }
    };
    join_all((0..CLIENTS).map(client)).await;
}

/// Puts, updates or deletes any item, which comes to, leaves, or moves within the indexes.
async fn write(engine: &Engine, random: &mut Random) {
    let key = item([
        ("pk", text(&format!("partition {}", random.index(PARTITION_KEYS)))),
        ("sk", number(i64::try_from(random.below(SORT_KEYS)).unwrap())),
    ]);
    let outcome = match random.below(4) {
        0 => engine.delete_item(DeleteItem::new(COMPOSITE, key)).await.map(drop),
        1 => {
            let update = updating("ADD n :one", &[(":one", number(1))]);
            engine.update_item(UpdateItem::new(COMPOSITE, key, update)).await.map(drop)
        }
        _ => engine.put_item(PutItem::new(COMPOSITE, any_item(key, random))).await.map(drop),
    };
    match outcome {
        Ok(()) | Err(basalt_engine::Error::TableNotFound { .. }) => {}
        Err(error) => panic!("a write failed: {error}"),
    }
}

fn any_item(mut key: Item, random: &mut Random) -> Item {
    key.insert("n".to_owned(), number(i64::try_from(random.below(100)).unwrap()));
    if random.chance(700) {
        let color = ["red", "green", "blue"][random.index(3)];
        key.insert("color".to_owned(), text(color));
    }
    if random.chance(200) {
        key.insert("padding".to_owned(), text(&"x".repeat(random.index(9000))));
    }
    key
}

/// Every index holds exactly what its table's items derive to.
pub(crate) async fn check(engine: &Engine) {
    for check in engine.check_global_indexes(COMPOSITE).await.unwrap() {
        assert!(check.is_exact(), "{check:?}");
    }
}

pub(crate) async fn sleep(engine: &Engine, duration: Duration) {
    let local = engine.local().expect("simulated work runs on a shard");
    local.handle().sleep(duration).await;
}
