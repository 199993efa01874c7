//! redb: immediate durability at every commit.

use std::path::Path;

use redb::{Database, ReadableDatabase, TableDefinition};

use super::{KeyValue, LOAD_ITEMS, Order, Peer, in_chunks};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("items");

pub struct Redb {
    database: Database,
}

impl Redb {
    pub fn open(directory: &Path, cache_bytes: u64) -> Self {
        let database =
            Database::builder().set_cache_size(cache_bytes as usize).create(directory.join("redb"));
        Self { database: database.expect("redb opens") }
    }
}

impl Peer for Redb {
    fn load(&self, _order: Order, items: &mut dyn Iterator<Item = KeyValue>) {
        in_chunks(items, LOAD_ITEMS, |chunk| self.put_all(chunk));
    }

    fn get(&self, key: &[u8]) -> Option<u8> {
        let transaction = self.database.begin_read().expect("redb reads");
        let table = transaction.open_table(TABLE).expect("the table is there");
        let value = table.get(key).expect("redb gets")?;
        value.value().first().copied()
    }

    fn put_all(&self, items: &[KeyValue]) {
        let transaction = self.database.begin_write().expect("redb writes");
        {
            let mut table = transaction.open_table(TABLE).expect("redb makes a table");
            for (key, value) in items {
                table.insert(key.as_slice(), value.as_slice()).expect("redb inserts");
            }
        }
        transaction.commit().expect("redb commits");
    }

    fn range(&self, from: &[u8], limit: u64) -> u64 {
        let transaction = self.database.begin_read().expect("redb reads");
        let table = transaction.open_table(TABLE).expect("the table is there");
        let rows = table.range(from..).expect("redb walks");
        let firsts = rows.take(limit as usize).map(|row| row.expect("redb reads").1.value().first().copied());
        firsts.fold(0, |count, first| count + u64::from(std::hint::black_box(first).is_some()))
    }
}
