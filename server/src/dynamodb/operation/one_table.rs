//! The input of operations on one table, of which they know no more than its name.

use basalt_engine::TableDescription;

use crate::dynamodb::constraint::{Constraints, NAME_LENGTH, is_resource_name};
use crate::dynamodb::error_map::{ApiError, Plane};
use crate::dynamodb::json::{BodyError, Known, Reader};
use crate::dynamodb::{Api, messages};

/// A request that names a table.
#[derive(Debug, Default)]
pub(super) struct TableNameInput {
    table_name: Option<String>,
}

impl TableNameInput {
    /// Reads the table's name.
    pub(super) fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        if name != "TableName" {
            return Ok(Known::No);
        }
        self.table_name = reader.owned_text()?;
        Ok(Known::Yes)
    }

    /// The table's name, if it can be one. The control plane words its length in its own way, and first.
    pub(super) fn check(self, api: &Api, operation: &str) -> Result<String, ApiError> {
        let Some(table_name) = self.table_name else {
            return Err(ApiError::validation(messages::parameter_required("TableName")));
        };
        if !is_resource_name(&table_name) {
            if !NAME_LENGTH.contains(&table_name.chars().count()) {
                return Err(ApiError::validation(messages::table_name_length("TableName")));
            }
            let mut constraints = Constraints::default();
            constraints.name_pattern("tableName", Some(&table_name));
            constraints.finish()?;
        }
        api.names.resolve(table_name, operation)
    }

    /// The table, which must be there. Operations of `plane` tell that it is not in their own words.
    pub(super) async fn existing(
        self,
        api: &Api,
        operation: &str,
        plane: Plane,
    ) -> Result<TableDescription, ApiError> {
        let table_name = self.check(api, operation)?;
        existing_table(api, &table_name, plane).await
    }
}

/// The table of this name, which must be there.
pub(super) async fn existing_table(
    api: &Api,
    table_name: &str,
    plane: Plane,
) -> Result<TableDescription, ApiError> {
    let table = api.engine.describe_table(table_name).await;
    table.map_err(|error| ApiError::from_engine(error, plane))
}
