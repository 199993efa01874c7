//! What the catalog's shard does of a split: each step is one entry of the catalog, then told to every shard.

use std::sync::Arc;

use basalt_runtime::sometimes;
use basalt_storage::{EntryIndex, PartitionId};

use crate::{
    catalog::{Split, Table, TablePartition},
    error::Error,
    shard::LocalEngine,
};

/// A partition that is to be split, and where. Crosses threads.
#[derive(Debug, Clone)]
pub(super) struct Cut {
    pub(super) table: Arc<Table>,
    /// The table or global index that the partition belongs to.
    pub(super) number: u64,
    pub(super) parent: TablePartition,
    /// The first hash of the second child.
    pub(super) upper_first: u64,
}

/// What became of a parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switched {
    /// It goes at once.
    Forgotten,
    /// It stays for its stream records.
    Closed,
    /// It serves on: something else has to be done with the table first.
    NotNow,
}

impl LocalEngine {
    /// Numbers the children of a partition; `None` if it cannot be split now.
    pub(super) async fn begin_split(&self, cut: Cut) -> Result<Option<Split>, Error> {
        self.on_catalog_shard(|shard| async move { shard.begin_split_here(cut).await }).await
    }

    async fn begin_split_here(&self, cut: Cut) -> Result<Option<Split>, Error> {
        let writer = self.catalog_writer();
        let _claim = writer.claim_for_engine(&cut.table.name).await;
        let Some(table) = self.splittable(&cut.table, cut.number, cut.parent.id) else { return Ok(None) };
        let shard_count = self.shards().count();
        let (changed, split) =
            writer.begin_split(&table, cut.number, &cut.parent, cut.upper_first, shard_count).await?;
        self.spread(self.catalog().with(changed)).await?;
        Ok(Some(split))
    }

    /// Puts the children in the place of their parent, whose last entry is `last`.
    pub(super) async fn finish_split(&self, split: Split, last: EntryIndex) -> Result<Switched, Error> {
        self.on_catalog_shard(move |shard| async move { shard.finish_split_here(&split, last).await }).await
    }

    async fn finish_split_here(&self, split: &Split, last: EntryIndex) -> Result<Switched, Error> {
        let writer = self.catalog_writer();
        let Some(_claim) = writer.claim_unless_requested(&split.table_name).await else {
            sometimes!("a split gives way to a change of its table");
            return Ok(Switched::NotNow);
        };
        let known = self.table(&split.table_name).ok().filter(|table| table.id == split.table_id);
        let Some(known) = known else { return Ok(Switched::NotNow) };
        let Some(table) = self.splittable(&known, split.number, split.parent.id) else {
            return Ok(Switched::NotNow);
        };
        let now = self.handle().unix_time();
        let (changed, is_kept) = writer.finish_split(&table, split, last, now).await?;
        let [heir, _] = split.child_ids();
        self.spread(self.catalog().with_split(changed, split.parent.id, heir)).await?;
        Ok(if is_kept { Switched::Closed } else { Switched::Forgotten })
    }

    /// Lets go of children that are not to serve.
    pub(super) async fn abandon_split(&self, split: Split) -> Result<(), Error> {
        self.on_catalog_shard(move |shard| async move { shard.abandon_split_here(&split).await }).await
    }

    async fn abandon_split_here(&self, split: &Split) -> Result<(), Error> {
        let writer = self.catalog_writer();
        let _claim = writer.claim_for_engine(&split.table_name).await;
        let known = self.table(&split.table_name).ok().filter(|table| table.id == split.table_id);
        // A table that is dropped takes them along.
        let Some(table) = known else { return Ok(()) };
        writer.forget_partitions(&split.child_ids()).await?;
        self.spread(self.catalog().with(table.without_filling(split.number, split.child_ids()))).await?;
        self.drop_everywhere(Arc::new(split.child_ids())).await
    }

    /// Forgets a closed partition whose stream records nobody can read any more.
    pub(crate) async fn forget_closed(&self, known: &Table, id: PartitionId) -> Result<(), Error> {
        let _claim = self.catalog_writer().claim_for_engine(&known.name).await;
        let Ok(table) = self.current(known) else { return Ok(()) };
        self.catalog_writer().forget_partitions(&[id]).await?;
        self.spread(self.catalog().with(table.without_closed(id))).await?;
        self.drop_everywhere(Arc::new([id])).await
    }

    /// The table as it is now, if the partition serves and may be split.
    fn splittable(&self, known: &Table, number: u64, parent: PartitionId) -> Option<Arc<Table>> {
        let table = self.current(known).ok()?;
        let serves = table.partitions_of(number)?.iter().any(|partition| partition.id == parent);
        (serves && table.may_be_split(number)).then_some(table)
    }
}
