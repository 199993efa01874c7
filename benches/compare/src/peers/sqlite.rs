//! SQLite: a write-ahead log that every commit syncs (`synchronous=FULL`), one writer, readers with connections of
//! their own.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{CACHE_BYTES, Peer};

/// Longer than any commit: a reader that opens its connection may meet a checkpoint.
const BUSY_TIME: Duration = Duration::from_secs(60);
const PUT: &str = "INSERT OR REPLACE INTO items (k, v) VALUES (?1, ?2)";

pub struct Sqlite {
    file: PathBuf,
    writer: Mutex<Connection>,
    /// Readers' connections that nobody uses; the last one used is warm, and used first.
    readers: Mutex<Vec<Connection>>,
}

impl Sqlite {
    pub fn open(directory: &Path) -> Self {
        let file = directory.join("sqlite");
        let writer = connect(&file);
        writer
            .execute("CREATE TABLE items (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID", [])
            .expect("SQLite makes a table");
        Self { file, writer: Mutex::new(writer), readers: Mutex::default() }
    }
}

impl Peer for Sqlite {
    fn load(&self, items: &mut dyn Iterator<Item = ([u8; 16], [u8; 256])>) {
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

    fn get(&self, key: &[u8]) -> Option<u8> {
        let idle = locked(&self.readers).pop();
        let reader = idle.unwrap_or_else(|| connect(&self.file));
        let first = {
            let mut get =
                reader.prepare_cached("SELECT v FROM items WHERE k = ?1").expect("the statement is sound");
            let first = get.query_row([key], |row| Ok(row.get_ref(0)?.as_blob()?.first().copied()));
            first.optional().expect("SQLite gets").flatten()
        };
        locked(&self.readers).push(reader);
        first
    }

    fn put(&self, key: &[u8], value: &[u8]) {
        let writer = locked(&self.writer);
        let mut put = writer.prepare_cached(PUT).expect("the statement is sound");
        put.execute(params![key, value]).expect("SQLite puts");
    }
}

fn connect(file: &Path) -> Connection {
    let connection = Connection::open(file).expect("SQLite opens");
    connection.busy_timeout(BUSY_TIME).expect("SQLite waits");
    let cache_kib = CACHE_BYTES / 1024;
    let settings =
        format!("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -{cache_kib};");
    connection.execute_batch(&settings).expect("SQLite takes its settings");
    connection
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A client that panics ends the measurement anyway.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
