//! A table that has no numbers yet: they come from the catalog's counter, in the entry that makes the table.

use std::sync::Arc;

use basalt_format::key_encoding::SECRET_BYTES;
use basalt_model::{IndexKeyCodec, KeyCodec, KeySchema};
use basalt_runtime::{Handle, ShardIndex, UnixTime};
use basalt_storage::PartitionId;

use super::{
    GlobalIndex, GlobalIndexDefinition, IndexStatus, LocalIndex, LocalIndexDefinition, StoredView,
    StreamDescription, StreamViewType, Table, TableId, TablePartition, TableSettings,
    partition::{equal_hash_ranges, owner_of},
};

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

    /// The next number that makes a partition `owner`'s while `shard_count` shards run; those before it are left out.
    pub(super) fn take_for(&mut self, owner: ShardIndex, shard_count: u16) -> u64 {
        loop {
            let number = self.take();
            if owner_of(PartitionId::new(number), shard_count) == owner {
                return number;
            }
        }
    }

    /// A partition a range, the ranges cutting the hash space into equal parts.
    fn take_partitions(&mut self, count: u16) -> Vec<TablePartition> {
        let partition = |hashes| TablePartition::new(PartitionId::new(self.take()), hashes);
        equal_hash_ranges(count).map(partition).collect()
    }
}

/// What a client wants a new table to be.
#[derive(Debug, Clone)]
pub(crate) struct TableDefinition {
    pub(crate) name: Arc<str>,
    pub(crate) schema: KeySchema,
    pub(crate) settings: TableSettings,
    pub(crate) local_indexes: Vec<LocalIndexDefinition>,
    pub(crate) global_indexes: Vec<GlobalIndexDefinition>,
    pub(crate) stream: Option<StreamViewType>,
}

/// What is decided of a table before its catalog entry.
#[derive(Debug, Clone)]
pub(crate) struct TableDraft {
    definition: TableDefinition,
    id: TableId,
    created_unix_us: u64,
    /// The label of its first stream.
    stream_time: UnixTime,
    hash_secret: [u8; SECRET_BYTES],
    partition_count: u16,
}

impl TableDraft {
    /// Chooses the table's identity and secret by the shard's entropy.
    pub(crate) fn new(
        definition: TableDefinition,
        partition_count: u16,
        stream_time: UnixTime,
        handle: &Handle,
    ) -> Self {
        let random = || {
            let mut bytes = [0; 16];
            handle.fill_entropy(&mut bytes);
            bytes
        };
        Self {
            definition,
            id: TableId::from_entropy(random()),
            created_unix_us: handle.unix_time().as_micros(),
            stream_time,
            hash_secret: random(),
            partition_count,
        }
    }

    /// The table, with a number for it, each index and each partition.
    pub(crate) fn number(&self, next: &mut NextNumber) -> Table {
        let definition = &self.definition;
        let number = next.take();
        let partitions = next.take_partitions(self.partition_count);
        let keys = KeyCodec::new(definition.schema.clone(), &self.hash_secret);
        // There is nothing to bring into an index that is made with its table.
        let mut numbered = |index: &GlobalIndexDefinition| {
            Arc::new(GlobalIndex::number(index, IndexStatus::Active, &keys, self.partition_count, next))
        };
        let global_indexes = definition.global_indexes.iter().map(&mut numbered).collect();
        let local_indexes = definition.local_indexes.iter().enumerate();
        let local_indexes = local_indexes
            .map(|(position, index)| Arc::new(LocalIndex::new(position, index, &keys)))
            .collect();
        Table {
            name: Arc::clone(&definition.name),
            id: self.id,
            number,
            created_unix_us: self.created_unix_us,
            hash_secret: self.hash_secret,
            keys,
            settings: definition.settings.clone(),
            local_indexes,
            global_indexes,
            streams: definition.stream.map(|view_type| self.first_stream(view_type)).into_iter().collect(),
            time_to_live: None,
            throughput: Arc::default(),
            partitions,
            closed: Vec::new(),
            filling: Vec::new(),
        }
    }

    fn first_stream(&self, view_type: StreamViewType) -> StreamDescription {
        StreamDescription {
            number: 1,
            created_unix_us: self.stream_time.as_micros(),
            view_type,
            disabled_unix_us: None,
        }
    }
}

impl GlobalIndex {
    /// A new index of a table with `table_keys`, with a number for it and for each partition.
    pub(crate) fn number(
        definition: &GlobalIndexDefinition,
        status: IndexStatus,
        table_keys: &KeyCodec,
        partition_count: u16,
        next: &mut NextNumber,
    ) -> Self {
        let keys = IndexKeyCodec::global(definition.key_schema.clone(), table_keys);
        Self {
            name: definition.index_name.as_str().into(),
            number: next.take(),
            stored: StoredView::new(&definition.projection, &keys),
            keys,
            projection: definition.projection.clone(),
            status,
            throughput: definition.throughput,
            partitions: next.take_partitions(partition_count),
            filling: Vec::new(),
        }
    }
}
