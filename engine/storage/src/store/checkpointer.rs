//! Decides when a partition is written to its file, and does it.
//!
//! A shard checkpoints when its dirty pages fill half of its pool, when half of its log budget is used, after
//! ten minutes, after a second without writes, or when asked. A checkpoint that fails before its superblock
//! leaves the old tree in force; the log keeps what it would have covered.

use std::{rc::Rc, time::Duration};

use basalt_runtime::{MonotonicTime, timeout};

use super::{Shard, TERM, apply::apply_committed, log_release::LogNeed};
use crate::{
    btree::{LoadWriter, LoadedTree},
    checkpoint::{CheckpointPosition, Compact, Compaction},
    error::StorageError,
    ids::{CATALOG_PARTITION, Generation, HybridTime},
    partition::PartitionState,
};

/// Without writes for this long, everything is written and both superblocks are brought up to date.
const IDLE: Duration = Duration::from_secs(1);
/// No change stays out of the file for longer.
const AGE_MAX: Duration = Duration::from_secs(600);
/// Parts of one file's compaction in one idle time; the next one goes on.
const COMPACTION_STEPS_MAX: usize = 512;
/// Steps of one file's compaction that was asked for.
const COMPACTION_ROUNDS_MAX: usize = 1 << 16;
/// After a failed checkpoint: how long until the next try.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a checkpoint is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// Dirty pages fill half of the pool.
    Memory,
    /// Half of the log budget is used.
    Log,
    /// The device is full, and what the reserve has for partition files is nearly needed.
    Space,
    /// Nothing was written for a while.
    Idle,
    /// The last full round is long ago.
    Age,
}

/// Runs checkpoints as they fall due, until the shard closes.
pub(super) async fn checkpoint_forever(shard: Rc<Shard>) {
    let mut last_round = shard.handle.now();
    while !shard.closing.get() {
        shard.refuse_writes_if_log_is_held();
        let Some(due) = wait_until_due(&shard, last_round).await else { continue };
        let count_before = shard.checkpoint_count.get();
        match run_round(&shard, due).await {
            Ok(()) if matches!(due, Due::Idle | Due::Age) => last_round = shard.handle.now(),
            Ok(()) => {}
            Err(error) => pause_after_failure(&shard, &error).await,
        }
        if shard.checkpoint_count.get() == count_before {
            // What is due cannot be done now: entries that are not durable yet, or a checkpoint already running.
            timeout(&shard.handle, IDLE, shard.checkpoint_wanted.notified()).await;
        }
    }
}

async fn run_round(shard: &Shard, due: Due) -> Result<(), StorageError> {
    // Nobody waits for the log of an idle shard.
    shard.pool.pace().set_urgent(due == Due::Idle || shard.writers_are_near_waiting());
    match due {
        Due::Memory => checkpoint_dirtiest(shard).await,
        Due::Log => release_oldest_log(shard).await,
        Due::Age | Due::Space => checkpoint_all(shard).await,
        Due::Idle => {
            checkpoint_all(shard).await?;
            compact_while_idle(shard).await
        }
    }
}

/// Gives unused space of the partitions' files back, for as long as nobody writes.
async fn compact_while_idle(shard: &Shard) -> Result<(), StorageError> {
    let writes_before = shard.write_count.get();
    let is_idle = || shard.write_count.get() == writes_before && !shard.closing.get();
    let mut all_done = true;
    for state in shard.partitions_snapshot() {
        all_done &= compact_while(shard, &state, is_idle).await?;
    }
    if all_done {
        shard.compacted_write_count.set(writes_before);
    }
    Ok(())
}

/// Compacts one partition's file by some steps, as long as `goes_on` says so; whether nothing is left to do.
async fn compact_while(
    shard: &Shard,
    state: &PartitionState,
    goes_on: impl Fn() -> bool,
) -> Result<bool, StorageError> {
    for _step in 0..COMPACTION_STEPS_MAX {
        if !goes_on() {
            return Ok(false);
        }
        if !state.is_serving() || compact_step(state, Compact::InSpace).await? == Compaction::Done {
            return Ok(true);
        }
        // The tail is free when neither superblock reaches it any more.
        checkpoint_partition(shard, state).await?;
        mirror_superblock(shard, state).await?;
    }
    Ok(false)
}

