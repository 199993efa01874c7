//! Query: the items of one partition key, in the order of their sort keys.

use basalt_engine::model::expression::ExpressionKind;
use basalt_engine::{Query, ScanDirection};

use super::select::{Reading, SELECT, check_limit, consistency, limit, select, write_page};
use super::start_key::start_key;
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::{ApiError, Plane};
use crate::dynamodb::expressions::{ExpressionParameters, ParameterNames};
use crate::dynamodb::json::{AttributeMap, BodyError, IntegerType, Known, Place, Reader};
use crate::dynamodb::reply::RETURN_CONSUMED_CAPACITY;
use crate::dynamodb::{Api, Operation, messages};

const PARAMETERS: ParameterNames = ParameterNames {
    expressions: &[ExpressionKind::Projection, ExpressionKind::Filter, ExpressionKind::KeyCondition],
    legacy: &["AttributesToGet", "QueryFilter", "ConditionalOperator", "KeyConditions"],
};

/// The members of a Query request.
#[derive(Debug, Default)]
pub(crate) struct QueryInput {
    table_name: Option<String>,
    index_name: Option<String>,
    select: Option<String>,
    limit: Option<i64>,
    consistent_read: Option<bool>,
    scan_index_forward: Option<bool>,
    exclusive_start_key: Option<AttributeMap>,
    return_consumed_capacity: Option<String>,
    expressions: ExpressionParameters,
}

impl Operation for QueryInput {
    const SHAPE: &'static str = "QueryInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "TableName" => self.table_name = reader.owned_text()?,
            "IndexName" => self.index_name = reader.owned_text()?,
            "Select" => self.select = reader.owned_text()?,
            "Limit" => self.limit = reader.integer(IntegerType::Integer)?,
            "ConsistentRead" => self.consistent_read = reader.boolean()?,
            "ScanIndexForward" => self.scan_index_forward = reader.boolean()?,
            "ExclusiveStartKey" => self.exclusive_start_key = reader.attribute_map(Place::Member)?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = reader.owned_text()?,
            _ => return self.expressions.read_member(reader, name, &PARAMETERS),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        let asked = constraints.enumeration("select", self.select.as_deref(), &SELECT);
        constraints.index_name("indexName", self.index_name.as_deref());
        let capacity = self.return_consumed_capacity.as_deref();
        let capacity = constraints.enumeration("returnConsumedCapacity", capacity, &RETURN_CONSUMED_CAPACITY);
        constraints.table("tableName", &self.table_name);
        check_limit(&mut constraints, Reading::Query, self.limit);
        constraints.finish()?;

        self.expressions.check_use(&PARAMETERS)?;
        let exclusive_start_key = start_key(self.exclusive_start_key)?;
        if !self.expressions.has(ExpressionKind::KeyCondition)
            && !self.expressions.has_legacy("KeyConditions")
        {
            return Err(ApiError::validation(messages::KEY_CONDITION_MISSING));
        }
        self.expressions.refuse_legacy()?;
        let has_projection = self.expressions.has(ExpressionKind::Projection);
        let expressions = self.expressions.parse()?;
        let select = select(asked, Reading::Query, has_projection, self.index_name.is_some())?;
        let Some(key_conditions) = expressions.key_conditions else {
            return Err(ApiError::validation(messages::KEY_CONDITION_MISSING));
        };
        let table_name = api.names.resolve(self.table_name.unwrap_or_default(), "Query")?;

        let query = Query {
            table_name: table_name.clone(),
            index_name: self.index_name,
            key_conditions,
            filter: expressions.filter,
            projection: expressions.projection,
            select,
            limit: limit(self.limit),
            consistency: consistency(self.consistent_read),
            direction: if self.scan_index_forward == Some(false) {
                ScanDirection::Backward
            } else {
                ScanDirection::Forward
            },
            exclusive_start_key,
        };
        let page =
            api.engine.query(query).await.map_err(|error| ApiError::from_engine(error, Plane::Data))?;
        write_page(&page, select, capacity.unwrap_or_default(), &table_name)
    }
}
