//! Conditions: what they allow, and what their failure leaves and tells.

use basalt_engine::{DeleteItem, Error, PutItem, ReturnOld, UpdateItem, model::Item};

use crate::support::{
    SIMPLE, condition, create_simple, decoded, get, in_memory, item, number, on_each_shard_count, put, text,
    updating,
};

fn key() -> Item {
    item([("pk", text("k"))])
}

fn stored() -> Item {
    item([("pk", text("k")), ("version", number(3))])
}

#[test]
fn a_put_that_must_create_creates_once() {
    on_each_shard_count(|engine| {
        create_simple(engine);
        let create = PutItem {
            condition: Some(condition("attribute_not_exists(pk)", &[])),
            ..PutItem::new(SIMPLE, stored())
        };
        engine.put_item(create.clone()).unwrap();
        assert!(matches!(engine.put_item(create), Err(Error::ConditionalCheckFailed { item: None })));
    });
}

#[test]
fn a_failed_condition_changes_nothing() {
    let engine = in_memory(2);
    create_simple(&engine);
    put(&engine, SIMPLE, stored());
    let wrong = || Some(condition("version = :v", &[(":v", number(4))]));
    let replaced = item([("pk", text("k")), ("version", number(9))]);
    let put = PutItem { condition: wrong(), ..PutItem::new(SIMPLE, replaced) };
    assert!(matches!(engine.put_item(put), Err(Error::ConditionalCheckFailed { .. })));
    let set = updating("SET version = :n", &[(":n", number(9))]);
    let update = UpdateItem { condition: wrong(), ..UpdateItem::new(SIMPLE, key(), set) };
    assert!(matches!(engine.update_item(update), Err(Error::ConditionalCheckFailed { .. })));
    let delete = DeleteItem { condition: wrong(), ..DeleteItem::new(SIMPLE, key()) };
    assert!(matches!(engine.delete_item(delete), Err(Error::ConditionalCheckFailed { .. })));
    assert_eq!(get(&engine, SIMPLE, key()), Some(stored()));
}

#[test]
fn a_condition_that_holds_lets_the_write_through() {
    let engine = in_memory(2);
    create_simple(&engine);
    put(&engine, SIMPLE, stored());
    let set = updating("SET version = version + :one", &[(":one", number(1))]);
    let right = condition("version = :v", &[(":v", number(3))]);
    engine.update_item(UpdateItem { condition: Some(right), ..UpdateItem::new(SIMPLE, key(), set) }).unwrap();
    assert_eq!(get(&engine, SIMPLE, key()), Some(item([("pk", text("k")), ("version", number(4))])));
}

#[test]
fn a_failed_condition_tells_the_present_item_if_asked() {
    let engine = in_memory(2);
    create_simple(&engine);
    put(&engine, SIMPLE, stored());
    let absent = |key: Item| DeleteItem {
        condition: Some(condition("attribute_exists(nothing)", &[])),
        return_values_on_condition_check_failure: ReturnOld::AllOld,
        ..DeleteItem::new(SIMPLE, key)
    };
    match engine.delete_item(absent(key())) {
        Err(Error::ConditionalCheckFailed { item: Some(item) }) => assert_eq!(decoded(&item), stored()),
        other => panic!("{other:?}"),
    }
    let missing = engine.delete_item(absent(item([("pk", text("other"))])));
    assert!(matches!(missing, Err(Error::ConditionalCheckFailed { item: None })));
}

#[test]
fn the_condition_is_judged_before_the_update_is_run() {
    let engine = in_memory(1);
    create_simple(&engine);
    put(&engine, SIMPLE, stored());
    let impossible = updating("SET a = missing_attribute", &[]);
    let wrong = Some(condition("version = :v", &[(":v", number(4))]));
    let request = UpdateItem { condition: wrong, ..UpdateItem::new(SIMPLE, key(), impossible.clone()) };
    assert!(matches!(engine.update_item(request), Err(Error::ConditionalCheckFailed { .. })));
    let refused = engine.update_item(UpdateItem::new(SIMPLE, key(), impossible)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "The provided expression refers to an attribute that does not exist in the item"
    );
}
