//! LMDB through heed: every write transaction is synced.

use std::{ops::Bound, path::Path};

use heed::{Database, Env, EnvOpenOptions, PutFlags, types::Bytes};

use super::{KeyValue, LOAD_ITEMS, Order, Peer, in_chunks};

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

    fn put_with(&self, flags: PutFlags, items: &[KeyValue]) {
        let mut transaction = self.environment.write_txn().expect("LMDB writes");
        for (key, value) in items {
            self.database.put_with_flags(&mut transaction, flags, key, value).expect("LMDB puts");
        }
        transaction.commit().expect("LMDB commits");
    }
}

impl Peer for Lmdb {
    fn load(&self, order: Order, items: &mut dyn Iterator<Item = KeyValue>) {
        let flags = match order {
            Order::Random => PutFlags::empty(),
            Order::Ascending => PutFlags::APPEND,
        };
        in_chunks(items, LOAD_ITEMS, |chunk| self.put_with(flags, chunk));
    }

    fn get(&self, key: &[u8]) -> Option<u8> {
        let transaction = self.environment.read_txn().expect("LMDB reads");
        self.database.get(&transaction, key).expect("LMDB gets").and_then(|value| value.first().copied())
    }

    fn put_all(&self, items: &[KeyValue]) {
        self.put_with(PutFlags::empty(), items);
    }

    fn range(&self, from: &[u8], limit: u64) -> u64 {
        let transaction = self.environment.read_txn().expect("LMDB reads");
        let range = (Bound::Included(from), Bound::Unbounded);
        let rows = self.database.range(&transaction, &range).expect("LMDB walks");
        let firsts = rows.take(limit as usize).map(|row| row.expect("LMDB reads").1.first().copied());
        firsts.fold(0, |count, first| count + u64::from(std::hint::black_box(first).is_some()))
    }
}
