//! A shard's store from outside: what readers see, what answers wait for, what a restart finds.
//!
//! Runs on the simulated disk, one shard, one seed a test.

mod failures;
mod full_device;
mod groups;
mod harness;
mod loads;
mod shard_counts;
mod snapshots;
mod write_volume;

use std::{cell::RefCell, ops::ControlFlow, rc::Rc, time::Duration};

use basalt_runtime::sim::{CrashPolicy, Disk};
use basalt_storage::{Direction, EntryIndex, KeyRange, PartitionId, Refusal, StorageError, StoreOptions};

use harness::{Process, TABLE, rows};

#[test]
fn committed_writes_are_read_and_survive_a_crash() {
    let mut process = Process::start(1, Disk::new());
    process.run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        for number in 0..300_u32 {
            harness::put(&partition, &number.to_be_bytes(), &[7; 300]).await;
        }
        harness::delete(&partition, &5_u32.to_be_bytes()).await;
        assert_eq!(rows(&partition, Direction::Forward).await.len(), 299);
    });
    let disk = process.lose_power(CrashPolicy::Any);

    Process::start(2, disk).run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        let found = rows(&partition, Direction::Backward).await;
        assert_eq!(found.len(), 299);
        assert!(found.windows(2).all(|pair| pair[0].0 > pair[1].0));
        assert!(found.iter().all(|(key, value)| key != &5_u32.to_be_bytes() && value == &[7; 300]));
    });
}

#[test]
fn an_entry_is_invisible_to_readers_until_it_is_durable() {
    Process::start(3, Disk::new()).run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        let commit = harness::log_put(&partition, b"key", b"value").await;
        assert_eq!(harness::get(&partition, b"key").await, None, "not durable yet");
        let (seen, depends) = partition
            .write(|view, _| Ok(view.get(b"key")?.map(|row| row.value.to_vec())))
            .await
            .expect("the evaluation succeeds");
        assert_eq!(seen.as_deref(), Some(b"value".as_slice()), "evaluations see the newest state");
        let answered = Rc::new(RefCell::new(Vec::new()));
        depends.wait().await.expect("what it read becomes durable");
        answered.borrow_mut().push("after the entry it read");
        assert_eq!(harness::get(&partition, b"key").await.as_deref(), Some(b"value".as_slice()));
        commit.wait().await.expect("the write is durable");
        assert_eq!(answered.borrow().len(), 1);
    });
}

#[test]
fn cursors_merge_the_tree_with_newer_entries_in_both_directions() {
    Process::start(4, Disk::new()).run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        for number in (0..200_u32).step_by(2) {
            harness::put(&partition, &number.to_be_bytes(), b"old").await;
        }
        store.checkpoint().await.expect("the checkpoint succeeds");
        for number in (0..200_u32).step_by(3) {
            harness::put(&partition, &number.to_be_bytes(), b"new").await;
        }
        for number in (0..200_u32).step_by(10) {
            harness::delete(&partition, &number.to_be_bytes()).await;
        }
        let wanted: Vec<(Vec<u8>, Vec<u8>)> = (0..200_u32)
            .filter(|number| number % 10 != 0 && (number % 2 == 0 || number % 3 == 0))
            .map(|number| {
                let value: &[u8] = if number % 3 == 0 { b"new" } else { b"old" };
                (number.to_be_bytes().to_vec(), value.to_vec())
            })
            .collect();
        assert_eq!(rows(&partition, Direction::Forward).await, wanted);
        let mut backward = rows(&partition, Direction::Backward).await;
        backward.reverse();
        assert_eq!(backward, wanted);
        partition.check().await.expect("the tree is sound");
    });
}

#[test]
fn an_idle_shard_writes_its_partitions_and_releases_its_log() {
    let mut process = Process::start(5, Disk::new());
    process.run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        for number in 0..100_u32 {
            harness::put(&partition, &number.to_be_bytes(), &[1; 1000]).await;
        }
    });
    process.run_for(Duration::from_secs(5));
    process.run(async |store| {
        let metrics = store.metrics();
        assert_eq!(metrics.dirty_bytes, 0);
        assert_eq!(metrics.overlay_bytes, 0);
        assert!(metrics.checkpoint_count >= 2, "a checkpoint and a copy of its superblock");
        assert!(
            metrics.log_used_bytes < 64 << 10,
            "only what the checkpoints themselves logged: {metrics:?}"
        );
    });
    let materialised = process.materialised();
    assert_eq!(materialised.len(), 1);
    let disk = process.kill();
    Process::start_with(6, disk, StoreOptions::default(), &materialised).run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        assert_eq!(partition.stats().row_count, 100);
        assert_eq!(partition.stats().committed, EntryIndex::new(100));
    });
}

