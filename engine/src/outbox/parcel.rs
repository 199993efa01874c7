//! An entry's index changes between its evaluation and its post.

use basalt_format::outbox::{OutboxKey, encode_rows};
use basalt_runtime::planted;
use basalt_storage::{EntryIndex, HybridTime, WriteBatch};

use super::Outbox;
use crate::derive::IndexChange;

/// What an entry was packed with.
#[derive(Debug, Default)]
pub(crate) struct Parcel {
    pub(super) entry_index: EntryIndex,
    pub(super) written: HybridTime,
    pub(super) changes: Vec<IndexChange>,
    /// Outbox rows that the entry puts.
    pub(super) row_count: u32,
    /// Outbox rows of earlier entries that it removes.
    pub(super) removed_count: usize,
}

impl Parcel {
    /// Nothing: of an evaluation that changes nothing.
    pub(crate) fn empty() -> Self {
        Self::default()
    }

    /// The entry, if the batch was not left empty.
    pub(crate) fn entry_index(&self) -> EntryIndex {
        self.entry_index
    }

    /// Whether there is nothing to post.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.removed_count == 0
    }

    /// Puts the changes' rows into the batch; and, since there is an entry anyway, the removal of finished rows.
    pub(super) fn pack(changes: Vec<IndexChange>, outbox: Option<&Outbox>, batch: &mut WriteBatch) -> Self {
        let entry_index = batch.index();
        let mut row_count = 0;
        let rows = encode_rows(changes.iter().map(IndexChange::as_format));
        for row in rows.into_iter().filter(|_| !planted!(LeaveOutOutboxRows)) {
            batch.put(&OutboxKey { entry_index: entry_index.get(), part: row_count }.encode(), row);
            row_count += 1;
        }
        let removed_count = match outbox {
            Some(outbox) if !batch.is_empty() => outbox.ride_along(batch),
            _ => 0,
        };
        Self { entry_index, written: batch.hybrid_time(), changes, row_count, removed_count }
    }
}
