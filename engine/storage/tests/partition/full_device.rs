//! A device without space: puts are refused, nothing hangs, deletes go on, and what was acknowledged is there when space
//! is, with a start and without one.

use std::{ops::Range, time::Duration};

use basalt_runtime::{Handle, sim::Disk};
use basalt_storage::{Partition, ShardStore, StorageError, StoreOptions};

use crate::harness::{self, Materialised, Process, TABLE};

const CAPACITY_BYTES: u64 = 6 << 20;
const VALUE_BYTES: usize = 60_000;
/// Rows that are deleted while the device is full.
const DELETED: Range<u32> = 0..10;
/// Time for checkpoints and for preparing log.
const A_WHILE: Duration = Duration::from_secs(5);

fn table(store: &ShardStore) -> Partition {
    store.partition(TABLE).expect("the table's partition is open")
}

fn value(number: u32) -> Vec<u8> {
    vec![number as u8; VALUE_BYTES]
}

/// Whether the row was written; not, because the device is full.
async fn try_put(partition: &Partition, number: u32, value: &[u8]) -> bool {
    let written = partition.write(|_, batch| {
        batch.put(&number.to_be_bytes(), value.to_vec());
        Ok(())
    });
    match written.await {
        Ok(((), commit)) => {
            commit.wait().await.expect("what was admitted becomes durable");
            true
        }
        Err(StorageError::Full { .. }) => false,
        Err(other) => panic!("{other}"),
    }
}

/// Puts rows until the device takes no more, although it had time to write its checkpoints; how many there are.
async fn fill(handle: &Handle, partition: &Partition, value: impl Fn(u32) -> Vec<u8>) -> u32 {
    let (mut number, mut refusals) = (0, 0);
    while refusals < 3 {
        if try_put(partition, number, &value(number)).await {
            (number, refusals) = (number + 1, 0);
        } else {
            refusals += 1;
            handle.sleep(A_WHILE).await;
        }
    }
    number
}

/// Fills the device and deletes rows on it; how many rows were put.
async fn fill_and_delete(handle: &Handle, partition: &Partition) -> u32 {
    let written = fill(handle, partition, value).await;
    assert!(written > 2 * DELETED.end, "{written}");
    expect_rows(partition, 0..written).await;
    for number in DELETED {
        harness::delete(partition, &number.to_be_bytes()).await;
    }
    expect_deleted(partition, written).await;
    written
}

async fn expect_rows(partition: &Partition, numbers: Range<u32>) {
    for number in numbers {
        let found = harness::get(partition, &number.to_be_bytes()).await;
        assert!(found == Some(value(number)), "row {number}");
    }
}

async fn expect_deleted(partition: &Partition, written: u32) {
    for number in DELETED {
        assert_eq!(harness::get(partition, &number.to_be_bytes()).await, None, "row {number}");
    }
    expect_rows(partition, DELETED.end..written).await;
}

/// A process on a device that is full soon.
fn start(seed: u64) -> Process {
    let mut disk = Disk::new();
    disk.set_capacity_bytes(Some(CAPACITY_BYTES));
    Process::start(seed, disk)
}

/// Fills the device, deletes rows on it, and kills the process; how many rows were put.
fn filled(seed: u64) -> (Disk, Vec<Materialised>, u32) {
    let mut process = start(seed);
    let handle = process.handle();
    let written = process.run(async move |store| fill_and_delete(&handle, &table(&store)).await);
    let materialised = process.materialised();
    (process.kill(), materialised, written)
}

#[test]
fn rows_are_deleted_on_a_full_device_and_puts_go_on_without_a_start_when_space_is_back() {
    let mut process = start(30);
    let handle = process.handle();
    let written = process.run(async move |store| fill_and_delete(&handle, &table(&store)).await);
    process.set_capacity_bytes(None);
    let handle = process.handle();
    process.run(async move |store| {
        let partition = table(&store);
        handle.sleep(A_WHILE).await;
        assert!(try_put(&partition, written, &value(written)).await, "there is space");
        expect_deleted(&partition, written + 1).await;
        partition.check().await.expect("the tree is sound");
    });
}

#[test]
fn a_full_device_is_emptied_by_deletes_and_takes_as_much_again() {
    for (seed, capacity_bytes, value_bytes) in
        [(50, 6 << 20, 60_000), (51, 12 << 20, 300), (52, 32 << 20, 3_000)]
    {
        let mut disk = Disk::new();
        disk.set_capacity_bytes(Some(capacity_bytes));
        let mut process = Process::start(seed, disk);
        let handle = process.handle();
        process.run(async move |store| {
            let partition = table(&store);
            let first = fill(&handle, &partition, |_| vec![7; value_bytes]).await;
            for number in 0..first {
                harness::delete(&partition, &number.to_be_bytes()).await;
            }
            handle.sleep(A_WHILE).await;
            let second = fill(&handle, &partition, |_| vec![7; value_bytes]).await;
            assert!(second >= first * 2 / 3, "seed {seed}: {first} rows, then {second}");
            partition.check().await.expect("the tree is sound");
        });
    }
}

#[test]
fn kills_on_a_full_device_do_not_use_up_what_starts_need() {
    let (mut disk, materialised, written) = filled(40);
    for seed in 41..49 {
        let mut process = Process::start_with(seed, disk, StoreOptions::default(), &materialised);
        let handle = process.handle();
        process.run(async move |store| {
            let partition = table(&store);
            expect_deleted(&partition, written).await;
            harness::delete(&partition, b"nothing").await;
            handle.sleep(A_WHILE).await;
        });
        disk = process.kill();
    }
}

#[test]
fn a_start_on_a_full_device_ends_and_a_start_with_space_finds_everything() {
    let (mut disk, materialised, written) = filled(40);
    // Whether a segment was left for the next start is chance; that the start ends is not.
    for seed in 41..44 {
        match Process::try_start(seed, disk.clone(), StoreOptions::default(), &materialised) {
            Ok(process) => disk = process.kill(),
            Err(error) => assert!(matches!(error, StorageError::Full { .. }), "{error}"),
        }
    }
    disk.set_capacity_bytes(None);
    Process::start_with(44, disk, StoreOptions::default(), &materialised).run(async move |store| {
        let partition = table(&store);
        expect_deleted(&partition, written).await;
        harness::put(&partition, b"after", b"value").await;
    });
}
