//! The write-ahead log alone: entries of 300 bytes, each waited for, by one and by many writers.

mod bounded;

use std::{rc::Rc, time::Duration};

use basalt_benches::shard_thread::{FilePlace, ShardThread};
use basalt_format::wal::{Record, RecordKind};
use basalt_runtime::{Handle, join_all};
use basalt_storage::{Lsn, Node, StreamId, Wal, WalOptions};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ENTRY_BYTES: usize = 300;
const LOG_BUDGET_BYTES: u64 = 256 << 20;
const FRAME_SOFT_LIMIT_BYTES: u32 = 1 << 20;
/// The log behind is given up after this many rounds of entries, as checkpoints would.
const ROUNDS_BETWEEN_RELEASES: u64 = 64;

#[derive(Clone)]
struct Log {
    handle: Handle,
    wal: Wal,
    _node: Rc<Node>,
}

fn start(place: &FilePlace) -> ShardThread<Log> {
    ShardThread::start(place, |handle, directory| async move {
        let node = Node::judge(&handle, &directory, 1).await.expect("an empty directory can be opened");
        node.act().await.expect("the directory can be taken over");
        let options = WalOptions::new(LOG_BUDGET_BYTES, FRAME_SOFT_LIMIT_BYTES);
        let wal = Wal::start(&handle, &directory, &node.facts(), StreamId::new(0), options).await;
        Log { handle, wal: wal.expect("a log can be started"), _node: Rc::new(node) }
    })
}

fn appends(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let mut group = criterion.benchmark_group("log");
    for (name, place) in
        [("in memory", FilePlace::Memory), ("on disk", FilePlace::Directory(directory.path().into()))]
    {
        let log = start(&place);
        for writers in [1, 16, 64] {
            group.throughput(Throughput::Elements(writers));
            group.bench_function(format!("{writers} durable entries {name}"), |bencher| {
                bencher.iter_custom(|times| log.run(move |log| append(log, writers, times)));
            });
        }
    }
}

/// In each round every writer appends an entry and waits for it.
async fn append(log: Log, writers: u64, rounds: u64) -> Duration {
    let body = [7; ENTRY_BYTES];
    let started = log.handle.now();
    for round in 1..=rounds {
        let waiting: Vec<_> =
            (0..writers).map(|writer| log.wal.durable(log.wal.append(&entry(writer, &body)))).collect();
        for durable in join_all(waiting).await {
            durable.expect("the log is open");
        }
        if round % ROUNDS_BETWEEN_RELEASES == 0 {
            let durable: Lsn = log.wal.durable_lsn();
            log.wal.set_needed_low(durable);
        }
    }
    log.handle.now() - started
}

fn entry(partition: u64, body: &[u8]) -> Record<'_> {
    Record { kind: RecordKind::Effects, flags: 0, partition, term: 1, index: 1, hybrid_time: 1, body }
}

criterion_group! { name = benches; config = bounded::criterion(); targets = appends }
criterion_main!(benches);
