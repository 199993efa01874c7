//! What is told of wrong keys, paths and sizes, in DynamoDB's words and order.

use basalt_engine::{
    BatchWrite, BatchWriteItem, BatchWriteTable, DeleteItem, Error, GetItem, PutItem, Query, Scan,
    UpdateItem,
    model::{Item, ScalarKind, ScanSegment, Value},
};

use crate::support::{
    COMPOSITE, SIMPLE, bytes, condition, create_composite, create_simple, filter, in_memory, item, keyed,
    number, projecting, put, text, updating,
};

fn refusal<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    match outcome.expect_err("it must be refused") {
        Error::Validation(refused) => refused.to_string(),
        other => panic!("not a fault of the request: {other}"),
    }
}

#[test]
fn items_without_a_fitting_key_are_refused() {
    let engine = in_memory(1);
    create_composite(&engine, ScalarKind::N);
    let put = |item: Item| refusal(engine.put_item(PutItem::new(COMPOSITE, item)));
    assert_eq!(
        put(item([("sk", number(1))])),
        "One or more parameter values were invalid: Missing the key pk in the item"
    );
    assert_eq!(
        put(item([("pk", text("p")), ("sk", text("1"))])),
        "One or more parameter values were invalid: Type mismatch for key sk expected: N actual: S"
    );
    assert_eq!(
        put(item([("pk", text("")), ("sk", number(1))])),
        "One or more parameter values are not valid. \
         The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"
    );
}

#[test]
fn key_arguments_must_be_exactly_the_key() {
    let engine = in_memory(1);
    create_composite(&engine, ScalarKind::N);
    let mismatch = "The provided key element does not match the schema";
    let whole = || item([("pk", text("p")), ("sk", number(1))]);
    let wrong = [
        item([("pk", text("p"))]),
        item([("pk", text("p")), ("sk", text("1"))]),
        item([("pk", text("p")), ("sk", number(1)), ("more", number(1))]),
        item([("pk", text("p")), ("other", number(1))]),
    ];
    for key in wrong {
        assert_eq!(refusal(engine.get_item(GetItem::new(COMPOSITE, key.clone()))), mismatch);
        assert_eq!(refusal(engine.delete_item(DeleteItem::new(COMPOSITE, key.clone()))), mismatch);
        let update = UpdateItem::new(COMPOSITE, key, updating("SET a = :a", &[(":a", number(1))]));
        assert_eq!(refusal(engine.update_item(update)), mismatch);
    }
    engine.get_item(GetItem::new(COMPOSITE, whole())).unwrap();
}

#[test]
fn keys_have_their_longest_lengths() {
    let engine = in_memory(1);
    create_composite(&engine, ScalarKind::B);
    let read = |partition: usize, sort: usize| {
        let key = item([("pk", text(&"p".repeat(partition))), ("sk", bytes(&vec![7; sort]))]);
        engine.get_item(GetItem::new(COMPOSITE, key))
    };
    read(2048, 1024).unwrap();
    assert_eq!(
        refusal(read(2049, 1)),
        "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes"
    );
    assert_eq!(
        refusal(read(1, 1025)),
        "One or more parameter values were invalid: \
         Aggregated size of all range keys has exceeded the size limit of 1024 bytes"
    );
}

#[test]
fn a_missing_table_is_told_before_a_wrong_key_and_after_a_large_item() {
    let engine = in_memory(1);
    let nothing = GetItem::new("none", Item::new());
    assert!(matches!(engine.get_item(nothing), Err(Error::TableNotFound { .. })));
    let large = item([("pk", text("k")), ("v", text(&"x".repeat(409_600)))]);
    assert_eq!(
        refusal(engine.put_item(PutItem::new("none", large))),
        "Item size has exceeded the maximum allowed size"
    );
}

#[test]
fn items_of_400_kibibytes_are_the_largest() {
    let engine = in_memory(1);
    create_simple(&engine);
    let sized = |bytes: usize| item([("pk", text("k")), ("v", text(&"x".repeat(bytes - 4)))]);
    put(&engine, SIMPLE, sized(409_600));
    assert_eq!(
        refusal(engine.put_item(PutItem::new(SIMPLE, sized(409_601)))),
        "Item size has exceeded the maximum allowed size"
    );
    let grow = updating("SET w = :w", &[(":w", text("more"))]);
    assert_eq!(
        refusal(engine.update_item(UpdateItem::new(SIMPLE, item([("pk", text("k"))]), grow))),
        "Item size to update has exceeded the maximum allowed size"
    );
}

#[test]
fn key_attributes_are_neither_updated_nor_entered() {
    let engine = in_memory(1);
    create_simple(&engine);
    let key = || item([("pk", text("k"))]);
    let update = UpdateItem::new(SIMPLE, key(), updating("SET pk = :a", &[(":a", text("x"))]));
    assert_eq!(
        refusal(engine.update_item(update)),
        "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key"
    );
    let entered = "Key attributes must be scalars; \
                   list random access '[]' and map lookup '.' are not allowed: Key: pk";
    let read = GetItem { projection: Some(projecting("pk.a")), ..GetItem::new(SIMPLE, key()) };
    assert_eq!(refusal(engine.get_item(read)), entered);
    let scan = Scan { filter: Some(filter("pk[0] = :a", &[(":a", text("x"))])), ..Scan::new(SIMPLE) };
    assert_eq!(refusal(engine.scan(scan)), entered);
}

