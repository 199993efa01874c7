//! A table as every shard knows it, and which shard owns which part of it.

use std::sync::Arc;

use basalt_format::key_encoding::SECRET_BYTES;
use basalt_model::{KeyAttribute, KeyCodec, KeySchema};
use basalt_runtime::ShardIndex;
use basalt_storage::{PartitionId, PartitionSpec};

use super::{GlobalIndex, IndexStatus, LocalIndex, StreamDescription, TableId, TableSettings, TimeToLive};
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
    /// What its operations are let in by; follows the settings as the table enters a snapshot.
    pub(crate) throughput: Arc<Throughput>,
}

/// A hash range of a table: one B+tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TablePartition {
    pub(crate) id: PartitionId,
    pub(crate) hash_first: u64,
    /// Inclusive.
    pub(crate) hash_last: u64,
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

    /// The partitions of the table and of its global indexes, with the number that each belongs to.
    pub(crate) fn all_partitions(&self) -> impl Iterator<Item = (u64, &TablePartition)> {
        let own = self.partitions.iter().map(|partition| (self.number, partition));
        own.chain(
            self.global_indexes
                .iter()
                .flat_map(|index| index.partitions.iter().map(|partition| (index.number, partition))),
        )
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

impl TablePartition {
    /// The shard that owns this partition while `shard_count` shards run.
    pub(crate) fn owner(&self, shard_count: u16) -> ShardIndex {
        owner_of(self.id, shard_count)
    }
}

/// The one of partitions in the order of their hashes, which cover every hash, that holds `hash`.
pub(super) fn partition_of(partitions: &[TablePartition], hash: u64) -> &TablePartition {
    let index = partitions.partition_point(|partition| partition.hash_last < hash);
    partitions.get(index).expect("partitions cover every hash")
}

/// Those of partitions in the order of their hashes that hold the hashes from `first` to `last`.
pub(crate) fn partitions_within(
    partitions: &[TablePartition],
    first: u64,
    last: u64,
) -> impl Iterator<Item = &TablePartition> {
    let start = partitions.partition_point(move |partition| partition.hash_last < first);
    partitions.iter().skip(start).take_while(move |partition| partition.hash_first <= last)
}

/// The owner of a partition: by its id, so that it needs no record and any shard count will do.
pub(crate) fn owner_of(partition: PartitionId, shard_count: u16) -> ShardIndex {
    let owner = partition.get() % u64::from(shard_count);
    ShardIndex(u16::try_from(owner).expect("a remainder is less than the shard count"))
}

/// Cuts the hash space into `count` equal ranges, first and last hash of each.
pub(crate) fn equal_hash_ranges(count: u16) -> impl Iterator<Item = (u64, u64)> {
    let first = move |index: u16| (u128::from(index) << 64).div_ceil(u128::from(count));
    (0..count).map(move |index| {
        let last = first(index + 1) - 1;
        let narrow = |hash: u128| u64::try_from(hash).expect("hashes are below 2^64");
        (narrow(first(index)), narrow(last))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ranges_cover_every_hash_once() {
        for count in [1, 2, 3, 7, 64, 1000] {
            let ranges: Vec<_> = equal_hash_ranges(count).collect();
            assert_eq!(ranges.first().map(|range| range.0), Some(0));
            assert_eq!(ranges.last().map(|range| range.1), Some(u64::MAX));
            for pair in ranges.windows(2) {
                assert_eq!(pair[0].1 + 1, pair[1].0, "{count} ranges");
            }
        }
    }

    #[test]
    fn consecutive_partitions_have_different_owners() {
        let owners: Vec<_> = (4..8).map(|id| owner_of(PartitionId::new(id), 3)).collect();
        assert_eq!(owners, [1, 2, 0, 1].map(ShardIndex));
    }
}
