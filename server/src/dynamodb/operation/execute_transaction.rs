//! ExecuteTransaction: up to a hundred PartiQL statements that read or write as one.
//!
//! Each statement becomes the action of TransactWriteItems or the read of TransactGetItems that says the same. Faults
//! are told in the order of the statements, all that concern statements before any that concerns tables or keys; the
//! latter cancel the transaction, with a reason for every statement that has one.

use basalt_engine::model::partiql::{BoundStatement, Columns, StatementError};
use basalt_engine::model::{EncodedItem, Item, KeyError, KeySchema};
use basalt_engine::{
    ConditionCheck, Consistency, DeleteItem, Error as EngineError, GetItem, PutItem, ReturnOld, ReturnValues,
    TRANSACT_ACTIONS_MAX, TableKeys, TokenSpace, TransactAction, TransactGet, TransactToken, TransactWrite,
    UpdateItem,
};

use super::statement::{delete_condition, insert_condition, planned_key, shown, update_condition};
use super::statement_request::{CheckedStatement, StatementRequest};
use super::transact_write_items::TOKEN_LENGTH_MAX;
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::{ApiError, CancellationReason};
use crate::dynamodb::json::{BodyError, Known, Members, Reader};
use crate::dynamodb::reply::{CapacityKind, ReturnConsumedCapacity};
use crate::dynamodb::{Api, Operation, messages};

/// The members of an ExecuteTransaction request.
#[derive(Debug, Default)]
pub(crate) struct ExecuteTransactionInput {
    statements: Option<Vec<StatementRequest>>,
    client_request_token: Option<String>,
    return_consumed_capacity: Option<String>,
}

/// A statement, with what its failed condition carries.
#[derive(Debug)]
struct Member {
    statement: CheckedStatement,
    on_failure: ReturnOld,
}

/// A statement whose table was looked up.
struct Placed {
    bound: BoundStatement,
    on_failure: ReturnOld,
    table_name: String,
    /// `None` if there is no such table.
    keys: Option<TableKeys>,
}

impl Operation for ExecuteTransactionInput {
    const SHAPE: &'static str = "ExecuteTransactionInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "TransactStatements" => {
                self.statements =
                    reader.structures("ParameterizedStatement", StatementRequest::read_member)?;
            }
            "ClientRequestToken" => self.client_request_token = reader.owned_text()?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = reader.owned_text()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        let capacity =
            ReturnConsumedCapacity::check(self.return_consumed_capacity.as_deref(), &mut constraints);
        let token = self.client_request_token;
        constraints.text_length("clientRequestToken", token.as_deref(), 1..=TOKEN_LENGTH_MAX);
        constraints.required("transactStatements", &self.statements);
        let count = self.statements.as_ref().map_or(1, Vec::len);
        constraints.length("transactStatements", "[]", count, 1..=TRANSACT_ACTIONS_MAX);
        let statements = self.statements.unwrap_or_default();
        let constrain = |(position, request): (usize, &StatementRequest)| {
            request.constrain(&mut constraints, &format!("transactStatements.{}.member.", position + 1))
        };
        let on_failure: Vec<ReturnOld> = statements.iter().enumerate().map(constrain).collect();
        constraints.finish()?;

        let check = |(request, on_failure): (StatementRequest, ReturnOld)| {
            Ok(Member { statement: request.check()?, on_failure })
        };
        let members = statements.into_iter().zip(on_failure).map(check);
        let members = members.collect::<Result<Vec<_>, ApiError>>()?;
        let token = token.map(|token| TransactToken::new(TokenSpace::ExecuteTransaction, token, &members));
        let bound = understand(&members)?;
        let is_read = refuse_mixture(&bound)?;
        let placed = place(api, bound, &members).await?;
        for (position, member) in placed.iter().enumerate() {
            check_statement(member).map_err(|error| in_statement(position, error))?;
        }
        refuse_faults(&placed)?;
        if is_read { read(api, placed, capacity).await } else { write(api, placed, token, capacity).await }
    }
}

fn understand(members: &[Member]) -> Result<Vec<BoundStatement>, ApiError> {
    let bind = |(position, member): (usize, &Member)| {
        member.statement.bind().map_err(|error| in_statement(position, error))
    };
    members.iter().enumerate().map(bind).collect()
}

/// Whether the transaction reads: it reads or writes, and EXISTS belongs to writing.
fn refuse_mixture(bound: &[BoundStatement]) -> Result<bool, ApiError> {
    let reads = bound.iter().filter(|statement| matches!(statement, BoundStatement::Select(_))).count();
    if reads > 0 && reads < bound.len() {
        return Err(ApiError::validation(messages::MIXED_STATEMENT_TRANSACTION));
    }
    Ok(reads > 0)
}

