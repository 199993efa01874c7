//! LMDB through heed: every write transaction is synced.

use std::path::Path;

use heed::{Database, Env, EnvOpenOptions, types::Bytes};

use super::Peer;

/// Address space for the map; the file grows as it is used.
const MAP_BYTES: usize = 16 << 30;

pub struct Lmdb {
    environment: Env,
    database: Database<Bytes, Bytes>,
}

impl Lmdb {
    pub fn open(directory: &Path) -> Self {
        // SAFETY: the directory is new and no other process or environment of this one opens it.
        let environment =
            unsafe { EnvOpenOptions::new().map_size(MAP_BYTES).max_readers(512).open(directory) };
        let environment = environment.expect("LMDB opens");
        let mut transaction = environment.write_txn().expect("LMDB writes");
        let database = environment.create_database(&mut transaction, None).expect("LMDB makes a database");
        transaction.commit().expect("LMDB commits");
        Self { environment, database }
    }
}

impl Peer for Lmdb {
    fn load(&self, items: &mut dyn Iterator<Item = ([u8; 16], [u8; 256])>) {
        let mut transaction = self.environment.write_txn().expect("LMDB writes");
        for (key, value) in items {
            self.database.put(&mut transaction, &key, &value).expect("LMDB puts");
        }
        transaction.commit().expect("LMDB commits");
    }

    fn get(&self, key: &[u8]) -> Option<u8> {
        let transaction = self.environment.read_txn().expect("LMDB reads");
        self.database.get(&transaction, key).expect("LMDB gets").and_then(|value| value.first().copied())
    }

    fn put(&self, key: &[u8], value: &[u8]) {
        let mut transaction = self.environment.write_txn().expect("LMDB writes");
        self.database.put(&mut transaction, key, value).expect("LMDB puts");
        transaction.commit().expect("LMDB commits");
    }
}
