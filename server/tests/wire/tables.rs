//! Tables and items through the whole server: every operation once, as a client without an SDK sees it.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{TestServer, answer};

/// A server with the table `people`, of a composite key.
fn server_with_table() -> TestServer {
    let server = TestServer::start();
    let create = json!({
        "TableName": "people",
        "AttributeDefinitions": [
            {"AttributeName": "sk", "AttributeType": "N"},
            {"AttributeName": "pk", "AttributeType": "S"},
        ],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    let created = answer(&server, "CreateTable", &create);
    assert_eq!(created["TableDescription"]["TableStatus"], "CREATING");
    server
}

fn key(pk: &str, sk: i64) -> Value {
    json!({"pk": {"S": pk}, "sk": {"N": sk.to_string()}})
}

fn put(server: &TestServer, item: &Value) {
    answer(server, "PutItem", &json!({"TableName": "people", "Item": item}));
}

#[test]
fn tables_are_described() {
    let server = server_with_table();
    let table = answer(&server, "DescribeTable", &json!({"TableName": "people"}))["Table"].take();
    assert_eq!(table["TableStatus"], "ACTIVE");
    assert_eq!(table["TableArn"], "arn:aws:dynamodb:us-east-1:123456789012:table/people");
    assert_eq!(table["KeySchema"][1], json!({"AttributeName": "sk", "KeyType": "RANGE"}));
    assert_eq!(table["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(table["ProvisionedThroughput"]["ReadCapacityUnits"], 0);
    assert!(table["CreationDateTime"].is_f64());
    assert_eq!(table["TableId"].as_str().map(str::len), Some(36));
    for absent in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes", "StreamSpecification", "SSEDescription"]
    {
        assert_eq!(table.get(absent), None);
    }
    assert_eq!(answer(&server, "ListTables", &json!({})), json!({"TableNames": ["people"]}));
}

#[test]
fn tables_are_protected_and_deleted() {
    let server = server_with_table();
    let protect = |enabled: bool| json!({"TableName": "people", "DeletionProtectionEnabled": enabled});
    answer(&server, "UpdateTable", &protect(true));
    let refused = server.call("DeleteTable", r#"{"TableName":"people"}"#);
    assert!(refused.message().starts_with("Resource cannot be deleted as it is currently protected"));
    answer(&server, "UpdateTable", &protect(false));
    let deleted = answer(&server, "DeleteTable", &json!({"TableName": "people"}));
    assert_eq!(deleted["TableDescription"]["TableStatus"], "DELETING");
    let gone = server.call("DescribeTable", r#"{"TableName":"people"}"#);
    assert_eq!(gone.exception(), "ResourceNotFoundException");
}

#[test]
fn items_are_put_read_and_deleted() {
    let server = server_with_table();
    let item = json!({
        "pk": {"S": "a\"\\\u{1}é😀"}, "sk": {"N": "1"}, "t": {"BOOL": true}, "z": {"NULL": true}, "b": {"B": "AQI="},
        "l": {"L": [{"S": ""}, {"M": {"k": {"N": "-0.5"}}}]}, "ns": {"NS": ["1", "2"]}, "bs": {"BS": ["", "/w=="]},
    });
    put(&server, &item);
    let key = json!({"pk": item["pk"], "sk": {"N": "1.00"}});
    let get =
        json!({"TableName": "people", "Key": key, "ConsistentRead": true, "ReturnConsumedCapacity": "TOTAL"});
    let got = answer(&server, "GetItem", &get);
    assert_eq!(got["Item"], item);
    assert_eq!(got["ConsumedCapacity"], json!({"TableName": "people", "CapacityUnits": 1.0}));

    let delete = json!({"TableName": "people", "Key": key, "ReturnValues": "ALL_OLD"});
    assert_eq!(answer(&server, "DeleteItem", &delete)["Attributes"], item);
    assert_eq!(answer(&server, "DeleteItem", &delete), json!({}));
    assert_eq!(answer(&server, "GetItem", &json!({"TableName": "people", "Key": key})), json!({}));
}

#[test]
fn numbers_come_back_canonical() {
    let server = server_with_table();
    for (sent, canonical) in [("1e3", "1000"), ("+007.50", "7.5"), ("-0", "0"), ("1E-2", "0.01"), ("5.", "5")]
    {
        put(&server, &json!({"pk": {"S": "n"}, "sk": {"N": sent}}));
        let query = json!({
            "TableName": "people",
            "KeyConditionExpression": "pk = :p AND sk = :s",
            "ExpressionAttributeValues": {":p": {"S": "n"}, ":s": {"N": sent}},
        });
        assert_eq!(answer(&server, "Query", &query)["Items"][0]["sk"]["N"], canonical);
    }
}

#[test]
fn failed_conditions_can_show_the_item() {
    let server = server_with_table();
    let item = key("a", 1);
    put(&server, &item);
    let mut again =
        json!({"TableName": "people", "Item": item, "ConditionExpression": "attribute_not_exists(pk)"});
    let failed = server.call("PutItem", &again.to_string());
    assert_eq!(failed.exception(), "ConditionalCheckFailedException");
    assert_eq!(
        (failed.message().as_str(), failed.json().get("Item")),
        ("The conditional request failed", None)
    );
    again["ReturnValuesOnConditionCheckFailure"] = json!("ALL_OLD");
    assert_eq!(server.call("PutItem", &again.to_string()).json()["Item"], item);
}

#[test]
fn updates_answer_with_what_they_changed() {
    let server = server_with_table();
    let update = json!({
        "TableName": "people",
        "Key": key("a", 1),
        "UpdateExpression": "SET #n = :v ADD visits :v",
        "ExpressionAttributeNames": {"#n": "name"},
        "ExpressionAttributeValues": {":v": {"N": "2"}},
        "ReturnValues": "UPDATED_NEW",
    });
    let updated = answer(&server, "UpdateItem", &update);
    assert_eq!(updated["Attributes"], json!({"name": {"N": "2"}, "visits": {"N": "2"}}));
    let updated = answer(&server, "UpdateItem", &update);
    assert_eq!(updated["Attributes"]["visits"]["N"], "4");
}

#[test]
fn pages_follow_each_other() {
    let server = server_with_table();
    for number in 0..5 {
        put(&server, &key("a", number));
    }
    let mut query = json!({
        "TableName": "people",
        "KeyConditionExpression": "pk = :p",
        "ExpressionAttributeValues": {":p": {"S": "a"}},
        "ScanIndexForward": false,
        "Limit": 2,
    });
    let mut numbers = Vec::new();
    loop {
        let page = answer(&server, "Query", &query);
        assert_eq!(page["Count"], page["ScannedCount"]);
        numbers.extend(page["Items"].as_array().unwrap().iter().map(|item| item["sk"]["N"].clone()));
        match page.get("LastEvaluatedKey") {
            Some(last) => query["ExclusiveStartKey"] = last.clone(),
            None => break,
        }
    }
    assert_eq!(numbers, ["4", "3", "2", "1", "0"]);
}

#[test]
fn segments_share_a_scan() {
    let server = server_with_table();
    for number in 0..40 {
        put(&server, &key(&format!("p{number}"), 0));
    }
    let segment = |segment: u32, select: &str| json!({"TableName": "people", "Segment": segment, "TotalSegments": 4, "Select": select});
    let counts: u64 = (0..4)
        .map(|number| answer(&server, "Scan", &segment(number, "COUNT"))["Count"].as_u64().unwrap())
        .sum();
    assert_eq!(counts, 40);
    assert_eq!(answer(&server, "Scan", &segment(0, "COUNT")).get("Items"), None);
    assert!(answer(&server, "Scan", &segment(0, "ALL_ATTRIBUTES"))["Items"].is_array());
}

#[test]
fn batches_write_and_read() {
    let server = server_with_table();
    let writes: Vec<Value> =
        (0..25).map(|number| json!({"PutRequest": {"Item": key("a", number)}})).collect();
    let write = json!({"RequestItems": {"people": writes}, "ReturnConsumedCapacity": "TOTAL"});
    let written = answer(&server, "BatchWriteItem", &write);
    assert_eq!(written["UnprocessedItems"], json!({}));
    assert_eq!(written["ConsumedCapacity"], json!([{"TableName": "people", "CapacityUnits": 25.0}]));

    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/people";
    let keys: Vec<Value> = (0..50).map(|number| key("a", number)).collect();
    let get = json!({"RequestItems": {arn: {"Keys": keys, "ProjectionExpression": "sk"}}});
    let got = answer(&server, "BatchGetItem", &get);
    assert_eq!(got["UnprocessedKeys"], json!({}));
    assert_eq!(got["Responses"][arn].as_array().map(Vec::len), Some(25));

    let twice = json!({"RequestItems": {"people": [
        {"PutRequest": {"Item": key("a", 1)}}, {"DeleteRequest": {"Key": key("a", 1)}},
    ]}});
    let refused = server.call("BatchWriteItem", &twice.to_string());
    assert_eq!(refused.message(), "Provided list of item keys contains duplicates");
}

/// Attribute values as JSON, in the form in which they come back.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<String>().prop_map(|text| json!({ "S": text })),
        any::<i64>().prop_map(|number| json!({"N": number.to_string()})),
        any::<bool>().prop_map(|truth| json!({ "BOOL": truth })),
        Just(json!({"NULL": true})),
        prop::collection::btree_set(any::<String>(), 1..4).prop_map(|members| json!({ "SS": members })),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|elements| json!({ "L": elements })),
            prop::collection::btree_map(".{1,8}", inner, 0..4).prop_map(|members| json!({ "M": members })),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_item_comes_back_as_it_was_put(value in any_value()) {
        thread_local!(static SERVER: TestServer = server_with_table());
        SERVER.with(|server| {
            let mut item = key("a", 1);
            item["value"] = value;
            put(server, &item);
            let got = answer(server, "GetItem", &json!({"TableName": "people", "Key": key("a", 1)}));
            prop_assert_eq!(&got["Item"], &item);
            Ok(())
        })?;
    }
}

#[test]
fn a_table_that_takes_its_time_to_be_created_takes_nothing_until_then() {
    let server = TestServer::with_table_creation_time(Duration::from_secs(3600));
    let create = json!({
        "TableName": "slow",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    assert_eq!(server.call("CreateTable", &create.to_string()).status, 200);
    let named = r#"{"TableName":"slow"}"#;
    assert_eq!(server.call("DescribeTable", named).json()["Table"]["TableStatus"], "CREATING");
    let item = r#"{"TableName":"slow","Item":{"pk":{"S":"a"}}}"#;
    let batch = r#"{"RequestItems":{"slow":{"Keys":[{"pk":{"S":"a"}}]}}}"#;
    for (operation, body) in [("PutItem", item), ("Scan", named), ("BatchGetItem", batch)] {
        assert_eq!(server.call(operation, body).exception(), "ResourceNotFoundException", "{operation}");
    }
    let deleted = server.call("DeleteTable", named);
    assert_eq!(deleted.exception(), "ResourceInUseException");
    assert_eq!(
        deleted.message(),
        "Attempt to change a resource which is still in use: Table is being created: slow"
    );
    let again = server.call("CreateTable", &create.to_string());
    assert_eq!(
        (again.exception().as_str(), again.message().as_str()),
        ("ResourceInUseException", "Table already exists: slow")
    );
}
