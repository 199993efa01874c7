//! A device without space: writes are refused, nothing hangs, and what was acknowledged is there when space is.

use std::{cell::RefCell, rc::Rc};

use basalt_runtime::sim::Disk;
use basalt_storage::{StorageError, StoreOptions};

use crate::harness::{self, Process, TABLE};

const CAPACITY_BYTES: u64 = 6 << 20;

#[test]
fn a_start_on_a_full_device_ends_and_a_start_with_space_finds_everything() {
    let mut disk = Disk::new();
    disk.set_capacity_bytes(Some(CAPACITY_BYTES));
    let mut process = Process::start(40, disk);
    let acknowledged = Rc::new(RefCell::new(0_u32));
    let told = Rc::clone(&acknowledged);
    process.run(async move |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        loop {
            let number = *told.borrow();
            let written = partition
                .write(|_, batch| {
                    batch.put(&number.to_be_bytes(), vec![number as u8; 60_000]);
                    Ok(())
                })
                .await;
            match written {
                Ok(((), commit)) => commit.wait().await.expect("what was admitted becomes durable"),
                Err(StorageError::Full { .. }) => return,
                Err(other) => panic!("{other}"),
            }
            *told.borrow_mut() = number + 1;
        }
    });
    let materialised = process.materialised();
    let mut disk = process.kill();
    // Whether a segment was left for the next start is chance; that the start ends is not.
    for seed in 41..44 {
        match Process::try_start(seed, disk.clone(), StoreOptions::default(), &materialised) {
            Ok(process) => disk = process.kill(),
            Err(error) => assert!(matches!(error, StorageError::Full { .. }), "{error}"),
        }
    }
    disk.set_capacity_bytes(None);
    let written = *acknowledged.borrow();
    assert!(written > 10, "{written}");
    Process::start_with(44, disk, StoreOptions::default(), &materialised).run(async move |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        for number in 0..written {
            let found = harness::get(&partition, &number.to_be_bytes()).await;
            assert_eq!(found, Some(vec![number as u8; 60_000]), "{number}");
        }
        harness::put(&partition, b"after", b"value").await;
    });
}
