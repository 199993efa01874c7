//! Members that are small and easily forgotten: that each of them does what it says.

use serde_json::{Value, json};

use crate::support::{TestServer, answer, call};

const ARN: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/people";

/// A server with the table `people`, paid by request, made with further members.
fn people_on_demand(mut members: Value) -> TestServer {
    members["BillingMode"] = json!("PAY_PER_REQUEST");
    TestServer::with_people(&members)
}

/// The first index of `people` as it is told.
fn described_index(server: &TestServer) -> Value {
    answer(server, "DescribeTable", &json!({"TableName": "people"}))["Table"]["GlobalSecondaryIndexes"][0]
        .take()
}

/// Changes the index `by_mail` and tells what becomes of it.
fn update_index(server: &TestServer, mut change: Value) -> Value {
    change["IndexName"] = json!("by_mail");
    let update = json!({"TableName": "people", "GlobalSecondaryIndexUpdates": [{"Update": change}]});
    answer(server, "UpdateTable", &update);
    described_index(server)
}

#[test]
fn every_write_whose_condition_fails_shows_its_item_when_asked() {
    let server = people_on_demand(json!({}));
    let item = json!({"pk": {"S": "a"}, "n": {"N": "1"}});
    answer(&server, "PutItem", &json!({"TableName": "people", "Item": item}));
    let failing = |mut action: Value| {
        action["TableName"] = json!("people");
        action["ConditionExpression"] = json!("n > :n");
        action["ExpressionAttributeValues"] = json!({":n": {"N": "5"}});
        action
    };
    let key = json!({"pk": {"S": "a"}});
    let put = failing(json!({"Item": item}));
    let delete = failing(json!({"Key": key}));
    let update = failing(json!({"Key": key, "UpdateExpression": "SET m = :n"}));
    for (operation, write) in [("PutItem", &put), ("DeleteItem", &delete), ("UpdateItem", &update)] {
        for (member, shown) in [(None, None), (Some("NONE"), None), (Some("ALL_OLD"), Some(&item))] {
            let mut write = write.clone();
            write["ReturnValuesOnConditionCheckFailure"] = json!(member);
            let failed = server.call(operation, &write.to_string());
            assert_eq!(failed.exception(), "ConditionalCheckFailedException", "{operation}");
            assert_eq!(failed.json().get("Item"), shown, "{operation} {member:?}");
        }
    }
    let actions = [("Put", put), ("Delete", delete.clone()), ("Update", update), ("ConditionCheck", delete)];
    for (name, mut action) in actions {
        for (member, shown) in [(None, None), (Some("NONE"), None), (Some("ALL_OLD"), Some(&item))] {
            action["ReturnValuesOnConditionCheckFailure"] = json!(member);
            let body = json!({"TransactItems": [{name: action}]});
            let cancelled = server.call("TransactWriteItems", &body.to_string());
            assert_eq!(cancelled.exception(), "TransactionCanceledException", "{name}");
            assert_eq!(cancelled.json()["CancellationReasons"][0].get("Item"), shown, "{name} {member:?}");
        }
    }
}

#[test]
fn every_statement_whose_condition_fails_shows_its_item_when_asked() {
    let server = people_on_demand(json!({}));
    let item = json!({"pk": {"S": "a"}, "n": {"N": "1"}});
    answer(&server, "PutItem", &json!({"TableName": "people", "Item": item}));
    for statement in
        ["UPDATE people SET n = 9 WHERE pk = 'a' AND n > 5", "DELETE FROM people WHERE pk = 'a' AND n > 5"]
    {
        for (member, shown) in [(None, None), (Some("NONE"), None), (Some("ALL_OLD"), Some(&item))] {
            let statement = json!({"Statement": statement, "ReturnValuesOnConditionCheckFailure": member});
            let failed = server.call("ExecuteStatement", &statement.to_string());
            assert_eq!(failed.exception(), "ConditionalCheckFailedException", "{statement}");
            assert_eq!(failed.json().get("Item"), shown, "{statement}");
            let batch = answer(&server, "BatchExecuteStatement", &json!({"Statements": [statement]}));
            assert_eq!(batch["Responses"][0]["Error"]["Code"], "ConditionalCheckFailed", "{statement}");
            assert_eq!(batch["Responses"][0]["Error"].get("Item"), None, "accepted, and without effect");
            let transaction = json!({"TransactStatements": [statement]});
            let cancelled = server.call("ExecuteTransaction", &transaction.to_string());
            assert_eq!(cancelled.json()["CancellationReasons"][0].get("Item"), shown, "{statement}");
        }
    }
}

#[test]
fn batches_name_their_tables_by_resource_name() {
    let server = people_on_demand(json!({}));
    let put = json!([{"PutRequest": {"Item": {"pk": {"S": "a"}}}}]);
    let body = json!({"RequestItems": {ARN: put}, "ReturnConsumedCapacity": "TOTAL"});
    let written = answer(&server, "BatchWriteItem", &body);
    assert_eq!(written["UnprocessedItems"], json!({}));
    assert_eq!(written["ConsumedCapacity"][0]["CapacityUnits"], 1.0);
    let keys = json!({"Keys": [{"pk": {"S": "a"}}]});
    let read = answer(&server, "BatchGetItem", &json!({"RequestItems": {ARN: keys}}));
    assert_eq!(read["Responses"][ARN], json!([{"pk": {"S": "a"}}]));
}