/// Compacts every partition's file as far as it goes in a bounded number of steps: where much is written meanwhile, new
/// free space comes to be as old is given back.
pub(super) async fn compact_all(shard: &Shard) -> Result<(u64, u64), StorageError> {
    let (mut before, mut after) = (0, 0);
    for state in shard.partitions_snapshot() {
        match compact_partition(shard, &state).await {
            // A split or a deletion took it away meanwhile, and its space with it.
            Err(_) if state.is_dropped() => {}
            compacted => {
                let (was, is) = compacted?;
                (before, after) = (before + was, after + is);
            }
        }
    }
    Ok((before, after))
}

/// Compacts one partition's file; returns its bytes before and after.
async fn compact_partition(shard: &Shard, state: &PartitionState) -> Result<(u64, u64), StorageError> {
    checkpoint_partition(shard, state).await?;
    let before = state.tree().file_bytes().await?;
    for _step in 0..COMPACTION_ROUNDS_MAX {
        if !state.is_serving() || compact_step(state, Compact::InLength).await? == Compaction::Done {
            break;
        }
        checkpoint_partition(shard, state).await?;
        mirror_superblock(shard, state).await?;
    }
    Ok((before, state.tree().file_bytes().await?))
}

async fn compact_step(state: &PartitionState, wanted: Compact) -> Result<Compaction, StorageError> {
    let _turn = state.checkpointing().acquire(1).await;
    if state.is_loading() {
        return Ok(Compaction::Done);
    }
    state.tree().compact(wanted).await
}

/// Checkpoints every partition that has changes, and copies superblocks until the log behind them is free.
///
/// One partition's failure does not keep the others from being written; the first error is the result.
pub(super) async fn checkpoint_all(shard: &Shard) -> Result<(), StorageError> {
    let mut outcome = Ok(());
    for state in shard.oldest_first() {
        outcome = outcome.and(settle_partition(shard, &state).await);
    }
    shard.release_log();
    outcome
}

/// Brings both superblocks of a partition past everything that was committed when this was called, with one tree: what
/// is written meanwhile waits for the next checkpoint, or every leaf that many writers keep changing went out twice.
pub(super) async fn settle_partition(shard: &Shard, state: &PartitionState) -> Result<(), StorageError> {
    if state.has_unwritten_changes() {
        checkpoint_partition(shard, state).await?;
    }
    if state.log_needs().copy_releases_log() {
        mirror_superblock(shard, state).await?;
    }
    Ok(())
}

/// Checkpoints partitions, oldest first, while there is time; what is left is in the log.
pub(super) async fn checkpoint_until(shard: Rc<Shard>, deadline: MonotonicTime) {
    shard.pool.pace().set_urgent(true);
    for state in shard.oldest_first() {
        if shard.handle.now() >= deadline {
            return;
        }
        if state.has_unwritten_changes()
            && let Err(error) = checkpoint_partition(&shard, &state).await
        {
            tracing::warn!(%error, "checkpoint at shutdown failed; the log has everything");
            return;
        }
    }
}

/// One checkpoint of one partition: its committed entries, or only a superblock where the file has them already.
/// Waits for one that is running. A partition that is closed or dropped stays as it is.
pub(super) async fn checkpoint_partition(shard: &Shard, state: &PartitionState) -> Result<(), StorageError> {
    in_turn(shard, state, async || checkpoint_exclusively(shard, state).await).await
}

/// Copies a partition's newest superblock over its older one.
async fn mirror_superblock(shard: &Shard, state: &PartitionState) -> Result<(), StorageError> {
    in_turn(shard, state, async || mirror_exclusively(shard, state).await).await
}

/// Runs `write` when no other checkpoint of the partition runs, and takes note of what came of it.
async fn in_turn(
    shard: &Shard,
    state: &PartitionState,
    write: impl AsyncFnOnce() -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let _turn = state.checkpointing().acquire(1).await;
    if !state.is_serving() || state.is_loading() {
        return Ok(());
    }
    let result = write().await;
    if state.is_dropped() {
        return Ok(());
    }
    let result = result.map_err(|error| shard.fence_if_corrupt(state, error));
    match &result {
        Ok(()) => {
            shard.checkpoint_count.set(shard.checkpoint_count.get() + 1);
            shard.set_device_full(false);
        }
        Err(error) => {
            shard.checkpoint_failure_count.set(shard.checkpoint_failure_count.get() + 1);
            shard.set_device_full(matches!(error, StorageError::Full { .. }));
        }
    }
    result
}

