//! DeleteTable: removes a table with everything in it.

use super::one_table::TableNameInput;
use super::table_description::write_description;
use crate::dynamodb::error_map::{ApiError, Plane};
use crate::dynamodb::json::{BodyError, Known, Reader};
use crate::dynamodb::{Api, Operation};

/// The members of a DeleteTable request.
#[derive(Debug, Default)]
pub(crate) struct DeleteTableInput(TableNameInput);

impl Operation for DeleteTableInput {
    const SHAPE: &'static str = "DeleteTableInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let table_name = self.0.check(api, "DeleteTable")?;
        let deleted = api.engine.delete_table(&table_name).await;
        let deleted = deleted.map_err(|error| ApiError::from_engine(error, Plane::Control))?;
        Ok(write_description("TableDescription", &deleted))
    }
}
