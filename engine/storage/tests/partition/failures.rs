//! Damaged and dropped partitions, and the others beside them.

use std::{path::Path, time::Duration};

use basalt_format::superblock::Superblock;
use basalt_runtime::sim::{CrashPolicy, Disk};
use basalt_storage::{Direction, PartitionId, ShardStore, StorageError, StoreOptions};

use crate::harness::{self, Process, TABLE, rows, spec};

const OTHER: PartitionId = PartitionId::new(2);
const TABLE_FILE: &str = "/data/part/01/0000000000000001.pt";
const BLOCK_BYTES: u64 = basalt_format::BLOCK_SIZE_BYTES as u64;

/// A log budget that tests can use up quickly.
fn small_log() -> StoreOptions {
    StoreOptions { log_budget_bytes: Some(StoreOptions::LOG_BUDGET_BYTES_MIN), ..StoreOptions::default() }
}

/// A table whose file holds a hundred rows, one page of which is damaged, and whose log holds one row more.
fn damaged_table(seed: u64) -> (Disk, Vec<harness::Materialised>) {
    let mut process = Process::start(seed, Disk::new());
    process.run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        for number in 0..100_u32 {
            harness::put(&partition, &number.to_be_bytes(), &[7; 1000]).await;
        }
        store.checkpoint().await.expect("the checkpoint succeeds");
        harness::put(&partition, b"later", b"value").await;
    });
    let materialised = process.materialised();
    let mut disk = process.kill();
    damage_root(&mut disk);
    (disk, materialised)
}

/// Flips a bit of the tree's root.
fn damage_root(disk: &mut Disk) {
    let newest = superblocks(disk).into_iter().max_by_key(|superblock| superblock.generation);
    let root = newest.and_then(|superblock| superblock.root).expect("the file holds rows");
    disk.flip_bits(Path::new(TABLE_FILE), root.block * BLOCK_BYTES + 100, 1).expect("the file is that long");
}

/// Superblocks A and B, which stand at blocks 0 and 4.
fn superblocks(disk: &Disk) -> [Superblock; 2] {
    let bytes = disk.read_file(Path::new(TABLE_FILE)).expect("the file was made");
    [0, 4].map(|block| {
        let start = block * BLOCK_BYTES as usize;
        Superblock::decode(&bytes[start..start + BLOCK_BYTES as usize]).expect("both superblocks are whole")
    })
}

async fn put_until_refused(store: &ShardStore, id: PartitionId, rows_max: u32) -> Option<StorageError> {
    let partition = store.partition(id).expect("the partition is open");
    for number in 0..rows_max {
        let written = partition
            .write(|_, batch| {
                batch.put(&(number % 100).to_be_bytes(), vec![3; 100_000]);
                Ok(())
            })
            .await;
        match written {
            Ok(((), commit)) => commit.wait().await.expect("the write becomes durable"),
            Err(error) => return Some(error),
        }
    }
    None
}

#[test]
fn writes_beside_a_damaged_partition_are_refused_and_not_left_waiting_when_it_holds_the_log() {
    let (disk, materialised) = damaged_table(20);
    let mut process = Process::start_with(21, disk, small_log(), &materialised);
    process.run(async |store| {
        store.create_partition(spec(OTHER));
        let refusal = put_until_refused(&store, OTHER, 1_000).await;
        assert!(
            matches!(refusal, Some(StorageError::Corrupt { partition: TABLE, .. })),
            "the log is full of what the damaged partition needs: {refusal:?}"
        );
        store.drop_partition(TABLE).await.expect("a damaged partition can be dropped");
        assert!(put_until_refused(&store, OTHER, 1_000).await.is_none(), "the log is free again");
    });
}

#[test]
fn a_damaged_partition_does_not_keep_the_others_from_their_checkpoints() {
    let (disk, materialised) = damaged_table(22);
    let mut process = Process::start_with(23, disk, small_log(), &materialised);
    process.run(async |store| {
        let other = store.create_partition(spec(OTHER));
        harness::put(&other, b"key", b"value").await;
        store.checkpoint().await.ok();
        assert_eq!(other.stats().applied, other.stats().committed);
        assert!(other.stats().row_count == 1);
        assert_eq!(
            store.metrics().overlay_bytes,
            0,
            "entries of a closed partition take no memory from the others"
        );
    });
}

#[test]
fn a_partition_may_be_dropped_at_any_moment_of_its_checkpoint() {
    for pause_us in (0..2_000).step_by(40) {
        let mut process = Process::start(1_000 + pause_us, Disk::new());
        let handle = process.handle();
        process.run(async move |store| {
            let partition = store.partition(TABLE).expect("the table's partition is open");
            harness::put(&partition, b"key", &[1; 5000]).await;
            let checkpointed = store.clone();
            let running = handle.spawn(async move { checkpointed.checkpoint().await });
            handle.sleep(Duration::from_micros(pause_us)).await;
            store.drop_partition(TABLE).await.expect("the partition is dropped");
            running.await.expect("the checkpoint of a dropped partition is no failure");
        });
        assert!(process.kill().read_file(Path::new(TABLE_FILE)).is_err(), "its file is gone");
    }
}

#[test]
fn the_older_superblock_finds_its_log_after_a_restart() {
    let mut process = Process::start(24, Disk::new());
    process.run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        for number in 0..100_u32 {
            harness::put(&partition, &number.to_be_bytes(), &[7; 1000]).await;
        }
        store.checkpoint().await.expect("the checkpoint succeeds");
        for number in 100..200_u32 {
            harness::put(&partition, &number.to_be_bytes(), &[7; 1000]).await;
        }
        // One checkpoint, no copy of its superblock: the other one lacks the second hundred.
        store.close(Duration::from_millis(500)).await.expect("the store closes");
    });
    let materialised = process.materialised();
    let disk = process.kill();
    let mut process = Process::start_with(25, disk, StoreOptions::default(), &materialised);
    process.run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        for number in 200..210_u32 {
            harness::put(&partition, &number.to_be_bytes(), &[7; 1000]).await;
        }
    });
    let mut disk = process.lose_power(CrashPolicy::Any);
    damage_newer_superblock(&mut disk);
    Process::start_with(26, disk, StoreOptions::default(), &materialised).run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        assert_eq!(rows(&partition, Direction::Forward).await.len(), 210);
    });
}

fn damage_newer_superblock(disk: &mut Disk) {
    let [first, second] = superblocks(disk).map(|superblock| superblock.generation);
    let block = if first > second { 0 } else { 4 };
    disk.flip_bits(Path::new(TABLE_FILE), block * BLOCK_BYTES + 200, 1).expect("the file is that long");
}
