//! Gates before the partitions of a shard that are being split: who may not pass waits, or is told to look again.
//!
//! Asked twice by every operation: before it begins, where it can wait, and in its evaluation, where nothing can come
//! between the answer and what is read or logged. A partition that nobody splits has no gate.

use std::{cell::RefCell, collections::BTreeMap};

use basalt_runtime::local::Event;
use basalt_storage::PartitionId;

use crate::{error::Error, shard::LocalEngine};

/// The gates of one shard.
#[derive(Default)]
pub(crate) struct Gates {
    by_partition: RefCell<BTreeMap<PartitionId, Gate>>,
    changed: Event,
}

/// What a partition's gate lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// Reads: the last changes are being copied.
    Held,
    /// Nothing: the children may serve at any moment.
    Shut,
    /// Nothing, ever: the children serve.
    Moved,
    /// Nothing, ever: the engine ended while it was not known who serves.
    Ended,
}

/// Who wants to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passage {
    Read,
    Write,
}

impl Gates {
    /// Sets a partition's gate; `None`: it has none.
    pub(super) fn set(&self, partition: PartitionId, gate: Option<Gate>) {
        let mut gates = self.by_partition.borrow_mut();
        match gate {
            Some(gate) => gates.insert(partition, gate),
            None => gates.remove(&partition),
        };
        drop(gates);
        self.changed.notify_all();
    }

    /// The gate that stands in the way, if one does.
    fn before(&self, partition: PartitionId, passage: Passage) -> Option<Gate> {
        let gate = self.by_partition.borrow().get(&partition).copied()?;
        let is_open = passage == Passage::Read && gate == Gate::Held;
        (!is_open).then_some(gate)
    }

    async fn wait(&self, partition: PartitionId, passage: Passage) {
        let waits = || matches!(self.before(partition, passage), Some(Gate::Held | Gate::Shut));
        self.changed.wait_until(|| !waits()).await;
    }
}

impl LocalEngine {
    /// Waits until it is known whether the partition serves writes. To be awaited before an evaluation.
    pub(crate) async fn until_writable(&self, partition: PartitionId) {
        self.gates().wait(partition, Passage::Write).await;
    }

    /// As [`LocalEngine::until_writable`], of reads.
    pub(crate) async fn until_readable(&self, partition: PartitionId) {
        self.gates().wait(partition, Passage::Read).await;
    }

    /// Refuses a write that meets a gate; it is to be routed again. To be asked inside of its evaluation.
    pub(crate) fn check_writable(&self, partition: PartitionId) -> Result<(), Error> {
        self.check(partition, Passage::Write)
    }

    /// As [`LocalEngine::check_writable`], of reads.
    pub(crate) fn check_readable(&self, partition: PartitionId) -> Result<(), Error> {
        self.check(partition, Passage::Read)
    }

    fn check(&self, partition: PartitionId, passage: Passage) -> Result<(), Error> {
        match self.gates().before(partition, passage) {
            None => Ok(()),
            Some(Gate::Ended) => Err(Error::Closed),
            Some(Gate::Held | Gate::Shut | Gate::Moved) => Err(self.moved()),
        }
    }
}
