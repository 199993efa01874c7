//! UpdateItem: changes an item by an expression, or creates it.

use basalt_engine::UpdateItem;
use basalt_engine::model::expression::ExpressionKind;

use super::write_options::WriteOptionsInput;
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::{ApiError, Plane};
use crate::dynamodb::expressions::{ExpressionParameters, ParameterNames};
use crate::dynamodb::json::{AttributeMap, BodyError, Known, Place, Reader, Writer};
use crate::dynamodb::{Api, Operation};

const PARAMETERS: ParameterNames = ParameterNames {
    expressions: &[ExpressionKind::Update, ExpressionKind::Condition],
    legacy: &["AttributeUpdates", "Expected", "ConditionalOperator"],
};

/// The members of an UpdateItem request.
#[derive(Debug, Default)]
pub(crate) struct UpdateItemInput {
    table_name: Option<String>,
    key: Option<AttributeMap>,
    options: WriteOptionsInput,
    expressions: ExpressionParameters,
}

impl Operation for UpdateItemInput {
    const SHAPE: &'static str = "UpdateItemInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "TableName" => self.table_name = reader.owned_text()?,
            "Key" => self.key = reader.attribute_map(Place::Member)?,
            _ if self.options.read_member(reader, name)? == Known::Yes => {}
            _ => return self.expressions.read_member(reader, name, &PARAMETERS),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        let options = self.options.check(&mut constraints);
        constraints.table("tableName", &self.table_name);
        constraints.required("key", &self.key);
        constraints.finish()?;

        self.expressions.check_use(&PARAMETERS)?;
        let key = self.key.unwrap_or_default().checked_item()?;
        self.expressions.refuse_legacy()?;
        let expressions = self.expressions.parse()?;
        let table_name = api.names.resolve(self.table_name.unwrap_or_default(), "UpdateItem")?;

        let update = UpdateItem {
            table_name: table_name.clone(),
            key,
            update: expressions.update,
            condition: expressions.condition,
            return_values: options.return_values,
            return_values_on_condition_check_failure: options.on_failure,
        };
        let output = api
            .engine
            .update_item(update)
            .await
            .map_err(|error| ApiError::from_engine(error, Plane::Data))?;
        let mut writer = Writer::default();
        let mut members = writer.object();
        members.item("Attributes", output.attributes.as_ref())?;
        members.consumed_capacity(options.capacity, &table_name, output.capacity);
        drop(members);
        Ok(writer.into_bytes())
    }
}
