//! DescribeStream: what a stream is, and its shards, a page at a time.

use basalt_engine::model::KeySchema;
use basalt_engine::{DESCRIBE_STREAM_SHARDS_MAX, DescribeStream, DescribeStreamOutput, StreamShard};

use super::stream_input::{SHARD_ID_LENGTH, STREAM_ARN_LENGTH, limit_of, shard_of, stream_error};
use super::stream_specification::view_type_name;
use crate::dynamodb::constraint::{Constraints, Enumeration};
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::json::writer::Members;
use crate::dynamodb::json::{BodyError, IntegerType, Known, Place, Reader};
use crate::dynamodb::{Api, Operation, messages};

const FILTER_TYPES: Enumeration<()> = Enumeration(&[("CHILD_SHARDS", ())]);

/// The members of a DescribeStream request.
#[derive(Debug, Default)]
pub(crate) struct DescribeStreamInput {
    stream_arn: Option<String>,
    exclusive_start_shard_id: Option<String>,
    limit: Option<i64>,
    filter: Option<ShardFilterInput>,
}

#[derive(Debug, Default)]
struct ShardFilterInput {
    filter_type: Option<String>,
    shard_id: Option<String>,
}

impl Operation for DescribeStreamInput {
    const SHAPE: &'static str = "DescribeStreamInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "StreamArn" => self.stream_arn = reader.owned_text()?,
            "ExclusiveStartShardId" => self.exclusive_start_shard_id = reader.owned_text()?,
            "Limit" => self.limit = reader.integer(IntegerType::Integer)?,
            "ShardFilter" => self.filter = ShardFilterInput::read(reader)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.required("streamArn", &self.stream_arn);
        constraints.text_length("streamArn", self.stream_arn.as_deref(), STREAM_ARN_LENGTH);
        constraints.number("limit", self.limit, 1..=DESCRIBE_STREAM_SHARDS_MAX.into());
        let start = self.exclusive_start_shard_id.as_deref();
        constraints.text_length("exclusiveStartShardId", start, SHARD_ID_LENGTH);
        let filter = self.filter.unwrap_or_default();
        let filter_type =
            constraints.enumeration("shardFilter.type", filter.filter_type.as_deref(), &FILTER_TYPES);
        constraints.text_length("shardFilter.shardId", filter.shard_id.as_deref(), SHARD_ID_LENGTH);
        constraints.finish()?;

        let arn = self.stream_arn.unwrap_or_default();
        let parent = match (filter_type, &filter.shard_id) {
            (Some(()), None) => {
                return Err(ApiError::validation(messages::parameter_required("ShardFilter.ShardId")));
            }
            (None, _) => None,
            (Some(()), Some(parent)) => Some(shard_of(parent, &arn)?),
        };
        let describe = DescribeStream {
            stream: api.names.resolve_stream(&arn, "DescribeStream")?,
            exclusive_start_shard: start.map(|start| shard_of(start, &arn)).transpose()?,
            children_of: parent,
            limit: limit_of(self.limit),
        };
        let described = api.engine.describe_stream(describe).await;
        let described = described.map_err(|error| stream_error(error, &arn))?;
        Ok(api.object_reply(|members| write_description(members, &arn, &described)))
    }
}

impl ShardFilterInput {
    fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, BodyError> {
        let mut filter = Self::default();
        let present = reader.structure(Place::Member, "ShardFilter", |reader, name| {
            match name {
                "Type" => filter.filter_type = reader.owned_text()?,
                "ShardId" => filter.shard_id = reader.owned_text()?,
                _ => return Ok(Known::No),
            }
            Ok(Known::Yes)
        })?;
        Ok(present.then_some(filter))
    }
}

fn write_description(members: &mut Members<'_>, arn: &str, stream: &DescribeStreamOutput) {
    let mut members = members.value_of("StreamDescription").object();
    members.string("StreamArn", arn);
    members.string("StreamLabel", &stream.stream.label.to_string());
    members.string("StreamStatus", if stream.is_enabled { "ENABLED" } else { "DISABLED" });
    members.string("StreamViewType", view_type_name(stream.view_type));
    let created_ms = stream.created_unix_us / 1000;
    members.value_of("CreationRequestDateTime").double(created_ms as f64 / 1000.0);
    members.string("TableName", &stream.stream.table_name);
    write_keys(&mut members, &stream.key_schema);
    let mut shards = members.value_of("Shards").array();
    for shard in &stream.shards {
        write_shard(&mut shards.element().object(), shard);
    }
    drop(shards);
    if let Some(last) = stream.last_evaluated_shard {
        members.string("LastEvaluatedShardId", &last.to_string());
    }
}

fn write_keys(members: &mut Members<'_>, schema: &KeySchema) {
    let mut elements = members.value_of("KeySchema").array();
    for (attribute, key_type) in schema.attributes().zip(["HASH", "RANGE"]) {
        let mut element = elements.element().object();
        element.string("AttributeName", &attribute.name);
        element.string("KeyType", key_type);
    }
}

fn write_shard(members: &mut Members<'_>, shard: &StreamShard) {
    members.string("ShardId", &shard.id.to_string());
    let mut range = members.value_of("SequenceNumberRange").object();
    range.string("StartingSequenceNumber", &shard.starting.to_string());
    if let Some(ending) = shard.ending {
        range.string("EndingSequenceNumber", &ending.to_string());
    }
    drop(range);
    if let Some(parent) = shard.parent {
        members.string("ParentShardId", &parent.to_string());
    }
}
