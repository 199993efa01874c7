//! The task that sends a base partition's changes to its indexes, round after round.

use std::{collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

use basalt_runtime::{Either, ShardIndex, join_all, planted, race, sometimes};
use basalt_storage::{Commit, EntryIndex, Partition};

use super::{
    IndexShare, Outbox,
    queue::{Task, Undelivered},
    round::Round,
    stored,
};
use crate::{
    catalog::{Table, TableId, owner_of},
    error::Error,
    shard::LocalEngine,
};

/// How long an index that could not receive is left alone.
const RETRY_TIME: Duration = Duration::from_millis(100);
/// Finished rows wait this long for an entry to take their removal along. An entry of their own costs a sync, which
/// must not stand in the way of the next write.
const IDLE_TIME: Duration = Duration::from_secs(1);

pub(super) struct Sender {
    local: LocalEngine,
    table_name: Arc<str>,
    table_id: TableId,
    partition: Partition,
    outbox: Rc<Outbox>,
    /// The newest entry whose rows an earlier life may have left.
    stored_through: EntryIndex,
}

impl Sender {
    pub(super) fn new(
        local: &LocalEngine,
        table: &Table,
        partition: &Partition,
        outbox: &Rc<Outbox>,
        stored_through: EntryIndex,
    ) -> Self {
        Self {
            local: local.clone(),
            table_name: Arc::clone(&table.name),
            table_id: table.id,
            partition: partition.clone(),
            outbox: Rc::clone(outbox),
            stored_through,
        }
    }

    /// Sends until the outbox is closed.
    pub(super) async fn run(self) {
        self.deliver_stored().await;
        loop {
            match self.outbox.next_task() {
                Task::Send(commit) => self.send_committed(commit).await,
                Task::Remove => self.remove_rows().await,
                Task::RemoveWhenIdle => {
                    let idle = self.local.handle().sleep(IDLE_TIME);
                    if let Either::Right(()) = race(self.outbox.posted().notified(), idle).await {
                        self.remove_rows().await;
                    }
                }
                Task::Rest => self.outbox.posted().notified().await,
                Task::End => return,
            }
        }
    }

    /// Delivers what an earlier life left, portion by portion, before anything newer.
    async fn deliver_stored(&self) {
        let mut after = EntryIndex::default();
        loop {
            let portion = match self.read_stored(after).await {
                Ok(portion) => portion,
                Err(error) => {
                    self.hold(error).await;
                    if self.outbox.is_closed() {
                        return;
                    }
                    continue;
                }
            };
            let Some(last) = portion.last().map(|last| last.entry_index) else { break };
            self.outbox.restore(portion);
            // Nothing newer goes along: rows that are still to be read come before it.
            while self.outbox.first().is_some_and(|first| first <= last) {
                self.send_round(last).await;
            }
            after = last;
        }
        self.outbox.stored_rows_are_read();
    }

    async fn read_stored(&self, after: EntryIndex) -> Result<Vec<Undelivered>, Error> {
        let through = self.stored_through;
        Ok(self.partition.read(|view| stored::read_entries(view, after, through)).await??)
    }

    /// Sends the committed entries at the head of the queue, once the first of them, `commit`'s, is.
    async fn send_committed(&self, commit: Option<Commit>) {
        if let Some(commit) = commit.filter(|_| !planted!(SendUncommitted))
            && let Err(error) = commit.wait().await
        {
            // The log takes nothing any more: the shard is at its end.
            self.outbox.close(Err(error.into()));
            return;
        }
        let committed = self.partition.stats().committed;
        self.send_round(if planted!(SendUncommitted) { EntryIndex::new(u64::MAX) } else { committed }).await;
    }

    /// Sends the entries at the head of the queue up to `through`, as many as one round carries.
    async fn send_round(&self, through: EntryIndex) {
        let round = self.outbox.round(through);
        if !round.is_empty() && self.deliver(&round).await {
            self.outbox.received(round.through());
        }
    }

    /// Sends a round until every receiver has it durably; whether they have.
    async fn deliver(&self, round: &Round) -> bool {
        let mut left = self.by_owner(round);
        while !left.is_empty() {
            match self.try_deliver(&mut left).await {
                Ok(()) => {}
                // All of the round anew, where its partitions are now: they know what they have of it.
                Err(Error::PartitionMoved { catalog_version }) => {
                    sometimes!("a round follows a split index");
                    self.local.until_catalog_version(catalog_version).await;
                    left = self.by_owner(round);
                }
                Err(error) => {
                    self.hold(error).await;
                    if self.outbox.is_closed() {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn by_owner(&self, round: &Round) -> BTreeMap<ShardIndex, Vec<IndexShare>> {
        let mut by_owner: BTreeMap<_, Vec<IndexShare>> = BTreeMap::new();
        // Without the table there is nobody to receive anything.
        let catalog = self.local.catalog();
        let table = catalog.table(&self.table_name).filter(|table| table.id == self.table_id);
        for share in table.map(|table| round.shares(table)).unwrap_or_default() {
            let owner = owner_of(share.partition, self.local.shards().count());
            by_owner.entry(owner).or_default().push(share);
        }
        by_owner
    }

    /// Sends what is left, one message a shard, and leaves those whose receivers failed.
    async fn try_deliver(&self, left: &mut BTreeMap<ShardIndex, Vec<IndexShare>>) -> Result<(), Error> {
        let sending = left.iter().map(|(owner, shares)| self.send(*owner, shares.clone()));
        let outcomes = join_all(sending).await;
        let mut failure = Ok(());
        let mut outcomes = outcomes.into_iter();
        left.retain(|_, _| match outcomes.next().expect("one outcome a message") {
            Ok(()) => false,
            Err(error) => {
                failure = Err(error);
                true
            }
        });
        failure
    }

    async fn send(&self, owner: ShardIndex, shares: Vec<IndexShare>) -> Result<(), Error> {
        let (table_name, table_id) = (Arc::clone(&self.table_name), self.table_id);
        let base = self.partition.id();
        let receive = move |receiver: LocalEngine| async move {
            receiver.receive(&table_name, table_id, base, shares).await
        };
        // Not refused for overload: writes that are running wait for this.
        self.local.run_admitted_on(owner, receive).await
    }

    /// Tells whoever waits of a failure and lets some time pass; the end of the engine ends the outbox.
    async fn hold(&self, error: Error) {
        if matches!(error, Error::Closed) {
            self.outbox.close(Err(error));
            return;
        }
        if !self.outbox.is_failing() {
            tracing::warn!(partition = self.partition.id().get(), %error, "an index cannot receive, tried again");
        }
        self.outbox.failed(error);
        self.local.handle().sleep(RETRY_TIME).await;
    }

    /// Removes finished rows in an entry of their own. Not waited for: a row that comes back is known to its
    /// receivers.
    async fn remove_rows(&self) {
        match self.partition.write(|_view, batch| Ok(self.outbox.ride_along(batch))).await {
            Ok((removed, _unawaited)) => self.outbox.removed(removed),
            Err(error) => self.hold(error.into()).await,
        }
    }
}
