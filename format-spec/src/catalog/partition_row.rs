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
    Field::new(42, 8, "parent"),
    Field::new(50, 8, "opened_unix_us"),
    Field::new(58, 8, "closed_unix_us"),
    Field::new(66, 8, "sequence_base"),
    Field::new(74, 4, "first_stream"),
    Field::new(78, 4, "last_stream"),
];

/// What a partition is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionState {
    /// It serves its hash range.
    Open,
    /// Its children serve its range, or its table was deleted; its stream records can still be read.
    Closed,
    /// A part of a partition that is being split is being copied into it. A start drops it.
    Filling,
}

const STATES: [(PartitionState, u8); 3] =
    [(PartitionState::Open, 1), (PartitionState::Closed, 2), (PartitionState::Filling, 3)];

/// The states as the specification lists them.
pub const PARTITION_STATES: &[Constant] =
    &[Constant::new("Open", 1), Constant::new("Closed", 2), Constant::new("Filling", 3)];

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
    /// The partition whose stream shard its own goes on; `None`: its stream shards have no parents.
    pub parent: Option<u64>,
    /// When it was opened by a split, in microseconds since 1970; 0: it was made with its table or index.
    pub opened_unix_us: u64,
    /// When it was closed by a split; `None` unless it is closed.
    pub closed_unix_us: Option<u64>,
    /// What the sequence numbers of its stream records are above the indexes of their entries.
    pub sequence_base: u64,
    /// The least number of a stream that it can have records of.
    pub first_stream: u32,
    /// The greatest such number, of a closed partition; else 0.
    pub last_stream: u32,
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
        row.put_u64(self.parent.unwrap_or(0));
        row.put_u64(self.opened_unix_us);
        row.put_u64(self.closed_unix_us.unwrap_or(0));
        row.put_u64(self.sequence_base);
        row.put_u32(self.first_stream);
        row.put_u32(self.last_stream);
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
            parent: Some(reader.u64()?).filter(|parent| *parent != 0),
            opened_unix_us: reader.u64()?,
            closed_unix_us: Some(reader.u64()?).filter(|time| *time != 0),
            sequence_base: reader.u64()?,
            first_stream: reader.u32()?,
            last_stream: reader.u32()?,
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
        decoded.check_closing()?;
        Ok(decoded)
    }

    /// A closed partition says since when, and which streams it has records of; no other does.
    fn check_closing(&self) -> Result<(), DecodeError> {
        let is_closed = self.state == PartitionState::Closed;
        let says_nothing = self.closed_unix_us.is_none() && self.last_stream == 0;
        let is_sound = if is_closed {
            self.closed_unix_us.is_some() && self.last_stream >= self.first_stream.max(1)
        } else {
            says_nothing
        };
        if is_sound {
            return Ok(());
        }
        Err(DecodeError::NotCanonical {
            what: "partition row",
            rule: "a closed partition, and no other, has a time of closing and a last stream not below its first",
        })
    }
}
