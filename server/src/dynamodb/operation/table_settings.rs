//! The settings that CreateTable and UpdateTable share, and the members that Basalt does not honour yet.

use basalt_engine::{
    BillingMode, CAPACITY_UNITS_MAX, DeletionProtection, MaximumChange, OnDemandMaximum,
    ProvisionedThroughput, TableClass, ThroughputChange,
};

use super::stream_specification::{StreamSpecification, StreamSpecificationInput};
use crate::dynamodb::constraint::{Constraints, Enumeration};
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::json::{BodyError, IntegerType, Known, Place, Reader};
use crate::dynamodb::messages;

const BILLING_MODES: Enumeration<Billing> =
    Enumeration(&[("PROVISIONED", Billing::Provisioned), ("PAY_PER_REQUEST", Billing::PayPerRequest)]);
const TABLE_CLASSES: Enumeration<TableClass> = Enumeration(&[
    ("STANDARD", TableClass::Standard),
    ("STANDARD_INFREQUENT_ACCESS", TableClass::StandardInfrequentAccess),
]);
/// Members that change what a table is and that the engine does not keep yet.
const UNSUPPORTED: [&str; 10] = [
    "VectorIndexes",
    "VectorIndexUpdates",
    "SSESpecification",
    "ResourcePolicy",
    "ReplicaUpdates",
    "GlobalTableSourceArn",
    "GlobalTableSettingsReplicationMode",
    "GlobalTableWitnessUpdates",
    "MultiRegionConsistency",
    "DisassociationProtectionEnabled",
];

/// How capacity is asked to be paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Billing {
    Provisioned,
    PayPerRequest,
}

/// The members as they stand in the request.
#[derive(Debug, Default)]
pub(super) struct SettingsInput {
    billing_mode: Option<String>,
    throughput: Option<UnitsInput>,
    on_demand: Option<UnitsInput>,
    warm: Option<UnitsInput>,
    table_class: Option<String>,
    deletion_protection_enabled: Option<bool>,
    stream: Option<StreamSpecificationInput>,
    unsupported: Vec<&'static str>,
}

/// Units of reading and writing a second.
#[derive(Debug, Default)]
pub(super) struct UnitsInput {
    read: Option<i64>,
    write: Option<i64>,
}

/// The members, understood.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) billing_mode: Option<Billing>,
    pub(super) throughput: Option<Throughput>,
    pub(super) on_demand_maximum: Option<OnDemandMaximum>,
    /// What an update makes of the other figures.
    pub(super) figures: ThroughputChange,
    pub(super) table_class: Option<TableClass>,
    pub(super) deletion_protection: Option<DeletionProtection>,
    pub(super) stream: Option<StreamSpecification>,
}

/// Capacity units a second, both at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Throughput {
    read: i64,
    write: i64,
}

impl SettingsInput {
    /// Reads the value of one of the members.
    pub(super) fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "BillingMode" => self.billing_mode = reader.owned_text()?,
            "ProvisionedThroughput" => self.throughput = UnitsInput::read_provisioned(reader)?,
            "OnDemandThroughput" => self.on_demand = UnitsInput::read_on_demand(reader)?,
            "WarmThroughput" => self.warm = UnitsInput::read_warm(reader)?,
            "TableClass" => self.table_class = reader.owned_text()?,
            "DeletionProtectionEnabled" => self.deletion_protection_enabled = reader.boolean()?,
            "StreamSpecification" => self.stream = StreamSpecificationInput::read(reader)?,
            "SSESpecification" => self.note(reader.wants_encryption()?, name),
            _ if UNSUPPORTED.contains(&name) => self.note(reader.presence()?, name),
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    fn note(&mut self, is_asked_for: bool, name: &str) {
        if is_asked_for {
            self.unsupported.extend(UNSUPPORTED.iter().find(|known| **known == name));
        }
    }

    /// Understands the members; violations go to `constraints`.
    pub(super) fn check(&self, constraints: &mut Constraints) -> Settings {
        let billing_mode =
            constraints.enumeration("billingMode", self.billing_mode.as_deref(), &BILLING_MODES);
        let throughput = self.throughput.as_ref();
        let throughput = throughput.and_then(|units| units.check("provisionedThroughput", constraints));
        let table_class = constraints.enumeration("tableClass", self.table_class.as_deref(), &TABLE_CLASSES);
        let deletion_protection = self.deletion_protection_enabled.map(|enabled| match enabled {
            true => DeletionProtection::Enabled,
            false => DeletionProtection::Disabled,
        });
        let on_demand_maximum = self.on_demand.as_ref().map(UnitsInput::on_demand_maximum);
        let figures = UnitsInput::change(self.on_demand.as_ref(), self.warm.as_ref());
        let stream = self.stream.as_ref().and_then(|stream| stream.check(constraints));
        Settings {
            billing_mode,
            throughput,
            on_demand_maximum,
            figures,
            table_class,
            deletion_protection,
            stream,
        }
    }

    /// Refuses members that would have no effect.
    pub(super) fn refuse_unsupported(&self, operation: &str) -> Result<(), ApiError> {
        if self.unsupported.is_empty() {
            return Ok(());
        }
        Err(ApiError::validation(messages::members_unsupported(operation, &self.unsupported)))
    }
}

impl UnitsInput {
    /// Reads ProvisionedThroughput.
    pub(super) fn read_provisioned(reader: &mut Reader<'_>) -> Result<Option<Self>, BodyError> {
        read_units(reader, "ProvisionedThroughput", ["ReadCapacityUnits", "WriteCapacityUnits"])
    }

