//! Keeps the end of a table apart from transactions over several shards, and from those with tokens.
//!
//! A table that is dropped takes its ledgers with it, and a decision that is lost would leave a transaction half done
//! elsewhere; and it keeps the tokens that it finds. So a drop first waits for the running transactions, and new ones wait for the drop. Who waits holds
//! nothing.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use basalt_runtime::local::Event;

/// What runs and what is held back on one shard. Tables are named by their numbers.
#[derive(Default)]
pub(crate) struct Pauses {
    /// Transactions that are coordinated on this shard, by table.
    running: RefCell<BTreeMap<u64, u32>>,
    /// Pauses, by table.
    paused: RefCell<BTreeMap<u64, u32>>,
    changed: Event,
}

/// A running transaction: as long as this lives, its tables are not dropped.
pub(crate) struct Running {
    pauses: Rc<Pauses>,
    tables: Vec<u64>,
}

impl Pauses {
    /// Waits until no table of `tables` is being dropped, and keeps it so.
    pub(crate) async fn begin(self: &Rc<Self>, tables: Vec<u64>) -> Running {
        let is_free = || !tables.iter().any(|table| self.paused.borrow().contains_key(table));
        self.changed.wait_until(is_free).await;
        let mut running = self.running.borrow_mut();
        for table in &tables {
            *running.entry(*table).or_default() += 1;
        }
        drop(running);
        Running { pauses: Rc::clone(self), tables }
    }

    /// Holds new transactions on `table` back and waits for the running ones.
    pub(crate) async fn pause(&self, table: u64) {
        *self.paused.borrow_mut().entry(table).or_default() += 1;
        self.changed.wait_until(|| !self.running.borrow().contains_key(&table)).await;
    }

    /// Ends one pause.
    pub(crate) fn resume(&self, table: u64) {
        subtract_one(&mut self.paused.borrow_mut(), table);
        self.changed.notify_all();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for table in &self.tables {
            subtract_one(&mut self.pauses.running.borrow_mut(), *table);
        }
        self.pauses.changed.notify_all();
    }
}

fn subtract_one(counts: &mut BTreeMap<u64, u32>, table: u64) {
    let count = counts.get_mut(&table).expect("it was counted when it began");
    *count -= 1;
    if *count == 0 {
        counts.remove(&table);
    }
}
