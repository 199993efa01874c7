//! The row of a partition.

use super::{ROW_VERSION, byte_of, enumerated, open_row};
use crate::layout::{Constant, Field};
use crate::{DecodeError, Put};

/// A partition's row.
pub const PARTITION_ROW_LAYOUT: &[Field] = &[
    Field::new(0, 1, "version"),
    Field::new(1, 8, "table_number"),
    Field::new(9, 8, "hash_first"),
    Field::new(17, 8, "hash_last"),
    Field::new(25, 1, "state"),
    Field::new(26, 16, "file_uuid"),
];

/// What a partition is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionState {
    /// It serves its hash range.
    Open,
    /// Its children serve its range; its stream records can still be read.
    Closed,
}

const STATES: [(PartitionState, u8); 2] = [(PartitionState::Open, 1), (PartitionState::Closed, 2)];

/// The states as the specification lists them.
pub const PARTITION_STATES: &[Constant] = &[Constant::new("Open", 1), Constant::new("Closed", 2)];

/// One partition of a table or index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionRow {
    /// The number of the table or index.
    pub table_number: u64,
    /// The first partition key hash that it owns.
    pub hash_first: u64,
    /// The last one.
    pub hash_last: u64,
    /// What it is there for.
    pub state: PartitionState,
    /// Its file, once it has had a checkpoint; without that file the partition is lost. Never all zeros.
    pub file_uuid: Option<[u8; 16]>,
}

impl PartitionRow {
    /// The row's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut row = vec![ROW_VERSION];
        row.put_u64(self.table_number);
        row.put_u64(self.hash_first);
        row.put_u64(self.hash_last);
        row.put_u8(byte_of(&STATES, self.state));
        row.put_bytes(&self.file_uuid.unwrap_or_default());
        row
    }

    /// Reads a row, all of it.
    pub fn decode(row: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = open_row("partition row", row)?;
        let decoded = Self {
            table_number: reader.u64()?,
            hash_first: reader.u64()?,
            hash_last: reader.u64()?,
            state: enumerated("state of a partition", &STATES, reader.u8()?)?,
            file_uuid: Some(reader.array()?).filter(|uuid| *uuid != [0; 16]),
        };
        reader.finish()?;
        if decoded.hash_first > decoded.hash_last {
            return Err(DecodeError::OutOfRange {
                field: "last hash of a partition",
                value: decoded.hash_last,
                minimum: decoded.hash_first,
                maximum: u64::MAX,
            });
        }
        Ok(decoded)
    }
}
