//! The log on real files, on both real backends: written by many tasks at once, closed or not, and found again.
//!
//! `BASALT_LOG_SPEED=1 cargo test --release -p basalt-storage --test log real_files -- --nocapture` writes enough to
//! tell how fast it is, and says so.

use std::{
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

use basalt_runtime::{Handle, IoChoice, ShardSet, ShardSetOptions};
use basalt_storage::{Node, StreamId, Wal, WalOptions};

use crate::harness::{Entry, append};

const WRITERS: u64 = 64;
const BODY_BYTES: usize = 300;

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Abandoned,
}

#[derive(Debug)]
struct Life {
    found: u64,
    sync_count: u64,
    written_bytes: u64,
    writing: Duration,
    reading: Duration,
}

async fn live(handle: Handle, directory: PathBuf, entries_each: u64, end: End) -> Life {
    let started_at = handle.now();
    let node = Node::judge(&handle, &directory, 1).await.expect("the directory is whole");
    let reading = handle.now() - started_at;
    node.act().await.expect("the directory can be written");
    let found: u64 = node
        .facts()
        .streams()
        .iter()
        .flat_map(|stream| stream.entries.values())
        .flat_map(|ranges| {
            ranges.iter().map(|(first, last)| last.get() - first.get() + 1).collect::<Vec<_>>()
        })
        .sum();
    let first_index = found / WRITERS + 1;
    let options = WalOptions::new(1 << 30, 1 << 20);
    let wal = Wal::start(&handle, &directory, &node.facts(), StreamId::new(0), options).await;
    let wal = wal.expect("the directory can be written");
    let started_at = handle.now();
    let writers = (0..WRITERS).map(|partition| {
        let wal = wal.clone();
        handle.spawn(async move {
            for index in first_index..first_index + entries_each {
                let entry = Entry { partition, index, body: vec![partition as u8; BODY_BYTES] };
                wal.durable(append(&wal, &entry)).await.expect("the log is open");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await;
    }
    let writing = handle.now() - started_at;
    let counters = wal.counters();
    if end == End::Closed {
        wal.seal_and_close().await.expect("the log can be closed");
    }
    Life { found, sync_count: counters.sync_count, written_bytes: counters.written_bytes, writing, reading }
}

/// One process on `directory`.
fn run_life(io: IoChoice, directory: &Path, entries_each: u64, end: End) -> Life {
    let (sender, receiver) = mpsc::channel();
    let directory = directory.to_owned();
    let options = ShardSetOptions { shard_count: 1, io, ..ShardSetOptions::default() };
    let shards = ShardSet::start(options, move |context| {
        let (directory, sender) = (directory.clone(), sender.clone());
        Box::pin(async move {
            let life = live(context.handle, directory, entries_each, end).await;
            sender.send(life).expect("somebody waits for the answer");
        })
    });
    let shards = shards.expect("the backend starts");
    let life = receiver.recv().expect("the shard answers");
    shards.join();
    life
}

fn entries_are_found_again(io: IoChoice) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let is_measured = std::env::var_os("BASALT_LOG_SPEED").is_some();
    let entries_each = if is_measured { 10_000 } else { 20 };
    let mut expected = 0;
    for end in [End::Closed, End::Abandoned, End::Abandoned] {
        let life = run_life(io, directory.path(), entries_each, end);
        assert_eq!(life.found, expected, "{io:?}, {end:?}");
        assert!(life.sync_count <= entries_each * WRITERS / 4, "{life:?}: syncs are shared");
        expected += entries_each * WRITERS;
        if is_measured {
            tell(io, &life, entries_each * WRITERS);
        }
    }
}

#[expect(clippy::print_stdout, reason = "the measurement's answer, when it was asked for")]
fn tell(io: IoChoice, life: &Life, entries: u64) {
    let per_second = entries as f64 / life.writing.as_secs_f64();
    let read_bytes = life.found as f64 / entries as f64 * life.written_bytes as f64;
    let read_speed = read_bytes / life.reading.as_secs_f64() / 1e6;
    println!(
        "{io:?}: {per_second:.0} durable entries a second, {} syncs a second; judged {:.0} MB at {read_speed:.0} MB/s",
        (life.sync_count as f64 / life.writing.as_secs_f64()) as u64,
        read_bytes / 1e6,
    );
}

#[test]
fn entries_are_found_again_on_the_best_backend() {
    entries_are_found_again(IoChoice::Auto);
}

#[test]
fn entries_are_found_again_on_the_portable_backend() {
    entries_are_found_again(IoChoice::Portable);
}
