//! The operations: one file each, with its request, its answer and how it runs.
//!
//! Requests hold model types that are already parsed: no JSON, no HTTP and no exception name is known here.

mod batch_get_item;
mod batch_write_item;
mod capacity;
mod delete_item;
mod get_item;
mod item_write;
mod key_paths;
mod page;
mod page_source;
mod put_item;
mod query;
mod return_values;
mod scan;
mod start_key;
mod streams;
mod table;
mod table_keys;
mod tags;
mod throughput_change;
mod time_to_live;
mod update_item;
mod write_output;

pub use batch_get_item::{
    BATCH_GET_KEYS_MAX, BATCH_GET_REPLY_BYTES, BatchGetItem, BatchGetItemOutput, BatchGetTable,
    BatchGetTableOutput,
};
pub(crate) use batch_get_item::{BatchRead, BatchReadResult, ReplyBudget};
pub use batch_write_item::{
    BATCH_WRITES_MAX, BatchWrite, BatchWriteItem, BatchWriteItemOutput, BatchWriteTable,
    BatchWriteTableOutput,
};
pub(crate) use batch_write_item::{PlannedWrite, WritePlan};
pub use capacity::ConsumedCapacity;
pub(crate) use delete_item::DeletePlan;
pub use delete_item::{DeleteItem, DeleteItemOutput};
pub(crate) use get_item::GetPlan;
pub use get_item::{GetItem, GetItemOutput};
pub(crate) use item_write::{Guard, ItemWrite, size_bytes};
pub use page::{PAGE_BYTES, ResultPage, Select};
pub(crate) use page::{PageBudget, PagePlan, PageRows};
pub(crate) use page_source::{Fetching, PageSource};
pub(crate) use put_item::PutPlan;
pub use put_item::{PutItem, PutItemOutput};
pub use query::{FilterNames, Query, QueryOutput, ScanDirection};
pub use return_values::{ReturnOld, ReturnValues};
pub use scan::{Scan, ScanOutput};
pub use streams::{
    DESCRIBE_STREAM_SHARDS_MAX, DescribeStream, DescribeStreamOutput, GET_RECORDS_MAX, GetRecords,
    GetRecordsOutput, GetShardIterator, ItemEvent, IteratorStart, LIST_STREAMS_MAX, ListStreams,
    ListStreamsOutput, StreamName, StreamRecord, StreamShard,
};
pub(crate) use table::TableCounts;
pub use table::{
    CreateTable, GlobalIndexChange, GlobalIndexDescription, ListTables, ListTablesOutput,
    LocalIndexDescription, StreamChange, TableDescription, TableStatus, UpdateTable,
};
pub use table_keys::{IndexKeys, TableKeys};
pub use tags::{ChangeTags, TAGS_MAX};
pub use throughput_change::{CAPACITY_UNITS_MAX, MaximumChange, ThroughputChange};
pub use time_to_live::{TimeToLiveChange, UpdateTimeToLive};
pub(crate) use update_item::UpdatePlan;
pub use update_item::{UpdateItem, UpdateItemOutput};
pub use write_output::{ItemCollection, WriteOutput};
