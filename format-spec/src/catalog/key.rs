//! Keys of the catalog: the tag, a kind, then what the kind names its rows by.

use crate::key_encoding::TAG_CATALOG;
use crate::layout::Constant;
use crate::{DecodeError, Put, Reader};

/// The one row of counters.
pub const KIND_COUNTERS: u8 = 0x01;
/// Tables, by name.
pub const KIND_TABLE: u8 = 0x10;
/// Tables that were deleted and whose streams can still be read, by number and name.
pub const KIND_DELETED_TABLE: u8 = 0x11;
/// Partitions of all tables, by number.
pub const KIND_PARTITION: u8 = 0x20;

/// The kinds as the specification lists them.
pub const KINDS: &[Constant] = &[
    Constant::new("KIND_COUNTERS", KIND_COUNTERS as u64),
    Constant::new("KIND_TABLE", KIND_TABLE as u64),
    Constant::new("KIND_DELETED_TABLE", KIND_DELETED_TABLE as u64),
    Constant::new("KIND_PARTITION", KIND_PARTITION as u64),
];

/// Whose row it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CatalogKey {
    /// Of the counters.
    Counters,
    /// Of a table, by its name.
    Table(String),
    /// Of a table that was deleted and whose streams can still be read. A later table may have its name.
    DeletedTable {
        /// Its number.
        number: u64,
        /// Its name.
        name: String,
    },
    /// Of a partition, by its number.
    Partition(u64),
}

const WHAT: &str = "catalog key";

impl CatalogKey {
    /// The key's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut key = vec![TAG_CATALOG];
        match self {
            Self::Counters => key.put_u8(KIND_COUNTERS),
            Self::Table(name) => {
                key.put_u8(KIND_TABLE);
                key.put_bytes(name.as_bytes());
            }
            Self::DeletedTable { number, name } => {
                key.put_u8(KIND_DELETED_TABLE);
                key.put_bytes(&number.to_be_bytes());
                key.put_bytes(name.as_bytes());
            }
            Self::Partition(number) => {
                key.put_u8(KIND_PARTITION);
                key.put_bytes(&number.to_be_bytes());
            }
        }
        key
    }

    /// Reads a key, all of it.
    pub fn decode(key: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, key);
        let tag = reader.u8()?;
        if tag != TAG_CATALOG {
            return Err(out_of_range("tag of a catalog key", tag, TAG_CATALOG, TAG_CATALOG));
        }
        let decoded = match reader.u8()? {
            KIND_COUNTERS => Self::Counters,
            KIND_TABLE => Self::Table(name_of_table(&mut reader)?),
            KIND_DELETED_TABLE => Self::DeletedTable {
                number: u64::from_be_bytes(reader.array()?),
                name: name_of_table(&mut reader)?,
            },
            KIND_PARTITION => Self::Partition(u64::from_be_bytes(reader.array()?)),
            kind => return Err(out_of_range("kind of a catalog key", kind, KIND_COUNTERS, KIND_PARTITION)),
        };
        reader.finish()?;
        Ok(decoded)
    }

    /// All rows of the catalog: from the first key, included, to the second, excluded.
    pub fn all() -> (Vec<u8>, Vec<u8>) {
        (vec![TAG_CATALOG], vec![TAG_CATALOG + 1])
    }
}

/// The rest of the key.
fn name_of_table(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let name = reader.bytes(reader.remaining())?;
    let name = std::str::from_utf8(name).map_err(|_| DecodeError::NotUtf8 { what: WHAT })?;
    if name.is_empty() {
        return Err(DecodeError::Truncated { what: WHAT, needed: 1, available: 0 });
    }
    Ok(name.to_owned())
}

fn out_of_range(field: &'static str, value: u8, minimum: u8, maximum: u8) -> DecodeError {
    DecodeError::OutOfRange { field, value: value.into(), minimum: minimum.into(), maximum: maximum.into() }
}
