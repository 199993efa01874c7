//! Statements with their parameters, in the terms of the API: conditions, updates, items. No table is known yet.

use super::ast::{Delete, Expression, Insert, OrderTerm, Returning, Select, Source, Statement, Update};
use super::changes::update_of;
use super::columns::Columns;
use super::condition::ConditionTranslation;
use super::error::StatementError;
use super::literal::item_of;
use super::path::{document_path, source_name};
use super::plan::BoundSelect;
use super::statements::ParsedStatement;
use crate::expression::{self, Condition};
use crate::item::Item;
use crate::value::Value;

/// A statement that may be run.
#[derive(Debug, Clone, PartialEq)]
pub enum BoundStatement {
    /// Reads items.
    Select(BoundSelect),
    /// Adds an item.
    Insert(BoundInsert),
    /// Changes an item.
    Update(BoundUpdate),
    /// Removes an item.
    Delete(BoundDelete),
    /// Checks an item, as a part of a transaction.
    Exists(BoundSelect),
}

/// Adds an item.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundInsert {
    /// The table.
    pub table_name: String,
    /// The item.
    pub item: Item,
}

/// Changes an item.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundUpdate {
    /// The table.
    pub table_name: String,
    /// What is done.
    pub update: expression::Update,
    /// Which item, and what must hold of it.
    pub condition: Option<Condition>,
    /// What to answer with.
    pub returning: Option<Returning>,
}

/// Removes an item.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundDelete {
    /// The table.
    pub table_name: String,
    /// Which item, and what must hold of it.
    pub condition: Option<Condition>,
    /// Whether to answer with the item; nothing else can be asked for.
    pub returning: Option<Returning>,
}

impl BoundStatement {
    /// The table.
    pub fn table_name(&self) -> &str {
        match self {
            Self::Select(select) | Self::Exists(select) => &select.table_name,
            Self::Insert(insert) => &insert.table_name,
            Self::Update(update) => &update.table_name,
            Self::Delete(delete) => &delete.table_name,
        }
    }

    /// What it answers with, if it says so.
    pub fn returning(&self) -> Option<Returning> {
        match self {
            Self::Update(update) => update.returning,
            Self::Delete(delete) => delete.returning,
            Self::Select(_) | Self::Insert(_) | Self::Exists(_) => None,
        }
    }
}

impl ParsedStatement {
    /// Puts the parameters in and checks what needs no table.
    pub fn bind(&self, parameters: &[Value]) -> Result<BoundStatement, StatementError> {
        if parameters.len() != self.parameter_count {
            return Err(StatementError::ParameterCount);
        }
        match &self.statement {
            Statement::Select(select) => bind_select(select, parameters).map(BoundStatement::Select),
            Statement::Exists(select) => bind_select(select, parameters).map(BoundStatement::Exists),
            Statement::Insert(insert) => bind_insert(insert, parameters).map(BoundStatement::Insert),
            Statement::Update(update) => bind_update(update, parameters).map(BoundStatement::Update),
            Statement::Delete(delete) => bind_delete(delete, parameters).map(BoundStatement::Delete),
        }
    }
}

fn bind_select(select: &Select, parameters: &[Value]) -> Result<BoundSelect, StatementError> {
    let source = source_name(&select.source)?;
    if select.has_alias {
        return Err(StatementError::Alias);
    }
    let columns = select.columns.as_deref().map(Columns::of).transpose()?;
    let condition = condition_of(select.condition.as_ref(), parameters)?;
    if condition.is_none() && !select.order.is_empty() {
        return Err(StatementError::OrderWithoutCondition);
    }
    let attribute = |term: &OrderTerm| Ok((document_path(&term.attribute)?, term.order));
    let order = select.order.iter().map(attribute).collect::<Result<_, StatementError>>()?;
    let (table_name, index_name) = (source.table_name, source.index_name);
    Ok(BoundSelect { table_name, index_name, columns, condition, order })
}

fn bind_insert(insert: &Insert, parameters: &[Value]) -> Result<BoundInsert, StatementError> {
    let source = source_name(&insert.source)?;
    if source.index_name.is_some() {
        return Err(StatementError::InsertIntoIndex { place: insert.source.path.place });
    }
    if insert.returning.is_some() {
        return Err(StatementError::ReturningInInsert);
    }
    let item = item_of(&insert.item, parameters)?;
    Ok(BoundInsert { table_name: source.table_name, item })
}

fn bind_update(update: &Update, parameters: &[Value]) -> Result<BoundUpdate, StatementError> {
    let table_name = changed_table(&update.source)?;
    let condition = condition_of(update.condition.as_ref(), parameters)?;
    let changes = update_of(&update.changes, parameters)?;
    Ok(BoundUpdate { table_name, update: changes, condition, returning: update.returning })
}

fn bind_delete(delete: &Delete, parameters: &[Value]) -> Result<BoundDelete, StatementError> {
    let table_name = changed_table(&delete.source)?;
    let condition = condition_of(delete.condition.as_ref(), parameters)?;
    match delete.returning {
        None | Some(Returning::AllOld) => {
            Ok(BoundDelete { table_name, condition, returning: delete.returning })
        }
        Some(other) => Err(StatementError::ReturningInDelete { returning: other.name() }),
    }
}

/// The table of an update or delete, which have no index.
fn changed_table(source: &Source) -> Result<String, StatementError> {
    let source = source_name(source)?;
    match source.index_name {
        None => Ok(source.table_name),
        Some(_) => Err(StatementError::ChangeOfIndex),
    }
}

fn condition_of(
    condition: Option<&Expression>,
    parameters: &[Value],
) -> Result<Option<Condition>, StatementError> {
    let translation = ConditionTranslation { parameters };
    condition.map(|condition| translation.condition(condition)).transpose()
}
