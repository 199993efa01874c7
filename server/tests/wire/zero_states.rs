//! What Basalt does not do is answered as DynamoDB answers where nothing of it was ever used: empty lists, disabled
//! features, things that are not found. Only what would start such work is an unknown operation.

use serde_json::{Value, json};

use crate::support::TestServer;

const ARN: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/people";
const BACKUP: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/people/backup/01489602797149-73d8d5bc";

fn server_with_table() -> TestServer {
    let server = TestServer::start();
    let create = json!({
        "TableName": "people",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    assert_eq!(server.call("CreateTable", &create.to_string()).status, 200);
    server
}

fn assert_answers(server: &TestServer, cases: &[(&str, Value, Value)]) {
    for (operation, body, answer) in cases {
        let response = server.call(operation, &body.to_string());
        assert_eq!(response.status, 200, "{operation} {body}: {}", response.text());
        assert_eq!(response.json(), *answer, "{operation} {body}");
    }
}

fn assert_refusals(server: &TestServer, cases: &[(&str, Value, &str, &str)]) {
    for (operation, body, exception, message) in cases {
        let response = server.call(operation, &body.to_string());
        assert_eq!(response.status, 400, "{operation} {body}: {}", response.text());
        let told = (response.exception(), response.message());
        assert_eq!((told.0.as_str(), told.1.as_str()), (*exception, *message), "{operation} {body}");
    }
}

#[test]
fn lists_are_empty() {
    let server = server_with_table();
    assert_answers(
        &server,
        &[
            ("ListBackups", json!({}), json!({"BackupSummaries": []})),
            (
                "ListBackups",
                json!({"TableName": ARN, "Limit": 1, "BackupType": "ALL", "TimeRangeLowerBound": 1.5}),
                json!({"BackupSummaries": []}),
            ),
            ("ListExports", json!({"TableArn": ARN}), json!({"ExportSummaries": []})),
            ("ListImports", json!({}), json!({"ImportSummaryList": []})),
            ("ListBulkOperations", json!({}), json!({"BulkOperationsSummaryList": []})),
            ("ListGlobalTables", json!({"RegionName": "us-east-1"}), json!({"GlobalTables": []})),
            (
                "ListContributorInsights",
                json!({"TableName": "people"}),
                json!({"ContributorInsightsSummaries": []}),
            ),
        ],
    );
}

#[test]
fn features_of_a_table_are_described_as_off_and_switching_them_off_changes_nothing() {
    let server = server_with_table();
    let off = json!({"ContinuousBackupsDescription": {
        "ContinuousBackupsStatus": "ENABLED",
        "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"},
    }});
    let stream = "arn:aws:kinesis:us-east-1:123456789012:stream/changes";
    assert_answers(
        &server,
        &[
            ("DescribeContinuousBackups", json!({"TableName": ARN}), off.clone()),
            (
                "UpdateContinuousBackups",
                json!({"TableName": "people", "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": false}}),
                off,
            ),
            (
                "DescribeContributorInsights",
                json!({"TableName": "people"}),
                json!({"TableName": "people", "ContributorInsightsStatus": "DISABLED"}),
            ),
            (
                "UpdateContributorInsights",
                json!({"TableName": "people", "ContributorInsightsAction": "DISABLE"}),
                json!({"TableName": "people", "ContributorInsightsStatus": "DISABLED"}),
            ),
            (
                "DescribeKinesisStreamingDestination",
                json!({"TableName": "people"}),
                json!({"TableName": "people", "KinesisDataStreamDestinations": []}),
            ),
            (
                "DisableKinesisStreamingDestination",
                json!({"TableName": "people", "StreamArn": stream}),
                json!({"TableName": "people", "StreamArn": stream, "DestinationStatus": "DISABLED"}),
            ),
            (
                "DescribeTableReplicaAutoScaling",
                json!({"TableName": "people"}),
                json!({"TableAutoScalingDescription": {"TableName": "people", "TableStatus": "ACTIVE", "Replicas": []}}),
            ),
            ("DeleteResourcePolicy", json!({"ResourceArn": ARN}), json!({})),
        ],
    );
}

