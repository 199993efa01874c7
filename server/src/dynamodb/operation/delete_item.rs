//! DeleteItem: removes an item; removing what is not there succeeds.

use basalt_engine::DeleteItem;
use basalt_engine::model::expression::ExpressionKind;

use super::item_request::ItemRequestShape;
use super::write_request::WriteRequest;
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::expressions::ParameterNames;
use crate::dynamodb::json::{BodyError, Known, Reader};
use crate::dynamodb::{Api, Operation};

const REQUEST: ItemRequestShape = ItemRequestShape {
    operation: "DeleteItem",
    subject: ("Key", "key"),
    parameters: ParameterNames {
        expressions: &[ExpressionKind::Condition],
        legacy: &["Expected", "ConditionalOperator"],
    },
};

/// The members of a DeleteItem request.
#[derive(Debug, Default)]
pub(crate) struct DeleteItemInput(WriteRequest);

impl Operation for DeleteItemInput {
    const SHAPE: &'static str = "DeleteItemInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name, &REQUEST)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let (request, options) = self.0.check(&REQUEST)?;
        let return_values = options.return_old()?;
        let request = request.resolve(api)?;

        let delete = DeleteItem {
            table_name: request.table_name.clone(),
            key: request.subject,
            condition: request.expressions.condition,
            return_values,
            return_values_on_condition_check_failure: options.on_failure,
        };
        let output = api.local.delete_item(delete).await.map_err(ApiError::from_item_operation)?;
        options.write_reply(api, &request.table_name, &output)
    }
}
