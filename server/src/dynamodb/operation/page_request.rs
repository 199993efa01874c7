//! What Query and Scan have in common: which items they read, which attributes they return, how fresh, and how a
//! page is written.
//!
//! A request is understood in the steps in which DynamoDB tells its faults: [`PageRequest::check`] for all that
//! concerns members and values, then what the operation alone knows, then [`CheckedPageRequest::resolve`].

use basalt_engine::model::{Item, ValueError};
use basalt_engine::{Consistency, ResultPage, Select};

use super::select::{SELECT, select};
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::expressions::{ExpressionParameters, Expressions, ParameterNames, TranslatedParameters};
use crate::dynamodb::json::{AttributeMap, BodyError, IntegerType, Known, Place, Reader};
use crate::dynamodb::reply::ReturnConsumedCapacity;
use crate::dynamodb::{Api, messages};

/// Which of the two operations words a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Query,
    Scan,
}

/// How an operation that answers with a page differs from the other one.
#[derive(Debug)]
pub(super) struct PageRequestShape {
    pub(super) reading: Reading,
    pub(super) parameters: ParameterNames,
}

/// The members as they stand in the request.
#[derive(Debug, Default)]
pub(super) struct PageRequest {
    table_name: Option<String>,
    index_name: Option<String>,
    select: Option<String>,
    limit: Option<i64>,
    consistent_read: Option<bool>,
    exclusive_start_key: Option<AttributeMap>,
    return_consumed_capacity: Option<String>,
    expressions: ExpressionParameters,
}

/// A request whose members and values keep the rules.
#[derive(Debug)]
pub(super) struct CheckedPageRequest {
    pub(super) expressions: TranslatedParameters,
    asked_select: Option<Select>,
    capacity: ReturnConsumedCapacity,
    exclusive_start_key: Option<Item>,
    table_name: String,
    index_name: Option<String>,
    limit: Option<u32>,
    consistency: Consistency,
    shape: &'static PageRequestShape,
}

/// A request that lacks nothing but its table.
#[derive(Debug)]
pub(super) struct ResolvedPageRequest {
    pub(super) table_name: String,
    pub(super) index_name: Option<String>,
    pub(super) expressions: Expressions,
    pub(super) select: Select,
    pub(super) limit: Option<u32>,
    pub(super) consistency: Consistency,
    pub(super) exclusive_start_key: Option<Item>,
    pub(super) reply: PageReply,
}

/// How the page is told.
#[derive(Debug)]
pub(super) struct PageReply {
    table_name: String,
    select: Select,
    capacity: ReturnConsumedCapacity,
}

impl PageRequest {
    /// Reads the value of one of the members.
    pub(super) fn read_member(
        &mut self,
        reader: &mut Reader<'_>,
        name: &str,
        shape: &PageRequestShape,
    ) -> Result<Known, BodyError> {
        match name {
            "TableName" => self.table_name = reader.owned_text()?,
            "IndexName" => self.index_name = reader.owned_text()?,
            "Select" => self.select = reader.owned_text()?,
            "Limit" => self.limit = reader.integer(IntegerType::Integer)?,
            "ConsistentRead" => self.consistent_read = reader.boolean()?,
            "ExclusiveStartKey" => self.exclusive_start_key = reader.attribute_map(Place::Member)?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = reader.owned_text()?,
            _ => return self.expressions.read_member(reader, name, &shape.parameters),
        }
        Ok(Known::Yes)
    }

