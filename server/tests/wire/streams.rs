//! Streams on the wire: raw JSON, as a client without an SDK sees it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Response, TestServer};

/// The slowest that a reader may learn of an acknowledged write.
const LATENCY_MAX: Duration = Duration::from_millis(50);

fn answer(response: Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    response.assert_common_headers();
    response.json()
}

fn call(server: &TestServer, operation: &str, body: &Value) -> Value {
    answer(server.call(operation, &body.to_string()))
}

fn streams(server: &TestServer, operation: &str, body: &Value) -> Value {
    answer(server.call_streams(operation, &body.to_string()))
}

fn create(server: &TestServer, stream: &Value) -> Response {
    let create = json!({
        "TableName": "people",
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"},
        ],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": stream,
    });
    server.call("CreateTable", &create.to_string())
}

/// A server with the table `people` and its stream's resource name.
fn server_with_stream(view_type: &str) -> (TestServer, String) {
    let server = TestServer::start();
    let arn = create_with_stream(&server, view_type);
    (server, arn)
}

fn create_with_stream(server: &TestServer, view_type: &str) -> String {
    let created = answer(create(server, &json!({"StreamEnabled": true, "StreamViewType": view_type})));
    created["TableDescription"]["LatestStreamArn"].as_str().expect("a stream").to_owned()
}

fn put(server: &TestServer, pk: &str, value: i64) {
    let item = json!({"pk": {"S": pk}, "sk": {"N": "1"}, "v": {"N": value.to_string()}});
    call(server, "PutItem", &json!({"TableName": "people", "Item": item}));
}

fn shard_ids(server: &TestServer, arn: &str) -> Vec<String> {
    let described = streams(server, "DescribeStream", &json!({"StreamArn": arn}));
    let shards = described["StreamDescription"]["Shards"].as_array().expect("shards").clone();
    shards.iter().map(|shard| shard["ShardId"].as_str().expect("a name").to_owned()).collect()
}

fn iterator(server: &TestServer, arn: &str, shard: &str, iterator_type: &str) -> String {
    let begin = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": iterator_type});
    let iterator = streams(server, "GetShardIterator", &begin)["ShardIterator"].take();
    iterator.as_str().expect("an iterator").to_owned()
}

/// All records of all shards.
fn records(server: &TestServer, arn: &str) -> Vec<Value> {
    let shards = shard_ids(server, arn).into_iter();
    shards
        .flat_map(|shard| {
            let iterator = iterator(server, arn, &shard, "TRIM_HORIZON");
            let page = streams(server, "GetRecords", &json!({"ShardIterator": iterator}));
            page["Records"].as_array().expect("records").clone()
        })
        .collect()
}

#[test]
fn tables_tell_of_their_stream() {
    let (server, arn) = server_with_stream("NEW_AND_OLD_IMAGES");
    let describe = || call(&server, "DescribeTable", &json!({"TableName": "people"}))["Table"].take();
    let table = describe();
    let specification = json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"});
    assert_eq!(table["StreamSpecification"], specification);
    let label = table["LatestStreamLabel"].as_str().expect("a label");
    assert_eq!(arn, format!("arn:aws:dynamodb:us-east-1:123456789012:table/people/stream/{label}"));
    assert_eq!(label.len(), "2026-01-01T00:00:00.000".len());

    let update = |stream: Value| {
        let update = json!({"TableName": "people", "StreamSpecification": stream});
        server.call("UpdateTable", &update.to_string())
    };
    let enabled = update(specification.clone());
    assert_eq!(enabled.message(), "Table already has an enabled stream: TableName: people");
    assert_eq!(enabled.exception(), "ValidationException");
    answer(update(json!({"StreamEnabled": false})));
    let table = describe();
    assert_eq!(table.get("StreamSpecification"), None);
    assert_eq!(table["LatestStreamArn"], json!(arn));
    assert_eq!(
        update(json!({"StreamEnabled": false})).message(),
        "Table has no stream to disable: TableName: people"
    );
    answer(update(specification));
    assert_ne!(describe()["LatestStreamArn"], json!(arn));
    let listed = streams(&server, "ListStreams", &json!({"TableName": "people"}));
    assert_eq!(listed["Streams"].as_array().map(Vec::len), Some(2));
}

