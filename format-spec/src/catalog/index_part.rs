//! The parts of a table's row that tell its secondary indexes.

use super::table_row::{CapacityPair, Definitions, bounded_count, not_canonical};
use super::{byte_of, enumerated};
use crate::layout::Constant;
use crate::{DecodeError, Put, Reader};

/// A row holds at most so many local indexes: one for each tag of theirs.
pub const LOCAL_INDEXES_MAX: u64 = 16;
/// A row holds at most so many global indexes.
pub const GLOBAL_INDEXES_MAX: u64 = 255;
/// A global index has at most so many attributes of either sort.
pub const INDEX_KEY_ATTRIBUTES_MAX: u64 = 4;
const PROJECTED_NAMES_MAX: u64 = 255;

/// What an index holds of an item beside the keys of both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    /// Everything.
    All,
    /// Nothing.
    KeysOnly,
    /// These attributes.
    Include(Vec<String>),
}

const PROJECTION_ALL: u8 = 1;
const PROJECTION_KEYS_ONLY: u8 = 2;
const PROJECTION_INCLUDE: u8 = 3;

/// The kinds of projections as the specification lists them.
pub const PROJECTION_KINDS: &[Constant] = &[
    Constant::new("All", PROJECTION_ALL as u64),
    Constant::new("KeysOnly", PROJECTION_KEYS_ONLY as u64),
    Constant::new("Include", PROJECTION_INCLUDE as u64),
];

/// Where a global index is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexStatus {
    /// Takes changes; items that were there before it are still to be brought in.
    Creating,
    /// As `Creating`, and the items are being brought in.
    Backfilling,
    /// Holds every item that belongs into it.
    Active,
    /// Going away.
    Deleting,
}

const STATUSES: [(IndexStatus, u8); 4] = [
    (IndexStatus::Creating, 1),
    (IndexStatus::Backfilling, 2),
    (IndexStatus::Active, 3),
    (IndexStatus::Deleting, 4),
];

/// The statuses as the specification lists them.
pub const INDEX_STATUSES: &[Constant] = &[
    Constant::new("Creating", 1),
    Constant::new("Backfilling", 2),
    Constant::new("Active", 3),
    Constant::new("Deleting", 4),
];

/// A local secondary index; its place in the row says which tag its entries have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalIndexPart {
    /// Its name.
    pub name: String,
    /// The attribute that its entries are sorted by; one of the table's definitions.
    pub sort_key: String,
    /// What it holds.
    pub projection: Projection,
}

/// A global secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalIndexPart {
    /// Its name.
    pub name: String,
    /// Its number in partitions' rows, from the counter that tables take theirs from.
    pub number: u64,
    /// Where it is in its life.
    pub status: IndexStatus,
    /// The attributes of its partition key, at least one; all of them among the table's definitions.
    pub partition_keys: Vec<String>,
    /// The attributes that sort within it.
    pub sort_keys: Vec<String>,
    /// What it holds.
    pub projection: Projection,
    /// Units a second; zero if the table is paid by request.
    pub provisioned: CapacityPair,
    /// Limits on what is paid by request.
    pub on_demand_maximum: CapacityPair,
    /// What it should take at once.
    pub warm_throughput: CapacityPair,
}

impl Projection {
    fn encode(&self, row: &mut Vec<u8>) {
        match self {
            Self::All => row.put_u8(PROJECTION_ALL),
            Self::KeysOnly => row.put_u8(PROJECTION_KEYS_ONLY),
            Self::Include(names) => {
                row.put_u8(PROJECTION_INCLUDE);
                row.put_varint(names.len() as u64);
                for name in names {
                    row.put_prefixed_bytes(name.as_bytes());
                }
            }
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            PROJECTION_ALL => Ok(Self::All),
            PROJECTION_KEYS_ONLY => Ok(Self::KeysOnly),
            PROJECTION_INCLUDE => {
                let count = bounded_count(reader, "projected attributes of an index", PROJECTED_NAMES_MAX)?;
                let names = (0..count).map(|_| Ok(reader.prefixed_str()?.to_owned()));
                Ok(Self::Include(names.collect::<Result<_, DecodeError>>()?))
            }
            kind => Err(DecodeError::OutOfRange {
                field: "projection of an index",
                value: kind.into(),
                minimum: PROJECTION_ALL.into(),
                maximum: PROJECTION_INCLUDE.into(),
            }),
        }
    }
}

