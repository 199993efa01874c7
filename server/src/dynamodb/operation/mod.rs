//! The operations: one file each or each family, with its input, its rules and its reply.
//!
//! Each reads its members straight into what the engine takes, checks the constraints of all members together, then
//! the rules between them in DynamoDB's order, and hands the rest to the engine.

mod backups;
mod batch_execute_statement;
mod batch_get_item;
mod batch_write_item;
mod bulk_operations;
mod continuous_backups;
mod contributor_insights;
mod create_table;
mod delete_item;
mod delete_table;
mod describe_endpoints;
mod describe_limits;
mod describe_stream;
mod describe_table;
mod execute_statement;
mod execute_transaction;
mod exports;
mod get_item;
mod get_records;
mod get_shard_iterator;
mod global_tables;
mod imports;
mod index_definitions;
mod index_description;
mod index_updates;
mod item_request;
mod key_schema;
mod kinesis_destinations;
mod list_streams;
mod list_tables;
mod one_table;
mod page_request;
mod put_item;
mod query;
mod replica_auto_scaling;
mod resource_policies;
mod scan;
mod search_vectors;
mod select;
mod statement;
mod statement_page;
mod statement_request;
mod stream_input;
mod stream_specification;
mod table_description;
mod table_settings;
mod tag_list;
mod tags;
mod time_to_live;
mod transact_get_items;
mod transact_write_items;
mod update_item;
mod update_table;
mod write_request;

pub(super) use backups::{
    DeleteBackupInput, DescribeBackupInput, ListBackupsInput, RestoreTableFromBackupInput,
    RestoreTableToPointInTimeInput,
};
pub(super) use batch_execute_statement::BatchExecuteStatementInput;
pub(super) use batch_get_item::BatchGetItemInput;
pub(super) use batch_write_item::BatchWriteItemInput;
pub(super) use bulk_operations::{
    CancelBulkOperationInput, DescribeBulkOperationInput, ListBulkOperationsInput,
};
pub(super) use continuous_backups::{DescribeContinuousBackupsInput, UpdateContinuousBackupsInput};
pub(super) use contributor_insights::{
    DescribeContributorInsightsInput, ListContributorInsightsInput, UpdateContributorInsightsInput,
};
pub(super) use create_table::CreateTableInput;
pub(super) use delete_item::DeleteItemInput;
pub(super) use delete_table::DeleteTableInput;
pub(super) use describe_endpoints::DescribeEndpointsInput;
pub(super) use describe_limits::DescribeLimitsInput;
pub(super) use describe_stream::DescribeStreamInput;
pub(super) use describe_table::DescribeTableInput;
pub(super) use execute_statement::ExecuteStatementInput;
pub(super) use execute_transaction::ExecuteTransactionInput;
pub(super) use exports::{DescribeExportInput, ExportTableToPointInTimeInput, ListExportsInput};
pub(super) use get_item::GetItemInput;
pub(super) use get_records::GetRecordsInput;
pub(super) use get_shard_iterator::GetShardIteratorInput;
pub(super) use global_tables::{
    DescribeGlobalTableInput, DescribeGlobalTableSettingsInput, ListGlobalTablesInput,
    UpdateGlobalTableInput, UpdateGlobalTableSettingsInput,
};
pub(super) use imports::{DescribeImportInput, ListImportsInput};
pub(super) use kinesis_destinations::{
    DescribeKinesisStreamingDestinationInput, DisableKinesisStreamingDestinationInput,
    UpdateKinesisStreamingDestinationInput,
};
pub(super) use list_streams::ListStreamsInput;
pub(super) use list_tables::ListTablesInput;
pub(super) use put_item::PutItemInput;
pub(super) use query::QueryInput;
pub(super) use replica_auto_scaling::DescribeTableReplicaAutoScalingInput;
pub(super) use resource_policies::{DeleteResourcePolicyInput, GetResourcePolicyInput};
pub(super) use scan::ScanInput;
pub(super) use search_vectors::SearchVectorsInput;
pub(super) use tags::{ListTagsOfResourceInput, TagResourceInput, UntagResourceInput};
pub(super) use time_to_live::{DescribeTimeToLiveInput, UpdateTimeToLiveInput};
pub(super) use transact_get_items::TransactGetItemsInput;
pub(super) use transact_write_items::TransactWriteItemsInput;
pub(super) use update_item::UpdateItemInput;
pub(super) use update_table::UpdateTableInput;
