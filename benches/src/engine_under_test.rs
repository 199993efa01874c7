//! The embedded engine with tables of numbered items, and clients that are tasks on its shards.

use std::{future::Future, path::Path, sync::Arc};

use basalt_engine::{
    BlockingEngine, CreateTable, Engine, EngineOptions, Error, LocalEngine,
    model::{Item, KeyAttribute, KeySchema, ScalarKind, Value, key::KeyValue},
    runtime::{Handle, remote},
};

use crate::workload::{key, ordered_key, value};

/// The table that holds items by partition keys alone.
pub const TABLE: &str = "items";
/// The table that holds all items under one partition key, in the order of their numbers.
pub const ORDERED_TABLE: &str = "ordered";
/// The partition key of both.
const KEY_NAME: &str = "k";
/// The sort key of the ordered table.
pub const SORT_NAME: &str = "s";
/// The one partition key of the ordered table.
const ORDERED_KEY: &[u8] = b"all";
/// An open engine.
pub struct EngineUnderTest {
    engine: BlockingEngine,
    /// For each shard, the numbers of the items that it owns.
    owned: Vec<Arc<[u64]>>,
}

impl EngineUnderTest {
    /// Opens an empty directory and makes the tables.
    ///
    /// # Panics
    /// If the engine does not open or does not take the tables: there is nothing to measure then.
    pub fn create(directory: &Path, options: EngineOptions) -> Self {
        let engine = Engine::open(directory, options).expect("the engine opens").blocking();
        let key = |name: &str| KeyAttribute { name: name.to_owned(), kind: ScalarKind::B };
        for (table, sort) in [(TABLE, None), (ORDERED_TABLE, Some(key(SORT_NAME)))] {
            let schema = KeySchema { partition: key(KEY_NAME), sort };
            engine.create_table(CreateTable::new(table, schema)).expect("the table is made");
        }
        Self { engine, owned: Vec::new() }
    }

    /// Loads the items from 0 on in bulk, in no order of their keys, each shard its own.
    ///
    /// # Panics
    /// If the engine does not take them.
    pub fn load(&mut self, items: u64) {
        let shards = self.engine.engine().remotes().len();
        let loaded = self.run_clients(shards, move |local, _| load_own(local, items));
        let owned = loaded.into_iter().map(|numbers| Arc::from(numbers.expect("the items are loaded")));
        self.owned = owned.collect();
    }

    /// Loads the items from 0 on in bulk into the ordered table, in the order of their keys.
    ///
    /// # Panics
    /// If the engine does not take them.
    pub fn load_ordered(&self, items: u64) {
        let loaded = self.run_beside_ordered(1, move |local, _| async move {
            let mut load = local.local_table(ORDERED_TABLE)?.begin_load().await?;
            for number in 0..items {
                load.put(ordered_item(number)).await?;
            }
            load.finish().await
        });
        loaded.into_iter().for_each(|loader| loader.expect("the items are loaded"));
    }

    /// The shard that owns the ordered table's items.
    fn ordered_shard(&self) -> usize {
        let owner =
            self.engine.on_shard(ORDERED_TABLE, Value::B(ORDERED_KEY.to_vec()), |access| async move {
                access.engine().shard().as_usize()
            });
        owner.expect("the table is there")
    }

