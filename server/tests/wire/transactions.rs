//! TransactWriteItems and TransactGetItems on the wire: replies, reasons, texts and their order.

use serde_json::{Value, json};

use crate::support::{Response, TestServer};

/// A server with the tables `left` and `right`, both with the key `pk`.
fn server() -> TestServer {
    let server = TestServer::start();
    for table in ["left", "right"] {
        let body = json!({
            "TableName": table,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        });
        assert_eq!(server.call("CreateTable", &body.to_string()).status, 200);
    }
    server
}

fn put(table: &str, pk: &str, n: u32) -> Value {
    json!({"Put": {"TableName": table, "Item": {"pk": {"S": pk}, "n": {"N": n.to_string()}}}})
}

fn write(server: &TestServer, body: &Value) -> Response {
    server.call("TransactWriteItems", &body.to_string())
}

fn read(server: &TestServer, body: &Value) -> Response {
    server.call("TransactGetItems", &body.to_string())
}

fn get(table: &str, pk: &str) -> Value {
    json!({"Get": {"TableName": table, "Key": {"pk": {"S": pk}}}})
}

fn assert_message(response: &Response, exception: &str, message: &str) {
    assert_eq!(response.message(), message);
    assert_eq!(response.exception(), exception);
    assert_eq!(response.status, 400);
}

#[test]
fn actions_come_to_pass_and_are_read_back_together() {
    let server = server();
    let items = json!([put("left", "a", 1), put("right", "b", 2)]);
    let written = write(&server, &json!({"TransactItems": items}));
    assert_eq!((written.status, written.text().as_str()), (200, "{}"));
    let gets = json!({"TransactItems": [get("right", "b"), get("left", "nobody"), get("left", "a")]});
    assert_eq!(
        read(&server, &gets).json(),
        json!({"Responses": [
            {"Item": {"pk": {"S": "b"}, "n": {"N": "2"}}}, {}, {"Item": {"pk": {"S": "a"}, "n": {"N": "1"}}}
        ]})
    );
    let nothing = json!({"TransactItems": [
        {"Get": {"TableName": "left", "Key": {"pk": {"S": "a"}}, "ProjectionExpression": "elsewhere"}}
    ]});
    assert_eq!(
        read(&server, &nothing).json(),
        json!({"Responses": [{}]}),
        "what is projected away is not told"
    );
}

#[test]
fn reasons_stand_in_the_places_of_their_actions() {
    let server = server();
    write(&server, &json!({"TransactItems": [put("left", "there", 7)]}));
    let mut guarded = put("left", "there", 8);
    guarded["Put"]["ConditionExpression"] = json!("attribute_not_exists(pk)");
    guarded["Put"]["ReturnValuesOnConditionCheckFailure"] = json!("ALL_OLD");
    let check = json!({"ConditionCheck": {
        "TableName": "right", "Key": {"pk": {"S": "nobody"}}, "ConditionExpression": "attribute_exists(pk)"
    }});
    let update = json!({"Update": {
        "TableName": "right", "Key": {"pk": {"S": "nobody else"}}, "UpdateExpression": "SET n = n + :n",
        "ExpressionAttributeValues": {":n": {"N": "1"}}
    }});
    let items = json!([put("right", "new", 1), guarded, check, update]);
    let refused = write(&server, &json!({"TransactItems": items, "ReturnConsumedCapacity": "TOTAL"}));
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.json(),
        json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons \
                        [None, ConditionalCheckFailed, ConditionalCheckFailed, ValidationError]",
            "CancellationReasons": [
                {"Code": "None"},
                {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed",
                 "Item": {"pk": {"S": "there"}, "n": {"N": "7"}}},
                {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"},
                {"Code": "ValidationError",
                 "Message": "The provided expression refers to an attribute that does not exist in the item"},
            ],
        })
    );
    assert_eq!(
        read(&server, &json!({"TransactItems": [get("right", "new")]})).json(),
        json!({"Responses": [{}]})
    );
}

