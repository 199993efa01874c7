//! Leads one split, on the shard that owns the parent.

use std::{sync::Arc, time::Duration};

use basalt_format::key_encoding::{TAG_PREPARED, TAG_RECEIVED};
use basalt_runtime::{join_all, planted, sometimes, timeout};
use basalt_storage::{Direction, EntryIndex, KeyRange, Partition};

use super::{
    catalog_change::{Cut, Switched},
    gates::Gate,
};
use crate::{catalog::Split, error::Error, shard::LocalEngine};

/// So few changes are left to copy that writes may be held for them.
const HELD_KEYS_MAX: usize = 256;
/// Rounds of catching up; writers that are quicker than these are held while more is copied.
const ROUNDS_MAX: usize = 32;
/// Writes are held for so long at most; then the split is given up and tried again later.
const HELD_TIME_MAX: Duration = Duration::from_secs(2);

/// What came of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The children serve.
    Done,
    /// Something stood against it; the parent serves.
    NotNow,
    /// The parent has rows of a transaction that waits for the next start, and serves until then.
    Unsettled,
}

/// Takes notes off a partition again.
struct Noting<'a>(&'a Partition);

impl Drop for Noting<'_> {
    fn drop(&mut self) {
        self.0.end_noting();
    }
}

impl LocalEngine {
    /// Splits a partition of this shard.
    pub(super) async fn split(&self, cut: Cut, parent: &Partition) -> Result<Outcome, Error> {
        let Some(split) = self.begin_split(cut).await? else { return Ok(Outcome::NotNow) };
        let [lower, upper] = split.child_ids();
        let (table_name, id) = (&*split.table_name, parent.id().get());
        let (lower, upper) = (lower.get(), upper.get());
        tracing::info!(table_name, partition = id, lower, upper, "a partition is being split");
        let started = self.handle().now();
        let outcome = self.carry_out(&split, parent).await;
        match &outcome {
            Ok(Outcome::Done) => {
                let duration = self.handle().now() - started;
                tracing::info!(table_name, partition = id, lower, upper, ?duration, "a partition was split");
            }
            Err(Error::Closed) => {}
            Ok(Outcome::NotNow | Outcome::Unsettled) | Err(_) => {
                sometimes!("a split is given up");
                tracing::info!(table_name, partition = id, ?outcome, "a split is given up for now");
                self.abandon_split(split).await?;
            }
        }
        outcome
    }

    async fn carry_out(&self, split: &Split, parent: &Partition) -> Result<Outcome, Error> {
        self.make_children(split).await?;
        parent.begin_noting();
        let _noting = Noting(parent);
        let bytes = self.copy_rows(split, parent).await?;
        tracing::debug!(partition = parent.id().get(), bytes, "a partition's rows are copied");
        for _ in 0..ROUNDS_MAX {
            if parent.noted_count() <= HELD_KEYS_MAX {
                break;
            }
            sometimes!("a split catches up with its writers");
            self.copy_noted(split, parent).await?;
        }
        let is_tables = self.table(&split.table_name).is_ok_and(|table| table.number == split.number);
        if !is_tables {
            return self.switch(split, parent).await;
        }
        // What is prepared, and what its ledger says, is settled where it was begun.
        self.pause_transactions(split.number).await?;
        let outcome = self.switch(split, parent).await;
        self.resume_transactions(split.number).await?;
        outcome
    }

    /// Opens the children on their owners, unless the table was dropped meanwhile.
    async fn make_children(&self, split: &Split) -> Result<(), Error> {
        let making = split.children.map(|child| {
            let split = split.clone();
            self.run_admitted_on(self.owner(&child), move |owner| async move {
                let table = owner.table(&split.table_name)?;
                let is_known = table.all_partitions().any(|(_, known)| known.id == child.id);
                if table.id != split.table_id || !is_known {
                    return Err(Error::TableDropped);
                }
                owner.store().create_partition(table.spec_of(split.number, &child, None));
                Ok(())
            })
        });
        join_all(making).await.into_iter().collect()
    }

    /// Holds everybody back for a moment, in which the children become all that their parent is and take its place.
    async fn switch(&self, split: &Split, parent: &Partition) -> Result<Outcome, Error> {
        let id = parent.id();
        self.gates().set(id, Some(Gate::Held));
        let copied = timeout(self.handle(), HELD_TIME_MAX, self.copy_the_rest(split, parent)).await;
        if !matches!(copied, Some(Ok(Some(_)))) {
            self.gates().set(id, None);
        }
        let Some(copied) = copied else { return Ok(Outcome::NotNow) };
        let Some(last) = copied? else { return Ok(Outcome::Unsettled) };
        // From here on a child may answer as soon as anybody knows of it.
        self.gates().set(id, Some(Gate::Shut));
        let switched = self.finish_split(split.clone(), last).await;
        let gate = match &switched {
            Ok(Switched::Forgotten | Switched::Closed) => {
                sometimes!("a partition was split");
                Some(Gate::Moved)
            }
            // Whether the entry is durable shows at the next start.
            Err(Error::Closed) => Some(Gate::Ended),
            Ok(Switched::NotNow) | Err(_) => None,
        };
        self.gates().set(id, gate);
        let switched = switched?;
        if switched == Switched::NotNow {
            return Ok(Outcome::NotNow);
        }
        self.leave(split, switched).await?;
        Ok(Outcome::Done)
    }

    /// Copies what is left, with writes held; the parent's last entry, or `None` if it has rows of a transaction
    /// that waits for the next start.
    async fn copy_the_rest(&self, split: &Split, parent: &Partition) -> Result<Option<EntryIndex>, Error> {
        if self.has_unsettled(parent).await? {
            return Ok(None);
        }
        let table = self.table(&split.table_name)?;
        let owes_indexes = table.number == split.number && !table.global_indexes.is_empty();
        if owes_indexes && !planted!(ForgetParentsOutbox) {
            self.outbox(&table, parent).wait_delivered().await;
        }
        while parent.noted_count() > 0 && !planted!(SkipLastCatchUp) {
            self.copy_noted(split, parent).await?;
        }
        Ok(Some(parent.last_index()))
    }

    /// Whether the partition has rows of transactions that have not ended. With these held back there is one only if it
    /// waits for the next start.
    async fn has_unsettled(&self, parent: &Partition) -> Result<bool, Error> {
        let (first, end) = ([TAG_PREPARED], [TAG_RECEIVED]);
        let looking = parent.write(|view, _nothing| {
            Ok(view.cursor(KeyRange::half_open(&first, &end), Direction::Forward).next()?.is_some())
        });
        let (found, commit) = looking.await?;
        commit.wait().await?;
        Ok(found)
    }

    /// Lets go of what this shard has of a parent whose children serve.
    async fn leave(&self, split: &Split, switched: Switched) -> Result<(), Error> {
        let parent = split.parent.id;
        self.close_outbox(parent);
        let [heir, _] = split.children;
        self.run_admitted_on(self.owner(&heir), move |owner| async move {
            owner.sweep_tokens_of(heir.id);
            Ok(())
        })
        .await?;
        if switched == Switched::Forgotten {
            // Its gate stays: somebody may still have a handle of it.
            self.drop_everywhere(Arc::new([parent])).await?;
        }
        Ok(())
    }
}
