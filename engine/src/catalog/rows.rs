//! Tables and partitions as rows of partition 0, and back.

use std::sync::Arc;

use basalt_format::catalog as format;
use basalt_format::{
    DecodeError,
    catalog::{
        AttributeDefinition, Billing, CapacityPair, CatalogKey, CountersRow, PartitionRow, PartitionState,
        StreamPart, StreamView, TableRow, TableStatus, TimeToLivePart, TimeToLiveState,
    },
};
use basalt_model::{KeyAttribute, KeyCodec, KeySchema};

use super::{
    BillingMode, DeletionProtection, NextNumber, OnDemandMaximum, StreamDescription, StreamViewType, Table,
    TableClass, TableId, TablePartition, TableSettings, ThroughputHistory, TimeToLive, TimeToLiveStatus,
    index_rows,
};

/// A row's key and value.
pub(super) type Row = (Vec<u8>, Vec<u8>);

pub(super) fn counters_key() -> Vec<u8> {
    CatalogKey::Counters.encode()
}

pub(super) fn table_key(name: &str) -> Vec<u8> {
    CatalogKey::Table(name.to_owned()).encode()
}

pub(super) fn departed_key(table: &Table) -> Vec<u8> {
    CatalogKey::DeletedTable { number: table.number, name: table.name.to_string() }.encode()
}

pub(super) fn partition_key(partition: basalt_storage::PartitionId) -> Vec<u8> {
    CatalogKey::Partition(partition.get()).encode()
}

pub(super) fn counters_row(next: NextNumber) -> Row {
    (counters_key(), CountersRow { next_number: next.0 }.encode())
}

pub(super) fn decode_counters(value: &[u8]) -> Result<NextNumber, DecodeError> {
    CountersRow::decode(value).map(|row| NextNumber(row.next_number))
}

/// A partition's row with its key.
pub(super) fn partition_row(id: basalt_storage::PartitionId, row: PartitionRow) -> Row {
    (partition_key(id), row.encode())
}

/// The row of a partition that serves and has no file yet, of the table or index with this number.
pub(super) fn new_partition_row(number: u64, partition: &TablePartition) -> Row {
    partition_row(partition.id, partition.to_row(number, PartitionState::Open))
}

/// A partition's row with its file's uuid.
pub(super) fn with_file_uuid(value: &[u8], file_uuid: [u8; 16]) -> Result<Vec<u8>, DecodeError> {
    let row = PartitionRow::decode(value)?;
    Ok(PartitionRow { file_uuid: Some(file_uuid), ..row }.encode())
}

pub(super) fn table_row(table: &Table) -> Row {
    (table_key(&table.name), encode_table(table, TableStatus::Active))
}

/// The row of a table of which only the streams are left.
pub(super) fn departed_row(table: &Table) -> Row {
    (departed_key(table), encode_table(table, TableStatus::Deleting))
}

fn encode_table(table: &Table, status: TableStatus) -> Vec<u8> {
    let schema = table.schema();
    let settings = &table.settings;
    let row = TableRow {
        table_id: table.id.to_bytes(),
        number: table.number,
        created_unix_us: table.created_unix_us,
        hash_secret: table.hash_secret,
        status,
        billing: billing_to_row(settings.billing_mode),
        last_pay_per_request_unix_us: settings.last_pay_per_request_unix_us,
        on_demand_maximum: maximum_to_row(settings.on_demand_maximum),
        warm_throughput: index_rows::warm_to_row(settings.warm_throughput),
        throughput_history: history_to_row(settings.throughput_history),
        table_class: settings.table_class.map(class_to_row),
        deletion_protection: settings.deletion_protection == DeletionProtection::Enabled,
        attribute_definitions: table.attribute_definitions().iter().map(definition_to_row).collect(),
        partition_key: schema.partition.name.clone(),
        sort_key: schema.sort.as_ref().map(|sort| sort.name.clone()),
        tags: settings.tags.clone(),
        local_indexes: table.local_indexes.iter().map(|index| index_rows::local_to_row(index)).collect(),
        global_indexes: table.global_indexes.iter().map(|index| index_rows::global_to_row(index)).collect(),
        streams: table.streams.iter().map(stream_to_row).collect(),
        time_to_live: table.time_to_live.as_ref().map(time_to_live_to_row),
    };
    row.encode()
}

/// A table whose partitions are still to be found.
pub(super) fn decode_table(name: String, value: &[u8]) -> Result<Table, DecodeError> {
    let row = TableRow::decode(value)?;
    let attribute = |name: &String| key_attribute(&row, name);
    let schema =
        KeySchema { partition: attribute(&row.partition_key), sort: row.sort_key.as_ref().map(attribute) };
    let settings = TableSettings {
        billing_mode: billing_of_row(row.billing),
        last_pay_per_request_unix_us: row.last_pay_per_request_unix_us,
        on_demand_maximum: maximum_of_row(row.on_demand_maximum),
        warm_throughput: index_rows::warm_of_row(row.warm_throughput),
        throughput_history: history_of_row(row.throughput_history),
        table_class: row.table_class.map(class_of_row),
        deletion_protection: if row.deletion_protection {
            DeletionProtection::Enabled
        } else {
            DeletionProtection::Disabled
        },
        tags: row.tags.clone(),
    };
    let keys = KeyCodec::new(schema, &row.hash_secret);
    let local_indexes = row
        .local_indexes
        .iter()
        .enumerate()
        .map(|(position, part)| Arc::new(index_rows::local_of_row(position, part, &row, &keys)));
    let local_indexes = local_indexes.collect();
    let global_indexes = row.global_indexes.iter();
    let global_indexes = global_indexes.map(|part| Arc::new(index_rows::global_of_row(part, &row, &keys)));
    let global_indexes = global_indexes.collect();
    Ok(Table {
        name: name.into(),
        id: TableId::from_bytes(row.table_id),
        number: row.number,
        created_unix_us: row.created_unix_us,
        hash_secret: row.hash_secret,
        keys,
        settings,
        local_indexes,
        global_indexes,
        streams: row.streams.iter().map(stream_of_row).collect(),
        time_to_live: row.time_to_live.map(time_to_live_of_row),
        throughput: Arc::default(),
        partitions: Vec::new(),
        closed: Vec::new(),
        filling: Vec::new(),
    })
}

