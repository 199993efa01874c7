//! The changes one entry makes, collected while a write is evaluated.

use std::rc::Rc;

use basalt_format::wal::Effect;

use crate::{
    ids::{EntryIndex, HybridTime},
    overlay::KeyChange,
};

/// Puts and deletes of one entry; applied all or none.
#[derive(Debug, Default)]
pub struct WriteBatch {
    index: EntryIndex,
    hybrid_time: HybridTime,
    changes: Vec<KeyChange>,
    /// Bytes of the changes as effects in the log.
    effects_bytes: usize,
    /// The entry gives space back, or helps to, although it puts rows.
    frees_space: bool,
}

impl WriteBatch {
    /// The index that the entry gets if the batch is not left empty.
    pub fn index(&self) -> EntryIndex {
        self.index
    }

    /// The time that the entry gets if the batch is not left empty: what its rows' last write will be.
    pub fn hybrid_time(&self) -> HybridTime {
        self.hybrid_time
    }

    /// Stores `value` under `key`, replacing what was there.
    pub fn put(&mut self, key: &[u8], value: impl Into<Rc<[u8]>>) {
        let value = value.into();
        self.effects_bytes += Effect::put_bytes(key, &value);
        self.changes.push((Rc::from(key), Some(value)));
    }

    /// Removes `key`; removing an absent key is no error.
    pub fn delete(&mut self, key: &[u8]) {
        self.effects_bytes += Effect::delete_bytes(key);
        self.changes.push((Rc::from(key), None));
    }

    /// Takes everything out again.
    pub fn clear(&mut self) {
        self.changes.clear();
        self.effects_bytes = 0;
        self.frees_space = false;
    }

    /// Says that the entry gives space back, or helps to, although it puts rows: it is logged on a full device, too, as
    /// long as the log has room. A batch of deletes need not say so.
    pub fn mark_freeing(&mut self) {
        self.frees_space = true;
    }

    /// Whether the entry may be logged on a full device.
    pub(crate) fn frees_space(&self) -> bool {
        self.frees_space || self.changes.iter().all(|(_, value)| value.is_none())
    }

    /// Whether nothing was changed: such a write makes no entry.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Bytes that the changes take in the log.
    pub fn log_bytes(&self) -> usize {
        self.effects_bytes
    }

    pub(crate) fn changes(&self) -> &[KeyChange] {
        &self.changes
    }

    pub(crate) fn into_changes(self) -> Vec<KeyChange> {
        self.changes
    }

    /// Empties the batch, for an evaluation whose entry would get this index and time.
    pub(crate) fn begin(&mut self, index: EntryIndex, hybrid_time: HybridTime) {
        self.index = index;
        self.hybrid_time = hybrid_time;
        self.clear();
    }
}
