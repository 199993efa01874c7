//! ExecuteStatement: one PartiQL statement.

use super::page_request::consistency;
use super::statement::{StatementOptions, StatementOutput, run};
use super::statement_page::PageStart;
use super::statement_request::StatementRequest;
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::json::{BodyError, IntegerType, Known, Reader};
use crate::dynamodb::reply::ReturnConsumedCapacity;
use crate::dynamodb::{Api, Operation};

/// The longest token that a client may send.
const NEXT_TOKEN_LENGTH_MAX: usize = 32_768;

/// The members of an ExecuteStatement request.
#[derive(Debug, Default)]
pub(crate) struct ExecuteStatementInput {
    request: StatementRequest,
    consistent_read: Option<bool>,
    next_token: Option<String>,
    return_consumed_capacity: Option<String>,
    limit: Option<i64>,
}

impl Operation for ExecuteStatementInput {
    const SHAPE: &'static str = "ExecuteStatementInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "ConsistentRead" => self.consistent_read = reader.boolean()?,
            "NextToken" => self.next_token = reader.owned_text()?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = reader.owned_text()?,
            "Limit" => self.limit = reader.integer(IntegerType::Integer)?,
            _ => return self.request.read_member(reader, name),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        let capacity =
            ReturnConsumedCapacity::check(self.return_consumed_capacity.as_deref(), &mut constraints);
        let on_failure = self.request.constrain(&mut constraints, "");
        constraints.text_length("nextToken", self.next_token.as_deref(), 1..=NEXT_TOKEN_LENGTH_MAX);
        constraints.number("limit", self.limit, 1..=i64::MAX);
        constraints.finish()?;

        let statement = self.request.check()?;
        let bound = statement.bind()?;
        let table_name = api.names.resolve(bound.table_name().to_owned(), "ExecuteStatement")?;
        let keys = api.engine.table_keys(&table_name).await.map_err(ApiError::from_item_operation)?;
        let start = match &self.next_token {
            Some(token) => PageStart::from_token(token, &keys, &statement)?,
            None => PageStart::default(),
        };
        let options = StatementOptions {
            consistency: consistency(self.consistent_read),
            // More than the engine can count is no limit.
            limit: self.limit.and_then(|limit| u32::try_from(limit).ok()),
            on_failure,
            start,
        };
        let output = run(api, &table_name, &keys, bound, options).await.map_err(|failure| failure.error)?;
        let token = output.next.as_ref().map(|next| next.to_token(&keys, &statement));
        write_reply(api, &output, token.as_deref(), capacity, &table_name)
    }
}

fn write_reply(
    api: &Api,
    output: &StatementOutput,
    token: Option<&str>,
    capacity: ReturnConsumedCapacity,
    table_name: &str,
) -> Result<Vec<u8>, ApiError> {
    let mut writer = api.writer();
    let mut members = writer.object();
    members.items("Items", &output.items)?;
    if let Some(token) = token {
        members.string("NextToken", token);
    }
    if let Some(key) = output.next.as_ref().and_then(|next| next.key.as_ref()) {
        members.value_of("LastEvaluatedKey").attributes(key);
    }
    members.consumed_capacity(capacity, table_name, &output.capacity);
    drop(members);
    Ok(writer.into_bytes())
}
