//! The row of a table: fixed fields, then attribute definitions, key schema and tags.

use std::collections::BTreeMap;

use super::index_part::{self, GlobalIndexPart, LocalIndexPart};
use super::stream_part::{self, StreamPart, TimeToLivePart};
use super::{ROW_VERSION, byte_of, enumerated, open_row};
use crate::key_encoding::{KeyPartKind, SECRET_BYTES};
use crate::layout::{Constant, Field};
use crate::{DecodeError, Put, Reader};

/// The beginning of a table's row.
pub const TABLE_ROW_LAYOUT: &[Field] = &[
    Field::new(0, 1, "version"),
    Field::new(1, 16, "table_id"),
    Field::new(17, 8, "number"),
    Field::new(25, 8, "created_unix_us"),
    Field::new(33, 16, "hash_secret"),
    Field::new(49, 1, "status"),
    Field::new(50, 1, "billing_mode"),
    Field::new(51, 16, "provisioned"),
    Field::new(67, 8, "last_pay_per_request_unix_us"),
    Field::new(75, 16, "on_demand_maximum"),
    Field::new(91, 16, "warm_throughput"),
    Field::new(107, 1, "table_class"),
    Field::new(108, 1, "deletion_protection"),
    Field::new(109, 24, "throughput_history"),
];

const WHAT: &str = "table row";
const ATTRIBUTE_DEFINITIONS_MAX: u64 = 255;
const TAGS_MAX: u64 = 255;

/// Where a table is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableStatus {
    /// Not served yet.
    Creating,
    /// Served.
    Active,
    /// Served, and being changed.
    Updating,
    /// Going away.
    Deleting,
}

const STATUSES: [(TableStatus, u8); 4] = [
    (TableStatus::Creating, 1),
    (TableStatus::Active, 2),
    (TableStatus::Updating, 3),
    (TableStatus::Deleting, 4),
];

/// The statuses as the specification lists them.
pub const TABLE_STATUSES: &[Constant] = &[
    Constant::new("Creating", 1),
    Constant::new("Active", 2),
    Constant::new("Updating", 3),
    Constant::new("Deleting", 4),
];

/// Read and write units a second; as a limit, 0 stands for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CapacityPair {
    /// Read units.
    pub read_units: u64,
    /// Write units.
    pub write_units: u64,
}

/// When a table's provisioned figures last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ThroughputHistory {
    /// When one last grew; never 0.
    pub last_increase_unix_us: Option<u64>,
    /// When one last shrank; never 0.
    pub last_decrease_unix_us: Option<u64>,
    /// How often they shrank on the day, of UTC, of the last decrease.
    pub decreases_that_day: u64,
}

/// How a table's capacity is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Billing {
    /// So many units a second.
    Provisioned(CapacityPair),
    /// By request.
    PayPerRequest,
}

const BILLING_PROVISIONED: u8 = 1;
const BILLING_PAY_PER_REQUEST: u8 = 2;

/// The billing modes as the specification lists them.
pub const BILLING_MODES: &[Constant] = &[
    Constant::new("Provisioned", BILLING_PROVISIONED as u64),
    Constant::new("PayPerRequest", BILLING_PAY_PER_REQUEST as u64),
];

/// DynamoDB's storage classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableClass {
    /// `STANDARD`
    Standard,
    /// `STANDARD_INFREQUENT_ACCESS`
    StandardInfrequentAccess,
}

const CLASSES: [(Option<TableClass>, u8); 3] =
    [(None, 0), (Some(TableClass::Standard), 1), (Some(TableClass::StandardInfrequentAccess), 2)];

/// The storage classes as the specification lists them.
pub const TABLE_CLASSES: &[Constant] =
    &[Constant::new("None", 0), Constant::new("Standard", 1), Constant::new("StandardInfrequentAccess", 2)];

const PROTECTION: [(bool, u8); 2] = [(false, 0), (true, 1)];
const KINDS: [(KeyPartKind, u8); 3] =
    [(KeyPartKind::S, b'S'), (KeyPartKind::N, b'N'), (KeyPartKind::B, b'B')];

