//! Clients: one makes and drops tables, the others work on items of their own and look at those of others.

use super::Outcome;
use super::ledger::{Incarnation, ItemChange, ItemKey, Ledger, TableLife, Unity, told};
use super::requests::{
    BY_STAMP, collection, counted, counting, create_table, decoded, group, group_of, is_absent, key_item,
    key_of, stamped_item,
};
use crate::oracle::Violation;
use basalt_engine::model::{Item, Value};
use basalt_engine::{
    BatchWrite, BatchWriteItem, BatchWriteTable, ConditionCheck, Consistency, DeleteItem, Engine, Error,
    GetItem, PutItem, Query, ReturnOld, TransactAction, TransactGet, TransactWrite, UpdateItem,
};
use basalt_runtime::Handle;
use basalt_runtime::sim::Random;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// The administrator's number among clients.
const ADMINISTRATOR: u64 = u64::MAX;
/// Names that tables have.
const TABLE_NAMES: [&str; 3] = ["first", "second", "third"];
/// Partition keys of one client.
const PARTITION_KEYS: u64 = 3;
/// Sort keys under each.
const SORT_KEYS: u64 = 5;
/// Changes that the administrator makes in one life, at most.
const TABLE_CHANGES_MAX: u64 = 4;
/// Longer than the engine waits for more work before it checkpoints and compacts.
const LONG_PAUSE: Duration = Duration::from_secs(3);
const SHORT_PAUSE: Duration = Duration::from_millis(2);
/// Most items are small; some fill pages, some have extents of their own.
const PADDINGS_BYTES: [usize; 6] = [0, 0, 40, 700, 3_000, 60_000];

/// Makes and drops tables.
pub(crate) struct Administrator {
    engine: Engine,
    handle: Handle,
    ledger: Rc<RefCell<Ledger>>,
    random: Random,
}

impl Administrator {
    pub(crate) fn new(engine: &Engine, handle: Handle, ledger: &Rc<RefCell<Ledger>>, random: Random) -> Self {
        Self { engine: engine.clone(), handle, ledger: Rc::clone(ledger), random }
    }

    pub(crate) async fn run(mut self, outcome: Rc<Outcome>) -> Result<(), Violation> {
        if self.ledger.borrow().usable_tables().is_empty() {
            self.make(TABLE_NAMES[0]).await?;
        }
        for _ in 0..self.random.below(TABLE_CHANGES_MAX) {
            self.handle.sleep(Duration::from_micros(self.random.below(20_000))).await;
            let name = TABLE_NAMES[self.random.index(TABLE_NAMES.len())];
            let life = self.ledger.borrow_mut().table(name).life;
            match life {
                TableLife::Absent => {
                    outcome.begins(ADMINISTRATOR, "making a table");
                    self.make(name).await?;
                }
                _ => {
                    outcome.begins(ADMINISTRATOR, "dropping a table");
                    self.drop_table(name).await?;
                }
            }
            outcome.finished(ADMINISTRATOR);
        }
        Ok(())
    }

    async fn make(&mut self, name: &str) -> Result<(), Violation> {
        // An operation that was begun on the last table of this name could otherwise land in the next one.
        while self.ledger.borrow_mut().table(name).is_in_use() {
            self.handle.sleep(SHORT_PAUSE).await;
        }
        self.ledger.borrow_mut().table(name).life = TableLife::BeingMade;
        let made = self.engine.create_table(create_table(name)).await;
        made.map_err(|reason| Violation::Failed(format!("making table {name}: {reason}")))?;
        self.ledger.borrow_mut().table(name).is_made();
        Ok(())
    }

    async fn drop_table(&mut self, name: &str) -> Result<(), Violation> {
        self.ledger.borrow_mut().table(name).life = TableLife::BeingDropped;
        let dropped = self.engine.delete_table(name).await;
        dropped.map_err(|reason| Violation::Failed(format!("dropping table {name}: {reason}")))?;
        self.ledger.borrow_mut().table(name).is_gone();
        Ok(())
    }
}

/// Works on items of its own.
pub(crate) struct Client {
    number: u64,
    engine: Engine,
    handle: Handle,
    ledger: Rc<RefCell<Ledger>>,
    random: Random,
}

