//! Carries what entries change in global indexes to the partitions of the indexes: in order, and exactly once.
//!
//! An entry of a base partition that changes an index puts its changes into the partition's outbox rows, so that they
//! are durable with it, and posts them. A task a base partition sends them: as many as are committed in one round, one
//! message a shard; the receivers note in the same entry how far they have received (`index/receiver.rs`). Rounds
//! follow each other, so that each index sees a base partition's entries in their order. Then the rows may go: their
//! removal rides along in the partition's next entry.
//!
//! Owned by the base partition's shard, in memory only; the rows are the truth, and a start reads them again.
//!
//! Invariants:
//! - Nothing is sent before its entry is committed: a crash must not take back what an index has received.
//! - A round is sent again until every receiver has it durably; only then are its rows removable.
//! - Receivers' writes post nothing, so no circle of full outboxes can wait for itself.
//! - Writers wait for room before they are evaluated, holding nothing.
//!
//! Deliberately unknown here: how an index's rows are made (`derive`), what they hold.
//!
//! Bytes: format-spec/spec/global_index.md. Tests: engine/tests/scenarios/index_delivery.rs.

mod change;
mod delivered;
mod lag;
mod parcel;
mod queue;
mod round;
mod sender;
mod stored;

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc};

use basalt_storage::{Commit, Partition, PartitionId, WriteBatch};

pub(crate) use delivered::Delivered;
pub use lag::IndexLag;
pub(crate) use parcel::Parcel;
pub(crate) use queue::Outbox;
pub(crate) use round::IndexShare;

use sender::Sender;

use crate::{
    catalog::Table,
    derive::{EntryWork, IndexChange},
    error::Error,
    shard::LocalEngine,
};

/// The outboxes of a shard's partitions; a partition that never changed an index has none.
#[derive(Default)]
pub(crate) struct Outboxes {
    by_partition: RefCell<BTreeMap<PartitionId, Rc<Outbox>>>,
}

impl Outboxes {
    fn find(&self, partition: PartitionId) -> Option<Rc<Outbox>> {
        self.by_partition.borrow().get(&partition).cloned()
    }

    fn insert(&self, partition: PartitionId, outbox: &Rc<Outbox>) {
        self.by_partition.borrow_mut().insert(partition, Rc::clone(outbox));
    }

    fn remove(&self, partition: PartitionId) -> Option<Rc<Outbox>> {
        self.by_partition.borrow_mut().remove(&partition)
    }
}

impl LocalEngine {
    /// Waits until another entry of the partition may be evaluated: what its earlier ones changed in indexes has been
    /// received, but for a bounded rest. To be awaited before the evaluation, holding nothing.
    ///
    /// # Errors
    /// When an index cannot receive anything for now.
    pub(crate) async fn outbox_room(&self, partition: PartitionId) -> Result<(), Error> {
        match self.outboxes().find(partition) {
            Some(outbox) => outbox.room().await,
            None => Ok(()),
        }
    }

    /// Puts an evaluation's index changes into its entry; to be called in every run, with what this run derived.
    pub(crate) fn pack(
        &self,
        partition: PartitionId,
        changes: Vec<IndexChange>,
        batch: &mut WriteBatch,
    ) -> Parcel {
        Parcel::pack(changes, self.outboxes().find(partition).as_deref(), batch)
    }

    /// Posts what an entry was packed with. To be called in the poll in which it was logged, before anything is
    /// awaited: entries are posted in their order.
    pub(crate) fn post(
        &self,
        table: &Table,
        partition: &Partition,
        parcel: Parcel,
        commit: &Commit,
    ) -> Delivered {
        if parcel.is_empty() {
            return Delivered::already(Ok(()));
        }
        self.outbox(table, partition).post(parcel, commit, self.shards().options.index_acknowledgement)
    }

    /// As [`LocalEngine::outbox_room`], of several partitions.
    pub(crate) async fn outbox_room_of(&self, partitions: &[Partition]) -> Result<(), Error> {
        for partition in partitions {
            self.outbox_room(partition.id()).await?;
        }
        Ok(())
    }

