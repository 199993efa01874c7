//! What TableDescription tells of a table's indexes.

use basalt_engine::model::KeyAttribute;
use basalt_engine::{
    GlobalIndexDescription, IndexProjection, IndexStatus, IndexThroughput, LocalIndexDescription,
    OnDemandMaximum, ProvisionedThroughput, TableDescription, TableStatus, WarmThroughput,
};

use crate::dynamodb::json::writer::Members;

/// What everything that is paid for on demand takes at once.
const WARM_READ_UNITS: u64 = 12_000;
const WARM_WRITE_UNITS: u64 = 4_000;

/// The members about indexes; a table without any has none.
pub(super) fn write_indexes(members: &mut Members<'_>, table: &TableDescription) {
    if !table.local_indexes.is_empty() {
        let mut indexes = members.value_of("LocalSecondaryIndexes").array();
        for index in &table.local_indexes {
            write_local(&mut indexes.element().object(), table, index);
        }
    }
    if !table.global_indexes.is_empty() {
        let mut indexes = members.value_of("GlobalSecondaryIndexes").array();
        for index in &table.global_indexes {
            write_global(&mut indexes.element().object(), table, index);
        }
    }
}

/// The elements of a key.
pub(super) fn write_key_schema<'a>(
    members: &mut Members<'_>,
    partition: impl IntoIterator<Item = &'a KeyAttribute>,
    sort: impl IntoIterator<Item = &'a KeyAttribute>,
) {
    let hash = partition.into_iter().map(|attribute| (attribute, "HASH"));
    let range = sort.into_iter().map(|attribute| (attribute, "RANGE"));
    let mut elements = members.value_of("KeySchema").array();
    for (attribute, key_type) in hash.chain(range) {
        let mut element = elements.element().object();
        element.string("AttributeName", &attribute.name);
        element.string("KeyType", key_type);
    }
}

fn write_local(members: &mut Members<'_>, table: &TableDescription, index: &LocalIndexDescription) {
    let definition = &index.definition;
    members.string("IndexName", &definition.index_name);
    write_key_schema(members, [&table.key_schema.partition], [&definition.sort]);
    write_projection(members, &definition.projection);
    members.value_of("IndexSizeBytes").display(index.size_bytes);
    members.value_of("ItemCount").display(index.item_count);
    members.string("IndexArn", &index.index_arn);
}

fn write_global(members: &mut Members<'_>, table: &TableDescription, index: &GlobalIndexDescription) {
    let definition = &index.definition;
    members.string("IndexName", &definition.index_name);
    write_key_schema(members, &definition.key_schema.partition, &definition.key_schema.sort);
    write_projection(members, &definition.projection);
    write_status(members, table.status, index);
    write_throughput(members, &definition.throughput);
    members.value_of("IndexSizeBytes").display(index.size_bytes);
    members.value_of("ItemCount").display(index.item_count);
    members.string("IndexArn", &index.index_arn);
}

fn write_projection(members: &mut Members<'_>, projection: &IndexProjection) {
    let mut members = members.value_of("Projection").object();
    let (projection_type, names): (_, &[String]) = match projection {
        IndexProjection::All => ("ALL", &[]),
        IndexProjection::KeysOnly => ("KEYS_ONLY", &[]),
        IndexProjection::Include(names) => ("INCLUDE", names),
    };
    members.string("ProjectionType", projection_type);
    if !names.is_empty() {
        let mut elements = members.value_of("NonKeyAttributes").array();
        for name in names {
            elements.element().string(name);
        }
    }
}

/// Backfilling is told of an index that is made on a live table, and of no other.
fn write_status(members: &mut Members<'_>, table: TableStatus, index: &GlobalIndexDescription) {
    match index.status {
        _ if table == TableStatus::Creating => members.string("IndexStatus", "CREATING"),
        IndexStatus::Creating { backfilling } => {
            members.string("IndexStatus", "CREATING");
            members.value_of("Backfilling").display(backfilling);
        }
        IndexStatus::Active if index.is_updating => members.string("IndexStatus", "UPDATING"),
        IndexStatus::Active => members.string("IndexStatus", "ACTIVE"),
        IndexStatus::Deleting => members.string("IndexStatus", "DELETING"),
    }
}

/// On demand, the capacity is told as zero.
fn write_throughput(members: &mut Members<'_>, throughput: &IndexThroughput) {
    let none = ProvisionedThroughput { read_capacity_units: 0, write_capacity_units: 0 };
    let units = throughput.provisioned.unwrap_or(none);
    let mut provisioned = members.value_of("ProvisionedThroughput").object();
    provisioned.value_of("NumberOfDecreasesToday").display(0);
    provisioned.value_of("ReadCapacityUnits").display(units.read_capacity_units);
    provisioned.value_of("WriteCapacityUnits").display(units.write_capacity_units);
    drop(provisioned);
    write_on_demand_maximum(members, throughput.on_demand_maximum);
    write_warm_throughput(members, throughput.provisioned, throughput.warm_throughput);
}

/// What a table or index takes at once: what was asked for, and never less than what is provisioned, or than what
/// DynamoDB gives everything that is paid for on demand.
pub(super) fn write_warm_throughput(
    members: &mut Members<'_>,
    provisioned: Option<ProvisionedThroughput>,
    asked: WarmThroughput,
) {
    let (read, write) = match provisioned {
        None => (WARM_READ_UNITS, WARM_WRITE_UNITS),
        Some(units) => (units.read_capacity_units, units.write_capacity_units),
    };
    let mut warm = members.value_of("WarmThroughput").object();
    warm.value_of("ReadUnitsPerSecond").display(read.max(asked.read_units.unwrap_or(0)));
    warm.value_of("WriteUnitsPerSecond").display(write.max(asked.write_units.unwrap_or(0)));
    warm.string("Status", "ACTIVE");
}

/// Told only if there is one; -1 stands for the figure that has none.
pub(super) fn write_on_demand_maximum(members: &mut Members<'_>, maximum: OnDemandMaximum) {
    if maximum == OnDemandMaximum::default() {
        return;
    }
    let mut throughput = members.value_of("OnDemandThroughput").object();
    for (name, units) in
        [("MaxReadRequestUnits", maximum.read_units), ("MaxWriteRequestUnits", maximum.write_units)]
    {
        match units {
            Some(units) => throughput.value_of(name).display(units),
            None => throughput.value_of(name).display(-1),
        }
    }
}
