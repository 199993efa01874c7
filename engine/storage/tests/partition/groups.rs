//! What is written to several partitions together: seen together, and after a crash there whole or not at all.
//!
//! Writers of a small log put numbered groups of rows, many of them larger than a frame aims to be, between single
//! writes; readers look at all partitions at once. The process crashes at some I/O event, again and again.

use std::{cell::RefCell, collections::BTreeMap, path::Path, rc::Rc};

use basalt_runtime::{
    Handle, ShardIndex,
    sim::{
        CrashPolicy, Disk, Ended, Random, SimOptions, Simulation,
        planted::{PlantedBug, plant},
    },
};
use basalt_storage::{
    CATALOG_PARTITION, Direction, KeyRange, Node, Partition, PartitionId, ShardStore, Stop, StorageError,
    StoreHooks, StoreOptions, View,
};

use crate::harness::{Process, TABLE, get, put, spec};

const SHARD: ShardIndex = ShardIndex(0);
const PARTITIONS: u64 = 3;
const WRITERS: u64 = 4;
/// Directories that go through crashes.
const SEEDS: u64 = 40;
const ROUNDS: u32 = 8;

/// A group's number, and the places of the partitions that it wrote to.
type Groups = BTreeMap<u64, Vec<usize>>;

/// What was acknowledged, over all lives of one directory.
#[derive(Default)]
struct Model {
    next: u64,
    acknowledged: Groups,
}

type SharedModel = Rc<RefCell<Model>>;

#[test]
fn groups_are_whole_or_absent_after_every_crash() {
    assert_eq!(first_failure(), None);
}

#[test]
fn a_group_split_over_two_frames_is_found() {
    let _planted = plant(PlantedBug::SplitGroup);
    assert!(first_failure().is_some(), "SplitGroup was not found in {SEEDS} directories");
}

#[test]
fn an_evaluation_knows_the_index_and_time_that_its_entry_gets() {
    Process::start(1, Disk::new()).run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        put(&partition, b"before", b"value").await;
        let write = partition.write(|view, batch| {
            let before = view.get(b"before")?.expect("it was put").last_write;
            batch.put(b"after", b"value".as_slice());
            Ok((before, batch.index(), batch.hybrid_time()))
        });
        let ((before, index, time), commit) = write.await.expect("the write is logged");
        commit.wait().await.expect("the write becomes durable");
        let stored = partition.read(|view| Ok(view.get(b"after")?.map(|row| row.last_write))).await;
        assert_eq!(stored.expect("the read succeeds"), Some(time));
        assert_eq!(partition.stats().committed, index);
        assert!(time > before);
    });
}

#[test]
fn entries_that_exceed_a_frame_together_are_refused_and_change_nothing() {
    Process::start(2, Disk::new()).run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        let neighbour = store.create_partition(spec(PartitionId::new(2)));
        let both = [partition.clone(), neighbour.clone()];
        let write = |value: Vec<u8>| {
            store.write_together(&both, move |_, batches| {
                batches.iter_mut().for_each(|batch| batch.put(b"key", value.clone()));
                Ok(())
            })
        };
        let refused = write(vec![1; 33 << 20]).await;
        assert!(matches!(refused, Err(StorageError::TooLarge { .. })));
        assert_eq!(get(&partition, b"key").await, None);
        let ((), commit) = write(vec![1; 20 << 20]).await.expect("it fits a frame");
        commit.wait().await.expect("the write becomes durable");
        assert_eq!(get(&neighbour, b"key").await.map(|value| value.len()), Some(20 << 20));
    });
}

#[test]
fn pages_that_several_partitions_miss_are_fetched() {
    let options = StoreOptions { memory_budget_bytes: 16 << 20, ..StoreOptions::default() };
    Process::start_with(3, Disk::new(), options, &[]).run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        let neighbour = store.create_partition(spec(PartitionId::new(2)));
        let both = [partition, neighbour];
        for number in 0..600_u32 {
            for partition in &both {
                put(partition, &number.to_be_bytes(), &[number as u8; 30 << 10]).await;
            }
            if number % 100 == 99 {
                store.checkpoint().await.expect("the checkpoint succeeds");
            }
        }
        let key = 3_u32.to_be_bytes();
        let sums = |views: &[View<'_>]| {
            let first = |view: &View<'_>| Ok::<_, Stop>(view.get(&key)?.map_or(0, |row| row.value[0]));
            views.iter().map(first).collect::<Result<Vec<u8>, Stop>>()
        };
        assert_eq!(store.read_together(&both, sums).await.expect("the read succeeds"), [3, 3]);
        let copied = store.write_together(&both, |views, batches| {
            let values = sums(views)?;
            batches.iter_mut().zip(&values).for_each(|(batch, &value)| batch.put(b"copy", vec![value]));
            Ok(())
        });
        copied.await.expect("the write is logged").1.wait().await.expect("the write becomes durable");
        assert_eq!(get(&both[1], b"copy").await, Some(vec![3]));
    });
}

/// Runs every directory; tells the first failure with its seed.
fn first_failure() -> Option<String> {
    (0..SEEDS).find_map(|seed| campaign(seed).err().map(|failure| format!("SIM_SEED={seed}: {failure}")))
}