/// One of the row's attribute definitions.
pub(super) fn key_attribute(row: &TableRow, name: &str) -> KeyAttribute {
    let definition = row.attribute_definitions.iter().find(|definition| definition.name == name);
    let kind = definition.expect("a decoded row's keys are among its definitions").kind;
    KeyAttribute { name: name.to_owned(), kind: kind.into() }
}

fn definition_to_row(attribute: &KeyAttribute) -> AttributeDefinition {
    AttributeDefinition { name: attribute.name.clone(), kind: attribute.kind.part_kind() }
}

fn stream_to_row(stream: &StreamDescription) -> StreamPart {
    StreamPart {
        number: stream.number,
        created_unix_us: stream.created_unix_us,
        view: match stream.view_type {
            StreamViewType::KeysOnly => StreamView::KeysOnly,
            StreamViewType::NewImage => StreamView::NewImage,
            StreamViewType::OldImage => StreamView::OldImage,
            StreamViewType::NewAndOldImages => StreamView::NewAndOldImages,
        },
        disabled_unix_us: stream.disabled_unix_us,
    }
}

fn stream_of_row(part: &StreamPart) -> StreamDescription {
    StreamDescription {
        number: part.number,
        created_unix_us: part.created_unix_us,
        view_type: match part.view {
            StreamView::KeysOnly => StreamViewType::KeysOnly,
            StreamView::NewImage => StreamViewType::NewImage,
            StreamView::OldImage => StreamViewType::OldImage,
            StreamView::NewAndOldImages => StreamViewType::NewAndOldImages,
        },
        disabled_unix_us: part.disabled_unix_us,
    }
}

fn time_to_live_to_row(time_to_live: &TimeToLive) -> TimeToLivePart {
    TimeToLivePart {
        attribute: time_to_live.attribute.clone(),
        state: match time_to_live.status {
            TimeToLiveStatus::Enabling => TimeToLiveState::Filling,
            TimeToLiveStatus::Enabled => TimeToLiveState::Enabled,
            TimeToLiveStatus::Disabling => TimeToLiveState::Clearing,
        },
        enabled_unix_us: time_to_live.enabled_unix_us,
    }
}

fn time_to_live_of_row(part: TimeToLivePart) -> TimeToLive {
    TimeToLive {
        attribute: part.attribute,
        status: match part.state {
            TimeToLiveState::Filling => TimeToLiveStatus::Enabling,
            TimeToLiveState::Enabled => TimeToLiveStatus::Enabled,
            TimeToLiveState::Clearing => TimeToLiveStatus::Disabling,
        },
        enabled_unix_us: part.enabled_unix_us,
    }
}

pub(super) fn maximum_to_row(maximum: OnDemandMaximum) -> CapacityPair {
    CapacityPair {
        read_units: maximum.read_units.unwrap_or(0),
        write_units: maximum.write_units.unwrap_or(0),
    }
}

pub(super) fn maximum_of_row(pair: CapacityPair) -> OnDemandMaximum {
    OnDemandMaximum { read_units: units_of_row(pair.read_units), write_units: units_of_row(pair.write_units) }
}

/// A figure of which 0 stands for none.
pub(super) fn units_of_row(units: u64) -> Option<u64> {
    Some(units).filter(|units| *units > 0)
}

fn billing_to_row(billing: BillingMode) -> Billing {
    match billing {
        BillingMode::PayPerRequest => Billing::PayPerRequest,
        BillingMode::Provisioned { read_capacity_units, write_capacity_units } => {
            Billing::Provisioned(CapacityPair {
                read_units: read_capacity_units,
                write_units: write_capacity_units,
            })
        }
    }
}

fn billing_of_row(billing: Billing) -> BillingMode {
    match billing {
        Billing::PayPerRequest => BillingMode::PayPerRequest,
        Billing::Provisioned(units) => BillingMode::Provisioned {
            read_capacity_units: units.read_units,
            write_capacity_units: units.write_units,
        },
    }
}

fn class_to_row(class: TableClass) -> format::TableClass {
    match class {
        TableClass::Standard => format::TableClass::Standard,
        TableClass::StandardInfrequentAccess => format::TableClass::StandardInfrequentAccess,
    }
}

fn class_of_row(class: format::TableClass) -> TableClass {
    match class {
        format::TableClass::Standard => TableClass::Standard,
        format::TableClass::StandardInfrequentAccess => TableClass::StandardInfrequentAccess,
    }
}

fn history_to_row(history: ThroughputHistory) -> format::ThroughputHistory {
    format::ThroughputHistory {
        last_increase_unix_us: history.last_increase_unix_us,
        last_decrease_unix_us: history.last_decrease_unix_us,
        decreases_that_day: history.decreases_that_day,
    }
}

fn history_of_row(history: format::ThroughputHistory) -> ThroughputHistory {
    ThroughputHistory {
        last_increase_unix_us: history.last_increase_unix_us,
        last_decrease_unix_us: history.last_decrease_unix_us,
        decreases_that_day: history.decreases_that_day,
    }
}
