//! A table as every shard knows it, and which shard owns which part of it.

use std::sync::Arc;

use basalt_format::key_encoding::SECRET_BYTES;
use basalt_model::{KeyAttribute, KeyCodec, KeySchema};
use basalt_storage::PartitionSpec;

use super::{
    ClosedPartition, GlobalIndex, IndexProjection, IndexStatus, LocalIndex, StreamDescription, TableId,
    TablePartition, TableSettings, TimeToLive, partition::partition_of,
};
use crate::throughput::Throughput;

/// One table of a catalog snapshot. Never changes: a changed table is another one of the next snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) name: Arc<str>,
    pub(crate) id: TableId,
    /// The table's number in partition specs; from the same counter as partition ids.
    pub(crate) number: u64,
    pub(crate) created_unix_us: u64,
    /// Seeds the hash of partition keys, so that nobody can aim all keys at one partition.
    pub(crate) hash_secret: [u8; SECRET_BYTES],
    /// The schema, and the secret made ready for use.
    pub(crate) keys: KeyCodec,
    pub(crate) settings: TableSettings,
    /// In the order of their tags.
    pub(crate) local_indexes: Vec<Arc<LocalIndex>>,
    /// In the order of their making.
    pub(crate) global_indexes: Vec<Arc<GlobalIndex>>,
    /// Oldest first; only the last may be enabled.
    pub(crate) streams: Vec<StreamDescription>,
    /// By what its items expire.
    pub(crate) time_to_live: Option<TimeToLive>,
    /// In the order of their hash ranges, which cover the whole space without gap or overlap.
    pub(crate) partitions: Vec<TablePartition>,
    /// Those that were split and whose stream records can still be read, in the order of their splits; of a deleted table
    /// every one that is left.
    pub(crate) closed: Vec<ClosedPartition>,
    /// Those that a split is filling.
    pub(crate) filling: Vec<TablePartition>,
    /// What its operations are let in by; follows the settings as the table enters a snapshot.
    pub(crate) throughput: Arc<Throughput>,
}

impl Table {
    /// Partition key and sort key.
    pub(crate) fn schema(&self) -> &KeySchema {
        self.keys.schema()
    }

    /// The partition that holds `hash`.
    pub(crate) fn partition_of(&self, hash: u64) -> &TablePartition {
        partition_of(&self.partitions, hash)
    }

    /// The attributes of all keys, each once: the table's, then its indexes'.
    pub(crate) fn attribute_definitions(&self) -> Vec<KeyAttribute> {
        let mut definitions: Vec<KeyAttribute> = Vec::new();
        for attribute in self.schema().attributes().chain(self.index_key_attributes()) {
            if !definitions.iter().any(|defined| defined.name == attribute.name) {
                definitions.push(attribute.clone());
            }
        }
        definitions
    }

    /// The attributes of all indexes' keys.
    pub(crate) fn index_key_attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        let local = self.local_indexes.iter().map(|index| &index.keys);
        let global = self.global_indexes.iter().map(|index| &index.keys);
        local.chain(global).flat_map(|keys| keys.schema().attributes())
    }

    /// What each of its indexes holds.
    pub(crate) fn index_projections(&self) -> impl Iterator<Item = &IndexProjection> {
        let local = self.local_indexes.iter().map(|index| &index.projection);
        local.chain(self.global_indexes.iter().map(|index| &index.projection))
    }

    /// The local index of this name.
    pub(crate) fn local_index(&self, name: &str) -> Option<&Arc<LocalIndex>> {
        self.local_indexes.iter().find(|index| *index.name == *name)
    }

    /// The global index of this name.
    pub(crate) fn global_index(&self, name: &str) -> Option<&Arc<GlobalIndex>> {
        self.global_indexes.iter().find(|index| *index.name == *name)
    }

    /// The global index of this number.
    pub(crate) fn global_index_numbered(&self, number: u64) -> Option<&Arc<GlobalIndex>> {
        self.global_indexes.iter().find(|index| index.number == number)
    }

    /// The global index of this number, if it takes changes.
    pub(crate) fn receiving_index(&self, number: u64) -> Option<&Arc<GlobalIndex>> {
        self.global_index_numbered(number).filter(|index| index.status != IndexStatus::Deleting)
    }

    /// The stream that takes records now.
    pub(crate) fn enabled_stream(&self) -> Option<&StreamDescription> {
        self.streams.last().filter(|stream| stream.is_enabled())
    }

    /// This table with an index in place of the one of its number, or as its newest.
    pub(crate) fn with_global_index(&self, index: GlobalIndex) -> Self {
        let mut changed = self.clone();
        let index = Arc::new(index);
        match changed.global_indexes.iter_mut().find(|present| present.number == index.number) {
            Some(present) => *present = index,
            None => changed.global_indexes.push(index),
        }
        changed
    }

    /// This table without the global index of a number.
    pub(crate) fn without_global_index(&self, number: u64) -> Self {
        let mut changed = self.clone();
        changed.global_indexes.retain(|index| index.number != number);
        changed
    }

    /// The partitions of the table and of its global indexes that serve, with the number that each belongs to.
    pub(crate) fn serving_partitions(&self) -> impl Iterator<Item = (u64, &TablePartition)> {
        let own = self.partitions.iter().map(|partition| (self.number, partition));
        own.chain(
            self.global_indexes
                .iter()
                .flat_map(|index| index.partitions.iter().map(|partition| (index.number, partition))),
        )
    }

    /// Every partition that the catalog has a row of: those that serve, closed ones and those that are being filled.
    pub(crate) fn all_partitions(&self) -> impl Iterator<Item = (u64, &TablePartition)> {
        let closed = self.closed.iter().map(|closed| &closed.partition);
        let own = closed.chain(&self.filling).map(|partition| (self.number, partition));
        let of_indexes = self.global_indexes.iter();
        let of_indexes =
            of_indexes.flat_map(|index| index.filling.iter().map(|partition| (index.number, partition)));
        self.serving_partitions().chain(own).chain(of_indexes)
    }

    /// What storage needs to know of a partition of this table or of one of its indexes, given the number it belongs
    /// to and the file it got at its first checkpoint.
    pub(crate) fn spec_of(
        &self,
        number: u64,
        partition: &TablePartition,
        file_uuid: Option<[u8; 16]>,
    ) -> PartitionSpec {
        PartitionSpec {
            id: partition.id,
            table: number,
            hash_range: (partition.hash_first, partition.hash_last),
            hash_secret: self.hash_secret,
            materialised: file_uuid,
        }
    }
}
