//! GetItem: one item by its key.

use basalt_engine::GetItem;
use basalt_engine::model::expression::ExpressionKind;

use super::select::consistency;
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::{ApiError, Plane};
use crate::dynamodb::expressions::{ExpressionParameters, ParameterNames};
use crate::dynamodb::json::{AttributeMap, BodyError, Known, Place, Reader, Writer};
use crate::dynamodb::reply::RETURN_CONSUMED_CAPACITY;
use crate::dynamodb::{Api, Operation};

const PARAMETERS: ParameterNames =
    ParameterNames { expressions: &[ExpressionKind::Projection], legacy: &["AttributesToGet"] };

/// The members of a GetItem request.
#[derive(Debug, Default)]
pub(crate) struct GetItemInput {
    table_name: Option<String>,
    key: Option<AttributeMap>,
    consistent_read: Option<bool>,
    return_consumed_capacity: Option<String>,
    expressions: ExpressionParameters,
}

impl Operation for GetItemInput {
    const SHAPE: &'static str = "GetItemInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "TableName" => self.table_name = reader.owned_text()?,
            "Key" => self.key = reader.attribute_map(Place::Member)?,
            "ConsistentRead" => self.consistent_read = reader.boolean()?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = reader.owned_text()?,
            _ => return self.expressions.read_member(reader, name, &PARAMETERS),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        let capacity = self.return_consumed_capacity.as_deref();
        let capacity = constraints.enumeration("returnConsumedCapacity", capacity, &RETURN_CONSUMED_CAPACITY);
        constraints.table("tableName", &self.table_name);
        constraints.required("key", &self.key);
        constraints.finish()?;

        self.expressions.check_use(&PARAMETERS)?;
        let key = self.key.unwrap_or_default().checked_item()?;
        self.expressions.refuse_legacy()?;
        let expressions = self.expressions.parse()?;
        let table_name = api.names.resolve(self.table_name.unwrap_or_default(), "GetItem")?;

        let get = GetItem {
            table_name: table_name.clone(),
            key,
            projection: expressions.projection,
            consistency: consistency(self.consistent_read),
        };
        let output =
            api.engine.get_item(get).await.map_err(|error| ApiError::from_engine(error, Plane::Data))?;
        let mut writer = Writer::default();
        let mut members = writer.object();
        members.item("Item", output.item.as_ref())?;
        members.consumed_capacity(capacity.unwrap_or_default(), &table_name, output.capacity);
        drop(members);
        Ok(writer.into_bytes())
    }
}
