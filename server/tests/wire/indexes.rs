//! Tables with secondary indexes through the whole server: how they are made, told, read and charged, and in which
//! words a wrong one is refused.

use serde_json::{Value, json};

use crate::support::{TestServer, answer};

fn attribute(name: &str, kind: &str) -> Value {
    json!({"AttributeName": name, "AttributeType": kind})
}

fn element(name: &str, key_type: &str) -> Value {
    json!({"AttributeName": name, "KeyType": key_type})
}

fn index(name: &str, key_schema: &[Value], projection: &Value) -> Value {
    json!({"IndexName": name, "KeySchema": key_schema, "Projection": projection})
}

fn local(name: &str) -> Value {
    index(name, &[element("pk", "HASH"), element("grade", "RANGE")], &json!({"ProjectionType": "KEYS_ONLY"}))
}

fn global(name: &str) -> Value {
    let key_schema = [element("land", "HASH"), element("town", "HASH"), element("grade", "RANGE")];
    index(name, &key_schema, &json!({"ProjectionType": "INCLUDE", "NonKeyAttributes": ["note"]}))
}

/// A global index that holds so many attributes beside its key.
fn including(name: &str, count: usize) -> Value {
    let mut index = global(name);
    index["Projection"]["NonKeyAttributes"] = (0..count).map(|number| json!(format!("a{number}"))).collect();
    index
}

/// CreateTable of a table with both sorts of indexes.
fn create() -> Value {
    json!({
        "TableName": "indexed",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            attribute("pk", "S"), attribute("sk", "N"), attribute("grade", "N"), attribute("land", "S"),
            attribute("town", "S"),
        ],
        "KeySchema": [element("pk", "HASH"), element("sk", "RANGE")],
        "LocalSecondaryIndexes": [local("by-grade")],
        "GlobalSecondaryIndexes": [global("by-place")],
    })
}

fn refused(change: impl FnOnce(&mut Value)) -> String {
    let server = TestServer::start();
    let mut body = create();
    change(&mut body);
    let response = server.call("CreateTable", &body.to_string());
    assert_eq!(response.status, 400, "{body}: {}", response.text());
    response.message()
}

#[test]
fn indexes_are_told_as_they_were_made() {
    let server = TestServer::start();
    let created = answer(&server, "CreateTable", &create())["TableDescription"].take();
    let (local, global) = (&created["LocalSecondaryIndexes"][0], &created["GlobalSecondaryIndexes"][0]);
    assert_eq!(local["KeySchema"], json!([element("pk", "HASH"), element("grade", "RANGE")]));
    assert_eq!(local["Projection"], json!({"ProjectionType": "KEYS_ONLY"}));
    assert_eq!(local["IndexArn"], "arn:aws:dynamodb:us-east-1:123456789012:table/indexed/index/by-grade");
    assert_eq!(
        global["KeySchema"],
        json!([element("land", "HASH"), element("town", "HASH"), element("grade", "RANGE")])
    );
    assert_eq!(global["Projection"], json!({"ProjectionType": "INCLUDE", "NonKeyAttributes": ["note"]}));
    assert_eq!(global["IndexStatus"], "CREATING");
    assert_eq!(global.get("Backfilling"), None);
    let warm = json!({"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 4000, "Status": "ACTIVE"});
    assert_eq!(global["WarmThroughput"], warm);
    assert_eq!(created["AttributeDefinitions"].as_array().unwrap().len(), 5);
    let described = answer(&server, "DescribeTable", &json!({"TableName": "indexed"}))["Table"].take();
    assert_eq!(described["GlobalSecondaryIndexes"][0]["IndexStatus"], "ACTIVE");
}

#[test]
fn indexes_are_read_and_charged_by_name() {
    let server = TestServer::start();
    answer(&server, "CreateTable", &create());
    let item = json!({
        "pk": {"S": "p"}, "sk": {"N": "1"}, "grade": {"N": "7"}, "land": {"S": "IS"}, "town": {"S": "Vik"},
        "note": {"S": "black sand"}, "other": {"S": "x"},
    });
    let put = json!({"TableName": "indexed", "Item": item, "ReturnConsumedCapacity": "INDEXES"});
    let used = answer(&server, "PutItem", &put)["ConsumedCapacity"].take();
    assert_eq!(used["CapacityUnits"], 3.0);
    assert_eq!(used["LocalSecondaryIndexes"], json!({"by-grade": {"CapacityUnits": 1.0}}));
    assert_eq!(used["GlobalSecondaryIndexes"], json!({"by-place": {"CapacityUnits": 1.0}}));

    let query = json!({
        "TableName": "indexed",
        "IndexName": "by-place",
        "KeyConditionExpression": "land = :l AND town = :t AND grade > :g",
        "ExpressionAttributeValues": {":l": {"S": "IS"}, ":t": {"S": "Vik"}, ":g": {"N": "5"}},
        "Limit": 1,
        "ReturnConsumedCapacity": "INDEXES",
    });
    let page = answer(&server, "Query", &query);
    assert_eq!(page["Items"][0]["note"], json!({"S": "black sand"}));
    assert_eq!(page["Items"][0]["other"], Value::Null);
    assert_eq!(
        page["LastEvaluatedKey"],
        json!({
            "pk": {"S": "p"}, "sk": {"N": "1"}, "grade": {"N": "7"}, "land": {"S": "IS"}, "town": {"S": "Vik"},
        })
    );
    assert_eq!(page["ConsumedCapacity"]["Table"]["CapacityUnits"], 0.0);
    assert_eq!(page["ConsumedCapacity"]["GlobalSecondaryIndexes"]["by-place"]["CapacityUnits"], 0.5);

    let scan = json!({"TableName": "indexed", "IndexName": "by-grade"});
    let keys_only = json!({"pk": {"S": "p"}, "sk": {"N": "1"}, "grade": {"N": "7"}});
    assert_eq!(answer(&server, "Scan", &scan)["Items"], json!([keys_only]));
}

#[test]
fn wrong_indexes_are_refused_in_dynamodbs_words() {
    let invalid = |text: &str| format!("One or more parameter values were invalid: {text}");
    assert_eq!(
        refused(|body| body["LocalSecondaryIndexes"] = json!([])),
        invalid("List of LocalSecondaryIndexes is empty")
    );
    assert_eq!(
        refused(|body| body["GlobalSecondaryIndexes"] = json!([global("by-grade")])),
        invalid("Duplicate index name: by-grade")
    );
    assert_eq!(
        refused(|body| body["LocalSecondaryIndexes"][0]["KeySchema"] = json!([element("pk", "HASH")])),
        invalid("Index KeySchema does not have a range key for index: by-grade")
    );
    assert_eq!(
        refused(|body| body["LocalSecondaryIndexes"][0]["KeySchema"][0] = element("land", "HASH")),
        invalid(
            "Index KeySchema does not have the same leading hash key as table KeySchema for index: by-grade. \
             index hash key: land, table hash key: pk"
        )
    );
    assert_eq!(
        refused(|body| body["GlobalSecondaryIndexes"][0]["Projection"] = json!({})),
        invalid("Unknown ProjectionType: null")
    );
    assert_eq!(
        refused(|body| body["GlobalSecondaryIndexes"][0]["Projection"]["ProjectionType"] = json!("ALL")),
        invalid("ProjectionType is ALL, but NonKeyAttributes is specified")
    );
    assert_eq!(
        refused(|body| {
            let throughput = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 1});
            body["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"] = throughput;
        }),
        invalid(
            "ProvisionedThroughput should not be specified for index: by-place when BillingMode is PAY_PER_REQUEST"
        )
    );
    assert_eq!(
        refused(|body| body["AttributeDefinitions"].as_array_mut().unwrap().push(attribute("free", "S"))),
        invalid(
            "Some AttributeDefinitions are not used. AttributeDefinitions: [pk, sk, grade, land, town, free], \
             keys used: [pk, sk, grade, land, town]"
        )
    );
    let six: Vec<Value> = (0..6).map(|number| local(&format!("local-{number}"))).collect();
    assert_eq!(
        refused(|body| body["LocalSecondaryIndexes"] = json!(six)),
        invalid("Number of LocalSecondaryIndexes exceeds per-table limit of 5")
    );
    let too_many = "Number of NonKeyAttributes over all indexes exceeds the per-table limit of 100";
    assert_eq!(
        refused(|body| {
            // The fifth index names 20 attributes, too: with the note that "by-place" names, one too many.
            let projecting = (0..5).map(|number| including(&format!("global-{number}"), 20));
            body["GlobalSecondaryIndexes"].as_array_mut().unwrap().extend(projecting);
        }),
        invalid(too_many)
    );
}

