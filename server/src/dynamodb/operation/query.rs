//! Query: the items of one partition key, in the order of their sort keys.

use basalt_engine::model::expression::ExpressionKind;
use basalt_engine::{FilterNames, Query, ScanDirection};

use super::page_request::{PageRequest, PageRequestShape, Reading};
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::expressions::ParameterNames;
use crate::dynamodb::json::{BodyError, Known, Reader};
use crate::dynamodb::{Api, Operation, messages};

const REQUEST: PageRequestShape = PageRequestShape {
    reading: Reading::Query,
    parameters: ParameterNames {
        expressions: &[ExpressionKind::Projection, ExpressionKind::Filter, ExpressionKind::KeyCondition],
        legacy: &["AttributesToGet", "QueryFilter", "ConditionalOperator", "KeyConditions"],
    },
};

/// The members of a Query request.
#[derive(Debug, Default)]
pub(crate) struct QueryInput {
    request: PageRequest,
    scan_index_forward: Option<bool>,
}

impl Operation for QueryInput {
    const SHAPE: &'static str = "QueryInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        if name != "ScanIndexForward" {
            return self.request.read_member(reader, name, &REQUEST);
        }
        self.scan_index_forward = reader.boolean()?;
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let missing = || ApiError::validation(messages::KEY_CONDITION_MISSING);
        let request = self.request.check(Constraints::default(), &REQUEST)?;
        if !request.expressions.parameters().has_key_conditions() {
            return Err(missing());
        }
        let request = request.resolve(api)?;
        let wording = request.expressions.wording;

        let query = Query {
            table_name: request.table_name,
            index_name: request.index_name,
            key_conditions: request.expressions.key_conditions.ok_or_else(missing)?,
            filter: request.expressions.filter,
            filter_names: FilterNames::NotKeys,
            projection: request.expressions.projection,
            select: request.select,
            limit: request.limit,
            consistency: request.consistency,
            direction: direction(self.scan_index_forward),
            exclusive_start_key: request.exclusive_start_key,
        };
        let page = api.local.query(query).await.map_err(|error| wording.of(error))?;
        request.reply.write(api, &page)
    }
}

fn direction(scan_index_forward: Option<bool>) -> ScanDirection {
    match scan_index_forward {
        Some(false) => ScanDirection::Backward,
        Some(true) | None => ScanDirection::Forward,
    }
}
