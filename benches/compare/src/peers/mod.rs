//! The other engines, each opened with the same cache and a sync before every acknowledged write.

mod fjall;
mod lmdb;
mod redb;
mod rocksdb;
mod sqlite;

use std::path::Path;

use basalt_benches::workload::{KEY_BYTES, VALUE_BYTES, key, ordered_key, value};

use crate::threads::{Asked, Ordered};

/// Items of one transaction of a load, where an engine does best with large ones.
const LOAD_ITEMS: usize = 100_000;

/// A key and its value.
pub type KeyValue = ([u8; KEY_BYTES], [u8; VALUE_BYTES]);

/// How the keys of a load come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// In no order.
    Random,
    /// Ascending.
    Ascending,
}

/// Another engine: keys and values are bytes.
pub trait Peer: Send + Sync {
    /// Stores many items into the empty engine, as fast as it goes; all of them are durable when it returns.
    fn load(&self, order: Order, items: &mut dyn Iterator<Item = KeyValue>);
    /// Reads a value and looks at its first byte.
    fn get(&self, key: &[u8]) -> Option<u8>;
    /// Stores items in one transaction; durable when it returns.
    fn put_all(&self, items: &[KeyValue]);
    /// Looks at the first byte of at most `limit` values from a key on; how many there were.
    fn range(&self, from: &[u8], limit: u64) -> u64;
}

/// Opens the engine `name` in an empty directory.
pub fn open(name: &str, directory: &Path, cache_bytes: u64) -> Box<dyn Peer> {
    match name {
        "rocksdb" => Box::new(rocksdb::Rocks::open(directory, cache_bytes)),
        "lmdb" => Box::new(lmdb::Lmdb::open(directory)),
        "redb" => Box::new(redb::Redb::open(directory, cache_bytes)),
        "fjall" => Box::new(fjall::Fjall::open(directory, cache_bytes)),
        "sqlite" => Box::new(sqlite::Sqlite::open(directory, cache_bytes)),
        other => panic!("no engine is called {other}"),
    }
}

/// Opens RocksDB for data that are larger than memory: what it caches is what it is given, not what the system has.
pub fn open_rocksdb_past_the_page_cache(directory: &Path, memory_bytes: u64) -> Box<dyn Peer> {
    Box::new(rocksdb::Rocks::open_past_the_page_cache(directory, memory_bytes))
}

/// Loads the items from 0 on.
pub fn load(peer: &dyn Peer, order: Order, items: u64) {
    let item = |number| match order {
        Order::Random => (key(number), value(number, 0)),
        Order::Ascending => (ordered_key(number), value(number, 0)),
    };
    peer.load(order, &mut (0..items).map(item));
}

impl Asked for Box<dyn Peer> {
    fn get(&self, number: u64) -> Option<u8> {
        (**self).get(&key(number))
    }

    fn put(&self, number: u64, version: u64) {
        self.put_all(&[(key(number), value(number, version))]);
    }

    fn put_batch(&self, numbers: &[u64], version: u64) {
        let items: Vec<_> = numbers.iter().map(|&number| (key(number), value(number, version))).collect();
        self.put_all(&items);
    }
}

impl Ordered for Box<dyn Peer> {
    fn range(&self, first: u64, limit: u64) -> u64 {
        (**self).range(&ordered_key(first), limit)
    }
}

/// Hands items on in chunks.
fn in_chunks(items: &mut dyn Iterator<Item = KeyValue>, count: usize, mut store: impl FnMut(&[KeyValue])) {
    loop {
        let chunk: Vec<KeyValue> = items.take(count).collect();
        if chunk.is_empty() {
            return;
        }
        store(&chunk);
    }
}
