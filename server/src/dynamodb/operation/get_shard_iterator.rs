//! GetShardIterator: where a reader begins. And iterators as clients hold them: the stream's resource name, a version
//! and the iterator's bytes, as DynamoDB's are.

use basalt_engine::{GetShardIterator, IteratorStart, SequenceNumber, ShardIterator, ValidationError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::stream_input::{SHARD_ID_LENGTH, STREAM_ARN_LENGTH, shard_of, stream_error};
use crate::dynamodb::constraint::{Constraints, Enumeration};
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::json::{BodyError, Known, Reader};
use crate::dynamodb::{Api, Operation, messages};

const SEQUENCE_NUMBER_LENGTH: std::ops::RangeInclusive<usize> = 21..=40;
/// Stands between a stream's name and an iterator's bytes.
const ITERATOR_MARK: &str = "|1|";
const ITERATOR_TYPES: Enumeration<IteratorType> = Enumeration(&[
    ("TRIM_HORIZON", IteratorType::TrimHorizon),
    ("LATEST", IteratorType::Latest),
    ("AT_SEQUENCE_NUMBER", IteratorType::AtSequenceNumber),
    ("AFTER_SEQUENCE_NUMBER", IteratorType::AfterSequenceNumber),
    ("AT_TIMESTAMP", IteratorType::AtTimestamp),
]);

#[derive(Debug, Clone, Copy)]
enum IteratorType {
    TrimHorizon,
    Latest,
    AtSequenceNumber,
    AfterSequenceNumber,
    AtTimestamp,
}

/// The members of a GetShardIterator request.
#[derive(Debug, Default)]
pub(crate) struct GetShardIteratorInput {
    stream_arn: Option<String>,
    shard_id: Option<String>,
    iterator_type: Option<String>,
    sequence_number: Option<String>,
    timestamp_us: Option<u64>,
}

impl Operation for GetShardIteratorInput {
    const SHAPE: &'static str = "GetShardIteratorInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "StreamArn" => self.stream_arn = reader.owned_text()?,
            "ShardId" => self.shard_id = reader.owned_text()?,
            "ShardIteratorType" => self.iterator_type = reader.owned_text()?,
            "SequenceNumber" => self.sequence_number = reader.owned_text()?,
            "Timestamp" => self.timestamp_us = reader.timestamp_us()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.required("streamArn", &self.stream_arn);
        constraints.text_length("streamArn", self.stream_arn.as_deref(), STREAM_ARN_LENGTH);
        constraints.required("shardId", &self.shard_id);
        constraints.text_length("shardId", self.shard_id.as_deref(), SHARD_ID_LENGTH);
        constraints.required("shardIteratorType", &self.iterator_type);
        let wanted = self.iterator_type.as_deref();
        let wanted = constraints.enumeration("shardIteratorType", wanted, &ITERATOR_TYPES);
        let number = self.sequence_number.as_deref();
        constraints.text_length("sequenceNumber", number, SEQUENCE_NUMBER_LENGTH);
        constraints.finish()?;

        let arn = self.stream_arn.unwrap_or_default();
        let start = match wanted {
            None | Some(IteratorType::TrimHorizon) => IteratorStart::TrimHorizon,
            Some(IteratorType::Latest) => IteratorStart::Latest,
            Some(IteratorType::AtSequenceNumber) => IteratorStart::AtSequenceNumber(sequence_number(number)?),
            Some(IteratorType::AfterSequenceNumber) => {
                IteratorStart::AfterSequenceNumber(sequence_number(number)?)
            }
            Some(IteratorType::AtTimestamp) => match self.timestamp_us {
                Some(unix_us) => IteratorStart::AtTimestamp { unix_us },
                None => return Err(ApiError::validation(messages::parameter_required("Timestamp"))),
            },
        };
        let begin = GetShardIterator {
            stream: api.names.resolve_stream(&arn, "GetShardIterator")?,
            shard: shard_of(&self.shard_id.unwrap_or_default(), &arn)?,
            start,
        };
        let iterator = api.engine.get_shard_iterator(begin).await;
        let iterator = iterator.map_err(|error| stream_error(error, &arn))?;
        Ok(api.object_reply(|members| members.string("ShardIterator", &format_iterator(&arn, &iterator))))
    }
}

fn sequence_number(text: Option<&str>) -> Result<SequenceNumber, ApiError> {
    let Some(text) = text else {
        return Err(ApiError::validation(messages::parameter_required("SequenceNumber")));
    };
    SequenceNumber::parse(text).ok_or_else(|| ValidationError::SequenceNumber.into())
}

/// An iterator as text.
pub(super) fn format_iterator(stream_arn: &str, iterator: &ShardIterator) -> String {
    format!("{stream_arn}{ITERATOR_MARK}{}", STANDARD.encode(iterator.encode()))
}

/// The stream's resource name and the iterator that a text holds.
pub(super) fn parse_iterator(text: &str) -> Result<(&str, ShardIterator), ApiError> {
    let parsed = text.split_once(ITERATOR_MARK).and_then(|(stream_arn, encoded)| {
        let bytes = STANDARD.decode(encoded).ok()?;
        Some((stream_arn, ShardIterator::decode(&bytes).ok()?))
    });
    parsed.ok_or_else(|| ValidationError::ShardIterator.into())
}
