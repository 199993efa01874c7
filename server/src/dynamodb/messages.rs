//! Every DynamoDB text that the server itself shows, in one table.
//!
//! Texts of values, keys and expressions are the model's (`model::messages`), texts that need a table the engine's;
//! a rule that both the server and a layer below check is worded by the layer below, as the `Display` of its error.
//! The wording is that of spring 2026, which the public conformance suites hold; AWS moves to another one
//! operation by operation, so no text is written anywhere else in this crate. `Basalt` in a text marks one of our
//! own, for what DynamoDB has no words for.

use std::fmt;

use basalt_engine::model::messages::INVALID_PARAMETER;

// --- Type errors (SerializationException): the parser tokens and class names of AWS's Java framework.

pub(crate) const UNEXPECTED_TOKEN: &str = "Unexpected token received from parser";
pub(crate) const UNEXPECTED_STRUCTURE: &str = "Start of structure or map found where not expected";
pub(crate) const UNEXPECTED_FIELD_TYPE: &str = "Unexpected field type";
pub(crate) const UNEXPECTED_VALUE_TYPE: &str = "Unexpected value type in payload";
pub(crate) const PARAMETERIZED_TYPE_CAST: &str = "class sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl \
     cannot be cast to class java.lang.Class (sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl and \
     java.lang.Class are in module java.base of loader 'bootstrap')";
pub(crate) const NOT_BASE64: &str = "only base-64-encoded strings are convertible to bytes";
pub(crate) const BASE64_LAST_CHARACTER: &str = "Invalid last non-pad Base64 character dectected";

pub(crate) fn token_not_convertible(token: &str, wanted: &str) -> String {
    format!("{token} cannot be converted to {wanted}")
}

pub(crate) fn unrecognized_collection_class(class: &str) -> String {
    format!("Unrecognized collection type class {class}")
}

pub(crate) fn unrecognized_collection_map(element: &str) -> String {
    format!("Unrecognized collection type java.util.Map<java.lang.String, {element}>")
}

pub(crate) fn base64_length(length: usize) -> String {
    format!("Base64 encoded length is expected a multiple of 4 bytes but found: {length}")
}

// --- Signatures.

pub(crate) const BOTH_SIGNATURES: &str =
    "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.";
pub(crate) const MISSING_TOKEN: &str = "Request is missing Authentication Token";
pub(crate) const MISSING_DATE_HEADER: &str =
    "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
pub(crate) const REEXAMINE_QUERY: &str = "Re-examine the query-string parameters.";

pub(crate) fn missing_header_parameter(name: &str) -> String {
    format!("Authorization header requires '{name}' parameter. ")
}

pub(crate) fn missing_query_parameter(name: &str) -> String {
    format!("AWS query-string parameters must include '{name}'. ")
}

pub(crate) fn authorization_echo(header: &str) -> String {
    format!("Authorization={header}")
}

// --- The constraint framework.

pub(crate) fn validation_errors(violations: &[String]) -> String {
    let plural = if violations.len() == 1 { "" } else { "s" };
    format!("{} validation error{plural} detected: {}", violations.len(), violations.join("; "))
}

pub(crate) fn violation_of_null(path: &str) -> String {
    format!("Value null at '{path}' failed to satisfy constraint: Member must not be null")
}

pub(crate) fn violation(value: impl fmt::Display, path: &str, constraint: impl fmt::Display) -> String {
    format!("Value '{value}' at '{path}' failed to satisfy constraint: {constraint}")
}

/// The form without the value, which a few operations of AWS use already.
pub(crate) fn violation_without_value(path: &str, constraint: impl fmt::Display) -> String {
    format!("Value at '{path}' failed to satisfy constraint: {constraint}")
}

pub(crate) fn length_at_least(length: usize) -> String {
    format!("Member must have length greater than or equal to {length}")
}

pub(crate) fn length_at_most(length: usize) -> String {
    format!("Member must have length less than or equal to {length}")
}

pub(crate) fn value_at_least(value: i64) -> String {
    format!("Member must have value greater than or equal to {value}")
}

pub(crate) fn value_at_most(value: i64) -> String {
    format!("Member must have value less than or equal to {value}")
}

