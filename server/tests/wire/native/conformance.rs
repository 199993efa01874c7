//! Every operation of the data plane, rights and wrongs, through both protocols: the outcomes are equal.
//!
//! Method: writes go to two servers, one by HTTP and one by the binary protocol, in the same order; reads of one
//! server go both ways, since tokens and iterators name it. A request whose attributes have no stored form goes as
//! JSON through the binary protocol, as clients do it.

use basalt_client::{BlockingClient, Credentials, Error, Operation, Request};
use basalt_server::Credentials as Accepted;
use serde_json::{Value as Json, json};

use super::documents::{json_of, members_of};
use crate::support::TestServer;

const OPERATIONS: [(&str, Operation); 17] = [
    ("GetItem", Operation::GetItem),
    ("PutItem", Operation::PutItem),
    ("UpdateItem", Operation::UpdateItem),
    ("DeleteItem", Operation::DeleteItem),
    ("Query", Operation::Query),
    ("Scan", Operation::Scan),
    ("BatchGetItem", Operation::BatchGetItem),
    ("BatchWriteItem", Operation::BatchWriteItem),
    ("TransactGetItems", Operation::TransactGetItems),
    ("TransactWriteItems", Operation::TransactWriteItems),
    ("ExecuteStatement", Operation::ExecuteStatement),
    ("BatchExecuteStatement", Operation::BatchExecuteStatement),
    ("ExecuteTransaction", Operation::ExecuteTransaction),
    ("ListStreams", Operation::ListStreams),
    ("DescribeStream", Operation::DescribeStream),
    ("GetShardIterator", Operation::GetShardIterator),
    ("GetRecords", Operation::GetRecords),
];

/// What a call came to: the answer, or the exception with everything that it carries.
#[derive(Debug, PartialEq)]
enum Outcome {
    Answer(Json),
    Exception(String, Json),
}

fn is_of_streams(operation: &str) -> bool {
    ["ListStreams", "DescribeStream", "GetShardIterator", "GetRecords"].contains(&operation)
}

fn over_http(server: &TestServer, operation: &str, request: &Json) -> Outcome {
    let body = request.to_string();
    let response = match is_of_streams(operation) {
        true => server.call_streams(operation, &body),
        false => server.call(operation, &body),
    };
    match response.status {
        200 => Outcome::Answer(response.json()),
        _ => {
            let mut carried = response.json();
            carried.as_object_mut().expect("errors are objects").remove("__type");
            Outcome::Exception(response.exception(), carried)
        }
    }
}

fn over_frames(client: &BlockingClient, operation: &str, request: &Json) -> Outcome {
    let known = OPERATIONS.iter().find(|(name, _)| *name == operation);
    let outcome = match (known, members_of(request)) {
        (Some((_, operation)), Some(members)) => {
            client.call(Request::from((*operation, members))).map(|answer| json_of(answer.node()))
        }
        _ => {
            let service = if is_of_streams(operation) { "DynamoDBStreams" } else { "DynamoDB" };
            let target = format!("{service}_20120810.{operation}");
            let answer = client.call_json(&target, &request.to_string());
            answer.map(|answer| serde_json::from_str(&answer).expect("an answer is JSON"))
        }
    };
    match outcome {
        Ok(answer) => Outcome::Answer(answer),
        Err(Error::Service(error)) => {
            let exception = error.exception().to_owned();
            Outcome::Exception(exception, json_of(error.details().node()))
        }
        Err(other) => panic!("{operation} {request}: {other}"),
    }
}

fn client_of(server: &TestServer) -> BlockingClient {
    let address = server.listen_native(Accepted::Unverified);
    BlockingClient::connect(address, Credentials::new("id", "secret")).expect("the server takes everybody")
}

