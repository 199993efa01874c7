//! Transactions: several items of any tables, changed all or none, or read as of one moment.
//!
//! On one shard a transaction is one evaluation and one frame of the log. Over several shards each of them prepares its
//! items, then one decision is made durable in the ledger, the partition of the first action, then each shard commits.
//! Bytes: format-spec/spec/transaction.md. How it runs: `shard::transact`.
//!
//! Invariants:
//! - A prepared item takes no other write, and no transaction reads it.
//! - A transaction is committed exactly if its decision is durable; then every shard commits, whatever crashes.
//! - Nobody waits while he holds anything that another one may wait for.
//!
//! Here is what needs no shard: requests, their plans, and the tables of locks, tokens and pauses.

mod digest;
mod locks;
mod pauses;
mod plan;
mod request;
mod tokens;

pub(crate) use locks::Locks;
pub(crate) use pauses::Pauses;
pub(crate) use plan::{ActionEffect, PlannedAction, PlannedRead, TransactWritePlan};
pub use request::{
    ActionOutput, ConditionCheck, TRANSACT_ACTIONS_MAX, TRANSACT_REQUEST_BYTES_MAX, TokenSpace,
    TransactAction, TransactGet, TransactGetOutput, TransactToken, TransactWrite, TransactWriteOutput,
};
pub(crate) use tokens::{Claim, TOKEN_LIFETIME_US, TokenHash, TokenPlace, Tokens};
