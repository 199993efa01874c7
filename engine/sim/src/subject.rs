//! What is put to the test: something that starts on a simulated disk and has partitions.

use crate::oracle::{Change, Key, Scan, Value};
use basalt_runtime::ShardIndex;
use basalt_runtime::sim::{Ended, Simulation};
use std::future::Future;

/// A kind of database process.
pub trait Subject {
    /// What clients work on.
    type Partition: Partition;

    /// Starts the process, recovering what its disk holds. Always has the same partitions in the same order.
    ///
    /// # Errors
    /// The run ended on the way, or the process refused its disk.
    fn start(&self, simulation: &mut Simulation) -> Result<Vec<Self::Partition>, StartFailure>;
}

/// Why a process did not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartFailure {
    /// The run ended: a crash, most likely.
    Ended(Ended),
    /// The process would not work with this disk.
    Refused(String),
}

impl From<Ended> for StartFailure {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

/// A partition of a running process. Its futures run on its shard.
///
/// A write that is evaluated has logged its entry when its future gives the commit, in the same poll: the harness
/// relies on it to know the order of entries.
pub trait Partition: Clone + 'static {
    /// Where it lives.
    fn shard(&self) -> ShardIndex;

    /// Evaluates a write that reads some keys and, unless `changes` is empty, logs them as one entry.
    fn write(&self, reads: &[Key], changes: &[Change]) -> impl Future<Output = Result<Evaluated, String>>;

    /// The values of some keys, all at one moment.
    fn read(&self, keys: &[Key]) -> impl Future<Output = Result<Vec<Option<Value>>, String>>;

    /// The rows of a range, all at one moment.
    fn scan(&self, scan: &Scan) -> impl Future<Output = Result<Vec<(Key, Value)>, String>>;

    /// Writes everything committed to its final place.
    fn checkpoint(&self) -> impl Future<Output = Result<(), String>>;

    /// Proves the invariants of its structures.
    fn check(&self) -> impl Future<Output = Result<(), String>>;

    /// Ends the process in good order. Called for one partition of each shard.
    fn close(&self) -> impl Future<Output = Result<(), String>>;

    /// The index of its newest committed entry, if it counts them.
    fn committed_index(&self) -> Option<u64>;
}

/// A write that was evaluated, and logged if it changed something.
pub struct Evaluated {
    /// What it read.
    pub values: Vec<Option<Value>>,
    /// Resolves when a client may be told.
    pub commit: std::pin::Pin<Box<dyn Future<Output = Result<(), String>>>>,
}
