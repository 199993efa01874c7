//! What requests about one item have in common: the table, the item or its key, and the expressions.
//!
//! A request is understood in the steps in which DynamoDB tells its faults: [`ItemRequest::check`] for all that
//! concerns members and values, then what the operation alone knows, then [`CheckedItemRequest::resolve`].

use std::borrow::Cow;

use basalt_engine::model::Item;
use basalt_engine::model::expression::ExpressionKind;

use crate::dynamodb::Api;
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::expressions::{ExpressionParameters, Expressions, ParameterNames};
use crate::dynamodb::json::{AttributeMap, BodyError, Known, Place, Reader};

/// How an operation on one item differs from the others.
#[derive(Debug)]
pub(super) struct ItemRequestShape {
    /// The operation's name.
    pub(super) operation: &'static str,
    /// The member that holds the item or its key, and the same as constraints print it.
    pub(super) subject: (&'static str, &'static str),
    pub(super) parameters: ParameterNames,
}

/// The members as they stand in the request.
#[derive(Debug, Default)]
pub(super) struct ItemRequest {
    table_name: Option<String>,
    subject: Option<AttributeMap>,
    expressions: ExpressionParameters,
}

/// A request whose members and values keep the rules.
#[derive(Debug)]
pub(super) struct CheckedItemRequest {
    /// The item or its key.
    pub(super) subject: Item,
    table_name: String,
    expressions: ExpressionParameters,
    shape: &'static ItemRequestShape,
}

/// A request that lacks nothing but its table.
#[derive(Debug)]
pub(super) struct ResolvedItemRequest {
    pub(super) table_name: String,
    /// The item or its key.
    pub(super) subject: Item,
    pub(super) expressions: Expressions,
}

impl ItemRequest {
    /// Whether the request has this expression.
    pub(super) fn has(&self, kind: ExpressionKind) -> bool {
        self.expressions.has(kind)
    }

    /// Reads the value of one of the members.
    pub(super) fn read_member(
        &mut self,
        reader: &mut Reader<'_>,
        name: &str,
        shape: &ItemRequestShape,
    ) -> Result<Known, BodyError> {
        match name {
            "TableName" => self.table_name = reader.owned_text()?,
            _ if name == shape.subject.0 => self.subject = reader.attribute_map(Place::Member)?,
            _ => return self.expressions.read_member(reader, name, &shape.parameters),
        }
        Ok(Known::Yes)
    }

    /// Checks the members, beside which others may have left violations in `constraints`, and the values.
    pub(super) fn check(
        self,
        mut constraints: Constraints,
        shape: &'static ItemRequestShape,
    ) -> Result<CheckedItemRequest, ApiError> {
        self.constrain(&mut constraints, "", shape);
        constraints.finish()?;
        self.check_values(shape)
    }

    /// Holds the members to what the service model says of each. `place` is put before their paths.
    pub(super) fn constrain(&self, constraints: &mut Constraints, place: &str, shape: &ItemRequestShape) {
        constraints.table(&path(place, "tableName"), &self.table_name);
        constraints.required(&path(place, shape.subject.1), &self.subject);
        self.expressions.constrain(constraints, place);
    }

    /// Checks the values of members that keep the constraints.
    pub(super) fn check_values(
        self,
        shape: &'static ItemRequestShape,
    ) -> Result<CheckedItemRequest, ApiError> {
        self.expressions.check_use(&shape.parameters)?;
        Ok(CheckedItemRequest {
            subject: self.subject.unwrap_or_default().checked_item()?,
            table_name: self.table_name.unwrap_or_default(),
            expressions: self.expressions,
            shape,
        })
    }
}

/// The path of a member at `place`, which for most requests is none.
fn path<'a>(place: &str, member: &'a str) -> Cow<'a, str> {
    if place.is_empty() { member.into() } else { format!("{place}{member}").into() }
}

impl CheckedItemRequest {
    /// Parses the expressions and finds out which table is meant.
    pub(super) fn resolve(self, api: &Api) -> Result<ResolvedItemRequest, ApiError> {
        Ok(ResolvedItemRequest {
            expressions: self.expressions.understand()?,
            table_name: api.names.resolve(self.table_name, self.shape.operation)?,
            subject: self.subject,
        })
    }
}
