//! A change of a global index on its way from the item's entry to the index's.

use basalt_format::{key_encoding, outbox::OutboxChange};

use crate::derive::IndexChange;

/// Bytes that a change takes in memory beside its key and row.
const CHANGE_OVERHEAD_BYTES: u64 = 96;

impl IndexChange {
    /// The hash that chooses the partition of the index.
    pub(crate) fn hash(&self) -> u64 {
        let (_tag, hash, _parts) =
            key_encoding::decode_hashed(&self.row_key).expect("rows of an index are keyed by tag and hash");
        hash
    }

    /// Bytes of memory that it takes.
    pub(crate) fn bytes(&self) -> u64 {
        (self.row_key.len() + self.row.as_ref().map_or(0, Vec::len)) as u64 + CHANGE_OVERHEAD_BYTES
    }

    pub(crate) fn as_format(&self) -> OutboxChange<'_> {
        let Self { index_number, row_key, row } = self;
        OutboxChange { index_number: *index_number, row_key, row: row.as_deref() }
    }
}

impl From<OutboxChange<'_>> for IndexChange {
    fn from(change: OutboxChange<'_>) -> Self {
        Self {
            index_number: change.index_number,
            row_key: change.row_key.to_vec(),
            row: change.row.map(<[u8]>::to_vec),
        }
    }
}
