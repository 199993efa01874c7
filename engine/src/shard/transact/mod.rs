//! Runs transactions: who coordinates, what each shard does, and what a start does about those a crash cut short.
//!
//! The coordinator runs on the shard of the first action, as a task of its own: once begun a transaction comes to its
//! end, whether or not anybody still waits for it. On one shard it is one evaluation and one frame; over several shards
//! see [`coordinator`].
//!
//! What a shard keeps of transactions is in [`Transactions`]; it holds for every write here, transactional or not.

mod coordinator;
mod group;
mod participant;
mod read;
mod settle;
mod sweep;
mod tokens;

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use basalt_format::transaction::TransactionId;
use basalt_storage::PartitionId;

use super::LocalEngine;
use crate::{
    error::Error,
    transaction::{Locks, Pauses, Tokens},
};

/// What one shard keeps of transactions.
pub(super) struct Transactions {
    locks: RefCell<Locks>,
    tokens: RefCell<Tokens>,
    pauses: Rc<Pauses>,
    /// Partitions of this shard with rows of tokens.
    token_partitions: RefCell<BTreeSet<PartitionId>>,
}

impl Transactions {
    pub(super) fn new(memory_budget_bytes: u64, shard_count: u16) -> Self {
        Self {
            locks: RefCell::default(),
            tokens: RefCell::new(Tokens::within(memory_budget_bytes, shard_count)),
            pauses: Rc::default(),
            token_partitions: RefCell::default(),
        }
    }
}

impl LocalEngine {
    /// Refuses a write of an item that a transaction has prepared, or whose partition takes none now. To be asked inside
    /// of the write's evaluation.
    pub(crate) fn check_unlocked(&self, partition: PartitionId, key: &[u8]) -> Result<(), Error> {
        self.check_writable(partition)?;
        self.check_no_lock(partition, key)
    }

    /// Refuses what must not meet an item that a transaction has prepared.
    fn check_no_lock(&self, partition: PartitionId, key: &[u8]) -> Result<(), Error> {
        match self.transactions().locks.borrow().holder(partition, key) {
            Some(_transaction) => Err(Error::TransactionConflict),
            None => Ok(()),
        }
    }

    /// Waits until no transaction over several shards runs on a table, and holds new ones back until
    /// [`LocalEngine::resume_transactions`]: a table that is dropped takes its ledgers with it.
    pub(crate) async fn pause_transactions(&self, table_number: u64) -> Result<(), Error> {
        let pausing = self.on_every_shard(move |shard| async move {
            shard.transactions().pauses.pause(table_number).await;
            Ok(())
        });
        pausing.await.map(drop)
    }

    /// Ends a pause on every shard.
    pub(crate) async fn resume_transactions(&self, table_number: u64) -> Result<(), Error> {
        let resuming = self.on_every_shard(move |shard| async move {
            shard.transactions().pauses.resume(table_number);
            Ok(())
        });
        resuming.await.map(drop)
    }

    fn transactions(&self) -> &Transactions {
        &self.state.transactions
    }

    fn new_transaction(&self) -> TransactionId {
        let mut id = [0; 16];
        self.handle().fill_entropy(&mut id);
        TransactionId(id)
    }
}