pub(crate) fn pattern(pattern: &str) -> String {
    format!("Member must satisfy regular expression pattern: {pattern}")
}

pub(crate) fn enumeration(names: &str) -> String {
    format!("Member must satisfy enum value set: [{names}]")
}

pub(crate) fn map_keys(constraints: &[String]) -> String {
    format!("Map keys must satisfy constraint: [{}]", constraints.join(", "))
}

pub(crate) fn map_values(constraints: &[String]) -> String {
    format!("Map value must satisfy constraint: [{}]", constraints.join(", "))
}

// --- Rules of single requests.

pub(crate) fn invalid_start_key(reason: impl fmt::Display) -> String {
    format!("The provided starting key is invalid: {reason}")
}

pub(crate) const RETURN_VALUES_NOT_OLD: &str = "ReturnValues can only be ALL_OLD or NONE";
pub(crate) const KEY_CONDITION_MISSING: &str =
    "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.";
pub(crate) const TOTAL_SEGMENTS_MISSING: &str = "The TotalSegments parameter is required but was not present in the request when Segment parameter is present";
pub(crate) const SEGMENT_MISSING: &str = "The Segment parameter is required but was not present in the request when parameter TotalSegments is present";
pub(crate) const PROJECTION_WITH_ALL_ATTRIBUTES: &str =
    "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES";
pub(crate) const PROJECTION_WITH_COUNT: &str =
    "Cannot specify the ProjectionExpression when choosing to get only the Count";
pub(crate) const PROJECTION_WITH_ALL_PROJECTED: &str =
    "Cannot specify the ProjectionExpression when choosing to get ALL_PROJECTED_ATTRIBUTES";
pub(crate) const ALL_PROJECTED_WITHOUT_INDEX: &str = "One or more parameter values were invalid: \
     ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName";
pub(crate) const SPECIFIC_WITHOUT_PROJECTION: &str =
    "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES";

pub(crate) const CONDITIONAL_OPERATOR_ALONE: &str =
    "ConditionalOperator cannot be used without Filter or Expected";
pub(crate) const CONDITIONAL_OPERATOR_OF_ONE: &str =
    "ConditionalOperator can only be used when Filter or Expected has two or more elements";

/// Put before the text of a fault in parameters.
pub(crate) fn invalid_parameter(reason: impl fmt::Display) -> String {
    format!("{INVALID_PARAMETER}{reason}")
}

pub(crate) fn parameter_required(name: &str) -> String {
    format!("The parameter '{name}' is required but was not present in the request")
}

pub(crate) fn batch_parameter_required(operation: &str) -> String {
    format!("The requestItems parameter is required for {operation}")
}

pub(crate) fn table_name_length(member: &str) -> String {
    format!("{member} must be at least 3 characters long and at most 255 characters long")
}

// --- Tables.

pub(crate) fn invalid_table_arn(arn: &str) -> String {
    format!("Invalid TableArn: Invalid ResourceArn provided as input {arn}")
}

pub(crate) fn not_authorized(account_id: &str, operation: &str, arn: &str) -> String {
    format!(
        "User: arn:aws:iam::{account_id}:root is not authorized to perform: dynamodb:{operation} on resource: {arn}"
    )
}

pub(crate) const CAPACITY_MISSING: &str = "One or more parameter values were invalid: \
     ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED";
pub(crate) const CAPACITY_WITH_PAY_PER_REQUEST: &str = "One or more parameter values were invalid: \
     Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST";
pub(crate) const ON_DEMAND_MAXIMUM_WITH_PROVISIONED: &str = "One or more parameter values were invalid: \
     OnDemandThroughput can not be specified when BillingMode is PROVISIONED";
pub(crate) const KEY_ATTRIBUTE_UNDEFINED: &str =
    "Invalid KeySchema: Some index key attribute have no definition";
pub(crate) const FIRST_KEY_NOT_HASH: &str =
    "Invalid KeySchema: The first KeySchemaElement is not a HASH key type";
pub(crate) const SECOND_KEY_NOT_RANGE: &str =
    "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type";
