//! Random operations on an engine and on an ordinary map: every answer must be the same, also after the engine was
//! closed, killed or unplugged and opened again with another number of shards.
//!
//! A failure prints its seed; `BASALT_SEED=<seed>` runs that one alone.

use std::collections::{BTreeMap, btree_map::Entry};

use basalt_engine::{
    BatchGetItem, BatchGetTable, BatchWrite, BatchWriteItem, BatchWriteTable, Consistency, CreateTable,
    DeleteItem, Engine, Error, GetItem, PutItem, Query, ReturnOld, Scan, ScanDirection, UpdateItem,
    model::{Item, ScalarKind, ScanSegment, Value},
    runtime::sim::{Disk, Random},
};

use crate::{
    seeds::for_each_seed,
    simulated::Simulated,
    support::{COMPOSITE, composite_schema, condition, decoded, item, keyed, number, text, updating},
};

const SEEDS: std::ops::Range<u64> = 0..12;
const LIVES: usize = 4;
const OPERATIONS_A_LIFE: usize = 60;
const PARTITION_KEYS: usize = 4;
const SORT_KEYS: u64 = 9;

type Key = (String, i64);

/// What the table should hold.
#[derive(Default)]
struct Model {
    items: BTreeMap<Key, Item>,
}

#[test]
fn random_operations_agree_with_an_ordinary_map_over_several_lives() {
    for_each_seed(SEEDS, run_lives);
}

fn run_lives(seed: u64) {
    let mut random = Random::new(seed);
    let mut model = Model::default();
    let mut disk = Disk::new();
    for life in 0..LIVES {
        let shard_count = u16::try_from(random.between(1, 3)).unwrap();
        let mut simulated = Simulated::open(disk, shard_count, random.next_u64());
        if life == 0 {
            simulated.run(|engine| async move {
                engine
                    .create_table(CreateTable::new(COMPOSITE, composite_schema(ScalarKind::N)))
                    .await
                    .unwrap();
            });
        }
        model = simulated.run(|engine| async move { check_all(engine, model).await });
        let work_random = random.fork();
        model = simulated.run(|engine| async move { run_operations(engine, model, work_random).await });
        disk = match random.below(3) {
            0 => simulated.close(),
            1 => simulated.kill(),
            _ => simulated.lose_power(),
        };
    }
}

async fn run_operations(engine: Engine, mut model: Model, mut random: Random) -> Model {
    for _ in 0..OPERATIONS_A_LIFE {
        match random.below(10) {
            0..=2 => put(&engine, &mut model, &mut random).await,
            3 => delete(&engine, &mut model, &mut random).await,
            4 => increment(&engine, &mut model, &mut random).await,
            5 => put_conditionally(&engine, &mut model, &mut random).await,
            6 => write_batch(&engine, &mut model, &mut random).await,
            7 => read_batch(&engine, &model, &mut random).await,
            8 => query(&engine, &model, &mut random).await,
            _ => get(&engine, &model, &mut random).await,
        }
    }
    model
}

fn any_key(random: &mut Random) -> Key {
    (
        format!("partition {}", random.index(PARTITION_KEYS)),
        i64::try_from(random.below(SORT_KEYS)).unwrap() - 4,
    )
}

fn key_item((partition, sort): &Key) -> Item {
    item([("pk", text(partition)), ("sk", number(*sort))])
}

fn any_item(key: &Key, random: &mut Random) -> Item {
    let mut made = key_item(key);
    made.insert("n".to_owned(), number(i64::try_from(random.below(1000)).unwrap()));
    if random.chance(300) {
        made.insert("padding".to_owned(), text(&"x".repeat(random.index(6000))));
    }
    made
}

async fn put(engine: &Engine, model: &mut Model, random: &mut Random) {
    let key = any_key(random);
    let new = any_item(&key, random);
    let request = PutItem { return_values: ReturnOld::AllOld, ..PutItem::new(COMPOSITE, new.clone()) };
    let answer = engine.put_item(request).await.unwrap();
    assert_eq!(answer.attributes.as_ref().map(decoded), model.items.insert(key, new));
}

async fn delete(engine: &Engine, model: &mut Model, random: &mut Random) {
    let key = any_key(random);
    let request =
        DeleteItem { return_values: ReturnOld::AllOld, ..DeleteItem::new(COMPOSITE, key_item(&key)) };
    let answer = engine.delete_item(request).await.unwrap();
    assert_eq!(answer.attributes.as_ref().map(decoded), model.items.remove(&key));
}

async fn increment(engine: &Engine, model: &mut Model, random: &mut Random) {
    let key = any_key(random);
    let update = updating("ADD n :one", &[(":one", number(1))]);
    engine.update_item(UpdateItem::new(COMPOSITE, key_item(&key), update)).await.unwrap();
    let expected = model.items.entry(key.clone()).or_insert_with(|| key_item(&key));
    let before = match expected.get("n") {
        Some(Value::N(before)) => before.to_i64().unwrap(),
        _ => 0,
    };
    expected.insert("n".to_owned(), number(before + 1));
}

