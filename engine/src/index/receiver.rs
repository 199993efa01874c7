//! Takes what a base partition's outbox sends into partitions of its indexes.
//!
//! Invariant: an index partition's entry holds changes and the note of how far they were received, both or neither.
//! What is sent again is known by that note and left out.

use std::sync::Arc;

use basalt_format::{
    DecodeError,
    received::{ReceivedKey, ReceivedRow},
};
use basalt_runtime::{join_all, planted};
use basalt_storage::{EntryIndex, Partition, PartitionId, Stop, View, WriteBatch};

use crate::{catalog::TableId, derive::IndexChange, error::Error, outbox::IndexShare, shard::LocalEngine};

impl LocalEngine {
    /// Receives the parts of a round that are for partitions of this shard; when this answers, they are durable.
    pub(crate) async fn receive(
        &self,
        table_name: &str,
        table_id: TableId,
        base: PartitionId,
        shares: Vec<IndexShare>,
    ) -> Result<(), Error> {
        let receiving = shares.iter().map(|share| async {
            match self.receiving_partition(table_name, table_id, share).await? {
                Some(partition) => self.receive_share(&partition, base, share).await,
                // Its changes are gone with it.
                None => Ok(()),
            }
        });
        join_all(receiving).await.into_iter().collect()
    }

    /// The partition that a share is for, when it can be written to; `None` if its index is gone or going.
    ///
    /// # Errors
    /// [`Error::PartitionMoved`] if the partition was split: its children are to receive the share.
    async fn receiving_partition(
        &self,
        table_name: &str,
        table_id: TableId,
        share: &IndexShare,
    ) -> Result<Option<Partition>, Error> {
        self.until_writable(share.partition).await;
        let catalog = self.catalog();
        let table = catalog.table(table_name).filter(|table| table.id == table_id);
        let receiving = table.and_then(|table| Some((table, table.receiving_index(share.index_number)?)));
        let Some((table, index)) = receiving else { return Ok(None) };
        match index.partitions.iter().find(|partition| partition.id == share.partition) {
            Some(place) => self.index_partition(table, index, place.hash_first).map(Some),
            None => Err(self.moved()),
        }
    }

    async fn receive_share(
        &self,
        partition: &Partition,
        base: PartitionId,
        share: &IndexShare,
    ) -> Result<(), Error> {
        let written = partition.write(|view, batch| match self.check_writable(partition.id()) {
            Ok(()) => Ok(take(view, batch, base, share)?.map_err(Error::from)),
            Err(moved) => Ok(Err(moved)),
        });
        let (taken, commit) = match written.await.map_err(Error::from) {
            // Split or gone with its index: the sender's next look tells.
            Err(Error::TableDropped) => return Err(self.moved()),
            written => written?,
        };
        // Also if all of it was known: the entry that took it may not be durable yet.
        commit.wait().await?;
        let new = taken?;
        if planted!(NoteReceivedApart) {
            let written = partition.write(|_view, batch| {
                put_changes(new, batch);
                Ok(())
            });
            let ((), commit) = written.await?;
            commit.wait().await?;
        }
        Ok(())
    }
}

/// A change and the base partition's entry that made it.
type Change = (EntryIndex, Arc<IndexChange>);

/// Takes what is new of a share, and notes that it was received; what was new.
fn take<'a>(
    view: &View<'_>,
    batch: &mut WriteBatch,
    base: PartitionId,
    share: &'a IndexShare,
) -> Result<Result<&'a [Change], DecodeError>, Stop> {
    let note = ReceivedKey(base.get()).encode();
    let received = match view.get(&note)?.map(|row| ReceivedRow::decode(row.value)) {
        None => EntryIndex::default(),
        Some(Ok(row)) => EntryIndex::new(row.entry_index),
        Some(Err(reason)) => return Ok(Err(reason)),
    };
    let known = share.changes.partition_point(|(entry_index, _)| *entry_index <= received);
    let (_known, new) = share.changes.split_at(known);
    if let Some((newest, _)) = new.last() {
        // What is committed is delivered, also on a full device: outbox rows go, and deletes wait for it.
        batch.mark_freeing();
        if !planted!(NoteReceivedApart) {
            put_changes(new, batch);
        }
        batch.put(&note, ReceivedRow { entry_index: newest.get() }.encode());
    }
    Ok(Ok(new))
}

fn put_changes(changes: &[Change], batch: &mut WriteBatch) {
    for (_, change) in changes {
        match &change.row {
            Some(row) => batch.put(&change.row_key, row.as_slice()),
            None => batch.delete(&change.row_key),
        }
    }
}
