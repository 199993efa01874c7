//! Bulk loads of a partition: seen whole or not at all, whatever happens meanwhile.

use std::{cell::Cell, collections::BTreeMap, rc::Rc, time::Duration};

use basalt_runtime::sim::{CrashPolicy, Disk, Random};
use basalt_storage::{Direction, EntryIndex, Partition, StorageError, StoreOptions};

use crate::harness::{self, Process, TABLE, rows};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
/// Rows as they are given to a load, in any order.
type Given = Vec<(Vec<u8>, Vec<u8>)>;

/// Rows in no order, more than a load keeps in memory, some of them twice; and what they come to.
fn random_rows(random: &mut Random) -> (Given, Rows) {
    let count = 1 + random.below(700);
    let mut given = Given::new();
    for _ in 0..count {
        let length = if random.below(3) == 0 { random.below(40_000) } else { random.below(4_000) };
        let key = (random.below(2 * count) as u32).to_be_bytes().to_vec();
        given.push((key, vec![random.below(256) as u8; length as usize]));
    }
    if random.below(3) == 0 {
        given.sort();
        given.dedup_by(|later, kept| later.0 == kept.0);
    }
    let rows = given.iter().cloned().collect();
    (given, rows)
}

async fn load(partition: &Partition, rows: &[(Vec<u8>, Vec<u8>)]) -> Result<(), StorageError> {
    let mut load = partition.begin_load().await?;
    for (key, value) in rows {
        load.put(key, value).await?;
    }
    load.finish().await
}

async fn found(partition: &Partition) -> Rows {
    rows(partition, Direction::Forward).await.into_iter().collect()
}

/// Loads, loses power at some instant, and looks; then once more. Returns whether the rows were there the first time.
fn crash_round(seed: u64) -> bool {
    let mut random = Random::new(seed);
    let (given, expected) = random_rows(&mut random);
    let options = StoreOptions {
        memory_budget_bytes: StoreOptions::MEMORY_BUDGET_BYTES_MIN,
        ..StoreOptions::default()
    };
    let mut process = Process::start_with(seed, Disk::new(), options.clone(), &[]);
    let is_done = Rc::new(Cell::new(false));
    process.begin({
        let (is_done, given) = (Rc::clone(&is_done), given.clone());
        async move |store| {
            let partition = store.partition(TABLE).expect("the table's partition is open");
            load(&partition, &given).await.expect("the disk takes it");
            is_done.set(true);
        }
    });
    process.run_for(Duration::from_micros(random.below(30_000)));
    let was_done = is_done.get();
    let materialised = process.materialised();
    let disk = process.lose_power(CrashPolicy::Any);

    let mut process = Process::start_with(seed + 1, disk, options.clone(), &materialised);
    let was_loaded = process.run({
        let expected = expected.clone();
        async move |store| {
            let partition = store.partition(TABLE).expect("the table's partition is open");
            let present = found(&partition).await;
            partition.check().await.expect("sound");
            assert!(present == expected || present.is_empty() && !was_done, "seed {seed}: all or nothing");
            let was_loaded = !present.is_empty();
            if !was_loaded {
                load(&partition, &given).await.expect("the partition is as empty as before");
            }
            harness::put(&partition, b"after", b"the load").await;
            was_loaded
        }
    });
    let materialised = [materialised, process.materialised()].concat();
    let disk = process.lose_power(CrashPolicy::Any);

    Process::start_with(seed + 2, disk, options, &materialised).run(async move |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        let mut expected = expected;
        expected.insert(b"after".to_vec(), b"the load".to_vec());
        assert!(found(&partition).await == expected, "seed {seed}: acknowledged rows stay");
        store.checkpoint().await.expect("the disk takes it");
        partition.check().await.expect("sound");
    });
    was_loaded
}

#[test]
fn a_crash_at_any_instant_leaves_all_of_a_load_or_nothing() {
    let outcomes: Vec<bool> = (0..60).map(|round| crash_round(round * 10)).collect();
    assert!(outcomes.contains(&true), "some loads came to their end");
    assert!(outcomes.contains(&false), "some did not");
}

#[test]
fn writers_wait_for_the_load_and_see_its_rows() {
    let mut process = Process::start(500, Disk::new());
    let handle = process.handle();
    process.run(async move |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        let mut load = partition.begin_load().await.expect("the partition is empty");
        load.put(b"key", b"loaded").await.expect("memory takes it");
        assert!(matches!(partition.begin_load().await, Err(StorageError::NotEmpty(TABLE))), "one at a time");
        let writer = partition.clone();
        let evaluated = handle.spawn(async move {
            let written = writer.write(|view, batch| {
                batch.put(b"other", b"written".to_vec());
                Ok(view.get(b"key")?.map(|row| row.value.to_vec()))
            });
            let (seen, commit) = written.await.expect("the write is logged");
            commit.wait().await.expect("the write becomes durable");
            seen
        });
        for _ in 0..100 {
            handle.yield_now().await;
            assert_eq!(harness::get(&partition, b"key").await, None, "nothing is seen before it is durable");
        }
        assert_eq!(partition.last_index(), EntryIndex::new(0), "the writer waits");
        load.finish().await.expect("the disk takes it");
        assert_eq!(evaluated.await.as_deref(), Some(b"loaded".as_slice()));
        assert_eq!(found(&partition).await.len(), 2);
    });
}

#[test]
fn only_an_empty_partition_is_loaded() {
    Process::start(501, Disk::new()).run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        harness::put(&partition, b"key", b"value").await;
        assert!(matches!(partition.begin_load().await, Err(StorageError::NotEmpty(TABLE))));
        harness::delete(&partition, b"key").await;
        let given = [(b"b".to_vec(), b"2".to_vec()), (b"a".to_vec(), b"1".to_vec())];
        load(&partition, &given).await.expect("what was deleted stands in nobody's way");
        assert_eq!(found(&partition).await, given.into_iter().collect());
        assert!(matches!(partition.begin_load().await, Err(StorageError::NotEmpty(TABLE))));
        partition.check().await.expect("sound");
    });
}

#[test]
fn a_load_that_is_given_up_leaves_the_partition_to_others() {
    Process::start(502, Disk::new()).run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        let mut load = partition.begin_load().await.expect("the partition is empty");
        for number in 0..3_000_u32 {
            load.put(&number.to_be_bytes(), &[1; 1000]).await.expect("the disk takes it");
        }
        drop(load);
        harness::put(&partition, b"key", b"value").await;
        store.checkpoint().await.expect("the disk takes it");
        assert_eq!(found(&partition).await.len(), 1);
        partition.check().await.expect("sound");
    });
}

#[test]
fn a_load_on_a_full_device_fails_and_leaves_nothing() {
    let mut process = Process::start(503, Disk::new());
    process.set_capacity_bytes(Some(24 << 20));
    process.run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        let rows: Vec<_> =
            (0..40_000_u32).map(|number| (number.to_be_bytes().to_vec(), vec![1; 1000])).collect();
        let refused = load(&partition, &rows).await;
        assert!(matches!(refused, Err(StorageError::Full { .. })), "{refused:?}");
        assert!(found(&partition).await.is_empty());
        load(&partition, &rows[..1000]).await.expect("there is room for these");
        assert_eq!(found(&partition).await.len(), 1000);
        partition.check().await.expect("sound");
    });
}
