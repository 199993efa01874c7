//! SQLite: a write-ahead log that every commit syncs (`synchronous=FULL`), one writer, readers with connections of
//! their own.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{KeyValue, LOAD_ITEMS, Order, Peer, in_chunks};

/// Longer than any commit: a reader that opens its connection may meet a checkpoint.
const BUSY_TIME: Duration = Duration::from_secs(60);
const PUT: &str = "INSERT OR REPLACE INTO items (k, v) VALUES (?1, ?2)";
const RANGE: &str = "SELECT v FROM items WHERE k >= ?1 ORDER BY k LIMIT ?2";

pub struct Sqlite {
    file: PathBuf,
    cache_bytes: u64,
    writer: Mutex<Connection>,
    /// Readers' connections that nobody uses; the last one used is warm, and used first.
    readers: Mutex<Vec<Connection>>,
}

impl Sqlite {
    pub fn open(directory: &Path, cache_bytes: u64) -> Self {
        let file = directory.join("sqlite");
        let writer = connect(&file, cache_bytes);
        writer
            .execute("CREATE TABLE items (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID", [])
            .expect("SQLite makes a table");
        Self { file, cache_bytes, writer: Mutex::new(writer), readers: Mutex::default() }
    }
}

impl Sqlite {
    fn with_reader<T>(&self, read: impl FnOnce(&Connection) -> T) -> T {
        let idle = locked(&self.readers).pop();
        let reader = idle.unwrap_or_else(|| connect(&self.file, self.cache_bytes));
        let found = read(&reader);
        locked(&self.readers).push(reader);
        found
    }
}

impl Peer for Sqlite {
    fn load(&self, _order: Order, items: &mut dyn Iterator<Item = KeyValue>) {
        in_chunks(items, LOAD_ITEMS, |chunk| self.put_all(chunk));
    }

    fn get(&self, key: &[u8]) -> Option<u8> {
        self.with_reader(|reader| {
            let mut get =
                reader.prepare_cached("SELECT v FROM items WHERE k = ?1").expect("the statement is sound");
            let first = get.query_row([key], |row| Ok(row.get_ref(0)?.as_blob()?.first().copied()));
            first.optional().expect("SQLite gets").flatten()
        })
    }

    fn put_all(&self, items: &[KeyValue]) {
        let mut writer = locked(&self.writer);
        let transaction = writer.transaction().expect("SQLite begins");
        {
            let mut put = transaction.prepare_cached(PUT).expect("the statement is sound");
            for (key, value) in items {
                put.execute(params![key, value]).expect("SQLite puts");
            }
        }
        transaction.commit().expect("SQLite commits");
    }

    fn range(&self, from: &[u8], limit: u64) -> u64 {
        self.with_reader(|reader| {
            let mut range = reader.prepare_cached(RANGE).expect("the statement is sound");
            let mut rows = range.query(params![from, limit as i64]).expect("SQLite walks");
            let mut count = 0;
            while let Some(row) = rows.next().expect("SQLite reads") {
                let value = row.get_ref(0).expect("there is a value").as_blob().expect("of bytes");
                count += u64::from(std::hint::black_box(value.first()).is_some());
            }
            count
        })
    }
}

fn connect(file: &Path, cache_bytes: u64) -> Connection {
    let connection = Connection::open(file).expect("SQLite opens");
    connection.busy_timeout(BUSY_TIME).expect("SQLite waits");
    let cache_kib = cache_bytes / 1024;
    let settings =
        format!("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -{cache_kib};");
    connection.execute_batch(&settings).expect("SQLite takes its settings");
    connection
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A client that panics ends the measurement anyway.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
