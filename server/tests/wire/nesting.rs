//! Requests nested far deeper than any stack: each gets DynamoDB's error, and the server goes on.

use serde_json::{Value, json};

use crate::support::{Response, TestServer};

const DEPTH: usize = 200_000;

fn server() -> TestServer {
    TestServer::with_people(&json!({"BillingMode": "PAY_PER_REQUEST"}))
}

/// Requests that are good but for the expression that takes the place of a null, by the member that it is in.
fn with_expressions() -> Vec<(&'static str, &'static str, Value)> {
    let key = json!({"pk": {"S": "a"}});
    let on_key = "pk = :v";
    let values = json!({":v": {"S": "a"}});
    let people = |members: Value| {
        let mut body = json!({"TableName": "people"});
        body.as_object_mut().unwrap().extend(members.as_object().expect("members").clone());
        body
    };
    let check = people(json!({"Key": key, "ConditionExpression": null}));
    vec![
        ("PutItem", "ConditionExpression", people(json!({"Item": key, "ConditionExpression": null}))),
        ("DeleteItem", "ConditionExpression", check.clone()),
        ("UpdateItem", "ConditionExpression", check.clone()),
        ("UpdateItem", "UpdateExpression", people(json!({"Key": key, "UpdateExpression": null}))),
        ("GetItem", "ProjectionExpression", people(json!({"Key": key, "ProjectionExpression": null}))),
        ("Scan", "FilterExpression", people(json!({"FilterExpression": null}))),
        ("Scan", "ProjectionExpression", people(json!({"ProjectionExpression": null}))),
        ("Query", "KeyConditionExpression", people(json!({"KeyConditionExpression": null}))),
        (
            "Query",
            "FilterExpression",
            people(json!({
                "KeyConditionExpression": on_key, "ExpressionAttributeValues": values, "FilterExpression": null,
            })),
        ),
        ("TransactWriteItems", "ConditionExpression", json!({"TransactItems": [{"ConditionCheck": check}]})),
    ]
}

fn call_with(server: &TestServer, operation: &str, body: &Value, text: &str) -> Response {
    server.call(operation, &body.to_string().replacen("null", &json!(text).to_string(), 1))
}

/// Texts that open something with every piece and never close it, and ones that do, as long as `bytes`.
fn deep_texts(bytes: usize) -> Vec<String> {
    let open = [
        "(",
        "NOT ",
        "NOT (",
        "a = b AND (",
        "size(",
        "f(",
        "a IN (",
        "a.",
        "a[0].",
        "[0]",
        "SET a = (",
        "SET a = f(",
    ];
    let repeated = |piece: &str, bytes: usize| piece.repeat(bytes / piece.len());
    let mut texts: Vec<String> = open.iter().map(|piece| repeated(piece, bytes)).collect();
    let half = (bytes - 10) / 2;
    texts.push(format!("{}a = b{}", repeated("(", half), repeated(")", half)));
    texts.push(format!("{}a{} = b", "size(".repeat(bytes / 7), ")".repeat(bytes / 7)));
    texts.push(format!("SET a = {}b", repeated("list_append(b,", bytes - 10)));
    texts.push(format!("SET a = {}b", repeated("(", bytes - 10)));
    texts
}

#[test]
fn expressions_nested_200_000_deep_are_told_their_size() {
    let server = server();
    for (operation, member, body) in with_expressions() {
        for text in ["(", "NOT ", "size(", "a.", "[0]"].map(|piece| piece.repeat(DEPTH)) {
            let refused = call_with(&server, operation, &body, &text);
            assert_eq!(refused.exception(), "ValidationException", "{operation} {member}");
            let size = "Expression size has exceeded the maximum allowed size; expression size";
            assert_eq!(
                refused.message(),
                format!("Invalid {member}: {size}: {}", text.len()),
                "{operation} {member} {text:.20}"
            );
        }
    }
}

