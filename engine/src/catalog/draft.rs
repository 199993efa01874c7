//! A table that has no numbers yet: they come from the catalog's counter, in the entry that makes the table.

use std::sync::Arc;

use basalt_format::key_encoding::SECRET_BYTES;
use basalt_model::{KeyCodec, KeySchema};
use basalt_runtime::Handle;
use basalt_storage::PartitionId;

use super::{Table, TableId, TablePartition, TableSettings, equal_hash_ranges};

/// The next number of a table or partition. Numbers are never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NextNumber(pub(crate) u64);

impl NextNumber {
    /// Before any table was made: 0 is the catalog's own partition.
    pub(crate) const FIRST: Self = Self(1);

    fn take(&mut self) -> u64 {
        let number = self.0;
        self.0 = number.checked_add(1).expect("fewer than 2^64 tables and partitions are ever made");
        number
    }
}

/// What is decided of a table before its catalog entry.
#[derive(Debug, Clone)]
pub(crate) struct TableDraft {
    name: Arc<str>,
    id: TableId,
    created_unix_us: u64,
    schema: KeySchema,
    hash_secret: [u8; SECRET_BYTES],
    settings: TableSettings,
    partition_count: u16,
}

impl TableDraft {
    /// Chooses the table's identity and secret by the shard's entropy.
    pub(crate) fn new(
        name: Arc<str>,
        schema: KeySchema,
        settings: TableSettings,
        partition_count: u16,
        handle: &Handle,
    ) -> Self {
        let random = || {
            let mut bytes = [0; 16];
            handle.fill_entropy(&mut bytes);
            bytes
        };
        Self {
            name,
            id: TableId::from_entropy(random()),
            created_unix_us: handle.unix_time().as_micros(),
            schema,
            hash_secret: random(),
            settings,
            partition_count,
        }
    }

    /// The table, with a number for it and for each partition.
    pub(crate) fn number(&self, next: &mut NextNumber) -> Table {
        let number = next.take();
        let partitions = equal_hash_ranges(self.partition_count)
            .map(|(hash_first, hash_last)| TablePartition {
                id: PartitionId::new(next.take()),
                hash_first,
                hash_last,
            })
            .collect();
        Table {
            name: Arc::clone(&self.name),
            id: self.id,
            number,
            created_unix_us: self.created_unix_us,
            hash_secret: self.hash_secret,
            keys: KeyCodec::new(self.schema.clone(), &self.hash_secret),
            settings: self.settings.clone(),
            partitions,
        }
    }
}
