//! What a split changes in the catalog: children that are being filled, then one entry in which they take their
//! parent's place.
//!
//! The rows of children that are being filled are there so that their files are known, and so that a start knows what
//! to drop. No snapshot routes anything to them before the entry that opens them is durable.

use std::{collections::BTreeMap, sync::Arc};

use basalt_format::catalog::{PartitionRow, PartitionState};
use basalt_runtime::{ShardIndex, UnixTime};
use basalt_storage::{EntryIndex, PartitionId};

use super::{
    CatalogWriter, GlobalIndex, IndexStatus, Table, TableId, TablePartition, TimeToLiveStatus,
    partition::{ClosedPartition, FirstStream, owner_of},
    rows,
    writer::{next_number, put_row},
};
use crate::error::Error;

/// A partition and the two that are to take its place. Crosses threads.
#[derive(Debug, Clone)]
pub(crate) struct Split {
    pub(crate) table_name: Arc<str>,
    pub(crate) table_id: TableId,
    /// The table or global index that the partition belongs to.
    pub(crate) number: u64,
    pub(crate) parent: TablePartition,
    /// In the order of their hashes.
    pub(crate) children: [TablePartition; 2],
}

impl Split {
    /// The child that holds `hash`.
    pub(crate) fn child_of(&self, hash: u64) -> &TablePartition {
        let [lower, upper] = &self.children;
        if hash < upper.hash_first { lower } else { upper }
    }

    pub(crate) fn child_ids(&self) -> [PartitionId; 2] {
        self.children.each_ref().map(|child| child.id)
    }
}

impl Table {
    /// The partitions that serve, of the table or global index with this number.
    pub(crate) fn partitions_of(&self, number: u64) -> Option<&[TablePartition]> {
        if number == self.number {
            return Some(&self.partitions);
        }
        self.global_index_numbered(number).map(|index| index.partitions.as_slice())
    }

    /// Whether partitions of the table or global index with this number may be split now: nothing goes through all of
    /// its rows meanwhile.
    pub(crate) fn may_be_split(&self, number: u64) -> bool {
        let is_active = |index: &Arc<GlobalIndex>| index.status == IndexStatus::Active;
        if number != self.number {
            return self.global_index_numbered(number).is_some_and(is_active);
        }
        let expiry_is_settled = match &self.time_to_live {
            None => true,
            Some(setting) => setting.status == TimeToLiveStatus::Enabled,
        };
        expiry_is_settled && self.global_indexes.iter().all(is_active)
    }

    /// This table with partitions that are being filled.
    fn with_filling(&self, number: u64, children: [TablePartition; 2]) -> Self {
        self.with_filling_set(number, |filling| filling.extend(children))
    }

    /// This table without partitions that were being filled.
    pub(crate) fn without_filling(&self, number: u64, ids: [PartitionId; 2]) -> Self {
        self.with_filling_set(number, |filling| filling.retain(|partition| !ids.contains(&partition.id)))
    }

    fn with_filling_set(&self, number: u64, change: impl FnOnce(&mut Vec<TablePartition>)) -> Self {
        let mut changed = self.clone();
        if number == self.number {
            change(&mut changed.filling);
        } else if let Some(index) = changed.index_mut(number) {
            change(&mut index.filling);
        }
        changed
    }

    /// This table with the children, which have been filled, in the place of their parent, whose last entry was
    /// `last`; and the parent, if its stream records can still be read.
    fn after_split(
        &self,
        split: &Split,
        last: EntryIndex,
        now: UnixTime,
    ) -> (Self, Split, Option<ClosedPartition>) {
        let parent = &split.parent;
        let first_stream = match self.enabled_stream() {
            Some(stream) => FirstStream::GoesOn(stream.number),
            None => FirstStream::Next(self.last_stream_number().saturating_add(1)),
        };
        let lineage = parent.lineage.of_children(parent.id, last, first_stream, now.as_micros());
        let children = split.children.map(|child| TablePartition { lineage, ..child });
        let is_tables = split.number == self.number;
        let last_stream = self.streams.last().map(|stream| stream.number);
        let closed =
            last_stream.filter(|last| is_tables && *last >= parent.lineage.first_stream).map(|last_stream| {
                ClosedPartition { partition: *parent, closed_unix_us: lineage.opened_unix_us, last_stream }
            });
        let mut changed = self.without_filling(split.number, split.child_ids());
        let serving = if is_tables {
            changed.closed.extend(closed);
            &mut changed.partitions
        } else {
            &mut changed.index_mut(split.number).expect("the split is of an index of this table").partitions
        };
        let place = serving.iter().position(|serving| serving.id == parent.id);
        let place = place.expect("a partition serves until it is split");
        serving.splice(place..=place, children);
        (changed, Split { children, ..split.clone() }, closed)
    }

    /// This table without a closed partition that has nothing left to read.
    pub(crate) fn without_closed(&self, id: PartitionId) -> Self {
        let mut changed = self.clone();
        changed.closed.retain(|closed| closed.partition.id != id);
        changed
    }

    /// The greatest number that a stream of this table ever had, as far as anything still knows of it.
    pub(super) fn last_stream_number(&self) -> u32 {
        let listed = self.streams.last().map_or(0, |stream| stream.number);
        let serving =
            self.partitions.iter().map(|partition| partition.lineage.first_stream.saturating_sub(1));
        let closed = self.closed.iter().map(|closed| closed.last_stream);
        serving.chain(closed).fold(listed, u32::max)
    }