async fn put_conditionally(engine: &Engine, model: &mut Model, random: &mut Random) {
    let key = any_key(random);
    let new = any_item(&key, random);
    let request = PutItem {
        condition: Some(condition("attribute_not_exists(pk)", &[])),
        ..PutItem::new(COMPOSITE, new.clone())
    };
    let outcome = engine.put_item(request).await;
    match model.items.entry(key) {
        Entry::Occupied(_) => assert!(matches!(outcome, Err(Error::ConditionalCheckFailed { .. }))),
        Entry::Vacant(free) => {
            outcome.unwrap();
            free.insert(new);
        }
    }
}

async fn write_batch(engine: &Engine, model: &mut Model, random: &mut Random) {
    let mut writes = BTreeMap::new();
    for _ in 0..random.between(1, 10) {
        let key = any_key(random);
        let new = random.coin().then(|| any_item(&key, random));
        writes.insert(key, new);
    }
    let to_write = |(key, new): (&Key, &Option<Item>)| match new {
        Some(item) => BatchWrite::Put(item.clone()),
        None => BatchWrite::Delete(key_item(key)),
    };
    let table =
        BatchWriteTable { table_name: COMPOSITE.into(), writes: writes.iter().map(to_write).collect() };
    engine.batch_write_item(BatchWriteItem { tables: vec![table] }).await.unwrap();
    for (key, new) in writes {
        match new {
            Some(item) => model.items.insert(key, item),
            None => model.items.remove(&key),
        };
    }
}

async fn read_batch(engine: &Engine, model: &Model, random: &mut Random) {
    let mut keys: Vec<Key> = (0..random.between(1, 10)).map(|_| any_key(random)).collect();
    keys.sort();
    keys.dedup();
    let table = BatchGetTable {
        table_name: COMPOSITE.into(),
        keys: keys.iter().map(key_item).collect(),
        projection: None,
        consistency: Consistency::Strong,
    };
    let answer = engine.batch_get_item(BatchGetItem { tables: vec![table] }).await.unwrap();
    let found: Vec<Item> = answer.tables[0].items.iter().map(decoded).collect();
    let expected: Vec<Item> = keys.iter().filter_map(|key| model.items.get(key).cloned()).collect();
    assert_eq!(found, expected);
}

async fn get(engine: &Engine, model: &Model, random: &mut Random) {
    let key = any_key(random);
    let answer = engine.get_item(GetItem::new(COMPOSITE, key_item(&key))).await.unwrap();
    assert_eq!(answer.item.as_ref().map(decoded).as_ref(), model.items.get(&key));
}

async fn query(engine: &Engine, model: &Model, random: &mut Random) {
    let (partition, low) = any_key(random);
    let high = low + i64::try_from(random.below(5)).unwrap();
    let values = [(":p", text(&partition)), (":low", number(low)), (":high", number(high))];
    let mut expected: Vec<Item> = model
        .items
        .range((partition.clone(), low)..=(partition, high))
        .map(|(_, item)| item.clone())
        .collect();
    let direction = if random.coin() { ScanDirection::Forward } else { ScanDirection::Backward };
    if direction == ScanDirection::Backward {
        expected.reverse();
    }
    let conditions = keyed("pk = :p AND sk BETWEEN :low AND :high", &values);
    let limit = u32::try_from(random.between(1, 4)).unwrap();
    let mut next = Some(Query { direction, limit: Some(limit), ..Query::new(COMPOSITE, conditions) });
    let mut found = Vec::new();
    while let Some(query) = next.take() {
        let page = engine.query(query.clone()).await.unwrap();
        found.extend(page.items.iter().map(decoded));
        next = page.last_evaluated_key.map(|key| Query { exclusive_start_key: Some(key), ..query });
    }
    assert_eq!(found, expected);
}

/// Scans everything in segments and compares it with the model.
async fn check_all(engine: Engine, model: Model) -> Model {
    const SEGMENTS: u32 = 3;
    let mut found = BTreeMap::new();
    for segment in 0..SEGMENTS {
        let segment = ScanSegment { segment, total_segments: SEGMENTS };
        let mut next = Some(Scan { segment, limit: Some(5), ..Scan::new(COMPOSITE) });
        while let Some(scan) = next.take() {
            let page = engine.scan(scan.clone()).await.unwrap();
            for item in page.items.iter().map(decoded) {
                assert!(found.insert(key_of(&item), item).is_none(), "an item is scanned once");
            }
            next = page.last_evaluated_key.map(|key| Scan { exclusive_start_key: Some(key), ..scan });
        }
    }
    assert_eq!(found, model.items);
    model
}

fn key_of(item: &Item) -> Key {
    match (item.get("pk"), item.get("sk")) {
        (Some(Value::S(partition)), Some(Value::N(sort))) => (partition.clone(), sort.to_i64().unwrap()),
        other => panic!("{other:?}"),
    }
}
