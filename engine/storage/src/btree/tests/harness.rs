//! A tree with a map beside it.

use std::{
    collections::BTreeMap,
    future::Future,
    ops::{Bound, Range},
    path::Path,
    rc::Rc,
    task::Poll,
};

use basalt_runtime::{
    Handle, ShardIndex, Task,
    sim::{Disk, Random, SimOptions, Simulation},
};

use crate::{
    btree::{Change, CheckReport, Stop, Tree},
    cache::{BufferPool, Pins},
    checkpoint::{CheckpointPosition, Expectation, OpenedTree, TreeIdentity},
    error::StorageError,
    extent::OpenFiles,
    ids::{EntryIndex, Generation, HybridTime, LogPosition, Lsn, PartitionId, StreamId},
    range::{Direction, KeyRange},
    reserve::Reserve,
};

/// The seeds of a campaign: `FIRST..END` from the environment, else `usual`.
pub(crate) fn seeds_of(variable: &str, usual: Range<u64>) -> Range<u64> {
    let Ok(text) = std::env::var(variable) else { return usual };
    let (first, end) = text.split_once("..").expect("a range of seeds");
    first.parse().expect("a seed")..end.parse().expect("a seed")
}

/// What a tree should hold.
pub(crate) type Model = BTreeMap<Vec<u8>, (Vec<u8>, u64)>;

/// A row of it: key, value, last write.
pub(crate) type ModelRow = (Vec<u8>, (Vec<u8>, u64));

/// The shape of random rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mix {
    /// Distinct keys, roughly.
    pub(crate) keys: u64,
    /// One key in this many is long.
    pub(crate) long_key_one_in: u64,
    /// Length of most values, at most.
    pub(crate) value_bytes_max: u64,
    /// One value in this many has an extent of its own.
    pub(crate) large_value_one_in: u64,
    /// One change in this many is a deletion.
    pub(crate) delete_one_in: u64,
}

impl Mix {
    /// Short keys and values, a few of each kind of long ones.
    pub(crate) const USUAL: Self = Self {
        keys: 2000,
        long_key_one_in: 50,
        value_bytes_max: 200,
        large_value_one_in: 40,
        delete_one_in: 3,
    };

    pub(crate) fn key(&self, random: &mut Random) -> Vec<u8> {
        let number = random.below(self.keys);
        let tag = [0x10, 0x10, 0x10, 0x80, 0x60][(number % 5) as usize];
        let mut key = vec![tag];
        if number.is_multiple_of(self.long_key_one_in) {
            key.resize(1 + (number as usize * 37) % 9000, b'x');
        }
        key.extend_from_slice(format!("{number:05}").as_bytes());
        key
    }

    pub(crate) fn value(&self, random: &mut Random) -> Vec<u8> {
        let length = if random.below(self.large_value_one_in) == 0 {
            random.below(40_000)
        } else {
            random.below(self.value_bytes_max)
        };
        vec![random.below(256) as u8; length as usize]
    }

    /// A batch of changes, each key once.
    pub(crate) fn changes(&self, random: &mut Random, count: u64) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        (0..count)
            .map(|_| {
                let is_delete = random.below(self.delete_one_in) == 0;
                (self.key(random), (!is_delete).then(|| self.value(random)))
            })
            .collect()
    }
}

/// A tree, its pool and its model.
pub(crate) struct Harness {
    pub(crate) handle: Handle,
    pub(crate) pool: BufferPool,
    pub(crate) tree: Tree,
    pub(crate) model: Model,
    page_bytes: u32,
    applied: u64,
}

pub(crate) const PATH: &str = "/data/part/07/0000000000000007.pt";

/// Runs `body` in a simulation of its own, on `disk`; returns its result and the simulation.
pub(crate) fn simulate<T: 'static, F: Future<Output = T> + 'static>(
    seed: u64,
    disk: Disk,
    body: impl FnOnce(Handle) -> F,
) -> (T, Simulation) {
    let mut simulation = Simulation::new(SimOptions::new(seed), disk);
    let body = body(simulation.handle(ShardIndex(0)));
    match simulation.run_until(ShardIndex(0), body) {
        Ok(result) => (result, simulation),
        Err(ended) => panic!("seed {seed}: {ended:?}"),
    }
}

fn files(handle: &Handle) -> OpenFiles {
    let reserve = Reserve::new(handle, "/data/tmp/reserve".into(), 1 << 20);
    OpenFiles::new(16, Rc::new(reserve))
}

