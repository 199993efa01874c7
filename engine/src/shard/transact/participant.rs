//! What one shard does of a transaction: all of it, or its part in three steps.

use std::{rc::Rc, sync::Arc, time::Duration};

use basalt_format::transaction::{PreparedKey, PreparedOutcome, PreparedRow, TransactionId};
use basalt_model::ItemRef;
use basalt_runtime::sometimes;
use basalt_storage::{Partition, PartitionId, Stop, StorageError, View, WriteBatch};

use super::{
    group::{ActionGroup, ActionReport, GroupWork, Refusal},
    tokens::TokenToKeep,
};
use crate::{
    catalog::Table,
    derive::{Cause, EntryWork, EntryWriter, ItemChange},
    error::{Error, ValidationError},
    outbox::Delivered,
    shard::{LocalEngine, items::item_of},
    transaction::{PlannedAction, TokenPlace},
};

/// What follows from a transaction's items on one shard may take this much of the log: its commit goes into one frame.
const COMMIT_BYTES_MAX: usize = 48 << 20;
/// Time between two tries to commit while the device is full.
const COMMIT_RETRY: Duration = Duration::from_millis(100);

/// Keys of the items of one partition.
type ItemKeys = Vec<Rc<[u8]>>;

/// What a transaction has prepared on one shard, in partitions that serve.
struct PreparedHere {
    partitions: Vec<Partition>,
    /// Keys of its items, by the place of their partition.
    keys: Vec<ItemKeys>,
    /// Why one more partition of it does not serve, if one does not.
    closed: Option<StorageError>,
}

/// What came of a shard's part.
pub(super) type Evaluation = Result<Vec<ActionReport>, Refusal>;

/// What came of a whole transaction on one shard.
pub(super) struct OnOneShard {
    pub(super) evaluation: Evaluation,
    pub(super) token: Option<TokenPlace>,
    /// Whether indexes show it. It is committed all the same.
    pub(super) delivered: Result<(), Error>,
}

impl LocalEngine {
    /// Runs a whole transaction, all of whose items are here: one evaluation, one frame.
    pub(super) async fn transact_here(
        &self,
        actions: Vec<Arc<PlannedAction>>,
        token: Option<TokenToKeep<'_>>,
    ) -> Result<OnOneShard, Error> {
        let group = ActionGroup::new(self, actions).await?;
        self.outbox_room_of(&group.partitions).await?;
        let written = self.store().write_together(&group.partitions, |views, batches| {
            let evaluated = self.evaluate_group(&group, views, batches, |_, _, _| ())?;
            Ok(evaluated.map(|GroupWork { reports, works }| {
                let place = token.map(|token| token.put(&group.partitions[0], &mut batches[0], &reports));
                (reports, self.pack_together(&group.partitions, works, batches), place)
            }))
        });
        let (evaluated, commit) = written.await.map_err(|error| group.error_of(self, error))?;
        let posted = evaluated.map(|(reports, parcels, place)| {
            (reports, self.post_together(&group.partitions, parcels, &commit), place)
        });
        // Also a refusal waits: the items that it rests on may not be durable yet.
        commit.wait().await?;
        Ok(match posted {
            Ok((reports, delivered, token)) => {
                let delivered = Delivered::wait_for_all(delivered).await;
                OnOneShard { evaluation: Ok(reports), token, delivered }
            }
            Err(refusal) => OnOneShard { evaluation: Err(refusal), token: None, delivered: Ok(()) },
        })
    }

