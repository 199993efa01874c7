//! Tables: made, told, changed and deleted.

use basalt_engine::{
    BillingMode, CreateTable, DeletionProtection, Error, GetItem, ListTables, TableChange, TableStatus,
    UpdateTable, ValidationError,
    model::{KeySchema, ScalarKind},
};

use crate::support::{
    SIMPLE, attribute, create_simple, get, in_memory, item, on_each_shard_count, put, simple_schema, text,
};

#[test]
fn a_created_table_is_told_and_takes_items_at_once() {
    on_each_shard_count(|engine| {
        let created = engine.create_table(CreateTable::new(SIMPLE, simple_schema())).unwrap();
        assert_eq!(created.status, TableStatus::Creating);
        assert_eq!(created.table_arn, "arn:aws:dynamodb:us-east-1:123456789012:table/t-simple");
        put(engine, SIMPLE, item([("pk", text("a"))]));
        let described = engine.describe_table(SIMPLE).unwrap();
        assert_eq!(described.status, TableStatus::Active);
        assert_eq!(described.table_id, created.table_id);
        assert_eq!(described.key_schema, simple_schema());
    });
}

#[test]
fn a_table_name_can_be_taken_once() {
    let engine = in_memory(2);
    create_simple(&engine);
    let again = engine.create_table(CreateTable::new(SIMPLE, simple_schema()));
    assert!(matches!(again, Err(Error::TableExists { table_name }) if table_name == SIMPLE));
}

#[test]
fn concurrent_creations_of_one_name_make_one_table() {
    let engine = in_memory(2);
    let made: Vec<bool> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| engine.create_table(CreateTable::new(SIMPLE, simple_schema()))))
            .collect();
        tries.into_iter().map(|one| one.join().unwrap().is_ok()).collect()
    });
    assert_eq!(made.iter().filter(|made| **made).count(), 1);
}

#[test]
fn broken_names_and_schemas_are_refused() {
    let engine = in_memory(1);
    for name in ["ab", "with space", ""] {
        let refused = engine.create_table(CreateTable::new(name, simple_schema()));
        assert!(matches!(refused, Err(Error::Validation(ValidationError::TableName))), "{name}");
    }
    let twice =
        KeySchema { partition: attribute("a", ScalarKind::S), sort: Some(attribute("a", ScalarKind::N)) };
    let refused = engine.create_table(CreateTable::new(SIMPLE, twice));
    assert!(matches!(refused, Err(Error::Validation(ValidationError::KeyAttributesShareName))));
}

#[test]
fn a_deleted_table_is_gone_and_its_name_starts_empty() {
    on_each_shard_count(|engine| {
        create_simple(engine);
        for index in 0..20 {
            put(engine, SIMPLE, item([("pk", text(&format!("key {index}")))]));
        }
        let first_id = engine.describe_table(SIMPLE).unwrap().table_id;
        assert_eq!(engine.delete_table(SIMPLE).unwrap().status, TableStatus::Deleting);
        assert!(matches!(engine.describe_table(SIMPLE), Err(Error::TableNotFound { .. })));
        let read = engine.get_item(GetItem::new(SIMPLE, item([("pk", text("key 1"))])));
        assert!(matches!(read, Err(Error::TableNotFound { .. })));

        create_simple(engine);
        assert_ne!(engine.describe_table(SIMPLE).unwrap().table_id, first_id);
        assert_eq!(get(engine, SIMPLE, item([("pk", text("key 1"))])), None);
    });
}

#[test]
fn missing_tables_cannot_be_deleted_or_changed() {
    let engine = in_memory(2);
    assert!(matches!(engine.delete_table("none"), Err(Error::TableNotFound { .. })));
    let change = UpdateTable {
        table_name: "none".into(),
        deletion_protection: Some(DeletionProtection::Enabled),
        ..UpdateTable::default()
    };
    assert!(matches!(engine.update_table(change), Err(Error::TableNotFound { .. })));
}

#[test]
fn a_protected_table_is_deleted_only_after_the_protection_is_lifted() {
    let engine = in_memory(2);
    let protected = CreateTable {
        deletion_protection: DeletionProtection::Enabled,
        ..CreateTable::new(SIMPLE, simple_schema())
    };
    engine.create_table(protected).unwrap();
    let refused = engine.delete_table(SIMPLE);
    assert!(matches!(refused, Err(Error::Validation(ValidationError::DeletionProtected))));
    let lift = UpdateTable {
        table_name: SIMPLE.into(),
        deletion_protection: Some(DeletionProtection::Disabled),
        ..UpdateTable::default()
    };
    assert_eq!(engine.update_table(lift).unwrap().deletion_protection, DeletionProtection::Disabled);
    engine.delete_table(SIMPLE).unwrap();
}

#[test]
fn billing_can_be_switched_and_is_told() {
    let engine = in_memory(2);
    let billing_mode = BillingMode::Provisioned { read_capacity_units: 5, write_capacity_units: 6 };
    engine.create_table(CreateTable { billing_mode, ..CreateTable::new(SIMPLE, simple_schema()) }).unwrap();
    assert_eq!(engine.describe_table(SIMPLE).unwrap().billing_mode, billing_mode);
    let switch = UpdateTable {
        table_name: SIMPLE.into(),
        billing_mode: Some(BillingMode::PayPerRequest),
        ..UpdateTable::default()
    };
    engine.update_table(switch).unwrap();
    let described = engine.describe_table(SIMPLE).unwrap();
    assert_eq!(described.billing_mode, BillingMode::PayPerRequest);
    assert!(described.last_pay_per_request_unix_us.is_some());
}

#[test]
fn tables_are_listed_by_name_page_by_page() {
    let engine = in_memory(2);
    for name in ["delta", "alpha", "charlie", "bravo"] {
        engine.create_table(CreateTable::new(name, simple_schema())).unwrap();
    }
    let all = engine.list_tables(ListTables::default()).unwrap();
    assert_eq!(all.table_names, ["alpha", "bravo", "charlie", "delta"]);
    assert_eq!(all.last_evaluated_table_name, None);

    let first = engine.list_tables(ListTables { limit: Some(2), ..ListTables::default() }).unwrap();
    assert_eq!(first.table_names, ["alpha", "bravo"]);
    assert_eq!(first.last_evaluated_table_name.as_deref(), Some("bravo"));
    let rest = ListTables { limit: Some(2), exclusive_start_table_name: first.last_evaluated_table_name };
    let rest = engine.list_tables(rest).unwrap();
    assert_eq!(rest.table_names, ["charlie", "delta"]);
    assert_eq!(rest.last_evaluated_table_name, None);

    let after_nothing =
        ListTables { exclusive_start_table_name: Some("bzzz".into()), ..ListTables::default() };
    assert_eq!(engine.list_tables(after_nothing).unwrap().table_names, ["charlie", "delta"]);
}

#[test]
fn concurrent_deletions_of_one_table_delete_it_once() {
    let engine = in_memory(2);
    create_simple(&engine);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..4).map(|_| scope.spawn(|| engine.delete_table(SIMPLE))).collect();
        tries.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for refused in outcomes.into_iter().filter_map(Result::err) {
        let expected = matches!(
            refused,
            Error::TableNotFound { .. } | Error::TableInUse { change: TableChange::Deleted, .. }
        );
        assert!(expected, "{refused}");
    }
}