async fn place(api: &Api, bound: Vec<BoundStatement>, members: &[Member]) -> Result<Vec<Placed>, ApiError> {
    let mut placed = Vec::with_capacity(bound.len());
    for (bound, member) in bound.into_iter().zip(members) {
        let table_name = api.names.resolve(bound.table_name().to_owned(), "ExecuteTransaction")?;
        let keys = match api.engine.table_keys(&table_name).await {
            Ok(keys) => Some(keys),
            Err(EngineError::TableNotFound { .. }) => None,
            Err(other) => return Err(ApiError::from_item_operation(other)),
        };
        placed.push(Placed { bound, on_failure: member.on_failure, table_name, keys });
    }
    Ok(placed)
}

/// What a statement on a table that is there may not say in a transaction.
fn check_statement(member: &Placed) -> Result<(), StatementError> {
    let Some(keys) = &member.keys else { return Ok(()) };
    let key = planned_key(keys.schema());
    match &member.bound {
        statement if statement.returning().is_some() => Err(StatementError::ReturningInTransaction),
        BoundStatement::Select(select) if select.index_name.is_some() => {
            Err(StatementError::IndexInTransaction)
        }
        BoundStatement::Select(select) if select.exact_key(&key).is_none() => {
            // What is wrong with the conditions themselves is told first.
            select.plan(&key)?;
            Err(StatementError::TransactionSelectWithoutKey)
        }
        BoundStatement::Exists(exists) if exists.index_name.is_some() => {
            Err(StatementError::IndexInTransaction)
        }
        BoundStatement::Exists(exists) => exists.checked_key(&key).map(drop),
        _ => Ok(()),
    }
}

/// Cancels the transaction if tables are missing, or keys are not those of their tables.
fn refuse_faults(placed: &[Placed]) -> Result<(), ApiError> {
    let faults: Vec<Option<CancellationReason>> = placed.iter().map(fault).collect();
    if faults.iter().all(Option::is_none) {
        return Ok(());
    }
    let reasons = faults.into_iter().map(|fault| fault.unwrap_or(CancellationReason::NONE));
    Err(ApiError::canceled(reasons.collect()))
}

fn fault(member: &Placed) -> Option<CancellationReason> {
    let Some(keys) = &member.keys else {
        return Some(CancellationReason::new("ResourceNotFound", messages::TABLE_NOT_FOUND));
    };
    let schema = keys.schema();
    let checked = match &member.bound {
        BoundStatement::Insert(insert) => schema.check_item(&insert.item).map_err(|fault| fault.to_string()),
        other => check_key(other, schema),
    };
    checked.err().map(|text| CancellationReason::new("ValidationError", text))
}

/// Checks the key that a statement other than INSERT names.
fn check_key(statement: &BoundStatement, schema: &KeySchema) -> Result<(), String> {
    let key = planned_key(schema);
    let named = match statement {
        BoundStatement::Update(update) => update.key(&key),
        BoundStatement::Delete(delete) => delete.key(&key),
        BoundStatement::Select(select) => select.exact_key(&key).ok_or(StatementError::KeyMissing),
        BoundStatement::Exists(exists) => exists.checked_key(&key).map(|(item, _rest)| item),
        BoundStatement::Insert(_) => return Ok(()),
    };
    // A key that is not whole does not match the schema either, and that is what a transaction says of it.
    let named = named.map_err(|fault| match fault {
        StatementError::KeyMissing => KeyError::SchemaMismatch.to_string(),
        other => other.to_string(),
    })?;
    schema.check_key(&named).map_err(|fault| fault.to_string())
}