#[test]
fn queries_leave_keys_to_the_key_condition() {
    let engine = in_memory(1);
    create_composite(&engine, ScalarKind::N);
    let query = |expression: &str, values: &[(&str, Value)]| Query::new(COMPOSITE, keyed(expression, values));
    let pk_only = || query("pk = :p", &[(":p", text("p"))]);
    let filtered = Query { filter: Some(filter("sk > :s", &[(":s", number(1))])), ..pk_only() };
    assert_eq!(
        refusal(engine.query(filtered)),
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk"
    );
    assert_eq!(
        refusal(engine.query(query("sk = :s", &[(":s", number(1))]))),
        "Query condition missed key schema element: pk"
    );
    assert_eq!(
        refusal(engine.query(query("pk = :p", &[(":p", number(1))]))),
        "One or more parameter values were invalid: Condition parameter type does not match schema type"
    );
    assert_eq!(
        refusal(engine.query(query("pk > :p", &[(":p", text("p"))]))),
        "Query key condition not supported"
    );
    let index = Query { index_name: Some("by-time".into()), ..pk_only() };
    assert_eq!(refusal(engine.query(index)), "The table does not have the specified index: by-time");
}

#[test]
fn start_keys_must_be_where_the_query_could_have_stopped() {
    let engine = in_memory(1);
    create_composite(&engine, ScalarKind::N);
    let from = |expression: &str, values: &[(&str, Value)], start: Item| {
        let query = Query::new(COMPOSITE, keyed(expression, values));
        refusal(engine.query(Query { exclusive_start_key: Some(start), ..query }))
    };
    let start = |partition: &str, sort: i64| item([("pk", text(partition)), ("sk", number(sort))]);
    let partition = [(":p", text("p"))];
    let above_ten = [(":p", text("p")), (":s", number(10))];
    assert_eq!(
        from("pk = :p", &partition, item([("pk", text("p"))])),
        "The provided starting key is invalid"
    );
    assert_eq!(
        from("pk = :p", &partition, item([("pk", text("p")), ("sk", text("x"))])),
        "The provided key element does not match the schema"
    );
    assert_eq!(
        from("pk = :p", &partition, start("q", 1)),
        "The provided starting key is outside query boundaries based on provided conditions"
    );
    assert_eq!(
        from("pk = :p AND sk > :s", &above_ten, start("p", 10)),
        "The provided starting key does not match the range key predicate"
    );
    assert_eq!(
        from("pk = :p AND sk > :s", &above_ten, start("q", 11)),
        "The query can return at most one row and cannot be restarted"
    );
}

#[test]
fn start_keys_of_scans_must_be_keys_of_their_segment() {
    let engine = in_memory(2);
    create_simple(&engine);
    let from = |start: Item, segment: ScanSegment| {
        engine.scan(Scan { exclusive_start_key: Some(start), segment, ..Scan::new(SIMPLE) })
    };
    assert_eq!(
        refusal(from(item([("other", text("k"))]), ScanSegment::WHOLE)),
        "The provided starting key is invalid: The provided key element does not match the schema"
    );
    let key = item([("pk", text("k"))]);
    let segments = (0..4).map(|segment| ScanSegment { segment, total_segments: 4 });
    let refused: Vec<String> = segments
        .filter_map(|segment| from(key.clone(), segment).err())
        .map(|error| error.to_string())
        .collect();
    assert_eq!(refused.len(), 3, "a key lies in one segment of four");
    for text in refused {
        assert!(
            text.starts_with(
                "The provided starting key is invalid: Invalid ExclusiveStartKey. \
                 Please use ExclusiveStartKey with correct Segment. TotalSegments: 4 Segment: "
            ),
            "{text}"
        );
    }
}

#[test]
fn pages_of_no_rows_and_segments_beyond_the_total_are_refused() {
    let engine = in_memory(1);
    create_simple(&engine);
    assert_eq!(
        refusal(engine.scan(Scan { limit: Some(0), ..Scan::new(SIMPLE) })),
        "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: \
         Member must have value greater than or equal to 1"
    );
    let segment = ScanSegment { segment: 5, total_segments: 5 };
    assert_eq!(
        refusal(engine.scan(Scan { segment, ..Scan::new(SIMPLE) })),
        "The Segment parameter is zero-based and must be less than parameter TotalSegments: \
         Segment: 5 is not less than TotalSegments: 5"
    );
}

#[test]
fn a_batch_tells_every_misfit_of_a_key_alike() {
    let engine = in_memory(2);
    create_simple(&engine);
    let write = |writes: Vec<BatchWrite>| {
        let table = BatchWriteTable { table_name: SIMPLE.into(), writes };
        refusal(engine.batch_write_item(BatchWriteItem { tables: vec![table] }))
    };
    let mismatch = "The provided key element does not match the schema";
    assert_eq!(write(vec![BatchWrite::Put(item([("a", number(1))]))]), mismatch);
    assert_eq!(write(vec![BatchWrite::Put(item([("pk", number(1))]))]), mismatch);
    assert_eq!(write(vec![BatchWrite::Delete(item([("pk", number(1))]))]), mismatch);
    let twice =
        vec![BatchWrite::Put(item([("pk", text("k"))])), BatchWrite::Delete(item([("pk", text("k"))]))];
    assert_eq!(write(twice), "Provided list of item keys contains duplicates");
}

#[test]
fn nothing_is_written_by_a_refused_request() {
    let engine = in_memory(2);
    create_simple(&engine);
    let good = BatchWrite::Put(item([("pk", text("good"))]));
    let bad = BatchWrite::Put(item([("other", text("bad"))]));
    let table = BatchWriteTable { table_name: SIMPLE.into(), writes: vec![good, bad] };
    refusal(engine.batch_write_item(BatchWriteItem { tables: vec![table] }));
    let impossible = PutItem {
        condition: Some(condition("attribute_exists(pk)", &[])),
        ..PutItem::new(SIMPLE, item([("pk", text("good"))]))
    };
    assert!(matches!(engine.put_item(impossible), Err(Error::ConditionalCheckFailed { item: None })));
}
