//! The storage layer as a subject: several shards, a catalog of the harness's own, and a few partitions.
//!
//! Plays the engine's part in a start (first look, then act) and in the life of the catalog: partition 0 holds a row for
//! each partition, with the uuid of its file once there is one.

use crate::oracle::{Change, Key, Order, Scan, Value};
use crate::subject::{Evaluated, Partition, StartFailure, Subject};
use basalt_runtime::sim::{Random, Simulation};
use basalt_runtime::{Handle, ShardIndex};
use basalt_storage::{
    CATALOG_PARTITION, CatalogLog, Direction, KeyRange, Node, NodeFacts, PartitionId, PartitionSpec,
    ShardStore, Stop, StorageError, StoreHooks, StoreOptions,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const DIRECTORY: &str = "/data";
/// The shard that owns the catalog and leads the start.
const LEADER: ShardIndex = ShardIndex(0);
/// The tag of catalog rows.
const CATALOG_TAG: u8 = 0xb0;
/// How long a process that ends in good order writes what it would not have to.
const CLOSING_TIME: Duration = Duration::from_millis(500);
/// Small segments: they fill, roll over and are recycled often, and take little time to prepare and to read.
const LOG_SEGMENT_BYTES_MIN: u64 = 64 << 10;

/// Basalt's storage with a number of partitions.
#[derive(Debug, Clone)]
pub struct StorageSubject {
    /// Partitions besides the catalog.
    pub partition_count: u64,
    /// Storage's own options.
    pub options: StoreOptions,
}
/// Walks of a tree before its state is called broken, and the rest between them: idle work ends within seconds.
const CHECK_ATTEMPTS: u32 = 40;
const REST: Duration = Duration::from_millis(150);

impl StorageSubject {
    /// One partition and the smallest memory: for small workloads.
    #[must_use]
    pub fn small() -> Self {
        Self { partition_count: 1, options: small_options() }
    }

    /// A few partitions, and options that make rare things frequent.
    #[must_use]
    pub fn any(random: &mut Random) -> Self {
        let options = StoreOptions {
            page_size_bytes: [4096, 8192, 16384][random.index(3)],
            hold_checkpoints: random.chance(100),
            ..small_options()
        };
        Self { partition_count: random.between(1, 4), options }
    }
}

fn small_options() -> StoreOptions {
    StoreOptions {
        memory_budget_bytes: StoreOptions::MEMORY_BUDGET_BYTES_MIN,
        log_budget_bytes: Some(StoreOptions::LOG_BUDGET_BYTES_MIN),
        page_size_bytes: 4096,
        log_segment_bytes_min: LOG_SEGMENT_BYTES_MIN,
        ..StoreOptions::default()
    }
}

impl Subject for StorageSubject {
    type Partition = StoragePartition;

    fn start(&self, simulation: &mut Simulation) -> Result<Vec<StoragePartition>, StartFailure> {
        let (shards, catalog_log) = Shards::prepare(self, simulation)?;
        let files = shards.load_catalog(simulation, catalog_log)?;
        let specs: Vec<PartitionSpec> =
            (1..=self.partition_count).map(|id| spec(id, files.get(&id).copied())).collect();
        let is_known = |spec: &PartitionSpec| files.contains_key(&spec.id.get());
        shards.open_partitions(simulation, specs.iter().filter(|spec| is_known(spec)).cloned().collect())?;
        shards.act_and_go_live(simulation)?;
        let new: Vec<PartitionSpec> = specs.iter().filter(|spec| !is_known(spec)).cloned().collect();
        if !new.is_empty() {
            shards.create_partitions(simulation, new)?;
        }
        shards.settle(simulation)?;
        Ok((1..=self.partition_count).map(|id| shards.partition(simulation, id)).collect())
    }
}

/// The stores of a process that is starting, by shard.
struct Shards {
    stores: Vec<ShardStore>,
    process: Rc<RunningProcess>,
}

/// What the `materialised` hook writes to, once there is one.
type SharedCatalog = Rc<RefCell<Option<(Handle, basalt_storage::Partition)>>>;

impl Shards {
    /// Judges the directory, each stream on a shard; what it found of the catalog's log is for `load_catalog`.
    fn prepare(
        subject: &StorageSubject,
        simulation: &mut Simulation,
    ) -> Result<(Self, CatalogLog), StartFailure> {
        let count = u16::try_from(simulation.remotes().len()).expect("shards are counted by u16");
        let handle = simulation.handle(LEADER);
        let judging = async move { Node::lock(&handle, Path::new(DIRECTORY), count).await };
        let unjudged = run(simulation, LEADER, judging)?;
        let mut judged = Vec::new();
        for stream in unjudged.streams() {
            let shard = ShardIndex(stream.stream().get() % count);
            let handle = simulation.handle(shard);
            judged.push(run(simulation, shard, async move { stream.judge(&handle).await })?);
        }
        let mut node = run(simulation, LEADER, async move { unjudged.conclude(judged) })?;
        let catalog_log = node.take_catalog_log();
        let catalog = SharedCatalog::default();
        let prepare = |shard| {
            let hooks = hooks(Rc::clone(&catalog), node.facts());
            let handle = simulation.handle(ShardIndex(shard));
            ShardStore::prepare(
                &handle,
                Path::new(DIRECTORY),
                node.facts(),
                subject.options.clone(),
                count,
                hooks,
            )
        };
        let stores = (0..count).map(prepare).collect();
        let process = Rc::new(RunningProcess { node: Rc::new(node), catalog });
        Ok((Self { stores, process }, catalog_log))
    }

    /// Recovers partition 0, alone; returns the partitions it knows and the uuids of their files.
    fn load_catalog(
        &self,
        simulation: &mut Simulation,
        log: CatalogLog,
    ) -> Result<BTreeMap<u64, Option<[u8; 16]>>, StartFailure> {
        let store = self.stores[0].clone();
        run(simulation, LEADER, async move {
            store.open_partitions(vec![spec(CATALOG_PARTITION.get(), None)]).await?;
            store.replay_catalog(log).await?;
            let catalog = store.partition(CATALOG_PARTITION).expect("it was opened");
            catalog
                .read(|view| {
                    let mut files = BTreeMap::new();
                    let mut cursor = view.cursor(KeyRange::ALL, Direction::Forward);
                    while let Some((key, row)) = cursor.next()? {
                        files.insert(partition_of_row(key), <[u8; 16]>::try_from(row.value).ok());
                    }
                    Ok(files)
                })
                .await
        })
    }

    fn open_partitions(
        &self,
        simulation: &mut Simulation,
        specs: Vec<PartitionSpec>,
    ) -> Result<(), StartFailure> {
        for (shard, store) in (0..).map(ShardIndex).zip(&self.stores) {
            let own = specs.iter().filter(|spec| self.owner(spec.id.get()) == shard).cloned().collect();
            let store = store.clone();
            run(simulation, shard, async move { store.open_partitions(own).await })?;
        }
        Ok(())
    }

    fn act_and_go_live(&self, simulation: &mut Simulation) -> Result<(), StartFailure> {
        let node = Rc::clone(&self.process.node);
        run(simulation, LEADER, async move { node.act().await })?;
        for (shard, store) in (0..).map(ShardIndex).zip(&self.stores) {
            let replaying = store.clone();
            run(simulation, shard, async move { replaying.replay(|_bytes| {}).await })?;
        }
        for (shard, store) in (0..).map(ShardIndex).zip(&self.stores) {
            let going = store.clone();
            run(simulation, shard, async move { going.go_live().await })?;
            if shard == LEADER {
                let catalog = store.partition(CATALOG_PARTITION).expect("it was loaded");
                *self.process.catalog.borrow_mut() = Some((simulation.handle(LEADER), catalog));
            }
        }
        Ok(())
    }

    /// The catalog says so first; then they are there.
    fn create_partitions(
        &self,
        simulation: &mut Simulation,
        specs: Vec<PartitionSpec>,
    ) -> Result<(), StartFailure> {
        let catalog = self.stores[0].partition(CATALOG_PARTITION).expect("it was loaded");
        let ids: Vec<u64> = specs.iter().map(|spec| spec.id.get()).collect();
        run(simulation, LEADER, async move {
            let written = catalog.write(|_view, batch| {
                ids.iter().for_each(|&id| batch.put(&row_of_partition(id), Vec::new()));
                Ok(())
            });
            let ((), commit) = written.await?;
            commit.wait().await
        })?;
        for spec in specs {
            let owner = self.owner(spec.id.get());
            let store = self.stores[owner.as_usize()].clone();
            run(simulation, owner, async move {
                store.create_partition(spec);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Lets go of log that another number of shards has written.
    fn settle(&self, simulation: &mut Simulation) -> Result<(), StartFailure> {
        for (shard, store) in (0..).map(ShardIndex).zip(&self.stores) {
            let store = store.clone();
            run(simulation, shard, async move { store.settle_foreign_entries().await })?;
        }
        let (node, count) =
            (Rc::clone(&self.process.node), u16::try_from(self.stores.len()).expect("counted by u16"));
        run(simulation, LEADER, async move { node.retire_streams(count).await })?;
        for (shard, store) in (0..).map(ShardIndex).zip(&self.stores) {
            let store = store.clone();
            run(simulation, shard, async move {
                store.start_recycling();
                Ok(())
            })?;
        }
        Ok(())
    }

    fn partition(&self, simulation: &Simulation, id: u64) -> StoragePartition {
        let shard = self.owner(id);
        let store = self.stores[shard.as_usize()].clone();
        let partition = store.partition(PartitionId::new(id)).expect("opened or created");
        StoragePartition {
            handle: simulation.handle(shard),
            store,
            partition,
            _process: Rc::clone(&self.process),
        }
    }

    fn owner(&self, id: u64) -> ShardIndex {
        let shards = self.stores.len() as u64;
        ShardIndex(u16::try_from(id % shards).expect("below the number of shards"))
    }
}

/// Runs one step of a start; storage's refusals are the process's.
fn run<T: 'static>(
    simulation: &mut Simulation,
    shard: ShardIndex,
    step: impl Future<Output = Result<T, StorageError>> + 'static,
) -> Result<T, StartFailure> {
    simulation.run_until(shard, step)?.map_err(|error| StartFailure::Refused(error.to_string()))
}

/// Notes in the catalog that a partition has a file, and in NODE that the catalog has one.
fn hooks(catalog: SharedCatalog, facts: Arc<NodeFacts>) -> StoreHooks {
    StoreHooks {
        materialised: Box::new(move |partition, file_uuid| {
            let (catalog, facts) = (Rc::clone(&catalog), Arc::clone(&facts));
            Box::pin(async move {
                let (handle, rows) = catalog.borrow().clone().ok_or(StorageError::Closed)?;
                let noting = handle.clone();
                // The catalog is shard 0's, whichever shard asks.
                let noted = handle.spawn(async move {
                    if partition == CATALOG_PARTITION {
                        return facts.record_catalog_file(&noting, file_uuid).await;
                    }
                    let written = rows.write(|_view, batch| {
                        batch.put(&row_of_partition(partition.get()), file_uuid.to_vec());
                        Ok(())
                    });
                    let ((), commit) = written.await?;
                    commit.wait().await
                });
                noted.await
            })
        }),
    }
}

fn spec(id: u64, materialised: Option<Option<[u8; 16]>>) -> PartitionSpec {
    PartitionSpec {
        id: PartitionId::new(id),
        table: id,
        hash_range: (0, u64::MAX),
        hash_secret: [7; 16],
        materialised: materialised.flatten(),
    }
}

fn row_of_partition(id: u64) -> Vec<u8> {
    let mut key = vec![CATALOG_TAG];
    key.extend(id.to_be_bytes());
    key
}

fn partition_of_row(key: &[u8]) -> u64 {
    key.last_chunk().map_or(0, |id| u64::from_be_bytes(*id))
}

/// A partition of a running storage process.
#[derive(Clone)]
pub struct StoragePartition {
    handle: Handle,
    store: ShardStore,
    partition: basalt_storage::Partition,
    _process: Rc<RunningProcess>,
}

/// What lives as long as any of a process's partitions.
struct RunningProcess {
    /// Keeps the directory locked.
    node: Rc<Node>,
    catalog: SharedCatalog,
}

/// A store's hook leads to the catalog, and the catalog to its store: without this a process would never be freed.
impl Drop for RunningProcess {
    fn drop(&mut self) {
        self.catalog.borrow_mut().take();
    }
}

impl Partition for StoragePartition {
    fn shard(&self) -> ShardIndex {
        self.handle.shard()
    }

    async fn write(&self, reads: &[Key], changes: &[Change]) -> Result<Evaluated, String> {
        let written = self.partition.write(|view, batch| {
            let value = |key: &Key| Ok::<_, Stop>(view.get(key)?.map(|row| row.value.to_vec()));
            let values = reads.iter().map(value).collect::<Result<Vec<_>, Stop>>()?;
            for (key, value) in changes {
                match value {
                    Some(value) => batch.put(key, value.clone()),
                    None => batch.delete(key),
                }
            }
            Ok(values)
        });
        let (values, commit) = written.await.map_err(text)?;
        Ok(Evaluated { values, commit: Box::pin(async move { commit.wait().await.map_err(text) }) })
    }

    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Value>>, String> {
        let read = self.partition.read(|view| {
            let value = |key: &Key| Ok(view.get(key)?.map(|row| row.value.to_vec()));
            keys.iter().map(value).collect()
        });
        read.await.map_err(text)
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<(Key, Value)>, String> {
        let range = KeyRange { from: borrowed(&scan.from), to: borrowed(&scan.to) };
        let direction = match scan.order {
            Order::Ascending => Direction::Forward,
            Order::Descending => Direction::Backward,
        };
        let read = self.partition.read(|view| {
            let mut rows = Vec::new();
            let mut cursor = view.cursor(range, direction);
            while rows.len() < scan.limit {
                let Some((key, row)) = cursor.next()? else { break };
                rows.push((key.to_vec(), row.value.to_vec()));
            }
            let (mut lent, mut passed) = (Vec::new(), Vec::new());
            if scan.limit > 0 {
                view.cursor(range, direction).for_each(&mut passed, |row| {
                    lent.push(row.value.to_vec());
                    if lent.len() < scan.limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                })?;
            }
            Ok((rows, lent, passed))
        });
        let (rows, lent, passed) = read.await.map_err(text)?;
        let last = rows.last().map_or(&[][..], |(key, _)| key);
        if passed != last || !lent.iter().eq(rows.iter().map(|(_, value)| value)) {
            return Err("rows lent by the leaf differ from those that come one by one".to_owned());
        }
        Ok(rows)
    }

    async fn checkpoint(&self) -> Result<(), String> {
        self.store.checkpoint().await.map_err(text)
    }

    /// A tree can be walked only while nothing changes it, and applying, checkpoints and compaction go on behind. What is
    /// broken stays broken; what was only in motion comes to rest.
    async fn check(&self) -> Result<(), String> {
        let mut attempts = CHECK_ATTEMPTS;
        loop {
            attempts -= 1;
            match self.partition.check().await {
                Err(error) if attempts == 0 => return Err(text(error)),
                Err(_in_motion) => self.handle.sleep(REST).await,
                Ok(_report) => return Ok(()),
            }
        }
    }

    async fn close(&self) -> Result<(), String> {
        self.store.close(CLOSING_TIME).await.map_err(text)
    }

    fn committed_index(&self) -> Option<u64> {
        Some(self.partition.stats().committed.get())
    }
}

fn borrowed(bound: &Bound<Key>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

fn text(error: StorageError) -> String {
    error.to_string()
}
