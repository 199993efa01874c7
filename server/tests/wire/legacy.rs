//! The parameters that expressions replaced, from the request to what they do to items.

use serde_json::{Value, json};

use crate::support::{Response, TestServer};

const PREFIX: &str = "One or more parameter values were invalid: ";

/// A server with a table `tab` of text keys `pk` and `sk`.
fn server() -> TestServer {
    let server = TestServer::start();
    let table = json!({
        "TableName": "tab",
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
    });
    expect_ok(&call(&server, "CreateTable", &table));
    server
}

fn call(server: &TestServer, operation: &str, body: &Value) -> Response {
    server.call(operation, &body.to_string())
}

fn expect_ok(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

fn key(sort: &str) -> Value {
    json!({"pk": {"S": "p"}, "sk": {"S": sort}})
}

/// Puts an item with the key `p`, `sort` and these attributes.
fn put(server: &TestServer, sort: &str, attributes: Value) {
    let mut item = key(sort);
    item.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
    expect_ok(&call(server, "PutItem", &json!({"TableName": "tab", "Item": item})));
}

fn get(server: &TestServer, sort: &str) -> Value {
    let found = call(server, "GetItem", &json!({"TableName": "tab", "Key": key(sort)}));
    let mut item = expect_ok(&found)["Item"].clone();
    if let Some(attributes) = item.as_object_mut() {
        attributes.retain(|name, _| name != "pk" && name != "sk");
    }
    item
}

/// The sort keys of a page.
fn sort_keys(page: &Value) -> Vec<&str> {
    let items = page["Items"].as_array().unwrap();
    items.iter().map(|item| item["sk"]["S"].as_str().unwrap()).collect()
}

#[test]
fn writes_happen_only_as_expected() {
    let server = server();
    put(&server, "a", json!({"n": {"N": "5"}}));
    let expected = [
        (json!({"n": {"Value": {"N": "5"}}}), true),
        (json!({"n": {"Value": {"N": "6"}}}), false),
        (json!({"n": {"Exists": false}}), false),
        (json!({"m": {"Exists": false}}), true),
        (json!({"n": {"ComparisonOperator": "LT", "AttributeValueList": [{"N": "6"}]}}), true),
        (json!({"n": {"ComparisonOperator": "GT", "Value": {"N": "6"}}}), false),
        (json!({"n": {"ComparisonOperator": "NOT_NULL"}}), true),
    ];
    for (expected, holds) in expected {
        let writes = [
            ("PutItem", json!({"Item": {"pk": {"S": "p"}, "sk": {"S": "a"}, "n": {"N": "5"}}})),
            ("UpdateItem", json!({"Key": key("a")})),
            ("DeleteItem", json!({"Key": key("a")})),
        ];
        for (operation, mut body) in writes {
            body["TableName"] = "tab".into();
            body["Expected"] = expected.clone();
            let response = call(&server, operation, &body);
            if holds {
                expect_ok(&response);
                put(&server, "a", json!({"n": {"N": "5"}}));
            } else {
                assert_eq!(response.exception(), "ConditionalCheckFailedException", "{operation} {expected}");
            }
        }
    }
}

#[test]
fn expectations_hold_all_or_any() {
    let server = server();
    put(&server, "a", json!({"n": {"N": "5"}}));
    for (operator, status) in [(Value::Null, 400), ("AND".into(), 400), ("OR".into(), 200)] {
        let body = json!({
            "TableName": "tab",
            "Item": {"pk": {"S": "p"}, "sk": {"S": "a"}, "n": {"N": "5"}},
            "Expected": {"n": {"Value": {"N": "5"}}, "m": {"Value": {"N": "5"}}},
            "ConditionalOperator": operator,
        });
        assert_eq!(call(&server, "PutItem", &body).status, status, "{operator}");
    }
}

#[test]
fn attribute_updates_put_add_and_delete() {
    let server = server();
    put(
        &server,
        "a",
        json!({"n": {"N": "5"}, "s": {"SS": ["a", "b"]}, "l": {"L": [{"S": "x"}]}, "gone": {"S": "z"}}),
    );
    let body = json!({
        "TableName": "tab",
        "Key": key("a"),
        "AttributeUpdates": {
            "n": {"Action": "ADD", "Value": {"N": "-7"}},
            "s": {"Action": "DELETE", "Value": {"SS": ["a", "q"]}},
            "l": {"Action": "ADD", "Value": {"L": [{"S": "y"}]}},
            "gone": {"Action": "DELETE"},
            "new.name": {"Value": {"BOOL": true}},
        },
        "ReturnValues": "UPDATED_NEW",
    });
    let updated = expect_ok(&call(&server, "UpdateItem", &body));
    let wanted = json!({
        "n": {"N": "-2"},
        "s": {"SS": ["b"]},
        "l": {"L": [{"S": "x"}, {"S": "y"}]},
        "new.name": {"BOOL": true},
    });
    assert_eq!(updated["Attributes"], wanted);
    assert_eq!(get(&server, "a"), wanted);
}

#[test]
fn an_update_of_another_type_is_worded_as_legacy() {
    let server = server();
    put(&server, "a", json!({"n": {"N": "5"}}));
    for update in
        [json!({"Action": "ADD", "Value": {"SS": ["a"]}}), json!({"Action": "ADD", "Value": {"L": []}})]
    {
        let body = json!({"TableName": "tab", "Key": key("a"), "AttributeUpdates": {"n": update}});
        assert_eq!(call(&server, "UpdateItem", &body).message(), "Type mismatch for attribute to update");
    }
    let body =
        json!({"TableName": "tab", "Key": key("a"), "AttributeUpdates": {"pk": {"Value": {"S": "x"}}}});
    assert_eq!(
        call(&server, "UpdateItem", &body).message(),
        format!("{PREFIX}Cannot update attribute pk. This attribute is part of the key")
    );
}

#[test]
fn key_conditions_choose_and_filters_drop() {
    let server = server();
    for (sort, text) in [("a1", "red"), ("a2", "blue"), ("b1", "red")] {
        put(&server, sort, json!({"text": {"S": text}}));
    }
    let equal = json!({"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "p"}]});
    let cases = [
        (json!({"ComparisonOperator": "BEGINS_WITH", "AttributeValueList": [{"S": "a"}]}), vec!["a1", "a2"]),
        (json!({"ComparisonOperator": "GT", "AttributeValueList": [{"S": "a1"}]}), vec!["a2", "b1"]),
        (
            json!({"ComparisonOperator": "BETWEEN", "AttributeValueList": [{"S": "a2"}, {"S": "b1"}]}),
            vec!["a2", "b1"],
        ),
    ];
    for (sort, wanted) in cases {
        let body = json!({"TableName": "tab", "KeyConditions": {"pk": equal, "sk": sort}});
        assert_eq!(sort_keys(&expect_ok(&call(&server, "Query", &body))), wanted);
    }
    let red = json!({"text": {"ComparisonOperator": "CONTAINS", "AttributeValueList": [{"S": "ed"}]}});
    let query = json!({"TableName": "tab", "KeyConditions": {"pk": equal}, "QueryFilter": red});
    assert_eq!(sort_keys(&expect_ok(&call(&server, "Query", &query))), ["a1", "b1"]);
    let scan = json!({"TableName": "tab", "ScanFilter": red});
    assert_eq!(sort_keys(&expect_ok(&call(&server, "Scan", &scan))), ["a1", "b1"]);
    let mixed = json!({
        "TableName": "tab",
        "KeyConditions": {"pk": equal},
        "FilterExpression": "#t = :t",
        "ExpressionAttributeNames": {"#t": "text"},
        "ExpressionAttributeValues": {":t": {"S": "blue"}},
    });
    assert_eq!(sort_keys(&expect_ok(&call(&server, "Query", &mixed))), ["a2"]);
}

#[test]
fn attributes_to_get_shows_nothing_else() {
    let server = server();
    put(&server, "a", json!({"x": {"S": "1"}, "y": {"S": "2"}}));
    let wanted = json!({"x": {"S": "1"}});
    let body = json!({"TableName": "tab", "Key": key("a"), "AttributesToGet": ["x", "z"]});
    assert_eq!(expect_ok(&call(&server, "GetItem", &body))["Item"], wanted);
    let body = json!({"RequestItems": {"tab": {"Keys": [key("a")], "AttributesToGet": ["x"]}}});
    assert_eq!(expect_ok(&call(&server, "BatchGetItem", &body))["Responses"]["tab"], json!([wanted]));
    let body = json!({"TableName": "tab", "AttributesToGet": ["x"], "Select": "SPECIFIC_ATTRIBUTES"});
    assert_eq!(expect_ok(&call(&server, "Scan", &body))["Items"], json!([wanted]));
}

#[test]
fn constraints_name_the_member() {
    let server = TestServer::start();
    let operators =
        "[IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS]";
    let not_one_of = |value: &str, path: &str, names: &str| {
        format!(
            "1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: Member must \
             satisfy enum value set: {names}"
        )
    };
    let cases = [
        (
            "PutItem",
            json!({"Item": {}, "Expected": {"a": {"ComparisonOperator": "x"}}}),
            not_one_of("x", "expected.a.member.comparisonOperator", operators),
        ),
        (
            "PutItem",
            json!({"Item": {}, "ConditionalOperator": "AN"}),
            not_one_of("AN", "conditionalOperator", "[OR, AND]"),
        ),
        (
            "Query",
            json!({"KeyConditions": {"a": {"ComparisonOperator": ""}}}),
            not_one_of("", "keyConditions.a.member.comparisonOperator", operators),
        ),
        (
            "Scan",
            json!({"ScanFilter": {"a": {}}}),
            "1 validation error detected: Value null at 'scanFilter.a.member.comparisonOperator' failed to satisfy \
             constraint: Member must not be null"
                .to_owned(),
        ),
        (
            "GetItem",
            json!({"Key": {}, "AttributesToGet": []}),
            "1 validation error detected: Value '[]' at 'attributesToGet' failed to satisfy constraint: Member must \
             have length greater than or equal to 1"
                .to_owned(),
        ),
    ];
    for (operation, mut body, message) in cases {
        body["TableName"] = "abc".into();
        assert_eq!(call(&server, operation, &body).message(), message);
    }
}

#[test]
fn rules_come_before_the_table_and_keys_after_it() {
    let server = server();
    let equal = json!({"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "p"}]});
    let presence = json!({"ComparisonOperator": "NULL"});
    let cases = [
        (
            "Query",
            json!({"TableName": "none", "KeyConditions": {}}),
            "Conditions can be of length 1 or 2 only".to_owned(),
        ),
        (
            "Query",
            json!({"TableName": "none", "KeyConditions": {"a": {"ComparisonOperator": "EQ"}}}),
            format!("{PREFIX}Invalid number of argument(s) for the EQ ComparisonOperator"),
        ),
        (
            "Query",
            json!({"TableName": "tab", "KeyConditions": {"pk": equal, "sk": presence}}),
            "Attempted conditional constraint is not an indexable operation".to_owned(),
        ),
        (
            "Query",
            json!({"TableName": "tab", "KeyConditions": {"pk": equal}, "QueryFilter": {"sk": equal}}),
            "QueryFilter can only contain non-primary key attributes: Primary key attribute: sk".to_owned(),
        ),
        (
            "Scan",
            json!({"TableName": "none", "AttributesToGet": ["a", "a"], "ScanFilter": {"a": {"ComparisonOperator": "EQ"}}}),
            format!("{PREFIX}Duplicate value in attribute name: a"),
        ),
        (
            "UpdateItem",
            json!({"TableName": "none", "Key": {}, "AttributeUpdates": {"a": {"Action": "ADD"}}}),
            format!("{PREFIX}Only DELETE action is allowed when no attribute value is specified"),
        ),
        (
            "BatchGetItem",
            json!({"RequestItems": {"aaa": {"Keys": [{}], "AttributesToGet": ["a", "a"]}}}),
            format!("{PREFIX}Duplicate value in attribute name: a"),
        ),
        (
            "BatchGetItem",
            json!({"RequestItems": {
                "aaa": {"Keys": [{}], "AttributesToGet": ["a"]},
                "bbb": {"Keys": [{}], "ProjectionExpression": "a"},
            }}),
            "Can not use both expression and non-expression parameters in the same request: Non-expression \
             parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}"
                .to_owned(),
        ),
    ];
    for (operation, body, message) in cases {
        assert_eq!(call(&server, operation, &body).message(), message, "{operation} {body}");
    }
}

#[test]
fn a_conditional_operator_stands_between_two_conditions_or_more() {
    let server = TestServer::start();
    let alone = "ConditionalOperator cannot be used without Filter or Expected";
    let of_one = "ConditionalOperator can only be used when Filter or Expected has two or more elements";
    let condition = json!({"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "x"}]});
    let (one, two) = (json!({"a": condition}), json!({"a": condition, "b": condition}));
    for (operation, member, conditions, told) in [
        ("Scan", "ScanFilter", json!({}), alone),
        ("Scan", "ScanFilter", one.clone(), of_one),
        ("Scan", "ScanFilter", two.clone(), "Requested resource not found"),
        // Before the key conditions are missed.
        ("Query", "QueryFilter", json!({}), alone),
        ("Query", "QueryFilter", one.clone(), of_one),
        ("PutItem", "Expected", json!({}), alone),
        ("PutItem", "Expected", one.clone(), of_one),
        ("DeleteItem", "Expected", one.clone(), of_one),
        ("UpdateItem", "AttributeUpdates", json!({"a": {"Value": {"S": "v"}}}), alone),
        ("UpdateItem", "Expected", one, of_one),
        ("UpdateItem", "Expected", two, "Requested resource not found"),
    ] {
        let mut body = json!({"TableName": "tab", "ConditionalOperator": "AND"});
        body[member] = conditions;
        match operation {
            "PutItem" => body["Item"] = key("a"),
            "UpdateItem" | "DeleteItem" => body["Key"] = key("a"),
            _ => {}
        }
        assert_eq!(call(&server, operation, &body).message(), told, "{operation} {body}");
    }
    let mixed = json!({"TableName": "tab", "ConditionalOperator": "AND", "ProjectionExpression": "a"});
    let told = call(&server, "Scan", &mixed).message();
    assert!(told.ends_with("{ConditionalOperator} Expression parameters: {ProjectionExpression}"), "{told}");
}
