//! The operations: one file each, with its input, its rules and its reply.
//!
//! Each reads its members straight into what the engine takes, checks the constraints of all members together, then
//! the rules between them in DynamoDB's order, and hands the rest to the engine.

mod batch_get_item;
mod batch_write_item;
mod create_table;
mod delete_item;
mod delete_table;
mod describe_endpoints;
mod describe_limits;
mod describe_table;
mod get_item;
mod item_request;
mod list_tables;
mod one_table;
mod page_request;
mod put_item;
mod query;
mod scan;
mod select;
mod table_description;
mod table_settings;
mod tags;
mod update_item;
mod update_table;
mod write_request;

pub(super) use batch_get_item::BatchGetItemInput;
pub(super) use batch_write_item::BatchWriteItemInput;
pub(super) use create_table::CreateTableInput;
pub(super) use delete_item::DeleteItemInput;
pub(super) use delete_table::DeleteTableInput;
pub(super) use describe_endpoints::DescribeEndpointsInput;
pub(super) use describe_limits::DescribeLimitsInput;
pub(super) use describe_table::DescribeTableInput;
pub(super) use get_item::GetItemInput;
pub(super) use list_tables::ListTablesInput;
pub(super) use put_item::PutItemInput;
pub(super) use query::QueryInput;
pub(super) use scan::ScanInput;
pub(super) use update_item::UpdateItemInput;
pub(super) use update_table::UpdateTableInput;
