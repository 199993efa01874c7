//! Global tables of the version of 2017. Basalt runs on one machine, so there are none; what would change one finds
//! none to change.

use crate::dynamodb::constraint::{Constraints, NAME_LENGTH};
use crate::dynamodb::error_map::{ApiError, Exception};
use crate::dynamodb::json::{BodyError, IntegerType, Known, Reader};
use crate::dynamodb::reply::object_reply;
use crate::dynamodb::{Api, Operation, messages};

/// The name of a global table.
#[derive(Debug, Default)]
struct GlobalTableInput {
    global_table_name: Option<String>,
}

impl GlobalTableInput {
    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        if name != "GlobalTableName" {
            return Ok(Known::No);
        }
        self.global_table_name = reader.owned_text()?;
        Ok(Known::Yes)
    }

    fn find(self, mut constraints: Constraints) -> Result<Vec<u8>, ApiError> {
        constraints.new_table("globalTableName", &self.global_table_name);
        constraints.finish()?;
        let message = messages::global_table_not_found(&self.global_table_name.unwrap_or_default());
        Err(ApiError::new(Exception::GlobalTableNotFound, message))
    }
}

/// The members of a DescribeGlobalTable request.
#[derive(Debug, Default)]
pub(crate) struct DescribeGlobalTableInput(GlobalTableInput);

impl Operation for DescribeGlobalTableInput {
    const SHAPE: &'static str = "DescribeGlobalTableInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name)
    }

    async fn run(self, _api: &Api) -> Result<Vec<u8>, ApiError> {
        self.0.find(Constraints::default())
    }
}

/// The members of a DescribeGlobalTableSettings request.
#[derive(Debug, Default)]
pub(crate) struct DescribeGlobalTableSettingsInput(GlobalTableInput);

impl Operation for DescribeGlobalTableSettingsInput {
    const SHAPE: &'static str = "DescribeGlobalTableSettingsInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name)
    }

    async fn run(self, _api: &Api) -> Result<Vec<u8>, ApiError> {
        self.0.find(Constraints::default())
    }
}

/// The members of an UpdateGlobalTable request.
#[derive(Debug, Default)]
pub(crate) struct UpdateGlobalTableInput {
    table: GlobalTableInput,
    replica_updates: Option<()>,
}

impl Operation for UpdateGlobalTableInput {
    const SHAPE: &'static str = "UpdateGlobalTableInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        if name != "ReplicaUpdates" {
            return self.table.read_member(reader, name);
        }
        self.replica_updates = reader.presence()?.then_some(());
        Ok(Known::Yes)
    }

    async fn run(self, _api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.required("replicaUpdates", &self.replica_updates);
        self.table.find(constraints)
    }
}

/// The members of an UpdateGlobalTableSettings request. What they would set is not looked at: there is no such table.
#[derive(Debug, Default)]
pub(crate) struct UpdateGlobalTableSettingsInput(GlobalTableInput);

impl Operation for UpdateGlobalTableSettingsInput {
    const SHAPE: &'static str = "UpdateGlobalTableSettingsInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name)
    }

    async fn run(self, _api: &Api) -> Result<Vec<u8>, ApiError> {
        self.0.find(Constraints::default())
    }
}

/// The members of a ListGlobalTables request: filters on a list that is empty.
#[derive(Debug, Default)]
pub(crate) struct ListGlobalTablesInput {
    start: Option<String>,
    limit: Option<i64>,
}

impl Operation for ListGlobalTablesInput {
    const SHAPE: &'static str = "ListGlobalTablesInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "ExclusiveStartGlobalTableName" => self.start = reader.owned_text()?,
            "Limit" => self.limit = reader.integer(IntegerType::Integer)?,
            "RegionName" => drop(reader.text()?),
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, _api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.name_pattern("exclusiveStartGlobalTableName", self.start.as_deref());
        constraints.text_length("exclusiveStartGlobalTableName", self.start.as_deref(), NAME_LENGTH);
        constraints.number("limit", self.limit, 1..=i64::MAX);
        constraints.finish()?;
        Ok(object_reply(|members| drop(members.value_of("GlobalTables").array())))
    }
}
