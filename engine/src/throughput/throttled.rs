//! Why an operation was not let in.

use crate::catalog::{BillingMode, Table};

/// An operation found the capacity of its table, or of global indexes, used up; nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the throughput of {table_arn} is used up")]
pub struct Throttled {
    /// The table's Amazon resource name.
    pub table_arn: String,
    /// The global indexes whose capacity it is; empty: the table's own.
    pub index_names: Vec<String>,
    /// Whether reads or writes are meant.
    pub access: ThrottledAccess,
    /// Which figure was exceeded.
    pub limit: ThrottlingLimit,
}

/// What an operation wanted to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThrottledAccess {
    /// It wanted to read.
    Read,
    /// It wanted to write.
    Write,
}

/// A figure that bounds throughput.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThrottlingLimit {
    /// What was provisioned.
    Provisioned,
    /// The maximum of what is paid for on demand.
    OnDemandMaximum,
}

/// Which of a table's buckets are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exceeded {
    /// Those of these global indexes; none: the table's own.
    pub(super) index_names: Vec<String>,
    pub(super) access: ThrottledAccess,
}

impl Throttled {
    /// An operation on `table`, whose resource name is `table_arn`, was held back.
    pub(crate) fn new(exceeded: Exceeded, table: &Table, table_arn: String) -> Self {
        let limit = match table.settings.billing_mode {
            BillingMode::PayPerRequest => ThrottlingLimit::OnDemandMaximum,
            BillingMode::Provisioned { .. } => ThrottlingLimit::Provisioned,
        };
        Self { table_arn, index_names: exceeded.index_names, access: exceeded.access, limit }
    }
}