#[test]
fn indexes_have_throughput_of_their_own() {
    let index = json!({
        "IndexName": "by_mail",
        "KeySchema": [{"AttributeName": "mail", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
        "OnDemandThroughput": {"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": 6},
        "WarmThroughput": {"ReadUnitsPerSecond": 13000, "WriteUnitsPerSecond": 5000},
    });
    let server = people_on_demand(json!({
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "mail", "AttributeType": "S"},
        ],
        "GlobalSecondaryIndexes": [index],
        "OnDemandThroughput": {"MaxReadRequestUnits": 50},
    }));
    let made = described_index(&server);
    assert_eq!(made["OnDemandThroughput"], json!({"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": 6}));
    let warm = json!({"ReadUnitsPerSecond": 13000, "WriteUnitsPerSecond": 5000, "Status": "ACTIVE"});
    assert_eq!(made["WarmThroughput"], warm);

    let changed = update_index(&server, json!({"OnDemandThroughput": {"MaxWriteRequestUnits": 7}}));
    assert_eq!(changed["OnDemandThroughput"], json!({"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": 7}));
    let changed = update_index(&server, json!({"WarmThroughput": {"WriteUnitsPerSecond": 6000}}));
    let warm = json!({"ReadUnitsPerSecond": 13000, "WriteUnitsPerSecond": 6000, "Status": "ACTIVE"});
    assert_eq!(changed["WarmThroughput"], warm);
    let table = answer(&server, "DescribeTable", &json!({"TableName": "people"}))["Table"].take();
    assert_eq!(table["OnDemandThroughput"]["MaxReadRequestUnits"], 50, "the table's own stays");
}

#[test]
fn streams_are_listed_a_page_at_a_time() {
    let server = TestServer::start();
    for name in ["one", "two", "six"] {
        let create = json!({
            "TableName": name,
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"},
        });
        answer(&server, "CreateTable", &create);
    }
    let list = |body: Value| {
        let listed = server.call_streams("ListStreams", &body.to_string());
        assert_eq!(listed.status, 200, "{}", listed.text());
        listed.json()
    };
    let all = list(json!({}));
    assert_eq!(all.get("LastEvaluatedStreamArn"), None);
    let mut found = Vec::new();
    let mut body = json!({"Limit": 1});
    loop {
        let page = list(body.clone());
        let streams = page["Streams"].as_array().unwrap();
        assert!(streams.len() <= 1);
        found.extend(streams.iter().cloned());
        let Some(last) = page.get("LastEvaluatedStreamArn") else { break };
        assert_eq!(*last, streams[0]["StreamArn"]);
        body["ExclusiveStartStreamArn"] = last.clone();
    }
    assert_eq!(json!(found), all["Streams"]);
    assert_eq!(found.len(), 3);
}

#[test]
fn a_table_that_is_made_again_has_another_id() {
    let server = people_on_demand(json!({}));
    let id = || answer(&server, "DescribeTable", &json!({"TableName": "people"}))["Table"]["TableId"].take();
    let first = id();
    assert_eq!(first, id(), "it stays while the table does");
    answer(&server, "DeleteTable", &json!({"TableName": "people"}));
    let create = json!({
        "TableName": "people",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    answer(&server, "CreateTable", &create);
    assert_ne!(first, id());
}

#[test]
fn clients_that_look_for_an_endpoint_are_sent_to_where_they_are() {
    let server = TestServer::start();
    let described = answer(&server, "DescribeEndpoints", &json!({}));
    let address = server.address().to_string();
    assert_eq!(described, json!({"Endpoints": [{"Address": address, "CachePeriodInMinutes": 1440}]}));
}

#[test]
fn a_server_on_all_addresses_is_told_by_the_name_that_its_client_used() {
    let server = TestServer::on_all_addresses();
    let described = answer(&server, "DescribeEndpoints", &json!({}));
    assert_eq!(described["Endpoints"][0]["Address"], "localhost");
    let called = String::from_utf8(call("DescribeEndpoints", "{}")).expect("calls are text");
    for (host, told) in [("db.example:8000", "db.example:8000"), ("a@b:1", &*server.address().to_string())] {
        let request = called.replacen("Host: localhost", &format!("Host: {host}"), 1);
        let described = server.send(request.as_bytes()).json();
        assert_eq!(described["Endpoints"][0]["Address"], told, "{host}");
    }
}

#[test]
fn limits_are_those_of_a_new_account() {
    let server = TestServer::start();
    let limits = answer(&server, "DescribeLimits", &json!({}));
    let expected = json!({
        "AccountMaxReadCapacityUnits": 80000, "AccountMaxWriteCapacityUnits": 80000,
        "TableMaxReadCapacityUnits": 40000, "TableMaxWriteCapacityUnits": 40000,
    });
    assert_eq!(limits, expected);
}
