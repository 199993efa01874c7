//! Moves committed entries from the overlays into the trees, in index order, whole entries at a time.
//!
//! A batch's pages are brought in and pinned first; only that may wait. Then the tree takes the whole batch
//! without waiting, so a checkpoint never falls between two keys of an entry.

use std::rc::Rc;

use super::Shard;
use crate::{
    btree::Change, error::StorageError, ids::EntryIndex, overlay::ApplyBatch, partition::PartitionState,
};

/// Keys of one batch: what may be pinned at once for one partition.
pub(super) const BATCH_KEYS_MAX: usize = 128;
/// Bytes of one batch: bounds the time that one synchronous change takes.
pub(super) const BATCH_BYTES_MAX: u64 = 256 << 10;

/// Applies whatever becomes committed until the shard closes and nothing is left.
pub(super) async fn apply_forever(shard: Rc<Shard>) {
    loop {
        while let Some(state) = shard.next_to_apply() {
            apply_committed(&shard, &state).await;
        }
        if !wait_for_commit(&shard).await {
            return;
        }
    }
}

/// Brings `state`'s tree up to its committed index. A damaged partition is fenced and keeps its entries.
pub(super) async fn apply_committed(shard: &Shard, state: &PartitionState) {
    state.mark_queued(false);
    if let Err(error) = apply_while(shard, state, || true).await {
        keep_entries(shard, state, error);
    }
}

/// Brings `state`'s tree up to `wanted`, a committed entry, if it can take what there is.
pub(crate) async fn apply_through(shard: &Shard, state: &PartitionState, wanted: EntryIndex) {
    if let Err(error) = apply_while(shard, state, || state.applied() < wanted).await {
        keep_entries(shard, state, error);
    }
}

/// Entries that cannot be applied now stay in the overlay, and so in the log.
pub(super) fn keep_entries(shard: &Shard, state: &PartitionState, error: StorageError) {
    shard.set_device_full(matches!(error, StorageError::Full { .. }));
    let error = shard.fence_if_corrupt(state, error);
    tracing::warn!(partition = state.spec().id.get(), %error, "entries wait in the log");
}

/// Applies batches as long as there are any and `goes_on` says so. Each has a turn of its own, so that nobody who waits
/// for one entry waits for the end of a steady load.
async fn apply_while(
    shard: &Shard,
    state: &PartitionState,
    goes_on: impl Fn() -> bool,
) -> Result<(), StorageError> {
    loop {
        let turn = state.applying().acquire(1).await;
        if !state.is_serving() || !goes_on() {
            return Ok(());
        }
        let Some(batch) = state.next_batch(BATCH_KEYS_MAX, BATCH_BYTES_MAX) else { return Ok(()) };
        apply_batch(shard, state, &batch).await?;
        drop(turn);
        shard.handle.yield_now().await;
    }
}

async fn apply_batch(shard: &Shard, state: &PartitionState, batch: &ApplyBatch) -> Result<(), StorageError> {
    let changes: Vec<(&[u8], Change<'_>)> = batch
        .rows
        .iter()
        .map(|(key, version)| match &version.value {
            Some(value) => (&**key, Change::Put { value, last_write: version.last_write }),
            None => (&**key, Change::Delete),
        })
        .collect();
    let brought_in = state.tree().bring_in(&changes).await?;
    if !state.is_serving() {
        return Ok(());
    }
    state.tree().apply(&changes, brought_in);
    shard.release_overlay_bytes(state.retire(batch.through));
    shard.consider_checkpoint();
    Ok(())
}

/// Waits until an entry may have become committed; `false` when the shard is closed and none will.
async fn wait_for_commit(shard: &Shard) -> bool {
    let oldest = shard.uncommitted.borrow().first().and_then(|state| state.oldest_uncommitted());
    match (oldest, shard.wal()) {
        (Some(ticket), Ok(wal)) => {
            if wal.durable(ticket).await.is_err() {
                return false;
            }
            shard.advance_committed();
            true
        }
        _ if shard.closing.get() => false,
        _ => {
            shard.entry_appended.notified().await;
            true
        }
    }
}

impl Shard {
    fn next_to_apply(&self) -> Option<Rc<PartitionState>> {
        self.apply_queue.borrow_mut().pop_front()
    }
}
