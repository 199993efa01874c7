//! ExecuteTransaction through the whole server; captures as in `partiql`.

use serde_json::{Value, json};

use crate::partiql::{get, put, refusal, server_with_table};
use crate::support::{TestServer, answer};

fn body(statements: &[&str]) -> Value {
    let statements: Vec<Value> = statements.iter().map(|statement| json!({"Statement": statement})).collect();
    json!({"TransactStatements": statements})
}

fn transact(server: &TestServer, statements: &[&str]) -> Value {
    answer(server, "ExecuteTransaction", &body(statements))["Responses"].take()
}

/// The text of a transaction that is refused.
fn refused(server: &TestServer, statements: &[&str]) -> String {
    let (kind, text) = refusal(server, "ExecuteTransaction", &body(statements));
    assert_eq!(kind, "ValidationException", "{text}");
    text
}

/// The codes and texts of a transaction that is cancelled.
fn canceled(server: &TestServer, statements: &[&str]) -> Vec<(String, String)> {
    let response = server.call("ExecuteTransaction", &body(statements).to_string());
    let error = response.json();
    let kind = error["__type"].as_str().unwrap_or_default();
    assert!(kind.ends_with("#TransactionCanceledException"), "{error}");
    let text = |reason: &Value, member: &str| reason[member].as_str().unwrap_or_default().to_owned();
    let reasons = error["CancellationReasons"].as_array().unwrap();
    reasons.iter().map(|reason| (text(reason, "Code"), text(reason, "Message"))).collect()
}

fn reason(code: &str, message: &str) -> (String, String) {
    (code.to_owned(), message.to_owned())
}

#[test]
fn writes_happen_together_or_not_at_all() {
    let server = server_with_table();
    put(&server, "old", "1", json!({"n": {"N": "1"}}));
    let both = [
        "INSERT INTO tbl VALUE {'pk': 'new', 'sk': '1'}",
        "UPDATE tbl SET n = n + 1 WHERE pk='old' AND sk='1'",
    ];
    assert_eq!(transact(&server, &both), json!([{}, {}]));
    assert_eq!(get(&server, "old", "1")["n"]["N"], "2");
    assert_eq!(
        canceled(&server, &["INSERT INTO tbl VALUE {'pk': 'other', 'sk': '1'}", both[0]]),
        [reason("None", ""), reason("DuplicateItem", "Duplicate primary key exists in table")]
    );
    assert_eq!(get(&server, "other", "1"), Value::Null);
    assert_eq!(
        canceled(
            &server,
            &[
                "DELETE FROM tbl WHERE pk='old' AND sk='1' AND n = 9",
                "DELETE FROM tbl WHERE pk='new' AND sk='1'"
            ]
        ),
        [reason("ConditionalCheckFailed", "The conditional request failed"), reason("None", "")]
    );
}

#[test]
fn exists_checks_an_item_and_reads_see_columns() {
    let server = server_with_table();
    put(&server, "a", "1", json!({"n": {"N": "1"}}));
    put(&server, "b", "1", json!({}));
    let update = "UPDATE tbl SET n = 5 WHERE pk='b' AND sk='1'";
    transact(&server, &["EXISTS(SELECT * FROM tbl WHERE pk='a' AND sk='1' AND gone IS MISSING)", update]);
    assert_eq!(get(&server, "b", "1")["n"]["N"], "5");
    assert_eq!(
        canceled(&server, &["EXISTS(SELECT * FROM tbl WHERE (pk='a' AND sk='1') AND n > 1)", update]),
        [reason("ConditionalCheckFailed", "The conditional request failed"), reason("None", "")]
    );
    assert_eq!(
        refused(&server, &["EXISTS(SELECT * FROM tbl WHERE pk='a' AND sk='1')", update]),
        "Validation failed in TransactStatements[0]: EXISTS() must contain a single item read with additional condition"
    );
    let read = transact(
        &server,
        &[
            "SELECT n FROM tbl WHERE pk='a' AND sk='1'",
            "SELECT gone FROM tbl WHERE pk='b' AND sk='1'",
            "SELECT * FROM tbl WHERE pk IN ['none'] AND sk='1'",
        ],
    );
    assert_eq!(read, json!([{"Item": {"n": {"N": "1"}}}, {"Item": {}}, {}]));
}