#[test]
fn a_missing_file_that_the_catalog_knows_is_refused() {
    let mut process = Process::start(7, Disk::new());
    process.run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        harness::put(&partition, b"key", b"value").await;
        store.checkpoint().await.expect("the checkpoint succeeds");
    });
    let materialised = process.materialised();
    let refused = Process::try_start(8, Disk::new(), StoreOptions::default(), &materialised);
    assert!(matches!(refused, Err(StorageError::Refused(Refusal::MissingFile { .. }))));
}

#[test]
fn a_dropped_partition_is_gone_and_holds_no_log() {
    Process::start(9, Disk::new()).run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        harness::put(&partition, b"key", b"value").await;
        store.checkpoint().await.expect("the checkpoint succeeds");
        harness::put(&partition, b"key", b"newer").await;
        store.drop_partition(TABLE).await.expect("the partition is dropped");
        assert!(store.partition(TABLE).is_none());
        assert!(matches!(
            partition.read(|view| Ok(view.get(b"key")?.is_some())).await,
            Err(StorageError::UnknownPartition(id)) if id == TABLE
        ));
        assert!(store.metrics().log_used_bytes < 64 << 10);
        assert_eq!(store.metrics().overlay_bytes, 0);
    });
}

#[test]
fn closing_finishes_what_is_logged_and_refuses_what_comes_after() {
    let mut process = Process::start(10, Disk::new());
    process.run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        let commit = harness::log_put(&partition, b"key", b"value").await;
        store.close(Duration::from_millis(500)).await.expect("the store closes");
        commit.wait().await.expect("what was logged before is durable");
        let refused = partition
            .write(|_, batch| {
                batch.delete(b"key");
                Ok(())
            })
            .await;
        assert!(matches!(refused, Err(StorageError::Closed)));
    });
    let materialised = process.materialised();
    let disk = process.lose_power(CrashPolicy::Any);
    Process::start_with(11, disk, StoreOptions::default(), &materialised).run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        assert_eq!(harness::get(&partition, b"key").await.as_deref(), Some(b"value".as_slice()));
    });
}

#[test]
fn data_larger_than_memory_is_written_and_read_back() {
    const ROWS: u32 = 4_000;
    let options = StoreOptions {
        memory_budget_bytes: StoreOptions::MEMORY_BUDGET_BYTES_MIN,
        ..StoreOptions::default()
    };
    let mut process =
        Process::try_start(12, Disk::new(), options.clone(), &[]).expect("a new directory opens");
    process.run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        for number in 0..ROWS {
            harness::put(&partition, &number.wrapping_mul(2_654_435_761).to_be_bytes(), &[3; 8_000]).await;
        }
        let mut count = 0;
        let mut last: Option<Vec<u8>> = None;
        partition
            .read(|view| {
                let range = match &last {
                    Some(key) => KeyRange::ALL.after(key, Direction::Forward),
                    None => KeyRange::ALL,
                };
                let mut cursor = view.cursor(range, Direction::Forward);
                let mut passed = None;
                let end = loop {
                    match cursor.next() {
                        Ok(Some((key, row))) => {
                            assert_eq!(row.value.len(), 8_000);
                            passed = Some(key.to_vec());
                            count += 1;
                        }
                        Ok(None) => break Ok(()),
                        Err(stop) => break Err(stop),
                    }
                };
                drop(cursor);
                last = passed.or(last.take());
                end
            })
            .await
            .expect("the scan comes through");
        let (mut lent, mut passed) = (0, Vec::new());
        partition
            .read(|view| {
                let last = passed.clone();
                let rest = match last.is_empty() {
                    true => KeyRange::ALL,
                    false => KeyRange::ALL.after(&last, Direction::Backward),
                };
                view.cursor(rest, Direction::Backward).for_each(&mut passed, |row| {
                    assert_eq!(row.value.len(), 8_000);
                    lent += 1;
                    ControlFlow::Continue(())
                })
            })
            .await
            .expect("the visit comes through");
        assert_eq!(lent, ROWS, "by the leaf, too");
        assert_eq!(count, ROWS);
    });
}

