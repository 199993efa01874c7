//! What the table operations take and tell, and the checks that come before any of them.

use std::collections::BTreeMap;

use basalt_format::{
    key_encoding::{LOCAL_INDEX_TAGS, TAG_LOCAL_INDEX_FIRST},
    superblock::RowCount,
};
use basalt_model::{KeyAttribute, KeySchema};
use basalt_runtime::UnixTime;
use basalt_storage::PartitionStats;

use super::{tags::check_tags, throughput_change::ThroughputChange};
use crate::{
    catalog::{
        BillingMode, DeletionProtection, GlobalIndexDefinition, IndexProjection, IndexStatus,
        LocalIndexDefinition, OnDemandMaximum, StreamDescription, StreamViewType, Table, TableClass,
        TableDefinition, TableId, TableSettings, ThroughputHistory, TimeToLive, WarmThroughput,
    },
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
    /// Takes reads and writes while a change of it takes its course; UpdateTable answers so.
    Updating,
    /// Its catalog entry is gone or going; DeleteTable answers so.
    Deleting,
}

impl TableStatus {
    /// The status of a table that no request is changing: indexes may be on their way.
    pub(crate) fn of(table: &Table) -> Self {
        let is_in_the_way = |status| match status {
            IndexStatus::Active | IndexStatus::Creating { backfilling: true } => false,
            IndexStatus::Creating { backfilling: false } | IndexStatus::Deleting => true,
        };
        let is_changing = table.global_indexes.iter().any(|index| is_in_the_way(index.status));
        if is_changing { Self::Updating } else { Self::Active }
    }
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
    /// What it is asked to take at once.
    pub warm_throughput: WarmThroughput,
    /// Whether deletion is refused until this is changed.
    pub deletion_protection: DeletionProtection,
    /// Tags by key.
    pub tags: BTreeMap<String, String>,
    /// Its local indexes: it can get no others later.
    pub local_indexes: Vec<LocalIndexDefinition>,
    /// Its first global indexes.
    pub global_indexes: Vec<GlobalIndexDefinition>,
    /// Enables a stream.
    pub stream: Option<StreamViewType>,
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
    /// Figures of its capacity.
    pub throughput: ThroughputChange,
    /// Whether deletion is refused.
    pub deletion_protection: Option<DeletionProtection>,
    /// Changes of global indexes.
    pub index_changes: Vec<GlobalIndexChange>,
    /// Enables or disables the table's stream.
    pub stream: Option<StreamChange>,
}

/// One change of a table's global indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GlobalIndexChange {
    /// Makes an index and fills it with what the table holds.
    Create(GlobalIndexDefinition),
    /// Changes what an index may use.
    Update {
        /// The index.
        index_name: String,
        /// Figures of its capacity.
        throughput: ThroughputChange,
    },
    /// Removes an index.
    Delete {
        /// The index.
        index_name: String,
    },
}

/// A change of a table's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamChange {
    /// A new stream takes records from now on.
    Enable(StreamViewType),
    /// The stream takes no more records.
    Disable,
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
    /// What it was asked to take at once.
    pub warm_throughput: WarmThroughput,
    /// When its provisioned figures last grew and shrank.
    pub throughput_history: ThroughputHistory,
    /// How often they shrank today.
    pub decreases_today: u64,
    /// Whether deletion is refused.
    pub deletion_protection: DeletionProtection,
    /// Tags by key.
    pub tags: BTreeMap<String, String>,
    /// The attributes of all keys, each once: the table's, then its indexes'.
    pub attribute_definitions: Vec<KeyAttribute>,
    /// Its local indexes.
    pub local_indexes: Vec<LocalIndexDescription>,
    /// Its global indexes.
    pub global_indexes: Vec<GlobalIndexDescription>,
    /// Its streams, oldest first; only the last may be enabled.
    pub streams: Vec<StreamDescription>,
    /// By what its items expire.
    pub time_to_live: Option<TimeToLive>,
    /// Items stored now.
    pub item_count: u64,
    /// Bytes stored now.
    pub size_bytes: u64,
}

/// What a local index is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalIndexDescription {
    /// What it was made as.
    pub definition: LocalIndexDefinition,
    /// Its Amazon resource name.
    pub index_arn: String,
    /// Entries stored now.
    pub item_count: u64,
    /// Bytes stored now.
    pub size_bytes: u64,
}

/// What a global index is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalIndexDescription {
    /// What it was made as.
    pub definition: GlobalIndexDefinition,
    /// Its Amazon resource name.
    pub index_arn: String,
    /// Where it is in its life.
    pub status: IndexStatus,
    /// Whether a change of its figures takes its course; UpdateTable answers so.
    pub is_updating: bool,
    /// Entries stored now.
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
            warm_throughput: WarmThroughput::default(),
            deletion_protection: DeletionProtection::Disabled,
            tags: BTreeMap::new(),
            local_indexes: Vec::new(),
            global_indexes: Vec::new(),
            stream: None,
        }
    }

    /// What the table is to be.
    pub(crate) fn definition(self) -> TableDefinition {
        TableDefinition {
            name: self.table_name.into(),
            schema: self.key_schema,
            settings: TableSettings {
                billing_mode: self.billing_mode,
                last_pay_per_request_unix_us: None,
                on_demand_maximum: self.on_demand_maximum,
                warm_throughput: self.warm_throughput,
                throughput_history: ThroughputHistory::default(),
                table_class: self.table_class,
                deletion_protection: self.deletion_protection,
                tags: self.tags,
            },
            local_indexes: self.local_indexes,
            global_indexes: self.global_indexes,
            stream: self.stream,
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
        let local = self.local_indexes.iter().map(|index| &index.projection);
        IndexProjection::check_all(local.chain(self.global_indexes.iter().map(|index| &index.projection)))?;
        check_tags(&self.tags)
    }
}