#[test]
fn capacity_is_told_by_table_and_kind() {
    let server = server();
    let items = json!([put("left", "a", 1), put("right", "b", 2), put("left", "c", 3)]);
    let body = json!({"TransactItems": items, "ReturnConsumedCapacity": "TOTAL", "ClientRequestToken": "t"});
    assert_eq!(
        write(&server, &body).json(),
        json!({"ConsumedCapacity": [
            {"TableName": "left", "CapacityUnits": 4.0, "WriteCapacityUnits": 4.0},
            {"TableName": "right", "CapacityUnits": 2.0, "WriteCapacityUnits": 2.0},
        ]})
    );
    assert_eq!(
        write(&server, &body).json(),
        json!({"ConsumedCapacity": [
            {"TableName": "left", "CapacityUnits": 4.0, "ReadCapacityUnits": 4.0},
            {"TableName": "right", "CapacityUnits": 2.0, "ReadCapacityUnits": 2.0},
        ]}),
        "a request that has run is charged as reads"
    );
    let gets = json!({"TransactItems": [get("left", "a")], "ReturnConsumedCapacity": "INDEXES"});
    assert_eq!(
        read(&server, &gets).json()["ConsumedCapacity"],
        json!([{"TableName": "left", "CapacityUnits": 2.0, "ReadCapacityUnits": 2.0,
                "Table": {"CapacityUnits": 2.0, "ReadCapacityUnits": 2.0}}])
    );
}

#[test]
fn a_token_of_another_request_is_refused() {
    let server = server();
    let body = |n| json!({"TransactItems": [put("left", "a", n)], "ClientRequestToken": "once"});
    assert_eq!(write(&server, &body(1)).status, 200);
    assert_eq!(write(&server, &body(1)).status, 200);
    let other = write(&server, &body(2));
    assert_eq!(
        other.json(),
        json!({
            "__type": "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException",
            "Message": "DynamoDB rejected the request because you retried a request with a different payload but \
                        with an idempotent token that was already used.",
        })
    );
}

#[test]
fn faults_of_requests_are_told_in_dynamodbs_order() {
    let server = server();
    let validation = |operation: &str, body: &Value, message: &str| {
        assert_message(&server.call(operation, &body.to_string()), "ValidationException", message);
    };
    for operation in ["TransactWriteItems", "TransactGetItems"] {
        validation(
            operation,
            &json!({"TransactItems": []}),
            "1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: \
             Member must have length greater than or equal to 1",
        );
        validation(
            operation,
            &json!({}),
            "1 validation error detected: Value null at 'transactItems' failed to satisfy constraint: \
             Member must not be null",
        );
    }
    validation(
        "TransactWriteItems",
        &json!({"TransactItems": [{"Update": {"TableName": "left", "Key": {"pk": {"S": "a"}}}}]}),
        "1 validation error detected: Value null at 'transactItems.1.member.update.updateExpression' failed to \
         satisfy constraint: Member must not be null",
    );
    let nowhere = put("nowhere", "a", 1);
    let unused = json!({"Delete": {
        "TableName": "left", "Key": {"pk": {"S": "a"}}, "ConditionExpression": "attribute_exists(pk)",
        "ExpressionAttributeNames": {"#unused": "x"}
    }});
    validation(
        "TransactWriteItems",
        &json!({"TransactItems": [nowhere, unused]}),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#unused}",
    );
    let both = json!({"Put": put("left", "a", 1)["Put"], "Delete": {"TableName": "left", "Key": {"pk": {"S": "b"}}}});
    validation(
        "TransactWriteItems",
        &json!({"TransactItems": [both]}),
        "TransactItems can only contain one of Check, Put, Update or Delete",
    );
    validation(
        "TransactWriteItems",
        &json!({"TransactItems": [put("left", "a", 1), put("left", "a", 2)]}),
        "Transaction request cannot include multiple operations on one item",
    );
    validation(
        "TransactWriteItems",
        &json!({"TransactItems": [put("left", "", 1)]}),
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
         empty string value. Key: pk",
    );
    let missing = write(&server, &json!({"TransactItems": [put("left", "a", 1), put("nowhere", "a", 1)]}));
    assert_message(&missing, "ResourceNotFoundException", "Requested resource not found");
    let wrong = json!({"TransactItems": [get("left", "a"), {"Get": {"TableName": "left", "Key": {"x": {"S": "a"}}}}]});
    let wrong = read(&server, &wrong);
    assert_message(
        &wrong,
        "TransactionCanceledException",
        "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ValidationError]",
    );
    assert_eq!(
        wrong.json()["CancellationReasons"][1]["Message"],
        "The provided key element does not match the schema"
    );
}
