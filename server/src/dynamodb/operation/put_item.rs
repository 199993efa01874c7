//! PutItem: creates an item or replaces it whole.

use basalt_engine::PutItem;
use basalt_engine::model::ValueError;
use basalt_engine::model::expression::ExpressionKind;
use basalt_engine::model::size::ITEM_BYTES_MAX;

use super::item_request::ItemRequestShape;
use super::write_request::WriteRequest;
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::expressions::ParameterNames;
use crate::dynamodb::json::{BodyError, Known, Reader};
use crate::dynamodb::{Api, Operation};

const REQUEST: ItemRequestShape = ItemRequestShape {
    operation: "PutItem",
    subject: ("Item", "item"),
    parameters: ParameterNames {
        expressions: &[ExpressionKind::Condition],
        legacy: &["Expected", "ConditionalOperator"],
    },
};

/// The members of a PutItem request.
#[derive(Debug, Default)]
pub(crate) struct PutItemInput(WriteRequest);

impl Operation for PutItemInput {
    const SHAPE: &'static str = "PutItemInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name, &REQUEST)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let (request, options) = self.0.check(&REQUEST)?;
        let return_values = options.return_old()?;
        if request.subject.size_bytes() > ITEM_BYTES_MAX {
            return Err(ValueError::ItemTooLarge.into());
        }
        let request = request.resolve(api)?;

        let put = PutItem {
            table_name: request.table_name.clone(),
            item: request.subject,
            condition: request.expressions.condition,
            return_values,
            return_values_on_condition_check_failure: options.on_failure,
        };
        let output = api.local.put_item(put).await.map_err(ApiError::from_item_operation)?;
        options.write_reply(api, &request.table_name, &output)
    }
}
