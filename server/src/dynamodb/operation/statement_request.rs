//! A PartiQL statement as requests carry it: the text and its parameters.
//!
//! Faults are told in DynamoDB's order: constraints, then the parameters' values, then the statement.

use basalt_engine::ReturnOld;
use basalt_engine::model::partiql::{
    BoundStatement, STATEMENT_CHARACTERS_MAX, StatementError, parse_statement,
};
use basalt_engine::model::{Value, ValueError};

use super::write_request::RETURN_OLD;
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::json::{AttributeList, BodyError, Known, Place, Reader};

/// The members that every statement has, as they stand in the request.
#[derive(Debug, Default)]
pub(super) struct StatementRequest {
    statement: Option<String>,
    parameters: Option<AttributeList>,
    return_values_on_failure: Option<String>,
}

/// A statement whose parameters keep the rules.
#[derive(Debug)]
pub(super) struct CheckedStatement {
    pub(super) text: String,
    pub(super) parameters: Vec<Value>,
}

impl StatementRequest {
    /// Reads the value of one of the members.
    pub(super) fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "Statement" => self.statement = reader.owned_text()?,
            "Parameters" => self.parameters = reader.attribute_list(Place::Member)?,
            "ReturnValuesOnConditionCheckFailure" => self.return_values_on_failure = reader.owned_text()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    /// Checks the members below `path`, which is empty or ends with a point; what a failed condition answers with.
    pub(super) fn constrain(&self, constraints: &mut Constraints, path: &str) -> ReturnOld {
        let at = |member: &str| format!("{path}{member}");
        constraints.required(&at("statement"), &self.statement);
        constraints.text_length(&at("statement"), self.statement.as_deref(), 1..=STATEMENT_CHARACTERS_MAX);
        let parameter_count = self.parameters.as_ref().map_or(1, AttributeList::len);
        constraints.length(&at("parameters"), "[]", parameter_count, 1..=usize::MAX);
        let on_failure = self.return_values_on_failure.as_deref();
        let on_failure =
            constraints.enumeration(&at("returnValuesOnConditionCheckFailure"), on_failure, &RETURN_OLD);
        on_failure.unwrap_or_default()
    }

    /// Checks the parameters.
    pub(super) fn check(self) -> Result<CheckedStatement, ValueError> {
        let parameters = self.parameters.unwrap_or_default().checked()?;
        Ok(CheckedStatement { text: self.statement.unwrap_or_default(), parameters })
    }
}

impl CheckedStatement {
    /// Parses the statement and puts the parameters in.
    pub(super) fn bind(&self) -> Result<BoundStatement, StatementError> {
        parse_statement(&self.text)?.bind(&self.parameters)
    }
}
