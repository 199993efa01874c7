//! Single items: put, get, update, delete, what they answer and what they cost.

use basalt_engine::{
    CapacityUnits, Consistency, DeleteItem, GetItem, PutItem, ReturnOld, ReturnValues, UpdateItem,
    model::{Item, ScalarKind, Value},
};

use crate::support::{
    COMPOSITE, SIMPLE, bytes, create_composite, create_simple, decoded, delete, get, in_memory, item, number,
    on_each_shard_count, projecting, put, text, texts, update, updating,
};

fn key(name: &str) -> Item {
    item([("pk", text(name))])
}

fn units(units: f64) -> impl Fn(CapacityUnits) {
    move |used| assert!((used.as_f64() - units).abs() < 1e-9, "used {used}, expected {units}")
}

#[test]
fn what_is_put_is_read_back() {
    on_each_shard_count(|engine| {
        create_simple(engine);
        for index in 0..50 {
            put(engine, SIMPLE, item([("pk", text(&format!("key {index}"))), ("n", number(index))]));
        }
        for index in 0..50 {
            let read = get(engine, SIMPLE, key(&format!("key {index}")));
            assert_eq!(read.and_then(|item| item.get("n").cloned()), Some(number(index)));
        }
        assert_eq!(get(engine, SIMPLE, key("absent")), None);
    });
}

#[test]
fn every_type_of_value_comes_back() {
    let engine = in_memory(2);
    create_simple(&engine);
    let nested =
        Value::M([("list".to_owned(), Value::L(vec![number(1), Value::Null, Value::Bool(true)]))].into());
    let stored = item([
        ("pk", text("k")),
        ("binary", bytes(&[0, 255])),
        ("empty", text("")),
        ("set", texts(&["b", "a"])),
        ("map", nested),
    ]);
    put(&engine, SIMPLE, stored.clone());
    assert_eq!(get(&engine, SIMPLE, key("k")), Some(stored));
}

#[test]
fn an_item_nested_too_deep_is_refused_before_its_table_is_looked_for() {
    let engine = in_memory(1);
    let nested = (0..32).fold(number(1), |value, _| Value::L(vec![value]));
    let refused = engine.put_item(PutItem::new("absent", item([("pk", text("k")), ("deep", nested)])));
    let refused = refused.expect_err("more levels than an item may have");
    assert_eq!(
        refused.to_string(),
        "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"
    );
}

#[test]
fn keys_of_all_kinds_name_their_items() {
    let engine = in_memory(2);
    create_composite(&engine, ScalarKind::N);
    for sort in [-5, 0, 7] {
        put(&engine, COMPOSITE, item([("pk", text("p")), ("sk", number(sort)), ("v", number(sort * 10))]));
    }
    // 7.0 is the same key as 7.
    let read =
        get(&engine, COMPOSITE, item([("pk", text("p")), ("sk", Value::N(crate::support::decimal("7.0")))]));
    assert_eq!(read.and_then(|item| item.get("v").cloned()), Some(number(70)));
    delete(&engine, COMPOSITE, item([("pk", text("p")), ("sk", number(0))]));
    assert_eq!(get(&engine, COMPOSITE, item([("pk", text("p")), ("sk", number(0))])), None);
    assert!(get(&engine, COMPOSITE, item([("pk", text("p")), ("sk", number(-5))])).is_some());
}

#[test]
fn put_replaces_the_whole_item_and_can_tell_the_old_one() {
    let engine = in_memory(2);
    create_simple(&engine);
    let old = item([("pk", text("k")), ("a", number(1))]);
    let new = item([("pk", text("k")), ("b", number(2))]);
    let telling =
        |item: &Item| PutItem { return_values: ReturnOld::AllOld, ..PutItem::new(SIMPLE, item.clone()) };
    assert!(engine.put_item(telling(&old)).unwrap().attributes.is_none());
    let answer = engine.put_item(telling(&new)).unwrap();
    assert_eq!(answer.attributes.as_ref().map(decoded), Some(old));
    assert_eq!(get(&engine, SIMPLE, key("k")), Some(new));
}

#[test]
fn delete_removes_the_item_and_can_tell_it() {
    let engine = in_memory(2);
    create_simple(&engine);
    let stored = item([("pk", text("k")), ("a", number(1))]);
    put(&engine, SIMPLE, stored.clone());
    let telling = DeleteItem { return_values: ReturnOld::AllOld, ..DeleteItem::new(SIMPLE, key("k")) };
    let answer = engine.delete_item(telling.clone()).unwrap();
    assert_eq!(answer.attributes.as_ref().map(decoded), Some(stored));
    assert_eq!(get(&engine, SIMPLE, key("k")), None);
    assert!(engine.delete_item(telling).unwrap().attributes.is_none());
}

