//! ItemCount and TableSizeBytes tell every write that was answered, of tables and of indexes.

use serde_json::{Value, json};

use crate::support::{TestServer, answer};

fn server_with_indexes() -> TestServer {
    let server = TestServer::start();
    let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let key = |hash: &str, range: &str| json!([{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}]);
    let index = |name: &str, key_schema: Value| json!([{"IndexName": name, "KeySchema": key_schema, "Projection": {"ProjectionType": "ALL"}}]);
    answer(
        &server,
        "CreateTable",
        &json!({
            "TableName": "counted",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [attribute("a"), attribute("b"), attribute("c")],
            "KeySchema": key("a", "b"),
            "LocalSecondaryIndexes": index("local", key("a", "c")),
            "GlobalSecondaryIndexes": index("global", key("c", "b")),
        }),
    );
    server
}

/// The counts of the table, of its local and of its global index.
fn counts(server: &TestServer) -> [u64; 3] {
    let table = answer(server, "DescribeTable", &json!({"TableName": "counted"}))["Table"].take();
    let counts = [
        &table["ItemCount"],
        &table["LocalSecondaryIndexes"][0]["ItemCount"],
        &table["GlobalSecondaryIndexes"][0]["ItemCount"],
    ];
    let sizes = [
        &table["TableSizeBytes"],
        &table["LocalSecondaryIndexes"][0]["IndexSizeBytes"],
        &table["GlobalSecondaryIndexes"][0]["IndexSizeBytes"],
    ];
    for (count, size) in counts.iter().zip(sizes) {
        assert_eq!(count.as_u64() == Some(0), size.as_u64() == Some(0), "{table}");
    }
    counts.map(|count| count.as_u64().expect("a count"))
}

fn put(server: &TestServer, number: usize, index_key: Option<&str>) {
    let mut item = json!({"a": {"S": format!("partition {}", number % 7)}, "b": {"S": number.to_string()}});
    if let Some(index_key) = index_key {
        item["c"] = json!({"S": index_key});
    }
    answer(server, "PutItem", &json!({"TableName": "counted", "Item": item}));
}

#[test]
fn counts_are_those_of_the_last_write_that_was_answered() {
    let server = server_with_indexes();
    assert_eq!(counts(&server), [0, 0, 0]);
    for number in 0..40 {
        put(&server, number, (number % 2 == 0).then_some("indexed"));
        assert_eq!(counts(&server)[0], number as u64 + 1);
    }
    assert_eq!(counts(&server), [40, 20, 20]);
    // Writes again, of which some enter the indexes and others leave them, count no item twice.
    for number in 0..40 {
        put(&server, number, (number % 4 == 0).then_some("again"));
    }
    assert_eq!(counts(&server), [40, 10, 10]);
    for number in 0..30 {
        let key = json!({"a": {"S": format!("partition {}", number % 7)}, "b": {"S": number.to_string()}});
        answer(&server, "DeleteItem", &json!({"TableName": "counted", "Key": key}));
    }
    assert_eq!(counts(&server), [10, 2, 2]);
}