    /// Reads OnDemandThroughput.
    pub(super) fn read_on_demand(reader: &mut Reader<'_>) -> Result<Option<Self>, BodyError> {
        read_units(reader, "OnDemandThroughput", ["MaxReadRequestUnits", "MaxWriteRequestUnits"])
    }

    /// Reads WarmThroughput.
    pub(super) fn read_warm(reader: &mut Reader<'_>) -> Result<Option<Self>, BodyError> {
        read_units(reader, "WarmThroughput", ["ReadUnitsPerSecond", "WriteUnitsPerSecond"])
    }

    /// -1 stands for no maximum, as does an absent figure.
    pub(super) fn on_demand_maximum(&self) -> OnDemandMaximum {
        let units = |units: Option<i64>| units.and_then(|units| u64::try_from(units).ok());
        OnDemandMaximum { read_units: units(self.read), write_units: units(self.write) }
    }

    /// What OnDemandThroughput and WarmThroughput of an update change: -1 removes a maximum, and what can be none is
    /// told as 0, which the table refuses.
    pub(super) fn change(on_demand: Option<&UnitsInput>, warm: Option<&UnitsInput>) -> ThroughputChange {
        let maximum = |units: Option<i64>| match units {
            None => MaximumChange::Keep,
            Some(-1) => MaximumChange::Remove,
            Some(units) => MaximumChange::Set(u64::try_from(units).unwrap_or(0)),
        };
        ThroughputChange {
            provisioned: None,
            read_maximum: on_demand.map_or(MaximumChange::Keep, |units| maximum(units.read)),
            write_maximum: on_demand.map_or(MaximumChange::Keep, |units| maximum(units.write)),
            warm_throughput: warm.map(UnitsInput::warm_throughput).unwrap_or_default(),
        }
    }

    /// Understands ProvisionedThroughput, which stands at `path`.
    pub(super) fn check(&self, path: &str, constraints: &mut Constraints) -> Option<Throughput> {
        for (member, units) in [("writeCapacityUnits", self.write), ("readCapacityUnits", self.read)] {
            let path = format!("{path}.{member}");
            constraints.required(&path, &units);
            constraints.number(&path, units, 1..=i64::MAX);
        }
        Some(Throughput { read: self.read?, write: self.write? })
    }
}

impl Throughput {
    /// The figures, which must be in bounds.
    pub(super) fn units(self) -> Result<ProvisionedThroughput, ApiError> {
        Ok(ProvisionedThroughput {
            read_capacity_units: capacity_units(self.read, "ReadCapacityUnits")?,
            write_capacity_units: capacity_units(self.write, "WriteCapacityUnits")?,
        })
    }

    /// The billing mode with these figures, which must be in bounds.
    pub(super) fn billing_mode(self) -> Result<BillingMode, ApiError> {
        Ok(self.units()?.into())
    }

    /// The figures of a new index, which must be in bounds.
    pub(super) fn of_index(self, index_name: &str) -> Result<ProvisionedThroughput, ApiError> {
        let units = |units: i64, name: &str| {
            in_bounds(units).ok_or_else(|| {
                ApiError::validation(messages::index_capacity_out_of_bounds(units, name, index_name))
            })
        };
        Ok(ProvisionedThroughput {
            read_capacity_units: units(self.read, "ReadCapacityUnits")?,
            write_capacity_units: units(self.write, "WriteCapacityUnits")?,
        })
    }

    /// The figures as they are asked for; whether they are in bounds is told once the table is known.
    pub(super) fn unbounded(self) -> ProvisionedThroughput {
        ProvisionedThroughput {
            read_capacity_units: self.read.unsigned_abs(),
            write_capacity_units: self.write.unsigned_abs(),
        }
    }
}

fn capacity_units(units: i64, member: &str) -> Result<u64, ApiError> {
    in_bounds(units).ok_or_else(|| ApiError::validation(messages::capacity_out_of_bounds(units, member)))
}

fn in_bounds(units: i64) -> Option<u64> {
    u64::try_from(units).ok().filter(|units| *units <= CAPACITY_UNITS_MAX)
}

fn read_units(
    reader: &mut Reader<'_>,
    shape: &'static str,
    [read, write]: [&str; 2],
) -> Result<Option<UnitsInput>, BodyError> {
    let mut units = UnitsInput::default();
    let present = reader.structure(Place::Member, shape, |reader, name| {
        if name == read {
            units.read = reader.integer(IntegerType::Long)?;
        } else if name == write {
            units.write = reader.integer(IntegerType::Long)?;
        } else {
            return Ok(Known::No);
        }
        Ok(Known::Yes)
    })?;
    Ok(present.then_some(units))
}

impl Reader<'_> {
    /// Whether an SSESpecification asks for more than what holds anyway: no key of the client's.
    fn wants_encryption(&mut self) -> Result<bool, BodyError> {
        let (mut is_on, mut names_key) = (None, false);
        let present = self.structure(Place::Member, "SSESpecification", |reader, name| {
            match name {
                "Enabled" => is_on = reader.boolean()?,
                "SSEType" | "KMSMasterKeyId" => names_key |= reader.owned_text()?.is_some(),
                _ => return Ok(Known::No),
            }
            Ok(Known::Yes)
        })?;
        Ok(present && (is_on != Some(false) || names_key))
    }
}