pub(crate) const UNUSED_DEFINITIONS: &str = "One or more parameter values were invalid: Number of attributes in \
     KeySchema does not exactly match number of attributes defined in AttributeDefinitions";
pub(crate) const TABLE_NOT_FOUND: &str = "Requested resource not found";

/// An index is to be made or deleted while another one is, or with another one.
pub(crate) const ONE_INDEX_CHANGE: &str =
    "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table";

pub(crate) fn capacity_out_of_bounds(value: i64, member: &str) -> String {
    format!("Given value {value} for {member} is out of bounds")
}

pub(crate) fn undefined_key_attributes(keys: &[&str], definitions: &[&str]) -> String {
    format!(
        "One or more parameter values were invalid: Some index key attributes are not defined in \
         AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
        keys.join(", "),
        definitions.join(", ")
    )
}

// --- Indexes.

/// The wording is ours: DynamoDB's was not observed.
pub(crate) const HASH_BEHIND_RANGE: &str =
    "Invalid KeySchema: The HASH key attributes must come before the RANGE key attributes";
/// The wording is ours: DynamoDB's was not observed.
pub(crate) const TOO_MANY_INDEX_KEYS: &str =
    "Invalid KeySchema: An index may have at most 4 HASH and 4 RANGE key attributes";
pub(crate) const LOCAL_INDEX_WITHOUT_RANGE: &str = "One or more parameter values were invalid: Table KeySchema does \
     not have a range key, which is required when specifying a LocalSecondaryIndex";
pub(crate) const TOO_MANY_LOCAL_INDEXES: &str = "One or more parameter values were invalid: \
     Number of LocalSecondaryIndexes exceeds per-table limit of 5";
pub(crate) const TOO_MANY_GLOBAL_INDEXES: &str = "One or more parameter values were invalid: \
     GlobalSecondaryIndex count exceeds the per-table limit of 20";
pub(crate) const NO_PROJECTION_TYPE: &str =
    "One or more parameter values were invalid: Unknown ProjectionType: null";
pub(crate) const INCLUDE_WITHOUT_ATTRIBUTES: &str = "One or more parameter values were invalid: \
     ProjectionType is INCLUDE, but NonKeyAttributes is not specified";

pub(crate) fn attributes_beside_projection_type(projection_type: &str) -> String {
    invalid_parameter(format!("ProjectionType is {projection_type}, but NonKeyAttributes is specified"))
}

pub(crate) fn empty_index_list(member: &str) -> String {
    invalid_parameter(format!("List of {member} is empty"))
}

pub(crate) fn duplicate_index_name(index_name: &str) -> String {
    invalid_parameter(format!("Duplicate index name: {index_name}"))
}

pub(crate) fn index_without_range_key(index_name: &str) -> String {
    invalid_parameter(format!("Index KeySchema does not have a range key for index: {index_name}"))
}

pub(crate) fn other_hash_key_of_index(index_name: &str, index_hash: &str, table_hash: &str) -> String {
    invalid_parameter(format!(
        "Index KeySchema does not have the same leading hash key as table KeySchema for index: {index_name}. \
         index hash key: {index_hash}, table hash key: {table_hash}"
    ))
}

pub(crate) fn index_capacity_with_pay_per_request(index_name: &str) -> String {
    invalid_parameter(format!(
        "ProvisionedThroughput should not be specified for index: {index_name} when BillingMode is PAY_PER_REQUEST"
    ))
}

pub(crate) fn index_capacity_missing(index_name: &str) -> String {
    invalid_parameter(format!("ProvisionedThroughput must be specified for index: {index_name}"))
}

pub(crate) fn index_capacity_out_of_bounds(value: i64, member: &str, index_name: &str) -> String {
    format!("Given value {value} for {member} is out of bounds for index {index_name}")
}

pub(crate) fn unused_definitions(definitions: &[&str], used: &[&str]) -> String {
    invalid_parameter(format!(
        "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
        definitions.join(", "),
        used.join(", ")
    ))
}

pub(crate) const CAPACITY_NOT_NAMED: &str = "One or more parameter values were invalid: \
     ProvisionedThroughput must be specified when BillingMode is PROVISIONED";
