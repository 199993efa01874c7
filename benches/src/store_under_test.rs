//! Storage without an engine above it: one shard, the catalog's partition and one other.

use std::{path::PathBuf, rc::Rc};

use basalt_runtime::Handle;
use basalt_storage::{
    CATALOG_PARTITION, Commit, Node, Partition, PartitionId, PartitionSpec, ShardStore, StorageError,
    StoreHooks, StoreOptions,
};

use crate::{
    shard_thread::{FilePlace, ShardThread},
    workload::{key, value},
};

/// Rows that one entry of [`StoreUnderTest::load`] puts.
const LOAD_BATCH_ROWS: u64 = 1000;

/// A shard's storage and the partition that is measured. Stays on its shard.
#[derive(Clone)]
pub struct StoreUnderTest {
    /// The shard's executor.
    pub handle: Handle,
    /// The shard's storage.
    pub store: ShardStore,
    /// The partition to be measured; it has no other rows than those that were put.
    pub partition: Partition,
    /// Holds the directory's lock.
    _node: Rc<Node>,
}

impl StoreUnderTest {
    /// Starts a shard with an empty directory.
    pub fn start(place: &FilePlace) -> ShardThread<Self> {
        ShardThread::start(place, |handle, directory| async move {
            Self::open(handle, directory).await.expect("an empty directory can be opened")
        })
    }

    async fn open(handle: Handle, directory: PathBuf) -> Result<Self, StorageError> {
        let node = Node::judge(&handle, &directory, 1).await?;
        let hooks = StoreHooks { materialised: Box::new(|_partition, _file| Box::pin(async { Ok(()) })) };
        let options = StoreOptions::default();
        let store = ShardStore::prepare(&handle, &directory, node.facts(), options, 1, hooks);
        store.open_partitions(vec![spec(CATALOG_PARTITION)]).await?;
        node.act().await?;
        store.go_live().await?;
        store.start_recycling();
        let partition = store.create_partition(spec(PartitionId::new(1)));
        Ok(Self { handle, store, partition, _node: Rc::new(node) })
    }

    /// Puts the numbered rows from 0 to `rows`, and waits until the tree holds them.
    pub async fn load(&self, rows: u64) {
        for first in (0..rows).step_by(LOAD_BATCH_ROWS as usize) {
            let written = self.partition.write(|_view, batch| {
                for number in first..rows.min(first + LOAD_BATCH_ROWS) {
                    batch.put(&key(number), value(number, 0).as_slice());
                }
                Ok(())
            });
            durable(written.await).await;
        }
        self.store.checkpoint().await.expect("a checkpoint can be written");
    }

    /// Puts the numbered rows in one entry; it is durable when this returns.
    pub async fn put_all(&self, numbers: &[u64], version: u64) {
        let written = self.partition.write(|_view, batch| {
            for &number in numbers {
                batch.put(&key(number), value(number, version).as_slice());
            }
            Ok(())
        });
        durable(written.await).await;
    }

    /// Puts one row; it is durable when this returns.
    pub async fn put(&self, number: u64, version: u64) {
        let written = self.partition.write(|_view, batch| {
            batch.put(&key(number), value(number, version).as_slice());
            Ok(())
        });
        durable(written.await).await;
    }
}

async fn durable(written: Result<((), Commit), StorageError>) {
    let ((), commit) = written.expect("the write is logged");
    commit.wait().await.expect("the write becomes durable");
}

fn spec(id: PartitionId) -> PartitionSpec {
    PartitionSpec { id, table: id.get(), hash_range: (0, u64::MAX), hash_secret: [9; 16], materialised: None }
}
