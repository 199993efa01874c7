//! The changes one entry makes, collected while a write is evaluated.

use std::rc::Rc;

use crate::overlay::KeyChange;

/// Puts and deletes of one entry; applied all or none.
#[derive(Debug, Default)]
pub struct WriteBatch {
    changes: Vec<KeyChange>,
    bytes: u64,
}

impl WriteBatch {
    /// Stores `value` under `key`, replacing what was there.
    pub fn put(&mut self, key: &[u8], value: impl Into<Rc<[u8]>>) {
        let value = value.into();
        self.bytes += (key.len() + value.len()) as u64;
        self.changes.push((Rc::from(key), Some(value)));
    }

    /// Removes `key`; removing an absent key is no error.
    pub fn delete(&mut self, key: &[u8]) {
        self.bytes += key.len() as u64;
        self.changes.push((Rc::from(key), None));
    }

    /// Whether nothing was changed: such a write makes no entry.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Bytes of all keys and values.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn changes(&self) -> &[KeyChange] {
        &self.changes
    }

    pub(crate) fn into_changes(self) -> Vec<KeyChange> {
        self.changes
    }

    pub(crate) fn clear(&mut self) {
        self.changes.clear();
        self.bytes = 0;
    }
}
