//! Removes the rows of tokens that have had their time.

use std::{ops::ControlFlow, time::Duration};

use basalt_format::transaction::TokenKey;
use basalt_storage::{Partition, PartitionId};

use super::settle::{unless_damaged, walk};
use crate::{error::Error, shard::LocalEngine, transaction::TOKEN_LIFETIME_US};

/// Time between two sweeps. A row that stays longer than it must costs space, nothing else.
const TIME_BETWEEN_SWEEPS: Duration = Duration::from_secs(60);
/// Rows that one entry removes.
const ROWS_SWEPT_AT_ONCE: usize = 1000;

impl LocalEngine {
    /// Sweeps for as long as the shard lives.
    pub(in crate::shard) fn start_sweeping_tokens(&self) {
        let local = self.clone();
        let sweeper = self.handle().spawn(async move {
            loop {
                local.handle().sleep(TIME_BETWEEN_SWEEPS).await;
                match local.sweep_tokens().await {
                    Ok(()) => {}
                    Err(Error::Closed) => return,
                    Err(error) => tracing::warn!(%error, "tokens that have had their time stay for now"),
                }
            }
        });
        sweeper.detach();
    }

    /// Sweeps a partition too that has got rows of tokens from another one.
    pub(crate) fn sweep_tokens_of(&self, partition: PartitionId) {
        self.transactions().token_partitions.borrow_mut().insert(partition);
    }

    async fn sweep_tokens(&self) -> Result<(), Error> {
        let now_us = self.handle().unix_time().as_micros();
        self.transactions().tokens.borrow_mut().expire(now_us);
        let ended_before = now_us.saturating_sub(TOKEN_LIFETIME_US);
        let partitions: Vec<_> = self.transactions().token_partitions.borrow().iter().copied().collect();
        for id in partitions {
            let Some(partition) = self.store().partition(id) else {
                self.transactions().token_partitions.borrow_mut().remove(&id);
                continue;
            };
            if unless_damaged(sweep_all(&partition, ended_before).await)?.is_none() {
                // It is closed for as long as this process lives.
                self.transactions().token_partitions.borrow_mut().remove(&id);
            }
        }
        Ok(())
    }
}

/// Removes a partition's tokens that ended before a time.
async fn sweep_all(partition: &Partition, ended_before: u64) -> Result<(), Error> {
    while sweep_some(partition, ended_before).await? == ROWS_SWEPT_AT_ONCE {}
    Ok(())
}

/// Removes the oldest of a partition's tokens that ended before a time; returns how many.
async fn sweep_some(partition: &Partition, ended_before: u64) -> Result<usize, Error> {
    let first_to_stay = TokenKey::from_time(ended_before);
    let mut expired: Vec<Vec<u8>> = Vec::new();
    walk(partition, |key, _row| {
        if key >= first_to_stay.as_slice() || expired.len() == ROWS_SWEPT_AT_ONCE {
            return Ok(ControlFlow::Break(()));
        }
        expired.push(key.to_vec());
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    if !expired.is_empty() {
        let written = partition.write(|_view, batch| {
            expired.iter().for_each(|key| batch.delete(key));
            Ok(())
        });
        drop(written.await?);
    }
    Ok(expired.len())
}
