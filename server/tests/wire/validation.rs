//! What DynamoDB says of faulty requests, before any table is looked up, and in which order.
//!
//! Texts as the public conformance suites hold them. No table exists, so a request without a fault is answered with
//! ResourceNotFoundException: that is how the order of a rule against the look-up of the table shows.

use crate::support::TestServer;

const NOT_FOUND: &str = "Requested resource not found";

/// Calls and compares messages.
fn assert_messages(rows: &[(&str, &str, &str)]) {
    let server = TestServer::start();
    for (operation, body, message) in rows {
        let response = server.call(operation, body);
        assert_eq!(response.message(), *message, "{operation} {body}");
        assert_eq!(response.status, 400);
    }
}

/// Calls and compares the violations of the constraint framework, in any order.
fn assert_violations(server: &TestServer, operation: &str, body: &str, violations: &[&str]) {
    let message = server.call(operation, body).message();
    let plural = if violations.len() == 1 { "" } else { "s" };
    let prefix = format!("{} validation error{plural} detected: ", violations.len());
    let told = message.strip_prefix(&prefix).unwrap_or_else(|| panic!("{operation} {body}: {message}"));
    let mut told: Vec<&str> = told.split("; ").collect();
    let mut wanted = violations.to_vec();
    told.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(told, wanted, "{operation} {body}");
}

