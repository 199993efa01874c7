//! Exports to S3, which need point-in-time recovery: no table has it, so there are none.

use super::backups::point_in_time_recovery_unavailable;
use crate::dynamodb::constraint::{Constraints, Enumeration};
use crate::dynamodb::error_map::{ApiError, Exception};
use crate::dynamodb::json::{BodyError, IntegerType, Known, Reader};
use crate::dynamodb::reply::object_reply;
use crate::dynamodb::{Api, Operation, messages};

const PAGE_MAX: i64 = 25;
const BUCKET_LENGTH_MAX: usize = 255;
const EXPORT_FORMATS: Enumeration<()> = Enumeration(&[("DYNAMODB_JSON", ()), ("ION", ())]);
const EXPORT_TYPES: Enumeration<()> = Enumeration(&[("FULL_EXPORT", ()), ("INCREMENTAL_EXPORT", ())]);

/// The members of an ExportTableToPointInTime request that can be wrong before it is known that there is nothing to
/// export.
#[derive(Debug, Default)]
pub(crate) struct ExportTableToPointInTimeInput {
    table_arn: Option<String>,
    bucket: Option<String>,
    format: Option<String>,
    export_type: Option<String>,
}

impl Operation for ExportTableToPointInTimeInput {
    const SHAPE: &'static str = "ExportTableToPointInTimeInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "TableArn" => self.table_arn = reader.owned_text()?,
            "S3Bucket" => self.bucket = reader.owned_text()?,
            "ExportFormat" => self.format = reader.owned_text()?,
            "ExportType" => self.export_type = reader.owned_text()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.table("tableArn", &self.table_arn);
        constraints.required("s3Bucket", &self.bucket);
        constraints.text_length("s3Bucket", self.bucket.as_deref(), 0..=BUCKET_LENGTH_MAX);
        constraints.enumeration("exportFormat", self.format.as_deref(), &EXPORT_FORMATS);
        constraints.enumeration("exportType", self.export_type.as_deref(), &EXPORT_TYPES);
        constraints.finish()?;
        let table_name = self.table_arn.unwrap_or_default();
        let table_name = api.names.resolve(table_name, "ExportTableToPointInTime")?;
        Err(point_in_time_recovery_unavailable(api, &table_name).await)
    }
}

/// The members of a DescribeExport request.
#[derive(Debug, Default)]
pub(crate) struct DescribeExportInput {
    export_arn: Option<String>,
}

impl Operation for DescribeExportInput {
    const SHAPE: &'static str = "DescribeExportInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        if name != "ExportArn" {
            return Ok(Known::No);
        }
        self.export_arn = reader.owned_text()?;
        Ok(Known::Yes)
    }

    async fn run(self, _api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.resource_name("exportArn", &self.export_arn);
        constraints.finish()?;
        let message = messages::export_not_found(&self.export_arn.unwrap_or_default());
        Err(ApiError::new(Exception::ExportNotFound, message))
    }
}

/// The members of a ListExports request.
#[derive(Debug, Default)]
pub(crate) struct ListExportsInput {
    table_arn: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

impl Operation for ListExportsInput {
    const SHAPE: &'static str = "ListExportsInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "TableArn" => self.table_arn = reader.owned_text()?,
            "MaxResults" => self.max_results = reader.integer(IntegerType::Integer)?,
            "NextToken" => self.next_token = reader.owned_text()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.optional_table("tableArn", &self.table_arn);
        constraints.number("maxResults", self.max_results, 1..=PAGE_MAX);
        constraints.finish()?;
        self.table_arn.map(|arn| api.names.resolve(arn, "ListExports")).transpose()?;
        if self.next_token.is_some() {
            return Err(ApiError::validation(messages::INVALID_NEXT_TOKEN));
        }
        Ok(object_reply(|members| drop(members.value_of("ExportSummaries").array())))
    }
}
