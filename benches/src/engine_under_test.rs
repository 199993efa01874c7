//! The embedded engine with one table of numbered items, and clients that are tasks on its shards.

use std::{future::Future, path::Path, sync::Arc};

use basalt_engine::{
    BlockingEngine, CreateTable, Engine, EngineOptions, Error, LocalEngine, PutItem,
    model::{Item, KeyAttribute, KeySchema, ScalarKind, Value},
    runtime::{Handle, remote},
};

use crate::workload::{key, value};

/// The table that holds the items.
pub const TABLE: &str = "items";
/// Its partition key.
const KEY_NAME: &str = "k";
/// Tasks that load at the same time: enough for large frames.
const LOADING_CLIENTS: usize = 512;

/// An open engine, loaded with the items from 0 on.
pub struct EngineUnderTest {
    engine: BlockingEngine,
    /// For each shard, the numbers of the items that it owns.
    owned: Vec<Arc<[u64]>>,
}

impl EngineUnderTest {
    /// Opens an empty directory and loads it.
    ///
    /// # Panics
    /// If the engine does not open or does not take the items: there is nothing to measure then.
    pub fn open(directory: &Path, options: EngineOptions, items: u64) -> Self {
        let engine = Engine::open(directory, options).expect("the engine opens").blocking();
        let partition = KeyAttribute { name: KEY_NAME.to_owned(), kind: ScalarKind::B };
        let schema = KeySchema { partition, sort: None };
        engine.create_table(CreateTable::new(TABLE, schema)).expect("the table is made");
        let mut this = Self { engine, owned: Vec::new() };
        this.owned = this.load(items);
        this
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
        let answers: Vec<_> = (0..clients).map(|client| self.start_client(client, work.clone())).collect();
        answers.into_iter().map(|answer| answer.recv_blocking().expect("a client comes to its end")).collect()
    }

    /// Ends the engine.
    ///
    /// # Panics
    /// If it does not end in order.
    pub fn close(self) {
        self.engine.close().expect("the engine closes");
    }

    fn start_client<T, F>(
        &self,
        client: usize,
        work: impl Fn(LocalEngine, usize) -> F + Send + 'static,
    ) -> remote::Receiver<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let engine = self.engine.engine().clone();
        let remotes = engine.remotes();
        let remote = remotes[client % remotes.len()].clone();
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

    /// Puts all items; answers who owns which.
    fn load(&self, items: u64) -> Vec<Arc<[u64]>> {
        let shards = self.engine.engine().remotes().len();
        let loaded = self.run_clients(LOADING_CLIENTS, move |local, client| load_share(local, client, items));
        let mut owned = vec![Vec::new(); shards];
        for (shard, number) in loaded.into_iter().flat_map(|share| share.expect("the items are put")) {
            owned[shard].push(number);
        }
        owned.into_iter().map(Arc::from).collect()
    }
}

/// Puts one client's share, and tells the owner of each item.
async fn load_share(local: LocalEngine, client: usize, items: u64) -> Result<Vec<(usize, u64)>, Error> {
    let mut owners = Vec::new();
    for number in (client as u64..items).step_by(LOADING_CLIENTS) {
        let put = PutItem::new(TABLE, item(number, 0));
        let owner = local.on_shard(TABLE, partition_key(number), |owner| async move {
            owner.engine().put_item(put).await.map(|_output| owner.engine().shard().as_usize())
        });
        owners.push((owner.await??, number));
    }
    Ok(owners)
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
        let engine = EngineUnderTest::open(Path::new("in-memory"), options, 2000);
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