    fn index_mut(&mut self, number: u64) -> Option<&mut GlobalIndex> {
        let index = self.global_indexes.iter_mut().find(|index| index.number == number)?;
        Some(Arc::make_mut(index))
    }
}

impl CatalogWriter {
    /// Numbers the children of a partition, which are to begin and to end between its hashes at `upper_first`, and
    /// makes it durable that they are being filled. Shards stay even: those get them that have the fewest.
    pub(crate) async fn begin_split(
        &self,
        table: &Table,
        number: u64,
        parent: &TablePartition,
        upper_first: u64,
        shard_count: u16,
    ) -> Result<(Table, Split), Error> {
        let partitions = table.partitions_of(number).unwrap_or_default();
        let owners = owners_of_children(partitions, parent.id, shard_count);
        let ranges = [(parent.hash_first, upper_first - 1), (upper_first, parent.hash_last)];
        self.change(|view, batch| {
            let mut next = next_number(view)?;
            let ids = owners.map(|owner| PartitionId::new(next.take_for(owner, shard_count)));
            let children = [TablePartition::new(ids[0], ranges[0]), TablePartition::new(ids[1], ranges[1])];
            put_row(batch, rows::counters_row(next));
            for child in children {
                put_row(batch, rows::partition_row(child.id, child.to_row(number, PartitionState::Filling)));
            }
            let (table_name, table_id) = (Arc::clone(&table.name), table.id);
            let split = Split { table_name, table_id, number, parent: *parent, children };
            Ok((table.with_filling(number, children), split))
        })
        .await
    }

    /// Makes it durable that the children have taken their parent's place; the table, and whether the parent is kept
    /// for its stream records.
    pub(crate) async fn finish_split(
        &self,
        table: &Table,
        split: &Split,
        last: EntryIndex,
        now: UnixTime,
    ) -> Result<(Table, bool), Error> {
        let (changed, split, closed) = table.after_split(split, last, now);
        self.change(|view, batch| {
            let file_uuid = |id: PartitionId| -> Result<_, super::writer::Refused> {
                let row = view.get(&rows::partition_key(id))?;
                Ok(row.map(|row| PartitionRow::decode(row.value)).transpose()?.and_then(|row| row.file_uuid))
            };
            let mut opened = Vec::new();
            for child in split.children {
                let row = child.to_row(split.number, PartitionState::Open);
                opened.push((child.id, PartitionRow { file_uuid: file_uuid(child.id)?, ..row }));
            }
            let parent_id = split.parent.id;
            let parent_file = file_uuid(parent_id)?;
            match closed {
                Some(closed) => {
                    let row = PartitionRow { file_uuid: parent_file, ..closed.to_row(split.number) };
                    put_row(batch, rows::partition_row(parent_id, row));
                }
                None => batch.delete(&rows::partition_key(parent_id)),
            }
            opened.into_iter().for_each(|(id, row)| put_row(batch, rows::partition_row(id, row)));
            Ok(())
        })
        .await?;
        Ok((changed, closed.is_some()))
    }

    /// Forgets partitions durably: children that are not to be filled any more, or a closed partition.
    pub(crate) async fn forget_partitions(&self, ids: &[PartitionId]) -> Result<(), Error> {
        self.change(|_view, batch| {
            ids.iter().for_each(|id| batch.delete(&rows::partition_key(*id)));
            Ok(())
        })
        .await
    }
}

/// The shards that own the fewest of the partitions that stay, one after the other.
fn owners_of_children(
    partitions: &[TablePartition],
    parent: PartitionId,
    shard_count: u16,
) -> [ShardIndex; 2] {
    let mut counts: BTreeMap<ShardIndex, u32> =
        (0..shard_count).map(|shard| (ShardIndex(shard), 0)).collect();
    for partition in partitions.iter().filter(|partition| partition.id != parent) {
        *counts.entry(partition.owner(shard_count)).or_default() += 1;
    }
    let home = owner_of(parent, shard_count);
    let mut first_child = None;
    std::array::from_fn(|_| {
        // Of two that have as many, the parent's own shard has most of its pages in memory; but one child is enough.
        let least = counts
            .iter_mut()
            .min_by_key(|(shard, count)| (**count, first_child == Some(**shard), **shard != home));
        let (shard, count) = least.expect("an engine has a shard");
        *count += 1;
        first_child = Some(*shard);
        *shard
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(id: u64) -> TablePartition {
        TablePartition::new(PartitionId::new(id), (0, u64::MAX))
    }

    #[test]
    fn children_go_where_the_fewest_partitions_are() {
        let owners = |ids: &[u64], parent| {
            let partitions: Vec<_> = ids.iter().map(|id| partition(*id)).collect();
            owners_of_children(&partitions, PartitionId::new(parent), 3).map(|shard| shard.0)
        };
        // One on each of the shards 1, 2 and 0: what is split leaves room on its own.
        assert_eq!(owners(&[1, 2, 3], 2), [2, 0]);
        assert_eq!(owners(&[1, 2, 3, 6, 9], 9), [1, 2]);
        assert_eq!(owners(&[1], 1), [1, 0]);
    }

    #[test]
    fn a_hash_has_one_child() {
        let children = [
            TablePartition::new(PartitionId::new(8), (0, 99)),
            TablePartition::new(PartitionId::new(9), (100, u64::MAX)),
        ];
        let (table_name, table_id) = ("t".into(), TableId::from_bytes([1; 16]));
        let split = Split { table_name, table_id, number: 1, parent: partition(2), children };
        assert_eq!([0, 99, 100, u64::MAX].map(|hash| split.child_of(hash).id.get()), [8, 8, 9, 9]);
    }
}