    /// Evaluates this shard's part and, unless something stands against it, makes durable what is to become of the
    /// items. They are locked from then on.
    pub(super) async fn prepare(
        &self,
        transaction: TransactionId,
        ledger: PartitionId,
        actions: Vec<Arc<PlannedAction>>,
    ) -> Result<Evaluation, Error> {
        let group = ActionGroup::new(self, actions).await?;
        // Once prepared it is not held back any more.
        self.outbox_room_of(&group.partitions).await?;
        let written = self.store().write_together(&group.partitions, |views, batches| {
            let mut prepared = Vec::new();
            let evaluated = self.evaluate_group(&group, views, batches, |place, item_key, outcome| {
                let key = PreparedKey { transaction, item_key }.encode();
                prepared.push((place, key, PreparedRow { ledger: ledger.get(), outcome }.encode()));
            })?;
            Ok(evaluated.and_then(|work| {
                let commit_bytes = commit_bytes(batches, &work.works);
                // Evaluating them has shown that the changes can be made; they are when the transaction is committed.
                batches.iter_mut().for_each(WriteBatch::clear);
                if commit_bytes > COMMIT_BYTES_MAX {
                    return Err(Refusal::Failed(ValidationError::TransactionTooLarge.into()));
                }
                for (place, key, row) in &prepared {
                    batches[*place].put(key, row.as_slice());
                }
                let keys = prepared.into_iter().map(|(place, key, _row)| (place, key)).collect::<Vec<_>>();
                Ok((work.reports, keys))
            }))
        });
        let (evaluated, commit) = written.await.map_err(|error| group.error_of(self, error))?;
        // In the same step as the evaluation: nobody else can have prepared these items.
        let evaluation = evaluated.map(|(reports, keys)| {
            for (place, key) in keys {
                self.lock_prepared(group.partitions[place].id(), &key);
            }
            reports
        });
        commit.wait().await?;
        Ok(evaluation)
    }

    /// Takes the lock that a prepared row stands for.
    pub(super) fn lock_prepared(&self, partition: PartitionId, key: &[u8]) {
        let PreparedKey { transaction, item_key } =
            PreparedKey::decode(key).expect("rows are checked when they are read, and made right here");
        self.transactions().locks.borrow_mut().take(transaction, partition, Rc::from(item_key));
    }

    /// Makes what was prepared true, and ends when it is durable. A full device is waited for: the transaction has been
    /// decided, and its items stay locked.
    ///
    /// # Errors
    /// When a partition is closed by damaged bytes. Its part waits for a later start; the others are committed.
    pub(super) async fn commit(&self, transaction: TransactionId) -> Result<(), Error> {
        let outcome = loop {
            match self.try_commit(transaction).await {
                Err(Error::DiskFull) => self.handle().sleep(COMMIT_RETRY).await,
                // That has closed a partition, which is left out from here on.
                Err(Error::Storage(StorageError::Corrupt { .. })) => {
                    sometimes!("a decided transaction finds damage");
                }
                Ok(None) => break Ok(()),
                Ok(Some(closed)) => break Err(closed.into()),
                Err(error) => break Err(error),
            }
        };
        if let Err(error) = &outcome {
            tracing::error!(?transaction, %error, "a decided transaction waits for the next start");
        }
        outcome
    }

    /// Commits what is prepared in partitions that serve; why one of the others does not, if there is one.
    async fn try_commit(&self, transaction: TransactionId) -> Result<Option<StorageError>, Error> {
        let PreparedHere { partitions, keys, closed } = self.prepared(transaction);
        if partitions.is_empty() {
            return Ok(closed);
        }
        let written = self.store().write_together(&partitions, |views, batches| {
            // The transaction is decided: a full device does not hold it up.
            batches.iter_mut().for_each(WriteBatch::mark_freeing);
            let mut works = Vec::with_capacity(partitions.len());
            for (place, keys) in keys.iter().enumerate() {
                let partition = &partitions[place];
                let work =
                    self.commit_items(transaction, partition, keys, &views[place], &mut batches[place])?;
                match work {
                    Ok(work) => works.push(work),
                    Err(Error::DamagedItem(reason)) => return Err(partition.damaged_row(reason)),
                    Err(error) => {
                        batches.iter_mut().for_each(WriteBatch::clear);
                        return Ok(Err(error));
                    }
                }
            }
            Ok(Ok(self.pack_together(&partitions, works, batches)))
        });
        let (committed, commit) = written.await?;
        let delivered = self.post_together(&partitions, committed?, &commit);
        commit.wait().await?;
        self.transactions().locks.borrow_mut().release(transaction);
        // The transaction is committed, and its changes are under way, also when an index cannot receive for now.
        let _told_to_later_writes = Delivered::wait_for_all(delivered).await;
        Ok(closed)
    }