#[test]
fn specifications_are_held_to_their_rules() {
    let server = TestServer::start();
    let told = |stream: Value| create(&server, &stream).message();
    let invalid = "One or more parameter values were invalid: ";
    assert_eq!(
        told(json!({"StreamEnabled": true})),
        format!("{invalid}Table is being created with a stream enabled, UpdateViewType is required")
    );
    assert_eq!(
        told(json!({"StreamEnabled": false, "StreamViewType": "NEW_IMAGE"})),
        format!(
            "{invalid}Table is being created with a stream disabled, UpdateViewType should not be specified"
        )
    );
    assert_eq!(
        told(json!({"StreamViewType": "NEW_IMAGE"})),
        "1 validation error detected: Value null at 'streamSpecification.streamEnabled' failed to satisfy constraint: \
         Member must not be null"
    );
    assert_eq!(
        told(json!({"StreamEnabled": true, "StreamViewType": "new_image"})),
        "1 validation error detected: Value 'new_image' at 'streamSpecification.streamViewType' failed to satisfy \
         constraint: Member must satisfy enum value set: [OLD_IMAGE, KEYS_ONLY, NEW_AND_OLD_IMAGES, NEW_IMAGE]"
    );
    answer(create(&server, &json!({"StreamEnabled": false})));
    let update = json!({"TableName": "people", "StreamSpecification": {"StreamEnabled": true}});
    assert_eq!(
        server.call("UpdateTable", &update.to_string()).message(),
        format!("{invalid}If stream is being enabled then UpdateViewType is required")
    );
}

#[test]
fn records_have_the_members_of_dynamodb_s() {
    let (server, arn) = server_with_stream("NEW_AND_OLD_IMAGES");
    put(&server, "a", 1);
    put(&server, "a", 22);
    let key = json!({"pk": {"S": "a"}, "sk": {"N": "1"}});
    call(&server, "DeleteItem", &json!({"TableName": "people", "Key": key}));
    let records = records(&server, &arn);
    let names: Vec<&Value> = records.iter().map(|record| &record["eventName"]).collect();
    assert_eq!(names, ["INSERT", "MODIFY", "REMOVE"]);
    let mut modified = records[1].clone();
    let members = modified.as_object_mut().expect("a record");
    let event_id = members.remove("eventID").expect("an id");
    assert!(event_id.as_str().is_some_and(|id| id.len() == 32));
    let change = members["dynamodb"].as_object_mut().expect("a change");
    let number = change.remove("SequenceNumber").expect("a sequence number");
    let number = number.as_str().expect("text");
    assert!(
        (21..=40).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit()),
        "{number}"
    );
    let created = change.remove("ApproximateCreationDateTime").expect("a time");
    assert!(created.as_u64().is_some_and(|seconds| seconds > 1_700_000_000), "{created}: whole seconds");
    assert_eq!(
        modified,
        json!({
            "eventName": "MODIFY",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "Keys": key,
                "OldImage": {"pk": {"S": "a"}, "sk": {"N": "1"}, "v": {"N": "1"}},
                "NewImage": {"pk": {"S": "a"}, "sk": {"N": "1"}, "v": {"N": "22"}},
                "SizeBytes": 27,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
        })
    );
    assert_eq!(records[0]["dynamodb"].get("OldImage"), None);
    assert_eq!(records[2]["dynamodb"].get("NewImage"), None);
    assert!(records.iter().all(|record| record.get("userIdentity").is_none()));
}

