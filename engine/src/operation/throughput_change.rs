//! Changes of what a table and its global indexes may use, as UpdateTable asks for them.

use std::sync::Arc;

use basalt_runtime::UnixTime;

use super::{GlobalIndexChange, UpdateTable};
use crate::{
    catalog::{
        BillingMode, GlobalIndex, IndexThroughput, OnDemandMaximum, ProvisionedThroughput, Table,
        TableSettings, ThroughputHistory, WarmThroughput,
    },
    error::{Error, ValidationError},
};

/// No table or index can be given more units a second than these, of reads or of writes.
pub const CAPACITY_UNITS_MAX: u64 = 1_000_000_000_000;

/// New figures of a table or of a global index; what is not named stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ThroughputChange {
    /// Units a second.
    pub provisioned: Option<ProvisionedThroughput>,
    /// The limit on reads that are paid for on demand.
    pub read_maximum: MaximumChange,
    /// The limit on writes that are paid for on demand.
    pub write_maximum: MaximumChange,
    /// What it is asked to take at once.
    pub warm_throughput: WarmThroughput,
}

/// A change of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MaximumChange {
    /// It stays.
    #[default]
    Keep,
    /// There is none from now on.
    Remove,
    /// So many units a second, at least 1.
    Set(u64),
}

impl UpdateTable {
    /// Checks what needs no table.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        if self.changes_anything() { Ok(()) } else { Err(ValidationError::NothingToUpdate.into()) }
    }

    /// The table with the settings that this request wants.
    pub(crate) fn apply(&self, table: &Table, now: UnixTime) -> Result<Table, Error> {
        let settings = self.settings_over(&table.settings, now)?;
        let global_indexes = self.indexes_over(table, settings.billing_mode)?;
        Ok(Table { settings, global_indexes, ..Table::clone(table) })
    }

    fn settings_over(&self, present: &TableSettings, now: UnixTime) -> Result<TableSettings, Error> {
        let billing_mode = self.billing_over(present.billing_mode)?;
        let switched =
            billing_mode == BillingMode::PayPerRequest && present.billing_mode != BillingMode::PayPerRequest;
        let subject = "table";
        Ok(TableSettings {
            billing_mode,
            last_pay_per_request_unix_us: switched
                .then(|| now.as_micros())
                .or(present.last_pay_per_request_unix_us),
            on_demand_maximum: self.throughput.maximum_over(
                present.on_demand_maximum,
                billing_mode,
                subject,
            )?,
            warm_throughput: warm_over(self.throughput.warm_throughput, present.warm_throughput),
            throughput_history: history_over(present, billing_mode, now),
            table_class: self.table_class.or(present.table_class),
            deletion_protection: self.deletion_protection.unwrap_or(present.deletion_protection),
            tags: present.tags.clone(),
        })
    }

    /// Figures alone are a change of a provisioned table; the same figures again are refused.
    fn billing_over(&self, present: BillingMode) -> Result<BillingMode, Error> {
        let wanted = match (self.billing_mode, self.throughput.provisioned) {
            (None, None) => return Ok(present),
            (None, Some(_)) if present == BillingMode::PayPerRequest => {
                return Err(ValidationError::CapacityWithPayPerRequest.into());
            }
            (None, Some(units)) => units.into(),
            (Some(mode), _) => mode,
        };
        match (wanted, present) {
            (BillingMode::Provisioned { .. }, _) if wanted == present => {
                Err(unchanged("the table", "the table", provisioned_units(present)))
            }
            _ => Ok(wanted),
        }
    }

    fn indexes_over(&self, table: &Table, billing_mode: BillingMode) -> Result<Vec<Arc<GlobalIndex>>, Error> {
        let updates = || {
            self.index_changes.iter().filter_map(|change| match change {
                GlobalIndexChange::Update { index_name, throughput } => Some((index_name, throughput)),
                GlobalIndexChange::Create(_) | GlobalIndexChange::Delete { .. } => None,
            })
        };
        if updates().any(|(_, throughput)| throughput.provisioned.is_some_and(|units| !units.is_in_bounds()))
        {
            return Err(ValidationError::IndexUpdateBlocked.into());
        }
        if let Some((index_name, _)) = updates().find(|(name, _)| table.global_index(name).is_none()) {
            return Err(ValidationError::IndexNotFound { index_name: index_name.clone() }.into());
        }
        let mut indexes = Vec::with_capacity(table.global_indexes.len());
        for index in &table.global_indexes {
            let change = updates().find(|(name, _)| **name == *index.name).map(|(_, change)| *change);
            let throughput = change.unwrap_or_default().index_over(index, billing_mode)?;
            indexes.push(if throughput == index.throughput {
                Arc::clone(index)
            } else {
                Arc::new(GlobalIndex { throughput, ..GlobalIndex::clone(index) })
            });
        }
        refuse_missing_capacity(&indexes, billing_mode)?;
        Ok(indexes)
    }

    fn changes_anything(&self) -> bool {
        self.billing_mode.is_some()
            || self.throughput != ThroughputChange::default()
            || self.table_class.is_some()
            || self.deletion_protection.is_some()
            || self.stream.is_some()
            || !self.index_changes.is_empty()
    }
}