async fn checkpoint_exclusively(shard: &Shard, state: &PartitionState) -> Result<(), StorageError> {
    apply_committed(shard, state).await;
    state.tree().rebalance().await?;
    state.check_serving()?;
    let need = LogNeed { applied: state.applied(), first_after: state.needed_after_checkpoint() };
    state.superblock_begun(need);
    let generation = state.tree().checkpoint(position_of(shard, state, need)).await?;
    if !state.is_materialised() {
        materialise(shard, state).await?;
        state.mark_materialised();
    }
    superblock_written(shard, state, generation, need);
    Ok(())
}

async fn mirror_exclusively(shard: &Shard, state: &PartitionState) -> Result<(), StorageError> {
    let need = state.log_needs().newer();
    state.superblock_begun(need);
    if let Some(generation) = state.tree().mirror_superblock().await? {
        superblock_written(shard, state, generation, need);
    }
    Ok(())
}

/// A superblock is durable that covers everything before `need`.
fn superblock_written(shard: &Shard, state: &PartitionState, generation: Generation, need: LogNeed) {
    state.superblock_written();
    if let Ok(wal) = shard.open_log() {
        wal.append_checkpoint_done(state.spec().id, TERM, generation, need.applied);
        wal.set_budget_bytes(shard.log_budget_bytes());
    }
    shard.release_log();
    // Less waits to be written: the reserve may be larger than it must be.
    shard.reserve.wake();
}

/// Begins a load of a partition that is empty; when nothing is left for a checkpoint to do.
pub(crate) async fn begin_load(shard: &Shard, state: &PartitionState) -> Result<(), StorageError> {
    apply_committed(shard, state).await;
    settle_partition(shard, state).await?;
    let _turn = state.checkpointing().acquire(1).await;
    state.begin_load()
}

/// Makes a loaded tree the partition's, by both superblocks, and tells everybody who has to know the file. When an error
/// comes after the first superblock the rows are there all the same.
pub(crate) async fn publish_load(
    shard: &Shard,
    state: &PartitionState,
    loaded: LoadedTree,
    writer: LoadWriter,
    hybrid_time: HybridTime,
) -> Result<(), StorageError> {
    let _turn = state.checkpointing().acquire(1).await;
    state.check_serving()?;
    // The rows are an entry that no log holds: without the superblock, those that follow it show a gap.
    let need = LogNeed { applied: state.last_index().next(), first_after: None };
    state.superblock_begun(need);
    let position = CheckpointPosition { hybrid_time_max: hybrid_time, ..position_of(shard, state, need) };
    let generation = state.tree().shared.publish(loaded, writer, position).await?;
    state.superblock_written();
    state.note_loaded(need.applied, hybrid_time);
    // What the load wrote on the way is given back when the shard is idle.
    shard.write_count.update(|count| count + 1);
    if let Ok(wal) = shard.open_log() {
        wal.append_checkpoint_done(state.spec().id, TERM, generation, need.applied);
    }
    if !state.is_serving() {
        return state.check_serving();
    }
    checkpoint_exclusively(shard, state).await
}

fn position_of(shard: &Shard, state: &PartitionState, need: LogNeed) -> CheckpointPosition {
    CheckpointPosition {
        applied_index: need.applied,
        applied_term: TERM,
        needed: need.first_after.unwrap_or_else(|| shard.end_of_log()),
        hybrid_time_max: state.clock(),
    }
}

/// Before the log behind a first checkpoint may go, somebody else must know that the file exists.
async fn materialise(shard: &Shard, state: &PartitionState) -> Result<(), StorageError> {
    let file_uuid = state.tree().file_uuid().expect("a checkpoint makes the file");
    let id = state.spec().id;
    if id == CATALOG_PARTITION {
        shard.facts.record_catalog_file(&shard.handle, file_uuid).await
    } else {
        (shard.hooks.materialised)(id, file_uuid).await
    }
}

async fn checkpoint_dirtiest(shard: &Shard) -> Result<(), StorageError> {
    let enough = shard.shares.pool_bytes / 4;
    for state in shard.oldest_first() {
        if shard.dirty_bytes() <= enough {
            break;
        }
        if state.tree().dirty_bytes() > 0 {
            checkpoint_partition(shard, &state).await?;
        }
    }
    Ok(())
}

async fn release_oldest_log(shard: &Shard) -> Result<(), StorageError> {
    let mut outcome = Ok(());
    for state in shard.oldest_first() {
        if shard.log_pressure() < LogPressure::Relieved {
            break;
        }
        outcome = outcome.and(settle_partition(shard, &state).await);
    }
    outcome
}