#[test]
fn expressions_as_deep_as_their_size_allows_are_refused() {
    let server = server();
    for (operation, member, body) in with_expressions() {
        for text in deep_texts(4096) {
            assert!(text.len() <= 4096, "{} bytes of {text:.20}", text.len());
            let refused = call_with(&server, operation, &body, &text);
            assert_eq!(refused.exception(), "ValidationException", "{operation} {member} {text:.20}");
            let message = refused.message();
            assert!(message.starts_with(&format!("Invalid {member}: ")), "{operation} {text:.20}: {message}");
        }
    }
    let (operation, member, body) = with_expressions().swap_remove(0);
    let nested = |text: &str| call_with(&server, operation, &body, text).message();
    let parentheses = format!("{}pk = pk{}", "(".repeat(2000), ")".repeat(2000));
    assert_eq!(nested(&parentheses), format!("Invalid {member}: The expression has redundant parentheses;"));
    let negations = format!("{}attribute_exists(pk)", "NOT ".repeat(1000));
    assert_eq!(
        nested(&negations),
        format!("Invalid {member}: The expression contains too many operators; operator count: 1000")
    );
}

#[test]
fn statements_nested_200_000_deep_are_told_their_length() {
    let server = server();
    for piece in ["(", "NOT ", "[", "{'a':", "<<", "-", "a."] {
        for start in ["SELECT * FROM people WHERE ", "INSERT INTO people VALUE ", "UPDATE people SET a = "] {
            let statement = format!("{start}{}", piece.repeat(DEPTH));
            for (operation, body) in statements(&statement) {
                let refused = server.call(operation, &body.to_string());
                assert_eq!(refused.exception(), "ValidationException", "{operation} {statement:.40}");
                let message = refused.message();
                assert!(
                    message.ends_with("Member must have length less than or equal to 8192"),
                    "{operation} {statement:.40}: {message}"
                );
            }
        }
    }
}

#[test]
fn statements_as_deep_as_their_length_allows_are_refused() {
    let server = server();
    let starts = ["SELECT * FROM people WHERE ", "INSERT INTO people VALUE ", "UPDATE people SET a = "];
    for piece in ["(", "NOT ", "[", "{'a':", "<<", "-", "a."] {
        for start in starts {
            let statement = format!("{start}{}", piece.repeat((8192 - start.len()) / piece.len()));
            for (operation, body) in statements(&statement) {
                let answered = server.call(operation, &body.to_string());
                let text = answered.text();
                // A batch tells of each statement by itself.
                assert!(text.contains("Validation"), "{operation} {statement:.40}: {text:.300}");
            }
        }
    }
}

/// The requests that a statement can come in.
fn statements(statement: &str) -> [(&'static str, Value); 3] {
    [
        ("ExecuteStatement", json!({"Statement": statement})),
        ("BatchExecuteStatement", json!({"Statements": [{"Statement": statement}]})),
        ("ExecuteTransaction", json!({"TransactStatements": [{"Statement": statement}]})),
    ]
}

#[test]
fn values_nested_200_000_deep_are_refused_wherever_they_are() {
    let server = server();
    let value = format!("{}{{\"S\":\"x\"}}{}", "{\"L\":[".repeat(DEPTH), "]}".repeat(DEPTH));
    let compared = json!({"ComparisonOperator": "EQ", "AttributeValueList": [null]});
    let on_key = json!({"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]});
    let key = json!({"pk": {"S": "a"}});
    let members = [
        ("PutItem", json!({"Item": key, "Expected": {"a": {"Value": null}}})),
        ("DeleteItem", json!({"Key": key, "Expected": {"a": compared}})),
        ("UpdateItem", json!({"Key": key, "AttributeUpdates": {"a": {"Action": "PUT", "Value": null}}})),
        ("Query", json!({"KeyConditions": {"pk": compared}})),
        ("Query", json!({"KeyConditions": {"pk": on_key}, "QueryFilter": {"a": compared}})),
        ("Scan", json!({"ScanFilter": {"a": compared}})),
        ("Scan", json!({"FilterExpression": "a = :v", "ExpressionAttributeValues": {":v": null}})),
        ("Scan", json!({"ExclusiveStartKey": {"pk": null}})),
    ];
    for (operation, mut body) in members {
        body["TableName"] = json!("people");
        let refused = server.call(operation, &body.to_string().replacen("null", &value, 1));
        assert_eq!(refused.exception(), "ValidationException", "{operation} {body}");
        let message = refused.message();
        assert!(message.contains("Nesting Levels have exceeded supported limits"), "{body}: {message}");
    }
    let parameters = format!(r#"{{"Statement":"SELECT * FROM people WHERE a = ?","Parameters":[{value}]}}"#);
    let refused = server.call("ExecuteStatement", &parameters);
    assert!(
        refused.message().contains("Nesting Levels have exceeded supported limits"),
        "{}",
        refused.text()
    );
}
