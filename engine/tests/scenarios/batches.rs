//! Batches: many reads or writes at once, of several tables.

use basalt_engine::{
    BATCH_GET_REPLY_BYTES, BatchGetItem, BatchGetTable, BatchWrite, BatchWriteItem, BatchWriteTable,
    BlockingEngine, Consistency, Error, ValidationError,
    model::{Item, ScalarKind},
};

use crate::support::{
    COMPOSITE, SIMPLE, create_composite, create_simple, decimal, decoded, get, in_memory, item, number,
    on_each_shard_count, projecting, put, text,
};

fn key(index: usize) -> Item {
    item([("pk", text(&format!("key {index}")))])
}

fn reads(keys: Vec<Item>) -> BatchGetTable {
    BatchGetTable { table_name: SIMPLE.into(), keys, projection: None, consistency: Consistency::Eventual }
}

fn write(engine: &BlockingEngine, writes: Vec<BatchWrite>) {
    let table = BatchWriteTable { table_name: SIMPLE.into(), writes };
    let answer = engine.batch_write_item(BatchWriteItem { tables: vec![table] }).unwrap();
    assert!(answer.tables[0].unprocessed.is_empty());
}

#[test]
fn a_batch_writes_puts_and_deletes_of_several_tables() {
    on_each_shard_count(|engine| {
        create_simple(engine);
        create_composite(engine, ScalarKind::N);
        put(engine, SIMPLE, key(0));
        let simple = BatchWriteTable {
            table_name: SIMPLE.into(),
            writes: (1..20)
                .map(|index| BatchWrite::Put(key(index)))
                .chain([BatchWrite::Delete(key(0))])
                .collect(),
        };
        let sorted = item([("pk", text("p")), ("sk", number(1))]);
        let composite =
            BatchWriteTable { table_name: COMPOSITE.into(), writes: vec![BatchWrite::Put(sorted.clone())] };
        let answer = engine.batch_write_item(BatchWriteItem { tables: vec![simple, composite] }).unwrap();
        assert!((answer.tables[0].capacity.total().as_f64() - 20.0).abs() < 1e-9);
        assert_eq!(get(engine, SIMPLE, key(0)), None);
        assert!((1..20).all(|index| get(engine, SIMPLE, key(index)).is_some()));
        assert_eq!(get(engine, COMPOSITE, sorted.clone()), Some(sorted));
    });
}

#[test]
fn a_batch_reads_what_is_there() {
    on_each_shard_count(|engine| {
        create_simple(engine);
        write(engine, (0..20).map(|index| BatchWrite::Put(key(index))).collect());
        let answer =
            engine.batch_get_item(BatchGetItem { tables: vec![reads((10..30).map(key).collect())] }).unwrap();
        let table = &answer.tables[0];
        let found: Vec<Item> = table.items.iter().map(decoded).collect();
        assert_eq!(found, (10..20).map(key).collect::<Vec<_>>());
        assert!(table.unprocessed_keys.is_empty());
        assert!((table.capacity.total().as_f64() - 10.0).abs() < 1e-9, "half a unit for each of twenty");
    });
}

#[test]
fn projections_shape_the_items_of_a_batch() {
    let engine = in_memory(2);
    create_simple(&engine);
    put(&engine, SIMPLE, item([("pk", text("key 1")), ("a", number(1))]));
    let table = BatchGetTable { projection: Some(projecting("a")), ..reads(vec![key(1)]) };
    let answer = engine.batch_get_item(BatchGetItem { tables: vec![table] }).unwrap();
    assert_eq!(decoded(&answer.tables[0].items[0]), item([("a", number(1))]));
}

#[test]
fn what_does_not_fit_into_a_reply_is_left_unprocessed_and_read_by_the_next() {
    let engine = in_memory(2);
    create_simple(&engine);
    let large = text(&"x".repeat(400_000));
    for index in 0..50 {
        put(&engine, SIMPLE, item([("pk", text(&format!("key {index}"))), ("v", large.clone())]));
    }
    let mut keys: Vec<Item> = (0..50).map(key).collect();
    let mut found = Vec::new();
    let mut requests = 0;
    while !keys.is_empty() {
        let answer = engine.batch_get_item(BatchGetItem { tables: vec![reads(keys)] }).unwrap();
        let table = answer.tables.into_iter().next().unwrap();
        let reply_bytes: usize = table.items.iter().map(|item| item.as_bytes().len()).sum();
        assert!(reply_bytes <= BATCH_GET_REPLY_BYTES);
        found.extend(table.items.iter().filter_map(|item| decoded(item).get("pk").cloned()));
        keys = table.unprocessed_keys;
        requests += 1;
    }
    assert_eq!(found.len(), 50);
    assert_eq!(requests, 2, "20 MB are two replies");
}

#[test]
fn batches_name_no_item_twice_and_keep_to_their_numbers() {
    let engine = in_memory(1);
    create_composite(&engine, ScalarKind::N);
    create_simple(&engine);
    let same =
        |number: &str| item([("pk", text("p")), ("sk", basalt_engine::model::Value::N(decimal(number)))]);
    let twice = BatchGetTable { table_name: COMPOSITE.into(), ..reads(vec![same("1"), same("1.0")]) };
    let refused = engine.batch_get_item(BatchGetItem { tables: vec![twice] });
    assert!(matches!(refused, Err(Error::Validation(ValidationError::DuplicateKeys))));

    let many = engine.batch_get_item(BatchGetItem { tables: vec![reads((0..101).map(key).collect())] });
    assert!(matches!(many, Err(Error::Validation(ValidationError::TooManyKeys))));
    let writes = (0..26).map(|index| BatchWrite::Put(key(index))).collect();
    let table = BatchWriteTable { table_name: SIMPLE.into(), writes };
    let many = engine.batch_write_item(BatchWriteItem { tables: vec![table] });
    assert!(matches!(many, Err(Error::Validation(ValidationError::TooManyWrites))));
}

#[test]
fn a_batch_of_a_missing_table_is_refused_as_a_whole() {
    let engine = in_memory(2);
    create_simple(&engine);
    let present = BatchWriteTable { table_name: SIMPLE.into(), writes: vec![BatchWrite::Put(key(1))] };
    let missing = BatchWriteTable { table_name: "none".into(), writes: vec![BatchWrite::Put(key(1))] };
    let refused = engine.batch_write_item(BatchWriteItem { tables: vec![present, missing] });
    assert!(matches!(refused, Err(Error::TableNotFound { table_name }) if table_name == "none"));
    assert_eq!(get(&engine, SIMPLE, key(1)), None);
}