#[test]
fn unknown_partitions_records_are_passed_over() {
    const OTHER: PartitionId = PartitionId::new(99);
    let mut process = Process::start(13, Disk::new());
    process.run(async |store| {
        let dropped = store.create_partition(harness::spec(OTHER));
        harness::put(&dropped, b"key", b"value").await;
        let kept = store.partition(TABLE).expect("the table's partition is open");
        harness::put(&kept, b"key", b"value").await;
    });
    let disk = process.lose_power(CrashPolicy::Any);
    Process::start(14, disk).run(async |store| {
        assert!(store.partition(OTHER).is_none());
        let kept = store.partition(TABLE).expect("the table's partition is open");
        assert_eq!(harness::get(&kept, b"key").await.as_deref(), Some(b"value".as_slice()));
    });
}

#[test]
fn files_of_partitions_that_nobody_knows_are_found_and_removed() {
    const OTHER: PartitionId = PartitionId::new(0x1_0042);
    let mut process = Process::start(15, Disk::new());
    process.run(async |store| {
        let dropped = store.create_partition(harness::spec(OTHER));
        harness::put(&dropped, b"key", b"value").await;
        store.checkpoint().await.expect("the checkpoint succeeds");
    });
    let disk = process.kill();
    Process::start(16, disk).run(async |store| {
        assert_eq!(store.partition_files().await.expect("the directory is read"), [OTHER]);
        store.remove_partition_file(OTHER).await.expect("the file is removed");
        store.remove_partition_file(OTHER).await.expect("it may be gone already");
        assert_eq!(store.partition_files().await.expect("the directory is read"), []);
    });
}

/// A checkpoint writes each changed leaf whole: the more writes share one, the less each of them costs.
#[test]
fn a_busy_small_table_is_checkpointed_only_when_half_of_its_log_is_used() {
    const ROWS: u32 = 1_000;
    const ROUNDS: u32 = 20;
    let mut process = Process::start(19, Disk::new());
    process.run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        for number in 0..ROWS * ROUNDS {
            let key = (number % ROWS).wrapping_mul(2_654_435_761).to_be_bytes();
            drop(harness::log_put(&partition, &key, &[7; 1_000]).await);
        }
        harness::put(&partition, b"last", b"value").await;
        let metrics = store.metrics();
        assert_eq!(metrics.checkpoint_count, 0, "{metrics:?}");
        assert!(metrics.log_used_bytes > u64::from(ROWS * ROUNDS) * 1_000, "{metrics:?}");
        assert_eq!(metrics.log_budget_bytes, StoreOptions::LOG_BUDGET_BYTES_DEFAULT_MIN);
    });
}

#[test]
fn many_partitions_need_few_descriptors() {
    const PARTITIONS: u64 = 60;
    const FILES_MAX: u32 = 16;
    let options = StoreOptions { partition_files_max: FILES_MAX, ..StoreOptions::default() };
    let mut process = Process::start_with(18, Disk::new(), options, &[]);
    let before = process.descriptor_count();
    process.run(async |store| {
        let created =
            (100..100 + PARTITIONS).map(|id| store.create_partition(harness::spec(PartitionId::new(id))));
        let partitions: Vec<_> = created.collect();
        for round in 0..3_u8 {
            for partition in &partitions {
                harness::put(partition, &[round], &[round; 100]).await;
            }
            store.checkpoint().await.expect("files are opened again as they are needed");
        }
        for partition in &partitions {
            assert_eq!(harness::rows(partition, Direction::Forward).await.len(), 3);
            partition.check().await.expect("the tree is sound");
        }
    });
    let opened = process.descriptor_count() - before;
    // The log has a segment open, too.
    assert!(opened <= FILES_MAX as usize + 2, "{opened} descriptors");
}

#[test]
fn an_idle_shard_gives_the_space_of_deleted_rows_back() {
    const ROWS: u32 = 1_500;
    let mut process = Process::start(17, Disk::new());
    process.run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        for number in 0..ROWS {
            harness::put(&partition, &number.to_be_bytes(), &[5; 4_000]).await;
        }
    });
    process.run_for(Duration::from_secs(10));
    let full = process.table_file_bytes();
    assert!(full > u64::from(ROWS) * 4_000, "{full}");
    process.run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        for number in 0..ROWS {
            if number % 50 != 0 {
                harness::delete(&partition, &number.to_be_bytes()).await;
            }
        }
    });
    process.run_for(Duration::from_secs(60));
    let left = process.table_file_bytes();
    assert!(left < full / 8, "{left} of {full} bytes for a fiftieth of the rows");
    process.run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        partition.check().await.expect("the tree is sound");
        assert_eq!(rows(&partition, Direction::Forward).await.len(), (ROWS / 50) as usize);
    });
}