impl ThroughputChange {
    fn index_over(&self, index: &GlobalIndex, billing_mode: BillingMode) -> Result<IndexThroughput, Error> {
        let present = &index.throughput;
        let is_on_demand = billing_mode == BillingMode::PayPerRequest;
        if let Some(wanted) = self.provisioned {
            if is_on_demand {
                let index_name = index.name.to_string();
                return Err(ValidationError::IndexCapacityWithPayPerRequest { index_name }.into());
            }
            if present.provisioned == Some(wanted) {
                return Err(unchanged(&format!("the index {}", index.name), "the index", wanted));
            }
        }
        let provisioned = self.provisioned.or(present.provisioned).filter(|_| !is_on_demand);
        let subject = format!("index: {}", index.name);
        Ok(IndexThroughput {
            provisioned,
            on_demand_maximum: self.maximum_over(present.on_demand_maximum, billing_mode, &subject)?,
            warm_throughput: warm_over(self.warm_throughput, present.warm_throughput),
        })
    }

    /// Maxima are of what is paid for on demand: a switch to provisioned figures clears them.
    fn maximum_over(
        &self,
        present: OnDemandMaximum,
        billing_mode: BillingMode,
        subject: &str,
    ) -> Result<OnDemandMaximum, Error> {
        let members =
            [("MaxReadRequestUnits", self.read_maximum), ("MaxWriteRequestUnits", self.write_maximum)];
        if billing_mode != BillingMode::PayPerRequest {
            return match members.into_iter().find(|(_, change)| *change != MaximumChange::Keep) {
                Some((member, _)) => Err(ValidationError::OnDemandMaximumOfProvisioned { member }.into()),
                None => Ok(OnDemandMaximum::default()),
            };
        }
        if let Some((member, _)) = members.into_iter().find(|(_, change)| *change == MaximumChange::Set(0)) {
            let subject = subject.to_owned();
            return Err(ValidationError::OnDemandMaximumOutOfRange { member, subject }.into());
        }
        Ok(OnDemandMaximum {
            read_units: self.read_maximum.over(present.read_units),
            write_units: self.write_maximum.over(present.write_units),
        })
    }
}

impl MaximumChange {
    fn over(self, present: Option<u64>) -> Option<u64> {
        match self {
            Self::Keep => present,
            Self::Remove => None,
            Self::Set(units) => Some(units),
        }
    }
}

impl ProvisionedThroughput {
    fn is_in_bounds(self) -> bool {
        self.read_capacity_units.max(self.write_capacity_units) <= CAPACITY_UNITS_MAX
    }
}

impl From<ProvisionedThroughput> for BillingMode {
    fn from(units: ProvisionedThroughput) -> Self {
        let ProvisionedThroughput { read_capacity_units, write_capacity_units } = units;
        Self::Provisioned { read_capacity_units, write_capacity_units }
    }
}

/// Every index of a provisioned table has figures of its own.
fn refuse_missing_capacity(indexes: &[Arc<GlobalIndex>], billing_mode: BillingMode) -> Result<(), Error> {
    if billing_mode == BillingMode::PayPerRequest {
        return Ok(());
    }
    let lacking = indexes.iter().filter(|index| index.throughput.provisioned.is_none());
    let index_names: Vec<&str> = lacking.map(|index| &*index.name).collect();
    if index_names.is_empty() {
        return Ok(());
    }
    Err(ValidationError::IndexCapacityMissing { index_names: index_names.join(",") }.into())
}

fn unchanged(subject: &str, kind: &'static str, units: ProvisionedThroughput) -> Error {
    let ProvisionedThroughput { read_capacity_units: reads, write_capacity_units: writes } = units;
    ValidationError::ThroughputUnchanged { subject: subject.to_owned(), kind, reads, writes }.into()
}

fn warm_over(wanted: WarmThroughput, present: WarmThroughput) -> WarmThroughput {
    WarmThroughput {
        read_units: wanted.read_units.or(present.read_units),
        write_units: wanted.write_units.or(present.write_units),
    }
}

/// A table that is paid for on demand has no units.
fn provisioned_units(billing_mode: BillingMode) -> ProvisionedThroughput {
    let (read_capacity_units, write_capacity_units) = match billing_mode {
        BillingMode::PayPerRequest => (0, 0),
        BillingMode::Provisioned { read_capacity_units, write_capacity_units } => {
            (read_capacity_units, write_capacity_units)
        }
    };
    ProvisionedThroughput { read_capacity_units, write_capacity_units }
}

