//! What transactions are asked and what they answer.

use std::fmt;

pub use basalt_format::transaction::TokenSpace;
use basalt_model::{Item, expression::Condition};

use super::digest;
use crate::operation::{
    ConsumedCapacity, DeleteItem, GetItem, GetItemOutput, ItemCollection, PutItem, ReturnOld, UpdateItem,
};

/// Actions of one transaction.
pub const TRANSACT_ACTIONS_MAX: usize = basalt_format::transaction::ACTIONS_MAX;
/// Bytes of all items and keys that one TransactWriteItems names.
pub const TRANSACT_REQUEST_BYTES_MAX: usize = 4 << 20;

/// Changes several items, all of them or none.
#[derive(Debug, Clone)]
pub struct TransactWrite {
    /// Each on another item, of any tables.
    pub actions: Vec<TransactAction>,
    /// Makes the request run once.
    pub token: Option<TransactToken>,
}

/// What a transaction does to one item. What an action asks to see of its item is not answered.
#[derive(Debug, Clone)]
pub enum TransactAction {
    /// Creates it or replaces it whole.
    Put(PutItem),
    /// Changes it or creates it.
    Update(UpdateItem),
    /// Removes it.
    Delete(DeleteItem),
    /// Leaves it as it is.
    ConditionCheck(ConditionCheck),
}

/// Lets a transaction come to pass only if an item that it does not change meets a condition.
#[derive(Debug, Clone)]
pub struct ConditionCheck {
    /// The table.
    pub table_name: String,
    /// Exactly the key attributes.
    pub key: Item,
    /// Must hold for the present item (or its absence).
    pub condition: Condition,
    /// What a failed condition carries.
    pub return_values_on_condition_check_failure: ReturnOld,
}

/// Names a request: until ten minutes after it has ended, another one of the same name is answered and not run.
#[derive(Debug, Clone)]
pub struct TransactToken {
    /// Whose token.
    pub space: TokenSpace,
    /// The client's text.
    pub token: String,
    /// Of the whole request: another one with this token is refused.
    pub digest: u128,
}

impl TransactToken {
    /// A token for a request that is known again by its debug form.
    pub fn new(space: TokenSpace, token: impl Into<String>, request: &impl fmt::Debug) -> Self {
        Self { space, token: token.into(), digest: digest::of(request) }
    }
}

/// The answer to [`TransactWrite`].
#[derive(Debug, Clone)]
pub struct TransactWriteOutput {
    /// Whether the request had run before and was only answered now. Its capacity is then read capacity.
    pub is_replay: bool,
    /// One an action, in the order of the request.
    pub actions: Vec<ActionOutput>,
}

/// What an action of a transaction used.
#[derive(Debug, Clone)]
pub struct ActionOutput {
    /// The action's table.
    pub table_name: String,
    /// Capacity used; the table's part counts twice.
    pub capacity: ConsumedCapacity,
    /// The item's collection with this change; only of a table with local indexes.
    pub item_collection: Option<ItemCollection>,
}

/// Reads several items as of one moment.
#[derive(Debug, Clone)]
pub struct TransactGet {
    /// Each of another item, of any tables. Their consistency is the transaction's, whatever they say.
    pub reads: Vec<GetItem>,
}

/// The answer to [`TransactGet`].
#[derive(Debug, Clone)]
pub struct TransactGetOutput {
    /// One a read, in the order of the request.
    pub reads: Vec<GetItemOutput>,
}

impl TransactAction {
    /// The action's table.
    pub fn table_name(&self) -> &str {
        match self {
            Self::Put(put) => &put.table_name,
            Self::Update(update) => &update.table_name,
            Self::Delete(delete) => &delete.table_name,
            Self::ConditionCheck(check) => &check.table_name,
        }
    }
}