impl LocalIndexPart {
    fn encode(&self, definitions: Definitions<'_>, row: &mut Vec<u8>) {
        row.put_prefixed_bytes(self.name.as_bytes());
        row.put_varint(definitions.index_of(&self.sort_key));
        self.projection.encode(row);
    }

    fn decode(definitions: Definitions<'_>, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            name: reader.prefixed_str()?.to_owned(),
            sort_key: definitions.name_at(reader.varint()?)?,
            projection: Projection::decode(reader)?,
        })
    }
}

impl GlobalIndexPart {
    fn encode(&self, definitions: Definitions<'_>, row: &mut Vec<u8>) {
        row.put_prefixed_bytes(self.name.as_bytes());
        row.put_u64(self.number);
        row.put_u8(byte_of(&STATUSES, self.status));
        encode_keys(&self.partition_keys, definitions, row);
        encode_keys(&self.sort_keys, definitions, row);
        self.projection.encode(row);
        for pair in [self.provisioned, self.on_demand_maximum, self.warm_throughput] {
            pair.encode(row);
        }
    }

    fn decode(definitions: Definitions<'_>, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let decoded = Self {
            name: reader.prefixed_str()?.to_owned(),
            number: reader.u64()?,
            status: enumerated("status of an index", &STATUSES, reader.u8()?)?,
            partition_keys: decode_keys(definitions, reader)?,
            sort_keys: decode_keys(definitions, reader)?,
            projection: Projection::decode(reader)?,
            provisioned: CapacityPair::decode(reader)?,
            on_demand_maximum: CapacityPair::decode(reader)?,
            warm_throughput: CapacityPair::decode(reader)?,
        };
        if decoded.partition_keys.is_empty() {
            return Err(not_canonical("an index has a partition key"));
        }
        Ok(decoded)
    }
}

/// Writes both lists of indexes.
pub(super) fn encode_indexes(
    local: &[LocalIndexPart],
    global: &[GlobalIndexPart],
    definitions: Definitions<'_>,
    row: &mut Vec<u8>,
) {
    row.put_varint(local.len() as u64);
    local.iter().for_each(|index| index.encode(definitions, row));
    row.put_varint(global.len() as u64);
    global.iter().for_each(|index| index.encode(definitions, row));
}

/// Reads the local indexes.
pub(super) fn decode_local(
    definitions: Definitions<'_>,
    reader: &mut Reader<'_>,
) -> Result<Vec<LocalIndexPart>, DecodeError> {
    let count = bounded_count(reader, "local indexes of a table", LOCAL_INDEXES_MAX)?;
    (0..count).map(|_| LocalIndexPart::decode(definitions, reader)).collect()
}

/// Reads the global indexes.
pub(super) fn decode_global(
    definitions: Definitions<'_>,
    reader: &mut Reader<'_>,
) -> Result<Vec<GlobalIndexPart>, DecodeError> {
    let count = bounded_count(reader, "global indexes of a table", GLOBAL_INDEXES_MAX)?;
    (0..count).map(|_| GlobalIndexPart::decode(definitions, reader)).collect()
}

fn encode_keys(names: &[String], definitions: Definitions<'_>, row: &mut Vec<u8>) {
    row.put_varint(names.len() as u64);
    for name in names {
        row.put_varint(definitions.index_of(name));
    }
}

fn decode_keys(definitions: Definitions<'_>, reader: &mut Reader<'_>) -> Result<Vec<String>, DecodeError> {
    let count = bounded_count(reader, "key attributes of an index", INDEX_KEY_ATTRIBUTES_MAX)?;
    (0..count).map(|_| definitions.name_at(reader.varint()?)).collect()
}