    /// As [`LocalEngine::pack`], of entries that are logged together.
    pub(crate) fn pack_together(
        &self,
        partitions: &[Partition],
        works: Vec<EntryWork>,
        batches: &mut [WriteBatch],
    ) -> Vec<Parcel> {
        let entries = partitions.iter().zip(works).zip(batches);
        entries.map(|((partition, work), batch)| self.pack(partition.id(), work.deliveries, batch)).collect()
    }

    /// As [`LocalEngine::post`], of entries that were logged together.
    pub(crate) fn post_together(
        &self,
        partitions: &[Partition],
        parcels: Vec<Parcel>,
        commit: &Commit,
    ) -> Vec<Delivered> {
        let catalog = self.catalog();
        let posting = partitions.iter().zip(parcels).filter_map(|(partition, parcel)| {
            // A table that is being dropped has no indexes to wait for.
            let table = catalog.tables().find(|table| table.number == partition.spec().table)?;
            Some(self.post(table, partition, parcel, commit))
        });
        posting.collect()
    }

    /// A partition's outbox, which comes to be here when it is first asked for.
    pub(crate) fn outbox(&self, table: &Table, partition: &Partition) -> Rc<Outbox> {
        if let Some(outbox) = self.outboxes().find(partition.id()) {
            return outbox;
        }
        // What this life has logged and not committed was posted, or changed no index.
        let stored_through = partition.stats().committed;
        let outbox = Rc::new(Outbox::new(stored_through));
        self.outboxes().insert(partition.id(), &outbox);
        let sender = Sender::new(self, table, partition, &outbox, stored_through);
        self.handle().spawn(sender.run()).detach();
        outbox
    }

    /// Waits until nothing that was posted up to now is left in a partition's outbox, nor its rows.
    pub(crate) async fn empty_outbox(&self, partition: PartitionId) {
        if let Some(outbox) = self.outboxes().find(partition) {
            outbox.wait_removed().await;
        }
    }

    /// Takes up the outboxes of this shard's partitions after a start.
    pub(crate) fn open_outboxes(&self) {
        for table in self.catalog().tables().filter(|table| !table.global_indexes.is_empty()) {
            let own = table.partitions.iter().filter_map(|partition| self.store().partition(partition.id));
            own.for_each(|partition| drop(self.outbox(table, &partition)));
        }
    }

    /// Gives up the outbox of a partition that was dropped or split; nobody waits for it any more.
    pub(crate) fn close_outbox(&self, partition: PartitionId) {
        if let Some(outbox) = self.outboxes().remove(partition) {
            outbox.close(Ok(()));
        }
    }

    /// How far a table's global indexes are behind it.
    pub async fn index_lag(&self, table_name: &str) -> Result<IndexLag, Error> {
        let table = self.table(table_name)?;
        let partitions: Arc<[PartitionId]> = table.partitions.iter().map(|partition| partition.id).collect();
        let lags = self.on_every_shard(move |shard| {
            let partitions = Arc::clone(&partitions);
            async move { Ok(shard.index_lag_here(&partitions)) }
        });
        Ok(lags.await?.into_iter().sum())
    }

    /// Waits until a table's global indexes show every write that has been answered; fails while one cannot receive.
    pub async fn wait_for_indexes(&self, table_name: &str) -> Result<(), Error> {
        let table = self.table(table_name)?;
        let partitions: Arc<[PartitionId]> = table.partitions.iter().map(|partition| partition.id).collect();
        let waiting = self.on_every_shard(move |shard| {
            let partitions = Arc::clone(&partitions);
            async move {
                let outboxes = partitions.iter().filter_map(|id| shard.outboxes().find(*id));
                for outbox in outboxes {
                    outbox.try_wait_delivered().await?;
                }
                Ok(())
            }
        });
        waiting.await.map(|_every_shard| ())
    }

    fn index_lag_here(&self, partitions: &[PartitionId]) -> IndexLag {
        let now = self.handle().unix_time();
        let outboxes = partitions.iter().filter_map(|id| self.outboxes().find(*id));
        outboxes.map(|outbox| outbox.lag(now)).sum()
    }
}