pub(crate) fn identity(page_bytes: u32) -> TreeIdentity {
    TreeIdentity {
        partition: PartitionId::new(7),
        table: 3,
        hash_range: (0, u64::MAX),
        hash_secret: [5; 16],
        cluster_uuid: [6; 16],
        page_bytes,
        open_epoch: 1,
    }
}

impl Harness {
    /// An empty tree.
    pub(crate) fn new(handle: &Handle, page_bytes: u32, pool_bytes: u64) -> Self {
        let pool = BufferPool::with_budget(handle, pool_bytes);
        let tree = Tree::empty(handle, &pool, &files(handle), Path::new(PATH), identity(page_bytes));
        Self { handle: handle.clone(), pool, tree, model: Model::new(), page_bytes, applied: 0 }
    }

    /// The tree that the disk holds; empty if it holds none.
    pub(crate) async fn open(
        handle: &Handle,
        page_bytes: u32,
        pool_bytes: u64,
        named: u64,
    ) -> Result<Self, StorageError> {
        let pool = BufferPool::with_budget(handle, pool_bytes);
        let expectation = Expectation { file_uuid: None, generation: Generation::new(named) };
        let opened =
            Tree::open(handle, &pool, &files(handle), Path::new(PATH), identity(page_bytes), expectation)
                .await?;
        let tree = match opened {
            Some(OpenedTree { damage: Some(damage), .. }) => return Err(damage),
            Some(OpenedTree { tree, damage: None }) => tree,
            None => Tree::empty(handle, &pool, &files(handle), Path::new(PATH), identity(page_bytes)),
        };
        let applied = tree.superblock_applied().into_iter().max().map_or(0, EntryIndex::get);
        Ok(Self { handle: handle.clone(), pool, tree, model: Model::new(), page_bytes, applied })
    }

    /// Drops the tree as it is and opens what the file holds.
    pub(crate) async fn reopen(&mut self, pool_bytes: u64) {
        let opened = Self::open(&self.handle.clone(), self.page_bytes, pool_bytes, 0)
            .await
            .expect("the file is sound");
        (self.pool, self.tree, self.applied) = (opened.pool, opened.tree, opened.applied);
    }

    /// The number of the last batch.
    pub(crate) fn applied(&self) -> u64 {
        self.applied
    }

