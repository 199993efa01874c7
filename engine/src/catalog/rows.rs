//! Tables and partitions as rows of partition 0, and back.

use basalt_format::catalog as format;
use basalt_format::{
    DecodeError,
    catalog::{
        AttributeDefinition, Billing, CapacityPair, CatalogKey, CountersRow, PartitionRow, PartitionState,
        TableRow, TableStatus,
    },
    key_encoding::KeyPartKind,
};
use basalt_model::{KeyAttribute, KeyCodec, KeySchema, ScalarKind};

use super::{
    BillingMode, DeletionProtection, NextNumber, OnDemandMaximum, Table, TableClass, TableId, TablePartition,
    TableSettings,
};

/// A row's key and value.
pub(super) type Row = (Vec<u8>, Vec<u8>);

pub(super) fn counters_key() -> Vec<u8> {
    CatalogKey::Counters.encode()
}

pub(super) fn table_key(name: &str) -> Vec<u8> {
    CatalogKey::Table(name.to_owned()).encode()
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

/// The row of a partition that has no file yet.
pub(super) fn partition_row(table: &Table, partition: &TablePartition) -> Row {
    let row = PartitionRow {
        table_number: table.number,
        hash_first: partition.hash_first,
        hash_last: partition.hash_last,
        state: PartitionState::Open,
        file_uuid: None,
    };
    (partition_key(partition.id), row.encode())
}

/// A partition's row with its file's uuid.
pub(super) fn with_file_uuid(value: &[u8], file_uuid: [u8; 16]) -> Result<Vec<u8>, DecodeError> {
    let row = PartitionRow::decode(value)?;
    Ok(PartitionRow { file_uuid: Some(file_uuid), ..row }.encode())
}

pub(super) fn table_row(table: &Table) -> Row {
    let schema = table.schema();
    let settings = &table.settings;
    let row = TableRow {
        table_id: table.id.to_bytes(),
        number: table.number,
        created_unix_us: table.created_unix_us,
        hash_secret: table.hash_secret,
        status: TableStatus::Active,
        billing: billing_to_row(settings.billing_mode),
        last_pay_per_request_unix_us: settings.last_pay_per_request_unix_us,
        on_demand_maximum: CapacityPair {
            read_units: settings.on_demand_maximum.read_units.unwrap_or(0),
            write_units: settings.on_demand_maximum.write_units.unwrap_or(0),
        },
        warm_throughput: CapacityPair::default(),
        table_class: settings.table_class.map(class_to_row),
        deletion_protection: settings.deletion_protection == DeletionProtection::Enabled,
        attribute_definitions: schema.attributes().map(definition_to_row).collect(),
        partition_key: schema.partition.name.clone(),
        sort_key: schema.sort.as_ref().map(|sort| sort.name.clone()),
        tags: settings.tags.clone(),
    };
    (table_key(&table.name), row.encode())
}

/// A table whose partitions are still to be found.
pub(super) fn decode_table(name: String, value: &[u8]) -> Result<Table, DecodeError> {
    let row = TableRow::decode(value)?;
    let attribute = |name: &String| KeyAttribute { name: name.clone(), kind: kind_of(&row, name) };
    let schema =
        KeySchema { partition: attribute(&row.partition_key), sort: row.sort_key.as_ref().map(attribute) };
    let settings = TableSettings {
        billing_mode: billing_of_row(row.billing),
        last_pay_per_request_unix_us: row.last_pay_per_request_unix_us,
        on_demand_maximum: OnDemandMaximum {
            read_units: Some(row.on_demand_maximum.read_units).filter(|units| *units > 0),
            write_units: Some(row.on_demand_maximum.write_units).filter(|units| *units > 0),
        },
        table_class: row.table_class.map(class_of_row),
        deletion_protection: if row.deletion_protection {
            DeletionProtection::Enabled
        } else {
            DeletionProtection::Disabled
        },
        tags: row.tags,
    };
    Ok(Table {
        name: name.into(),
        id: TableId::from_bytes(row.table_id),
        number: row.number,
        created_unix_us: row.created_unix_us,
        hash_secret: row.hash_secret,
        keys: KeyCodec::new(schema, &row.hash_secret),
        settings,
        partitions: Vec::new(),
    })
}

fn kind_of(row: &TableRow, name: &str) -> ScalarKind {
    let definition = row.attribute_definitions.iter().find(|definition| definition.name == name);
    match definition.expect("a decoded row's keys are among its definitions").kind {
        KeyPartKind::S => ScalarKind::S,
        KeyPartKind::N => ScalarKind::N,
        KeyPartKind::B => ScalarKind::B,
    }
}

fn definition_to_row(attribute: &KeyAttribute) -> AttributeDefinition {
    let kind = match attribute.kind {
        ScalarKind::S => KeyPartKind::S,
        ScalarKind::N => KeyPartKind::N,
        ScalarKind::B => KeyPartKind::B,
    };
    AttributeDefinition { name: attribute.name.clone(), kind }
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
