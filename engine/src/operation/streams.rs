//! What the stream operations take and tell.

use basalt_model::{EncodedItem, KeySchema};

use crate::{
    catalog::StreamViewType,
    derive::Cause,
    stream::{SequenceNumber, ShardIterator, StreamLabel, StreamShardId},
};

/// The most streams that one ListStreams tells.
pub const LIST_STREAMS_MAX: u32 = 100;
/// The most shards that one DescribeStream tells.
pub const DESCRIBE_STREAM_SHARDS_MAX: u32 = 100;
/// The most records that one GetRecords reads.
pub const GET_RECORDS_MAX: u32 = 1000;

/// Which stream: a table's, by its label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamName {
    /// The table.
    pub table_name: String,
    /// When the stream was enabled.
    pub label: StreamLabel,
}

/// Lists streams by table and label.
#[derive(Debug, Clone, Default)]
pub struct ListStreams {
    /// Of this table only.
    pub table_name: Option<String>,
    /// Streams after this one; it need not exist.
    pub exclusive_start: Option<StreamName>,
    /// At most so many; `None`: [`LIST_STREAMS_MAX`].
    pub limit: Option<u32>,
}

/// A page of streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListStreamsOutput {
    /// The streams, in order.
    pub streams: Vec<StreamName>,
    /// The last stream told, if more follow.
    pub last_evaluated: Option<StreamName>,
}

/// Tells what a stream is, and its shards.
#[derive(Debug, Clone)]
pub struct DescribeStream {
    /// The stream.
    pub stream: StreamName,
    /// Shards after this one; it need not exist.
    pub exclusive_start_shard: Option<StreamShardId>,
    /// Only the children of this shard.
    pub children_of: Option<StreamShardId>,
    /// At most so many shards; `None`: [`DESCRIBE_STREAM_SHARDS_MAX`].
    pub limit: Option<u32>,
}

/// What a stream is, and a page of its shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeStreamOutput {
    /// The stream.
    pub stream: StreamName,
    /// Whether it takes records.
    pub is_enabled: bool,
    /// What its records hold.
    pub view_type: StreamViewType,
    /// When it was enabled, in microseconds since 1970.
    pub created_unix_us: u64,
    /// The table's keys.
    pub key_schema: KeySchema,
    /// Shards, by their names.
    pub shards: Vec<StreamShard>,
    /// The last shard told, if more follow.
    pub last_evaluated_shard: Option<StreamShardId>,
}

/// A stream shard: the changes of one partition, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamShard {
    /// Its name.
    pub id: StreamShardId,
    /// The shard whose changes come before this one's.
    pub parent: Option<StreamShardId>,
    /// No record comes before this place.
    pub starting: SequenceNumber,
    /// No record will come after this place; `None` while the shard takes records.
    pub ending: Option<SequenceNumber>,
}

/// Begins to read a stream shard.
#[derive(Debug, Clone)]
pub struct GetShardIterator {
    /// The stream.
    pub stream: StreamName,
    /// The shard.
    pub shard: StreamShardId,
    /// Where to begin.
    pub start: IteratorStart,
}

/// Where a reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IteratorStart {
    /// At the oldest record.
    TrimHorizon,
    /// Behind the newest record.
    Latest,
    /// At the record of this place, or the next one.
    AtSequenceNumber(SequenceNumber),
    /// Behind the record of this place.
    AfterSequenceNumber(SequenceNumber),
    /// At the first record that was not written before this time.
    AtTimestamp {
        /// In microseconds since 1970.
        unix_us: u64,
    },
}

/// Reads records of a stream shard.
#[derive(Debug, Clone)]
pub struct GetRecords {
    /// The stream.
    pub stream: StreamName,
    /// Where the reader is.
    pub iterator: ShardIterator,
    /// At most so many records; `None`: [`GET_RECORDS_MAX`].
    pub limit: Option<u32>,
}

/// Records, in the order of the changes.
#[derive(Debug, Clone)]
pub struct GetRecordsOutput {
    /// The records.
    pub records: Vec<StreamRecord>,
    /// What they hold.
    pub view_type: StreamViewType,
    /// Where the reader is now; `None`: there never will be more.
    pub next: Option<ShardIterator>,
}

/// One change of an item.
#[derive(Debug, Clone)]
pub struct StreamRecord {
    /// Tells this change from every other one of the database.
    pub event_id: u128,
    /// What happened.
    pub event: ItemEvent,
    /// Who did it.
    pub cause: Cause,
    /// Its place in the shard.
    pub sequence_number: SequenceNumber,
    /// When, in microseconds since 1970.
    pub created_unix_us: u64,
    /// The size of key and images by DynamoDB's measure.
    pub size_bytes: u64,
    /// The item's key.
    pub keys: EncodedItem,
    /// The item as it became.
    pub new_image: Option<EncodedItem>,
    /// The item as it was.
    pub old_image: Option<EncodedItem>,
}

/// What happened to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemEvent {
    /// It was not there before.
    Insert,
    /// It became another.
    Modify,
    /// It is there no more.
    Remove,
}
