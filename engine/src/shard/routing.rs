//! Brings an operation to the partition of its item, and after it if the partition is split meanwhile.
//!
//! A shard routes by the catalog that it knows, which may be behind the owner's. The owner looks again, and whoever
//! comes to a partition that has moved is told by which catalog to look anew. Nothing was done until then.

use std::{future::Future, sync::Arc};

use basalt_storage::Partition;

use super::{CATALOG_SHARD, LocalEngine};
use crate::{
    catalog::{GlobalIndex, Table, TablePartition},
    error::{Error, ValidationError},
    place::ItemPlace,
};

/// What came of an operation on the shard that it was routed to.
pub(super) enum Routed<T, R> {
    /// It was done.
    Done(T),
    /// Nothing was done: the partition is elsewhere, as a catalog of this version knows.
    Moved { request: R, catalog_version: u64 },
}

impl LocalEngine {
    /// Runs `work` where the item of `request` is, and again where it went.
    pub(super) async fn on_owner<T, R, W, F>(
        &self,
        mut request: R,
        place: impl Fn(&R) -> &ItemPlace,
        work: W,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        R: Send + 'static,
        W: Fn(LocalEngine, R) -> F + Copy + Send + 'static,
        F: Future<Output = Result<Routed<T, R>, Error>> + 'static,
    {
        loop {
            let owner = self.owner_of_place(place(&request))?;
            match self.run_on(owner, move |owner| work(owner, request)).await? {
                Routed::Done(value) => return Ok(value),
                Routed::Moved { request: back, catalog_version } => {
                    request = back;
                    self.until_catalog_version(catalog_version).await;
                }
            }
        }
    }

    /// Gives a request back that came to a partition which has moved.
    pub(super) fn routed<T, R>(outcome: Result<T, Error>, request: R) -> Result<Routed<T, R>, Error> {
        match outcome {
            Ok(value) => Ok(Routed::Done(value)),
            Err(Error::PartitionMoved { catalog_version }) => Ok(Routed::Moved { request, catalog_version }),
            Err(error) => Err(error),
        }
    }

    /// The shard that owns an item, by the catalog as this shard knows it now.
    pub(super) fn owner_of_place(&self, place: &ItemPlace) -> Result<basalt_runtime::ShardIndex, Error> {
        Ok(self.owner(self.current(&place.table)?.partition_of(place.hash)))
    }

    /// Waits until this shard knows a catalog of this version or a later one.
    pub(crate) async fn until_catalog_version(&self, version: u64) {
        self.until_catalog(|catalog| catalog.version() >= version).await;
    }

    /// Waits until this shard knows what the catalog's shard knows now.
    pub(super) async fn until_newest_catalog(&self) -> Result<(), Error> {
        let version =
            self.run_on(CATALOG_SHARD, |shard| async move { Ok(shard.catalog().version()) }).await?;
        self.until_catalog_version(version).await;
        Ok(())
    }

    /// What an operation is told that came to the wrong partition: by which catalog it is to look again.
    pub(crate) fn moved(&self) -> Error {
        Error::PartitionMoved { catalog_version: self.catalog().version() }
    }

    /// An error of an operation on `table`: a partition that is gone while its table is not was split.
    pub(crate) fn moved_if_dropped(&self, table: &Table, error: Error) -> Error {
        match error {
            Error::TableDropped if self.current(table).is_ok() => self.moved(),
            other => other,
        }
    }

    /// The partition of `table` that holds `hash`, by the newest catalog.
    ///
    /// # Errors
    /// [`Error::PartitionMoved`] if it is another shard's.
    pub(crate) fn partition(&self, table: &Table, hash: u64) -> Result<Partition, Error> {
        let table = self.current(table)?;
        self.open_partition(&table, table.number, table.partition_of(hash))
    }

    /// As [`LocalEngine::partition`], of the rows of a global index.
    pub(crate) fn index_partition(
        &self,
        table: &Table,
        index: &GlobalIndex,
        hash: u64,
    ) -> Result<Partition, Error> {
        let (table, index) = self.current_index(table, index)?;
        self.open_partition(&table, index.number, index.partition_of(hash))
    }

    /// A global index as this shard knows it now, with its table.
    pub(super) fn current_index(
        &self,
        table: &Table,
        index: &GlobalIndex,
    ) -> Result<(Arc<Table>, Arc<GlobalIndex>), Error> {
        let table = self.current(table)?;
        match table.global_index_numbered(index.number).cloned() {
            Some(index) => Ok((table, index)),
            None => Err(ValidationError::IndexNotFound { index_name: index.name.to_string() }.into()),
        }
    }

    /// The partition that holds `hash` when it can be written to.
    pub(crate) async fn writable_partition(&self, table: &Table, hash: u64) -> Result<Partition, Error> {
        let partition = self.partition(table, hash)?;
        if self.check_writable(partition.id()).is_ok() {
            return Ok(partition);
        }
        self.until_writable(partition.id()).await;
        self.partition(table, hash)
    }

    /// The partition that holds `hash` when it can be read.
    pub(super) async fn readable_partition(&self, table: &Table, hash: u64) -> Result<Partition, Error> {
        let partition = self.partition(table, hash)?;
        if self.check_readable(partition.id()).is_ok() {
            return Ok(partition);
        }
        self.until_readable(partition.id()).await;
        self.partition(table, hash)
    }

    /// A partition of the table or index with this number, which is this shard's.
    ///
    /// A partition needs nothing of its own until its first write, so a new one's comes to be here, when it is first
    /// asked for.
    fn open_partition(&self, table: &Table, number: u64, place: &TablePartition) -> Result<Partition, Error> {
        if let Some(open) = self.store().partition(place.id) {
            return Ok(open);
        }
        if self.owner(place) != self.shard() {
            return Err(self.moved());
        }
        Ok(self.store().create_partition(table.spec_of(number, place, None)))
    }
}
