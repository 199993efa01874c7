//! UpdateItem: changes an item by an expression, or creates it.

use basalt_engine::UpdateItem;
use basalt_engine::model::expression::ExpressionKind;

use super::item_request::ItemRequestShape;
use super::write_request::WriteRequest;
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::expressions::ParameterNames;
use crate::dynamodb::json::{BodyError, Known, Reader};
use crate::dynamodb::{Api, Operation};

const REQUEST: ItemRequestShape = ItemRequestShape {
    operation: "UpdateItem",
    subject: ("Key", "key"),
    parameters: ParameterNames {
        expressions: &[ExpressionKind::Update, ExpressionKind::Condition],
        legacy: &["AttributeUpdates", "Expected", "ConditionalOperator"],
    },
};

/// The members of an UpdateItem request.
#[derive(Debug, Default)]
pub(crate) struct UpdateItemInput(WriteRequest);

impl Operation for UpdateItemInput {
    const SHAPE: &'static str = "UpdateItemInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name, &REQUEST)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let (request, options) = self.0.check(&REQUEST)?;
        let request = request.resolve(api)?;
        let wording = request.expressions.wording;

        let update = UpdateItem {
            table_name: request.table_name.clone(),
            key: request.subject,
            update: request.expressions.update,
            condition: request.expressions.condition,
            return_values: options.return_values,
            return_values_on_condition_check_failure: options.on_failure,
        };
        let output = api.local.update_item(update).await.map_err(|error| wording.of(error))?;
        options.write_reply(api, &request.table_name, &output)
    }
}
