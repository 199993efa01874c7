//! TableDescription, as CreateTable, DescribeTable, UpdateTable and DeleteTable tell it.

use basalt_engine::{
    BillingMode, DeletionProtection, ProvisionedThroughput, TableClass, TableDescription, TableStatus,
};

use super::index_description::{
    write_indexes, write_key_schema, write_on_demand_maximum, write_warm_throughput,
};
use super::stream_specification::write_stream;
use crate::dynamodb::json::Writer;
use crate::dynamodb::json::writer::Members;

/// A reply that is a table's description, in the member `name`.
pub(super) fn write_description(name: &str, table: &TableDescription) -> Vec<u8> {
    let mut writer = Writer::default();
    let mut reply = writer.object();
    let mut members = reply.value_of(name).object();
    write_keys(&mut members, table);
    members.string("TableName", &table.table_name);
    members.string("TableStatus", status_name(table.status));
    members.value_of("CreationDateTime").double(seconds(table.created_unix_us));
    write_billing(&mut members, table);
    members.value_of("TableSizeBytes").display(table.size_bytes);
    members.value_of("ItemCount").display(table.item_count);
    members.string("TableArn", &table.table_arn);
    members.string("TableId", &table.table_id.to_string());
    write_on_demand_maximum(&mut members, table.on_demand_maximum);
    write_warm_throughput(&mut members, provisioned(table.billing_mode), table.warm_throughput);
    write_indexes(&mut members, table);
    if let Some(table_class) = table.table_class {
        members.value_of("TableClassSummary").object().string("TableClass", class_name(table_class));
    }
    write_stream(&mut members, table);
    let is_protected = table.deletion_protection == DeletionProtection::Enabled;
    members.value_of("DeletionProtectionEnabled").display(is_protected);
    drop(members);
    drop(reply);
    writer.into_bytes()
}

fn write_keys(members: &mut Members<'_>, table: &TableDescription) {
    let mut definitions = members.value_of("AttributeDefinitions").array();
    for attribute in &table.attribute_definitions {
        let mut definition = definitions.element().object();
        definition.string("AttributeName", &attribute.name);
        definition.string("AttributeType", attribute.kind.value_kind().name());
    }
    drop(definitions);
    write_key_schema(members, [&table.key_schema.partition], &table.key_schema.sort);
}

/// On demand, the capacity is told as zero; that a table was ever on demand is told from then on.
fn write_billing(members: &mut Members<'_>, table: &TableDescription) {
    let (mode, read, write) = match table.billing_mode {
        BillingMode::PayPerRequest => ("PAY_PER_REQUEST", 0, 0),
        BillingMode::Provisioned { read_capacity_units, write_capacity_units } => {
            ("PROVISIONED", read_capacity_units, write_capacity_units)
        }
    };
    let mut throughput = members.value_of("ProvisionedThroughput").object();
    let history = &table.throughput_history;
    let times = [
        ("LastIncreaseDateTime", history.last_increase_unix_us),
        ("LastDecreaseDateTime", history.last_decrease_unix_us),
    ];
    for (name, time) in times {
        if let Some(time) = time {
            throughput.value_of(name).double(seconds(time));
        }
    }
    throughput.value_of("NumberOfDecreasesToday").display(table.decreases_today);
    throughput.value_of("ReadCapacityUnits").display(read);
    throughput.value_of("WriteCapacityUnits").display(write);
    drop(throughput);
    let was_ever_on_demand = table.last_pay_per_request_unix_us.is_some();
    if was_ever_on_demand || table.billing_mode == BillingMode::PayPerRequest {
        let mut summary = members.value_of("BillingModeSummary").object();
        summary.string("BillingMode", mode);
        if let Some(since) = table.last_pay_per_request_unix_us {
            summary.value_of("LastUpdateToPayPerRequestDateTime").double(seconds(since));
        }
    }
}

pub(super) fn status_name(status: TableStatus) -> &'static str {
    match status {
        TableStatus::Creating => "CREATING",
        TableStatus::Active => "ACTIVE",
        TableStatus::Updating => "UPDATING",
        TableStatus::Deleting => "DELETING",
    }
}

fn class_name(table_class: TableClass) -> &'static str {
    match table_class {
        TableClass::Standard => "STANDARD",
        TableClass::StandardInfrequentAccess => "STANDARD_INFREQUENT_ACCESS",
    }
}

fn provisioned(mode: BillingMode) -> Option<ProvisionedThroughput> {
    match mode {
        BillingMode::PayPerRequest => None,
        BillingMode::Provisioned { read_capacity_units, write_capacity_units } => {
            Some(ProvisionedThroughput { read_capacity_units, write_capacity_units })
        }
    }
}

/// Seconds since 1970 with milliseconds, as DynamoDB tells times.
fn seconds(unix_us: u64) -> f64 {
    (unix_us / 1000) as f64 / 1000.0
}
