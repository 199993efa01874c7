//! What a table is set to; kept and told, and changed by UpdateTable.

use std::collections::BTreeMap;

/// How a table's capacity is paid for. Figures are kept and told; nothing is throttled by them yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BillingMode {
    /// On demand.
    PayPerRequest,
    /// A fixed number of units a second.
    Provisioned {
        /// Read units a second.
        read_capacity_units: u64,
        /// Write units a second.
        write_capacity_units: u64,
    },
}

/// DynamoDB's storage classes; they store alike here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TableClass {
    /// The default.
    #[default]
    Standard,
    /// Named by the client at creation.
    StandardInfrequentAccess,
}

/// Whether DeleteTable is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeletionProtection {
    /// The table may be deleted.
    #[default]
    Disabled,
    /// DeleteTable is refused.
    Enabled,
}

/// Limits on what is paid for on demand; kept and told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OnDemandMaximum {
    /// Read units a second; `None`: no limit.
    pub read_units: Option<u64>,
    /// Write units a second; `None`: no limit.
    pub write_units: Option<u64>,
}

/// Everything of a table that may change while it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableSettings {
    pub(crate) billing_mode: BillingMode,
    pub(crate) last_pay_per_request_unix_us: Option<u64>,
    pub(crate) on_demand_maximum: OnDemandMaximum,
    pub(crate) table_class: Option<TableClass>,
    pub(crate) deletion_protection: DeletionProtection,
    pub(crate) tags: BTreeMap<String, String>,
}
