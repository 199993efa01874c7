//! DescribeTableReplicaAutoScaling: the replicas of a table, which has none.

use super::one_table::TableNameInput;
use crate::dynamodb::error_map::{ApiError, Plane};
use crate::dynamodb::json::{BodyError, Known, Reader};
use crate::dynamodb::reply::object_reply;
use crate::dynamodb::{Api, Operation};

/// The members of a DescribeTableReplicaAutoScaling request.
#[derive(Debug, Default)]
pub(crate) struct DescribeTableReplicaAutoScalingInput(TableNameInput);

impl Operation for DescribeTableReplicaAutoScalingInput {
    const SHAPE: &'static str = "DescribeTableReplicaAutoScalingInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let table = self.0.existing(api, "DescribeTableReplicaAutoScaling", Plane::Control).await?;
        Ok(object_reply(|members| {
            let mut description = members.value_of("TableAutoScalingDescription").object();
            description.string("TableName", &table.table_name);
            description.string("TableStatus", super::table_description::status_name(table.status));
            drop(description.value_of("Replicas").array());
        }))
    }
}
