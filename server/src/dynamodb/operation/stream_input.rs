//! What the stream operations' inputs have in common.

use std::ops::RangeInclusive;

use basalt_engine::{Error as EngineError, StreamShardId};

use crate::dynamodb::error_map::{ApiError, Exception, Plane};
use crate::dynamodb::{messages, stream_arn};

/// A stream's resource name is so long.
pub(super) const STREAM_ARN_LENGTH: RangeInclusive<usize> = 37..=1024;
/// A shard's name is so long.
pub(super) const SHARD_ID_LENGTH: RangeInclusive<usize> = 28..=65;

/// A limit that was held to its bounds.
pub(super) fn limit_of(limit: Option<i64>) -> Option<u32> {
    limit.and_then(|limit| u32::try_from(limit).ok())
}

/// The shard of this name; one that no shard can have is told like one that none has.
pub(super) fn shard_of(name: &str, stream_arn: &str) -> Result<StreamShardId, ApiError> {
    StreamShardId::parse(name).ok_or_else(|| shard_not_found(name, stream_arn))
}

/// What an engine's error is to a reader of this stream.
pub(super) fn stream_error(error: EngineError, stream_arn: &str) -> ApiError {
    match error {
        EngineError::StreamNotFound { .. } => stream_arn::not_found(stream_arn),
        EngineError::StreamShardNotFound { shard, .. } => shard_not_found(&shard.to_string(), stream_arn),
        other => ApiError::from_engine(other, Plane::Data),
    }
}

fn shard_not_found(name: &str, stream_arn: &str) -> ApiError {
    ApiError::new(Exception::ResourceNotFound, messages::stream_shard_not_found(name, stream_arn))
}
