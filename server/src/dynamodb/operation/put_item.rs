//! PutItem: creates an item or replaces it whole.

use basalt_engine::PutItem;
use basalt_engine::model::expression::ExpressionKind;
use basalt_engine::model::size::ITEM_BYTES_MAX;

use super::write_options::WriteOptionsInput;
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::{ApiError, Plane};
use crate::dynamodb::expressions::{ExpressionParameters, ParameterNames};
use crate::dynamodb::json::{AttributeMap, BodyError, Known, Place, Reader, Writer};
use crate::dynamodb::{Api, Operation, messages};

const PARAMETERS: ParameterNames = ParameterNames {
    expressions: &[ExpressionKind::Condition],
    legacy: &["Expected", "ConditionalOperator"],
};

/// The members of a PutItem request.
#[derive(Debug, Default)]
pub(crate) struct PutItemInput {
    table_name: Option<String>,
    item: Option<AttributeMap>,
    options: WriteOptionsInput,
    expressions: ExpressionParameters,
}

impl Operation for PutItemInput {
    const SHAPE: &'static str = "PutItemInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "TableName" => self.table_name = reader.owned_text()?,
            "Item" => self.item = reader.attribute_map(Place::Member)?,
            _ if self.options.read_member(reader, name)? == Known::Yes => {}
            _ => return self.expressions.read_member(reader, name, &PARAMETERS),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        let options = self.options.check(&mut constraints);
        constraints.table("tableName", &self.table_name);
        constraints.required("item", &self.item);
        constraints.finish()?;

        self.expressions.check_use(&PARAMETERS)?;
        let item = self.item.unwrap_or_default().checked_item()?;
        let return_values = options.return_old()?;
        if item.size_bytes() > ITEM_BYTES_MAX {
            return Err(ApiError::validation(messages::ITEM_TOO_LARGE));
        }
        self.expressions.refuse_legacy()?;
        let expressions = self.expressions.parse()?;
        let table_name = api.names.resolve(self.table_name.unwrap_or_default(), "PutItem")?;

        let put = PutItem {
            table_name: table_name.clone(),
            item,
            condition: expressions.condition,
            return_values,
            return_values_on_condition_check_failure: options.on_failure,
        };
        let output =
            api.engine.put_item(put).await.map_err(|error| ApiError::from_engine(error, Plane::Data))?;
        let mut writer = Writer::default();
        let mut members = writer.object();
        members.item("Attributes", output.attributes.as_ref())?;
        members.consumed_capacity(options.capacity, &table_name, output.capacity);
        drop(members);
        Ok(writer.into_bytes())
    }
}
