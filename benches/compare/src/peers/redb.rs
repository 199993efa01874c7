//! redb: immediate durability at every commit.

use std::path::Path;

use redb::{Database, ReadableDatabase, TableDefinition};

use super::{CACHE_BYTES, Peer};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("items");

pub struct Redb {
    database: Database,
}

impl Redb {
    pub fn open(directory: &Path) -> Self {
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(directory.join("redb"));
        Self { database: database.expect("redb opens") }
    }
}

impl Peer for Redb {
    fn load(&self, items: &mut dyn Iterator<Item = ([u8; 16], [u8; 256])>) {
        let transaction = self.database.begin_write().expect("redb writes");
        {
            let mut table = transaction.open_table(TABLE).expect("redb makes a table");
            for (key, value) in items {
                table.insert(key.as_slice(), value.as_slice()).expect("redb inserts");
            }
        }
        transaction.commit().expect("redb commits");
    }

    fn get(&self, key: &[u8]) -> Option<u8> {
        let transaction = self.database.begin_read().expect("redb reads");
        let table = transaction.open_table(TABLE).expect("the table is there");
        let value = table.get(key).expect("redb gets")?;
        value.value().first().copied()
    }

    fn put(&self, key: &[u8], value: &[u8]) {
        let transaction = self.database.begin_write().expect("redb writes");
        transaction.open_table(TABLE).expect("the table is there").insert(key, value).expect("redb inserts");
        transaction.commit().expect("redb commits");
    }
}
