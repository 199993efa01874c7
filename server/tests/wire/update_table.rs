//! UpdateTable through the whole server: what it changes, what it tells, and every text that refuses it.

use serde_json::{Value, json};

use crate::support::TestServer;

fn units(read: u64, write: u64) -> Value {
    json!({"ReadCapacityUnits": read, "WriteCapacityUnits": write})
}

fn provisioned() -> TestServer {
    TestServer::with_people(&json!({"ProvisionedThroughput": units(5, 5)}))
}

fn on_demand() -> TestServer {
    TestServer::with_people(&json!({"BillingMode": "PAY_PER_REQUEST"}))
}

fn with_name(mut update: Value) -> String {
    update["TableName"] = json!("people");
    update.to_string()
}

fn update(server: &TestServer, update: Value) -> Value {
    let updated = server.call("UpdateTable", &with_name(update));
    assert_eq!(updated.status, 200, "{}", updated.text());
    updated.json()["TableDescription"].take()
}

fn refusal(server: &TestServer, update: Value) -> String {
    let refused = server.call("UpdateTable", &with_name(update));
    assert_eq!(refused.exception(), "ValidationException", "{}", refused.text());
    refused.message()
}

fn described(server: &TestServer) -> Value {
    server.call("DescribeTable", r#"{"TableName":"people"}"#).json()["Table"].take()
}

#[test]
fn figures_grow_and_shrink_and_that_is_remembered() {
    let server = provisioned();
    let before = described(&server)["ProvisionedThroughput"].take();
    assert_eq!(before, json!({"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 5, "WriteCapacityUnits": 5}));
    update(&server, json!({"ProvisionedThroughput": units(10, 5)}));
    update(&server, json!({"BillingMode": "PROVISIONED", "ProvisionedThroughput": units(10, 1)}));
    let after = described(&server)["ProvisionedThroughput"].take();
    assert_eq!((&after["ReadCapacityUnits"], &after["WriteCapacityUnits"]), (&json!(10), &json!(1)));
    assert_eq!(after["NumberOfDecreasesToday"], 1);
    assert!(after["LastIncreaseDateTime"].is_f64() && after["LastDecreaseDateTime"].is_f64(), "{after}");
}

#[test]
fn tables_are_switched_between_billing_modes() {
    let server = provisioned();
    update(&server, json!({"BillingMode": "PAY_PER_REQUEST"}));
    update(
        &server,
        json!({"BillingMode": "PAY_PER_REQUEST", "OnDemandThroughput": {"MaxReadRequestUnits": 9}}),
    );
    let table = described(&server);
    assert_eq!(table["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(table["ProvisionedThroughput"]["ReadCapacityUnits"], 0);
    assert_eq!(table["OnDemandThroughput"]["MaxReadRequestUnits"], 9);
    assert_eq!(
        table["WarmThroughput"],
        json!({"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 4000, "Status": "ACTIVE"})
    );
    update(&server, json!({"BillingMode": "PROVISIONED", "ProvisionedThroughput": units(2, 3)}));
    let table = described(&server);
    assert_eq!(table["BillingModeSummary"]["BillingMode"], "PROVISIONED");
    assert_eq!(table["ProvisionedThroughput"]["WriteCapacityUnits"], 3);
    assert_eq!(table.get("OnDemandThroughput"), None, "the switch clears it");
}

#[test]
fn on_demand_maxima_are_merged_and_removed() {
    let server = on_demand();
    let maximum = |maximum: Value| update(&server, json!({"OnDemandThroughput": maximum}));
    maximum(json!({"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": 6}));
    maximum(json!({"MaxWriteRequestUnits": 7}));
    let table = described(&server);
    assert_eq!(table["OnDemandThroughput"], json!({"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": 7}));
    maximum(json!({"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": -1}));
    assert_eq!(described(&server).get("OnDemandThroughput"), None);
}

#[test]
fn warm_throughput_is_kept_and_told() {
    let server = on_demand();
    update(&server, json!({"WarmThroughput": {"ReadUnitsPerSecond": 20000}}));
    let warm = json!({"ReadUnitsPerSecond": 20000, "WriteUnitsPerSecond": 4000, "Status": "ACTIVE"});
    assert_eq!(described(&server)["WarmThroughput"], warm);
}

#[test]
fn what_is_wrong_with_an_update_is_told_in_dynamodbs_words() {
    let (provisioned, on_demand) = (provisioned(), on_demand());
    assert_eq!(
        refusal(&on_demand, json!({})),
        "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or \
         SSESpecification or ReplicaUpdates is required"
    );
    assert_eq!(
        refusal(&provisioned, json!({"ProvisionedThroughput": units(5, 5)})),
        "The provisioned throughput for the table will not change. The requested value equals the current value. \
         Current ReadCapacityUnits provisioned for the table: 5. Requested ReadCapacityUnits: 5. \
         Current WriteCapacityUnits provisioned for the table: 5. Requested WriteCapacityUnits: 5. \
         Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
    );
    let invalid = "One or more parameter values were invalid: ";
    let neither = format!(
        "{invalid}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"
    );
    assert_eq!(refusal(&on_demand, json!({"ProvisionedThroughput": units(5, 5)})), neither);
    assert_eq!(
        refusal(&provisioned, json!({"BillingMode": "PROVISIONED"})),
        format!("{invalid}ProvisionedThroughput must be specified when BillingMode is PROVISIONED")
    );
    assert_eq!(
        refusal(&provisioned, json!({"OnDemandThroughput": {"MaxWriteRequestUnits": 5}})),
        format!(
            "{invalid}MaxWriteRequestUnits for OnDemandThroughput cannot be specified when the table BillingMode is PROVISIONED"
        )
    );
    assert_eq!(
        refusal(&on_demand, json!({"OnDemandThroughput": {"MaxReadRequestUnits": 0}})),
        format!(
            "{invalid}Requested MaxReadRequestUnits for OnDemandThroughput for table is outside of valid range"
        )
    );
    let delete = json!({"Delete": {"IndexName": "gsi"}});
    assert_eq!(
        refusal(&on_demand, json!({"GlobalSecondaryIndexUpdates": [delete.clone(), delete]})),
        format!(
            "{invalid}Only one global secondary index update per index is allowed simultaneously. Index: gsi"
        )
    );
    assert_eq!(
        refusal(&on_demand, json!({"GlobalSecondaryIndexUpdates": [{}]})),
        format!(
            "{invalid}One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, \
             GlobalSecondaryIndexUpdate.Delete must not be null"
        )
    );
}

#[test]
fn members_without_effect_are_refused_by_name() {
    let server = on_demand();
    let members = [
        ("ReplicaUpdates", json!([{"Create": {"RegionName": "eu-west-1"}}])),
        ("VectorIndexUpdates", json!([])),
        ("MultiRegionConsistency", json!("STRONG")),
        ("GlobalTableWitnessUpdates", json!([])),
        ("GlobalTableSettingsReplicationMode", json!("ENABLED")),
        ("DisassociationProtectionEnabled", json!(true)),
        ("SSESpecification", json!({"Enabled": true})),
        ("SSESpecification", json!({"Enabled": false, "KMSMasterKeyId": "alias/key"})),
    ];
    for (name, value) in members {
        let told = refusal(&server, json!({ name: value, "TableClass": "STANDARD" }));
        assert_eq!(told, format!("Basalt does not support these members of UpdateTable yet: {name}."));
    }
    assert_eq!(described(&server).get("TableClassSummary"), None, "nothing of a refused update is done");
}

/// Asks until the index is in the state, or is gone if there is to be none; each ask is an answer of the server's.
fn wait_for_index(server: &TestServer, status: Option<&str>) -> Value {
    for _ in 0..100_000 {
        let table = described(server);
        let index = table.pointer("/GlobalSecondaryIndexes/0").cloned().unwrap_or_default();
        if index["IndexStatus"].as_str() == status {
            return index;
        }
    }
    panic!("the index does not become {status:?}");
}

#[test]
fn global_indexes_are_made_changed_and_deleted_on_a_live_table() {
    let server = provisioned();
    let put = json!({"TableName": "people", "Item": {"pk": {"S": "a"}, "mail": {"S": "a@b"}}});
    assert_eq!(server.call("PutItem", &put.to_string()).status, 200);
    let create = |throughput: Option<Value>| {
        let mut index = json!({
            "IndexName": "by_mail",
            "KeySchema": [{"AttributeName": "mail", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        });
        if let Some(throughput) = throughput {
            index["ProvisionedThroughput"] = throughput;
        }
        json!({
            "AttributeDefinitions": [{"AttributeName": "mail", "AttributeType": "S"}],
            "GlobalSecondaryIndexUpdates": [{"Create": index}],
        })
    };
    refusal(&server, create(None));
    let creating = update(&server, create(Some(units(1, 2))));
    assert_eq!(creating["TableStatus"], "UPDATING");
    wait_for_index(&server, Some("ACTIVE"));
    let query = json!({
        "TableName": "people", "IndexName": "by_mail", "KeyConditionExpression": "mail = :m",
        "ExpressionAttributeValues": {":m": {"S": "a@b"}},
    });
    assert_eq!(server.call("Query", &query.to_string()).json()["Count"], 1, "what was there before is found");

    let change = |read, write| json!({"GlobalSecondaryIndexUpdates": [{"Update": {"IndexName": "by_mail", "ProvisionedThroughput": units(read, write)}}]});
    assert!(
        refusal(&server, change(1, 2))
            .starts_with("The provisioned throughput for the index by_mail will not change.")
    );
    let changing = update(&server, change(3, 4))["GlobalSecondaryIndexes"][0].take();
    assert_eq!(changing["IndexStatus"], "UPDATING");
    assert_eq!(changing["ProvisionedThroughput"]["WriteCapacityUnits"], 2);
    let index = wait_for_index(&server, Some("ACTIVE"));
    assert_eq!(index["ProvisionedThroughput"]["WriteCapacityUnits"], 4);

    update(&server, json!({"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by_mail"}}]}));
    wait_for_index(&server, None);
}

#[test]
fn a_change_is_answered_as_it_begins() {
    let server = provisioned();
    let told = update(&server, json!({"ProvisionedThroughput": units(10, 5)}));
    assert_eq!(told["TableStatus"], "UPDATING");
    assert_eq!(told["ProvisionedThroughput"]["ReadCapacityUnits"], 5);
    assert!(told["ProvisionedThroughput"]["LastIncreaseDateTime"].is_f64(), "{told}");
    let table = described(&server);
    assert_eq!(table["TableStatus"], "ACTIVE");
    assert_eq!(table["ProvisionedThroughput"]["ReadCapacityUnits"], 10);
}

#[test]
fn what_is_wrong_with_a_change_alone_is_told_before_its_table_is_looked_for() {
    let server = TestServer::start();
    let nothing = refusal(&server, json!({"GlobalSecondaryIndexUpdates": []}));
    assert!(nothing.starts_with("At least one of ProvisionedThroughput, BillingMode"), "{nothing}");
    let too_much =
        json!({"Update": {"IndexName": "by_name", "ProvisionedThroughput": units(1_000_000_000_001, 1)}});
    let request = with_name(json!({"GlobalSecondaryIndexUpdates": [too_much.clone()]}));
    assert_eq!(server.call("UpdateTable", &request).exception(), "ResourceNotFoundException");
    let blocked = refusal(&provisioned(), json!({"GlobalSecondaryIndexUpdates": [too_much]}));
    assert!(blocked.ends_with("Action Blocked: IndexUpdate"), "{blocked}");
}

#[test]
fn two_online_index_changes_at_once_are_too_many_even_of_indexes_that_are_not_there() {
    let server = provisioned();
    let delete = |name: &str| json!({"Delete": {"IndexName": name}});
    let request = with_name(json!({"GlobalSecondaryIndexUpdates": [delete("first"), delete("second")]}));
    let refused = server.call("UpdateTable", &request);
    assert_eq!(refused.exception(), "LimitExceededException", "{}", refused.text());
}
