//! Notes which keys entries change while somebody copies the partition's rows.
//!
//! The copy goes through the keys in their order. What is changed behind it is noted and copied again; what is changed
//! before it will be met. So the notes are bounded by what is written while they are worked off, not by the copy's
//! length.

use std::{collections::BTreeSet, rc::Rc};

use crate::overlay::KeyChange;

/// The notes of one copy.
#[derive(Debug, Default)]
pub(crate) struct NotedKeys {
    /// The copy has passed this key and all before it.
    passed: Vec<u8>,
    keys: BTreeSet<Rc<[u8]>>,
}

impl NotedKeys {
    pub(crate) fn note(&mut self, changes: &[KeyChange]) {
        let behind = changes.iter().filter(|(key, _)| key[..] <= self.passed[..]);
        self.keys.extend(behind.map(|(key, _)| Rc::clone(key)));
    }

    pub(crate) fn pass(&mut self, key: Vec<u8>) {
        debug_assert!(self.passed <= key, "a copy goes forward");
        self.passed = key;
    }

    pub(crate) fn count(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn first(&self, count: usize) -> Vec<Rc<[u8]>> {
        self.keys.iter().take(count).cloned().collect()
    }

    pub(crate) fn forget(&mut self, keys: &[Rc<[u8]>]) {
        for key in keys {
            self.keys.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &[u8]) -> KeyChange {
        (Rc::from(key), None)
    }

    #[test]
    fn only_changes_behind_the_copy_are_noted_and_each_key_once() {
        let mut noted = NotedKeys::default();
        noted.note(&[change(b"a")]);
        assert_eq!(noted.count(), 0, "the copy has not begun");
        noted.pass(b"b".to_vec());
        noted.note(&[change(b"b"), change(b"a"), change(b"a"), change(b"c")]);
        let keys = noted.first(9);
        assert_eq!(keys, [Rc::from(*b"a") as Rc<[u8]>, Rc::from(*b"b")]);
        noted.forget(&keys[..1]);
        assert_eq!(noted.first(9), keys[1..]);
    }
}