/// The name and type of an attribute that is part of some key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeDefinition {
    /// The attribute.
    pub name: String,
    /// Its type.
    pub kind: KeyPartKind,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRow {
    /// The table's identity towards clients.
    pub table_id: [u8; 16],
    /// The table's number in partitions' rows and superblocks.
    pub number: u64,
    /// When it was created.
    pub created_unix_us: u64,
    /// Seeds the hash of partition keys.
    pub hash_secret: [u8; SECRET_BYTES],
    /// Where it is in its life.
    pub status: TableStatus,
    /// How it is paid for.
    pub billing: Billing,
    /// When it was last set to be paid by request; never 0.
    pub last_pay_per_request_unix_us: Option<u64>,
    /// Limits on what is paid by request.
    pub on_demand_maximum: CapacityPair,
    /// What it should take at once.
    pub warm_throughput: CapacityPair,
    /// Its storage class, if a client named one.
    pub table_class: Option<TableClass>,
    /// Whether it must not be deleted.
    pub deletion_protection: bool,
    /// When its provisioned figures last changed.
    pub throughput_history: ThroughputHistory,
    /// The attributes of its keys, in the order that the client gave.
    pub attribute_definitions: Vec<AttributeDefinition>,
    /// Name of the partition key; one of the definitions.
    pub partition_key: String,
    /// Name of the sort key; another of the definitions.
    pub sort_key: Option<String>,
    /// Tags by key.
    pub tags: BTreeMap<String, String>,
    /// Its local indexes; their places give their tags.
    pub local_indexes: Vec<LocalIndexPart>,
    /// Its global indexes.
    pub global_indexes: Vec<GlobalIndexPart>,
    /// Its streams, oldest first.
    pub streams: Vec<StreamPart>,
    /// By what its items expire.
    pub time_to_live: Option<TimeToLivePart>,
}

impl TableRow {
    /// The row's bytes. The key attributes must be among the definitions.
    pub fn encode(&self) -> Vec<u8> {
        let mut row = vec![ROW_VERSION];
        self.encode_fixed(&mut row);
        row.put_varint(self.attribute_definitions.len() as u64);
        for definition in &self.attribute_definitions {
            row.put_u8(byte_of(&KINDS, definition.kind));
            row.put_prefixed_bytes(definition.name.as_bytes());
        }
        let definitions = Definitions(&self.attribute_definitions);
        row.put_varint(definitions.index_of(&self.partition_key));
        row.put_varint(self.sort_key.as_ref().map_or(0, |name| definitions.index_of(name) + 1));
        row.put_varint(self.tags.len() as u64);
        for (key, value) in &self.tags {
            row.put_prefixed_bytes(key.as_bytes());
            row.put_prefixed_bytes(value.as_bytes());
        }
        index_part::encode_indexes(&self.local_indexes, &self.global_indexes, definitions, &mut row);
        stream_part::encode_streams(&self.streams, &mut row);
        stream_part::encode_time_to_live(self.time_to_live.as_ref(), &mut row);
        row
    }

    /// Reads a row, all of it.
    pub fn decode(row: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = open_row(WHAT, row)?;
        let mut decoded = Self::decode_fixed(&mut reader)?;
        decoded.attribute_definitions = decode_definitions(&mut reader)?;
        let definitions = Definitions(&decoded.attribute_definitions);
        decoded.partition_key = definitions.name_at(reader.varint()?)?;
        decoded.sort_key = match reader.varint()? {
            0 => None,
            index => Some(definitions.name_at(index - 1)?),
        };
        if decoded.sort_key.as_ref() == Some(&decoded.partition_key) {
            return Err(not_canonical("partition key and sort key are two attributes"));
        }
        decoded.tags = decode_tags(&mut reader)?;
        decoded.local_indexes = index_part::decode_local(definitions, &mut reader)?;
        decoded.global_indexes = index_part::decode_global(definitions, &mut reader)?;
        decoded.streams = stream_part::decode_streams(&mut reader)?;
        decoded.time_to_live = stream_part::decode_time_to_live(&mut reader)?;
        reader.finish()?;
        Ok(decoded)
    }

    fn encode_fixed(&self, row: &mut Vec<u8>) {
        let (billing_mode, provisioned) = match self.billing {
            Billing::Provisioned(units) => (BILLING_PROVISIONED, units),
            Billing::PayPerRequest => (BILLING_PAY_PER_REQUEST, CapacityPair::default()),
        };
        row.put_bytes(&self.table_id);
        row.put_u64(self.number);
        row.put_u64(self.created_unix_us);
        row.put_bytes(&self.hash_secret);
        row.put_u8(byte_of(&STATUSES, self.status));
        row.put_u8(billing_mode);
        provisioned.encode(row);
        row.put_u64(self.last_pay_per_request_unix_us.unwrap_or(0));
        self.on_demand_maximum.encode(row);
        self.warm_throughput.encode(row);
        row.put_u8(byte_of(&CLASSES, self.table_class));
        row.put_u8(byte_of(&PROTECTION, self.deletion_protection));
        self.throughput_history.encode(row);
    }

    fn decode_fixed(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            table_id: reader.array()?,
            number: reader.u64()?,
            created_unix_us: reader.u64()?,
            hash_secret: reader.array()?,
            status: enumerated("status of a table", &STATUSES, reader.u8()?)?,
            billing: decode_billing(reader)?,
            last_pay_per_request_unix_us: Some(reader.u64()?).filter(|time| *time != 0),
            on_demand_maximum: CapacityPair::decode(reader)?,
            warm_throughput: CapacityPair::decode(reader)?,
            table_class: enumerated("class of a table", &CLASSES, reader.u8()?)?,
            deletion_protection: enumerated("deletion protection of a table", &PROTECTION, reader.u8()?)?,
            throughput_history: ThroughputHistory::decode(reader)?,
            attribute_definitions: Vec::new(),
            partition_key: String::new(),
            sort_key: None,
            tags: BTreeMap::new(),
            local_indexes: Vec::new(),
            global_indexes: Vec::new(),
            streams: Vec::new(),
            time_to_live: None,
        })
    }
}

