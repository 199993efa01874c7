//! Global indexes are made and deleted while their table is written to: an index is exact from its first read on, a
//! deleted one leaves nothing, and a crash at any moment only delays either.

use std::time::Duration;

use basalt_engine::{
    CreateTable, Engine, EngineOptions, Error, GlobalIndexChange, IndexStatus, PutItem, TableStatus,
    UpdateTable,
    model::ScalarKind,
    runtime::{
        join_all,
        sim::{Disk, Random},
    },
};

use crate::{
    index_delivery::{by_color, check, sleep, write_at_once},
    seeds::for_each_seed,
    simulated::Simulated,
    support::{COMPOSITE, composite_schema, item, number, options, text},
};

/// More than one step of a backfill takes.
const ITEM_COUNT: i64 = 700;
/// More than a backfill has under way at once.
const MANY_ITEMS: i64 = 2500;

#[test]
fn an_index_made_on_a_live_table_becomes_exact_while_writes_go_on() {
    for_each_seed(0..4, |seed| {
        let mut simulated = filled(options(3), seed);
        simulated.run(move |engine| async move {
            let answer = make_index(&engine).await.unwrap();
            assert_eq!(answer.status, TableStatus::Updating);
            assert_eq!(answer.global_indexes[0].status, IndexStatus::Creating { backfilling: false });
            write_at_once(&engine, seed).await;
            wait_until_settled(&engine).await;
            engine.wait_for_indexes(COMPOSITE).await.unwrap();
            check(&engine).await;
        });
    });
}

#[test]
fn an_index_of_many_steps_becomes_exact_beside_writers_who_are_not_held_up() {
    let mut simulated = filled(options(1), 5);
    simulated.run(|engine| async move {
        join_all((ITEM_COUNT..MANY_ITEMS).map(|index| put_old(&engine, index))).await;
        make_index(&engine).await.unwrap();
        let handle = engine.local().expect("tests run on a shard").handle().clone();
        let (mut slowest, mut count) = (Duration::ZERO, 0);
        while engine.describe_table(COMPOSITE).await.unwrap().global_indexes[0].status != IndexStatus::Active
        {
            let began = handle.now();
            put_old(&engine, count * 7 % MANY_ITEMS).await;
            slowest = slowest.max(handle.now() - began);
            count += 1;
        }
        assert!(count > 4, "{count} writes beside the backfill");
        assert!(slowest < Duration::from_millis(100), "a write waited for {slowest:?}");
        engine.wait_for_indexes(COMPOSITE).await.unwrap();
        check(&engine).await;
    });
}

#[test]
fn only_one_index_of_a_table_is_made_or_deleted_at_a_time() {
    let mut simulated = filled(options(2), 1);
    simulated.run(|engine| async move {
        // Each question comes right behind the request that begins a backfill of several steps.
        make_index(&engine).await.unwrap();
        let mut another = by_color();
        another.index_name = "another".to_owned();
        let refused = change(&engine, GlobalIndexChange::Create(another.clone())).await;
        assert!(matches!(refused, Err(Error::IndexChangeInProgress)), "{refused:?}");
        wait_until_settled(&engine).await;
        change(&engine, GlobalIndexChange::Create(another)).await.unwrap();
        let refused = engine.delete_table(COMPOSITE).await;
        assert!(matches!(refused, Err(Error::TableInUse { .. })), "{refused:?}");
        wait_until_settled(&engine).await;
        check(&engine).await;
        let taken = make_index(&engine).await;
        assert!(matches!(taken, Err(Error::Validation(_))), "{taken:?}");
        let missing = change(&engine, GlobalIndexChange::Delete { index_name: "missing".to_owned() }).await;
        assert!(matches!(missing, Err(Error::IndexNotFound { .. })), "{missing:?}");
    });
}

#[test]
fn an_index_can_be_deleted_while_it_is_filled_and_made_again() {
    for_each_seed(0..4, |seed| {
        let mut simulated = filled(options(3), seed);
        simulated.run(move |engine| async move {
            make_index(&engine).await.unwrap();
            sleep(&engine, Duration::from_micros(seed * 300)).await;
            let answer = delete_index(&engine).await.unwrap();
            assert_eq!(answer.global_indexes[0].status, IndexStatus::Deleting);
            write_at_once(&engine, seed).await;
            wait_until_settled(&engine).await;
            assert!(engine.describe_table(COMPOSITE).await.unwrap().global_indexes.is_empty());
            make_index(&engine).await.unwrap();
            wait_until_settled(&engine).await;
            check(&engine).await;
        });
    });
}