    /// Applies a batch to tree and model.
    pub(crate) async fn apply(&mut self, batch: BTreeMap<Vec<u8>, Option<Vec<u8>>>) {
        self.applied += 1;
        let last_write = HybridTime::new(self.applied);
        let changes: Vec<(&[u8], Change<'_>)> = batch
            .iter()
            .map(|(key, value)| match value {
                Some(value) => (key.as_slice(), Change::Put { value, last_write }),
                None => (key.as_slice(), Change::Delete),
            })
            .collect();
        let brought_in = self.tree.bring_in(&changes).await.expect("pages can be read");
        self.tree.apply(&changes, brought_in);
        for (key, value) in batch {
            match value {
                Some(value) => self.model.insert(key, (value, self.applied)),
                None => self.model.remove(&key),
            };
        }
    }

    /// The row under `key`.
    pub(crate) async fn get(&self, key: &[u8]) -> Option<(Vec<u8>, u64)> {
        let mut pins = Pins::default();
        loop {
            let found = self
                .tree
                .reader()
                .get(key)
                .map(|row| row.map(|row| (row.value.to_vec(), row.last_write.get())));
            match found {
                Ok(row) => return row,
                Err(Stop::Missing(request)) => {
                    pins.extend(self.tree.fetch(&request).await.expect("readable"))
                }
                Err(Stop::Failed(error)) => panic!("{error}"),
            }
        }
    }

    /// Up to `limit` rows of a range, going on from the last key after each stop.
    pub(crate) async fn scan(
        &self,
        range: KeyRange<'_>,
        direction: Direction,
        limit: usize,
    ) -> Vec<ModelRow> {
        let mut rows: Vec<ModelRow> = Vec::new();
        let mut pins = Pins::default();
        loop {
            let stopped = self.scan_on(range, direction, limit, &mut rows);
            match stopped {
                Ok(()) => return rows,
                Err(Stop::Missing(request)) => {
                    pins.extend(self.tree.fetch(&request).await.expect("readable"))
                }
                Err(Stop::Failed(error)) => panic!("{error}"),
            }
        }
    }

    fn scan_on(
        &self,
        range: KeyRange<'_>,
        direction: Direction,
        limit: usize,
        rows: &mut Vec<ModelRow>,
    ) -> Result<(), Stop> {
        let last = rows.last().map(|(key, _)| key.clone());
        let range = match &last {
            Some(key) => range.after(key, direction),
            None => range,
        };
        let reader = self.tree.reader();
        let mut cursor = reader.cursor(range, direction);
        while rows.len() < limit && cursor.advance()? {
            let row = cursor.row();
            rows.push((cursor.key().to_vec(), (row.value.to_vec(), row.last_write.get())));
        }
        Ok(())
    }

    /// Compares a random range, in a random direction.
    pub(crate) async fn compare_range(&self, random: &mut Random, mix: &Mix) {
        let (one, other) = (mix.key(random), mix.key(random));
        let (low, high) = if one <= other { (one, other) } else { (other, one) };
        let bound = |random: &mut Random, key| match random.below(3) {
            0 => Bound::Included(key),
            1 => Bound::Excluded(key),
            _ => Bound::Unbounded,
        };
        let range = KeyRange { from: bound(random, low.as_slice()), to: bound(random, high.as_slice()) };
        let direction = if random.below(2) == 0 { Direction::Forward } else { Direction::Backward };
        let limit = 1 + random.below(300) as usize;
        let inside = self.model.iter().filter(|(key, _)| range.contains(key));
        let expected: Vec<_> = match direction {
            Direction::Forward => inside.take(limit).collect(),
            Direction::Backward => inside.rev().take(limit).collect(),
        };
        let found = self.scan(range, direction, limit).await;
        assert!(
            found.iter().map(|(key, row)| (key, row)).eq(expected.iter().copied()),
            "{range:?} {direction:?}"
        );
    }

    /// Compares everything, and checks the tree.
    pub(crate) async fn compare_all(&self) -> CheckReport {
        let found = self.scan(KeyRange::ALL, Direction::Forward, usize::MAX).await;
        let found: Model = found.into_iter().collect();
        if found != self.model {
            let differing = |left: &Model, right: &Model| {
                let rows = left.iter().filter(|(key, row)| right.get(*key) != Some(row));
                rows.map(|(key, row)| {
                    (String::from_utf8_lossy(&key[..key.len().min(20)]).into_owned(), row.1)
                })
                .collect::<Vec<_>>()
            };
            let (applied, generation) = (self.tree.superblock_applied(), self.tree.generation());
            panic!(
                "{generation:?} {applied:?}: found {:?}, expected {:?}",
                differing(&found, &self.model),
                differing(&self.model, &found)
            );
        }
        let report = self.tree.check().await.expect("the tree is sound");
        assert_eq!(report.row_count, self.model.len() as u64);
        report
    }

    /// Blocks of the file that the tree knows of.
    pub(crate) fn file_blocks(&self) -> u64 {
        self.tree.shared.state.borrow().allocator.file_blocks()
    }

    /// Where a checkpoint of the present state stands.
    pub(crate) fn position(&self) -> CheckpointPosition {
        CheckpointPosition {
            applied_index: EntryIndex::new(self.applied),
            applied_term: 1,
            needed: LogPosition { stream: StreamId::new(0), lsn: Lsn::new(self.applied * 4096) },
            hybrid_time_max: HybridTime::new(self.applied),
        }
    }

    /// Freezes the present state; the checkpoint goes on while other things happen.
    pub(crate) async fn begin_checkpoint(&self) -> Task<Result<Generation, StorageError>> {
        let (tree, position) = (self.tree.clone(), self.position());
        let mut checkpoint = Box::pin(async move { tree.checkpoint(position).await });
        let mut outcome =
            std::future::poll_fn(|context| Poll::Ready(checkpoint.as_mut().poll(context))).await;
        self.handle.spawn(async move {
            match std::mem::replace(&mut outcome, Poll::Pending) {
                Poll::Ready(result) => result,
                Poll::Pending => checkpoint.await,
            }
        })
    }

    /// Rebalances and checkpoints.
    pub(crate) async fn checkpoint(&self) -> Generation {
        self.tree.rebalance().await.expect("rebalancing reads nothing");
        self.tree.checkpoint(self.position()).await.expect("the disk takes it")
    }
}