#[test]
fn streams_are_described_and_listed_in_pages() {
    let (server, arn) = server_with_stream("KEYS_ONLY");
    let described =
        streams(&server, "DescribeStream", &json!({"StreamArn": arn}))["StreamDescription"].take();
    assert_eq!(described["StreamArn"], json!(arn));
    assert_eq!(described["StreamStatus"], "ENABLED");
    assert_eq!(described["StreamViewType"], "KEYS_ONLY");
    assert_eq!(described["TableName"], "people");
    assert_eq!(described["KeySchema"][1], json!({"AttributeName": "sk", "KeyType": "RANGE"}));
    assert!(described["CreationRequestDateTime"].is_f64());
    assert_eq!(described.get("LastEvaluatedShardId"), None);
    let shards = described["Shards"].as_array().expect("shards");
    assert_eq!(shards.len(), 2, "one a shard of the engine");
    for shard in shards {
        assert!(shard["ShardId"].as_str().is_some_and(|id| (28..=65).contains(&id.len())));
        assert!(shard["SequenceNumberRange"]["StartingSequenceNumber"].is_string());
        assert_eq!(shard["SequenceNumberRange"].get("EndingSequenceNumber"), None);
        assert_eq!(shard.get("ParentShardId"), None);
    }
    let first = streams(&server, "DescribeStream", &json!({"StreamArn": arn, "Limit": 1}));
    let last = &first["StreamDescription"]["LastEvaluatedShardId"];
    assert_eq!(*last, shards[0]["ShardId"]);
    let next = json!({"StreamArn": arn, "ExclusiveStartShardId": last});
    let second = streams(&server, "DescribeStream", &next)["StreamDescription"].take();
    assert_eq!(second["Shards"], json!([shards[1]]));
    let past = json!({"StreamArn": arn, "ExclusiveStartShardId": shards[1]["ShardId"]});
    assert_eq!(streams(&server, "DescribeStream", &past)["StreamDescription"]["Shards"], json!([]));
    let children = json!({
        "StreamArn": arn,
        "ShardFilter": {"Type": "CHILD_SHARDS", "ShardId": shards[0]["ShardId"]},
    });
    assert_eq!(streams(&server, "DescribeStream", &children)["StreamDescription"]["Shards"], json!([]));

    let label = described["StreamLabel"].clone();
    let told = json!({"StreamArn": arn, "TableName": "people", "StreamLabel": label});
    assert_eq!(streams(&server, "ListStreams", &json!({})), json!({"Streams": [told]}));
    let past = json!({"ExclusiveStartStreamArn": arn});
    assert_eq!(streams(&server, "ListStreams", &past), json!({"Streams": []}));
}

#[test]
fn iterators_are_of_every_type_and_of_this_stream_alone() {
    let (server, arn) = server_with_stream("NEW_IMAGE");
    put(&server, "a", 1);
    let shard = shard_ids(&server, &arn)
        .into_iter()
        .find(|shard| {
            let iterator = iterator(&server, &arn, shard, "TRIM_HORIZON");
            let page = streams(&server, "GetRecords", &json!({"ShardIterator": iterator}));
            page["Records"].as_array().is_some_and(|records| !records.is_empty())
        })
        .expect("some shard holds the item");
    let number = records(&server, &arn)[0]["dynamodb"]["SequenceNumber"].clone();
    let begin = |members: Value| {
        let mut begin = json!({"StreamArn": arn, "ShardId": shard});
        begin.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        server.call_streams("GetShardIterator", &begin.to_string())
    };
    for (members, expected) in [
        (json!({"ShardIteratorType": "TRIM_HORIZON"}), 1),
        (json!({"ShardIteratorType": "LATEST"}), 0),
        (json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": number}), 1),
        (json!({"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": number}), 0),
        (json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1.5}), 1),
        (json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 99_999_999_999_u64}), 0),
    ] {
        let iterator = answer(begin(members.clone()))["ShardIterator"].take();
        assert!(iterator.as_str().is_some_and(|text| text.len() <= 2048));
        let page = streams(&server, "GetRecords", &json!({"ShardIterator": iterator}));
        assert_eq!(page["Records"].as_array().map(Vec::len), Some(expected), "{members}");
        assert!(page["NextShardIterator"].is_string());
    }
    for (members, told) in [
        (
            json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER"}),
            "The parameter 'SequenceNumber' is required but was not present in the request",
        ),
        (
            json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": "9".repeat(30)}),
            "Invalid SequenceNumber",
        ),
    ] {
        assert_eq!(begin(members).message(), told);
    }
    let garbage = json!({"ShardIterator": format!("{arn}|1|AAAA")});
    let refused = server.call_streams("GetRecords", &garbage.to_string());
    assert_eq!(refused.exception(), "ValidationException");
    assert_eq!(refused.message(), "Invalid ShardIterator");
    let too_many = json!({"ShardIterator": garbage["ShardIterator"], "Limit": 1001});
    let refused = server.call_streams("GetRecords", &too_many.to_string());
    assert_eq!(refused.exception(), "LimitExceededException", "{}", refused.text());
    let short = json!({"StreamArn": arn, "ShardId": "short", "ShardIteratorType": "LATEST"});
    let refused = server.call_streams("GetShardIterator", &short.to_string());
    assert!(refused.message().ends_with("Member must have length greater than or equal to 28"));
    let missing = format!("{}0", &arn[..arn.len() - 1]);
    if missing != arn {
        let refused = server.call_streams("DescribeStream", &json!({"StreamArn": missing}).to_string());
        assert_eq!(refused.exception(), "ResourceNotFoundException");
        assert_eq!(refused.message(), format!("Requested resource not found: Stream: {missing} not found"));
    }
}