    /// Checks the members, beside which others may have left violations in `constraints`, and the start key.
    pub(super) fn check(
        self,
        mut constraints: Constraints,
        shape: &'static PageRequestShape,
    ) -> Result<CheckedPageRequest, ApiError> {
        let asked_select = constraints.enumeration("select", self.select.as_deref(), &SELECT);
        constraints.index_name("indexName", self.index_name.as_deref());
        let capacity =
            ReturnConsumedCapacity::check(self.return_consumed_capacity.as_deref(), &mut constraints);
        constraints.table("tableName", &self.table_name);
        check_limit(&mut constraints, shape.reading, self.limit);
        self.expressions.constrain(&mut constraints, "");
        constraints.finish()?;
        self.expressions.check_use(&shape.parameters)?;
        Ok(CheckedPageRequest {
            expressions: self.expressions.translate_legacy()?,
            asked_select,
            capacity,
            exclusive_start_key: start_key(self.exclusive_start_key)?,
            table_name: self.table_name.unwrap_or_default(),
            index_name: self.index_name,
            // More than the engine can count is no limit.
            limit: self.limit.and_then(|limit| u32::try_from(limit).ok()),
            consistency: consistency(self.consistent_read),
            shape,
        })
    }
}

impl CheckedPageRequest {
    /// Parses the expressions and finds out what is selected of which table.
    pub(super) fn resolve(self, api: &Api) -> Result<ResolvedPageRequest, ApiError> {
        let has_projection = self.expressions.parameters().has_projection();
        let expressions = self.expressions.parse()?;
        let has_index = self.index_name.is_some();
        let select = select(self.asked_select, self.shape.reading, has_projection, has_index)?;
        let table_name = api.names.resolve(self.table_name, self.shape.reading.operation())?;
        Ok(ResolvedPageRequest {
            table_name: table_name.clone(),
            index_name: self.index_name,
            expressions,
            select,
            limit: self.limit,
            consistency: self.consistency,
            exclusive_start_key: self.exclusive_start_key,
            reply: PageReply { table_name, select, capacity: self.capacity },
        })
    }
}

impl Reading {
    fn operation(self) -> &'static str {
        match self {
            Reading::Query => "Query",
            Reading::Scan => "Scan",
        }
    }
}

impl PageReply {
    /// Writes the reply.
    pub(super) fn write(&self, api: &Api, page: &ResultPage) -> Result<Vec<u8>, ApiError> {
        let mut writer = api.writer();
        let mut members = writer.object();
        if self.select != Select::Count {
            members.items("Items", &page.items)?;
        }
        members.value_of("Count").display(page.count);
        members.value_of("ScannedCount").display(page.scanned_count);
        if let Some(key) = &page.last_evaluated_key {
            members.value_of("LastEvaluatedKey").attributes(key);
        }
        members.consumed_capacity(self.capacity, &self.table_name, &page.capacity);
        drop(members);
        Ok(writer.into_bytes())
    }
}

/// The freshness that ConsistentRead asks for.
pub(super) fn consistency(consistent_read: Option<bool>) -> Consistency {
    match consistent_read {
        Some(true) => Consistency::Strong,
        Some(false) | None => Consistency::Eventual,
    }
}

/// A page's limit, which must be at least 1. Query tells it in the newer form, without the value.
fn check_limit(constraints: &mut Constraints, reading: Reading, limit: Option<i64>) {
    match reading {
        Reading::Scan => constraints.number("limit", limit, 1..=i64::MAX),
        Reading::Query => {
            if limit.is_some_and(|limit| limit < 1) {
                constraints.add(messages::violation_without_value("Limit", messages::value_at_least(1)));
            }
        }
    }
}

/// ExclusiveStartKey, if it is there and its values keep the rules. Most faults get a prefix here; those of numbers,
/// duplicates and number sets do not.
fn start_key(key: Option<AttributeMap>) -> Result<Option<Item>, ApiError> {
    key.map(AttributeMap::checked_item).transpose().map_err(|fault| match fault {
        ValueError::Number(_)
        | ValueError::EmptyNumberSet
        | ValueError::DuplicateNumbers
        | ValueError::DuplicateStrings { .. }
        | ValueError::DuplicateBinaries { .. } => fault.into(),
        _ => ApiError::validation(messages::invalid_start_key(fault)),
    })
}
