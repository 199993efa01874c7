//! What the table operations take and tell, and the checks that come before any of them.

use std::collections::BTreeMap;

use basalt_model::KeySchema;
use basalt_runtime::UnixTime;

use crate::{
    catalog::{BillingMode, DeletionProtection, OnDemandMaximum, Table, TableClass, TableId, TableSettings},
    error::{Error, ValidationError},
    options::EngineOptions,
};

/// The shortest name of a table.
const TABLE_NAME_CHARACTERS_MIN: usize = 3;
/// The longest name of a table.
const TABLE_NAME_CHARACTERS_MAX: usize = 255;

/// Where a table is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableStatus {
    /// Its catalog entry is being made durable. CreateTable answers so, as DynamoDB does.
    Creating,
    /// Takes reads and writes.
    Active,
    /// Its catalog entry is gone or going; DeleteTable answers so.
    Deleting,
}

/// Makes a table.
#[derive(Debug, Clone)]
pub struct CreateTable {
    /// 3 to 255 of `a-zA-Z0-9_.-`.
    pub table_name: String,
    /// Partition key and sort key.
    pub key_schema: KeySchema,
    /// How capacity is paid for.
    pub billing_mode: BillingMode,
    /// Storage class; `None` if the client named none, and then none is told.
    pub table_class: Option<TableClass>,
    /// Limits on what is paid for on demand.
    pub on_demand_maximum: OnDemandMaximum,
    /// Whether deletion is refused until this is changed.
    pub deletion_protection: DeletionProtection,
    /// Tags by key.
    pub tags: BTreeMap<String, String>,
}

/// Changes a table's settings; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct UpdateTable {
    /// The table.
    pub table_name: String,
    /// How capacity is paid for.
    pub billing_mode: Option<BillingMode>,
    /// Storage class.
    pub table_class: Option<TableClass>,
    /// Limits on what is paid for on demand.
    pub on_demand_maximum: Option<OnDemandMaximum>,
    /// Whether deletion is refused.
    pub deletion_protection: Option<DeletionProtection>,
}

/// Lists tables by name, in the order of their bytes.
#[derive(Debug, Clone, Default)]
pub struct ListTables {
    /// Names after this one; it need not exist.
    pub exclusive_start_table_name: Option<String>,
    /// At most so many names; `None`: 100.
    pub limit: Option<u32>,
}

/// A page of table names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListTablesOutput {
    /// The names, in order.
    pub table_names: Vec<String>,
    /// The last name told, if more follow.
    pub last_evaluated_table_name: Option<String>,
}

/// What a table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDescription {
    /// Its name.
    pub table_name: String,
    /// Its identity.
    pub table_id: TableId,
    /// Its Amazon resource name, of the configured region and account.
    pub table_arn: String,
    /// Where it is in its life.
    pub status: TableStatus,
    /// When it was made, in microseconds since 1970.
    pub created_unix_us: u64,
    /// Partition key and sort key.
    pub key_schema: KeySchema,
    /// How capacity is paid for.
    pub billing_mode: BillingMode,
    /// When it was last switched to pay per request, in microseconds since 1970; `None` if it never was.
    pub last_pay_per_request_unix_us: Option<u64>,
    /// The storage class, if one was named.
    pub table_class: Option<TableClass>,
    /// Limits on what is paid for on demand.
    pub on_demand_maximum: OnDemandMaximum,
    /// Whether deletion is refused.
    pub deletion_protection: DeletionProtection,
    /// Tags by key.
    pub tags: BTreeMap<String, String>,
    /// Items stored now.
    pub item_count: u64,
    /// Bytes stored now.
    pub size_bytes: u64,
}

impl CreateTable {
    /// A table that is paid for on demand and may be deleted.
    pub fn new(table_name: impl Into<String>, key_schema: KeySchema) -> Self {
        Self {
            table_name: table_name.into(),
            key_schema,
            billing_mode: BillingMode::PayPerRequest,
            table_class: None,
            on_demand_maximum: OnDemandMaximum::default(),
            deletion_protection: DeletionProtection::Disabled,
            tags: BTreeMap::new(),
        }
    }

