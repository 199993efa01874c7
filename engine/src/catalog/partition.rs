//! Partitions as the catalog knows them: hash ranges, who owns them, and what they came from.

use basalt_format::catalog::{PartitionRow, PartitionState};
use basalt_runtime::ShardIndex;
use basalt_storage::{EntryIndex, PartitionId};

/// A hash range of a table or index: one B+tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TablePartition {
    pub(crate) id: PartitionId,
    pub(crate) hash_first: u64,
    /// Inclusive.
    pub(crate) hash_last: u64,
    pub(crate) lineage: Lineage,
}

/// What a partition came from, as far as streams tell it. The default is that of one made with its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lineage {
    /// The partition whose stream shard this one's goes on, in the stream `first_stream`.
    pub(crate) parent: Option<PartitionId>,
    /// When a split opened it; 0: it was made with its table or index.
    pub(crate) opened_unix_us: u64,
    /// What the sequence numbers of its records are above the indexes of their entries: a child's are above its
    /// parent's.
    pub(crate) sequence_base: u64,
    /// The least number of a stream that it can have records of.
    pub(crate) first_stream: u32,
}

/// A partition that was split, or whose table was deleted: no client writes to it, its stream records can still be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClosedPartition {
    pub(crate) partition: TablePartition,
    pub(crate) closed_unix_us: u64,
    /// The greatest number of a stream that it can have records of.
    pub(crate) last_stream: u32,
}

impl TablePartition {
    /// A partition that is made with its table or index, or is to be filled.
    pub(crate) fn new(id: PartitionId, (hash_first, hash_last): (u64, u64)) -> Self {
        Self { id, hash_first, hash_last, lineage: Lineage::default() }
    }

    /// The shard that owns this partition while `shard_count` shards run.
    pub(crate) fn owner(&self, shard_count: u16) -> ShardIndex {
        owner_of(self.id, shard_count)
    }

    pub(super) fn of_row(number: u64, row: &PartitionRow) -> Self {
        let lineage = Lineage {
            parent: row.parent.map(PartitionId::new),
            opened_unix_us: row.opened_unix_us,
            sequence_base: row.sequence_base,
            first_stream: row.first_stream,
        };
        Self { lineage, ..Self::new(PartitionId::new(number), (row.hash_first, row.hash_last)) }
    }

    /// The row of a partition in this state, of the table or index with this number, without a file.
    pub(super) fn to_row(self, table_number: u64, state: PartitionState) -> PartitionRow {
        PartitionRow {
            table_number,
            hash_first: self.hash_first,
            hash_last: self.hash_last,
            state,
            file_uuid: None,
            parent: self.lineage.parent.map(PartitionId::get),
            opened_unix_us: self.lineage.opened_unix_us,
            closed_unix_us: None,
            sequence_base: self.lineage.sequence_base,
            first_stream: self.lineage.first_stream,
            last_stream: 0,
        }
    }
}

impl ClosedPartition {
    pub(super) fn of_row(number: u64, row: &PartitionRow) -> Self {
        Self {
            partition: TablePartition::of_row(number, row),
            closed_unix_us: row.closed_unix_us.expect("a closed partition's row says since when"),
            last_stream: row.last_stream,
        }
    }

    pub(super) fn to_row(self, table_number: u64) -> PartitionRow {
        PartitionRow {
            closed_unix_us: Some(self.closed_unix_us),
            last_stream: self.last_stream,
            ..self.partition.to_row(table_number, PartitionState::Closed)
        }
    }
}

impl Lineage {
    /// That of the children of a partition with this one, whose last entry was `last`.
    pub(super) fn of_children(
        self,
        parent: PartitionId,
        last: EntryIndex,
        first_stream: FirstStream,
        now_unix_us: u64,
    ) -> Self {
        let (first_stream, parent) = match first_stream {
            FirstStream::GoesOn(number) => (number, Some(parent)),
            FirstStream::Next(number) => (number, None),
        };
        Self {
            parent,
            // Also when the clock was set back: shards' names are to be in the order of their lineage.
            opened_unix_us: now_unix_us.max(self.opened_unix_us.saturating_add(1000)),
            // Even a place before the first record comes behind the parent's last.
            sequence_base: self.sequence_base.saturating_add(last.get()).saturating_add(1),
            first_stream,
        }
    }
}

/// The first stream that a child has records of.
pub(super) enum FirstStream {
    /// One that its parent has records of.
    GoesOn(u32),
    /// One that is enabled later.
    Next(u32),
}

/// The one of partitions in the order of their hashes, which cover every hash, that holds `hash`.
pub(super) fn partition_of(partitions: &[TablePartition], hash: u64) -> &TablePartition {
    let index = partitions.partition_point(|partition| partition.hash_last < hash);
    partitions.get(index).expect("partitions cover every hash")
}

/// The owner of a partition: by its id, so that it needs no record and any shard count will do.
pub(crate) fn owner_of(partition: PartitionId, shard_count: u16) -> ShardIndex {
    let owner = partition.get() % u64::from(shard_count);
    ShardIndex(u16::try_from(owner).expect("a remainder is less than the shard count"))
}

/// Cuts the hash space into `count` equal ranges, first and last hash of each.
pub(super) fn equal_hash_ranges(count: u16) -> impl Iterator<Item = (u64, u64)> {
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
