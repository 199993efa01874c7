//! DescribeTable: what a table is.

use super::one_table::TableNameInput;
use super::table_description::write_description;
use crate::dynamodb::error_map::{ApiError, Plane};
use crate::dynamodb::json::{BodyError, Known, Reader};
use crate::dynamodb::{Api, Operation};

/// The members of a DescribeTable request.
#[derive(Debug, Default)]
pub(crate) struct DescribeTableInput(TableNameInput);

impl Operation for DescribeTableInput {
    const SHAPE: &'static str = "DescribeTableInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let table_name = self.0.check(api, "DescribeTable")?;
        let table = api.engine.describe_table(&table_name).await;
        let table = table.map_err(|error| ApiError::from_engine(error, Plane::Control))?;
        Ok(write_description("Table", &table))
    }
}