#[test]
fn an_acknowledged_write_is_in_the_stream_at_once() {
    let (server, arn) = server_with_stream("KEYS_ONLY");
    let mut iterators: Vec<String> =
        shard_ids(&server, &arn).iter().map(|shard| iterator(&server, &arn, shard, "LATEST")).collect();
    let mut slowest = Duration::ZERO;
    for index in 0..20 {
        put(&server, &format!("key {index}"), index);
        let acknowledged = Instant::now();
        let mut seen = 0;
        for iterator in &mut iterators {
            let page = streams(&server, "GetRecords", &json!({"ShardIterator": iterator}));
            seen += page["Records"].as_array().map_or(0, Vec::len);
            *iterator = page["NextShardIterator"].as_str().expect("the stream is enabled").to_owned();
        }
        assert_eq!(seen, 1, "the first read after the answer shows the change");
        slowest = slowest.max(acknowledged.elapsed());
    }
    // Both shards were asked, each by a connection of its own; a loaded machine is given time.
    assert!(slowest < 20 * LATENCY_MAX, "{slowest:?}");
}

/// A stream's shards as they are told.
fn described_shards(server: &TestServer, request: &Value) -> Vec<Value> {
    let described = streams(server, "DescribeStream", request)["StreamDescription"].take();
    described["Shards"].as_array().expect("shards").clone()
}

/// Reads a shard to its end; its records, or `None` while it may get more.
fn read_closed(server: &TestServer, arn: &str, shard: &str) -> Option<Vec<Value>> {
    let mut next = Some(iterator(server, arn, shard, "TRIM_HORIZON"));
    let mut records = Vec::new();
    while let Some(iterator) = next {
        let mut page = streams(server, "GetRecords", &json!({"ShardIterator": iterator, "Limit": 9}));
        let read = page["Records"].as_array().expect("records").clone();
        next = page["NextShardIterator"].take().as_str().map(str::to_owned);
        if read.is_empty() && next.is_some() {
            return None;
        }
        records.extend(read);
    }
    Some(records)
}

#[test]
fn a_reader_follows_the_children_of_a_shard_that_was_split() {
    const WRITES_MAX: u64 = 20_000;
    let server = TestServer::with_small_partitions();
    let arn = create_with_stream(&server, "KEYS_ONLY");
    let describe = json!({"StreamArn": arn});
    let padding = "x".repeat(1000);
    let mut writes = 0..WRITES_MAX;
    // Partitions are split beside the writes: these go on until one was.
    while described_shards(&server, &describe).iter().all(|shard| shard.get("ParentShardId").is_none()) {
        let write = writes.next().expect("a partition is split long before");
        let item = json!({"pk": {"S": format!("key {write}")}, "sk": {"N": "1"}, "v": {"S": padding}});
        call(&server, "PutItem", &json!({"TableName": "people", "Item": item}));
    }
    let shards = described_shards(&server, &describe);
    let parent = shards
        .iter()
        .find(|shard| shard["SequenceNumberRange"]["EndingSequenceNumber"].is_string())
        .expect("a shard that was split has an end");
    let id = parent["ShardId"].as_str().expect("a name");
    let of_parent = json!({"StreamArn": arn, "ShardFilter": {"Type": "CHILD_SHARDS", "ShardId": id}});
    let children = described_shards(&server, &of_parent);
    assert_eq!(children.len(), 2);
    let ending = parent["SequenceNumberRange"]["EndingSequenceNumber"].as_str().expect("text");
    for child in &children {
        assert_eq!(child["ParentShardId"], parent["ShardId"]);
        assert!(child["SequenceNumberRange"]["StartingSequenceNumber"].as_str().expect("text") > ending);
    }
    let records = read_closed(&server, &arn, id).expect("a closed shard has an end");
    let last = records.last().expect("it had records");
    assert_eq!(last["dynamodb"]["SequenceNumber"], ending);
    assert!(iterator(&server, &arn, id, "LATEST").len() <= 2048);
}
