//! Transactions: several items of any tables, changed all or none, or read as of one moment.

mod request;

pub use request::{
    ActionOutput, ConditionCheck, TRANSACT_ACTIONS_MAX, TRANSACT_REQUEST_BYTES_MAX, TokenSpace,
    TransactAction, TransactGet, TransactGetOutput, TransactToken, TransactWrite, TransactWriteOutput,
};
