//! Runs time to live: changes of the setting, and the removal of what is expired.
//!
//! Each shard looks after its own partitions. A change of the setting is durable in the catalog at once; what follows
//! from it, filling or clearing the order of expiry, runs as a task of the catalog's shard, which a start begins again.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use basalt_runtime::UnixTime;
use basalt_storage::{Commit, Partition, PartitionId, Stop, View, WriteBatch};

use super::{LocalEngine, streams::tell};
use crate::{
    catalog::{Table, TimeToLive, TimeToLiveStatus},
    derive::{Cause, ItemChange},
    error::{Error, TableChange},
    operation::UpdateTimeToLive,
    outbox::Parcel,
    time_to_live::{Calendar, Step, clear_some, fill_some, find_expired},
};

/// The last row that was looked at, if there is more behind it; and what the removals change in indexes.
type Expired = (Option<Vec<u8>>, Parcel);

/// Expired items are looked for so often.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(1);
/// Entries of removals that a partition has under way while the next one is made.
const ENTRIES_AHEAD_MAX: usize = 3;
/// How long a change waits that could not be carried out, before it is tried again.
const RETRY_TIME: Duration = Duration::from_millis(200);

// --- The setting.

impl LocalEngine {
    /// Changes whether a table's items expire.
    pub async fn update_time_to_live(&self, request: UpdateTimeToLive) -> Result<(), Error> {
        self.on_catalog_shard(|shard| async move { shard.update_time_to_live_here(request).await }).await
    }

    /// By what a table's items expire, if they do.
    pub async fn describe_time_to_live(&self, table_name: &str) -> Result<Option<TimeToLive>, Error> {
        Ok(self.table(table_name)?.time_to_live.clone())
    }

    async fn update_time_to_live_here(&self, request: UpdateTimeToLive) -> Result<(), Error> {
        let (table, _claim) = self.claim_table(&request.table_name, TableChange::Updated).await?;
        let setting = request.setting_over(table.time_to_live.as_ref(), self.handle().unix_time())?;
        let changed =
            self.replace_table(Table { time_to_live: Some(setting), ..Table::clone(&table) }).await?;
        self.settle_time_to_live(changed);
        Ok(())
    }

    /// Goes on with every change of a setting that an earlier life left on its way.
    pub(super) fn resume_time_to_live(&self) {
        for table in self.catalog().tables().filter(|table| unsettled(table).is_some()) {
            self.settle_time_to_live(Table::clone(table));
        }
    }

    /// Carries a change of a table's setting through, as a task.
    fn settle_time_to_live(&self, table: Table) {
        let (local, table) = (self.clone(), Arc::new(table));
        let settling = self.handle().spawn(async move {
            while tell(local.try_settle_time_to_live(&table).await, &table.name).is_ok()
                && local.current(&table).is_ok_and(|table| unsettled(&table).is_some())
            {
                local.handle().sleep(RETRY_TIME).await;
            }
        });
        settling.detach();
    }

    async fn try_settle_time_to_live(&self, table: &Arc<Table>) -> Result<(), Error> {
        let Some(status) = unsettled(table) else { return Ok(()) };
        let known = Arc::clone(table);
        self.on_every_shard(move |shard| {
            let known = Arc::clone(&known);
            async move { shard.order_expiries(&known, status).await }
        })
        .await?;
        self.change_table(table, |table| {
            table.time_to_live = match (status, table.time_to_live.take()) {
                (TimeToLiveStatus::Disabling, _) => None,
                (_, setting) => {
                    setting.map(|setting| TimeToLive { status: TimeToLiveStatus::Enabled, ..setting })
                }
            };
        })
        .await
    }

    /// Fills or clears the order of expiry of this shard's partitions.
    async fn order_expiries(&self, known: &Table, status: TimeToLiveStatus) -> Result<(), Error> {
        for partition in self.own_partitions(known) {
            while self.order_some(known, status, &partition).await? == Step::Some {
                self.handle().yield_now().await;
            }
        }
        Ok(())
    }

    async fn order_some(
        &self,
        known: &Table,
        status: TimeToLiveStatus,
        partition: &Partition,
    ) -> Result<Step, Error> {
        let (step, commit) = partition
            .write(|view, batch| match (status, &known.time_to_live) {
                (TimeToLiveStatus::Enabling, Some(setting)) => fill_some(setting, view, batch),
                _ => clear_some(view, batch).map(Ok),
            })
            .await?;
        commit.wait().await?;
        Ok(step?)
    }
}