async fn read(api: &Api, placed: Vec<Placed>, capacity: ReturnConsumedCapacity) -> Result<Vec<u8>, ApiError> {
    let mut reads = Vec::with_capacity(placed.len());
    let mut columns = Vec::with_capacity(placed.len());
    for member in placed {
        let (BoundStatement::Select(select), Some(keys)) = (member.bound, member.keys) else { continue };
        reads.push(GetItem {
            table_name: member.table_name,
            key: select.exact_key(&planned_key(keys.schema())).unwrap_or_default(),
            projection: select.columns.as_ref().map(Columns::attributes),
            consistency: Consistency::Transactional,
        });
        columns.push(select.columns);
    }
    let table_names: Vec<String> = reads.iter().map(|read| read.table_name.clone()).collect();
    let output = api.engine.transact_get(TransactGet { reads }).await;
    let output = output.map_err(ApiError::from_item_operation)?;
    let mut writer = api.writer();
    let mut members = writer.object();
    let mut responses = members.value_of("Responses").array();
    for (read, columns) in output.reads.iter().zip(&columns) {
        // Unlike TransactGetItems, an item of which the columns show nothing is told, empty.
        let items: Vec<EncodedItem> = read.item.iter().cloned().collect();
        let items = shown(items, columns.as_ref())?;
        responses.element().object().item("Item", items.first())?;
    }
    drop(responses);
    let used = table_names.iter().zip(&output.reads);
    let used = used.map(|(table_name, read)| (table_name.as_str(), &read.capacity));
    members.transaction_capacities(capacity, CapacityKind::Read, used);
    drop(members);
    Ok(writer.into_bytes())
}

async fn write(
    api: &Api,
    placed: Vec<Placed>,
    token: Option<TransactToken>,
    capacity: ReturnConsumedCapacity,
) -> Result<Vec<u8>, ApiError> {
    let is_insert: Vec<bool> =
        placed.iter().map(|member| matches!(member.bound, BoundStatement::Insert(_))).collect();
    let actions = placed.into_iter().map(action).collect::<Result<Vec<_>, ApiError>>()?;
    let output = api.engine.transact_write(TransactWrite { actions, token }).await;
    let output = output.map_err(|error| canceled(error, &is_insert))?;
    let mut writer = api.writer();
    let mut members = writer.object();
    write_empty_responses(&mut members, output.actions.len());
    let kind = if output.is_replay { CapacityKind::Read } else { CapacityKind::Write };
    let used = output.actions.iter().map(|action| (action.table_name.as_str(), &action.capacity));
    members.transaction_capacities(capacity, kind, used);
    drop(members);
    Ok(writer.into_bytes())
}

/// The action that a statement is, on a table that is there, of a key that fits.
fn action(member: Placed) -> Result<TransactAction, ApiError> {
    let Some(keys) = member.keys else { return Err(ApiError::validation(messages::TABLE_NOT_FOUND)) };
    let schema = keys.schema();
    let key = planned_key(schema);
    let (table_name, on_failure) = (member.table_name, member.on_failure);
    Ok(match member.bound {
        BoundStatement::Insert(insert) => TransactAction::Put(PutItem {
            table_name,
            item: insert.item,
            condition: Some(insert_condition(schema)),
            return_values: ReturnOld::None,
            return_values_on_condition_check_failure: ReturnOld::None,
        }),
        BoundStatement::Update(update) => TransactAction::Update(UpdateItem {
            table_name,
            key: update.key(&key)?,
            update: Some(update.update),
            condition: Some(update_condition(schema, update.condition)),
            return_values: ReturnValues::None,
            return_values_on_condition_check_failure: on_failure,
        }),
        BoundStatement::Delete(delete) => TransactAction::Delete(DeleteItem {
            table_name,
            key: delete.key(&key)?,
            condition: Some(delete_condition(schema, delete.condition)),
            return_values: ReturnOld::None,
            return_values_on_condition_check_failure: on_failure,
        }),
        BoundStatement::Exists(exists) => {
            let (key, condition): (Item, _) = exists.checked_key(&key)?;
            TransactAction::ConditionCheck(ConditionCheck {
                table_name,
                key,
                condition,
                return_values_on_condition_check_failure: on_failure,
            })
        }
        BoundStatement::Select(_) => return Err(ApiError::validation(messages::MIXED_STATEMENT_TRANSACTION)),
    })
}

/// The failed condition of an INSERT has a name of its own.
fn canceled(error: EngineError, is_insert: &[bool]) -> ApiError {
    let EngineError::TransactionCanceled { reasons } = error else {
        return ApiError::from_item_operation(error);
    };
    let reasons = reasons.into_iter().zip(is_insert).map(|(reason, is_insert)| match reason {
        Some(EngineError::ConditionalCheckFailed { .. }) if *is_insert => {
            CancellationReason::new("DuplicateItem", messages::DUPLICATE_ITEM)
        }
        other => CancellationReason::from(other),
    });
    ApiError::canceled(reasons.collect())
}

fn write_empty_responses(members: &mut Members<'_>, count: usize) {
    let mut responses = members.value_of("Responses").array();
    for _ in 0..count {
        responses.element().object();
    }
}

fn in_statement(position: usize, error: StatementError) -> ApiError {
    ApiError::validation(messages::fault_in_statement(position, error))
}
