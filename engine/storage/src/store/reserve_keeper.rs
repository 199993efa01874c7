//! Keeps a shard's reserve of space as large as what the shard holds asks for.

use std::{rc::Rc, time::Duration};

use basalt_runtime::timeout;

use super::Shard;
use crate::{
    reserve::{Approach, Holdings},
    wal::Wal,
};

/// On a full device: how long until the next look for space.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// What a burst of writes needed is given back when this long nothing more was needed.
const EXCESS_KEPT: Duration = Duration::from_secs(2);
/// On a full device everything is checkpointed when changed pages need this part of what files may take, or when the log
/// is as long as this part of its share.
const DUE_ONE_IN: u64 = 4;
/// But not for fewer bytes of changed pages.
const DUE_BYTES_MIN: u64 = 256 << 10;

/// Keeps the reserve until the shard closes.
pub(super) async fn keep_reserve(shard: Rc<Shard>) {
    let reserve = &shard.reserve;
    while !shard.closing.get() {
        match reserve.grow_to_fit(shard.holdings()).await {
            Approach::Reached => {}
            Approach::Refused => {
                if let Some(wal) = shard.wal.get() {
                    wal.give_spares_back();
                }
                timeout(&shard.handle, RETRY_AFTER, shard.closing_begins()).await;
            }
            Approach::AtRest if reserve.has_excess(shard.holdings()) => shrink_when_calm(&shard).await,
            Approach::AtRest => reserve.until_changed().await,
        }
    }
}

async fn shrink_when_calm(shard: &Shard) {
    let changed = timeout(&shard.handle, EXCESS_KEPT, shard.reserve.until_changed()).await;
    if changed.is_none()
        && let Err(error) = shard.reserve.shrink_to_fit(shard.holdings()).await
    {
        tracing::warn!(%error, "reserved space could not be given back");
    }
}

impl Shard {
    /// Whether the reserve should be used to finish what was begun, before it is too small for that.
    pub(super) fn reserve_runs_out(&self) -> bool {
        let reserve = &self.reserve;
        if !reserve.is_short() {
            return false;
        }
        let pages_due_bytes = (reserve.files_share_bytes() / DUE_ONE_IN).max(DUE_BYTES_MIN);
        let log_bytes = self.wal.get().map_or(0, Wal::used_bytes);
        self.unwritten_bytes() > pages_due_bytes || log_bytes > reserve.log_share_bytes() / DUE_ONE_IN
    }

    /// Bytes of pages and entries that no file has yet.
    pub(super) fn unwritten_bytes(&self) -> u64 {
        self.pool.dirty_bytes() + self.overlay_bytes.get()
    }

    fn holdings(&self) -> Holdings {
        let files = self.partitions.borrow().values().map(|state| state.tree().planned_file_bytes()).sum();
        Holdings { log: self.wal.get().map_or(0, Wal::used_bytes), files, unwritten: self.unwritten_bytes() }
    }

    async fn closing_begins(&self) {
        while !self.closing.get() {
            self.reserve.until_changed().await;
        }
    }
}
