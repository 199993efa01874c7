//! Seeds of what clients send: expressions and request bodies.

use super::{Seed, seed};
use crate::targets::OPERATIONS;

/// Behind an expression's end: an item of a map, a list, sets, texts and numbers, then values for its placeholders.
const ITEM: &[u8] = &[
    0, 8, 0, 9, 2, 0, 3, 101, 1, 2, 2, 0, 1, 1, 8, 2, 2, 1, 0, 3, 102, 2, 5, 2, 2, 0, 1, 1, 1, 3, 6, 2, 101,
    102, 4, 3, 103, 5, 3, 104, 6, 4, 2, 1, 2, 7, 1, 1, 3, 101, 2, 1, 0, 5, 1, 1, 0, 3, 101,
];

const CONDITIONS: [&str; 12] = [
    "a = :v",
    "a.b[1] <> :v AND NOT attribute_exists(#n)",
    "attribute_not_exists(a) OR (b < :v AND c >= :w)",
    "begins_with(pk, :v)",
    "contains(c, :v) AND contains(:w, a)",
    "attribute_type(a, :v)",
    "size(b) > :v",
    "size(#n) BETWEEN :v AND :w",
    "a IN (:v, :w, b)",
    "a BETWEEN :v AND :w OR b = c",
    "(a = b) AND (c <= d OR (NOT a < b))",
    ":v = a",
];
const KEY_CONDITIONS: [&str; 8] = [
    "pk = :v",
    "pk = :v AND sk = :w",
    "pk = :v AND sk < :w",
    "pk = :v AND sk >= :w",
    "sk BETWEEN :v AND :w AND pk = :x",
    "pk = :v AND begins_with(sk, :w)",
    "(pk = :v) AND (sk > :w)",
    ":v = #p AND :w > sk",
];
const PROJECTIONS: [&str; 6] =
    ["a", "a, b, c", "a.b[1].c, d[0]", "#n, #m.x", "b[2], b[0], c", "a[4294967295]"];
const UPDATES: [&str; 10] = [
    "SET a = :v",
    "SET a = b + :v, c = c - :w",
    "SET a.b[1] = if_not_exists(c, :v)",
    "SET b = list_append(b, :v), c = list_append(:w, :v)",
    "SET a = (b + (c - :v))",
    "REMOVE a, b[1], c.d",
    "ADD c :v, d :w",
    "DELETE c :v",
    "SET #n = :v REMOVE a ADD b :w DELETE c :x",
    "REMOVE b[0], b[2] SET b[1] = :v",
];

const STATEMENTS: [&str; 12] = [
    "SELECT * FROM \"t\".\"i\" WHERE pk = ? AND begins_with(\"sk\", 'a') ORDER BY sk DESC",
    "SELECT a.b[0], c FROM t WHERE pk IN [1, ?] AND NOT (a IS MISSING OR size(b) > 3)",
    "SELECT * FROM t WHERE pk='x' AND (sk < '1' OR sk BETWEEN '2' AND '3' OR sk='4')",
    "SELECT * FROM t WHERE (a = 1 OR b <> 'it''s') = true AND attribute_type(c, 'SS')",
    "INSERT INTO t VALUE {'pk': ?, 'm': {'l': [1, -2.5e3, NULL, TRUE], 's': <<'a', 'b'>>}}",
    "UPDATE t SET a = a + 1 - b SET l = list_append(l, [?]) REMOVE m.x[2] WHERE pk = 'a' AND sk = 1 RETURNING ALL NEW *",
    "UPDATE t SET s = set_add(s, <<1, 2>>), r = set_delete(r, ?) WHERE pk=?",
    "FROM t WHERE pk='x' SET c = 1",
    "DELETE FROM t WHERE pk='x' AND sk=2 AND contains(a, 'b') RETURNING ALL OLD *;",
    "EXISTS(SELECT * FROM t WHERE pk='x' AND sk='1' AND a IS NOT NULL)",
    "SELECT/**/a FROM t -- a note\nWHERE a NOT IN (1, 2) OR b NOT BETWEEN 1 AND 2",
    "SELECT COUNT(*) FROM t LIMIT 1",
];

/// Behind a statement's end: values for its parameters.
const PARAMETERS: &[u8] = &[0, 0, 3, 101, 1, 2, 2, 0, 1, 1];

pub(super) fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    seeds.extend(
        STATEMENTS.iter().enumerate().map(|(place, text)| {
            seed("statement", place.to_string(), [text.as_bytes(), PARAMETERS].concat())
        }),
    );
    seeds.extend(expressions("expression_condition", &CONDITIONS));
    seeds.extend(expressions("expression_key_condition", &KEY_CONDITIONS));
    seeds.extend(expressions("expression_projection", &PROJECTIONS));
    seeds.extend(expressions("expression_update", &UPDATES));
    seeds.extend(BODIES.iter().enumerate().map(|(place, (operation, body))| {
        let choice = OPERATIONS.iter().position(|known| known == operation).expect("the operation is known");
        seed("request_body", format!("{operation}_{place}"), [&[choice as u8][..], body.as_bytes()].concat())
    }));
    seeds
}

