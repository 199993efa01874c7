//! The threads of an engine that runs its own shards.

use std::{
    path::PathBuf,
    sync::{Arc, Weak},
};

use basalt_runtime::{Handle, ShardContext, ShardMain, ShardSet, ShardSetOptions, remote};
use crossbeam_queue::ArrayQueue;

use crate::{
    open_error::OpenError,
    options::EngineOptions,
    recovery_report::RecoveryReport,
    shard::{self, Shards},
};

/// Keeps the shards running; when it is dropped, each ends its thread.
pub(crate) struct Leash {
    /// One sender a shard that has begun; its receiver ends when the sender goes.
    _held: Arc<Held>,
}

type Held = ArrayQueue<remote::Sender<()>>;

/// Starts the shards' threads; they wait for work.
pub(crate) fn start(options: &EngineOptions) -> Result<(ShardSet, Leash), OpenError> {
    let shard_count = shard_count(options);
    let held = Arc::new(Held::new(shard_count.into()));
    let weak = Arc::downgrade(&held);
    let set_options = ShardSetOptions {
        shard_count,
        io: options.io,
        in_memory: options.in_memory,
        in_memory_bytes_max: usize::try_from(options.memory_budget_bytes).unwrap_or(usize::MAX),
        pin: options.pin_shards,
    };
    let set = ShardSet::start(set_options, move |_context: ShardContext| live_on(weak.clone()))?;
    Ok((set, Leash { _held: held }))
}

/// Starts the engine on running shards and waits until it serves. Blocks.
pub(crate) fn lead(shards: &Arc<Shards>, directory: PathBuf) -> Result<RecoveryReport, OpenError> {
    let (reply, answer) = remote::oneshot();
    let told = Arc::clone(shards);
    let job = Box::new(move |handle: &Handle| {
        let starting = shard::start(handle.clone(), directory, told);
        let task = handle.spawn(async move {
            let _caller_is_gone = reply.send(starting.await);
        });
        task.detach();
    });
    let leader = shards.remotes().first().expect("an engine has a shard");
    leader.try_send(job).map_err(|_refused| OpenError::ShardEnded)?;
    answer.recv_blocking().map_err(|_ended| OpenError::ShardEnded)?
}

/// A shard's main future: ends when the leash goes.
fn live_on(held: Weak<Held>) -> ShardMain {
    Box::pin(async move {
        let Some(held) = held.upgrade() else { return };
        let (sender, receiver) = remote::oneshot::<()>();
        held.push(sender).unwrap_or_else(|_sender| unreachable!("there is room for one of each shard"));
        drop(held);
        let _let_go = receiver.await;
    })
}

fn shard_count(options: &EngineOptions) -> u16 {
    let one_a_core = || {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        u16::try_from(cores)
            .map_or(EngineOptions::SHARD_COUNT_MAX, |cores| cores.min(EngineOptions::SHARD_COUNT_MAX))
    };
    options.shard_count.unwrap_or_else(one_a_core)
}