    /// Puts what becomes of a partition's prepared items into its batch, and takes the prepared rows away.
    fn commit_items(
        &self,
        transaction: TransactionId,
        partition: &Partition,
        keys: &[Rc<[u8]>],
        view: &View<'_>,
        batch: &mut WriteBatch,
    ) -> Result<Result<EntryWork, Error>, Stop> {
        let table = self.table_of(partition);
        // What was prepared is not refused any more: no collection is too large for it.
        let mut writer = EntryWriter::new(view, batch, u64::MAX);
        for key in keys {
            let prepared = PreparedKey { transaction, item_key: key }.encode();
            let Some(row) = view.get(&prepared)? else { continue };
            let present = view.get(key)?;
            let change = (|| {
                let old = item_of(present)?;
                let new = match PreparedRow::decode(row.value)?.outcome {
                    PreparedOutcome::Keep => old,
                    PreparedOutcome::Put(item) => Some(ItemRef::new(item)?),
                    PreparedOutcome::Delete => None,
                };
                Ok::<_, Error>((old, new))
            })();
            let ((old, new), Some(table)) = (match change {
                Ok(change) => (change, table.as_deref()),
                Err(error) => return Ok(Err(error)),
            }) else {
                continue;
            };
            let change = ItemChange { table, key, old, new, cause: Cause::Client };
            if let Err(error) = writer.change(&change)? {
                return Ok(Err(error));
            }
        }
        let work = writer.finish();
        for key in keys {
            batch.delete(&PreparedKey { transaction, item_key: key }.encode());
        }
        Ok(Ok(work))
    }

    /// Takes back what was prepared. The items are free at once: what is logged behind is lost no later.
    pub(super) async fn abort(&self, transaction: TransactionId) -> Result<(), Error> {
        let PreparedHere { partitions, keys, closed: _its_rows_stay } = self.prepared(transaction);
        let outcome = if partitions.is_empty() {
            Ok(())
        } else {
            let written = self.store().write_together(&partitions, |_views, batches| {
                for (batch, keys) in batches.iter_mut().zip(&keys) {
                    keys.iter().for_each(|key| {
                        batch.delete(&PreparedKey { transaction, item_key: key }.encode());
                    });
                }
                Ok(())
            });
            // Rows that stay because nothing could be logged, or because their partition is closed, are taken back by a
            // later start: there is no decision.
            written.await.map(drop)
        };
        self.transactions().locks.borrow_mut().release(transaction);
        Ok(outcome?)
    }

    /// What a transaction has prepared here.
    fn prepared(&self, transaction: TransactionId) -> PreparedHere {
        let locks = self.transactions().locks.borrow();
        let items = locks.prepared(transaction).map(|prepared| &prepared.items);
        let mut here = PreparedHere { partitions: Vec::new(), keys: Vec::new(), closed: None };
        for (id, keys) in items.into_iter().flatten() {
            // A dropped table took its items along.
            let Some(partition) = self.store().partition(*id) else { continue };
            match partition.check_serving() {
                Ok(()) => {
                    here.partitions.push(partition);
                    here.keys.push(keys.clone());
                }
                Err(reason) => here.closed = Some(reason),
            }
        }
        here
    }

    /// The table that a partition belongs to, as it is now; `None` if it is being dropped.
    fn table_of(&self, partition: &Partition) -> Option<Arc<Table>> {
        let number = partition.spec().table;
        self.catalog().tables().find(|table| table.number == number).cloned()
    }
}

/// What the commit of changes will take in the log.
fn commit_bytes(batches: &[WriteBatch], works: &[EntryWork]) -> usize {
    let logged: usize = batches.iter().map(WriteBatch::log_bytes).sum();
    let delivered: usize = works.iter().map(EntryWork::bytes).sum();
    logged + delivered
}
