//! BatchExecuteStatement: up to 25 PartiQL statements, each with an answer or error of its own.

use std::collections::{BTreeMap, BTreeSet};

use basalt_engine::model::partiql::{BoundStatement, StatementError};
use basalt_engine::runtime::join_all;
use basalt_engine::{CapacityUnits, ConsumedCapacity, ReturnOld, TableKeys, ValidationError};

use super::page_request::consistency;
use super::statement::{
    FailureStage, StatementFailure, StatementOptions, StatementOutput, planned_key, run, target,
};
use super::statement_page::PageStart;
use super::statement_request::StatementRequest;
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::json::{BodyError, Known, Members, Reader};
use crate::dynamodb::reply::ReturnConsumedCapacity;
use crate::dynamodb::{Api, Operation, messages};

/// Statements of one batch.
const STATEMENTS_MAX: usize = 25;

/// The members of a BatchExecuteStatement request.
#[derive(Debug, Default)]
pub(crate) struct BatchExecuteStatementInput {
    statements: Option<Vec<MemberRequest>>,
    return_consumed_capacity: Option<String>,
}

#[derive(Debug, Default)]
struct MemberRequest {
    request: StatementRequest,
    consistent_read: Option<bool>,
}

/// One statement of the batch, as far as it came without being run.
struct Member {
    consistent_read: Option<bool>,
    /// As the statement names it; `None` if the statement says nothing.
    table_name: Option<String>,
    prepared: Result<PreparedStatement, StatementFailure>,
}

/// A statement whose table was found.
struct PreparedStatement {
    bound: BoundStatement,
    keys: TableKeys,
}

/// The answer to one statement.
struct Answer {
    table_name: Option<String>,
    outcome: Result<StatementOutput, StatementFailure>,
}

impl Operation for BatchExecuteStatementInput {
    const SHAPE: &'static str = "BatchExecuteStatementInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "Statements" => {
                self.statements = reader.structures("BatchStatementRequest", MemberRequest::read_member)?;
            }
            "ReturnConsumedCapacity" => self.return_consumed_capacity = reader.owned_text()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        let capacity =
            ReturnConsumedCapacity::check(self.return_consumed_capacity.as_deref(), &mut constraints);
        constraints.required("statements", &self.statements);
        let count = self.statements.as_ref().map_or(1, Vec::len);
        constraints.length("statements", "[]", count, 1..=STATEMENTS_MAX);
        let statements = self.statements.unwrap_or_default();
        for (position, member) in statements.iter().enumerate() {
            // What a failed condition answers with is accepted here and changes nothing.
            member.request.constrain(&mut constraints, &format!("statements.{}.member.", position + 1));
        }
        constraints.finish()?;

        let members = join_all(statements.into_iter().map(|member| prepare(api, member))).await;
        refuse_mixture(&members)?;
        refuse_duplicates(&members)?;
        let answers = join_all(members.into_iter().map(|member| answer(api, member))).await;
        write_reply(api, &answers, capacity)
    }
}

impl MemberRequest {
    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "ConsistentRead" => self.consistent_read = reader.boolean()?,
            _ => return self.request.read_member(reader, name),
        }
        Ok(Known::Yes)
    }
}

async fn prepare(api: &Api, member: MemberRequest) -> Member {
    let consistent_read = member.consistent_read;
    let bound = understand(member.request);
    let table_name = bound.as_ref().ok().map(|bound| bound.table_name().to_owned());
    let prepared = match bound {
        Ok(bound) => find_table(api, bound).await,
        Err(failure) => Err(failure),
    };
    Member { consistent_read, table_name, prepared }
}

fn understand(request: StatementRequest) -> Result<BoundStatement, StatementFailure> {
    let bound = request.check()?.bind()?;
    match bound {
        BoundStatement::Exists(_) => Err(StatementError::ExistsOutsideTransaction.into()),
        other => Ok(other),
    }
}

async fn find_table(api: &Api, bound: BoundStatement) -> Result<PreparedStatement, StatementFailure> {
    let table_name = api.names.resolve(bound.table_name().to_owned(), "BatchExecuteStatement")?;
    let keys = api.engine.table_keys(&table_name).await.map_err(StatementFailure::of_engine)?;
    Ok(PreparedStatement { bound, keys })
}