async fn pause_after_failure(shard: &Shard, error: &StorageError) {
    if !shard.closing.get() {
        tracing::error!(%error, "checkpoint failed; the old tree stays in force and the log keeps the changes");
        shard.handle.sleep(RETRY_AFTER).await;
    }
}

async fn wait_until_due(shard: &Shard, last_round: MonotonicTime) -> Option<Due> {
    if let Some(due) = shard.checkpoint_due() {
        return Some(due);
    }
    let writes_before = shard.write_count.get();
    let woken = timeout(&shard.handle, IDLE, shard.checkpoint_wanted.notified()).await.is_some();
    if woken || shard.options.hold_checkpoints {
        return None;
    }
    let may_compact = shard.compacted_write_count.get() != writes_before;
    if shard.write_count.get() == writes_before && (may_compact || shard.has_work()) {
        return Some(Due::Idle);
    }
    (shard.handle.now() >= last_round + AGE_MAX).then_some(Due::Age)
}

/// How much of the shard's share of the log budget is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum LogPressure {
    /// Less than a quarter.
    Low,
    /// A round that was begun goes on.
    Relieved,
    /// More than half: a round begins.
    High,
}

impl Shard {
    /// Wakes the checkpointer when something has become due. Cheap; called after every batch.
    pub(super) fn consider_checkpoint(&self) {
        self.pool.pace().set_urgent(self.writers_are_near_waiting());
        self.reserve.note_unwritten(self.unwritten_bytes());
        if self.checkpoint_due().is_some() {
            self.checkpoint_wanted.notify_all();
        }
    }

    fn checkpoint_due(&self) -> Option<Due> {
        if self.options.hold_checkpoints {
            return self.log_is_full().then_some(Due::Log);
        }
        if self.pool.dirty_bytes() >= self.shares.pool_bytes / 2 {
            return Some(Due::Memory);
        }
        if self.reserve_runs_out() && self.has_work() {
            return Some(Due::Space);
        }
        (self.log_pressure() == LogPressure::High && self.has_work()).then_some(Due::Log)
    }

    fn log_pressure(&self) -> LogPressure {
        let Some(wal) = self.wal.get() else { return LogPressure::Low };
        let (used, budget) = (wal.used_bytes(), wal.budget_bytes());
        if used >= budget / 2 {
            LogPressure::High
        } else if used >= budget / 4 {
            LogPressure::Relieved
        } else {
            LogPressure::Low
        }
    }

    /// Whether log or dirty pages have come close to where writers wait for a checkpoint.
    fn writers_are_near_waiting(&self) -> bool {
        let log = self.wal.get().is_some_and(|wal| wal.used_bytes() >= wal.budget_bytes() / 4 * 3);
        log || self.pool.dirty_bytes() >= self.shares.pool_bytes / 4 * 3
    }

    /// Whether writers wait for log to be released.
    fn log_is_full(&self) -> bool {
        let frame_bytes = u64::from(self.options.frame_soft_limit_bytes);
        self.wal.get().is_some_and(|wal| wal.used_bytes() + frame_bytes >= wal.budget_bytes())
    }

    /// Where a closed partition holds back the whole log, waiting for room would be waiting for ever: writes get
    /// its error instead, until it is dropped or the directory is restored.
    pub(super) fn refuse_writes_if_log_is_held(&self) {
        let holder = self.log_is_full().then(|| self.oldest_first().into_iter().next()).flatten();
        let reason = holder.and_then(|state| state.fence());
        let is_held = reason.is_some();
        if self.log_held_by.replace(reason).is_none() && is_held {
            self.writes_refused.notify_all();
        }
    }

    /// Whether a checkpoint, or a copy of a superblock, would write something or release log.
    pub(super) fn has_work(&self) -> bool {
        self.partitions.borrow().values().any(|state| {
            state.is_serving() && (state.has_unwritten_changes() || state.log_needs().copy_releases_log())
        })
    }

    /// Partitions by the log that they hold back, oldest first; then the dirtiest.
    fn oldest_first(&self) -> Vec<Rc<PartitionState>> {
        let mut states = self.partitions_snapshot();
        states.sort_by_key(|state| {
            let oldest = state.log_needs().oldest();
            (oldest.is_none(), oldest, std::cmp::Reverse(state.tree().dirty_bytes()))
        });
        states
    }
}
