//! RocksDB: write-ahead log synced at every write, block cache, no compression.

use std::path::Path;

use rocksdb::{BlockBasedOptions, Cache, DB, Direction, IteratorMode, Options, WriteBatch, WriteOptions};

use super::{KeyValue, Order, Peer, in_chunks};

/// Items of one batch of a load.
const LOAD_ITEMS: usize = 1000;
/// The share of a small memory that tables in memory take.
const MEMTABLE_SHARE: u64 = 4;

pub struct Rocks {
    database: DB,
}

impl Rocks {
    pub fn open(directory: &Path, cache_bytes: u64) -> Self {
        Self::open_with(directory, Options::default(), cache_bytes)
    }

    pub fn open_past_the_page_cache(directory: &Path, memory_bytes: u64) -> Self {
        let mut options = Options::default();
        options.set_use_direct_reads(true);
        options.set_use_direct_io_for_flush_and_compaction(true);
        options.set_write_buffer_size((memory_bytes / MEMTABLE_SHARE / 2) as usize);
        Self::open_with(directory, options, memory_bytes - memory_bytes / MEMTABLE_SHARE)
    }

    fn open_with(directory: &Path, mut options: Options, cache_bytes: u64) -> Self {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&Cache::new_lru_cache(cache_bytes as usize));
        table.set_bloom_filter(10.0, false);
        options.create_if_missing(true);
        options.set_block_based_table_factory(&table);
        Self { database: DB::open(&options, directory).expect("RocksDB opens") }
    }
}

impl Peer for Rocks {
    fn load(&self, _order: Order, items: &mut dyn Iterator<Item = KeyValue>) {
        let mut without_log = WriteOptions::default();
        without_log.disable_wal(true);
        in_chunks(items, LOAD_ITEMS, |chunk| {
            self.database.write_opt(batch(chunk), &without_log).expect("RocksDB takes a batch");
        });
        self.database.flush().expect("RocksDB flushes");
    }

    fn get(&self, key: &[u8]) -> Option<u8> {
        self.database.get_pinned(key).expect("RocksDB reads").and_then(|value| value.first().copied())
    }

    fn put_all(&self, items: &[KeyValue]) {
        let mut durable = WriteOptions::default();
        durable.set_sync(true);
        self.database.write_opt(batch(items), &durable).expect("RocksDB writes");
    }

    fn range(&self, from: &[u8], limit: u64) -> u64 {
        let rows = self.database.iterator(IteratorMode::From(from, Direction::Forward));
        let firsts = rows.take(limit as usize).map(|row| row.expect("RocksDB reads").1.first().copied());
        firsts.fold(0, |count, first| count + u64::from(std::hint::black_box(first).is_some()))
    }
}

fn batch(items: &[KeyValue]) -> WriteBatch {
    let mut batch = WriteBatch::default();
    for (key, value) in items {
        batch.put(key, value);
    }
    batch
}
