//! RocksDB: write-ahead log synced at every put, block cache, no compression.

use std::path::Path;

use rocksdb::{BlockBasedOptions, Cache, DB, Options, WriteBatch, WriteOptions};

use super::{CACHE_BYTES, Peer};

pub struct Rocks {
    database: DB,
}

impl Rocks {
    pub fn open(directory: &Path) -> Self {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
        table.set_bloom_filter(10.0, false);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&table);
        Self { database: DB::open(&options, directory).expect("RocksDB opens") }
    }
}

impl Peer for Rocks {
    fn load(&self, items: &mut dyn Iterator<Item = ([u8; 16], [u8; 256])>) {
        let mut batch = WriteBatch::default();
        for (key, value) in items {
            batch.put(key, value);
        }
        self.database.write(batch).expect("RocksDB takes a batch");
    }

    fn get(&self, key: &[u8]) -> Option<u8> {
        self.database.get_pinned(key).expect("RocksDB reads").and_then(|value| value.first().copied())
    }

    fn put(&self, key: &[u8], value: &[u8]) {
        let mut durable = WriteOptions::default();
        durable.set_sync(true);
        self.database.put_opt(key, value, &durable).expect("RocksDB writes");
    }
}