fn campaign(seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let model = SharedModel::default();
    let mut disk = Disk::new();
    for _ in 0..ROUNDS {
        let mut options = SimOptions::new(random.next_u64());
        options.crash_at_event = Some(random.between(1, 300));
        let mut simulation = Simulation::new(options, disk);
        let life = live(simulation.handle(SHARD), Rc::clone(&model), random.fork());
        match simulation.run_until(SHARD, life) {
            Ok(Ok(())) | Err(Ended::AtEvent) => {}
            Ok(Err(failure)) => return Err(failure),
            Err(ended) => return Err(format!("the process ended by itself: {ended:?}")),
        }
        disk = simulation.lose_power(CrashPolicy::Any);
    }
    Ok(())
}

/// A process: recovery, a look at what is there, then writers and a reader.
async fn live(handle: Handle, model: SharedModel, mut random: Random) -> Result<(), String> {
    let (node, store) = start(&handle).await.map_err(|error| error.to_string())?;
    let partitions: Vec<Partition> = (1..=PARTITIONS)
        .map(|id| store.partition(PartitionId::new(id)).expect("every partition was opened"))
        .collect();
    let found = whole_groups(&store, &partitions).await?;
    let lost = model.borrow().acknowledged.keys().find(|number| !found.contains_key(number)).copied();
    if let Some(number) = lost {
        return Err(format!("group {number} was acknowledged and is gone"));
    }
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let work = write(store.clone(), partitions.clone(), Rc::clone(&model), random.fork());
            handle.spawn(work)
        })
        .collect();
    for _ in 0..random.between(1, 6) {
        whole_groups(&store, &partitions).await?;
        handle.sleep(std::time::Duration::from_micros(random.below(2000))).await;
    }
    for writer in writers {
        writer.await?;
    }
    drop(node);
    Ok(())
}

async fn start(handle: &Handle) -> Result<(Node, ShardStore), StorageError> {
    let directory = Path::new("/data");
    let options = StoreOptions {
        frame_soft_limit_bytes: 64 << 10,
        log_segment_bytes_min: 64 << 10,
        hold_checkpoints: true,
        ..StoreOptions::default()
    };
    let hooks = StoreHooks { materialised: Box::new(|_, _| Box::pin(async { Ok(()) })) };
    let node = Node::judge(handle, directory, 1).await?;
    let store = ShardStore::prepare(handle, directory, node.facts(), options, 1, hooks);
    store.open_partitions(vec![spec(CATALOG_PARTITION)]).await?;
    store.open_partitions((1..=PARTITIONS).map(|id| spec(PartitionId::new(id))).collect()).await?;
    node.act().await?;
    store.replay(|_bytes| {}).await?;
    store.go_live().await?;
    Ok((node, store))
}

async fn write(
    store: ShardStore,
    partitions: Vec<Partition>,
    model: SharedModel,
    mut random: Random,
) -> Result<(), String> {
    let text = |error: StorageError| error.to_string();
    for _ in 0..random.between(1, 8) {
        if random.chance(300) {
            let filler = vec![7; random.index(20 << 10)];
            let lonely = &partitions[random.index(partitions.len())];
            let put = lonely.write(|_, batch| {
                batch.put(b"filler", filler.clone());
                Ok(())
            });
            drop(put.await.map_err(text)?);
        }
        let number = {
            let mut model = model.borrow_mut();
            model.next += 1;
            model.next
        };
        let places: Vec<usize> = match random.below(4) {
            0 => vec![0, 1],
            1 => vec![2, 0],
            _ => vec![0, 1, 2],
        };
        let group: Vec<Partition> = places.iter().map(|&place| partitions[place].clone()).collect();
        let padding_max = if random.coin() { 100 } else { 40 << 10 };
        let padding = random.index(padding_max);
        let value = value_of(&places, padding);
        let written = store.write_together(&group, |_, batches| {
            batches.iter_mut().for_each(|batch| batch.put(&number.to_be_bytes(), value.clone()));
            Ok(())
        });
        let ((), commit) = written.await.map_err(text)?;
        if random.chance(700) {
            commit.wait().await.map_err(text)?;
            model.borrow_mut().acknowledged.insert(number, places);
        }
    }
    Ok(())
}

/// The places that the group went to, then padding.
fn value_of(places: &[usize], padding: usize) -> Vec<u8> {
    let mut value = vec![places.iter().map(|place| 1 << place).sum()];
    value.resize(1 + padding, 0xaa);
    value
}

/// The groups that are there; an error if one is not in all of its partitions.
async fn whole_groups(store: &ShardStore, partitions: &[Partition]) -> Result<Groups, String> {
    let read = store.read_together(partitions, |views| {
        let mut masks: BTreeMap<u64, (u8, Vec<usize>)> = BTreeMap::new();
        for (place, view) in views.iter().enumerate() {
            let mut cursor = view.cursor(KeyRange::ALL, Direction::Forward);
            while let Some((key, row)) = cursor.next()? {
                let Ok(number) = <[u8; 8]>::try_from(key) else { continue };
                let group = masks.entry(u64::from_be_bytes(number)).or_default();
                group.0 = row.value[0];
                group.1.push(place);
            }
        }
        Ok(masks)
    });
    let masks = read.await.map_err(|error| error.to_string())?;
    let whole = |(number, (mask, places)): (u64, (u8, Vec<usize>))| {
        let found: u8 = places.iter().map(|place| 1 << place).sum();
        if found == mask {
            Ok((number, places))
        } else {
            Err(format!("group {number} is not whole: {places:?}"))
        }
    };
    masks.into_iter().map(whole).collect()
}
