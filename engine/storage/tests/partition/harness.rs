//! One simulated process with one shard, the catalog's partition and one table's.

use std::{cell::RefCell, ops::ControlFlow, path::Path, rc::Rc, sync::Arc, time::Duration};

use basalt_runtime::{
    Handle, ShardIndex,
    sim::{CrashPolicy, Disk, SimOptions, Simulation},
};
use basalt_storage::{
    CATALOG_PARTITION, Commit, Direction, KeyRange, Node, Partition, PartitionId, PartitionSpec, ShardStore,
    StorageError, StoreHooks, StoreOptions,
};

/// The partition that tests write to.
pub(crate) const TABLE: PartitionId = PartitionId::new(1);

const DIRECTORY: &str = "/data";
const SHARD: ShardIndex = ShardIndex(0);

/// A running process on a simulated disk.
pub(crate) struct Process {
    simulation: Simulation,
    store: ShardStore,
    _node: Rc<Node>,
    materialised: Rc<RefCell<Vec<Materialised>>>,
}

/// A partition whose file the catalog was told of, and the file's uuid.
pub(crate) type Materialised = (PartitionId, [u8; 16]);

impl Process {
    /// Starts on `disk` with default options and no partition known to have a file.
    pub(crate) fn start(seed: u64, disk: Disk) -> Self {
        Self::start_with(seed, disk, StoreOptions::default(), &[])
    }

    pub(crate) fn start_with(
        seed: u64,
        disk: Disk,
        options: StoreOptions,
        materialised: &[Materialised],
    ) -> Self {
        Self::try_start(seed, disk, options, materialised).expect("the directory opens")
    }

    /// Starts on `disk`; the catalog knows the files in `materialised`.
    pub(crate) fn try_start(
        seed: u64,
        disk: Disk,
        options: StoreOptions,
        materialised: &[Materialised],
    ) -> Result<Self, StorageError> {
        Self::try_start_in(Path::new(DIRECTORY), seed, disk, options, materialised)
    }

    /// As [`Process::try_start`], in another directory.
    pub(crate) fn try_start_in(
        directory: &'static Path,
        seed: u64,
        disk: Disk,
        options: StoreOptions,
        materialised: &[Materialised],
    ) -> Result<Self, StorageError> {
        let mut simulation = Simulation::new(SimOptions::new(seed), disk);
        let handle = simulation.handle(SHARD);
        let told = Rc::new(RefCell::new(Vec::new()));
        let hooks = StoreHooks {
            materialised: Box::new({
                let told = Rc::clone(&told);
                move |partition, file_uuid| {
                    told.borrow_mut().push((partition, file_uuid));
                    Box::pin(async { Ok(()) })
                }
            }),
        };
        let known =
            materialised.iter().find(|(partition, _)| *partition == TABLE).map(|&(_, file_uuid)| file_uuid);
        let started = simulation.run_until(SHARD, start(handle, directory, options, hooks, known));
        let (node, store) = started.expect("the start comes to an end")?;
        Ok(Self { simulation, store, _node: Rc::new(node), materialised: told })
    }

    /// The shard's executor.
    pub(crate) fn handle(&self) -> Handle {
        self.simulation.handle(SHARD)
    }

    /// Runs a test's steps to their end; what they return.
    pub(crate) fn run<T: 'static>(&mut self, steps: impl AsyncFnOnce(ShardStore) -> T + 'static) -> T {
        let store = self.store.clone();
        self.simulation.run_until(SHARD, async move { steps(store).await }).expect("the run comes to an end")
    }

    /// Begins a test's steps, which may never come to their end.
    pub(crate) fn begin(&mut self, steps: impl AsyncFnOnce(ShardStore) + 'static) {
        let store = self.store.clone();
        self.handle().spawn(async move { steps(store).await }).detach();
    }

    /// Makes the device larger or smaller.
    pub(crate) fn set_capacity_bytes(&mut self, capacity_bytes: Option<u64>) {
        self.simulation.disk_mut().set_capacity_bytes(capacity_bytes);
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        self.simulation.run_for(duration).expect("the process stays up");
    }

    /// Partitions whose file the catalog was told of, in order.
    pub(crate) fn materialised(&self) -> Vec<Materialised> {
        self.materialised.borrow().clone()
    }

    /// Space that the table's partition file takes on the disk; zero while there is none.
    pub(crate) fn table_file_bytes(&self) -> u64 {
        let path = format!("{DIRECTORY}/part/01/{:016x}.pt", TABLE.get());
        self.simulation.disk().file_used_bytes(Path::new(&path)).unwrap_or(0)
    }

    /// Bytes that were written into files since the disk was made.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.simulation.disk().written_bytes()
    }

    /// Space that files take on the disk.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.simulation.disk().used_bytes()
    }

    /// Descriptors that the process has open.
    pub(crate) fn descriptor_count(&self) -> usize {
        self.simulation.disk().descriptor_count()
    }

    pub(crate) fn kill(self) -> Disk {
        let Self { simulation, store, .. } = self;
        drop(store);
        simulation.kill()
    }

    pub(crate) fn lose_power(self, policy: CrashPolicy) -> Disk {
        let Self { simulation, store, .. } = self;
        drop(store);
        simulation.lose_power(policy)
    }
}