    /// What the table is to be set to.
    pub(crate) fn settings(&self) -> TableSettings {
        TableSettings {
            billing_mode: self.billing_mode,
            last_pay_per_request_unix_us: None,
            on_demand_maximum: self.on_demand_maximum,
            table_class: self.table_class,
            deletion_protection: self.deletion_protection,
            tags: self.tags.clone(),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        if !is_table_name(&self.table_name) {
            return Err(ValidationError::TableName.into());
        }
        if let Some(sort) = &self.key_schema.sort
            && sort.name == self.key_schema.partition.name
        {
            return Err(ValidationError::KeyAttributesShareName.into());
        }
        Ok(())
    }
}

impl UpdateTable {
    /// The table's settings with this request's changes.
    pub(crate) fn settings_over(
        self,
        present: &TableSettings,
        now: UnixTime,
    ) -> Result<TableSettings, Error> {
        if !self.changes_anything() {
            return Err(ValidationError::NothingToUpdate.into());
        }
        let billing_mode = self.billing_mode.unwrap_or(present.billing_mode);
        let switched =
            billing_mode == BillingMode::PayPerRequest && present.billing_mode != BillingMode::PayPerRequest;
        Ok(TableSettings {
            billing_mode,
            last_pay_per_request_unix_us: switched
                .then(|| now.as_micros())
                .or(present.last_pay_per_request_unix_us),
            on_demand_maximum: self.on_demand_maximum.unwrap_or(present.on_demand_maximum),
            table_class: self.table_class.or(present.table_class),
            deletion_protection: self.deletion_protection.unwrap_or(present.deletion_protection),
            tags: present.tags.clone(),
        })
    }

    fn changes_anything(&self) -> bool {
        self.billing_mode.is_some()
            || self.table_class.is_some()
            || self.on_demand_maximum.is_some()
            || self.deletion_protection.is_some()
    }
}

impl TableDescription {
    /// Describes `table` with the counts that its partitions gave.
    pub(crate) fn of(
        table: &Table,
        status: TableStatus,
        counts: TableCounts,
        options: &EngineOptions,
    ) -> Self {
        let EngineOptions { region, account_id, .. } = options;
        Self {
            table_name: table.name.to_string(),
            table_id: table.id,
            table_arn: format!("arn:aws:dynamodb:{region}:{account_id}:table/{}", table.name),
            status,
            created_unix_us: table.created_unix_us,
            key_schema: table.schema().clone(),
            billing_mode: table.settings.billing_mode,
            last_pay_per_request_unix_us: table.settings.last_pay_per_request_unix_us,
            table_class: table.settings.table_class,
            on_demand_maximum: table.settings.on_demand_maximum,
            deletion_protection: table.settings.deletion_protection,
            tags: table.settings.tags.clone(),
            item_count: counts.item_count,
            size_bytes: counts.size_bytes,
        }
    }
}

/// What a table holds, or what one shard holds of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TableCounts {
    pub(crate) item_count: u64,
    pub(crate) size_bytes: u64,
}

impl std::iter::Sum for TableCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, one| Self {
            item_count: sum.item_count + one.item_count,
            size_bytes: sum.size_bytes + one.size_bytes,
        })
    }
}

fn is_table_name(name: &str) -> bool {
    (TABLE_NAME_CHARACTERS_MIN..=TABLE_NAME_CHARACTERS_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_are_3_to_255_of_the_allowed_characters() {
        for good in ["abc", "A.b-c_9", &"a".repeat(255)] {
            assert!(is_table_name(good), "{good}");
        }
        for bad in ["", "ab", &"a".repeat(256), "with space", "täble"] {
            assert!(!is_table_name(bad), "{bad}");
        }
    }

    #[test]
    fn an_update_keeps_what_it_does_not_name() {
        let present = TableSettings {
            billing_mode: BillingMode::Provisioned { read_capacity_units: 1, write_capacity_units: 2 },
            last_pay_per_request_unix_us: None,
            on_demand_maximum: OnDemandMaximum::default(),
            table_class: Some(TableClass::Standard),
            deletion_protection: DeletionProtection::Enabled,
            tags: BTreeMap::new(),
        };
        let now = UnixTime::from_micros(7);
        let on_demand =
            UpdateTable { billing_mode: Some(BillingMode::PayPerRequest), ..UpdateTable::default() };
        let changed = on_demand.settings_over(&present, now).unwrap();
        assert_eq!(
            changed,
            TableSettings {
                billing_mode: BillingMode::PayPerRequest,
                last_pay_per_request_unix_us: Some(7),
                ..present.clone()
            }
        );
        let unprotected =
            UpdateTable { deletion_protection: Some(DeletionProtection::Disabled), ..UpdateTable::default() };
        assert_eq!(unprotected.settings_over(&changed, now).unwrap().last_pay_per_request_unix_us, Some(7));
        assert!(UpdateTable::default().settings_over(&present, now).is_err());
    }
}