fn make_tables(mut call: impl FnMut(&str, &Json) -> Outcome) {
    let stream = json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"});
    let index = json!([{
        "IndexName": "by-n",
        "KeySchema": [{"AttributeName": "n", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }]);
    let tables = [
        json!({
            "TableName": "one", "BillingMode": "PAY_PER_REQUEST", "StreamSpecification": stream,
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "n", "AttributeType": "N"},
            ],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "GlobalSecondaryIndexes": index,
        }),
        json!({
            "TableName": "two", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"},
                {"AttributeName": "other", "AttributeType": "S"},
            ],
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            "LocalSecondaryIndexes": [{
                "IndexName": "by-other",
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "other", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }],
        }),
    ];
    for table in tables {
        let made = call("CreateTable", &table);
        assert!(matches!(made, Outcome::Answer(_)), "{made:?}");
    }
}

fn writes() -> Vec<(&'static str, Json)> {
    let every_type = json!({
        "pk": {"S": "a"}, "n": {"N": "1.50"}, "b": {"B": "AAEC"}, "t": {"BOOL": true}, "nothing": {"NULL": true},
        "ss": {"SS": ["x", "y"]}, "ns": {"NS": ["2", "-1e3"]}, "bs": {"BS": ["AA==", "/w=="]},
        "l": {"L": [{"S": "é"}, {"M": {"deep": {"L": []}}}]}, "m": {"M": {"k": {"N": "7"}}},
    });
    let key = json!({"pk": {"S": "a"}});
    let mut cases = vec![
        ("PutItem", json!({"TableName": "one", "Item": every_type, "ReturnConsumedCapacity": "INDEXES"})),
        ("PutItem", json!({"TableName": "one", "Item": every_type, "ReturnValues": "ALL_OLD"})),
        ("PutItem", json!({"TableName": "one", "Item": every_type, "ReturnValues": "UPDATED_NEW"})),
        (
            "PutItem",
            json!({"TableName": "one", "Item": every_type,
            "ConditionExpression": "attribute_not_exists(#k)", "ExpressionAttributeNames": {"#k": "pk"},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}),
        ),
        ("PutItem", json!({"TableName": "one", "Item": every_type, "Expected": {"pk": {"Exists": false}}})),
        (
            "PutItem",
            json!({"TableName": "one", "Item": every_type,
            "Expected": {"n": {"Value": {"N": "1.5"}}, "t": {"ComparisonOperator": "EQ",
            "AttributeValueList": [{"BOOL": true}]}}, "ConditionalOperator": "AND"}),
        ),
        ("PutItem", json!({"TableName": "one", "Item": {"n": {"N": "1"}}})),
        ("PutItem", json!({"TableName": "one", "Item": {"pk": {"S": ""}}})),
        ("PutItem", json!({"TableName": "one", "Item": {"pk": {"S": "a"}, "n": {"S": "no number"}}})),
        ("PutItem", json!({"TableName": "one", "Item": {"pk": {"S": "a"}, "x": {"SS": []}}})),
        ("PutItem", json!({"TableName": "one", "Item": {"pk": {"S": "a"}, "x": {"NS": ["1", "1.0"]}}})),
        ("PutItem", json!({"TableName": "one", "Item": {"pk": {"S": "a"}, "x": {"N": "1e999"}}})),
        ("PutItem", json!({"TableName": "one", "Item": {"pk": {"S": "a"}, "x": {"NULL": false}}})),
        ("PutItem", json!({"TableName": "one", "Item": {"pk": {"S": "a"}, "x": {"S": "x".repeat(410_000)}}})),
        ("PutItem", json!({"TableName": "nowhere", "Item": every_type})),
        ("PutItem", json!({})),
        ("PutItem", json!({"TableName": "a;", "Item": {}, "ReturnValues": "hi"})),
        ("PutItem", json!({"TableName": 5, "Item": {}})),
        ("PutItem", json!({"TableName": "one", "Item": "text"})),
        (
            "UpdateItem",
            json!({"TableName": "one", "Key": key, "ReturnValues": "ALL_NEW",
            "UpdateExpression": "SET m.k = m.k + :one, l[0] = :s REMOVE b ADD ss :ss",
            "ExpressionAttributeValues": {":one": {"N": "1"}, ":s": {"S": "z"}, ":ss": {"SS": ["w"]}}}),
        ),
        (
            "UpdateItem",
            json!({"TableName": "one", "Key": key, "ReturnValues": "UPDATED_OLD",
            "AttributeUpdates": {"n": {"Action": "ADD", "Value": {"N": "2"}}}}),
        ),
        (
            "UpdateItem",
            json!({"TableName": "one", "Key": key, "UpdateExpression": "SET pk = :v",
            "ExpressionAttributeValues": {":v": {"S": "b"}}}),
        ),
        ("UpdateItem", json!({"TableName": "one", "Key": key, "UpdateExpression": "SET a = :unknown"})),
        ("UpdateItem", json!({"TableName": "one", "Key": key, "UpdateExpression": "no expression"})),
        (
            "UpdateItem",
            json!({"TableName": "one", "Key": {"wrong": {"S": "a"}}, "UpdateExpression": "REMOVE x"}),
        ),
        (
            "UpdateItem",
            json!({"TableName": "one", "Key": {"pk": {"S": "made"}}, "ReturnConsumedCapacity": "TOTAL"}),
        ),
        (
            "DeleteItem",
            json!({"TableName": "one", "Key": key, "ConditionExpression": "n > :n",
            "ExpressionAttributeValues": {":n": {"N": "100"}}}),
        ),
        ("DeleteItem", json!({"TableName": "one", "Key": {"pk": {"S": "made"}}, "ReturnValues": "ALL_OLD"})),
        (
            "DeleteItem",
            json!({"TableName": "one", "Key": {"pk": {"S": "nobody"}}, "ReturnValues": "ALL_OLD"}),
        ),
        (
            "BatchWriteItem",
            json!({"RequestItems": {
            "two": (0..20).map(|n| json!({"PutRequest": {"Item": {"pk": {"S": "p"}, "sk": {"N": n.to_string()},
                "other": {"S": format!("o{}", n % 3)}}}})).collect::<Vec<_>>(),
            "one": [{"DeleteRequest": {"Key": {"pk": {"S": "nobody"}}}}],
        }, "ReturnConsumedCapacity": "INDEXES", "ReturnItemCollectionMetrics": "SIZE"}),
        ),
        ("BatchWriteItem", json!({"RequestItems": {"two": []}})),
        ("BatchWriteItem", json!({"RequestItems": {"two": [{}]}})),
        (
            "BatchWriteItem",
            json!({"RequestItems": {"two": [
                {"DeleteRequest": {"Key": {"pk": {"S": "p"}, "sk": {"N": "1"}}}},
                {"DeleteRequest": {"Key": {"pk": {"S": "p"}, "sk": {"N": "1.0"}}}},
            ]}}),
        ),
        (
            "TransactWriteItems",
            json!({"TransactItems": [
            {"Put": {"TableName": "one", "Item": {"pk": {"S": "t"}, "n": {"N": "5"}}}},
            {"Update": {"TableName": "two", "Key": {"pk": {"S": "p"}, "sk": {"N": "0"}},
                "UpdateExpression": "SET x = :x", "ExpressionAttributeValues": {":x": {"S": "y"}}}},
            {"Delete": {"TableName": "two", "Key": {"pk": {"S": "p"}, "sk": {"N": "19"}}}},
            {"ConditionCheck": {"TableName": "one", "Key": key, "ConditionExpression": "attribute_exists(pk)"}},
        ], "ClientRequestToken": "once", "ReturnConsumedCapacity": "INDEXES", "ReturnItemCollectionMetrics": "SIZE"}),
        ),
        (
            "TransactWriteItems",
            json!({"TransactItems": [
            {"Put": {"TableName": "one", "Item": {"pk": {"S": "other"}}}},
        ], "ClientRequestToken": "once"}),
        ),
        (
            "TransactWriteItems",
            json!({"TransactItems": [
                {"Put": {"TableName": "one", "Item": {"pk": {"S": "t"}, "n": {"N": "6"}},
                    "ConditionExpression": "attribute_not_exists(pk)",
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}},
                {"Delete": {"TableName": "one", "Key": {"pk": {"S": "x"}}}},
            ]}),
        ),
        ("TransactWriteItems", json!({"TransactItems": [{}]})),
        (
            "ExecuteStatement",
            json!({"Statement": "INSERT INTO one VALUE {'pk': ?, 'n': ?}",
            "Parameters": [{"S": "partiql"}, {"N": "9"}]}),
        ),
        ("ExecuteStatement", json!({"Statement": "INSERT INTO one VALUE {'pk': 'partiql'}"})),
        (
            "ExecuteStatement",
            json!({"Statement": "UPDATE one SET x = ? WHERE pk = 'partiql' RETURNING ALL NEW *",
            "Parameters": [{"L": [{"NULL": true}]}], "ReturnConsumedCapacity": "TOTAL"}),
        ),
        ("ExecuteStatement", json!({"Statement": "what?"})),
        (
            "ExecuteStatement",
            json!({"Statement": "DELETE FROM one WHERE pk = ?", "Parameters": [{"NS": []}]}),
        ),
        (
            "BatchExecuteStatement",
            json!({"Statements": [
            {"Statement": "SELECT * FROM one WHERE pk = ?", "Parameters": [{"S": "partiql"}]},
            {"Statement": "INSERT INTO one VALUE {'pk': 'partiql'}"},
            {"Statement": "SELECT * FROM nowhere WHERE pk = 'x'"},
        ], "ReturnConsumedCapacity": "TOTAL"}),
        ),
        ("BatchExecuteStatement", json!({"Statements": []})),
        (
            "ExecuteTransaction",
            json!({"TransactStatements": [
                {"Statement": "UPDATE one SET y = 1 WHERE pk = 'partiql'"},
                {"Statement": "EXISTS(SELECT * FROM one WHERE pk = 'partiql' AND n = ?)", "Parameters": [{"N": "8"}]},
            ]}),
        ),
        (
            "ExecuteTransaction",
            json!({"TransactStatements": [
            {"Statement": "DELETE FROM one WHERE pk = 'partiql'"},
        ], "ReturnConsumedCapacity": "TOTAL"}),
        ),
    ];
    let many =
        (0..26).map(|n| json!({"DeleteRequest": {"Key": {"pk": {"S": "p"}, "sk": {"N": n.to_string()}}}}));
    cases.push(("BatchWriteItem", json!({"RequestItems": {"two": many.collect::<Vec<_>>()}})));
    cases
}