#[test]
fn what_is_not_there_is_not_found() {
    let server = server_with_table();
    let backup_not_found = format!("Backup not found: {BACKUP}");
    let export_not_found = format!("Export not found: {BACKUP}");
    let import_not_found = format!("Import not found: {BACKUP}");
    let bulk_not_found = format!("Requested resource not found: BulkOperation: {BACKUP} not found");
    let policy_not_found = format!("Resource-based policy not found for the provided ResourceArn: {ARN}");
    let global = "Global table not found: Global table with name: 'people' does not exist.";
    let recovery_off = "Point in time recovery is not enabled for table 'people'";
    let people = || json!({"GlobalTableName": "people"});
    assert_refusals(
        &server,
        &[
            ("DescribeBackup", json!({"BackupArn": BACKUP}), "BackupNotFoundException", &backup_not_found),
            ("DeleteBackup", json!({"BackupArn": BACKUP}), "BackupNotFoundException", &backup_not_found),
            (
                "RestoreTableFromBackup",
                json!({"TargetTableName": "copy", "BackupArn": BACKUP}),
                "BackupNotFoundException",
                &backup_not_found,
            ),
            (
                "RestoreTableToPointInTime",
                json!({"TargetTableName": "copy", "SourceTableName": "people", "UseLatestRestorableTime": true}),
                "PointInTimeRecoveryUnavailableException",
                recovery_off,
            ),
            (
                "ExportTableToPointInTime",
                json!({"TableArn": ARN, "S3Bucket": "bucket"}),
                "PointInTimeRecoveryUnavailableException",
                recovery_off,
            ),
            ("DescribeExport", json!({"ExportArn": BACKUP}), "ExportNotFoundException", &export_not_found),
            ("DescribeImport", json!({"ImportArn": BACKUP}), "ImportNotFoundException", &import_not_found),
            (
                "DescribeBulkOperation",
                json!({"BulkOperationArn": BACKUP}),
                "ResourceNotFoundException",
                &bulk_not_found,
            ),
            (
                "CancelBulkOperation",
                json!({"BulkOperationArn": BACKUP}),
                "ResourceNotFoundException",
                &bulk_not_found,
            ),
            ("DescribeGlobalTable", people(), "GlobalTableNotFoundException", global),
            ("DescribeGlobalTableSettings", people(), "GlobalTableNotFoundException", global),
            ("UpdateGlobalTableSettings", people(), "GlobalTableNotFoundException", global),
            (
                "UpdateGlobalTable",
                json!({"GlobalTableName": "people", "ReplicaUpdates": []}),
                "GlobalTableNotFoundException",
                global,
            ),
            ("GetResourcePolicy", json!({"ResourceArn": ARN}), "PolicyNotFoundException", &policy_not_found),
            (
                "DeleteResourcePolicy",
                json!({"ResourceArn": ARN, "ExpectedRevisionId": "1"}),
                "PolicyNotFoundException",
                &policy_not_found,
            ),
            (
                "SearchVectors",
                json!({"TableName": "people", "IndexName": "near", "SearchVector": [{"N": "1"}], "TopK": 1}),
                "ValidationException",
                "The table does not have the specified index: near",
            ),
        ],
    );
}

#[test]
fn missing_tables_are_told_in_the_words_of_each_family() {
    let server = TestServer::start();
    let named = |name: &str| json!({"TableName": name});
    let missing = "Requested resource not found: Table: nowhere not found";
    assert_refusals(
        &server,
        &[
            (
                "DescribeContinuousBackups",
                named("nowhere"),
                "TableNotFoundException",
                "Table not found: nowhere",
            ),
            (
                "RestoreTableToPointInTime",
                json!({"TargetTableName": "copy", "SourceTableName": "nowhere"}),
                "TableNotFoundException",
                "Table not found: nowhere",
            ),
            ("DescribeContributorInsights", named("nowhere"), "ResourceNotFoundException", missing),
            ("ListContributorInsights", named("nowhere"), "ResourceNotFoundException", missing),
            ("DescribeKinesisStreamingDestination", named("nowhere"), "ResourceNotFoundException", missing),
            ("DescribeTableReplicaAutoScaling", named("nowhere"), "ResourceNotFoundException", missing),
            (
                "DescribeContinuousBackups",
                json!({}),
                "ValidationException",
                "The parameter 'TableName' is required but was not present in the request",
            ),
        ],
    );
}

#[test]
fn constraints_are_told_before_anything_is_looked_for() {
    let server = TestServer::start();
    let refused = server.call("ListImports", r#"{"PageSize":26,"NextToken":"xyz"}"#);
    assert_eq!(
        refused.message(),
        "3 validation errors detected: Value '26' at 'pageSize' failed to satisfy constraint: Member must have value \
         less than or equal to 25; Value 'xyz' at 'nextToken' failed to satisfy constraint: Member must satisfy regular \
         expression pattern: ([0-9a-f]{16})+; Value 'xyz' at 'nextToken' failed to satisfy constraint: Member must \
         have length greater than or equal to 112"
    );
    let refused = server.call("DescribeBackup", r#"{"BackupArn":"short"}"#);
    assert_eq!(refused.exception(), "ValidationException");
    let refused = server.call("DescribeGlobalTable", "{}");
    assert_eq!(
        refused.message(),
        "1 validation error detected: Value null at 'globalTableName' failed to satisfy constraint: Member must not be null"
    );
    let refused = server.call("ListBackups", r#"{"BackupType":"OTHER"}"#);
    assert!(
        refused.message().ends_with("enum value set: [USER, SYSTEM, AWS_BACKUP, ALL]"),
        "{}",
        refused.message()
    );
}

#[test]
fn what_would_start_work_is_an_unknown_operation_and_told_by_name() {
    let server = server_with_table();
    let kinesis =
        json!({"TableName": "people", "StreamArn": "arn:aws:kinesis:us-east-1:123456789012:stream/changes"});
    let enabled = json!({"TableName": "people", "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true}});
    let cases = [
        ("CreateBackup", json!({"TableName": "people", "BackupName": "one"})),
        ("CreateGlobalTable", json!({"GlobalTableName": "people", "ReplicationGroup": []})),
        ("EnableKinesisStreamingDestination", kinesis),
        ("ImportTable", json!({})),
        ("PutResourcePolicy", json!({"ResourceArn": ARN, "Policy": "{}"})),
        ("StartBulkPutItems", json!({})),
        ("UpdateTableReplicaAutoScaling", json!({"TableName": "people"})),
        ("UpdateContinuousBackups", enabled),
        ("UpdateContributorInsights", json!({"TableName": "people", "ContributorInsightsAction": "ENABLE"})),
    ];
    for (operation, body) in cases {
        let refused = server.call(operation, &body.to_string());
        assert_eq!(refused.exception(), "UnknownOperationException", "{operation}");
        assert!(
            refused.message().starts_with(&format!("Basalt does not do {operation}")),
            "{}",
            refused.message()
        );
    }
}
