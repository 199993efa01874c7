//! Segments go round: released ones are used again, idle ones are given back, a full budget makes writers wait.

use std::time::Duration;

use basalt_runtime::{
    Handle,
    sim::{CrashPolicy, Disk, FaultKind, FaultPlan, FaultRate, SimOptions},
};
use basalt_storage::{StorageError, Wal};

use crate::harness::{Entry, SEGMENT_BYTES, append, run, run_with, small_options, start};

fn entry(index: u64) -> Entry {
    Entry { partition: 0, index, body: vec![index as u8; 3000] }
}

async fn append_durably(wal: &Wal, indexes: std::ops::RangeInclusive<u64>) {
    for index in indexes {
        wal.durable(append(wal, &entry(index))).await.expect("the log is open");
    }
}

fn log_bytes(disk: &Disk) -> u64 {
    let files = disk.list_files().into_iter().filter(|path| path.ends_with(".wal"));
    files.map(|path| disk.read_file(std::path::Path::new(&path)).expect("it was listed").len() as u64).sum()
}

#[test]
fn a_log_that_is_released_stays_small_however_much_is_written() {
    let (ended, simulation) = run(1, Disk::new(), |handle| async move {
        let started = start(&handle, small_options()).await.expect("a new directory");
        for round in 0..40 {
            append_durably(&started.wal, round * 20 + 1..=round * 20 + 20).await;
            started.wal.set_needed_low(started.wal.next_lsn());
        }
        started.wal.counters()
    });
    let counters = ended.expect("nothing goes wrong");
    assert!(counters.segment_count > 40, "{counters:?}: the log went through many segments");
    let bytes = log_bytes(&simulation.disk());
    assert!(bytes <= 6 * SEGMENT_BYTES, "{bytes} bytes of log remain");
}

#[test]
fn an_idle_log_gives_its_space_back() {
    let (ended, mut simulation) = run(2, Disk::new(), |handle| async move {
        let started = start(&handle, small_options()).await.expect("a new directory");
        append_durably(&started.wal, 1..=100).await;
        started.wal.set_needed_low(started.wal.next_lsn());
        started
    });
    let started = ended.expect("nothing goes wrong");
    simulation.run_for(Duration::from_secs(30)).expect("nothing goes wrong");
    let bytes = log_bytes(&simulation.disk());
    assert!(bytes <= 2 * SEGMENT_BYTES, "{bytes} bytes of log remain: one segment in use and one prepared");
    assert_eq!(started.wal.used_bytes(), 4096, "the Seal that released the others");
}

#[test]
fn a_full_budget_makes_writers_wait_until_something_is_released() {
    let (ended, _) = run(3, Disk::new(), |handle| async move {
        let started = start(&handle, small_options()).await.expect("a new directory");
        let wal = started.wal.clone();
        let mut index = 0;
        while wal.used_bytes() + 4096 <= wal.budget_bytes() {
            index += 1;
            append_durably(&wal, index..=index).await;
        }
        let waiting = handle.spawn({
            let wal = wal.clone();
            async move { wal.room(4096).await }
        });
        handle.sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished(), "the budget is full");
        wal.set_needed_low(wal.next_lsn());
        waiting.await.expect("there is room now");
        wal.set_device_full(true);
        while wal.used_bytes() + 4096 <= wal.budget_bytes() {
            index += 1;
            append_durably(&wal, index..=index).await;
        }
        wal.room(4096).await
    });
    let refused = ended.expect("nothing goes wrong");
    assert!(matches!(refused, Err(StorageError::Full { .. })), "nothing can be released on a full device");
}

#[test]
fn an_entry_larger_than_a_segment_gets_a_segment_of_its_own() {
    let large = Entry { partition: 0, index: 1, body: vec![9; 5 * SEGMENT_BYTES as usize] };
    let expected = large.clone();
    let (ended, simulation) = run(4, Disk::new(), |handle| async move {
        let started = start(&handle, small_options()).await.expect("a new directory");
        started.wal.durable(append(&started.wal, &large)).await
    });
    ended.expect("nothing goes wrong").expect("the log is open");
    let disk = simulation.lose_power(CrashPolicy::LoseUnsynced);
    let (found, _) =
        run(5, disk, |handle| async move { start(&handle, small_options()).await.map(|it| it.found) });
    assert_eq!(found.expect("nothing goes wrong").expect("the log is whole"), vec![expected]);
}

async fn write_on(handle: Handle) -> Result<(), StorageError> {
    let started = start(&handle, small_options()).await?;
    append_durably(&started.wal, 1..=50).await;
    Ok(())
}

#[test]
fn a_failed_write_or_sync_of_the_log_ends_the_process() {
    for kind in [FaultKind::WriteError, FaultKind::SyncErrorKeeps, FaultKind::SyncErrorForgets] {
        let mut options = SimOptions::new(8);
        options.faults = FaultPlan::none().with(kind, FaultRate::Once(20)).only_paths_with("/wal/0/");
        let (ended, simulation) = run_with(options, Disk::new(), write_on);
        let fired = simulation.faults_fired();
        assert_eq!(fired.get(&kind), Some(&1), "{kind:?} struck");
        assert!(
            matches!(&ended, Err(basalt_runtime::sim::Ended::Stopped(reason)) if reason.contains("log")),
            "{ended:?}"
        );
    }
}
