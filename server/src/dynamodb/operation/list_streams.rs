//! ListStreams: the streams of all tables, or of one, a page at a time.

use basalt_engine::{LIST_STREAMS_MAX, ListStreams};

use super::stream_input::{STREAM_ARN_LENGTH, limit_of};
use crate::dynamodb::constraint::{Constraints, NAME_LENGTH};
use crate::dynamodb::error_map::{ApiError, Plane};
use crate::dynamodb::json::{BodyError, IntegerType, Known, Reader};
use crate::dynamodb::{Api, Operation};

/// The members of a ListStreams request.
#[derive(Debug, Default)]
pub(crate) struct ListStreamsInput {
    table_name: Option<String>,
    exclusive_start_stream_arn: Option<String>,
    limit: Option<i64>,
}

impl Operation for ListStreamsInput {
    const SHAPE: &'static str = "ListStreamsInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "TableName" => self.table_name = reader.owned_text()?,
            "ExclusiveStartStreamArn" => self.exclusive_start_stream_arn = reader.owned_text()?,
            "Limit" => self.limit = reader.integer(IntegerType::Integer)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.name_pattern("tableName", self.table_name.as_deref());
        constraints.text_length("tableName", self.table_name.as_deref(), NAME_LENGTH);
        constraints.number("limit", self.limit, 1..=LIST_STREAMS_MAX.into());
        let start = self.exclusive_start_stream_arn.as_deref();
        constraints.text_length("exclusiveStartStreamArn", start, STREAM_ARN_LENGTH);
        constraints.finish()?;

        let list = ListStreams {
            table_name: self.table_name,
            exclusive_start: start.map(|arn| api.names.resolve_stream(arn, "ListStreams")).transpose()?,
            limit: limit_of(self.limit),
        };
        let page = api.engine.list_streams(list).await;
        let page = page.map_err(|error| ApiError::from_engine(error, Plane::Control))?;
        Ok(api.object_reply(|members| {
            let mut streams = members.value_of("Streams").array();
            for stream in &page.streams {
                let mut told = streams.element().object();
                told.string("StreamArn", &api.names.stream_arn(stream));
                told.string("TableName", &stream.table_name);
                told.string("StreamLabel", &stream.label.to_string());
            }
            drop(streams);
            if let Some(last) = &page.last_evaluated {
                members.string("LastEvaluatedStreamArn", &api.names.stream_arn(last));
            }
        }))
    }
}
