//! ExclusiveStartKey of queries and scans: each attribute of the queried key is judged in turn with the condition on it.

use serde_json::{Value, json};

use crate::support::TestServer;

const INVALID: &str = "The provided starting key is invalid";
const MISMATCH: &str = "The provided key element does not match the schema";
const NO_KEY: &str =
    "The provided starting key is invalid: The provided key element does not match the schema";

/// A table with a local index by `c` and a global one by `c` and `d`.
fn server() -> TestServer {
    let server = TestServer::start();
    let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let key = |hash: &str, range: &str| json!([{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}]);
    let index = |name: &str, key_schema: Value, projection: &str| json!({"IndexName": name, "KeySchema": key_schema, "Projection": {"ProjectionType": projection}});
    let create = json!({
        "TableName": "table",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [attribute("a"), attribute("b"), attribute("c"), attribute("d")],
        "KeySchema": key("a", "b"),
        "LocalSecondaryIndexes": [index("local", key("a", "c"), "ALL")],
        "GlobalSecondaryIndexes": [index("global", key("c", "d"), "KEYS_ONLY")],
    });
    let created = server.call("CreateTable", &create.to_string());
    assert_eq!(created.status, 200, "{}", created.text());
    server
}

fn refusal(server: &TestServer, operation: &str, mut request: Value) -> String {
    request["TableName"] = json!("table");
    let refused = server.call(operation, &request.to_string());
    assert_eq!(refused.exception(), "ValidationException", "{request}: {}", refused.text());
    refused.message()
}

fn query_from(index: Option<&str>, condition: &str, start: Value) -> Value {
    let mut query = json!({
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": {":x": {"S": "x"}},
        "ExclusiveStartKey": start,
    });
    if let Some(index) = index {
        query["IndexName"] = json!(index);
    }
    query
}

#[test]
fn start_keys_of_queries_are_judged_in_turn_with_the_conditions() {
    let server = server();
    let s = |text: &str| json!({"S": text});
    let n = || json!({"N": "1"});
    let cases = [
        (None, "a = :x", json!({"a": s("x")}), INVALID),
        (None, "a = :x", json!({"a": n(), "z": s("x")}), MISMATCH),
        (None, "a = :x", json!({"a": s("x"), "z": s("x")}), INVALID),
        (None, "z = :x", json!({"a": s("x"), "b": n()}), "Query condition missed key schema element: a"),
        (Some("local"), "a = :x", json!({"a": s("x"), "b": s("x")}), INVALID),
        (Some("local"), "a = :x", json!({"a": s("x"), "b": s("x"), "c": n()}), MISMATCH),
        (Some("local"), "a = :x", json!({"a": s("x"), "b": n(), "c": s("x")}), NO_KEY),
        (
            Some("global"),
            "z = :x",
            json!({"a": n(), "b": n(), "c": s("x"), "d": n()}),
            "Query condition missed key schema element: c",
        ),
        (Some("global"), "c = :x", json!({"a": n(), "b": s("x"), "c": s("x"), "d": s("x")}), NO_KEY),
        (
            Some("global"),
            "c = :x",
            json!({"a": s("x"), "b": s("x"), "c": s("y"), "d": s("x")}),
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
        (
            Some("global"),
            "c = :x AND d > :x",
            json!({"a": s("x"), "b": s("x"), "c": s("y"), "d": s("a")}),
            "The provided starting key does not match the range key predicate",
        ),
        (
            Some("global"),
            "c = :x AND d = :x",
            json!({"a": s("x"), "b": s("x"), "c": s("y"), "d": s("x")}),
            "The query can return at most one row and cannot be restarted",
        ),
    ];
    for (index, condition, start, expected) in cases {
        let query = query_from(index, condition, start);
        assert_eq!(refusal(&server, "Query", query.clone()), expected, "{query}");
    }
}

#[test]
fn start_keys_of_scans_are_judged_by_the_index_then_by_the_table() {
    let server = server();
    let scan =
        |start: Value| json!({"IndexName": "global", "ExclusiveStartKey": start, "Select": "ALL_ATTRIBUTES"});
    let s = || json!({"S": "x"});
    let n = || json!({"N": "1"});
    assert_eq!(refusal(&server, "Scan", scan(json!({"c": s()}))), INVALID);
    assert_eq!(refusal(&server, "Scan", scan(json!({"a": s(), "b": s(), "c": n(), "d": s()}))), MISMATCH);
    let selection = refusal(&server, "Scan", scan(json!({"a": n(), "b": s(), "c": s(), "d": s()})));
    assert!(selection.contains("Select type ALL_ATTRIBUTES is not supported"), "{selection}");
    let mut of_index = scan(json!({"a": n(), "b": s(), "c": s(), "d": s()}));
    of_index["Select"] = json!("ALL_PROJECTED_ATTRIBUTES");
    assert_eq!(refusal(&server, "Scan", of_index), NO_KEY);
    assert_eq!(refusal(&server, "Scan", json!({"ExclusiveStartKey": {"a": n(), "b": s()}})), NO_KEY);
}

#[test]
fn a_query_goes_on_behind_a_start_key_of_an_index() {
    let server = server();
    for sort in ["1", "2", "3"] {
        let item = json!({"a": {"S": "k"}, "b": {"S": sort}, "c": {"S": "x"}, "d": {"S": sort}});
        let put = server.call("PutItem", &json!({"TableName": "table", "Item": item}).to_string());
        assert_eq!(put.status, 200, "{}", put.text());
    }
    let start = json!({"a": {"S": "k"}, "b": {"S": "1"}, "c": {"S": "x"}, "d": {"S": "1"}});
    let mut query = query_from(Some("global"), "c = :x", start);
    query["TableName"] = json!("table");
    let page = server.call("Query", &query.to_string()).json();
    let sorts: Vec<&str> =
        page["Items"].as_array().unwrap().iter().map(|item| item["d"]["S"].as_str().unwrap()).collect();
    assert_eq!(sorts, ["2", "3"]);
}