/// A batch reads or writes; statements that cannot be run do not count.
fn refuse_mixture(members: &[Member]) -> Result<(), ApiError> {
    let prepared = members.iter().filter_map(|member| member.prepared.as_ref().ok());
    let (reads, writes): (Vec<_>, Vec<_>) =
        prepared.partition(|statement| matches!(statement.bound, BoundStatement::Select(_)));
    if reads.is_empty() || writes.is_empty() {
        Ok(())
    } else {
        Err(ApiError::validation(messages::MIXED_STATEMENT_BATCH))
    }
}

fn refuse_duplicates(members: &[Member]) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    for statement in members.iter().filter_map(|member| member.prepared.as_ref().ok()) {
        if let Some(item) = target(&statement.bound, statement.keys.schema())
            && !seen.insert((statement.bound.table_name(), item.encode().into_bytes()))
        {
            return Err(ValidationError::DuplicateKeys.into());
        }
    }
    Ok(())
}

async fn answer(api: &Api, member: Member) -> Answer {
    let table_name = member.table_name;
    let prepared = match member.prepared {
        Ok(prepared) => prepared,
        Err(failure) => return Answer { table_name, outcome: Err(failure) },
    };
    let options = StatementOptions {
        consistency: consistency(member.consistent_read),
        limit: None,
        on_failure: ReturnOld::None,
        start: PageStart::default(),
    };
    let outcome = match check_read(&prepared) {
        Ok(()) => run_on_its_table(api, prepared, options).await,
        Err(failure) => Err(failure),
    };
    Answer { table_name, outcome }
}

async fn run_on_its_table(
    api: &Api,
    prepared: PreparedStatement,
    options: StatementOptions,
) -> Result<StatementOutput, StatementFailure> {
    let table_name = api.names.resolve(prepared.bound.table_name().to_owned(), "BatchExecuteStatement")?;
    run(api, &table_name, &prepared.keys, prepared.bound, options).await
}

/// A read must be of one item, by its key alone.
fn check_read(prepared: &PreparedStatement) -> Result<(), StatementFailure> {
    let BoundStatement::Select(select) = &prepared.bound else { return Ok(()) };
    if target(&prepared.bound, prepared.keys.schema()).is_some() {
        return Ok(());
    }
    // What is wrong with the conditions themselves is told first.
    select.plan(&planned_key(prepared.keys.schema()))?;
    Err(ApiError::validation(messages::BATCH_SELECT_WITHOUT_KEY).into())
}

fn write_reply(api: &Api, answers: &[Answer], wanted: ReturnConsumedCapacity) -> Result<Vec<u8>, ApiError> {
    let mut writer = api.writer();
    let mut members = writer.object();
    let mut responses = members.value_of("Responses").array();
    for answer in answers {
        write_answer(&mut responses.element().object(), answer)?;
    }
    drop(responses);
    let used = capacity_by_table(answers);
    if !used.is_empty() {
        let tables = used.iter().map(|(table, (used, failed))| (*table, used, *failed));
        members.consumed_capacities_and_failures(wanted, tables);
    }
    drop(members);
    Ok(writer.into_bytes())
}

fn write_answer(members: &mut Members<'_>, answer: &Answer) -> Result<(), ApiError> {
    let is_table_told = match &answer.outcome {
        Ok(output) => {
            members.item("Item", output.items.first())?;
            true
        }
        Err(failure) => {
            let mut error = members.value_of("Error").object();
            error.string("Code", failure.error.statement_code());
            error.string("Message", failure.error.message());
            failure.stage == FailureStage::Ran
        }
    };
    if let Some(table_name) = answer.table_name.as_ref().filter(|_| is_table_told) {
        members.string("TableName", table_name);
    }
    Ok(())
}

/// What was used of each table, and what failed writes were charged. A table of failures alone is not told.
fn capacity_by_table(answers: &[Answer]) -> BTreeMap<&str, (ConsumedCapacity, CapacityUnits)> {
    let mut used: BTreeMap<&str, (ConsumedCapacity, CapacityUnits)> = BTreeMap::new();
    for answer in answers {
        if let (Some(table_name), Ok(output)) = (&answer.table_name, &answer.outcome) {
            used.entry(table_name).or_default().0 += output.capacity.clone();
        }
    }
    for answer in answers {
        if let (Some(table_name), Err(failure)) = (&answer.table_name, &answer.outcome)
            && let Some((_, failed)) = used.get_mut(table_name.as_str())
        {
            *failed += failure.charged;
        }
    }
    used
}
