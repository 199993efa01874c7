//! Counts, not times: how many syncs and frames the log needs.

use basalt_runtime::{Handle, sim::Disk};
use basalt_storage::{WalCounters, WalOptions};

use crate::harness::{Entry, append, run, start};

const WRITERS: u64 = 64;
const ENTRIES_EACH: u64 = 20;

async fn write_from_many(handle: Handle) -> WalCounters {
    let started = start(&handle, WalOptions::new(8 << 20, 1 << 20)).await.expect("a new directory");
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let wal = started.wal.clone();
            handle.spawn(async move {
                for index in 1..=ENTRIES_EACH {
                    let entry = Entry { partition: writer, index, body: vec![7; 300] };
                    wal.durable(append(&wal, &entry)).await.expect("the log is open");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await;
    }
    started.wal.counters()
}

#[test]
fn many_writers_share_few_syncs() {
    let (counters, _) = run(5, Disk::new(), write_from_many);
    let counters = counters.expect("nothing goes wrong");
    // Each writer waits for its own entry, so a round of all writers needs one sync; a few rounds are uneven.
    let rounds = ENTRIES_EACH;
    assert!(counters.sync_count >= rounds, "{counters:?}: nobody is answered without a sync");
    assert!(counters.sync_count <= 3 * rounds, "{counters:?}: {} entries", WRITERS * ENTRIES_EACH);
}

#[test]
fn one_writer_needs_one_sync_an_entry_and_one_seal_when_it_stops() {
    let (counters, mut simulation) = run(6, Disk::new(), |handle| async move {
        let started = start(&handle, WalOptions::new(8 << 20, 1 << 20)).await.expect("a new directory");
        for index in 1..=10 {
            let entry = Entry { partition: 0, index, body: vec![7; 300] };
            started.wal.durable(append(&started.wal, &entry)).await.expect("the log is open");
        }
        let before = started.wal.counters();
        handle.sleep(std::time::Duration::from_secs(1)).await;
        (before, started.wal.counters())
    });
    simulation.run_for(std::time::Duration::from_secs(1)).expect("nothing goes wrong");
    let (before, after) = counters.expect("nothing goes wrong");
    assert_eq!((before.sync_count, before.frame_count), (10, 10));
    assert_eq!((after.sync_count, after.frame_count), (10, 11), "the Seal is written once, without a sync");
}
