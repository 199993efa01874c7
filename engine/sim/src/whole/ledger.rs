//! What must be there: every item that its owner knows of, and what may have become of what was under way.

use crate::oracle::Violation;
use basalt_engine::model::{Item, Value};
use std::collections::BTreeMap;
use std::fmt;

/// An item's keys: the partition key names its owner.
pub(crate) type ItemKey = (String, i64);
/// The items of one table.
pub(crate) type Items = BTreeMap<ItemKey, Item>;

/// One item that an operation changes.
#[derive(Debug, Clone)]
pub(crate) struct ItemChange {
    pub(crate) table: String,
    pub(crate) key: ItemKey,
    /// `None`: it is removed.
    pub(crate) new: Option<Item>,
}

/// Whether an operation's changes come together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unity {
    /// All of them or none.
    Whole,
    /// Each for itself.
    Separate,
}

/// An operation that has begun: its changes are there or not.
#[derive(Debug, Clone)]
struct UnderWay {
    changes: Vec<ItemChange>,
    unity: Unity,
}

/// Where a table is in its life, as its administrator knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TableLife {
    #[default]
    Absent,
    BeingMade,
    There,
    BeingDropped,
}

/// One name's table.
#[derive(Debug, Default)]
pub(crate) struct TableBook {
    pub(crate) life: TableLife,
    pub(crate) items: Items,
    /// How often each item was changed.
    change_counts: BTreeMap<ItemKey, u64>,
    /// Operations that name the table and have not ended.
    users: u64,
    /// Counts the tables of this name.
    incarnation: u64,
}

/// The states that an item may be seen in at one moment.
pub(crate) struct Sighting {
    states: Vec<Option<Item>>,
    /// How often it was changed until then.
    change_count: u64,
}

impl Sighting {
    /// Whether a read between these two sightings may have given `found`. When the item was changed more than once
    /// meanwhile, nobody knows its states in between.
    pub(crate) fn is_followed_by(&self, after: &Self, found: Option<&Item>) -> bool {
        let mut states = self.states.iter().chain(&after.states);
        after.change_count > self.change_count + 1 || states.any(|state| state.as_ref() == found)
    }
}

impl fmt::Debug for Sighting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let states: Vec<String> = self.states.iter().map(|state| told(state.as_ref())).collect();
        write!(formatter, "{} after {} changes", states.join(" or "), self.change_count)
    }
}

/// Everything that clients know.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    tables: BTreeMap<String, TableBook>,
    under_way: BTreeMap<u64, UnderWay>,
    stamp: i64,
}

/// An operation's hold on a table: what it found was of this table and no other of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incarnation(u64);

impl Ledger {
    /// A number that no item has yet.
    pub(crate) fn next_stamp(&mut self) -> i64 {
        self.stamp += 1;
        self.stamp
    }

    pub(crate) fn table(&mut self, name: &str) -> &mut TableBook {
        self.tables.entry(name.to_owned()).or_default()
    }