pub(crate) const INDEX_UPDATE_WITHOUT_ACTION: &str = "One or more parameter values were invalid: \
     One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete \
     must not be null";

pub(crate) fn several_updates_of_index(index_name: &str) -> String {
    invalid_parameter(format_args!(
        "Only one global secondary index update per index is allowed simultaneously. Index: {index_name}"
    ))
}

pub(crate) const NO_TABLE_ARN: &str = "Invalid TableArn";
pub(crate) const NO_TAG: &str = "Atleast one Tag needs to be provided as Input.";
pub(crate) const NO_TAG_KEY: &str = "Atleast one Tag Key needs to be provided as Input.";
pub(crate) const INVALID_NEXT_TOKEN: &str = "Invalid NextToken";

/// The spelling is DynamoDB's.
pub(crate) fn resource_not_found(arn: &str) -> String {
    format!("Requested resource not found: ResourcArn: {arn} not found")
}

pub(crate) fn named_table_not_found(table_name: &str) -> String {
    format!("Requested resource not found: Table: {table_name} not found")
}

pub(crate) const CREATED_STREAM_WITHOUT_VIEW: &str = "One or more parameter values were invalid: \
     Table is being created with a stream enabled, UpdateViewType is required";
pub(crate) const NO_CREATED_STREAM_WITH_VIEW: &str = "One or more parameter values were invalid: \
     Table is being created with a stream disabled, UpdateViewType should not be specified";
pub(crate) const ENABLED_STREAM_WITHOUT_VIEW: &str = "One or more parameter values were invalid: \
     If stream is being enabled then UpdateViewType is required";
pub(crate) const DISABLED_STREAM_WITH_VIEW: &str = "One or more parameter values were invalid: \
     If stream is being disabled, then UpdateViewType must not be specified";
pub(crate) const STREAM_TRIMMED: &str =
    "The operation attempted to read past the oldest stream record in a shard.";
/// The wording is ours: DynamoDB's was not observed. Which exception it is, its service model says.
pub(crate) const TOO_MANY_RECORDS: &str = "GetRecords returns at most 1000 records: Limit is larger";
pub(crate) const ITERATOR_EXPIRED: &str = "The provided iterator exceeds the maximum age allowed.";

pub(crate) fn invalid_stream_arn(arn: &str) -> String {
    format!("Invalid StreamArn: Invalid ResourceArn provided as input {arn}")
}

pub(crate) fn stream_not_found(arn: &str) -> String {
    format!("Requested resource not found: Stream: {arn} not found")
}

pub(crate) fn stream_shard_not_found(shard: &str, arn: &str) -> String {
    format!("Requested resource not found: Shard: {shard} in Stream: {arn} not found")
}

pub(crate) fn too_many_streams(table_name: &str) -> String {
    format!("Basalt keeps no more streams of one table that can still be read: {table_name}")
}

pub(crate) fn table_exists(table_name: &str) -> String {
    format!("Table already exists: {table_name}")
}

pub(crate) fn table_in_use(change: impl fmt::Display, table_name: &str) -> String {
    format!("Attempt to change a resource which is still in use: Table is being {change}: {table_name}")
}

// --- Backups, exports, global tables and whatever else Basalt answers in its zero state.

pub(crate) const RESTORE_SOURCE_MISSING: &str = "One or more parameter values were invalid: \
     Either SourceTableName or SourceTableArn must be specified";

pub(crate) fn backup_table_not_found(table_name: &str) -> String {
    format!("Table not found: {table_name}")
}

pub(crate) fn backup_not_found(arn: &str) -> String {
    format!("Backup not found: {arn}")
}

pub(crate) fn export_not_found(arn: &str) -> String {
    format!("Export not found: {arn}")
}

pub(crate) fn import_not_found(arn: &str) -> String {
    format!("Import not found: {arn}")
}

pub(crate) fn bulk_operation_not_found(arn: &str) -> String {
    format!("Requested resource not found: BulkOperation: {arn} not found")
}

pub(crate) fn global_table_not_found(table_name: &str) -> String {
    format!("Global table not found: Global table with name: '{table_name}' does not exist.")
}