#[test]
fn all_indexes_of_a_table_name_at_most_a_hundred_attributes_also_those_that_come_later() {
    let server = TestServer::start();
    let mut body = create();
    let projecting = (0..4).map(|number| including(&format!("global-{number}"), 20));
    body["GlobalSecondaryIndexes"].as_array_mut().unwrap().extend(projecting);
    answer(&server, "CreateTable", &body);
    let add = |name: &str, count| {
        let body = json!({
            "TableName": "indexed",
            "AttributeDefinitions": [attribute("land", "S"), attribute("town", "S"), attribute("grade", "N")],
            "GlobalSecondaryIndexUpdates": [{"Create": including(name, count)}],
        });
        server.call("UpdateTable", &body.to_string())
    };
    let refused = add("one-too-many", 20);
    assert_eq!(refused.exception(), "ValidationException", "{}", refused.text());
    assert!(refused.message().ends_with("exceeds the per-table limit of 100"), "{}", refused.text());
    assert_eq!(add("a-hundred", 19).status, 200);
}

#[test]
fn writes_tell_the_size_of_their_item_collection_where_there_is_a_local_index() {
    let server = TestServer::start();
    answer(&server, "CreateTable", &create());
    let item = |sk: u32| json!({"pk": {"S": "p"}, "sk": {"N": sk.to_string()}, "grade": {"N": "1"}});
    let of_p = json!({"ItemCollectionKey": {"pk": {"S": "p"}}, "SizeEstimateRangeGB": [0.0, 1.0]});
    let put = |wanted: &str| {
        let body = json!({"TableName": "indexed", "Item": item(1), "ReturnItemCollectionMetrics": wanted});
        answer(&server, "PutItem", &body)
    };
    assert_eq!(put("SIZE")["ItemCollectionMetrics"], of_p);
    assert_eq!(put("NONE"), json!({}));
    let of_tables = json!({"indexed": [of_p]});
    let batch = json!({
        "RequestItems": {"indexed": [{"PutRequest": {"Item": item(2)}}]},
        "ReturnItemCollectionMetrics": "SIZE",
    });
    assert_eq!(answer(&server, "BatchWriteItem", &batch)["ItemCollectionMetrics"], of_tables);
    let transaction = json!({
        "TransactItems": [{"Put": {"TableName": "indexed", "Item": item(4)}}],
        "ReturnItemCollectionMetrics": "SIZE",
    });
    assert_eq!(answer(&server, "TransactWriteItems", &transaction)["ItemCollectionMetrics"], of_tables);
}