    /// Runs `work` once for each client on the shard of the ordered table, and waits for all of them.
    pub fn run_beside_ordered<T, F>(
        &self,
        clients: usize,
        work: impl Fn(LocalEngine, usize) -> F + Clone + Send + 'static,
    ) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let shard = self.ordered_shard();
        self.run_on(std::iter::repeat_n(shard, clients), work)
    }

    /// The engine for threads that wait.
    pub fn blocking(&self) -> &BlockingEngine {
        &self.engine
    }

    /// The numbers of the items that a client of [`EngineUnderTest::run_clients`] finds on its own shard.
    pub fn numbers_of_client(&self, client: usize) -> Arc<[u64]> {
        Arc::clone(&self.owned[client % self.owned.len()])
    }

    /// Runs `work` once for each client, spread over the shards, and waits for all of them.
    pub fn run_clients<T, F>(
        &self,
        clients: usize,
        work: impl Fn(LocalEngine, usize) -> F + Clone + Send + 'static,
    ) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let shards = self.engine.engine().remotes().len();
        self.run_on((0..clients).map(|client| client % shards), work)
    }

    /// Ends the engine.
    ///
    /// # Panics
    /// If it does not end in order.
    pub fn close(self) {
        self.engine.close().expect("the engine closes");
    }

    /// Runs `work` for a client on each of `shards`, and waits for all of them.
    fn run_on<T, F>(
        &self,
        shards: impl Iterator<Item = usize>,
        work: impl Fn(LocalEngine, usize) -> F + Clone + Send + 'static,
    ) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let answers: Vec<_> = shards
            .enumerate()
            .map(|(client, shard)| self.start_client(shard, client, work.clone()))
            .collect();
        answers.into_iter().map(|answer| answer.recv_blocking().expect("a client comes to its end")).collect()
    }

    fn start_client<T, F>(
        &self,
        shard: usize,
        client: usize,
        work: impl Fn(LocalEngine, usize) -> F + Send + 'static,
    ) -> remote::Receiver<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let engine = self.engine.engine().clone();
        let remote = engine.remotes()[shard].clone();
        let (reply, answer) = remote::oneshot();
        let job = Box::new(move |handle: &Handle| {
            let running = work(engine.local().expect("the job runs on a shard"), client);
            let task = handle.spawn(async move {
                let _the_caller_waits = reply.send(running.await);
            });
            task.detach();
        });
        assert!(remote.try_send(job).is_ok(), "a shard has room for its clients");
        answer
    }
}

/// Loads the items that are this shard's own; tells their numbers.
async fn load_own(local: LocalEngine, items: u64) -> Result<Vec<u64>, Error> {
    let table = local.local_table(TABLE)?;
    let mut load = table.begin_load().await?;
    let mut own = Vec::new();
    for number in 0..items {
        if table.owner(&key_value(number))? == local.shard() {
            own.push(number);
            load.put(item(number, 0)).await?;
        }
    }
    load.finish().await?;
    Ok(own)
}

/// The partition key of item `number`, as a program on the shards names it.
pub fn key_value(number: u64) -> KeyValue {
    KeyValue::B(key(number).to_vec())
}

/// The one partition key of the ordered table.
pub fn ordered_partition() -> KeyValue {
    KeyValue::B(ORDERED_KEY.to_vec())
}

/// The sort key of item `number` of the ordered table.
pub fn ordered_sort(number: u64) -> KeyValue {
    KeyValue::B(ordered_key(number).to_vec())
}

/// Item `number` of the ordered table.
fn ordered_item(number: u64) -> Item {
    Item::from_iter([
        (KEY_NAME.to_owned(), ordered_partition().into()),
        (SORT_NAME.to_owned(), ordered_sort(number).into()),
        ("v".to_owned(), Value::B(value(number, 0).to_vec())),
    ])
}

/// The partition key of item `number`.
pub fn partition_key(number: u64) -> Value {
    Value::B(key(number).to_vec())
}

/// The key attributes of item `number`.
pub fn key_item(number: u64) -> Item {
    Item::from_iter([(KEY_NAME.to_owned(), partition_key(number))])
}

/// Item `number` at `version`: 16 bytes of key and 256 of value.
pub fn item(number: u64, version: u64) -> Item {
    let mut item = key_item(number);
    item.insert("v".to_owned(), Value::B(value(number, version).to_vec()));
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_find_their_numbers_on_their_own_shard() {
        let options = EngineOptions { in_memory: true, shard_count: Some(2), ..EngineOptions::default() };
        let mut engine = EngineUnderTest::create(Path::new("in-memory"), options);
        engine.load(2000);
        let all: usize = (0..2).map(|client| engine.numbers_of_client(client).len()).sum();
        assert_eq!(all, 2000);
        let numbers: Vec<_> = (0..2).map(|client| engine.numbers_of_client(client)).collect();
        let checked = engine.run_clients(2, move |local, client| {
            let numbers = Arc::clone(&numbers[client]);
            async move {
                for &number in numbers.iter() {
                    let own = local.shard();
                    let place = local.on_shard(TABLE, partition_key(number), move |access| async move {
                        let found = access.get(&key_item(number), |item| item.is_some()).await;
                        (access.engine().shard(), found)
                    });
                    let (owner, found) = place.await.unwrap();
                    assert!(owner == own && found.unwrap(), "item {number}");
                }
                numbers.len()
            }
        });
        assert_eq!(checked.iter().sum::<usize>(), 2000);
        engine.close();
    }
}