/// The attribute definitions of a row, by which keys are written as places among them.
#[derive(Clone, Copy)]
pub(super) struct Definitions<'a>(&'a [AttributeDefinition]);

impl Definitions<'_> {
    /// The place of an attribute that is defined.
    pub(super) fn index_of(self, name: &str) -> u64 {
        let index = self.0.iter().position(|definition| definition.name == name);
        index.expect("key attributes are among the definitions") as u64
    }

    /// The attribute at a place.
    pub(super) fn name_at(self, index: u64) -> Result<String, DecodeError> {
        let count = self.0.len() as u64;
        let definition = usize::try_from(index).ok().and_then(|index| self.0.get(index));
        definition.map(|definition| definition.name.clone()).ok_or(DecodeError::OutOfRange {
            field: "key attribute of a table",
            value: index,
            minimum: 0,
            maximum: count.saturating_sub(1),
        })
    }
}

impl CapacityPair {
    pub(super) fn encode(self, row: &mut Vec<u8>) {
        row.put_u64(self.read_units);
        row.put_u64(self.write_units);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { read_units: reader.u64()?, write_units: reader.u64()? })
    }
}

impl ThroughputHistory {
    fn encode(self, row: &mut Vec<u8>) {
        row.put_u64(self.last_increase_unix_us.unwrap_or(0));
        row.put_u64(self.last_decrease_unix_us.unwrap_or(0));
        row.put_u64(self.decreases_that_day);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut time = || reader.u64().map(|time| Some(time).filter(|time| *time != 0));
        let (last_increase_unix_us, last_decrease_unix_us) = (time()?, time()?);
        Ok(Self { last_increase_unix_us, last_decrease_unix_us, decreases_that_day: reader.u64()? })
    }
}

fn decode_billing(reader: &mut Reader<'_>) -> Result<Billing, DecodeError> {
    let mode = reader.u8()?;
    let units = CapacityPair::decode(reader)?;
    match mode {
        BILLING_PROVISIONED => Ok(Billing::Provisioned(units)),
        BILLING_PAY_PER_REQUEST if units == CapacityPair::default() => Ok(Billing::PayPerRequest),
        BILLING_PAY_PER_REQUEST => Err(not_canonical("a table paid by request has no provisioned units")),
        mode => Err(DecodeError::OutOfRange {
            field: "billing mode of a table",
            value: mode.into(),
            minimum: BILLING_PROVISIONED.into(),
            maximum: BILLING_PAY_PER_REQUEST.into(),
        }),
    }
}

fn decode_definitions(reader: &mut Reader<'_>) -> Result<Vec<AttributeDefinition>, DecodeError> {
    let count = bounded_count(reader, "attribute definitions of a table", ATTRIBUTE_DEFINITIONS_MAX)?;
    let mut definitions: Vec<AttributeDefinition> = Vec::new();
    for _ in 0..count {
        let kind = enumerated("type of an attribute definition", &KINDS, reader.u8()?)?;
        let name = reader.prefixed_str()?.to_owned();
        if definitions.iter().any(|definition| definition.name == name) {
            return Err(not_canonical("no attribute is defined twice"));
        }
        definitions.push(AttributeDefinition { name, kind });
    }
    Ok(definitions)
}

fn decode_tags(reader: &mut Reader<'_>) -> Result<BTreeMap<String, String>, DecodeError> {
    let count = bounded_count(reader, "tags of a table", TAGS_MAX)?;
    let mut tags = BTreeMap::new();
    for _ in 0..count {
        let (key, value) = (reader.prefixed_str()?, reader.prefixed_str()?);
        if tags.last_key_value().is_some_and(|(last, _): (&String, &String)| last.as_str() >= key) {
            return Err(not_canonical("tags ascend by key"));
        }
        tags.insert(key.to_owned(), value.to_owned());
    }
    Ok(tags)
}

/// Reads a count that must not be above `maximum`.
pub(super) fn bounded_count(
    reader: &mut Reader<'_>,
    field: &'static str,
    maximum: u64,
) -> Result<u64, DecodeError> {
    match reader.varint()? {
        count if count <= maximum => Ok(count),
        value => Err(DecodeError::OutOfRange { field, value, minimum: 0, maximum }),
    }
}

/// A row that says something in a way, or that, no encoder does.
pub(super) fn not_canonical(rule: &'static str) -> DecodeError {
    DecodeError::NotCanonical { what: WHAT, rule }
}

const _: () =
    assert!(TABLE_ROW_LAYOUT[TABLE_ROW_LAYOUT.len() - 1].end() == 133, "the fixed part is as tabled");
