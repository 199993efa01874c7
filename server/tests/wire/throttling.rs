//! What clients of a table whose throughput is used up see.

use serde_json::json;

use crate::support::{Response, TestServer};

const ARN: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/people";
/// A bucket of one unit a second holds five minutes of it; so many tries empty it, however long they take.
const TRIES_MAX: usize = 100_000;

/// The first answer that is an error. Each write takes a hundred units.
fn first_refusal(server: &TestServer) -> Response {
    let item = json!({"pk": {"S": "a"}, "text": {"S": "x".repeat(100 * 1024 - 10)}});
    let put = json!({"TableName": "people", "Item": item}).to_string();
    let mut answers = (0..TRIES_MAX).map(|_| server.call("PutItem", &put));
    answers.find(|answer| answer.status != 200).expect("five minutes of capacity are used up at some time")
}

#[test]
fn provisioned_tables_tell_what_was_exceeded() {
    let throughput = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 1});
    let server = TestServer::with_people(&json!({"ProvisionedThroughput": throughput}));
    let refused = first_refusal(&server);
    assert_eq!(
        (refused.status, refused.exception().as_str()),
        (400, "ProvisionedThroughputExceededException")
    );
    assert_eq!(
        refused.message(),
        "The level of configured provisioned throughput for the table was exceeded. Consider increasing your \
         provisioning level with the UpdateTable API."
    );
    let reason = json!([{"reason": "TableWriteProvisionedThroughputExceeded", "resource": ARN}]);
    assert_eq!(refused.json()["ThrottlingReasons"], reason);
}

#[test]
fn on_demand_maxima_throttle_in_other_words() {
    let maximum = json!({"MaxWriteRequestUnits": 1});
    let server =
        TestServer::with_people(&json!({"BillingMode": "PAY_PER_REQUEST", "OnDemandThroughput": maximum}));
    let refused = first_refusal(&server);
    assert_eq!((refused.status, refused.exception().as_str()), (400, "ThrottlingException"));
    let reason = json!([{"reason": "TableWriteMaxOnDemandThroughputExceeded", "resource": ARN}]);
    assert_eq!(refused.json()["throttlingReasons"], reason);
    assert_eq!(refused.json().get("ThrottlingReasons"), None);
}

#[test]
fn what_is_wrong_with_a_request_is_told_before_it_is_throttled_and_its_condition_after() {
    let throughput = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 1});
    let server = TestServer::with_people(&json!({"ProvisionedThroughput": throughput}));
    first_refusal(&server);
    let misfit = server.call("PutItem", r#"{"TableName":"people","Item":{"pk":{"N":"1"}}}"#);
    assert_eq!(misfit.exception(), "ValidationException");
    let put = json!({"TableName": "people", "Item": {"pk": {"S": "a"}}, "ConditionExpression": "attribute_not_exists(pk)"});
    let refused = server.call("PutItem", &put.to_string());
    assert_eq!(refused.exception(), "ProvisionedThroughputExceededException");
}

#[test]
fn transactions_are_cancelled_where_a_table_has_nothing_left() {
    let throughput = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 1});
    let server = TestServer::with_people(&json!({"ProvisionedThroughput": throughput}));
    first_refusal(&server);
    let put = json!({"Put": {"TableName": "people", "Item": {"pk": {"S": "b"}}}});
    let write = json!({"TransactItems": [put]}).to_string();
    assert_throttled(&server.call("TransactWriteItems", &write));
    let get = json!({"Get": {"TableName": "people", "Key": {"pk": {"S": "a"}}}});
    let read = json!({"TransactItems": [get]}).to_string();
    let mut answers = (0..TRIES_MAX).map(|_| server.call("TransactGetItems", &read));
    assert_throttled(
        &answers.find(|answer| answer.status != 200).expect("reads use up five minutes of capacity"),
    );
}

fn assert_throttled(canceled: &Response) {
    assert_eq!(canceled.exception(), "TransactionCanceledException", "{}", canceled.text());
    let reason = &canceled.json()["CancellationReasons"][0];
    assert_eq!(reason["Code"], "ProvisionedThroughputExceeded");
}