#[test]
fn faults_of_statements_are_told_before_faults_of_tables_and_keys() {
    let server = server_with_table();
    put(&server, "a", "1", json!({}));
    let select = "SELECT * FROM tbl WHERE pk='a' AND sk='1'";
    let update = "UPDATE tbl SET n = 1 WHERE pk='a' AND sk='1'";
    let missing = "UPDATE none SET n = 1 WHERE pk='a' AND sk='1'";
    let in_statement =
        |position: usize, text: &str| format!("Validation failed in TransactStatements[{position}]: {text}");
    assert_eq!(
        refused(&server, &["SELECT * FROM \"tbl\" WHERE"]),
        in_statement(0, "Statement wasn't well formed, can't be processed: Unexpected term")
    );
    assert_eq!(
        refused(&server, &[missing, &format!("{update} RETURNING ALL NEW *")]),
        in_statement(1, "RETURNING clause is not supported in ExecuteTransaction.")
    );
    assert_eq!(
        refused(&server, &["SELECT * FROM tbl.idx WHERE pk='a' AND sk='1'"]),
        in_statement(0, "Reads on indices are not supported within transactions.")
    );
    for condition in ["pk='a'", "pk='a' AND sk='1' AND n=1", "pk='a' AND sk='1' AND pk='b'"] {
        assert_eq!(
            refused(&server, &[&format!("SELECT * FROM tbl WHERE {condition}")]),
            in_statement(
                0,
                "Select statements within ExecuteTransaction must specify the primary key in the where clause."
            )
        );
    }
    assert_eq!(
        refused(&server, &["SELECT sk FROM tbl WHERE pk IN ['a','a'] AND sk='1'"]),
        in_statement(0, "Overlapping conditions with range keys are not supported in where clause")
    );
    assert_eq!(
        refused(&server, &[select, update]),
        "ExecuteTransaction API does not support both read and write operations in the same request."
    );
    assert_eq!(
        refused(&server, &[select, select]),
        "Transaction request cannot include multiple operations on one item"
    );
    assert_eq!(
        canceled(&server, &[&format!("{missing} RETURNING ALL NEW *"), update]),
        [reason("ResourceNotFound", "Requested resource not found"), reason("None", "")]
    );
    let mismatch = reason("ValidationError", "The provided key element does not match the schema");
    assert_eq!(
        canceled(
            &server,
            &["UPDATE tbl SET n=1 WHERE pk='a'", "UPDATE tbl SET n=1 WHERE pk='a' AND sk=1", update]
        ),
        [mismatch.clone(), mismatch.clone(), reason("None", "")]
    );
    assert_eq!(
        canceled(&server, &["INSERT INTO tbl VALUE {'pk':'x'}"]),
        [reason(
            "ValidationError",
            "One or more parameter values were invalid: Missing the key sk in the item"
        )]
    );
    assert_eq!(canceled(&server, &[select, "SELECT * FROM tbl WHERE pk='a' AND sk=1"])[1], mismatch);
}

#[test]
fn a_token_makes_a_transaction_run_once() {
    let server = server_with_table();
    put(&server, "a", "1", json!({"n": {"N": "1"}}));
    let mut request = body(&["UPDATE tbl SET n = n + 1 WHERE pk='a' AND sk='1'"]);
    request["ClientRequestToken"] = json!("once");
    request["ReturnConsumedCapacity"] = json!("TOTAL");
    let first = answer(&server, "ExecuteTransaction", &request);
    assert_eq!(first["ConsumedCapacity"][0]["WriteCapacityUnits"], 2.0);
    let second = answer(&server, "ExecuteTransaction", &request);
    assert_eq!(second["ConsumedCapacity"][0]["ReadCapacityUnits"], 2.0);
    assert_eq!(get(&server, "a", "1")["n"]["N"], "2");
    request["TransactStatements"][0]["Statement"] = json!("UPDATE tbl SET n = 9 WHERE pk='a' AND sk='1'");
    assert_eq!(refusal(&server, "ExecuteTransaction", &request).0, "IdempotentParameterMismatchException");
}
