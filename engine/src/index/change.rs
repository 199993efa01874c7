//! Leads the global indexes of live tables from their catalog entry to their first read, and to their end.
//!
//! On the catalog's shard. A request only changes the catalog; what follows from that runs as a task, which a start
//! begins again for each index that it finds on its way. Every step may be repeated.

use std::{future::Future, sync::Arc, time::Duration};

use basalt_runtime::join_all;
use basalt_storage::PartitionId;

use super::IndexPlace;
use crate::{
    catalog::{GlobalIndex, GlobalIndexDefinition, IndexProjection, IndexStatus, Table},
    error::{Error, ValidationError},
    operation::GlobalIndexChange,
    shard::LocalEngine,
};

/// The most global indexes of a table.
const GLOBAL_INDEXES_MAX: usize = 20;
/// How long an index is left alone that could not be filled or removed.
const RETRY_TIME: Duration = Duration::from_secs(1);

/// The index that a request makes or deletes while the table lives.
#[derive(Debug)]
pub(crate) enum OnlineIndexChange {
    Create(GlobalIndexDefinition),
    Delete(Arc<GlobalIndex>),
}

impl OnlineIndexChange {
    /// What the request asks for, if the table may be changed so now.
    pub(crate) fn of(table: &Table, changes: &[GlobalIndexChange]) -> Result<Option<Self>, Error> {
        let mut online = changes.iter().filter(|change| !matches!(change, GlobalIndexChange::Update { .. }));
        let change = online.next();
        if online.next().is_some() {
            return Err(Error::IndexChangeInProgress);
        }
        match change {
            None => Ok(None),
            Some(GlobalIndexChange::Create(definition)) => Self::create(table, definition).map(Some),
            Some(GlobalIndexChange::Delete { index_name } | GlobalIndexChange::Update { index_name, .. }) => {
                Self::delete(table, index_name).map(Some)
            }
        }
    }

    fn create(table: &Table, definition: &GlobalIndexDefinition) -> Result<Self, Error> {
        let name = definition.index_name.as_str();
        if table.global_index(name).is_some() || table.local_index(name).is_some() {
            return Err(ValidationError::IndexExists.into());
        }
        if table.global_indexes.iter().any(|index| index.status != IndexStatus::Active) {
            return Err(Error::IndexChangeInProgress);
        }
        if table.global_indexes.len() >= GLOBAL_INDEXES_MAX {
            return Err(ValidationError::TooManyGlobalIndexes.into());
        }
        IndexProjection::check_all(table.index_projections().chain([&definition.projection]))?;
        Ok(Self::Create(definition.clone()))
    }

    /// An index that is being filled may be deleted too, but no other one meanwhile.
    fn delete(table: &Table, index_name: &str) -> Result<Self, Error> {
        let Some(index) = table.global_index(index_name) else {
            return Err(Error::IndexNotFound { index_name: index_name.to_owned() });
        };
        let others_change = table
            .global_indexes
            .iter()
            .any(|other| other.number != index.number && other.status != IndexStatus::Active);
        if others_change || index.status == IndexStatus::Deleting {
            return Err(Error::IndexChangeInProgress);
        }
        Ok(Self::Delete(Arc::clone(index)))
    }
}

impl LocalEngine {
    /// Goes on with every index that an earlier life left on its way.
    pub(crate) fn resume_index_changes(&self) {
        self.catalog().tables().for_each(|table| self.follow_index_changes(table));
    }

    /// Does what follows from the indexes' status, which the catalog holds durably and every shard knows. There is one
    /// task an index and status: a request that changes the status begins the next one's.
    pub(crate) fn follow_index_changes(&self, table: &Table) {
        for index in &table.global_indexes {
            let (local, place) = (self.clone(), IndexPlace::new(table, index.number));
            match index.status {
                IndexStatus::Active => {}
                IndexStatus::Creating { .. } => {
                    self.handle().spawn(async move { local.lead_creation(&place).await }).detach();
                }
                IndexStatus::Deleting => {
                    self.handle().spawn(async move { local.lead_deletion(&place).await }).detach();
                }
            }
        }
    }

    /// Fills a new index and lets it be read; ends without doing so when the index is deleted meanwhile.
    async fn lead_creation(&self, place: &IndexPlace) {
        while self.find_creating_index(place).is_some() {
            let filled = match self.fill(place).await {
                Ok(()) => self.activate(place).await,
                Err(error) => Err(error),
            };
            if self.is_over("filled", filled).await {
                return;
            }
        }
    }

    /// Brings every base partition in, all at once.
    async fn fill(&self, place: &IndexPlace) -> Result<(), Error> {
        self.on_base_partitions(place, |owner, place, partition| async move {
            owner.backfill(&place, partition).await
        })
        .await
    }

    async fn activate(&self, place: &IndexPlace) -> Result<(), Error> {
        let _claim = self.catalog_writer().claim_for_engine(&place.table_name).await;
        let Some((table, index)) = self.find_creating_index(place) else { return Ok(()) };
        // Before the index is done, so that a crash leaves none behind: at worst all is brought in again.
        self.forget_backfills(place).await?;
        let active = GlobalIndex { status: IndexStatus::Active, ..GlobalIndex::clone(&index) };
        self.replace_table(table.with_global_index(active)).await.map(drop)
    }

    /// Lets go of an index that takes nothing any more.
    async fn lead_deletion(&self, place: &IndexPlace) {
        while self.find_index(place).is_some() {
            if self.is_over("removed", self.remove_index(place).await).await {
                return;
            }
        }
    }

    async fn remove_index(&self, place: &IndexPlace) -> Result<(), Error> {
        self.forget_backfills(place).await?;
        // What is on its way to the index has been dropped when its rows are gone.
        self.on_base_partitions(place, |owner, _place, partition| async move {
            owner.empty_outbox(partition).await;
            Ok(())
        })
        .await?;
        let _claim = self.catalog_writer().claim_for_engine(&place.table_name).await;
        let Some((table, index)) = self.find_index(place) else { return Ok(()) };
        let changed = table.without_global_index(index.number);
        self.catalog_writer().remove_index(&changed, &index).await?;
        self.spread(self.catalog().with(changed)).await?;
        self.drop_everywhere(index.all_partitions().map(|partition| partition.id).collect()).await
    }

    async fn forget_backfills(&self, place: &IndexPlace) -> Result<(), Error> {
        self.on_base_partitions(place, |owner, place, partition| async move {
            owner.forget_backfill(&place, partition).await
        })
        .await
    }

    /// Runs `work` for every base partition of an index, on their owners.
    async fn on_base_partitions<W, F>(&self, place: &IndexPlace, work: W) -> Result<(), Error>
    where
        W: Fn(LocalEngine, IndexPlace, PartitionId) -> F + Clone + Send + 'static,
        F: Future<Output = Result<(), Error>> + 'static,
    {
        let Some((table, _)) = self.find_index(place) else { return Ok(()) };
        let running = table.partitions.iter().map(|partition| {
            let (work, place, id) = (work.clone(), place.clone(), partition.id);
            self.run_admitted_on(self.owner(partition), move |owner| work(owner, place, id))
        });
        join_all(running).await.into_iter().collect()
    }

    /// Whether an attempt was the last one; lets some time pass before the next.
    async fn is_over(&self, what: &'static str, outcome: Result<(), Error>) -> bool {
        match outcome {
            // The engine is at its end; the next start goes on.
            Ok(()) | Err(Error::Closed) => true,
            Err(error) => {
                tracing::warn!(%error, "an index could not be {what}, tried again");
                self.handle().sleep(RETRY_TIME).await;
                false
            }
        }
    }
}
