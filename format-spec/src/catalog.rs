//! Rows of partition 0: what tables and partitions exist, and the numbers that were given to them.
//!
//! Rows are plain values; which of them may stand beside each other is the engine's business. A table's name and a
//! partition's number are in the key alone.
//!
//! Invariants: a row has one encoding; an absent setting is stored as zero, which no setting has as its value.
//!
//! Bytes: `spec/catalog.md`.

mod index_part;
mod key;
mod partition_row;
mod stream_part;
mod table_row;

pub use index_part::{
    GLOBAL_INDEXES_MAX, GlobalIndexPart, INDEX_KEY_ATTRIBUTES_MAX, INDEX_STATUSES, IndexStatus,
    LOCAL_INDEXES_MAX, LocalIndexPart, PROJECTION_KINDS, Projection,
};
pub use key::{CatalogKey, KIND_COUNTERS, KIND_DELETED_TABLE, KIND_PARTITION, KIND_TABLE, KINDS};
pub use partition_row::{PARTITION_ROW_LAYOUT, PARTITION_STATES, PartitionRow, PartitionState};
pub use stream_part::{
    STREAM_VIEWS, STREAMS_MAX, StreamPart, StreamView, TIME_TO_LIVE_STATES, TimeToLivePart, TimeToLiveState,
};
pub use table_row::{
    AttributeDefinition, BILLING_MODES, Billing, CapacityPair, TABLE_CLASSES, TABLE_ROW_LAYOUT,
    TABLE_STATUSES, TableClass, TableRow, TableStatus, ThroughputHistory,
};

use crate::layout::Field;
use crate::{DecodeError, Put, Reader};

/// First byte of every row.
pub const ROW_VERSION: u8 = 1;

/// The row of the counter that tables and partitions take their numbers from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountersRow {
    /// The next number; 0 is the catalog's own partition, so this is at least 1.
    pub next_number: u64,
}

/// The counters' row.
pub const COUNTERS_ROW_LAYOUT: &[Field] = &[Field::new(0, 1, "version"), Field::new(1, 8, "next_number")];

impl CountersRow {
    /// The row's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut row = vec![ROW_VERSION];
        row.put_u64(self.next_number);
        row
    }

    /// Reads a row, all of it.
    pub fn decode(row: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = open_row("catalog counters", row)?;
        let next_number = reader.u64()?;
        reader.finish()?;
        match next_number {
            0 => Err(DecodeError::OutOfRange {
                field: "next number of the catalog",
                value: 0,
                minimum: 1,
                maximum: u64::MAX,
            }),
            _ => Ok(Self { next_number }),
        }
    }
}

/// Starts to read a row behind its version.
fn open_row<'a>(what: &'static str, row: &'a [u8]) -> Result<Reader<'a>, DecodeError> {
    let mut reader = Reader::new(what, row);
    match reader.u8()? {
        ROW_VERSION => Ok(reader),
        version => {
            Err(DecodeError::UnknownVersion { what, found: version.into(), newest_known: ROW_VERSION.into() })
        }
    }
}

/// The byte of an enumeration value.
pub(crate) fn byte_of<T: PartialEq>(values: &[(T, u8)], value: T) -> u8 {
    let listed = values.iter().find(|(listed, _)| *listed == value);
    listed.map(|(_, byte)| *byte).expect("every value is listed")
}

/// The enumeration value whose byte is `byte`; enumerations of rows are numbered without gaps.
pub(crate) fn enumerated<T: Copy>(
    field: &'static str,
    values: &[(T, u8)],
    byte: u8,
) -> Result<T, DecodeError> {
    let found = values.iter().find(|(_, value)| *value == byte);
    found.map(|(value, _)| *value).ok_or(DecodeError::OutOfRange {
        field,
        value: byte.into(),
        minimum: values.iter().map(|(_, value)| *value).min().unwrap_or_default().into(),
        maximum: values.iter().map(|(_, value)| *value).max().unwrap_or_default().into(),
    })
}
