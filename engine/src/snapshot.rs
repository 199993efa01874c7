//! What the directory was at one instant, to be read while everything goes on: backups of a running engine.
//!
//! The instant is cut while the logs of all shards are held: nothing is on its way to any disk then, so what is durable
//! on each shard is what a crash at that instant would have left. A start makes of it what it makes of any crash:
//! every acknowledged write is there, transactions are settled whole, indexes are brought up to their tables. A request
//! that was under way at the instant is in it or is not.
//!
//! Holding costs one frame's time on each shard. What a snapshot keeps, storage's pins keep (`basalt_storage`).
//!
//! Deliberately unknown here: what a backup looks like, and what reads it.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
    sync::{Arc, Weak},
};

use basalt_runtime::{ShardIndex, UnixTime};
use basalt_storage::{LogHold, ShardSnapshot, SnapshotFile};

use crate::{
    error::Error,
    shard::{LocalEngine, Shards},
};

/// The directory as of one instant. Dropping it gives back what it keeps; [`Snapshot::release`] also waits for that.
pub struct Snapshot {
    shards: Arc<Shards>,
    number: u64,
    life: Arc<()>,
    taken: UnixTime,
    node: Vec<u8>,
    files: Vec<(ShardIndex, SnapshotFile)>,
}

/// One shard's parts of the snapshots that there are, by number.
#[derive(Default)]
pub(crate) struct ShardSnapshots {
    parts: RefCell<BTreeMap<u64, Part>>,
    holds: RefCell<BTreeMap<u64, LogHold>>,
}

struct Part {
    snapshot: Rc<ShardSnapshot>,
    /// Dead when the snapshot was dropped, even if this shard was too busy to be told.
    life: Weak<()>,
}

impl Snapshot {
    /// Takes a snapshot; runs on the shard of `leader`.
    pub(crate) async fn take(leader: &LocalEngine) -> Result<Self, Error> {
        // What can be written before is not in the logs that are kept.
        leader.on_every_shard(|shard| async move { shard.checkpoint().await }).await?;
        // Before the instant: a NODE that is older than the logs is what crashes leave, a newer one is not.
        let node = leader.store().read_node().await?;
        let number = leader.handle().random_u64();
        let shards = Arc::clone(leader.shards());
        let (taken, life) = (leader.handle().unix_time(), Arc::new(()));
        let mut snapshot = Self { shards, number, life, taken, node, files: Vec::new() };
        let cut = snapshot.cut(leader).await;
        let released = leader
            .on_every_shard(move |shard| async move {
                shard.snapshots().holds.borrow_mut().remove(&number);
                Ok(())
            })
            .await;
        cut.and(released.map(|_| ()))?;
        Ok(snapshot)
    }

    /// When it was taken.
    pub fn taken(&self) -> UnixTime {
        self.taken
    }

    /// The bytes of NODE.
    pub fn node(&self) -> &[u8] {
        &self.node
    }

    /// Every other file that counts.
    pub fn files(&self) -> impl Iterator<Item = &SnapshotFile> {
        self.files.iter().map(|(_, file)| file)
    }

    /// Reads whole blocks of one of the files; fewer where it ends.
    pub async fn read(&self, path: &Path, block: u64, blocks: u32) -> Result<Vec<u8>, Error> {
        let holder = self.files.iter().find(|(_, file)| file.path == path);
        let &(shard, _) = holder.ok_or(Error::Closed)?;
        let (number, path) = (self.number, PathBuf::from(path));
        self.shards
            .run(shard, move |shard| async move {
                let part = shard.snapshots().part(number).ok_or(Error::Closed)?;
                Ok(part.read(&path, block, blocks).await?.to_vec())
            })
            .await
    }

    /// Nobody reads segments any more: they may be used again.
    pub async fn release_log(&self) -> Result<(), Error> {
        let number = self.number;
        for shard in self.shards.indexes() {
            self.shards
                .run(shard, move |shard| async move {
                    if let Some(part) = shard.snapshots().part(number) {
                        part.release_log();
                    }
                    Ok(())
                })
                .await?;
        }
        Ok(())
    }

    /// Gives back what the snapshot keeps, and waits until that is done.
    pub async fn release(self) -> Result<(), Error> {
        let number = self.number;
        for shard in self.shards.indexes() {
            self.shards
                .run(shard, move |shard| async move {
                    shard.snapshots().remove(number);
                    Ok(())
                })
                .await?;
        }
        Ok(())
    }

    /// Holds every log, and takes each shard's part while all of them are held.
    async fn cut(&mut self, leader: &LocalEngine) -> Result<(), Error> {
        let number = self.number;
        let life = Arc::downgrade(&self.life);
        leader
            .on_every_shard(move |shard| async move {
                let hold = shard.store().hold_log().await?;
                shard.snapshots().holds.borrow_mut().insert(number, hold);
                Ok(())
            })
            .await?;
        self.taken = leader.handle().unix_time();
        let parts = leader
            .on_every_shard(move |shard| {
                let life = life.clone();
                async move {
                    let snapshot = Rc::new(shard.store().snapshot()?);
                    let files = snapshot.files();
                    shard.snapshots().insert(number, Part { snapshot, life });
                    Ok((shard.shard(), files))
                }
            })
            .await?;
        self.files =
            parts.into_iter().flat_map(|(shard, files)| files.into_iter().map(move |f| (shard, f))).collect();
        Ok(())
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let number = self.number;
        for shard in self.shards.indexes() {
            self.shards.tell(shard, move |shard| shard.snapshots().remove(number));
        }
    }
}

impl ShardSnapshots {
    fn part(&self, number: u64) -> Option<Rc<ShardSnapshot>> {
        self.parts.borrow().get(&number).map(|part| Rc::clone(&part.snapshot))
    }

    fn insert(&self, number: u64, part: Part) {
        let mut parts = self.parts.borrow_mut();
        parts.retain(|_, part| part.life.strong_count() > 0);
        parts.insert(number, part);
    }

    fn remove(&self, number: u64) {
        self.parts.borrow_mut().remove(&number);
    }
}