#[test]
fn a_crash_while_an_index_is_made_only_delays_it() {
    for_each_seed(0..24, |seed| {
        let mut random = Random::new(seed);
        let mut simulated = filled(any_options(&mut random), seed);
        simulated.crash_in(random.between(1, 120));
        simulated.run_or_crash(move |engine| async move {
            make_index(&engine).await.unwrap();
            write_at_once(&engine, seed).await;
            wait_until_settled(&engine).await;
        });
        let disk = crash_again(simulated, &mut random);
        let mut reopened = Simulated::try_open(disk, any_options(&mut random), seed, None).ok().unwrap();
        reopened.run(move |engine| async move {
            // The crash may have come before the index was in the catalog.
            if engine.describe_table(COMPOSITE).await.unwrap().global_indexes.is_empty() {
                make_index(&engine).await.unwrap();
            }
            write_at_once(&engine, seed + 1).await;
            wait_until_settled(&engine).await;
            check(&engine).await;
        });
    });
}

#[test]
fn a_crash_while_an_index_is_deleted_only_delays_that() {
    for_each_seed(0..16, |seed| {
        let mut random = Random::new(seed);
        let mut simulated = filled(any_options(&mut random), seed);
        simulated.run(|engine| async move {
            make_index(&engine).await.unwrap();
            wait_until_settled(&engine).await;
        });
        simulated.crash_in(random.between(1, 60));
        simulated.run_or_crash(move |engine| async move {
            delete_index(&engine).await.unwrap();
            write_at_once(&engine, seed).await;
            wait_until_settled(&engine).await;
        });
        let disk = crash_again(simulated, &mut random);
        let mut reopened = Simulated::try_open(disk, any_options(&mut random), seed, None).ok().unwrap();
        reopened.run(move |engine| async move {
            wait_until_settled(&engine).await;
            check(&engine).await;
            if engine.describe_table(COMPOSITE).await.unwrap().global_indexes.is_empty() {
                make_index(&engine).await.unwrap();
                wait_until_settled(&engine).await;
                check(&engine).await;
            }
        });
    });
}

fn any_options(random: &mut Random) -> EngineOptions {
    options(u16::try_from(random.between(1, 3)).unwrap())
}

/// Ends the process in one way or another; the next start may end early too.
fn crash_again(simulated: Simulated, random: &mut Random) -> Disk {
    let disk = if random.coin() { simulated.kill() } else { simulated.lose_power() };
    if random.coin() {
        return disk;
    }
    let crash_at = Some(random.between(1, 80));
    match Simulated::try_open(disk, any_options(random), random.next_u64(), crash_at) {
        Ok(opened) => opened.lose_power(),
        Err(disk) => *disk,
    }
}

/// A table without indexes and with items.
fn filled(options: EngineOptions, seed: u64) -> Simulated {
    let mut simulated = Simulated::try_open(Disk::new(), options, seed, None).ok().unwrap();
    simulated.run(|engine| async move {
        engine.create_table(CreateTable::new(COMPOSITE, composite_schema(ScalarKind::N))).await.unwrap();
        for index in 0..ITEM_COUNT {
            put_old(&engine, index).await;
        }
    });
    simulated
}

async fn put_old(engine: &Engine, index: i64) {
    let mut new = item([("pk", text(&format!("old {}", index % 7))), ("sk", number(index))]);
    new.insert("n".to_owned(), number(index));
    if index % 3 > 0 {
        new.insert("color".to_owned(), text("grey"));
    }
    engine.put_item(PutItem::new(COMPOSITE, new)).await.unwrap();
}

async fn make_index(engine: &Engine) -> Result<basalt_engine::TableDescription, Error> {
    change(engine, GlobalIndexChange::Create(by_color())).await
}

async fn delete_index(engine: &Engine) -> Result<basalt_engine::TableDescription, Error> {
    change(engine, GlobalIndexChange::Delete { index_name: by_color().index_name }).await
}

async fn change(
    engine: &Engine,
    change: GlobalIndexChange,
) -> Result<basalt_engine::TableDescription, Error> {
    let request = UpdateTable {
        table_name: COMPOSITE.to_owned(),
        index_changes: vec![change],
        ..UpdateTable::default()
    };
    engine.update_table(request).await
}

/// Waits until every index of the table is active.
async fn wait_until_settled(engine: &Engine) {
    loop {
        let table = engine.describe_table(COMPOSITE).await.unwrap();
        if table.global_indexes.iter().all(|index| index.status == IndexStatus::Active) {
            return;
        }
        sleep(engine, Duration::from_millis(5)).await;
    }
}