/// A switch to paying on demand is neither more nor less.
fn history_over(present: &TableSettings, billing_mode: BillingMode, now: UnixTime) -> ThroughputHistory {
    let (before, after) = (provisioned_units(present.billing_mode), provisioned_units(billing_mode));
    let mut history = present.throughput_history;
    if billing_mode == BillingMode::PayPerRequest {
        return history;
    }
    let grows = after.read_capacity_units > before.read_capacity_units
        || after.write_capacity_units > before.write_capacity_units;
    let shrinks = after.read_capacity_units < before.read_capacity_units
        || after.write_capacity_units < before.write_capacity_units;
    // When the change begins is told by the answer to the request, and when it has come to its end by what is told
    // from then on; clients see times in milliseconds, and these two differ.
    let ended_unix_us = now.as_micros() + 1000;
    if grows {
        history.last_increase_unix_us = Some(ended_unix_us);
    }
    if shrinks {
        history.decreases_that_day = history.decreases_today(now) + 1;
        history.last_decrease_unix_us = Some(ended_unix_us);
    }
    history
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::catalog::{DeletionProtection, TableClass};

    const DAY_US: u64 = 86_400_000_000;

    fn provisioned(read_capacity_units: u64, write_capacity_units: u64) -> BillingMode {
        BillingMode::Provisioned { read_capacity_units, write_capacity_units }
    }

    fn present(billing_mode: BillingMode) -> TableSettings {
        TableSettings {
            billing_mode,
            last_pay_per_request_unix_us: None,
            on_demand_maximum: OnDemandMaximum::default(),
            warm_throughput: WarmThroughput::default(),
            throughput_history: ThroughputHistory::default(),
            table_class: Some(TableClass::Standard),
            deletion_protection: DeletionProtection::Enabled,
            tags: BTreeMap::new(),
        }
    }

    fn to(billing_mode: BillingMode) -> UpdateTable {
        UpdateTable { billing_mode: Some(billing_mode), ..UpdateTable::default() }
    }

    fn at(unix_us: u64) -> UnixTime {
        UnixTime::from_micros(unix_us)
    }

    #[test]
    fn an_update_keeps_what_it_does_not_name() {
        let before = present(provisioned(1, 2));
        let after = to(BillingMode::PayPerRequest).settings_over(&before, at(7)).unwrap();
        assert_eq!(
            after,
            TableSettings {
                billing_mode: BillingMode::PayPerRequest,
                last_pay_per_request_unix_us: Some(7),
                ..before
            }
        );
        let unprotected =
            UpdateTable { deletion_protection: Some(DeletionProtection::Disabled), ..UpdateTable::default() };
        let later = unprotected.settings_over(&after, at(8)).unwrap();
        assert_eq!(later.last_pay_per_request_unix_us, Some(7));
    }

    #[test]
    fn increases_and_decreases_are_remembered_and_decreases_counted_by_the_day() {
        let mut settings = present(provisioned(5, 5));
        for (mode, time) in [(provisioned(5, 6), 1), (provisioned(4, 6), 2), (provisioned(3, 7), 3)] {
            settings = to(mode).settings_over(&settings, at(time)).unwrap();
        }
        let history = settings.throughput_history;
        assert_eq!((history.last_increase_unix_us, history.last_decrease_unix_us), (Some(1003), Some(1003)));
        assert_eq!(history.decreases_today(at(DAY_US - 1)), 2);
        assert_eq!(history.decreases_today(at(DAY_US)), 0, "another day");
        let next_day = to(provisioned(1, 1)).settings_over(&settings, at(DAY_US)).unwrap();
        assert_eq!(next_day.throughput_history.decreases_today(at(DAY_US)), 1);
    }

    #[test]
    fn the_same_figures_again_are_refused() {
        let told =
            to(provisioned(5, 5)).settings_over(&present(provisioned(5, 5)), at(1)).unwrap_err().to_string();
        assert_eq!(
            told,
            "The provisioned throughput for the table will not change. The requested value equals the current value. \
             Current ReadCapacityUnits provisioned for the table: 5. Requested ReadCapacityUnits: 5. \
             Current WriteCapacityUnits provisioned for the table: 5. Requested WriteCapacityUnits: 5. \
             Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
        );
        to(BillingMode::PayPerRequest).settings_over(&present(BillingMode::PayPerRequest), at(1)).unwrap();
    }

    #[test]
    fn maxima_are_merged_removed_and_cleared() {
        let maximum = |read_maximum, write_maximum| UpdateTable {
            throughput: ThroughputChange { read_maximum, write_maximum, ..ThroughputChange::default() },
            ..UpdateTable::default()
        };
        use MaximumChange::{Keep, Remove, Set};
        let settings = present(BillingMode::PayPerRequest);
        let settings = maximum(Set(5), Set(6)).settings_over(&settings, at(1)).unwrap();
        let settings = maximum(Keep, Remove).settings_over(&settings, at(1)).unwrap();
        assert_eq!(settings.on_demand_maximum, OnDemandMaximum { read_units: Some(5), write_units: None });
        let switched = to(provisioned(1, 1)).settings_over(&settings, at(1)).unwrap();
        assert_eq!(switched.on_demand_maximum, OnDemandMaximum::default());
        let refused = maximum(Keep, Set(1)).settings_over(&switched, at(1)).unwrap_err().to_string();
        assert!(
            refused.contains("MaxWriteRequestUnits for OnDemandThroughput cannot be specified"),
            "{refused}"
        );
        let refused = maximum(Set(0), Keep).settings_over(&settings, at(1)).unwrap_err().to_string();
        assert!(
            refused.contains("Requested MaxReadRequestUnits for OnDemandThroughput for table"),
            "{refused}"
        );
    }
}
