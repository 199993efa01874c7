//! Loading empty tables in bulk, each shard its own items.

use std::collections::BTreeSet;

use basalt_engine::{
    BulkLoad, CreateTable, Engine, Error, GetItem, LoadRefusal, LocalTable, Query, Scan, ShardAccess,
    StreamViewType,
    model::{Item, KeyValue, ScalarKind, Value},
    runtime::sim::Disk,
};

use crate::{
    simulated::Simulated,
    support::{
        COMPOSITE, SIMPLE, all_pages, composite_schema, create_composite, create_simple, get, in_memory,
        item, items_of, keyed, number, on_each_shard_count, put, simple_schema, text,
    },
};

const ITEM_COUNT: i64 = 200;

fn key_of(index: i64) -> String {
    format!("key {}", index * 7919 % ITEM_COUNT)
}

fn loaded_item(index: i64) -> Item {
    item([("pk", text(&key_of(index))), ("n", number(index))])
}

/// Loads the items of the shard that `access` is on, each twice: the second time as it is meant to stay.
async fn load_own(access: ShardAccess) -> Result<(), Error> {
    let table = access.engine().local_table(SIMPLE)?;
    let mut load = table.begin_load().await?;
    for index in 0..ITEM_COUNT {
        if table.owner(&KeyValue::S(key_of(index)))? == access.engine().shard() {
            load.put(item([("pk", text(&key_of(index)))])).await?;
            load.put(loaded_item(index)).await?;
        }
    }
    load.finish().await
}

/// Loads the table on every shard that owns a part of it.
async fn load(engine: &Engine) {
    let mut shards = BTreeSet::new();
    for index in 0..ITEM_COUNT {
        let on_shard = engine.on_shard(SIMPLE, text(&key_of(index)), async |access| access.engine().shard());
        if shards.insert(on_shard.await.unwrap()) {
            engine.on_shard(SIMPLE, text(&key_of(index)), load_own).await.unwrap().unwrap();
        }
    }
}

async fn check_loaded(engine: &Engine) {
    for index in 0..ITEM_COUNT {
        let read = engine.get_item(GetItem::new(SIMPLE, item([("pk", text(&key_of(index)))]))).await.unwrap();
        assert_eq!(read.item.expect("it was loaded").as_item().to_item().unwrap(), loaded_item(index));
    }
    assert_eq!(engine.scan(Scan::new(SIMPLE)).await.unwrap().count, ITEM_COUNT as u64);
}

#[test]
fn loaded_items_survive_a_loss_of_power_and_can_be_changed() {
    for shard_count in 1..=3 {
        let mut simulated = Simulated::open(Disk::new(), shard_count, 1);
        simulated.run(async |engine: Engine| {
            engine.create_table(CreateTable::new(SIMPLE, simple_schema())).await.unwrap();
            load(&engine).await;
            check_loaded(&engine).await;
        });
        let mut simulated = Simulated::open(simulated.lose_power(), shard_count, 2);
        simulated.run(async |engine: Engine| {
            check_loaded(&engine).await;
            let changed = item([("pk", text(&key_of(3))), ("n", number(-3))]);
            engine.put_item(basalt_engine::PutItem::new(SIMPLE, changed)).await.unwrap();
        });
        Simulated::open(simulated.lose_power(), shard_count, 3).run(async |engine: Engine| {
            let read = engine.get_item(GetItem::new(SIMPLE, item([("pk", text(&key_of(3)))]))).await.unwrap();
            let read = read.item.expect("it was loaded").as_item().to_item().unwrap();
            assert_eq!(read.get("n"), Some(&number(-3)));
            assert_eq!(engine.scan(Scan::new(SIMPLE)).await.unwrap().count, ITEM_COUNT as u64);
        });
    }
}

#[test]
fn a_collection_that_is_loaded_in_any_order_is_read_in_the_order_of_its_sort_keys() {
    on_each_shard_count(|engine| {
        create_composite(engine, ScalarKind::N);
        let loaded = engine.on_shard(COMPOSITE, text("p"), |access| async move {
            let mut load = access.engine().local_table(COMPOSITE)?.begin_load().await?;
            for index in 0..500 {
                load.put(item([("pk", text("p")), ("sk", number(index * 211 % 500))])).await?;
            }
            load.finish().await
        });
        loaded.unwrap().unwrap();
        let query = Query::new(COMPOSITE, keyed("pk = :p", &[(":p", text("p"))]));
        let sorts: Vec<_> = all_pages(engine, query).iter().map(|item| item.get("sk").cloned()).collect();
        assert!(sorts.into_iter().eq((0..500).map(|sort| Some(number(sort)))));
    });
}

/// Begins a load on the shard that owns `key`; what came of it.
fn begin(engine: &basalt_engine::BlockingEngine, table: &'static str, key: &str) -> Result<(), Error> {
    let begun = engine.on_shard(table, text(key), move |access| async move {
        let table: LocalTable = access.engine().local_table(table)?;
        table.begin_load().await.map(|_given_up: BulkLoad| ())
    });
    begun.unwrap()
}

#[test]
fn tables_with_items_or_with_rows_that_follow_from_items_are_refused() {
    let engine = in_memory(1);
    create_simple(&engine);
    begin(&engine, SIMPLE, "k").expect("an empty table");
    put(&engine, SIMPLE, item([("pk", text("k"))]));
    let refused = begin(&engine, SIMPLE, "k").unwrap_err();
    assert!(matches!(refused, Error::LoadRefused { reason: LoadRefusal::NotEmpty, .. }), "{refused}");
    let mut with_stream = CreateTable::new(COMPOSITE, composite_schema(ScalarKind::S));
    with_stream.stream = Some(StreamViewType::KeysOnly);
    engine.create_table(with_stream).expect("the table is new");
    let refused = begin(&engine, COMPOSITE, "k").unwrap_err();
    assert!(matches!(refused, Error::LoadRefused { reason: LoadRefusal::DerivedRows, .. }), "{refused}");
    engine.close().expect("an engine in memory closes");
}

#[test]
fn an_item_that_breaks_a_rule_is_refused_and_the_load_goes_on() {
    let engine = in_memory(1);
    create_simple(&engine);
    let refused = engine.on_shard(SIMPLE, text("k"), |access| async move {
        let mut load = access.engine().local_table(SIMPLE)?.begin_load().await?;
        load.put(item([("pk", text("before"))])).await?;
        let refused = load.put(item([("pk", Value::Bool(true))])).await;
        load.put(item([("pk", text("after"))])).await?;
        load.finish().await?;
        Ok::<_, Error>(refused)
    });
    assert!(matches!(refused.unwrap().unwrap(), Err(Error::Validation(_))));
    for key in ["before", "after"] {
        assert!(get(&engine, SIMPLE, item([("pk", text(key))])).is_some());
    }
    assert_eq!(items_of(&engine.scan(Scan::new(SIMPLE)).expect("the scan succeeds")).len(), 2);
    engine.close().expect("an engine in memory closes");
}