pub(crate) fn point_in_time_recovery_disabled(table_name: &str) -> String {
    format!("Point in time recovery is not enabled for table '{table_name}'")
}

pub(crate) fn policy_not_found(arn: &str) -> String {
    format!("Resource-based policy not found for the provided ResourceArn: {arn}")
}

pub(crate) fn streaming_destination_not_found(stream_arn: &str) -> String {
    format!("Requested resource not found: Kinesis streaming destination: {stream_arn} not found")
}

pub(crate) fn index_of_table_not_found(index_name: &str, table_name: &str) -> String {
    format!("Requested resource not found: Index: {index_name} of Table: {table_name} not found")
}

pub(crate) fn no_such_index(index_name: &str) -> String {
    format!("The table does not have the specified index: {index_name}")
}

pub(crate) const PROVISIONED_EXCEEDED: &str = "The level of configured provisioned throughput for the table was \
     exceeded. Consider increasing your provisioning level with the UpdateTable API.";
pub(crate) const PROVISIONED_OF_INDEX_EXCEEDED: &str = "The level of configured provisioned throughput for one or more \
     global secondary indexes of the table was exceeded. Consider increasing your provisioning level for the \
     under-provisioned global secondary indexes with the UpdateTable API";
pub(crate) const ON_DEMAND_MAXIMUM_EXCEEDED: &str =
    "Throughput exceeds the maximum OnDemandThroughput configured on table or index.";
pub(crate) const MIXED_STATEMENT_BATCH: &str =
    "Read and write requests together in the same batch is not supported.";
pub(crate) const MIXED_STATEMENT_TRANSACTION: &str =
    "ExecuteTransaction API does not support both read and write operations in the same request.";
pub(crate) const BATCH_SELECT_WITHOUT_KEY: &str =
    "Select statements within BatchExecuteStatement must specify the primary key in the where clause.";
pub(crate) fn fault_in_statement(position: usize, fault: impl fmt::Display) -> String {
    format!("Validation failed in TransactStatements[{position}]: {fault}")
}

pub(crate) const DUPLICATE_ITEM: &str = "Duplicate primary key exists in table";
pub(crate) const CONDITION_FAILED: &str = "The conditional request failed";

pub(crate) const ITEM_COLLECTION_TOO_LARGE_REASON: &str = "Collection size exceeded.";

pub(crate) const TRANSACTION_CONFLICT: &str = "Transaction is ongoing for the item";

pub(crate) const TRANSACTION_CONFLICT_REASON: &str = "Transaction is ongoing for the item.";

pub(crate) const ONE_ACTION_AN_ITEM: &str =
    "TransactItems can only contain one of Check, Put, Update or Delete";

pub(crate) const TRANSACTION_IN_PROGRESS: &str =
    "The transaction with the given request token is already in progress.";

pub(crate) const TOKEN_USED_BEFORE: &str = "DynamoDB rejected the request because you retried a request with a \
     different payload but with an idempotent token that was already used.";

pub(crate) fn transaction_canceled(codes: &[&str]) -> String {
    format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    )
}
/// The items of a partition key, with their entries in local indexes, would become too large together.
pub(crate) const COLLECTION_TOO_LARGE: &str = "Collection size exceeded.";

// --- What Basalt does not do yet, and its own state.

pub(crate) const OVERLOADED: &str = "Basalt is overloaded and did nothing. Try again later.";
pub(crate) const DEVICE_FULL: &str =
    "Basalt's device is full: reads and deletes go on, other writes are refused.";
pub(crate) const CLOSING: &str = "Basalt is shutting down.";
pub(crate) const BROKEN_COMPRESSION: &str = "The request body is not soundly compressed.";
pub(crate) const INTERNAL_ERROR: &str = "Internal server error; Basalt's log tells more.";

pub(crate) fn operation_unsupported(operation: &str) -> String {
    format!("Basalt does not do {operation}. What it does is listed in its README.")
}

pub(crate) fn members_unsupported(operation: &str, names: &[&str]) -> String {
    format!("Basalt does not support these members of {operation} yet: {}.", names.join(", "))
}
