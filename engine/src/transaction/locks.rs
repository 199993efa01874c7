//! Which items of this shard belong to transactions that have not ended.
//!
//! A lock is taken when the row of the prepared item has been logged, in the same step, and held until what became of
//! the item is durable. Nobody waits for one: who meets a lock is refused, so transactions cannot wait for each other.
//!
//! Pure memory, bounded by the transactions that are admitted; a start makes it anew from the prepared rows.

use std::{collections::BTreeMap, rc::Rc};

use basalt_format::transaction::TransactionId;
use basalt_storage::PartitionId;

/// The locks of one shard.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    by_item: BTreeMap<PartitionId, BTreeMap<Rc<[u8]>, TransactionId>>,
    by_transaction: BTreeMap<TransactionId, Prepared>,
}

/// What a transaction has prepared on this shard.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prepared {
    /// Keys of its items, by partition.
    pub(crate) items: BTreeMap<PartitionId, Vec<Rc<[u8]>>>,
}

impl Locks {
    /// The transaction that an item belongs to.
    pub(crate) fn holder(&self, partition: PartitionId, key: &[u8]) -> Option<TransactionId> {
        self.by_item.get(&partition)?.get(key).copied()
    }

    /// What `transaction` has prepared here; nothing if it is not known.
    pub(crate) fn prepared(&self, transaction: TransactionId) -> Option<&Prepared> {
        self.by_transaction.get(&transaction)
    }

    /// Gives an item to `transaction`.
    ///
    /// # Panics
    /// If it belongs to one already: a prepared item takes no other write.
    pub(crate) fn take(&mut self, transaction: TransactionId, partition: PartitionId, key: Rc<[u8]>) {
        let before = self.by_item.entry(partition).or_default().insert(Rc::clone(&key), transaction);
        assert_eq!(before, None, "an item belongs to one transaction at a time");
        let prepared = self.by_transaction.entry(transaction).or_default();
        prepared.items.entry(partition).or_default().push(key);
    }

    /// Lets go of all items of `transaction`.
    pub(crate) fn release(&mut self, transaction: TransactionId) {
        let Some(prepared) = self.by_transaction.remove(&transaction) else { return };
        for (partition, keys) in prepared.items {
            let Some(items) = self.by_item.get_mut(&partition) else { continue };
            for key in keys {
                items.remove(&key);
            }
            if items.is_empty() {
                self.by_item.remove(&partition);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: TransactionId = TransactionId([1; 16]);
    const SECOND: TransactionId = TransactionId([2; 16]);
    const PARTITION: PartitionId = PartitionId::new(7);

    #[test]
    fn items_are_held_until_their_transaction_lets_go() {
        let mut locks = Locks::default();
        locks.take(FIRST, PARTITION, Rc::from(*b"a"));
        locks.take(FIRST, PARTITION, Rc::from(*b"b"));
        locks.take(SECOND, PARTITION, Rc::from(*b"c"));
        assert_eq!(locks.holder(PARTITION, b"b"), Some(FIRST));
        assert_eq!(locks.holder(PartitionId::new(8), b"b"), None);
        locks.release(FIRST);
        assert_eq!(locks.holder(PARTITION, b"b"), None);
        assert_eq!(locks.holder(PARTITION, b"c"), Some(SECOND));
        locks.release(SECOND);
        assert!(locks.by_item.is_empty());
        assert!(locks.by_transaction.is_empty());
    }

    #[test]
    #[should_panic(expected = "one transaction at a time")]
    fn an_item_is_never_held_twice() {
        let mut locks = Locks::default();
        locks.take(FIRST, PARTITION, Rc::from(*b"a"));
        locks.take(SECOND, PARTITION, Rc::from(*b"a"));
    }
}
