//! Kinesis streaming destinations, of which no table has any: they cannot be enabled, and are disabled already.

use super::one_table::{TableNameInput, existing_table};
use crate::dynamodb::constraint::{Constraints, Enumeration};
use crate::dynamodb::error_map::{ApiError, Exception, Plane};
use crate::dynamodb::json::{BodyError, Known, Place, Reader};
use crate::dynamodb::reply::object_reply;
use crate::dynamodb::{Api, Operation, messages};

const PRECISIONS: Enumeration<()> = Enumeration(&[("MILLISECOND", ()), ("MICROSECOND", ())]);

/// The members of a DescribeKinesisStreamingDestination request.
#[derive(Debug, Default)]
pub(crate) struct DescribeKinesisStreamingDestinationInput(TableNameInput);

impl Operation for DescribeKinesisStreamingDestinationInput {
    const SHAPE: &'static str = "DescribeKinesisStreamingDestinationInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let table = self.0.existing(api, "DescribeKinesisStreamingDestination", Plane::Control).await?;
        Ok(object_reply(|members| {
            members.string("TableName", &table.table_name);
            drop(members.value_of("KinesisDataStreamDestinations").array());
        }))
    }
}

/// A table, a stream, and how exact its times should be.
#[derive(Debug, Default)]
struct DestinationInput {
    table: TableNameInput,
    stream_arn: Option<String>,
    precision: Option<String>,
}

/// A destination that may be asked for, checked.
struct Destination {
    table_name: String,
    stream_arn: String,
}

impl DestinationInput {
    fn read_member(
        &mut self,
        reader: &mut Reader<'_>,
        name: &str,
        configuration: &'static str,
    ) -> Result<Known, BodyError> {
        if name == "StreamArn" {
            self.stream_arn = reader.owned_text()?;
        } else if name == configuration {
            reader.structure(Place::Member, configuration, |reader, name| {
                if name != "ApproximateCreationDateTimePrecision" {
                    return Ok(Known::No);
                }
                self.precision = reader.owned_text()?;
                Ok(Known::Yes)
            })?;
        } else {
            return self.table.read_member(reader, name);
        }
        Ok(Known::Yes)
    }

    async fn check(self, api: &Api, operation: &str, configuration: &str) -> Result<Destination, ApiError> {
        let table_name = self.table.check(api, operation)?;
        let mut constraints = Constraints::default();
        constraints.resource_name("streamArn", &self.stream_arn);
        let path = format!("{configuration}.approximateCreationDateTimePrecision");
        constraints.enumeration(&path, self.precision.as_deref(), &PRECISIONS);
        constraints.finish()?;
        existing_table(api, &table_name, Plane::Control).await?;
        Ok(Destination { table_name, stream_arn: self.stream_arn.unwrap_or_default() })
    }
}

/// The members of a DisableKinesisStreamingDestination request.
#[derive(Debug, Default)]
pub(crate) struct DisableKinesisStreamingDestinationInput(DestinationInput);

impl Operation for DisableKinesisStreamingDestinationInput {
    const SHAPE: &'static str = "KinesisStreamingDestinationInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name, "EnableKinesisStreamingConfiguration")
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let operation = "DisableKinesisStreamingDestination";
        let destination = self.0.check(api, operation, "enableKinesisStreamingConfiguration").await?;
        Ok(object_reply(|members| {
            members.string("TableName", &destination.table_name);
            members.string("StreamArn", &destination.stream_arn);
            members.string("DestinationStatus", "DISABLED");
        }))
    }
}

/// The members of an UpdateKinesisStreamingDestination request.
#[derive(Debug, Default)]
pub(crate) struct UpdateKinesisStreamingDestinationInput(DestinationInput);

impl Operation for UpdateKinesisStreamingDestinationInput {
    const SHAPE: &'static str = "UpdateKinesisStreamingDestinationInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name, "UpdateKinesisStreamingConfiguration")
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let operation = "UpdateKinesisStreamingDestination";
        let destination = self.0.check(api, operation, "updateKinesisStreamingConfiguration").await?;
        let message = messages::streaming_destination_not_found(&destination.stream_arn);
        Err(ApiError::new(Exception::ResourceNotFound, message))
    }
}
