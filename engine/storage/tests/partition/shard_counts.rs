//! The shard count changes from one start to the next, with crashes in between.

use std::{path::Path, rc::Rc};

use basalt_runtime::{
    ShardIndex,
    sim::{Disk, SimOptions, Simulation},
};
use basalt_storage::{
    CATALOG_PARTITION, Direction, Node, PartitionId, ShardStore, StorageError, StoreHooks, StoreOptions,
};

use crate::harness::{self, rows, spec};

/// Owned by the last shard.
const TABLE: PartitionId = PartitionId::new(1);

/// How far a start is taken before the test goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Settle {
    /// It serves, and that is all: the process dies before it has settled what other shards logged.
    Never,
    /// Log of earlier starts is settled, and released log is used again.
    Fully,
}

/// A running process of several shards.
struct Process {
    simulation: Simulation,
    stores: Vec<ShardStore>,
    node: Rc<Node>,
}

impl Process {
    fn start(seed: u64, disk: Disk, shard_count: u16, settle: Settle) -> Result<Self, StorageError> {
        let options = SimOptions { shard_count, ..SimOptions::new(seed) };
        let mut simulation = Simulation::new(options, disk);
        let leader = simulation.handle(ShardIndex(0));
        let judging = async move { Node::judge(&leader, Path::new("/data"), shard_count).await };
        let node = Rc::new(on(&mut simulation, 0, judging)?);
        let mut stores = Vec::new();
        for shard in 0..shard_count {
            let handle = simulation.handle(ShardIndex(shard));
            let hooks = StoreHooks { materialised: Box::new(|_, _| Box::pin(async { Ok(()) })) };
            let options = StoreOptions { hold_checkpoints: true, ..StoreOptions::default() };
            let store =
                ShardStore::prepare(&handle, Path::new("/data"), node.facts(), options, shard_count, hooks);
            let owned = [CATALOG_PARTITION, TABLE].into_iter();
            let owned = owned.filter(|id| owner(*id, shard_count) == shard).map(spec).collect();
            let opened = store.clone();
            on(&mut simulation, shard, async move { opened.open_partitions(owned).await })?;
            stores.push(store);
        }
        let mut process = Self { simulation, stores, node };
        process.go_live()?;
        if settle == Settle::Fully {
            process.settle(shard_count)?;
        }
        Ok(process)
    }

    fn go_live(&mut self) -> Result<(), StorageError> {
        let node = Rc::clone(&self.node);
        on(&mut self.simulation, 0, async move { node.act().await })?;
        self.on_every_shard(async |store| {
            store.replay(|_bytes| {}).await?;
            store.go_live().await
        })
    }

    fn settle(&mut self, shard_count: u16) -> Result<(), StorageError> {
        self.on_every_shard(async |store| store.settle_foreign_entries().await)?;
        let node = Rc::clone(&self.node);
        on(&mut self.simulation, 0, async move { node.retire_streams(shard_count).await })?;
        self.on_every_shard(async |store| {
            store.start_recycling();
            Ok(())
        })
    }

    fn on_every_shard(
        &mut self,
        step: impl AsyncFn(ShardStore) -> Result<(), StorageError> + Copy + 'static,
    ) -> Result<(), StorageError> {
        for (shard, store) in (0..).zip(&self.stores) {
            let store = store.clone();
            on(&mut self.simulation, shard, async move { step(store).await })?;
        }
        Ok(())
    }

    /// Writes a row for each number to `partition`, on its owner.
    fn put(&mut self, partition: PartitionId, numbers: std::ops::Range<u32>) {
        let shard = owner(partition, self.stores.len() as u16);
        let store = self.stores[usize::from(shard)].clone();
        on(&mut self.simulation, shard, async move {
            let partition = store.partition(partition).expect("its owner has opened it");
            for number in numbers {
                harness::put(&partition, &number.to_be_bytes(), &[5; 200]).await;
            }
        });
    }

    fn row_count(&mut self) -> usize {
        let shard = owner(TABLE, self.stores.len() as u16);
        let store = self.stores[usize::from(shard)].clone();
        on(&mut self.simulation, shard, async move {
            let partition = store.partition(TABLE).expect("its owner has opened it");
            rows(&partition, Direction::Forward).await.len()
        })
    }

    fn kill(self) -> Disk {
        drop((self.stores, self.node));
        self.simulation.kill()
    }
}

fn on<T: 'static>(simulation: &mut Simulation, shard: u16, step: impl Future<Output = T> + 'static) -> T {
    simulation.run_until(ShardIndex(shard), step).expect("the step comes to its end")
}

fn owner(partition: PartitionId, shard_count: u16) -> u16 {
    if partition == TABLE { shard_count - 1 } else { 0 }
}

#[test]
fn entries_in_an_own_and_a_foreign_stream_survive_the_release_of_both() {
    let mut two = Process::start(30, Disk::new(), 2, Settle::Never).expect("a new directory opens");
    two.put(TABLE, 0..10);
    let disk = two.kill();
    // Dies before it has settled, so entries 1 to 10 stay in stream 1, and 11 to 20 go to stream 0.
    let mut one = Process::start(31, disk, 1, Settle::Never).expect("one shard takes over");
    one.put(TABLE, 10..20);
    let disk = one.kill();
    // Now the first entries lie in the owner's own stream, the later ones do not.
    let mut two = Process::start(32, disk, 2, Settle::Fully).expect("two shards take over");
    assert_eq!(two.row_count(), 20);
    two.put(CATALOG_PARTITION, 0..3);
    two.put(TABLE, 20..23);
    let disk = two.kill();
    let mut two = Process::start(33, disk, 2, Settle::Fully).expect("nothing acknowledged is missing");
    assert_eq!(two.row_count(), 23);
}

#[test]
fn a_retired_stream_is_needed_by_no_superblock() {
    let mut three = Process::start(34, Disk::new(), 3, Settle::Never).expect("a new directory opens");
    three.put(TABLE, 0..50);
    let disk = three.kill();
    let mut one = Process::start(35, disk, 1, Settle::Fully).expect("one shard takes over");
    one.put(TABLE, 50..60);
    let disk = one.kill();
    let mut two = Process::start(36, disk, 2, Settle::Fully).expect("two shards take over");
    assert_eq!(two.row_count(), 60);
}

#[test]
fn entries_that_alternate_between_streams_are_replayed_in_their_order() {
    let mut disk = Disk::new();
    for life in 0..6 {
        let shard_count = [2, 1, 3][life as usize % 3];
        let started = Process::start(40 + u64::from(life), disk, shard_count, Settle::Never);
        let mut process = started.expect("nothing acknowledged is missing");
        // Overwrites half of what the life before wrote: replayed out of order, its rows would come back.
        process.put(TABLE, life * 5..life * 5 + 10);
        process.put(CATALOG_PARTITION, life..life + 2);
        assert_eq!(process.row_count(), life as usize * 5 + 10);
        disk = process.kill();
    }
}