    /// The tables that take reads and writes.
    pub(crate) fn usable_tables(&self) -> Vec<String> {
        let usable = self.tables.iter().filter(|(_, book)| book.life == TableLife::There);
        usable.map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn item(&self, table: &str, key: &ItemKey) -> Option<&Item> {
        self.tables.get(table)?.items.get(key)
    }

    /// A client's operation begins.
    pub(crate) fn begin(&mut self, client: u64, changes: Vec<ItemChange>, unity: Unity) {
        let previous = self.under_way.insert(client, UnderWay { changes, unity });
        assert!(previous.is_none(), "a client does one thing after the other");
    }

    /// It has been answered: its changes are there.
    pub(crate) fn done(&mut self, client: u64) {
        let ended = self.under_way.remove(&client).expect("it had begun");
        for change in ended.changes {
            self.apply(change);
        }
    }

    /// It was refused: nothing has changed.
    pub(crate) fn refused(&mut self, client: u64) {
        self.under_way.remove(&client).expect("it had begun");
    }

    /// What others may see of an item at this moment.
    pub(crate) fn sighting(&self, table: &str, key: &ItemKey) -> Sighting {
        let coming = self.under_way.values().flat_map(|operation| &operation.changes);
        let coming = coming.filter(|change| change.table == table && change.key == *key);
        Sighting {
            states: coming.map(|change| change.new.clone()).chain([self.item(table, key).cloned()]).collect(),
            change_count: self
                .tables
                .get(table)
                .and_then(|book| book.change_counts.get(key))
                .copied()
                .unwrap_or(0),
        }
    }

    /// The process has died and started again, and this is what the tables hold now. Whoever was being answered is
    /// answered by this.
    pub(crate) fn recovered(&mut self, mut found: BTreeMap<String, Items>) -> Result<(), Violation> {
        self.settle_tables(&found)?;
        for operation in std::mem::take(&mut self.under_way).into_values() {
            self.settle(operation, &found)?;
        }
        for (name, book) in &self.tables {
            let items = found.remove(name).unwrap_or_default();
            compare(name, &book.items, &items)?;
        }
        Ok(())
    }

    fn settle_tables(&mut self, found: &BTreeMap<String, Items>) -> Result<(), Violation> {
        if let Some(stranger) = found.keys().find(|name| !self.tables.contains_key(*name)) {
            return Err(Violation::Failed(format!("table {stranger} was never made")));
        }
        for (name, book) in &mut self.tables {
            book.users = 0;
            match (book.life, found.contains_key(name)) {
                (TableLife::There, false) => {
                    return Err(Violation::Failed(format!("table {name} is gone")));
                }
                (TableLife::Absent, true) => {
                    return Err(Violation::Failed(format!("table {name} is back")));
                }
                (_, true) => book.life = TableLife::There,
                (_, false) => book.is_gone(),
            }
        }
        Ok(())
    }

    /// What was under way is there or not; the ledger takes over what is found.
    fn settle(&mut self, operation: UnderWay, found: &BTreeMap<String, Items>) -> Result<(), Violation> {
        let is_left = |change: &ItemChange| {
            self.tables.get(&change.table).is_some_and(|book| book.life == TableLife::There)
        };
        let changes: Vec<ItemChange> = operation.changes.into_iter().filter(is_left).collect();
        let is_there = |change: &ItemChange| {
            found.get(&change.table).and_then(|items| items.get(&change.key)) == change.new.as_ref()
        };
        let there: Vec<bool> = changes.iter().map(is_there).collect();
        // A change that changed nothing is there in any case.
        let changes_something =
            |change: &ItemChange| self.item(&change.table, &change.key) != change.new.as_ref();
        let decided: Vec<bool> = changes
            .iter()
            .zip(&there)
            .filter(|(change, _)| changes_something(change))
            .map(|(_, there)| *there)
            .collect();
        if operation.unity == Unity::Whole && decided.contains(&true) && decided.contains(&false) {
            let detail = format!("of {changes:?} these are there: {there:?}");
            return Err(Violation::Failed(format!("an operation was torn apart: {detail}")));
        }
        for (change, _) in changes.into_iter().zip(there).filter(|(_, is_there)| *is_there) {
            self.apply(change);
        }
        Ok(())
    }

    fn apply(&mut self, change: ItemChange) {
        let Some(book) = self.tables.get_mut(&change.table) else { return };
        *book.change_counts.entry(change.key.clone()).or_default() += 1;
        match change.new {
            // What a dropped table has taken is gone with it.
            _ if book.life == TableLife::Absent => {}
            Some(item) => {
                book.items.insert(change.key, item);
            }
            None => {
                book.items.remove(&change.key);
            }
        }
    }
}

impl TableBook {
    /// An operation on the table begins.
    pub(crate) fn enter(&mut self) -> Incarnation {
        self.users += 1;
        Incarnation(self.incarnation)
    }

    pub(crate) fn leave(&mut self) {
        self.users -= 1;
    }

    /// Whether what an operation was told is of the table that is here now.
    pub(crate) fn is_still(&self, incarnation: Incarnation) -> bool {
        self.life == TableLife::There && self.incarnation == incarnation.0
    }

    pub(crate) fn is_in_use(&self) -> bool {
        self.users > 0
    }

    pub(crate) fn is_made(&mut self) {
        self.life = TableLife::There;
        self.incarnation += 1;
    }

    pub(crate) fn is_gone(&mut self) {
        self.life = TableLife::Absent;
        self.items.clear();
    }
}

/// Names the first difference.
fn compare(table: &str, expected: &Items, found: &Items) -> Result<(), Violation> {
    for key in expected.keys().chain(found.keys()) {
        let (expected, found) = (expected.get(key), found.get(key));
        if expected != found {
            let detail = format!("{table} {key:?}: expected {}, found {}", told(expected), told(found));
            return Err(Violation::Failed(detail));
        }
    }
    Ok(())
}

/// An item in few words: its stamp and counter tell it from all others.
pub(crate) fn told(item: Option<&Item>) -> String {
    let Some(item) = item else { return "nothing".to_owned() };
    let attribute = |name: &str| match item.get(name) {
        Some(Value::N(number)) => number.to_string(),
        Some(other) => format!("{:?}", other.kind()),
        None => "-".to_owned(),
    };
    format!("stamp {} count {}", attribute("stamp"), attribute("count"))
}
