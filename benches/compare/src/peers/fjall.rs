//! fjall: the journal is synced after every write; a sync started by one client serves those that wait for it.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{KeyValue, Order, Peer, in_chunks};

/// Items of one batch of a load.
const LOAD_ITEMS: usize = 1000;

pub struct Fjall {
    database: Database,
    items: Keyspace,
}

impl Fjall {
    pub fn open(directory: &Path, cache_bytes: u64) -> Self {
        let database = Database::builder(directory).cache_size(cache_bytes).open().expect("fjall opens");
        let items =
            database.keyspace("items", KeyspaceCreateOptions::default).expect("fjall makes a keyspace");
        Self { database, items }
    }

    fn insert_all(&self, items: &[KeyValue]) {
        let mut batch = self.database.batch();
        for (key, value) in items {
            batch.insert(&self.items, key, value);
        }
        batch.commit().expect("fjall commits");
    }

    fn sync(&self) {
        self.database.persist(PersistMode::SyncData).expect("fjall syncs");
    }
}

impl Peer for Fjall {
    fn load(&self, _order: Order, items: &mut dyn Iterator<Item = KeyValue>) {
        in_chunks(items, LOAD_ITEMS, |chunk| self.insert_all(chunk));
        self.sync();
    }

    fn get(&self, key: &[u8]) -> Option<u8> {
        self.items.get(key).expect("fjall gets").and_then(|value| value.first().copied())
    }

    fn put_all(&self, items: &[KeyValue]) {
        match items {
            [(key, value)] => self.items.insert(key, value).expect("fjall inserts"),
            items => self.insert_all(items),
        }
        self.sync();
    }

    fn range(&self, from: &[u8], limit: u64) -> u64 {
        let rows = self.items.range(from..);
        let firsts = rows.take(limit as usize).map(|row| row.value().expect("fjall reads").first().copied());
        firsts.fold(0, |count, first| count + u64::from(std::hint::black_box(first).is_some()))
    }
}
