//! ListTables: the names of tables, a page at a time.

use basalt_engine::ListTables;

use crate::dynamodb::constraint::{Constraints, NAME_LENGTH};
use crate::dynamodb::error_map::{ApiError, Plane};
use crate::dynamodb::json::{BodyError, IntegerType, Known, Reader, Writer};
use crate::dynamodb::{Api, Operation};

const LIMIT_MAX: i64 = 100;

/// The members of a ListTables request.
#[derive(Debug, Default)]
pub(crate) struct ListTablesInput {
    exclusive_start_table_name: Option<String>,
    limit: Option<i64>,
}

impl Operation for ListTablesInput {
    const SHAPE: &'static str = "ListTablesInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "ExclusiveStartTableName" => self.exclusive_start_table_name = reader.owned_text()?,
            "Limit" => self.limit = reader.integer(IntegerType::Integer)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.number("limit", self.limit, 1..=LIMIT_MAX);
        let start = self.exclusive_start_table_name.as_deref();
        constraints.name_pattern("exclusiveStartTableName", start);
        constraints.text_length("exclusiveStartTableName", start, NAME_LENGTH);
        constraints.finish()?;

        let list = ListTables {
            exclusive_start_table_name: self.exclusive_start_table_name,
            limit: self.limit.and_then(|limit| u32::try_from(limit).ok()),
        };
        let page = api
            .engine
            .list_tables(list)
            .await
            .map_err(|error| ApiError::from_engine(error, Plane::Control))?;
        let mut writer = Writer::default();
        let mut members = writer.object();
        let mut names = members.value_of("TableNames").array();
        for name in &page.table_names {
            names.element().string(name);
        }
        drop(names);
        if let Some(last) = &page.last_evaluated_table_name {
            members.string("LastEvaluatedTableName", last);
        }
        drop(members);
        Ok(writer.into_bytes())
    }
}
