//! Time to live on the wire.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::{Response, TestServer};

/// Expired items go within seconds; a loaded machine is given more.
const EXPIRY_TIME_MAX: Duration = Duration::from_secs(30);

fn answer(response: Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

fn call(server: &TestServer, operation: &str, body: &Value) -> Value {
    answer(server.call(operation, &body.to_string()))
}

fn server_with_table() -> TestServer {
    let server = TestServer::start();
    let create = json!({
        "TableName": "sessions",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "OLD_IMAGE"},
    });
    call(&server, "CreateTable", &create);
    server
}

fn update(server: &TestServer, specification: &Value) -> Response {
    let body = json!({"TableName": "sessions", "TimeToLiveSpecification": specification});
    server.call("UpdateTimeToLive", &body.to_string())
}

fn describe(server: &TestServer) -> Value {
    call(server, "DescribeTimeToLive", &json!({"TableName": "sessions"}))["TimeToLiveDescription"].take()
}

/// Asks until the answer is what it should become.
fn until<T: PartialEq + std::fmt::Debug>(expected: &T, ask: impl Fn() -> T) {
    let asked = Instant::now();
    loop {
        let found = ask();
        if found == *expected {
            return;
        }
        assert!(asked.elapsed() < EXPIRY_TIME_MAX, "{found:?} is not {expected:?}");
        std::thread::yield_now();
    }
}

#[test]
fn the_setting_is_told_and_changed_in_dynamodb_s_words() {
    let server = server_with_table();
    assert_eq!(describe(&server), json!({"TimeToLiveStatus": "DISABLED"}));
    let on = json!({"Enabled": true, "AttributeName": "until"});
    let off = json!({"Enabled": false, "AttributeName": "until"});
    assert_eq!(update(&server, &off).message(), "TimeToLive is already disabled");
    assert_eq!(answer(update(&server, &on)), json!({"TimeToLiveSpecification": on}));
    until(&json!({"TimeToLiveStatus": "ENABLED", "AttributeName": "until"}), || describe(&server));
    assert_eq!(update(&server, &on).message(), "TimeToLive is already enabled");
    let other = json!({"Enabled": false, "AttributeName": "other"});
    assert_eq!(
        update(&server, &other).message(),
        "TimeToLive is active on a different AttributeName: current AttributeName is until"
    );
    answer(update(&server, &off));
    until(&json!({"TimeToLiveStatus": "DISABLED"}), || describe(&server));
    assert_eq!(
        update(&server, &json!({"Enabled": true, "AttributeName": ""})).message(),
        "1 validation error detected: Value '' at 'timeToLiveSpecification.attributeName' failed to satisfy \
         constraint: Member must have length greater than or equal to 1"
    );
    assert_eq!(
        update(&server, &json!({"AttributeName": "until"})).message(),
        "1 validation error detected: Value null at 'timeToLiveSpecification.enabled' failed to satisfy constraint: \
         Member must not be null"
    );
    let missing = server.call("DescribeTimeToLive", &json!({"TableName": "missing"}).to_string());
    assert_eq!(missing.exception(), "ResourceNotFoundException");
    assert_eq!(missing.message(), "Requested resource not found: Table: missing not found");
}

#[test]
fn expired_items_go_and_the_stream_names_the_service() {
    let server = server_with_table();
    answer(update(&server, &json!({"Enabled": true, "AttributeName": "until"})));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs();
    for (key, until) in [("expired", now - 10), ("alive", now + 10_000)] {
        let item = json!({"pk": {"S": key}, "until": {"N": until.to_string()}});
        call(&server, "PutItem", &json!({"TableName": "sessions", "Item": item}));
    }
    let left = || call(&server, "Scan", &json!({"TableName": "sessions"}))["Count"].take();
    until(&json!(1), left);

    let arn =
        call(&server, "DescribeTable", &json!({"TableName": "sessions"}))["Table"]["LatestStreamArn"].take();
    let streams = |operation: &str, body: Value| answer(server.call_streams(operation, &body.to_string()));
    let described = streams("DescribeStream", json!({"StreamArn": arn}))["StreamDescription"].take();
    let mut removed = Vec::new();
    for shard in described["Shards"].as_array().expect("shards") {
        let begin = json!({
            "StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON",
        });
        let iterator = streams("GetShardIterator", begin)["ShardIterator"].take();
        let page = streams("GetRecords", json!({"ShardIterator": iterator}));
        let records = page["Records"].as_array().expect("records").clone();
        removed.extend(records.into_iter().filter(|record| record["eventName"] == "REMOVE"));
    }
    assert_eq!(removed.len(), 1);
    let identity = json!({"type": "Service", "principalId": "dynamodb.amazonaws.com"});
    assert_eq!(removed[0]["userIdentity"], identity);
    assert_eq!(removed[0]["dynamodb"]["OldImage"]["pk"], json!({"S": "expired"}));
}
