//! What data takes on the disk: after a load in random order and after as many random overwrites, at once and ten seconds
//! later, with no command given in between.
//!
//! `cargo run --release -p basalt-benches --bin disk_space -- --rows 1000000`
#![expect(clippy::disallowed_methods, reason = "measures what the file system has allocated, from outside")]
#![expect(clippy::print_stdout, reason = "a report is its output")]

use std::{io, os::unix::fs::MetadataExt, path::Path, thread, time::Duration};

use basalt_benches::{
    shard_thread::{FilePlace, ShardThread},
    store_under_test::StoreUnderTest,
    workload::{Chance, KEY_BYTES, VALUE_BYTES},
};
use clap::Parser;

/// Rows of one durable entry.
const ENTRY_ROWS: u64 = 64;
/// How long after the last write the second look is taken.
const LATER: Duration = Duration::from_secs(10);
/// Bytes of the blocks that `stat` counts.
const STAT_BLOCK_BYTES: u64 = 512;

#[derive(Parser)]
#[command(about)]
struct Arguments {
    /// Rows of 16 and 256 bytes, and overwrites.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Where the data directory is made and removed again.
    #[arg(long, default_value = "target/disk_space")]
    directory: std::path::PathBuf,
}

fn main() -> io::Result<()> {
    let Arguments { rows, directory } = Arguments::parse();
    std::fs::create_dir_all(&directory)?;
    let directory = std::fs::canonicalize(directory)?.join(std::process::id().to_string());
    std::fs::create_dir(&directory)?;
    let store = StoreUnderTest::start(&FilePlace::Directory(directory.clone()));
    println!("{rows} rows of {KEY_BYTES} + {VALUE_BYTES} bytes\n");
    println!("| | partitions, MiB | log, MiB | disk / logical |\n|---|--:|--:|--:|");
    run(&store, "random load", &directory, rows, move |store| load(store, rows))?;
    run(&store, "random overwrites", &directory, rows, move |store| overwrite(store, rows))?;
    drop(store);
    std::fs::remove_dir_all(&directory)
}

fn run<F: Future<Output = ()> + 'static>(
    store: &ShardThread<StoreUnderTest>,
    name: &str,
    directory: &Path,
    rows: u64,
    write: impl FnOnce(StoreUnderTest) -> F + Send + 'static,
) -> io::Result<()> {
    store.run(write);
    tell(&format!("after {name}"), directory, rows)?;
    thread::sleep(LATER);
    tell(&format!("{} s later", LATER.as_secs()), directory, rows)
}

async fn load(store: StoreUnderTest, rows: u64) {
    for first in (0..rows).step_by(ENTRY_ROWS as usize) {
        let numbers: Vec<u64> = (first..rows.min(first + ENTRY_ROWS)).collect();
        store.put_all(&numbers, 0).await;
    }
}

async fn overwrite(store: StoreUnderTest, rows: u64) {
    let mut chance = Chance::new(1);
    for version in 1..=rows.div_ceil(ENTRY_ROWS) {
        let numbers: Vec<u64> = (0..ENTRY_ROWS).map(|_| chance.below(rows)).collect();
        store.put_all(&numbers, version).await;
    }
}

fn tell(moment: &str, directory: &Path, rows: u64) -> io::Result<()> {
    let (partitions, log) =
        (allocated_bytes(&directory.join("part"))?, allocated_bytes(&directory.join("wal"))?);
    let built = allocated_bytes(&directory.join("tmp"))?;
    let logical = rows * (KEY_BYTES + VALUE_BYTES) as u64;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let ratio = (partitions + log + built) as f64 / logical as f64;
    println!("| {moment} | {:.0} | {:.0} | {ratio:.2} |", mib(partitions + built), mib(log));
    Ok(())
}

fn allocated_bytes(path: &Path) -> io::Result<u64> {
    let found = match std::fs::symlink_metadata(path) {
        // A file may go while the directory is read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        found => found?,
    };
    if !found.is_dir() {
        return Ok(found.blocks() * STAT_BLOCK_BYTES);
    }
    std::fs::read_dir(path)?.map(|entry| allocated_bytes(&entry?.path())).sum()
}