fn reads() -> Vec<(&'static str, Json)> {
    let key = json!({"pk": {"S": "a"}});
    let values = json!({":p": {"S": "p"}});
    vec![
        ("GetItem", json!({"TableName": "one", "Key": key, "ReturnConsumedCapacity": "INDEXES"})),
        (
            "GetItem",
            json!({"TableName": "one", "Key": key, "ConsistentRead": true,
            "ProjectionExpression": "m.#k, l[1], nowhere", "ExpressionAttributeNames": {"#k": "k"}}),
        ),
        ("GetItem", json!({"TableName": "one", "Key": key, "AttributesToGet": ["n", "t"]})),
        ("GetItem", json!({"TableName": "one", "Key": {"pk": {"S": "nobody"}}})),
        ("GetItem", json!({"TableName": "one", "Key": {"pk": {"N": "1"}}})),
        (
            "GetItem",
            json!({"TableName": "one", "Key": key, "ProjectionExpression": "a", "AttributesToGet": ["a"]}),
        ),
        ("GetItem", json!({"TableName": "one", "Key": key, "ConsistentRead": "maybe"})),
        (
            "Query",
            json!({"TableName": "two", "KeyConditionExpression": "pk = :p",
            "ExpressionAttributeValues": values, "Limit": 7, "ReturnConsumedCapacity": "TOTAL"}),
        ),
        (
            "Query",
            json!({"TableName": "two", "KeyConditionExpression": "pk = :p", "ScanIndexForward": false,
            "ExpressionAttributeValues": values, "Limit": 3,
            "ExclusiveStartKey": {"pk": {"S": "p"}, "sk": {"N": "9"}}}),
        ),
        (
            "Query",
            json!({"TableName": "two", "IndexName": "by-other", "KeyConditionExpression": "pk = :p AND other = :o",
            "ExpressionAttributeValues": {":p": {"S": "p"}, ":o": {"S": "o1"}}, "ReturnConsumedCapacity": "INDEXES"}),
        ),
        (
            "Query",
            json!({"TableName": "two", "KeyConditions": {"pk": {"ComparisonOperator": "EQ",
            "AttributeValueList": [{"S": "p"}]}}, "QueryFilter": {"other": {"ComparisonOperator": "IN",
            "AttributeValueList": [{"S": "o0"}, {"S": "o2"}]}}}),
        ),
        (
            "Query",
            json!({"TableName": "two", "KeyConditionExpression": "pk = :p", "Select": "COUNT",
            "ExpressionAttributeValues": values}),
        ),
        (
            "Query",
            json!({"TableName": "one", "IndexName": "by-n", "KeyConditionExpression": "n = :n",
            "ExpressionAttributeValues": {":n": {"N": "5"}}}),
        ),
        (
            "Query",
            json!({"TableName": "two", "KeyConditionExpression": "other = :p", "ExpressionAttributeValues": values}),
        ),
        (
            "Query",
            json!({"TableName": "two", "KeyConditionExpression": "pk = :p",
            "ExpressionAttributeValues": values, "Limit": 0}),
        ),
        (
            "Query",
            json!({"TableName": "two", "KeyConditionExpression": "pk = :p",
            "ExpressionAttributeValues": {":p": {"S": "p"}, ":unused": {"S": "x"}}}),
        ),
        (
            "Query",
            json!({"TableName": "two", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {}}),
        ),
        (
            "Scan",
            json!({"TableName": "two", "FilterExpression": "other = :o",
            "ExpressionAttributeValues": {":o": {"S": "o2"}}, "Limit": 10}),
        ),
        ("Scan", json!({"TableName": "two", "Segment": 1, "TotalSegments": 3})),
        ("Scan", json!({"TableName": "two", "Segment": 3, "TotalSegments": 3})),
        ("Scan", json!({"TableName": "one", "ExclusiveStartKey": {"wrong": {"S": "x"}}})),
        (
            "BatchGetItem",
            json!({"RequestItems": {
            "one": {"Keys": [key, {"pk": {"S": "nobody"}}], "ProjectionExpression": "pk, #n",
                "ExpressionAttributeNames": {"#n": "n"}},
            "two": {"Keys": [{"pk": {"S": "p"}, "sk": {"N": "3"}}], "ConsistentRead": true},
        }, "ReturnConsumedCapacity": "INDEXES"}),
        ),
        ("BatchGetItem", json!({"RequestItems": {"one": {"Keys": [key, key]}}})),
        ("BatchGetItem", json!({"RequestItems": {}})),
        ("BatchGetItem", json!({"RequestItems": {"nowhere": {"Keys": [key]}}})),
        (
            "TransactGetItems",
            json!({"TransactItems": [
            {"Get": {"TableName": "one", "Key": key, "ProjectionExpression": "n"}},
            {"Get": {"TableName": "two", "Key": {"pk": {"S": "p"}, "sk": {"N": "999"}}}},
        ], "ReturnConsumedCapacity": "TOTAL"}),
        ),
        ("TransactGetItems", json!({"TransactItems": []})),
        ("ExecuteStatement", json!({"Statement": "SELECT * FROM two WHERE pk = 'p'", "Limit": 4})),
        ("ExecuteStatement", json!({"Statement": "SELECT * FROM one", "NextToken": "no token"})),
        ("BatchExecuteStatement", json!({"Statements": [{"Statement": "SELECT n FROM one WHERE pk = 'a'"}]})),
        (
            "ExecuteTransaction",
            json!({"TransactStatements": [
                {"Statement": "SELECT * FROM one WHERE pk = 'a'"}, {"Statement": "SELECT x FROM one WHERE pk = 'none'"},
            ]}),
        ),
        ("ListStreams", json!({"TableName": "one"})),
        ("ListStreams", json!({"Limit": 0})),
        ("DescribeStream", json!({"StreamArn": "arn:aws:dynamodb:us-east-1:123456789012:table/x/stream/y"})),
        ("GetShardIterator", json!({"StreamArn": "short"})),
        ("GetRecords", json!({"ShardIterator": "garbage"})),
    ]
}

