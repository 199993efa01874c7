//! Imports from S3, which Basalt does not run: there are none.

use std::ops::RangeInclusive;

use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::{ApiError, Exception};
use crate::dynamodb::json::{BodyError, IntegerType, Known, Reader};
use crate::dynamodb::reply::object_reply;
use crate::dynamodb::{Api, Operation, messages};

const PAGE_MAX: i64 = 25;
const NEXT_TOKEN_LENGTH: RangeInclusive<usize> = 112..=1024;

/// The members of a DescribeImport request.
#[derive(Debug, Default)]
pub(crate) struct DescribeImportInput {
    import_arn: Option<String>,
}

impl Operation for DescribeImportInput {
    const SHAPE: &'static str = "DescribeImportInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        if name != "ImportArn" {
            return Ok(Known::No);
        }
        self.import_arn = reader.owned_text()?;
        Ok(Known::Yes)
    }

    async fn run(self, _api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.resource_name("importArn", &self.import_arn);
        constraints.finish()?;
        let message = messages::import_not_found(&self.import_arn.unwrap_or_default());
        Err(ApiError::new(Exception::ImportNotFound, message))
    }
}

/// The members of a ListImports request.
#[derive(Debug, Default)]
pub(crate) struct ListImportsInput {
    table_arn: Option<String>,
    page_size: Option<i64>,
    next_token: Option<String>,
}

impl Operation for ListImportsInput {
    const SHAPE: &'static str = "ListImportsInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "TableArn" => self.table_arn = reader.owned_text()?,
            "PageSize" => self.page_size = reader.integer(IntegerType::Integer)?,
            "NextToken" => self.next_token = reader.owned_text()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.optional_table("tableArn", &self.table_arn);
        constraints.number("pageSize", self.page_size, 1..=PAGE_MAX);
        let next_token = self.next_token.as_deref();
        constraints.hex_token("nextToken", next_token);
        constraints.text_length("nextToken", next_token, NEXT_TOKEN_LENGTH);
        constraints.finish()?;
        self.table_arn.map(|arn| api.names.resolve(arn, "ListImports")).transpose()?;
        if next_token.is_some() {
            return Err(ApiError::validation(messages::INVALID_NEXT_TOKEN));
        }
        Ok(object_reply(|members| drop(members.value_of("ImportSummaryList").array())))
    }
}
