//! What a table is set to; kept and told, and changed by UpdateTable.

use std::collections::BTreeMap;

use basalt_runtime::UnixTime;

use super::WarmThroughput;

/// A day of UTC.
const DAY_US: u64 = 86_400_000_000;

/// How a table's capacity is paid for.
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

/// Limits on what is paid for on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OnDemandMaximum {
    /// Read units a second; `None`: no limit.
    pub read_units: Option<u64>,
    /// Write units a second; `None`: no limit.
    pub write_units: Option<u64>,
}

/// When a table's provisioned figures last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ThroughputHistory {
    /// When one last grew, in microseconds since 1970.
    pub last_increase_unix_us: Option<u64>,
    /// When one last shrank, in microseconds since 1970.
    pub last_decrease_unix_us: Option<u64>,
    /// How often they shrank on the day, of UTC, of the last decrease.
    pub(crate) decreases_that_day: u64,
}

impl ThroughputHistory {
    /// Tells of what has changed since `before` when it began, not when it came to its end.
    pub(crate) fn as_change_begins(&mut self, before: &Self, now: UnixTime) {
        let told = [
            (&mut self.last_increase_unix_us, before.last_increase_unix_us),
            (&mut self.last_decrease_unix_us, before.last_decrease_unix_us),
        ];
        for (time, before) in told {
            if *time != before {
                *time = Some(now.as_micros());
            }
        }
    }

    /// How often the figures shrank on the day that it is.
    pub(crate) fn decreases_today(&self, now: UnixTime) -> u64 {
        let day = |unix_us: u64| unix_us / DAY_US;
        match self.last_decrease_unix_us {
            Some(last) if day(last) == day(now.as_micros()) => self.decreases_that_day,
            _ => 0,
        }
    }
}

/// Everything of a table that may change while it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableSettings {
    pub(crate) billing_mode: BillingMode,
    pub(crate) last_pay_per_request_unix_us: Option<u64>,
    pub(crate) on_demand_maximum: OnDemandMaximum,
    pub(crate) warm_throughput: WarmThroughput,
    pub(crate) throughput_history: ThroughputHistory,
    pub(crate) table_class: Option<TableClass>,
    pub(crate) deletion_protection: DeletionProtection,
    pub(crate) tags: BTreeMap<String, String>,
}
