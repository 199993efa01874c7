//! Bulk loads from S3, which Basalt does not run: there are none.

use std::ops::RangeInclusive;

use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::{ApiError, Exception};
use crate::dynamodb::json::{BodyError, IntegerType, Known, Reader};
use crate::dynamodb::reply::object_reply;
use crate::dynamodb::{Api, Operation, messages};

const PAGE_MAX: i64 = 25;
const NEXT_TOKEN_LENGTH: RangeInclusive<usize> = 1..=1024;

/// The name of a bulk operation, the only member of DescribeBulkOperation and CancelBulkOperation.
#[derive(Debug, Default)]
struct BulkOperationInput {
    bulk_operation_arn: Option<String>,
}

impl BulkOperationInput {
    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        if name != "BulkOperationArn" {
            return Ok(Known::No);
        }
        self.bulk_operation_arn = reader.owned_text()?;
        Ok(Known::Yes)
    }

    fn find(self) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.resource_name("bulkOperationArn", &self.bulk_operation_arn);
        constraints.finish()?;
        let message = messages::bulk_operation_not_found(&self.bulk_operation_arn.unwrap_or_default());
        Err(ApiError::new(Exception::ResourceNotFound, message))
    }
}

/// The members of a DescribeBulkOperation request.
#[derive(Debug, Default)]
pub(crate) struct DescribeBulkOperationInput(BulkOperationInput);

impl Operation for DescribeBulkOperationInput {
    const SHAPE: &'static str = "DescribeBulkOperationInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name)
    }

    async fn run(self, _api: &Api) -> Result<Vec<u8>, ApiError> {
        self.0.find()
    }
}

/// The members of a CancelBulkOperation request.
#[derive(Debug, Default)]
pub(crate) struct CancelBulkOperationInput(BulkOperationInput);

impl Operation for CancelBulkOperationInput {
    const SHAPE: &'static str = "CancelBulkOperationInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name)
    }

    async fn run(self, _api: &Api) -> Result<Vec<u8>, ApiError> {
        self.0.find()
    }
}

/// The members of a ListBulkOperations request.
#[derive(Debug, Default)]
pub(crate) struct ListBulkOperationsInput {
    max_results: Option<i64>,
    next_token: Option<String>,
}

impl Operation for ListBulkOperationsInput {
    const SHAPE: &'static str = "ListBulkOperationsInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "MaxResults" => self.max_results = reader.integer(IntegerType::Integer)?,
            "NextToken" => self.next_token = reader.owned_text()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, _api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.number("maxResults", self.max_results, 1..=PAGE_MAX);
        let next_token = self.next_token.as_deref();
        constraints.hex_token("nextToken", next_token);
        constraints.text_length("nextToken", next_token, NEXT_TOKEN_LENGTH);
        constraints.finish()?;
        if next_token.is_some() {
            return Err(ApiError::validation(messages::INVALID_NEXT_TOKEN));
        }
        Ok(object_reply(|members| drop(members.value_of("BulkOperationsSummaryList").array())))
    }
}
