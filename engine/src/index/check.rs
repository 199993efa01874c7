//! Compares global indexes with what their table's items derive to.
//!
//! Both sides are told by a count and a digest that does not depend on the order of rows, so that tables of any size
//! are compared in little memory.

use std::{iter::Sum, sync::Arc};

use basalt_format::{
    checksum::xxh3_128,
    key_encoding::{TAG_GLOBAL_INDEX, prefix_end},
};
use basalt_runtime::join_all;
use basalt_storage::{Direction, KeyRange, PartitionId, Stop, View};

use super::{IndexPlace, backfill::read_portion};
use crate::{
    catalog::{GlobalIndex, Table, TablePartition},
    error::Error,
    shard::LocalEngine,
};

/// Rows that are read before others get the shard.
const ROWS_AT_ONCE: usize = 256;

/// Rows of an index as a number: equal rows have equal digests, others have not, but for an accident of 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IndexDigest {
    /// How many there are.
    pub row_count: u64,
    /// The sum of their hashes.
    pub hash_sum: u128,
}

/// A global index beside its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexCheck {
    /// The index.
    pub index_name: String,
    /// What it holds.
    pub stored: IndexDigest,
    /// What it should hold.
    pub derived: IndexDigest,
}

impl IndexCheck {
    /// Whether the index holds exactly what it should.
    pub fn is_exact(&self) -> bool {
        self.stored == self.derived
    }
}

impl IndexDigest {
    fn add(&mut self, key: &[u8], row: &[u8]) {
        self.row_count += 1;
        let hash = xxh3_128(&[&(key.len() as u64).to_le_bytes(), key, row].concat(), 0);
        self.hash_sum = self.hash_sum.wrapping_add(hash);
    }
}

impl Sum for IndexDigest {
    fn sum<I: Iterator<Item = Self>>(digests: I) -> Self {
        digests.fold(Self::default(), |sum, digest| Self {
            row_count: sum.row_count + digest.row_count,
            hash_sum: sum.hash_sum.wrapping_add(digest.hash_sum),
        })
    }
}

impl LocalEngine {
    /// As [`crate::Engine::check_global_indexes`].
    pub async fn check_global_indexes(&self, table_name: &str) -> Result<Vec<IndexCheck>, Error> {
        loop {
            let table = self.table(table_name)?;
            let mut checks = Vec::new();
            for index in &table.global_indexes {
                checks.push(self.check_global_index(&table, index).await?);
            }
            // A partition that was split meanwhile may have been counted twice, or not at all.
            let ids = |table: &Table| -> Vec<PartitionId> {
                table.serving_partitions().map(|(_, partition)| partition.id).collect()
            };
            if ids(&table) == ids(&*self.current(&table)?) {
                return Ok(checks);
            }
        }
    }

    async fn check_global_index(&self, table: &Table, index: &GlobalIndex) -> Result<IndexCheck, Error> {
        let place = IndexPlace::new(table, index.number);
        let ids = |partitions: &[TablePartition]| -> Arc<[PartitionId]> {
            partitions.iter().map(|partition| partition.id).collect()
        };
        let (items, rows) = (ids(&table.partitions), ids(&index.partitions));
        let sides = self.on_every_shard(move |shard| {
            let (place, items, rows) = (place.clone(), Arc::clone(&items), Arc::clone(&rows));
            async move {
                let derived = join_all(items.iter().map(|id| shard.digest_items(&place, *id))).await;
                let stored = join_all(rows.iter().map(|id| shard.digest_rows(*id))).await;
                Ok((sum(stored)?, sum(derived)?))
            }
        });
        let (stored, derived): (Vec<_>, Vec<_>) = sides.await?.into_iter().unzip();
        Ok(IndexCheck {
            index_name: index.name.to_string(),
            stored: stored.into_iter().sum(),
            derived: derived.into_iter().sum(),
        })
    }

    /// What a base partition's items derive to in an index; nothing if the partition is not this shard's.
    async fn digest_items(&self, place: &IndexPlace, partition: PartitionId) -> Result<IndexDigest, Error> {
        let mut digest = IndexDigest::default();
        let (Some(partition), Some((_, index))) = (self.store().partition(partition), self.find_index(place))
        else {
            return Ok(digest);
        };
        let mut passed = Vec::new();
        loop {
            let portion = partition.read(|view| read_portion(view, &index, &passed)).await??;
            for change in &portion.changes {
                digest.add(&change.row_key, change.row.as_deref().unwrap_or_default());
            }
            if portion.is_last {
                return Ok(digest);
            }
            passed = portion.last_key;
            self.handle().yield_now().await;
        }
    }

    /// What an index partition holds; nothing if it is not this shard's.
    async fn digest_rows(&self, partition: PartitionId) -> Result<IndexDigest, Error> {
        let mut digest = IndexDigest::default();
        let Some(partition) = self.store().partition(partition) else { return Ok(digest) };
        let mut passed = vec![TAG_GLOBAL_INDEX];
        loop {
            let rows = partition.read(|view| read_rows(view, &passed)).await?;
            rows.iter().for_each(|(key, row)| digest.add(key, row));
            match rows.into_iter().next_back() {
                Some((last, _)) => passed = last,
                None => return Ok(digest),
            }
            self.handle().yield_now().await;
        }
    }
}

fn sum(digests: Vec<Result<IndexDigest, Error>>) -> Result<IndexDigest, Error> {
    Ok(digests.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().sum())
}

/// A key and its row.
type IndexRow = (Vec<u8>, Vec<u8>);

/// The next rows of an index partition behind the key `passed`.
fn read_rows(view: &View<'_>, passed: &[u8]) -> Result<Vec<IndexRow>, Stop> {
    let end = prefix_end(vec![TAG_GLOBAL_INDEX]);
    let rest = KeyRange::half_open(passed, &end).after(passed, Direction::Forward);
    let mut cursor = view.cursor(rest, Direction::Forward);
    let mut rows = Vec::new();
    while rows.len() < ROWS_AT_ONCE {
        let Some((key, row)) = cursor.next()? else { break };
        rows.push((key.to_vec(), row.value.to_vec()));
    }
    Ok(rows)
}