fn expressions(target: &'static str, texts: &'static [&str]) -> impl Iterator<Item = Seed> {
    texts
        .iter()
        .enumerate()
        .map(move |(place, text)| seed(target, place.to_string(), [text.as_bytes(), ITEM].concat()))
}

const BODIES: [(&str, &str); 18] = [
    (
        "BatchGetItem",
        r##"{"RequestItems":{"t":{"Keys":[{"pk":{"S":"a"}},{"pk":{"S":"b"}}],"ConsistentRead":true,
            "ProjectionExpression":"#n","ExpressionAttributeNames":{"#n":"x"}}},"ReturnConsumedCapacity":"TOTAL"}"##,
    ),
    (
        "BatchWriteItem",
        r#"{"RequestItems":{"t":[{"PutRequest":{"Item":{"pk":{"S":"a"},"l":{"L":[{"N":"1"},{"NULL":true}]}}}},
            {"DeleteRequest":{"Key":{"pk":{"S":"b"}}}}]}}"#,
    ),
    (
        "CreateTable",
        r#"{"TableName":"t","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],
            "KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST",
            "Tags":[{"Key":"k","Value":"v"}],"DeletionProtectionEnabled":false,"TableClass":"STANDARD"}"#,
    ),
    (
        "CreateTable",
        r#"{"TableName":"t","ProvisionedThroughput":{"ReadCapacityUnits":5,"WriteCapacityUnits":5e0},
            "GlobalSecondaryIndexes":[],"StreamSpecification":{"StreamEnabled":false},
            "SSESpecification":{"Enabled":true},"OnDemandThroughput":{"MaxReadRequestUnits":1}}"#,
    ),
    ("DeleteItem", r#"{"TableName":"t","Key":{"pk":{"B":"AAEC/w=="}},"ReturnValues":"ALL_OLD"}"#),
    ("DeleteTable", r#"{"TableName":"arn:aws:dynamodb:us-east-1:000000000000:table/t"}"#),
    ("DescribeEndpoints", "{}"),
    ("DescribeLimits", "{ }"),
    ("DescribeTable", r#"{"TableName":"\u0074\n\ud83d\ude00"}"#),
    (
        "GetItem",
        r#"{"TableName":"t","Key":{"pk":{"N":"-1.5e3"}},"ConsistentRead":true,"AttributesToGet":["a","b"]}"#,
    ),
    ("ListTables", r#"{"ExclusiveStartTableName":"t","Limit":10}"#),
    (
        "PutItem",
        r#"{"TableName":"t","Item":{"pk":{"S":"a"},"ss":{"SS":["a","b"]},"ns":{"NS":["1","2"]},"bs":{"BS":["AA=="]},
            "m":{"M":{"x":{"L":[{"M":{}},{"BOOL":true}]}}}},"ConditionExpression":"a = :v",
            "ExpressionAttributeValues":{":v":{"NULL":true}}}"#,
    ),
    (
        "PutItem",
        r#"{"TableName":"t","Item":{"pk":{"S":""}},"Expected":{"a":{"Exists":false}},"ReturnValues":"NONE",
            "ReturnItemCollectionMetrics":"SIZE","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}"#,
    ),
    (
        "Query",
        r##"{"TableName":"t","IndexName":"i","KeyConditionExpression":"pk = :p AND sk > :s","FilterExpression":"#a = :s",
            "ExpressionAttributeNames":{"#a":"x"},"ExpressionAttributeValues":{":p":{"S":"a"},":s":{"N":"1"}},
            "Limit":5,"ScanIndexForward":false,"ExclusiveStartKey":{"pk":{"S":"a"},"sk":{"N":"0"}},"Select":"COUNT"}"##,
    ),
    ("Query", r#"{"TableName":"t","KeyConditions":{"pk":{"AttributeValueList":[{"S":"a"}]}},"Limit":"5"}"#),
    ("Scan", r#"{"TableName":"t","Segment":0,"TotalSegments":4,"Select":"SPECIFIC_ATTRIBUTES"}"#),
    (
        "UpdateItem",
        r#"{"TableName":"t","Key":{"pk":{"S":"a"}},"UpdateExpression":"SET a = :v REMOVE b","ReturnValues":"UPDATED_NEW",
            "ExpressionAttributeValues":{":v":{"L":[]}},"AttributeUpdates":null}"#,
    ),
    ("UpdateTable", r#"{"TableName":"t","BillingMode":"PROVISIONED","AttributeDefinitions":[]}"#),
];
