//! Answers that show a part: of a batch that does not fit, of an item that was updated.

use serde_json::{Value, json};

use crate::support::{TestServer, answer};

fn server() -> TestServer {
    let server = TestServer::start();
    let table = json!({
        "TableName": "tab",
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    });
    answer(&server, "CreateTable", &table);
    server
}

fn key(name: impl std::fmt::Display) -> Value {
    json!({"pk": {"S": name.to_string()}})
}

#[test]
fn keys_that_do_not_fit_come_back_with_what_was_asked_of_them() {
    let server = server();
    let large = "x".repeat(400_000);
    for number in 0..50 {
        let item = json!({"pk": {"S": number.to_string()}, "v": {"S": large}, "w": {"S": "w"}});
        answer(&server, "PutItem", &json!({"TableName": "tab", "Item": item}));
    }
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/tab";
    let keys: Vec<Value> = (0..50).map(key).collect();
    let asked = [
        json!({"ConsistentRead": true}),
        json!({"ProjectionExpression": "#v", "ExpressionAttributeNames": {"#v": "v"}}),
        json!({"AttributesToGet": ["v", "pk"], "ConsistentRead": false}),
    ];
    for mut asked in asked {
        let options = asked.clone();
        asked["Keys"] = keys.clone().into();
        let first = answer(&server, "BatchGetItem", &json!({"RequestItems": {arn: asked}}));
        let count = first["Responses"][arn].as_array().unwrap().len();
        assert_eq!(count, (16 << 20) / 400_000, "as many as 16 MiB hold");
        let mut unprocessed = first["UnprocessedKeys"][arn].clone();
        let rest = unprocessed.as_object_mut().unwrap().remove("Keys").unwrap();
        assert_eq!(rest.as_array().unwrap().len(), 50 - count);
        assert_eq!(unprocessed, options, "it can be sent again as it is");
        let second = answer(&server, "BatchGetItem", &json!({"RequestItems": first["UnprocessedKeys"]}));
        assert_eq!(second["UnprocessedKeys"], json!({}));
        assert_eq!(second["Responses"][arn].as_array().unwrap().len(), 50 - count);
    }
}

#[test]
fn updates_of_nested_paths_show_only_the_paths() {
    let server = server();
    let map = json!({"M": {"a": {"N": "1"}, "b": {"N": "2"}, "l": {"L": [{"S": "x"}, {"S": "y"}]}}});
    answer(&server, "PutItem", &json!({"TableName": "tab", "Item": {"pk": {"S": "k"}, "m": map}}));
    let update = |expression: &str, shown: &str| {
        let mut body = json!({
            "TableName": "tab", "Key": key("k"), "UpdateExpression": expression, "ReturnValues": shown,
        });
        if expression.contains(":v") {
            body["ExpressionAttributeValues"] = json!({":v": {"N": "7"}});
        }
        answer(&server, "UpdateItem", &body).get("Attributes").cloned()
    };
    assert_eq!(update("SET m.a = :v", "UPDATED_NEW"), Some(json!({"m": {"M": {"a": {"N": "7"}}}})));
    assert_eq!(update("SET m.a = :v", "UPDATED_OLD"), Some(json!({"m": {"M": {"a": {"N": "7"}}}})));
    let both = json!({"m": {"M": {"b": {"N": "7"}, "l": {"L": [{"N": "7"}]}}}});
    assert_eq!(update("SET m.b = :v, m.l[1] = :v", "UPDATED_NEW"), Some(both));
    assert_eq!(update("REMOVE m.b", "UPDATED_NEW"), None);
    assert_eq!(update("REMOVE m.a", "UPDATED_OLD"), Some(json!({"m": {"M": {"a": {"N": "7"}}}})));
}