#[test]
fn required_members_are_told_together() {
    let server = TestServer::start();
    let table = "Value null at 'tableName' failed to satisfy constraint: Member must not be null";
    let item = "Value null at 'item' failed to satisfy constraint: Member must not be null";
    let key = "Value null at 'key' failed to satisfy constraint: Member must not be null";
    assert_violations(&server, "PutItem", "{}", &[table, item]);
    assert_violations(&server, "PutItem", r#"{"TableName":null,"Item":{}}"#, &[table]);
    for operation in ["GetItem", "UpdateItem", "DeleteItem"] {
        assert_violations(&server, operation, "{}", &[table, key]);
    }
    for operation in ["Query", "Scan"] {
        assert_violations(&server, operation, "{}", &[table]);
    }
}

#[test]
fn enumerations_print_in_dynamodbs_order() {
    let server = TestServer::start();
    let capacity = "Value 'hi' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum \
                    value set: [INDEXES, TOTAL, NONE]";
    let metrics = "Value 'hi' at 'returnItemCollectionMetrics' failed to satisfy constraint: Member must satisfy enum \
                   value set: [SIZE, NONE]";
    let values = "Value 'hi' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value set: \
                  [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]";
    let select = "Value 'hi' at 'select' failed to satisfy constraint: Member must satisfy enum value set: \
                  [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]";
    let table = "Value 'abc;' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression \
                 pattern: [a-zA-Z0-9_.-]+";
    let options = r#""ReturnConsumedCapacity":"hi","ReturnItemCollectionMetrics":"hi","ReturnValues":"hi""#;
    let put = format!(r#"{{"TableName":"abc;","Item":{{}},{options}}}"#);
    assert_violations(&server, "PutItem", &put, &[capacity, table, values, metrics]);
    let update = format!(r#"{{"TableName":"abc;","Key":{{}},{options}}}"#);
    assert_violations(&server, "UpdateItem", &update, &[capacity, table, values, metrics]);
    let query = r#"{"TableName":"abc","Select":"hi","ReturnConsumedCapacity":"hi"}"#;
    assert_violations(&server, "Query", query, &[select, capacity]);
}

#[test]
fn limits_and_segments_are_bounded() {
    let server = TestServer::start();
    let limit = "Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1";
    assert_violations(&server, "Scan", r#"{"TableName":"abc","Limit":0}"#, &[limit]);
    let limit =
        "Value at 'Limit' failed to satisfy constraint: Member must have value greater than or equal to 1";
    assert_violations(&server, "Query", r#"{"TableName":"abc","Limit":0}"#, &[limit]);
    let limit = "Value '101' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 100";
    assert_violations(&server, "ListTables", r#"{"Limit":101}"#, &[limit]);
    let total = "Value '1000001' at 'totalSegments' failed to satisfy constraint: Member must have value less than or \
                 equal to 1000000";
    let segment = "Value '-1' at 'segment' failed to satisfy constraint: Member must have value greater than or equal to 0";
    let body = r#"{"TableName":"abc","TotalSegments":1000001,"Segment":-1}"#;
    assert_violations(&server, "Scan", body, &[total, segment]);
}

#[test]
fn rules_of_writes_come_in_order() {
    const MIXED: &str = "Can not use both expression and non-expression parameters in the same request: Non-expression \
                         parameters: {Expected} Expression parameters: {ConditionExpression}";
    const NULL: &str =
        "One or more parameter values were invalid: Null attribute value types must have the value of true";
    let large = "x".repeat(409_600);
    let too_large =
        format!(r#"{{"TableName":"abc","Item":{{"a":{{"S":"{large}"}}}},"ConditionExpression":"!"}}"#);
    assert_messages(&[
        (
            "PutItem",
            r#"{"TableName":"abc","Item":{"a":{"NULL":false}},"Expected":{},"ConditionExpression":"!","ExpressionAttributeNames":{}}"#,
            MIXED,
        ),
        (
            "PutItem",
            r#"{"TableName":"abc","Item":{"a":{"NULL":false}},"ExpressionAttributeNames":{}}"#,
            "ExpressionAttributeNames can only be specified when using expressions",
        ),
        (
            "PutItem",
            r#"{"TableName":"abc","Item":{"a":{"NULL":false}},"ExpressionAttributeValues":{}}"#,
            "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null",
        ),
        (
            "UpdateItem",
            r#"{"TableName":"abc","Key":{},"ExpressionAttributeValues":{}}"#,
            "ExpressionAttributeValues can only be specified when using expressions: UpdateExpression and \
             ConditionExpression are null",
        ),
        ("PutItem", r#"{"TableName":"abc","Item":{"a":{"NULL":false}},"ReturnValues":"ALL_NEW"}"#, NULL),
        (
            "PutItem",
            r#"{"TableName":"abc","Item":{},"ReturnValues":"ALL_NEW","ConditionExpression":"!"}"#,
            "ReturnValues can only be ALL_OLD or NONE",
        ),
        ("PutItem", &too_large, "Item size has exceeded the maximum allowed size"),
        (
            "PutItem",
            r#"{"TableName":"abc","Item":{},"ConditionExpression":""}"#,
            "Invalid ConditionExpression: The expression can not be empty;",
        ),
        (
            "PutItem",
            r##"{"TableName":"abc","Item":{},"ConditionExpression":"attribute_exists(a)","ExpressionAttributeNames":{"#n":"b"}}"##,
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#n}",
        ),
        // A wrong key of the map comes before a wrong value of it, wherever they stand.
        (
            "UpdateItem",
            r#"{"TableName":"abc","Key":{},"UpdateExpression":"SET a = :v","ExpressionAttributeValues":{":v":{},"b":{"S":"a"}}}"#,
            r#"ExpressionAttributeValues contains invalid key: Syntax error; key: "b""#,
        ),
        (
            "UpdateItem",
            r#"{"TableName":"abc","Key":{},"UpdateExpression":"SET a = :v","ExpressionAttributeValues":{":v":{"N":"x"}}}"#,
            "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: x \
             for key :v",
        ),
        ("PutItem", r#"{"TableName":"abc","Item":{"a":{"S":"x"}}}"#, NOT_FOUND),
        ("DeleteItem", r#"{"TableName":"abc","Key":{"a":{"S":"x"}}}"#, NOT_FOUND),
        ("UpdateItem", r#"{"TableName":"abc","Key":{"a":{"S":"x"}}}"#, NOT_FOUND),
    ]);
}

#[test]
fn rules_of_reads_come_in_order() {
    assert_messages(&[
        (
            "Query",
            r#"{"TableName":"abc"}"#,
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
        ),
        (
            "Query",
            r#"{"TableName":"abc","ExclusiveStartKey":{"a":{}}}"#,
            "The provided starting key is invalid: Supplied AttributeValue is empty, must contain exactly one of the \
             supported datatypes",
        ),
        (
            "Scan",
            r#"{"TableName":"abc","ExclusiveStartKey":{"a":{"N":"x"}}}"#,
            "The parameter cannot be converted to a numeric value: x",
        ),
        (
            "Query",
            r#"{"TableName":"abc","KeyConditionExpression":"","ExpressionAttributeValues":{":v":{"S":"x"}}}"#,
            "Invalid KeyConditionExpression: The expression can not be empty;",
        ),
        (
            "Query",
            r##"{"TableName":"abc","KeyConditionExpression":"pk = :pk","FilterExpression":"#missing = :pk","ExpressionAttributeValues":{":pk":{"S":"x"}}}"##,
            "Invalid FilterExpression: An expression attribute name used in the document path is not defined; attribute \
             name: #missing",
        ),
        (
            "Query",
            r#"{"TableName":"abc","KeyConditionExpression":"pk = :pk","ExpressionAttributeValues":{":pk":{"S":"x"}},"Select":"SPECIFIC_ATTRIBUTES"}"#,
            "One or more parameter values were invalid: Must specify the AttributesToGet or ProjectionExpression when \
             choosing to get SPECIFIC_ATTRIBUTES",
        ),
        (
            "Scan",
            r#"{"TableName":"abc","Segment":0}"#,
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
        ),
        ("GetItem", r#"{"TableName":"abc","Key":{}}"#, NOT_FOUND),
        ("Scan", r#"{"TableName":"abc"}"#, NOT_FOUND),
        (
            "Query",
            r#"{"TableName":"abc","KeyConditionExpression":"pk = :pk","ExpressionAttributeValues":{":pk":{"S":"x"}}}"#,
            NOT_FOUND,
        ),
    ]);
}

#[test]
fn batches_are_checked_as_a_whole() {
    let key = |number: usize| format!(r#"{{"pk":{{"S":"{number}"}}}}"#);
    let keys: Vec<String> = (0..101).map(key).collect();
    let gets = |tables: &[(&str, &[String])]| {
        let tables: Vec<String> = tables
            .iter()
            .map(|(table, keys)| format!(r#""{table}":{{"Keys":[{}]}}"#, keys.join(",")))
            .collect();
        format!(r#"{{"RequestItems":{{{}}}}}"#, tables.join(","))
    };
    let puts: Vec<String> = keys.iter().map(|key| format!(r#"{{"PutRequest":{{"Item":{key}}}}}"#)).collect();
    assert_messages(&[
        ("BatchGetItem", r#"{"RequestItems":{}}"#, "The requestItems parameter is required for BatchGetItem"),
        (
            "BatchWriteItem",
            r#"{"RequestItems":{}}"#,
            "The requestItems parameter is required for BatchWriteItem",
        ),
        (
            "BatchWriteItem",
            "{}",
            "1 validation error detected: Value null at 'requestItems' failed to satisfy constraint: Member must not be null",
        ),
        (
            "BatchGetItem",
            &gets(&[("abc", &keys)]),
            "1 validation error detected: Value at 'RequestItems.abc.member.Keys' failed to satisfy constraint: Member \
             must have length less than or equal to 100",
        ),
        (
            "BatchGetItem",
            &gets(&[("abc", &keys[..60]), ("abd", &keys[..60])]),
            "Too many items requested for the BatchGetItem call",
        ),
        (
            "BatchGetItem",
            &gets(&[("abc", &[key(1), key(1)])]),
            "Provided list of item keys contains duplicates",
        ),
        ("BatchGetItem", &gets(&[("abc", &keys[..100])]), NOT_FOUND),
        ("BatchWriteItem", &format!(r#"{{"RequestItems":{{"abc":[{}]}}}}"#, puts[..25].join(",")), NOT_FOUND),
        (
            "BatchWriteItem",
            r#"{"RequestItems":{"abc":[{}]}}"#,
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        ),
        (
            "BatchGetItem",
            r#"{"RequestItems":{"abc":{}}}"#,
            "1 validation error detected: Value null at 'requestItems.abc.member.keys' failed to satisfy constraint: \
             Member must not be null",
        ),
    ]);
    let server = TestServer::start();
    let many =
        server.call("BatchWriteItem", &format!(r#"{{"RequestItems":{{"abc":[{}]}}}}"#, puts[..26].join(",")));
    let message = many.message();
    assert!(message.starts_with("1 validation error detected: Value '{abc=[WriteRequest("), "{message}");
    assert!(
        message.ends_with(
            "]}' at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: [Member must have \
             length less than or equal to 25, Member must have length greater than or equal to 1]"
        ),
        "{message}"
    );
}

#[test]
fn batch_tables_and_requests_are_held_to_their_constraints() {
    let server = TestServer::start();
    let body =
        r#"{"RequestItems":{"aa;":[{"PutRequest":{},"DeleteRequest":{}}]},"ReturnConsumedCapacity":"hi"}"#;
    let message = server.call("BatchWriteItem", body).message();
    assert!(message.starts_with("4 validation errors detected: "), "{message}");
    for violation in [
        "' at 'requestItems' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less \
         than or equal to 255, Member must have length greater than or equal to 3, Member must satisfy regular expression \
         pattern: [a-zA-Z0-9_.-]+]",
        "Value null at 'requestItems.aa;.member.1.member.deleteRequest.key' failed to satisfy constraint: Member must not \
         be null",
        "Value null at 'requestItems.aa;.member.1.member.putRequest.item' failed to satisfy constraint: Member must not be \
         null",
    ] {
        assert!(message.contains(violation), "{message}");
    }
}

#[test]
fn json_types_within_batches_have_the_texts_of_nested_collections() {
    let cast = "class sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl cannot be cast to class \
                java.lang.Class (sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl and java.lang.Class are in \
                module java.base of loader 'bootstrap')";
    assert_messages(&[
        ("BatchWriteItem", r#"{"RequestItems":{"abc":"23"}}"#, cast),
        (
            "BatchWriteItem",
            r#"{"RequestItems":[]}"#,
            "Unrecognized collection type java.util.Map<java.lang.String, \
             java.util.List<com.amazonaws.dynamodb.v20120810.WriteRequest>>",
        ),
        (
            "BatchWriteItem",
            r#"{"RequestItems":{"abc":[[]]}}"#,
            "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.WriteRequest",
        ),
        ("BatchGetItem", r#"{"RequestItems":{"abc":{"Keys":["x"]}}}"#, cast),
        (
            "PutItem",
            r#"{"TableName":"abc","Item":{"a":{"N":123}}}"#,
            "NUMBER_VALUE cannot be converted to String",
        ),
    ]);
}

#[test]
fn tables_are_checked_before_they_are_made() {
    let table = |rest: &str| format!(r#"{{"TableName":"abc"{rest}}}"#);
    let definitions = r#","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}]"#;
    let hash = r#","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]"#;
    let three = r#","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"a","KeyType":"RANGE"},{"AttributeName":"b","KeyType":"RANGE"}]"#;
    let on_demand = r#","BillingMode":"PAY_PER_REQUEST""#;
    let index = r#","GlobalSecondaryIndexes":[{"IndexName":"abc"}]"#;
    assert_messages(&[
        ("CreateTable", "{}", "The parameter 'TableName' is required but was not present in the request"),
        (
            "CreateTable",
            &format!(r#"{{"TableName":"ab"{definitions}{hash}}}"#),
            "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: Member must have length \
             greater than or equal to 3",
        ),
        (
            "CreateTable",
            &table(&format!(r#"{definitions},"KeySchema":[{{"AttributeName":"pk","KeyType":"INVALID"}}]"#)),
            "1 validation error detected: Value 'INVALID' at 'keySchema.1.member.keyType' failed to satisfy constraint: \
             Member must satisfy enum value set: [HASH, RANGE]",
        ),
        (
            "CreateTable",
            &table(&format!(
                r#"{hash},"AttributeDefinitions":[{{"AttributeName":"pk","AttributeType":"INVALID"}}]"#
            )),
            "1 validation error detected: Value 'INVALID' at 'attributeDefinitions.1.member.attributeType' failed to \
             satisfy constraint: Member must satisfy enum value set: [B, N, S]",
        ),
        (
            "CreateTable",
            &table(&format!("{definitions}{three}")),
            "1 validation error detected: Value '[KeySchemaElement(attributeName=pk, keyType=HASH), \
             KeySchemaElement(attributeName=a, keyType=RANGE), KeySchemaElement(attributeName=b, keyType=RANGE)]' at \
             'keySchema' failed to satisfy constraint: Member must have length less than or equal to 2",
        ),
        (
            "CreateTable",
            &table(&format!("{definitions}{hash}")),
            "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified \
             when BillingMode is PROVISIONED",
        ),
        (
            "CreateTable",
            &table(&format!("{definitions}{hash}{on_demand}{index}")),
            "2 validation errors detected: Value null at 'globalSecondaryIndexes.1.member.keySchema' failed to satisfy \
             constraint: Member must not be null; Value null at 'globalSecondaryIndexes.1.member.projection' failed to \
             satisfy constraint: Member must not be null",
        ),
        ("DescribeTable", "{}", "The parameter 'TableName' is required but was not present in the request"),
        (
            "DeleteTable",
            r#"{"TableName":"ab"}"#,
            "TableName must be at least 3 characters long and at most 255 characters long",
        ),
        ("DescribeTable", r#"{"TableName":"abc"}"#, "Requested resource not found: Table: abc not found"),
        (
            "DescribeTable",
            r#"{"TableName":"arn:aws:dynamodb:us-east-1:123456789012:table/abc"}"#,
            "Requested resource not found: Table: abc not found",
        ),
    ]);
}
