//! GetItem: one item by its key.

use basalt_engine::GetItem;
use basalt_engine::model::expression::ExpressionKind;

use super::item_request::{ItemRequest, ItemRequestShape};
use super::page_request::consistency;
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::expressions::ParameterNames;
use crate::dynamodb::json::{BodyError, Known, Reader};
use crate::dynamodb::reply::ReturnConsumedCapacity;
use crate::dynamodb::{Api, Operation};

const REQUEST: ItemRequestShape = ItemRequestShape {
    operation: "GetItem",
    subject: ("Key", "key"),
    parameters: ParameterNames { expressions: &[ExpressionKind::Projection], legacy: &["AttributesToGet"] },
};

/// The members of a GetItem request.
#[derive(Debug, Default)]
pub(crate) struct GetItemInput {
    request: ItemRequest,
    consistent_read: Option<bool>,
    return_consumed_capacity: Option<String>,
}

impl Operation for GetItemInput {
    const SHAPE: &'static str = "GetItemInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "ConsistentRead" => self.consistent_read = reader.boolean()?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = reader.owned_text()?,
            _ => return self.request.read_member(reader, name, &REQUEST),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        let capacity =
            ReturnConsumedCapacity::check(self.return_consumed_capacity.as_deref(), &mut constraints);
        let request = self.request.check(constraints, &REQUEST)?.resolve(api)?;

        let get = GetItem {
            table_name: request.table_name.clone(),
            key: request.subject,
            projection: request.expressions.projection,
            consistency: consistency(self.consistent_read),
        };
        let output = api.local.get_item(get).await.map_err(ApiError::from_item_operation)?;
        let mut writer = api.writer();
        let mut members = writer.object();
        members.item("Item", output.item.as_ref())?;
        members.consumed_capacity(capacity, &request.table_name, &output.capacity);
        drop(members);
        Ok(writer.into_bytes())
    }
}
