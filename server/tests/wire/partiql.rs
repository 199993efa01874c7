//! ExecuteStatement through the whole server. What is expected was captured from DynamoDB by public conformance
//! suites, July to October 2026.

use serde_json::{Value, json};

use crate::support::{TestServer, answer};

/// A server with the table `tbl`, of the texts `pk` and `sk`.
pub(crate) fn server_with_table() -> TestServer {
    let server = TestServer::start();
    let create = json!({
        "TableName": "tbl",
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    answer(&server, "CreateTable", &create);
    server
}

/// The exception and the text of a call that is refused.
pub(crate) fn refusal(server: &TestServer, operation: &str, body: &Value) -> (String, String) {
    let response = server.call(operation, &body.to_string());
    assert_eq!(response.status, 400, "{operation} {body}: {}", response.text());
    let error = response.json();
    let kind = error["__type"].as_str().unwrap_or_default();
    let kind = kind.rsplit('#').next().unwrap_or_default().to_owned();
    let text = error.get("message").or_else(|| error.get("Message"));
    (kind, text.and_then(Value::as_str).unwrap_or_default().to_owned())
}

pub(crate) fn put(server: &TestServer, pk: &str, sk: &str, attributes: Value) {
    let mut item = attributes;
    item["pk"] = json!({"S": pk});
    item["sk"] = json!({"S": sk});
    answer(server, "PutItem", &json!({"TableName": "tbl", "Item": item}));
}

pub(crate) fn get(server: &TestServer, pk: &str, sk: &str) -> Value {
    let key = json!({"pk": {"S": pk}, "sk": {"S": sk}});
    answer(server, "GetItem", &json!({"TableName": "tbl", "Key": key, "ConsistentRead": true}))["Item"].take()
}

fn execute(server: &TestServer, statement: &str) -> Value {
    answer(server, "ExecuteStatement", &json!({"Statement": statement}))
}

fn refused(server: &TestServer, statement: &str) -> (String, String) {
    refusal(server, "ExecuteStatement", &json!({"Statement": statement}))
}

fn validation(text: &str) -> (String, String) {
    ("ValidationException".to_owned(), text.to_owned())
}

/// The sort keys of the items in an answer, in order.
fn sort_keys(answer: &Value) -> Vec<String> {
    let items = answer["Items"].as_array().expect("an answer has items");
    items.iter().map(|item| item["sk"]["S"].as_str().unwrap_or("?").to_owned()).collect()
}

#[test]
fn an_insert_adds_an_item_once() {
    let server = server_with_table();
    let insert = "INSERT INTO \"tbl\" VALUE {'pk': ?, 'sk': '1', 'list': [1, 'a'], 'set': <<1, 2>>}";
    let body = json!({"Statement": insert, "Parameters": [{"S": "new"}], "ReturnConsumedCapacity": "TOTAL"});
    let inserted = answer(&server, "ExecuteStatement", &body);
    assert_eq!(inserted["Items"], json!([]));
    assert_eq!(inserted["ConsumedCapacity"], json!({"TableName": "tbl", "CapacityUnits": 1.0}));
    assert_eq!(get(&server, "new", "1")["list"], json!({"L": [{"N": "1"}, {"S": "a"}]}));
    assert_eq!(
        refusal(&server, "ExecuteStatement", &body),
        ("DuplicateItemException".to_owned(), "Duplicate primary key exists in table".to_owned())
    );
    let (kind, text) = refused(&server, "INSERT INTO tbl VALUE {'pk': 'x'}");
    assert_eq!(kind, "ValidationException");
    assert_eq!(text, "One or more parameter values were invalid: Missing the key sk in the item");
}

#[test]
fn an_update_needs_its_item_and_its_condition() {
    let server = server_with_table();
    put(&server, "u", "1", json!({"n": {"N": "5"}, "tags": {"L": [{"S": "a"}, {"S": "b"}]}}));
    let failed = ("ConditionalCheckFailedException".to_owned(), "The conditional request failed".to_owned());

    execute(&server, "UPDATE tbl SET n=n-1 SET tags[0]='x' WHERE pk='u' AND sk='1' AND n > 4");
    assert_eq!(get(&server, "u", "1")["n"]["N"], "4");
    assert_eq!(refused(&server, "UPDATE tbl SET n=9 WHERE pk='u' AND sk='1' AND n > 4"), failed);
    assert_eq!(refused(&server, "UPDATE tbl SET n=9 WHERE pk='gone' AND sk='1'"), failed);
    assert_eq!(get(&server, "gone", "1"), Value::Null);
    assert_eq!(
        refused(&server, "UPDATE tbl SET n=9 WHERE pk='u'"),
        validation("Where clause does not contain a mandatory equality on all key attributes")
    );
    assert_eq!(
        refused(&server, "UPDATE tbl SET gone[0]='x' WHERE pk='u' AND sk='1'"),
        validation("The document path provided in the update expression is invalid for update")
    );
    let with_item = json!({
        "Statement": "UPDATE tbl SET n=9 WHERE pk='u' AND sk='1' AND n > 4",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    let response = server.call("ExecuteStatement", &with_item.to_string());
    assert_eq!(response.json()["Item"]["n"]["N"], "4");
}

#[test]
fn returning_shows_the_item_or_what_was_changed() {
    let server = server_with_table();
    let returned = |clause: &str| {
        put(
            &server,
            "r",
            "1",
            json!({"data": {"S": "old"}, "tags": {"L": [{"S": "a"}, {"S": "b"}, {"S": "c"}]}}),
        );
        execute(&server, &format!("UPDATE tbl {clause} *"))["Items"].take()
    };
    let key = "WHERE pk='r' AND sk='1' RETURNING";
    assert_eq!(returned(&format!("SET data='new' {key} MODIFIED OLD")), json!([{"data": {"S": "old"}}]));
    assert_eq!(returned(&format!("SET data='new' {key} MODIFIED NEW")), json!([{"data": {"S": "new"}}]));
    assert_eq!(returned(&format!("SET data='new' {key} ALL OLD"))[0]["data"], json!({"S": "old"}));
    assert_eq!(returned(&format!("SET data='new' {key} ALL NEW"))[0]["pk"], json!({"S": "r"}));
    assert_eq!(returned(&format!("REMOVE data {key} MODIFIED NEW")), json!([]));
    assert_eq!(
        returned(&format!("SET tags[2]='y', tags[0]='x' {key} MODIFIED NEW")),
        json!([{"tags": {"L": [{"S": "x"}, {"S": "y"}]}}])
    );
    assert_eq!(returned(&format!("SET tags[9]='y' {key} MODIFIED NEW")), json!([]));

    let delete = "DELETE FROM tbl WHERE pk='r' AND sk='1' RETURNING ALL OLD *";
    assert_eq!(execute(&server, delete)["Items"][0]["data"], json!({"S": "old"}));
    assert_eq!(execute(&server, delete)["Items"], json!([]));
}

#[test]
fn a_delete_of_nothing_succeeds_and_a_failed_condition_keeps_the_item() {
    let server = server_with_table();
    put(&server, "d", "1", json!({"kind": {"S": "alpha"}}));
    execute(&server, "DELETE FROM tbl WHERE pk='gone' AND sk='1' AND kind='x'");
    let (kind, _) =
        refused(&server, "DELETE FROM tbl WHERE pk='d' AND sk='1' AND NOT begins_with(kind, 'al')");
    assert_eq!(kind, "ConditionalCheckFailedException");
    assert_eq!(get(&server, "d", "1")["kind"]["S"], "alpha");
    execute(&server, "DELETE FROM tbl WHERE pk='d' AND sk='1' AND kind='alpha'");
    assert_eq!(get(&server, "d", "1"), Value::Null);
}

#[test]
fn a_select_finds_items_by_key_by_query_and_by_scan() {
    let server = server_with_table();
    for sk in ["1", "2", "3"] {
        put(&server, "a", sk, json!({"flag": {"S": format!("f{sk}")}, "m": {"M": {"x": {"S": sk}}}}));
        put(&server, "b", sk, json!({}));
    }
    let found =
        |condition: &str| sort_keys(&execute(&server, &format!("SELECT * FROM tbl WHERE {condition}")));
    assert_eq!(found("pk='a' AND sk='2'"), ["2"]);
    assert_eq!(found("pk='a' AND sk='2' AND flag='f1'"), [""; 0]);
    assert_eq!(found("pk='a'"), ["1", "2", "3"]);
    assert_eq!(found("pk='a' AND sk > '1'"), ["2", "3"]);
    assert_eq!(found("pk='a' AND sk > '1' AND sk < '3'"), ["2"]);
    assert_eq!(found("pk='a' AND sk BETWEEN '1' AND '2' AND NOT sk = '1'"), ["2"]);
    assert_eq!(found("pk='a' AND begins_with(sk, '3')"), ["3"]);
    assert_eq!(found("pk='a' AND NOT sk='1' OR pk='a' AND sk='2'"), ["2", "3"]);
    assert_eq!(found("pk IN ['a', 'b'] AND sk='3'"), ["3", "3"]);
    assert_eq!(found("pk='a' ORDER BY sk DESC"), ["3", "2", "1"]);
    assert_eq!(found("pk='a' ORDER BY pk ASC"), ["3", "2", "1"]);
    assert_eq!(found("pk IN ['a', 'b'] ORDER BY pk DESC, sk ASC").len(), 6);
    assert_eq!(found("flag IN ['f2', 'x'] AND m.x = '2'"), ["2"]);
    assert_eq!(found("NOT flag IS MISSING AND (flag = 'f1' OR flag = 'f3') = true").len(), 2);
    assert_eq!(found("pk > 1"), [""; 0]);
    assert_eq!(sort_keys(&execute(&server, "SELECT * FROM tbl")).len(), 6);

    let shown = execute(&server, "SELECT m.x, flag, gone FROM tbl WHERE pk='a' AND sk >= '3'");
    assert_eq!(shown["Items"], json!([{"x": {"S": "3"}, "flag": {"S": "f3"}}]));
    let shown = execute(&server, "SELECT m.x FROM tbl WHERE pk='a' AND sk = '3'");
    assert_eq!(shown["Items"], json!([{"x": {"S": "3"}}]));
}

#[test]
fn pages_go_on_where_they_ended_and_tokens_belong_to_their_statement() {
    let server = server_with_table();
    for pk in ["a", "b"] {
        for sk in ["1", "2", "3"] {
            put(&server, pk, sk, json!({}));
        }
    }
    for statement in ["SELECT * FROM tbl", "SELECT * FROM tbl WHERE pk IN ['a', 'b'] ORDER BY pk DESC, sk"] {
        let mut body = json!({"Statement": statement, "Limit": 2});
        let mut found = Vec::new();
        loop {
            let page = answer(&server, "ExecuteStatement", &body);
            found.extend(page["Items"].as_array().unwrap().iter().map(ToString::to_string));
            let Some(token) = page.get("NextToken") else { break };
            body["NextToken"] = token.clone();
        }
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 6, "{statement}");
    }

    let first = answer(
        &server,
        "ExecuteStatement",
        &json!({"Statement": "SELECT * FROM tbl WHERE pk = ?", "Parameters": [{"S": "a"}], "Limit": 1}),
    );
    assert_eq!(first["LastEvaluatedKey"], json!({"pk": {"S": "a"}, "sk": {"S": "1"}}));
    let again = |statement: &str, parameter: &str, token: &Value| {
        let body = json!({"Statement": statement, "Parameters": [{"S": parameter}], "NextToken": token});
        refusal(&server, "ExecuteStatement", &body)
    };
    let token = &first["NextToken"];
    let mismatch = validation("NextToken does not match request");
    assert_eq!(again("SELECT * FROM tbl WHERE pk = ?", "b", token), mismatch);
    assert_eq!(again("SELECT sk FROM tbl WHERE pk = ?", "a", token), mismatch);
    assert_eq!(again("DELETE FROM tbl WHERE pk = ? AND sk = '1'", "a", token), mismatch);
    assert_eq!(
        again("SELECT * FROM tbl WHERE pk = ?", "a", &json!("garbage")),
        validation("Invalid NextToken")
    );
}

#[test]
fn faults_are_told_in_dynamodbs_order() {
    let server = server_with_table();
    let told = |body: Value| refusal(&server, "ExecuteStatement", &body);
    assert_eq!(
        told(json!({"Statement": "SELEC", "Limit": 0})).1,
        "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value \
         greater than or equal to 1"
    );
    assert_eq!(
        told(json!({})).1,
        "1 validation error detected: Value null at 'statement' failed to satisfy constraint: Member must not be null"
    );
    assert!(told(json!({"Statement": "x".repeat(8193)})).1.ends_with("less than or equal to 8192"));
    assert_eq!(
        told(json!({"Statement": "UPDATE tbl SET WHERE", "Parameters": [{"SS": ["a", "a"]}]})).1,
        "One or more parameter values were invalid: Input collection [a, a] contains duplicates."
    );
    assert_eq!(
        told(json!({"Statement": "SELECT COUNT(*) FROM \"none\""})).1,
        "Unexpected path component at 1:8:5"
    );
    assert_eq!(
        refused(&server, "SELECT * FROM none WHERE pk='x'"),
        ("ResourceNotFoundException".to_owned(), "Requested resource not found".to_owned())
    );
    assert_eq!(
        refused(&server, "SELECT * FROM tbl.none WHERE pk='x'"),
        validation("The table does not have the specified index")
    );
    assert_eq!(
        refused(&server, "SELECT * FROM tbl WHERE pk=1"),
        validation("Key attribute's data type should match its data type in table's schema: Key pk")
    );
    assert_eq!(
        refused(&server, "EXISTS(SELECT * FROM tbl WHERE pk='x' AND sk='1' AND a=1)"),
        validation("EXISTS can only be used in ExecuteTransaction write requests.")
    );
}

#[test]
fn a_select_is_charged_for_the_items_that_it_walked() {
    let server = server_with_table();
    for sk in ["1", "2", "3"] {
        put(&server, "a", sk, json!({"data": {"S": "x".repeat(3000)}}));
    }
    let charged = |statement: &str, consistent: bool| {
        let body = json!({
            "Statement": statement, "ConsistentRead": consistent, "ReturnConsumedCapacity": "TOTAL",
        });
        answer(&server, "ExecuteStatement", &body)["ConsumedCapacity"]["CapacityUnits"].as_f64().unwrap()
    };
    assert_eq!(charged("SELECT sk FROM tbl WHERE pk='a' AND data='nothing'", false), 1.5);
    assert_eq!(charged("SELECT * FROM tbl WHERE pk='a'", true), 3.0);
    assert_eq!(charged("SELECT * FROM tbl WHERE pk='a' AND sk='1'", false), 0.5);
    assert_eq!(charged("SELECT * FROM tbl WHERE pk='none' AND sk='1'", true), 1.0);
    assert_eq!(charged("UPDATE tbl SET a = 1 WHERE pk='a' AND sk='1'", false), 3.0);
    assert_eq!(charged("DELETE FROM tbl WHERE pk='none' AND sk='1'", false), 1.0);
}
