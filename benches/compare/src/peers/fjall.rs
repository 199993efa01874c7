//! fjall: the journal is synced after every put; a sync started by one client serves those that wait for it.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{CACHE_BYTES, Peer};

pub struct Fjall {
    database: Database,
    items: Keyspace,
}

impl Fjall {
    pub fn open(directory: &Path) -> Self {
        let database =
            Database::builder(directory).cache_size(CACHE_BYTES as u64).open().expect("fjall opens");
        let items =
            database.keyspace("items", KeyspaceCreateOptions::default).expect("fjall makes a keyspace");
        Self { database, items }
    }
}

impl Peer for Fjall {
    fn load(&self, items: &mut dyn Iterator<Item = ([u8; 16], [u8; 256])>) {
        let mut batch = self.database.batch();
        for (key, value) in items {
            batch.insert(&self.items, key, value);
        }
        batch.commit().expect("fjall commits");
    }

    fn get(&self, key: &[u8]) -> Option<u8> {
        self.items.get(key).expect("fjall gets").and_then(|value| value.first().copied())
    }

    fn put(&self, key: &[u8], value: &[u8]) {
        self.items.insert(key, value).expect("fjall inserts");
        self.database.persist(PersistMode::SyncData).expect("fjall syncs");
    }
}