#[test]
fn writes_come_to_the_same_through_both_protocols() {
    let (http, native) = (TestServer::start(), TestServer::start());
    let client = client_of(&native);
    make_tables(|operation, request| over_http(&http, operation, request));
    make_tables(|operation, request| over_frames(&client, operation, request));
    for (operation, request) in writes() {
        let expected = over_http(&http, operation, &request);
        assert_eq!(over_frames(&client, operation, &request), expected, "{operation} {request}");
    }
    assert_eq!(items_of(&native), items_of(&http), "the servers hold the same in the end");
}

/// All items of a table, in an order of their own: that of a scan is each table's.
fn items_of(server: &TestServer) -> Vec<String> {
    let scanned = server.call("Scan", r#"{"TableName":"one"}"#).json();
    let mut items: Vec<String> =
        scanned["Items"].as_array().expect("a scan has items").iter().map(Json::to_string).collect();
    items.sort();
    assert!(!items.is_empty());
    items
}

#[test]
fn reads_come_to_the_same_through_both_protocols() {
    let server = TestServer::start();
    let client = client_of(&server);
    make_tables(|operation, request| over_http(&server, operation, request));
    for (operation, request) in writes() {
        over_http(&server, operation, &request);
    }
    for (operation, request) in reads() {
        let expected = over_http(&server, operation, &request);
        assert_eq!(over_frames(&client, operation, &request), expected, "{operation} {request}");
    }
}

#[test]
fn streams_are_read_alike_through_both_protocols() {
    let server = TestServer::start();
    let client = client_of(&server);
    make_tables(|operation, request| over_http(&server, operation, request));
    for (operation, request) in writes() {
        over_http(&server, operation, &request);
    }
    let both = |operation: &str, request: Json| {
        let expected = over_http(&server, operation, &request);
        assert_eq!(over_frames(&client, operation, &request), expected, "{operation} {request}");
        match expected {
            Outcome::Answer(answer) => answer,
            Outcome::Exception(name, carried) => panic!("{operation} {request}: {name} {carried}"),
        }
    };
    let streams = both("ListStreams", json!({"TableName": "one"}));
    let arn = streams["Streams"][0]["StreamArn"].clone();
    let described = both("DescribeStream", json!({"StreamArn": arn, "Limit": 100}));
    let shards = described["StreamDescription"]["Shards"].as_array().expect("a stream has shards").clone();
    let mut record_count = 0;
    for shard in shards {
        let begin =
            json!({"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"});
        // An iterator holds the moment when it was made: one protocol's is given to both.
        let Outcome::Answer(begun) = over_frames(&client, "GetShardIterator", &begin) else {
            panic!("the stream can be read");
        };
        let read = json!({"ShardIterator": begun["ShardIterator"], "Limit": 1000});
        let (by_http, by_frames) =
            (over_http(&server, "GetRecords", &read), over_frames(&client, "GetRecords", &read));
        let (Outcome::Answer(by_http), Outcome::Answer(by_frames)) = (by_http, by_frames) else {
            panic!("the iterator is young");
        };
        assert_eq!(by_http["Records"], by_frames["Records"]);
        record_count += by_frames["Records"].as_array().map_or(0, Vec::len);
    }
    assert!(record_count > 5, "{record_count} records were compared");
}

#[test]
fn every_operation_has_cases() {
    let cases: Vec<&str> = writes().into_iter().chain(reads()).map(|(operation, _)| operation).collect();
    for (operation, _) in OPERATIONS {
        assert!(cases.contains(&operation), "{operation}");
    }
}