/// A table that an operation is being done on.
struct Visit {
    table: String,
    incarnation: Incarnation,
}

impl Client {
    pub(crate) fn new(
        number: u64,
        engine: &Engine,
        handle: Handle,
        ledger: &Rc<RefCell<Ledger>>,
        random: Random,
    ) -> Self {
        Self { number, engine: engine.clone(), handle, ledger: Rc::clone(ledger), random }
    }

    pub(crate) async fn run(mut self, operations: u64, outcome: Rc<Outcome>) -> Result<(), Violation> {
        for _ in 0..operations {
            match self.enter() {
                Some(visit) => {
                    let done = self.perform(&visit, &outcome).await;
                    self.ledger.borrow_mut().table(&visit.table).leave();
                    done?;
                    outcome.finished(self.number);
                }
                None => self.handle.sleep(SHORT_PAUSE).await,
            }
        }
        Ok(())
    }

    fn enter(&mut self) -> Option<Visit> {
        let mut ledger = self.ledger.borrow_mut();
        let mut usable = ledger.usable_tables();
        if usable.is_empty() {
            return None;
        }
        let table = usable.swap_remove(self.random.index(usable.len()));
        let incarnation = ledger.table(&table).enter();
        Some(Visit { table, incarnation })
    }

    async fn perform(&mut self, visit: &Visit, outcome: &Outcome) -> Result<(), Violation> {
        let draw = self.random.below(100);
        let is = |below: u64, what: &'static str| {
            let hit = draw < below;
            if hit {
                outcome.begins(self.number, what);
            }
            hit
        };
        if is(25, "put") {
            self.put(visit).await
        } else if is(40, "update") {
            self.update(visit).await
        } else if is(52, "delete") {
            self.delete(visit).await
        } else if is(60, "conditional put") {
            self.put_if_absent(visit).await
        } else if is(67, "batch of writes") {
            self.write_batch(visit).await
        } else if is(77, "transaction") {
            self.transact(visit).await
        } else if is(82, "get") {
            self.get_own(visit).await
        } else if is(86, "get of another's item") {
            self.get_any(visit).await
        } else if is(89, "transaction of reads") {
            self.get_together(visit).await
        } else if is(93, "query") {
            self.query_own(visit, None).await
        } else if is(96, "query of the local index") {
            self.query_own(visit, Some(BY_STAMP)).await
        } else if is(97, "query of the global index") {
            self.query_group(visit).await
        } else if is(98, "checkpoint") {
            let done = self.engine.checkpoint().await;
            done.map_err(|reason| Violation::Failed(format!("a checkpoint: {reason}")))
        } else {
            let pause = if self.random.chance(200) { LONG_PAUSE } else { SHORT_PAUSE };
            self.handle.sleep(pause).await;
            Ok(())
        }
    }

    async fn put(&mut self, visit: &Visit) -> Result<(), Violation> {
        let (key, item) = self.new_item();
        let before = self.known(visit, &key);
        self.begin(vec![change(visit, key, Some(item.clone()))], Unity::Whole);
        let request = PutItem { return_values: ReturnOld::AllOld, ..PutItem::new(&visit.table, item) };
        let answer = self.engine.put_item(request).await;
        if let Some(output) = self.ended(visit, "a put", answer)? {
            self.expect(
                visit,
                "the item that a put replaced",
                before,
                output.attributes.as_ref().map(decoded),
            )?;
        }
        Ok(())
    }

    async fn update(&mut self, visit: &Visit) -> Result<(), Violation> {
        let (key, stamp) = (self.own_key(), self.ledger.borrow_mut().next_stamp());
        let after = counted(&key, self.known(visit, &key).as_ref(), stamp);
        let request = UpdateItem::new(&visit.table, key_item(&key), counting(stamp));
        self.begin(vec![change(visit, key, Some(after))], Unity::Whole);
        let answer = self.engine.update_item(request).await;
        self.ended(visit, "an update", answer).map(drop)
    }

    async fn delete(&mut self, visit: &Visit) -> Result<(), Violation> {
        let key = self.own_key();
        let before = self.known(visit, &key);
        let request =
            DeleteItem { return_values: ReturnOld::AllOld, ..DeleteItem::new(&visit.table, key_item(&key)) };
        self.begin(vec![change(visit, key, None)], Unity::Whole);
        let answer = self.engine.delete_item(request).await;
        if let Some(output) = self.ended(visit, "a delete", answer)? {
            self.expect(
                visit,
                "the item that a delete removed",
                before,
                output.attributes.as_ref().map(decoded),
            )?;
        }
        Ok(())
    }

    async fn put_if_absent(&mut self, visit: &Visit) -> Result<(), Violation> {
        let (key, item) = self.new_item();
        let before = self.known(visit, &key);
        let request = PutItem { condition: Some(is_absent()), ..PutItem::new(&visit.table, item.clone()) };
        self.begin(vec![change(visit, key, Some(item))], Unity::Whole);
        match self.engine.put_item(request).await {
            Err(Error::ConditionalCheckFailed { .. }) if before.is_some() => {
                self.ledger.borrow_mut().refused(self.number);
                Ok(())
            }
            Ok(_) if before.is_some() && self.is_still_there(visit) => {
                Err(Violation::Failed("a put whose condition does not hold was done".to_owned()))
            }
            answer => self.ended(visit, "a conditional put", answer).map(drop),
        }
    }

    async fn write_batch(&mut self, visit: &Visit) -> Result<(), Violation> {
        let changes = self.any_changes(visit, 6);
        let writes = changes
            .iter()
            .map(|change| match &change.new {
                Some(item) => BatchWrite::Put(item.clone()),
                None => BatchWrite::Delete(key_item(&change.key)),
            })
            .collect();
        self.begin(changes, Unity::Separate);
        let tables = vec![BatchWriteTable { table_name: visit.table.clone(), writes }];
        let answer = self.engine.batch_write_item(BatchWriteItem { tables }).await;
        if let Some(output) = self.ended(visit, "a batch", answer)?
            && output.tables.iter().any(|table| !table.unprocessed.is_empty())
        {
            return Err(Violation::Failed("a batch was left undone without a reason".to_owned()));
        }
        Ok(())
    }

    /// Several puts and deletes, all or none; now and then with a condition that forbids them.
    async fn transact(&mut self, visit: &Visit) -> Result<(), Violation> {
        let changes = self.any_changes(visit, 4);
        let mut actions: Vec<TransactAction> = changes
            .iter()
            .map(|change| match &change.new {
                Some(item) => TransactAction::Put(PutItem::new(&visit.table, item.clone())),
                None => TransactAction::Delete(DeleteItem::new(&visit.table, key_item(&change.key))),
            })
            .collect();
        let checked = self.own_key();
        let is_forbidden = self.known(visit, &checked).is_some();
        if self.random.chance(400) && changes.iter().all(|change| change.key != checked) {
            actions.push(TransactAction::ConditionCheck(ConditionCheck {
                table_name: visit.table.clone(),
                key: key_item(&checked),
                condition: is_absent(),
                return_values_on_condition_check_failure: ReturnOld::None,
            }));
        }
        let is_checked = actions.len() > changes.len();
        self.begin(changes, Unity::Whole);
        match self.engine.transact_write(TransactWrite { actions, token: None }).await {
            Err(Error::TransactionCanceled { .. }) if is_checked && is_forbidden => {
                self.ledger.borrow_mut().refused(self.number);
                Ok(())
            }
            Ok(_) if is_checked && is_forbidden && self.is_still_there(visit) => {
                Err(Violation::Failed("a transaction whose condition does not hold was done".to_owned()))
            }
            answer => self.ended(visit, "a transaction", answer).map(drop),
        }
    }

    async fn get_own(&mut self, visit: &Visit) -> Result<(), Violation> {
        let key = self.own_key();
        let expected = self.known(visit, &key);
        if let Some(found) = self.get(visit, &key).await? {
            self.expect(visit, "an own item", expected, found)?;
        }
        Ok(())
    }

    /// Reads somebody's item, which must be as its owner knew it before or after the read, or is making it.
    async fn get_any(&mut self, visit: &Visit) -> Result<(), Violation> {
        let owner = self.random.below(super::CLIENTS_MAX);
        let key = self.key_of_client(owner);
        let before = self.ledger.borrow().sighting(&visit.table, &key);
        let Some(found) = self.get(visit, &key).await? else { return Ok(()) };
        let after = self.ledger.borrow().sighting(&visit.table, &key);
        if before.is_followed_by(&after, found.as_ref()) || !self.is_still_there(visit) {
            return Ok(());
        }
        let detail = format!("{before:?}, then {after:?}, but read {}", told(found.as_ref()));
        Err(Violation::Failed(format!("{} {key:?} as others see it: {detail}", visit.table)))
    }

    /// Reads several own items as of one moment.
    async fn get_together(&mut self, visit: &Visit) -> Result<(), Violation> {
        let mut keys: Vec<ItemKey> = (0..self.random.between(2, 5)).map(|_| self.own_key()).collect();
        keys.sort_unstable();
        keys.dedup();
        let expected: Vec<Option<Item>> = keys.iter().map(|key| self.known(visit, key)).collect();
        let reads = keys.iter().map(|key| GetItem::new(&visit.table, key_item(key))).collect();
        let answer = self.engine.transact_get(TransactGet { reads }).await;
        let Some(output) = self.read(visit, "a transaction of reads", answer)? else { return Ok(()) };
        let found = output.reads.iter().map(|read| read.item.as_ref().map(decoded));
        for ((key, expected), found) in keys.iter().zip(expected).zip(found) {
            self.expect(visit, &format!("{key:?}, read in a transaction"), expected, found)?;
        }
        Ok(())
    }

    /// Reads an own collection from the table, or from its local index, which is as it is at every moment.
    async fn query_own(&mut self, visit: &Visit, index: Option<&str>) -> Result<(), Violation> {
        let (partition, _) = self.own_key();
        let mut expected = self.own_items(visit, |key, _| key.0 == partition);
        if index.is_some() {
            expected.sort_by_key(stamp_of);
        }
        let query = Query {
            consistency: Consistency::Strong,
            index_name: index.map(str::to_owned),
            ..collection(&visit.table, &partition)
        };
        match self.query(visit, query).await? {
            Some(found) => self.expect_items(visit, &format!("{partition:?} by {index:?}"), expected, found),
            None => Ok(()),
        }
    }

    /// Reads a group from the global index, which shows every write that was answered.
    async fn query_group(&mut self, visit: &Visit) -> Result<(), Violation> {
        let stamp = i64::try_from(self.random.below(12)).expect("small");
        let Some(name) = group_of(stamp) else { return Ok(()) };
        let mut expected =
            self.own_items(visit, |_, item| item.get("group") == Some(&Value::S(name.clone())));
        expected.sort_by_key(stamp_of);
        let Some(mut found) = self.query(visit, group(&visit.table, &name)).await? else { return Ok(()) };
        let prefix = partition_prefix(self.number);
        found.retain(|item| key_of(item).is_some_and(|key| key.0.starts_with(&prefix)));
        self.expect_items(visit, &format!("own items of {name:?}"), expected, found)
    }

    /// All pages of a query; `None` if the table has gone.
    async fn query(&self, visit: &Visit, mut query: Query) -> Result<Option<Vec<Item>>, Violation> {
        let mut found: Vec<Item> = Vec::new();
        loop {
            let answer = self.engine.query(query.clone()).await;
            let Some(page) = self.read(visit, "a query", answer)? else { return Ok(None) };
            found.extend(page.items.iter().map(decoded));
            match page.last_evaluated_key {
                Some(key) => query.exclusive_start_key = Some(key),
                None => return Ok(Some(found)),
            }
        }
    }

    fn own_items(&self, visit: &Visit, is_wanted: impl Fn(&ItemKey, &Item) -> bool) -> Vec<Item> {
        let prefix = partition_prefix(self.number);
        let mut ledger = self.ledger.borrow_mut();
        let items = ledger.table(&visit.table).items.iter();
        let own = items.filter(|(key, item)| key.0.starts_with(&prefix) && is_wanted(key, item));
        own.map(|(_, item)| item.clone()).collect()
    }

    fn expect_items(
        &self,
        visit: &Visit,
        what: &str,
        expected: Vec<Item>,
        found: Vec<Item>,
    ) -> Result<(), Violation> {
        if found == expected || !self.is_still_there(visit) {
            return Ok(());
        }
        let keys =
            |items: &[Item]| items.iter().map(|item| (key_of(item), stamp_of(item))).collect::<Vec<_>>();
        let detail = format!("expected {:?}, found {:?}", keys(&expected), keys(&found));
        Err(Violation::Failed(format!("{} {what}: {detail}", visit.table)))
    }

    async fn get(&mut self, visit: &Visit, key: &ItemKey) -> Result<Option<Option<Item>>, Violation> {
        let request =
            GetItem { consistency: Consistency::Strong, ..GetItem::new(&visit.table, key_item(key)) };
        let answer = self.engine.get_item(request).await;
        Ok(self.read(visit, "a get", answer)?.map(|output| output.item.as_ref().map(decoded)))
    }

    fn begin(&self, changes: Vec<ItemChange>, unity: Unity) {
        self.ledger.borrow_mut().begin(self.number, changes, unity);
    }

    /// Takes note of a write's answer; `None` if its table has gone.
    fn ended<T>(&self, visit: &Visit, what: &str, answer: Result<T, Error>) -> Result<Option<T>, Violation> {
        let answer = self.read(visit, what, answer)?;
        match answer {
            Some(_) => self.ledger.borrow_mut().done(self.number),
            None => self.ledger.borrow_mut().refused(self.number),
        }
        Ok(answer)
    }

    /// A read's answer; `None` if its table has gone. Any other error is without a reason.
    fn read<T>(&self, visit: &Visit, what: &str, answer: Result<T, Error>) -> Result<Option<T>, Violation> {
        match answer {
            Ok(output) => Ok(Some(output)),
            Err(Error::TableNotFound { .. } | Error::TableDropped) if !self.is_still_there(visit) => Ok(None),
            Err(reason) => Err(Violation::Failed(format!("{what} on {}: {reason}", visit.table))),
        }
    }

    fn expect(
        &self,
        visit: &Visit,
        what: &str,
        expected: Option<Item>,
        found: Option<Item>,
    ) -> Result<(), Violation> {
        if expected == found || !self.is_still_there(visit) {
            return Ok(());
        }
        let detail = format!("expected {}, found {}", told(expected.as_ref()), told(found.as_ref()));
        Err(Violation::Failed(format!("{} {what}: {detail}", visit.table)))
    }

    fn is_still_there(&self, visit: &Visit) -> bool {
        self.ledger.borrow_mut().table(&visit.table).is_still(visit.incarnation)
    }

    fn known(&self, visit: &Visit, key: &ItemKey) -> Option<Item> {
        self.ledger.borrow().item(&visit.table, key).cloned()
    }

    /// Puts and deletes of different own items.
    fn any_changes(&mut self, visit: &Visit, most: u64) -> Vec<ItemChange> {
        let mut changes: Vec<ItemChange> = Vec::new();
        for _ in 0..self.random.between(2, most) {
            let (key, item) = self.new_item();
            if changes.iter().all(|change| change.key != key) {
                let new = (!self.random.chance(300)).then_some(item);
                changes.push(change(visit, key, new));
            }
        }
        changes
    }

    fn new_item(&mut self) -> (ItemKey, Item) {
        let (key, stamp) = (self.own_key(), self.ledger.borrow_mut().next_stamp());
        let padding = PADDINGS_BYTES[self.random.index(PADDINGS_BYTES.len())];
        let item = stamped_item(&key, stamp, padding);
        (key, item)
    }

    fn own_key(&mut self) -> ItemKey {
        self.key_of_client(self.number)
    }

    fn key_of_client(&mut self, client: u64) -> ItemKey {
        let partition = format!("{}{}", partition_prefix(client), self.random.below(PARTITION_KEYS));
        (partition, i64::try_from(self.random.below(SORT_KEYS)).expect("small"))
    }
}

/// What the partition keys of a client's items begin with.
fn partition_prefix(client: u64) -> String {
    format!("client {client}, ")
}

fn change(visit: &Visit, key: ItemKey, new: Option<Item>) -> ItemChange {
    ItemChange { table: visit.table.clone(), key, new }
}

fn stamp_of(item: &Item) -> i64 {
    match item.get("stamp") {
        Some(Value::N(stamp)) => stamp.to_i64().unwrap_or(0),
        _ => 0,
    }
}
