//! GetRecords: records of a stream shard, in the order of the changes.

use basalt_engine::{Cause, GET_RECORDS_MAX, GetRecords, ItemEvent, StreamRecord, StreamViewType};

use super::get_shard_iterator::{format_iterator, parse_iterator};
use super::stream_input::{limit_of, stream_error};
use super::stream_specification::view_type_name;
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::{ApiError, Exception};
use crate::dynamodb::json::writer::Members;
use crate::dynamodb::json::{BodyError, DamagedItem, IntegerType, Known, Reader};
use crate::dynamodb::{Api, Operation, messages};

const ITERATOR_LENGTH: std::ops::RangeInclusive<usize> = 1..=2048;
const EVENT_VERSION: &str = "1.1";
const EVENT_SOURCE: &str = "aws:dynamodb";
const MICROSECONDS: u64 = 1_000_000;

/// The members of a GetRecords request.
#[derive(Debug, Default)]
pub(crate) struct GetRecordsInput {
    shard_iterator: Option<String>,
    limit: Option<i64>,
}

impl Operation for GetRecordsInput {
    const SHAPE: &'static str = "GetRecordsInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "ShardIterator" => self.shard_iterator = reader.owned_text()?,
            "Limit" => self.limit = reader.integer(IntegerType::Integer)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.required("shardIterator", &self.shard_iterator);
        constraints.text_length("shardIterator", self.shard_iterator.as_deref(), ITERATOR_LENGTH);
        constraints.number("limit", self.limit, 1..=i64::MAX);
        constraints.finish()?;
        if self.limit.is_some_and(|limit| limit > i64::from(GET_RECORDS_MAX)) {
            return Err(ApiError::new(Exception::LimitExceeded, messages::TOO_MANY_RECORDS));
        }

        let text = self.shard_iterator.unwrap_or_default();
        let (arn, iterator) = parse_iterator(&text)?;
        let stream = api.names.resolve_stream(arn, "GetRecords")?;
        let read = GetRecords { stream, iterator, limit: limit_of(self.limit) };
        let page = api.engine.get_records(read).await.map_err(|error| stream_error(error, arn))?;
        let mut writer = api.writer();
        let mut members = writer.object();
        let mut records = members.value_of("Records").array();
        for record in &page.records {
            let mut told = records.element().object();
            write_record(&mut told, record, page.view_type, api.region())?;
        }
        drop(records);
        if let Some(next) = &page.next {
            members.string("NextShardIterator", &format_iterator(arn, next));
        }
        drop(members);
        Ok(writer.into_bytes())
    }
}

fn write_record(
    members: &mut Members<'_>,
    record: &StreamRecord,
    view_type: StreamViewType,
    region: &str,
) -> Result<(), DamagedItem> {
    members.string("eventID", &format!("{:032x}", record.event_id));
    members.string("eventName", event_name(record.event));
    members.string("eventVersion", EVENT_VERSION);
    members.string("eventSource", EVENT_SOURCE);
    members.string("awsRegion", region);
    let mut change = members.value_of("dynamodb").object();
    change.value_of("ApproximateCreationDateTime").display(record.created_unix_us / MICROSECONDS);
    change.item("Keys", Some(&record.keys))?;
    change.item("NewImage", record.new_image.as_ref())?;
    change.item("OldImage", record.old_image.as_ref())?;
    change.string("SequenceNumber", &record.sequence_number.to_string());
    change.value_of("SizeBytes").display(record.size_bytes);
    change.string("StreamViewType", view_type_name(view_type));
    drop(change);
    if record.cause == Cause::TimeToLive {
        // In lower case on the wire, whatever the service model says of it.
        let mut identity = members.value_of("userIdentity").object();
        identity.string("type", "Service");
        identity.string("principalId", "dynamodb.amazonaws.com");
    }
    Ok(())
}

fn event_name(event: ItemEvent) -> &'static str {
    match event {
        ItemEvent::Insert => "INSERT",
        ItemEvent::Modify => "MODIFY",
        ItemEvent::Remove => "REMOVE",
    }
}
