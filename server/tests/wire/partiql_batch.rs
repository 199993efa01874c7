//! BatchExecuteStatement through the whole server; captures as in `partiql`.

use serde_json::{Value, json};

use crate::partiql::{get, put, refusal, server_with_table};
use crate::support::{TestServer, answer};

fn batch(server: &TestServer, statements: &[&str]) -> Value {
    answer(server, "BatchExecuteStatement", &body(statements))["Responses"].take()
}

fn body(statements: &[&str]) -> Value {
    let statements: Vec<Value> = statements.iter().map(|statement| json!({"Statement": statement})).collect();
    json!({"Statements": statements})
}

#[test]
fn each_statement_has_its_own_answer_or_error() {
    let server = server_with_table();
    put(&server, "a", "1", json!({"n": {"N": "1"}}));
    put(&server, "b", "1", json!({"n": {"N": "2"}}));
    let answers = batch(
        &server,
        &[
            "SELECT n FROM tbl WHERE pk='a' AND sk='1'",
            "SELECT * FROM tbl WHERE pk IN ['b'] AND sk='1'",
            "SELECT * FROM tbl WHERE pk='none' AND sk='1'",
            "SELECT * FROM none WHERE pk='x'",
            "SLECT * FROM \"tbl\"",
            "SELECT * FROM tbl WHERE pk='a' AND sk='1' AND n=1",
            "SELECT * FROM tbl WHERE pk='a'",
        ],
    );
    assert_eq!(answers[0], json!({"TableName": "tbl", "Item": {"n": {"N": "1"}}}));
    assert_eq!(answers[1]["Item"]["n"]["N"], "2");
    assert_eq!(answers[2], json!({"TableName": "tbl"}));
    let missing = json!({"Code": "ResourceNotFound", "Message": "Requested resource not found"});
    assert_eq!(answers[3], json!({"Error": missing, "TableName": "none"}));
    let malformed = "Statement wasn't well formed, can't be processed: Expected data manipulation";
    assert_eq!(answers[4], json!({"Error": {"Code": "ValidationError", "Message": malformed}}));
    let keyless =
        "Select statements within BatchExecuteStatement must specify the primary key in the where clause.";
    for place in [5, 6] {
        assert_eq!(answers[place], json!({"Error": {"Code": "ValidationError", "Message": keyless}}));
    }
}

#[test]
fn writes_succeed_and_fail_by_themselves() {
    let server = server_with_table();
    put(&server, "old", "1", json!({"n": {"N": "1"}}));
    let answers = batch(
        &server,
        &[
            "INSERT INTO tbl VALUE {'pk': 'new', 'sk': '1'}",
            "INSERT INTO tbl VALUE {'pk': 'old', 'sk': '1'}",
            "UPDATE tbl SET n = 2 WHERE pk='gone' AND sk='1'",
            "DELETE FROM tbl WHERE pk='gone' AND sk='2' RETURNING MODIFIED OLD *",
            "UPDATE tbl SET n = 2 WHERE pk='new' AND sk='9'",
        ],
    );
    assert_eq!(answers[0], json!({"TableName": "tbl"}));
    let duplicate = json!({"Code": "DuplicateItem", "Message": "Duplicate primary key exists in table"});
    assert_eq!(answers[1], json!({"Error": duplicate, "TableName": "tbl"}));
    assert_eq!(answers[2]["Error"]["Code"], "ConditionalCheckFailed");
    assert_eq!(answers[2]["TableName"], "tbl");
    assert_eq!(answers[3]["Error"]["Code"], "ValidationError");
    assert_eq!(answers[3].get("TableName"), None);
    assert_eq!(get(&server, "new", "1")["pk"]["S"], "new");

    let returned =
        batch(&server, &["UPDATE tbl SET n = 5 WHERE pk='old' AND sk='1' RETURNING MODIFIED NEW *"]);
    assert_eq!(returned[0], json!({"TableName": "tbl", "Item": {"n": {"N": "5"}}}));
}

#[test]
fn mixtures_duplicates_and_bad_shapes_are_refused_as_a_whole() {
    let server = server_with_table();
    let told = |statements: &[&str]| refusal(&server, "BatchExecuteStatement", &body(statements)).1;
    let insert = "INSERT INTO tbl VALUE {'pk': 'a', 'sk': '1'}";
    assert_eq!(
        told(&["garbage", "SELECT * FROM tbl WHERE pk='b' AND sk='1'", insert]),
        "Read and write requests together in the same batch is not supported."
    );
    assert_eq!(
        told(&[insert, "UPDATE tbl SET n = 1 WHERE pk='a' AND sk='1'"]),
        "Provided list of item keys contains duplicates"
    );
    assert_eq!(
        told(&[]),
        "1 validation error detected: Value '[]' at 'statements' failed to satisfy constraint: Member must have \
         length greater than or equal to 1"
    );
    assert!(told(&vec![insert; 26]).ends_with("Member must have length less than or equal to 25"));
    let empty = json!({"Statements": [{"Statement": insert, "Parameters": []}]});
    assert!(refusal(&server, "BatchExecuteStatement", &empty).1.contains("'statements.1.member.parameters'"));
    let bad_parameter = json!({"Statements": [{"Statement": "x", "Parameters": [{"SS": []}]}]});
    let answers = answer(&server, "BatchExecuteStatement", &bad_parameter);
    assert_eq!(
        answers["Responses"][0]["Error"]["Message"],
        "One or more parameter values were invalid: An string set  may not be empty"
    );
    assert_eq!(get(&server, "a", "1"), Value::Null);
}

#[test]
fn failed_writes_are_charged_beside_the_ones_that_succeeded() {
    let server = server_with_table();
    put(&server, "big", "1", json!({"data": {"S": "x".repeat(2500)}}));
    let charged = |statements: &[&str]| {
        let mut body = body(statements);
        body["ReturnConsumedCapacity"] = json!("INDEXES");
        answer(&server, "BatchExecuteStatement", &body)["ConsumedCapacity"].take()
    };
    let duplicate = "INSERT INTO tbl VALUE {'pk': 'big', 'sk': '1'}";
    assert_eq!(
        charged(&["INSERT INTO tbl VALUE {'pk': 'n', 'sk': '1'}", duplicate]),
        json!([{"TableName": "tbl", "CapacityUnits": 4.0, "Table": {"CapacityUnits": 1.0}}])
    );
    assert_eq!(charged(&[duplicate]), Value::Null);
    let read = |consistent: bool| {
        let statement = "SELECT * FROM tbl WHERE pk='n' AND sk='1'";
        let body = json!({
            "Statements": [{"Statement": statement, "ConsistentRead": consistent}], "ReturnConsumedCapacity": "TOTAL",
        });
        answer(&server, "BatchExecuteStatement", &body)["ConsumedCapacity"][0]["CapacityUnits"].take()
    };
    assert_eq!((read(false), read(true)), (json!(0.5), json!(1.0)));
}
