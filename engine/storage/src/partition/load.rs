//! Loading an empty partition in bulk: rows in any order become a tree of full pages, each written once.
//!
//! The log holds nothing of it. What is loaded becomes visible and durable at one instant, when the superblock that
//! names the new tree is on disk; a crash or an error before leaves the partition empty, and what was written to its
//! file is free. In the order of the partition's entries the load is one of its own, with an index that no log holds:
//! should both superblocks be lost that have it, the next start refuses instead of going on without the rows.
//!
//! While a load runs, the partition is read as empty and its writers wait. Rows are collected in memory and sorted; what
//! does not fit is written as sorted runs, which are merged in the end. Rows that come in key order go to their pages at
//! once.

use std::rc::Rc;

use super::{Partition, PartitionState, sort_buffer::SortBuffer};
use crate::{
    btree::{LoadWriter, LoadedRuns},
    error::StorageError,
    ids::HybridTime,
    store::{Shard, begin_load, publish_load},
};

/// Rows that come in key order go to their pages in portions of this size.
const PORTION_BYTES: usize = 1 << 20;
/// The least memory for rows that come in no order: smaller runs would be too many.
const BUFFER_BYTES_MIN: u64 = 4 << 20;

/// Others run after so many rows, if it is their turn.
const ROWS_BETWEEN_YIELDS: usize = 64;

/// A load of one partition, on its shard. Dropping it gives it up: the partition stays empty.
pub struct Load {
    claim: Claim,
    writer: LoadWriter,
    runs: LoadedRuns,
    buffer: SortBuffer,
    buffer_bytes_max: usize,
    /// When the rows are said to be written.
    hybrid_time: HybridTime,
}

/// Keeps everybody else from a partition that is loaded.
struct Claim {
    shard: Rc<Shard>,
    state: Rc<PartitionState>,
}

impl Partition {
    /// Begins to load rows. Until the load has ended, writes wait and reads find nothing.
    ///
    /// # Errors
    /// [`StorageError::NotEmpty`] if the partition has rows, or is being loaded, written or split.
    pub async fn begin_load(&self) -> Result<Load, StorageError> {
        begin_load(&self.shard, &self.state).await?;
        let claim = Claim { shard: Rc::clone(&self.shard), state: Rc::clone(&self.state) };
        let hybrid_time = self.state.next_tick(self.shard.handle().unix_time());
        let writer = self.state.tree().begin_load().await?;
        let buffer_bytes_max = self.shard.load_buffer_bytes().max(BUFFER_BYTES_MIN) as usize;
        Ok(Load {
            claim,
            writer,
            runs: LoadedRuns::default(),
            buffer: SortBuffer::default(),
            buffer_bytes_max,
            hybrid_time,
        })
    }
}

impl Load {
    /// Adds a row; of several with one key the last counts.
    ///
    /// # Panics
    /// If key or value are longer than a tree takes.
    pub async fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        self.buffer.push(key, value);
        if self.buffer.len().is_multiple_of(ROWS_BETWEEN_YIELDS) {
            self.claim.shard.handle().yield_if_due().await;
        }
        let used = self.buffer.used_bytes();
        if used >= self.buffer_bytes_max || used >= PORTION_BYTES && self.goes_on_in_order() {
            self.write_buffer().await?;
        }
        Ok(())
    }

    /// Makes everything that was put visible and durable, at once. It goes on when nobody waits for it any more.
    ///
    /// # Errors
    /// When the file or the catalog could not be written; the partition is empty then, or holds all the rows: an error
    /// after the instant at which they are durable takes nothing back.
    pub async fn finish(self) -> Result<(), StorageError> {
        let handle = self.claim.shard.handle().clone();
        handle.spawn(self.carry_out()).await
    }

    async fn carry_out(mut self) -> Result<(), StorageError> {
        self.write_buffer().await?;
        drop(std::mem::take(&mut self.buffer));
        let Self { claim, mut writer, runs, hybrid_time, .. } = self;
        let mut tree = runs.merge(&mut writer).await?;
        match tree.finish(&mut writer).await? {
            None => Ok(()),
            Some(loaded) => publish_load(&claim.shard, &claim.state, loaded, writer, hybrid_time).await,
        }
    }

    fn goes_on_in_order(&self) -> bool {
        let first = self.buffer.first_key();
        self.buffer.is_sorted() && first.is_some_and(|first| self.runs.are_followed_by(first))
    }

    /// Brings the rows in memory into a run.
    async fn write_buffer(&mut self) -> Result<(), StorageError> {
        self.buffer.sort();
        let Some(first) = self.buffer.first_key() else { return Ok(()) };
        self.claim.state.check_serving()?;
        let run = self.runs.run_for(first);
        for (count, (key, value)) in self.buffer.iter().enumerate() {
            run.put(&mut self.writer, key, value, self.hybrid_time.get()).await?;
            if count.is_multiple_of(ROWS_BETWEEN_YIELDS) {
                self.claim.shard.handle().yield_if_due().await;
            }
        }
        self.buffer.clear();
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.state.end_load();
    }
}
