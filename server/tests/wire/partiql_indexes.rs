//! SELECT of indexes through the whole server; captures as in `partiql`.

use serde_json::{Value, json};

use crate::partiql::refusal;
use crate::support::{TestServer, answer};

/// A server with the table `indexed`, its local index `lsi-keys` and its global index `gsi-inc`, of two items.
fn server_with_indexes() -> TestServer {
    let server = TestServer::start();
    let texts = ["pk", "sk", "gsiPk", "lsiSk"];
    let definitions = texts.map(|name| json!({"AttributeName": name, "AttributeType": "S"}));
    let key = |names: [&str; 2]| json!([{"AttributeName": names[0], "KeyType": "HASH"}, {"AttributeName": names[1], "KeyType": "RANGE"}]);
    answer(
        &server,
        "CreateTable",
        &json!({
            "TableName": "indexed",
            "AttributeDefinitions": definitions,
            "KeySchema": key(["pk", "sk"]),
            "GlobalSecondaryIndexes": [{
                "IndexName": "gsi-inc",
                "KeySchema": [{"AttributeName": "gsiPk", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["held"]},
            }],
            "LocalSecondaryIndexes": [{
                "IndexName": "lsi-keys",
                "KeySchema": key(["pk", "lsiSk"]),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }],
            "BillingMode": "PAY_PER_REQUEST",
        }),
    );
    for (sk, gsi, lsi) in [("s1", "y", "k2"), ("s2", "y2", "k1")] {
        let item = json!({
            "pk": {"S": "p"}, "sk": {"S": sk}, "gsiPk": {"S": gsi}, "lsiSk": {"S": lsi}, "held": {"S": "h"},
            "apart": {"S": sk},
        });
        answer(&server, "PutItem", &json!({"TableName": "indexed", "Item": item}));
    }
    server
}

fn items(server: &TestServer, statement: &str) -> Value {
    answer(server, "ExecuteStatement", &json!({"Statement": statement}))["Items"].take()
}

fn refused(server: &TestServer, statement: &str, consistent: bool) -> String {
    let body = json!({"Statement": statement, "ConsistentRead": consistent});
    refusal(server, "ExecuteStatement", &body).1
}

#[test]
fn a_local_index_is_read_in_its_order_and_fetches_what_it_lacks() {
    let server = server_with_indexes();
    let by_lsi = "FROM indexed.\"lsi-keys\" WHERE pk = 'p'";
    assert_eq!(
        items(&server, &format!("SELECT sk {by_lsi}")),
        json!([{"sk": {"S": "s2"}}, {"sk": {"S": "s1"}}])
    );
    assert_eq!(
        items(&server, &format!("SELECT apart {by_lsi} AND lsiSk > 'k1'")),
        json!([{"apart": {"S": "s1"}}])
    );
    assert_eq!(
        items(&server, &format!("SELECT lsiSk {by_lsi} ORDER BY lsiSk DESC")),
        json!([{"lsiSk": {"S": "k2"}}, {"lsiSk": {"S": "k1"}}])
    );
    assert!(
        refused(&server, &format!("SELECT sk {by_lsi} AND held='h'"), false)
            .contains("lsi-keys does not project")
    );
}

#[test]
fn a_global_index_shows_what_it_holds() {
    let server = server_with_indexes();
    let by_gsi = "FROM \"indexed\".\"gsi-inc\"";
    let scanned = items(&server, &format!("SELECT * {by_gsi} WHERE NOT apart = 's1'"));
    assert_eq!(scanned.as_array().map(Vec::len), Some(2), "an index finds nothing that it lacks");
    let found = items(&server, &format!("SELECT sk {by_gsi} WHERE gsiPk = 'y' AND held = 'h'"));
    assert_eq!(found, json!([{"sk": {"S": "s1"}}]));
    assert_eq!(
        refused(&server, &format!("SELECT apart {by_gsi}"), false),
        "One or more parameter values were invalid: Global secondary index gsi-inc does not project [apart]"
    );
    assert_eq!(
        refused(&server, &format!("SELECT * {by_gsi} WHERE gsiPk = 'y' AND apart = 's1'"), false),
        "One or more parameter values were invalid: Secondary index gsi-inc does not project one or more filter \
         attributes: [apart]"
    );
    assert_eq!(
        refused(&server, &format!("SELECT * {by_gsi} WHERE gsiPk = 'y'"), true),
        "Strongly consistent read is not supported on Global Secondary Indexes"
    );
}

#[test]
fn pages_of_an_index_go_on_where_they_ended() {
    let server = server_with_indexes();
    let mut body = json!({"Statement": "SELECT sk FROM indexed.\"lsi-keys\" WHERE pk = 'p'", "Limit": 1});
    let mut found = Vec::new();
    loop {
        let page = answer(&server, "ExecuteStatement", &body);
        found.extend(page["Items"].as_array().unwrap().iter().map(|item| item["sk"]["S"].clone()));
        let Some(token) = page.get("NextToken") else { break };
        body["NextToken"] = token.clone();
    }
    assert_eq!(found, ["s2", "s1"]);
}