impl TableDescription {
    /// Tells the table as it is while changes begin, which is how DynamoDB answers the request for them: new indexes
    /// are before their backfill, and figures are those of `before` until all is done.
    pub(crate) fn as_changes_begin(&mut self, before: &Table, now: UnixTime) {
        let both_provisioned = [self.billing_mode, before.settings.billing_mode]
            .into_iter()
            .all(|mode| mode != BillingMode::PayPerRequest);
        if both_provisioned {
            self.billing_mode = before.settings.billing_mode;
            self.decreases_today = before.settings.throughput_history.decreases_today(now);
        }
        self.throughput_history.as_change_begins(&before.settings.throughput_history, now);
        for index in &mut self.global_indexes {
            if let Some(present) = before.global_index(&index.definition.index_name) {
                index.is_updating = index.definition.throughput != present.throughput;
                if both_provisioned {
                    index.definition.throughput = present.throughput;
                }
            }
            if let IndexStatus::Creating { backfilling } = &mut index.status {
                *backfilling = false;
            }
        }
    }

    /// Whether the table has an index of this name.
    pub fn has_index(&self, index_name: &str) -> bool {
        let local = self.local_indexes.iter().map(|index| &index.definition.index_name);
        let global = self.global_indexes.iter().map(|index| &index.definition.index_name);
        local.chain(global).any(|name| name == index_name)
    }

    /// Describes `table` with the counts that its partitions gave.
    pub(crate) fn of(
        table: &Table,
        status: TableStatus,
        counts: &TableCounts,
        options: &EngineOptions,
        now: UnixTime,
    ) -> Self {
        let table_arn = options.table_arn(&table.name);
        let index_arn = |name: &str| format!("{table_arn}/index/{name}");
        let local_indexes = table.local_indexes.iter().map(|index| {
            let RowCount { count: item_count, bytes: size_bytes } = counts.of_local_index(index.keys.tag());
            let (definition, index_arn) = (index.definition(), index_arn(&index.name));
            LocalIndexDescription { definition, index_arn, item_count, size_bytes }
        });
        let global_indexes = table.global_indexes.iter().map(|index| {
            let RowCount { count: item_count, bytes: size_bytes } = counts.of(index.number);
            let (definition, index_arn) = (index.definition(), index_arn(&index.name));
            GlobalIndexDescription {
                definition,
                index_arn,
                status: index.status,
                is_updating: false,
                item_count,
                size_bytes,
            }
        });
        let RowCount { count: item_count, bytes: size_bytes } = counts.of(table.number);
        Self {
            table_name: table.name.to_string(),
            table_id: table.id,
            local_indexes: local_indexes.collect(),
            global_indexes: global_indexes.collect(),
            table_arn,
            status,
            created_unix_us: table.created_unix_us,
            key_schema: table.schema().clone(),
            billing_mode: table.settings.billing_mode,
            last_pay_per_request_unix_us: table.settings.last_pay_per_request_unix_us,
            table_class: table.settings.table_class,
            on_demand_maximum: table.settings.on_demand_maximum,
            warm_throughput: table.settings.warm_throughput,
            throughput_history: table.settings.throughput_history,
            decreases_today: table.settings.throughput_history.decreases_today(now),
            deletion_protection: table.settings.deletion_protection,
            tags: table.settings.tags.clone(),
            attribute_definitions: table.attribute_definitions(),
            streams: table.streams.clone(),
            time_to_live: table.time_to_live.clone(),
            item_count,
            size_bytes,
        }
    }
}

/// What a table and its indexes hold.
#[derive(Debug, Default)]
pub(crate) struct TableCounts {
    /// Items and entries of global indexes, by the number of the table or index.
    by_number: BTreeMap<u64, RowCount>,
    /// Entries of local indexes, by tag.
    local_indexes: [RowCount; LOCAL_INDEX_TAGS],
}

impl TableCounts {
    /// Adds what one partition of the table or index with this number holds.
    pub(crate) fn add(&mut self, number: u64, stats: &PartitionStats) {
        let items = RowCount { count: stats.item_count, bytes: stats.item_bytes };
        add_rows(self.by_number.entry(number).or_default(), items);
        for (sum, more) in self.local_indexes.iter_mut().zip(stats.local_index_rows) {
            add_rows(sum, more);
        }
    }

    fn of(&self, number: u64) -> RowCount {
        self.by_number.get(&number).copied().unwrap_or_default()
    }

    fn of_local_index(&self, tag: u8) -> RowCount {
        let position = tag.checked_sub(TAG_LOCAL_INDEX_FIRST);
        let rows = position.and_then(|position| self.local_indexes.get(usize::from(position)));
        *rows.expect("local indexes have tags of theirs")
    }
}

fn add_rows(sum: &mut RowCount, more: RowCount) {
    sum.count += more.count;
    sum.bytes += more.bytes;
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
}