#[test]
fn update_changes_in_place_and_creates_what_is_not_there() {
    let engine = in_memory(2);
    create_simple(&engine);
    update(&engine, SIMPLE, key("k"), "SET a = :a ADD n :one", &[(":a", text("x")), (":one", number(1))])
        .unwrap();
    update(&engine, SIMPLE, key("k"), "ADD n :one REMOVE a", &[(":one", number(1))]).unwrap();
    assert_eq!(get(&engine, SIMPLE, key("k")), Some(item([("pk", text("k")), ("n", number(2))])));

    let nothing =
        UpdateItem { update: None, ..UpdateItem::new(SIMPLE, key("bare"), updating("REMOVE a", &[])) };
    engine.update_item(nothing).unwrap();
    assert_eq!(get(&engine, SIMPLE, key("bare")), Some(key("bare")));
}

#[test]
fn each_return_value_of_update_tells_its_part() {
    let engine = in_memory(2);
    create_simple(&engine);
    let old = item([("pk", text("k")), ("a", number(1)), ("b", number(2))]);
    let new = item([("pk", text("k")), ("a", number(10)), ("b", number(2))]);
    let expectations = [
        (ReturnValues::None, None),
        (ReturnValues::AllOld, Some(old.clone())),
        (ReturnValues::AllNew, Some(new)),
        (ReturnValues::UpdatedOld, Some(item([("a", number(1))]))),
        (ReturnValues::UpdatedNew, Some(item([("a", number(10))]))),
    ];
    for (return_values, expected) in expectations {
        put(&engine, SIMPLE, old.clone());
        let update = updating("SET a = :a", &[(":a", number(10))]);
        let request = UpdateItem { return_values, ..UpdateItem::new(SIMPLE, key("k"), update) };
        let answer = engine.update_item(request).unwrap();
        assert_eq!(answer.attributes.as_ref().map(decoded), expected, "{return_values:?}");
    }
}

#[test]
fn updated_values_that_do_not_exist_are_not_told_at_all() {
    let engine = in_memory(1);
    create_simple(&engine);
    put(&engine, SIMPLE, item([("pk", text("k")), ("a", number(1))]));
    let request = UpdateItem {
        return_values: ReturnValues::UpdatedNew,
        ..UpdateItem::new(SIMPLE, key("k"), updating("REMOVE a", &[]))
    };
    assert!(engine.update_item(request).unwrap().attributes.is_none());
    let request = UpdateItem {
        return_values: ReturnValues::UpdatedOld,
        ..UpdateItem::new(SIMPLE, key("new"), updating("SET a = :a", &[(":a", number(1))]))
    };
    assert!(engine.update_item(request).unwrap().attributes.is_none());
}

#[test]
fn a_projection_that_matches_nothing_leaves_an_empty_item() {
    let engine = in_memory(2);
    create_simple(&engine);
    put(&engine, SIMPLE, item([("pk", text("k")), ("a", number(1))]));
    let read = |name: &str, projection: &str| {
        let request = GetItem { projection: Some(projecting(projection)), ..GetItem::new(SIMPLE, key(name)) };
        engine.get_item(request).unwrap().item.as_ref().map(decoded)
    };
    assert_eq!(read("k", "a"), Some(item([("a", number(1))])));
    assert_eq!(read("k", "absent"), Some(Item::new()));
    assert_eq!(read("absent", "a"), None);
}

#[test]
fn capacity_follows_the_larger_image_and_the_wanted_consistency() {
    let engine = in_memory(1);
    create_simple(&engine);
    let sized = |bytes: usize| item([("pk", text("k")), ("v", text(&"x".repeat(bytes - 4)))]);
    units(3.0)(engine.put_item(PutItem::new(SIMPLE, sized(2049))).unwrap().capacity.total());
    units(3.0)(engine.put_item(PutItem::new(SIMPLE, sized(100))).unwrap().capacity.total());
    put(&engine, SIMPLE, sized(4097));
    let eventual = GetItem::new(SIMPLE, key("k"));
    let strong = GetItem { consistency: Consistency::Strong, ..eventual.clone() };
    units(1.0)(engine.get_item(eventual).unwrap().capacity.total());
    units(2.0)(engine.get_item(strong).unwrap().capacity.total());
    units(0.5)(engine.get_item(GetItem::new(SIMPLE, key("absent"))).unwrap().capacity.total());
    units(5.0)(engine.delete_item(DeleteItem::new(SIMPLE, key("k"))).unwrap().capacity.total());
    units(1.0)(engine.delete_item(DeleteItem::new(SIMPLE, key("k"))).unwrap().capacity.total());
}

#[test]
fn concurrent_increments_are_all_counted() {
    let engine = in_memory(2);
    create_simple(&engine);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    update(&engine, SIMPLE, key("counter"), "ADD n :one", &[(":one", number(1))]).unwrap();
                }
            });
        }
    });
    assert_eq!(
        get(&engine, SIMPLE, key("counter")),
        Some(item([("pk", text("counter")), ("n", number(200))]))
    );
}