async fn start(
    handle: Handle,
    directory: &Path,
    options: StoreOptions,
    hooks: StoreHooks,
    file_uuid: Option<[u8; 16]>,
) -> Result<(Node, ShardStore), StorageError> {
    let node = Node::judge(&handle, directory, 1).await?;
    let facts: Arc<_> = node.facts();
    let store = ShardStore::prepare(&handle, directory, facts, options, 1, hooks);
    store.open_partitions(vec![spec(CATALOG_PARTITION)]).await?;
    let table = PartitionSpec { materialised: file_uuid, ..spec(TABLE) };
    store.open_partitions(vec![table]).await?;
    node.act().await?;
    store.replay(|_bytes| {}).await?;
    store.go_live().await?;
    store.settle_foreign_entries().await?;
    store.start_recycling();
    Ok((node, store))
}

pub(crate) fn spec(id: PartitionId) -> PartitionSpec {
    PartitionSpec { id, table: id.get(), hash_range: (0, u64::MAX), hash_secret: [9; 16], materialised: None }
}

pub(crate) async fn put(partition: &Partition, key: &[u8], value: &[u8]) {
    log_put(partition, key, value).await.wait().await.expect("the write becomes durable");
}

/// Logs a write without waiting until it is durable.
pub(crate) async fn log_put(partition: &Partition, key: &[u8], value: &[u8]) -> Commit {
    let ((), commit) = partition
        .write(|_, batch| {
            batch.put(key, value);
            Ok(())
        })
        .await
        .expect("the write is logged");
    commit
}

pub(crate) async fn delete(partition: &Partition, key: &[u8]) {
    let ((), commit) = partition
        .write(|_, batch| {
            batch.delete(key);
            Ok(())
        })
        .await
        .expect("the delete is logged");
    commit.wait().await.expect("the delete becomes durable");
}

pub(crate) async fn get(partition: &Partition, key: &[u8]) -> Option<Vec<u8>> {
    partition.read(|view| Ok(view.get(key)?.map(|row| row.value.to_vec()))).await.expect("the read succeeds")
}

/// Every row, in `direction`; one by one, and compared with what comes by the leaf.
pub(crate) async fn rows(partition: &Partition, direction: Direction) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut lent, mut passed) = (Vec::new(), Vec::new());
    partition
        .read(|view| {
            let last = passed.clone();
            let rest = if last.is_empty() { KeyRange::ALL } else { KeyRange::ALL.after(&last, direction) };
            view.cursor(rest, direction).for_each(&mut passed, |row| {
                lent.push(row.value.to_vec());
                ControlFlow::Continue(())
            })
        })
        .await
        .expect("the visit succeeds");
    let rows = partition
        .read(|view| {
            let mut rows = Vec::new();
            let mut cursor = view.cursor(KeyRange::ALL, direction);
            while let Some((key, row)) = cursor.next()? {
                rows.push((key.to_vec(), row.value.to_vec()));
            }
            Ok(rows)
        })
        .await
        .expect("the scan succeeds");
    assert!(lent.iter().eq(rows.iter().map(|(_, value)| value)), "the same rows by the leaf and one by one");
    assert_eq!(passed, rows.last().map(|(key, _)| key.clone()).unwrap_or_default());
    rows
}