/// Where the setting is on its way to, if it is.
fn unsettled(table: &Table) -> Option<TimeToLiveStatus> {
    let status = table.time_to_live.as_ref()?.status;
    (status != TimeToLiveStatus::Enabled).then_some(status)
}

// --- Expiry, in the background.

impl LocalEngine {
    /// Removes expired items for as long as the shard lives. Costs nothing while no table's items expire.
    pub(super) async fn expire_items_forever(self) {
        let calendar = Calendar::default();
        loop {
            self.until_catalog(|catalog| catalog.tables().any(|table| is_expiring(table))).await;
            if let Some(now) = calendar.reading(self.handle().unix_time())
                && matches!(self.expire_items(now).await, Err(Error::Closed))
            {
                return;
            }
            self.handle().sleep(EXPIRY_INTERVAL).await;
        }
    }

    async fn expire_items(&self, now: UnixTime) -> Result<(), Error> {
        for table in self.catalog().tables().filter(|table| is_expiring(table)) {
            for partition in self.own_partitions(table) {
                tell(self.expire_partition(table, &partition, now).await, &table.name)?;
            }
        }
        Ok(())
    }

    async fn expire_partition(
        &self,
        table: &Table,
        partition: &Partition,
        now: UnixTime,
    ) -> Result<(), Error> {
        let mut passed = None;
        let mut under_way: VecDeque<Commit> = VecDeque::new();
        loop {
            self.outbox_room(partition.id()).await?;
            let (expired, commit) = partition
                .write(|view, batch| {
                    let passed = passed.as_deref();
                    self.expire_some(table, partition.id(), now, passed, view, batch)
                })
                .await?;
            let (next, parcel) = expired?;
            let _nobody_waits = self.post(table, partition, parcel, &commit);
            under_way.push_back(commit);
            passed = next;
            let is_last = passed.is_none();
            // The next entry is made while this one is synced: a slow device must not set the pace.
            while under_way.len() > if is_last { 0 } else { ENTRIES_AHEAD_MAX }
                && let Some(oldest) = under_way.pop_front()
            {
                oldest.wait().await?;
            }
            if is_last {
                return Ok(());
            }
            self.handle().yield_now().await;
        }
    }

    /// Removes the next items of a partition whose time is over. Everything is decided here, in the evaluation: the
    /// table's setting, the time, and by the item itself whether it is expired. Returns the last row that was looked at,
    /// if there is more behind it, and what the removals change in indexes.
    fn expire_some(
        &self,
        known: &Table,
        partition: PartitionId,
        now: UnixTime,
        passed: Option<&[u8]>,
        view: &View<'_>,
        batch: &mut WriteBatch,
    ) -> Result<Result<Expired, Error>, Stop> {
        if self.check_writable(partition).is_err() {
            // Its children have the same rows.
            return Ok(Ok((None, Parcel::empty())));
        }
        let Ok(table) = self.current(known) else { return Ok(Ok((None, Parcel::empty()))) };
        let Some(setting) = table.time_to_live.as_ref().filter(|_| is_expiring(&table)) else {
            return Ok(Ok((None, Parcel::empty())));
        };
        if !Calendar::agrees(now, batch.hybrid_time()) {
            return Ok(Ok((None, Parcel::empty())));
        }
        let (rows, step) = match find_expired(&setting.attribute, now, passed, view)? {
            Ok(found) => found,
            Err(reason) => return Ok(Err(reason.into())),
        };
        let mut writer = self.entry_writer(view, batch);
        for row in rows.iter().filter(|row| row.item.is_some()) {
            let (key, old) = (&row.item_key[..], row.item);
            // What a transaction holds is looked at again a little later.
            if self.check_unlocked(partition, key).is_err() {
                continue;
            }
            let change = ItemChange { table: &table, key, old, new: None, cause: Cause::TimeToLive };
            if let Err(error) = writer.change(&change)? {
                // A change that is refused leaves no trace; the others must not wait for its item to be mended.
                tracing::warn!(table_name = %table.name, %error, "an expired item could not be removed");
            }
        }
        let work = writer.finish();
        rows.iter().filter(|row| row.item.is_none()).for_each(|row| batch.delete(&row.key));
        // Removals put stream records and outbox rows; a full device is emptied all the same.
        batch.mark_freeing();
        let parcel = self.pack(partition, work.deliveries, batch);
        let last = rows.last().map(|row| row.key.clone());
        Ok(Ok((last.filter(|_| step == Step::Some), parcel)))
    }
}

/// Whether items of the table are to be removed when their time is over.
fn is_expiring(table: &Table) -> bool {
    let setting = table.time_to_live.as_ref();
    setting.is_some_and(|setting| setting.status == TimeToLiveStatus::Enabled)
}
