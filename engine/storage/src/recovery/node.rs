//! Judges a data directory as a whole, and takes it over.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use basalt_format::data_directory::{FeatureBits, Node as NodeState, NodeStream, StreamContent};
use basalt_runtime::{DirectMode, EntryKind, File, Handle, OpenOptions, ShardIndex, SharedFile, sometimes};

use super::{
    catalog_log::CatalogLog,
    facts::StreamFacts,
    judge::{JudgedStream, UnjudgedStream},
    lock::lock_directory,
    node_file::{create_node, node_path, read_node, update_node},
};
use crate::{
    error::{DiskOperation, Refusal, StorageError},
    ids::{EntryIndex, Generation, PartitionId, StreamId},
    wal::{log_directory, stream_directory},
};

/// The only node there is until there are several.
const FIRST_NODE_ID: u64 = 1;

/// A data directory that is locked and not judged yet. Keeps the lock.
pub struct UnjudgedNode {
    handle: Handle,
    directory: PathBuf,
    /// What NODE says, or would say of a new directory.
    state: NodeState,
    is_new: bool,
    lock: File,
}

/// A data directory that is locked and judged. Keeps the lock: it must live as long as anything uses the directory.
pub struct Node {
    handle: Handle,
    facts: Arc<NodeFacts>,
    /// Until the catalog is recovered.
    catalog_log: Option<CatalogLog>,
    _lock: File,
}

/// What judging found, for all shards.
pub struct NodeFacts {
    directory: PathBuf,
    /// NODE as this start will write it.
    state: NodeState,
    is_new: bool,
    streams: Vec<StreamFacts>,
    /// LOCK, as the shards that did not open it can hold it; the one that did holds it already.
    lock: SharedFile,
    locked_by: ShardIndex,
    /// Set while NODE is being updated: one update at a time.
    updating: AtomicBool,
}

impl UnjudgedNode {
    /// What there is to judge, each stream on whichever shard has the time.
    pub fn streams(&self) -> Vec<UnjudgedStream> {
        self.state
            .streams
            .iter()
            .map(|known| UnjudgedStream::new(&self.directory, &self.state, *known))
            .collect()
    }

    /// The directory as a whole, from what each of [`UnjudgedNode::streams`] was found to be, in the same order.
    pub fn conclude(self, judged: Vec<JudgedStream>) -> Result<Node, StorageError> {
        let Self { handle, directory, mut state, is_new, lock } = self;
        assert_eq!(state.streams.len(), judged.len(), "every stream is judged");
        state.open_epoch += 1;
        state.revision += 1;
        let mut streams = Vec::with_capacity(judged.len());
        let mut catalog_log = CatalogLog::default();
        for (known, JudgedStream { facts, catalog }) in state.streams.iter_mut().zip(judged) {
            assert_eq!(known.stream, facts.stream.get(), "streams keep their order");
            *known = after_judgement(known, &facts);
            streams.push(facts);
            catalog_log.extend(catalog);
        }
        let shared =
            lock.share().map_err(|error| StorageError::disk(DiskOperation::Lock, lock.path(), error))?;
        let facts = NodeFacts {
            directory,
            state,
            is_new,
            streams,
            lock: shared,
            locked_by: handle.shard(),
            updating: AtomicBool::new(false),
        };
        Ok(Node { handle, facts: Arc::new(facts), catalog_log: Some(catalog_log), _lock: lock })
    }
}

impl Node {
    /// Takes the lock of `directory` and reads NODE, for a process of `shard_count` shards. Changes nothing else.
    ///
    /// A directory that does not exist is made; one without anything of Basalt's in it will become a new one.
    pub async fn lock(
        handle: &Handle,
        directory: &Path,
        shard_count: u16,
    ) -> Result<UnjudgedNode, StorageError> {
        let created = handle.create_directory_all(directory).await;
        created.map_err(|error| StorageError::disk(DiskOperation::Directory, directory, error))?;
        let lock = lock_directory(handle, directory).await?;
        handle
            .hold_for_ring(&lock)
            .map_err(|error| StorageError::disk(DiskOperation::Lock, lock.path(), error))?;
        let found = read_node(handle, directory).await?;
        let is_new = found.is_none();
        let mut state = match found {
            Some(state) => state,
            None => new_state(handle, directory).await?,
        };
        list_streams(&mut state, shard_count);
        Ok(UnjudgedNode { handle: handle.clone(), directory: directory.to_owned(), state, is_new, lock })
    }

    /// Locks a directory and judges all of it here, one stream after the other.
    pub async fn judge(handle: &Handle, directory: &Path, shard_count: u16) -> Result<Node, StorageError> {
        let node = Node::lock(handle, directory, shard_count).await?;
        let mut judged = Vec::new();
        for stream in node.streams() {
            judged.push(stream.judge(handle).await?);
        }
        node.conclude(judged)
    }

    /// What judging found of the catalog's entries, for [`crate::ShardStore::replay_catalog`].
    ///
    /// # Panics
    /// The second time: the catalog is recovered once.
    pub fn take_catalog_log(&mut self) -> CatalogLog {
        self.catalog_log.take().expect("the catalog is recovered once")
    }

    /// What judging found.
    pub fn facts(&self) -> Arc<NodeFacts> {
        Arc::clone(&self.facts)
    }

    /// Takes the directory over: from here on it may be served from.
    ///
    /// First makes durable what was believed, contents and names, since a killed process may have left it in a cache;
    /// then NODE. Removes what earlier starts had begun to build.
    pub async fn act(&self) -> Result<(), StorageError> {
        let (handle, directory) = (&self.handle, &self.facts.directory);
        create_layout(handle, directory).await?;
        self.sync_streams().await?;
        if self.facts.is_new {
            create_node(handle, directory, &self.facts.state).await?;
        } else {
            update_node(handle, directory, &self.facts.state).await?;
        }
        clear_directory(handle, &directory.join("tmp")).await
    }

    /// Gives up the streams from `keep` on: nothing in them is needed any more, and their files are removed.
    pub async fn retire_streams(&self, keep: u16) -> Result<(), StorageError> {
        let retired: Vec<&StreamFacts> = self
            .facts
            .streams
            .iter()
            .filter(|stream| stream.stream.get() >= keep && !stream.log.segments.is_empty())
            .collect();
        if retired.is_empty() {
            return Ok(());
        }
        sometimes!("log streams of an earlier shard count given up");
        self.facts
            .update(&self.handle, |state| {
                for stream in &retired {
                    // Positions behind its last file: if the stream is written again, none is used twice.
                    let end_lsn = stream.log.next_base_lsn.get();
                    let known = state.streams.iter_mut().find(|known| known.stream == stream.stream.get());
                    let known = known.expect("every judged stream is listed");
                    *known = NodeStream { end_lsn, content: StreamContent::Empty, ..*known };
                }
            })
            .await?;
        for stream in retired {
            clear_directory(&self.handle, &stream_directory(&self.facts.directory, stream.stream)).await?;
        }
        Ok(())
    }

    async fn sync_streams(&self) -> Result<(), StorageError> {
        for stream in self.facts.streams.iter().filter(|stream| stream.log.has_files()) {
            sync_directory(&self.handle, &stream_directory(&self.facts.directory, stream.stream)).await?;
        }
        for segment in self.facts.streams.iter().filter_map(|stream| stream.log.segments.last()) {
            // Direct as everywhere: if this sync fails, the next start must not read what only a cache still shows.
            let options = OpenOptions::new().write(true).direct(DirectMode::Direct);
            let opened = self.handle.open_file(&segment.path, options).await;
            let file =
                opened.map_err(|error| StorageError::disk(DiskOperation::Open, &segment.path, error))?;
            let synced = file.sync_data().await;
            synced.map_err(|error| StorageError::disk(DiskOperation::Sync, &segment.path, error))?;
        }
        Ok(())
    }
}

impl NodeFacts {
    /// Lets the requests of `handle`'s shard keep the directory's lock, so that it outlives the process until the last
    /// of them has ended (STORAGE §1). Every shard does so before it writes.
    pub(crate) fn hold_lock(&self, handle: &Handle) -> Result<(), StorageError> {
        if handle.shard() == self.locked_by {
            return Ok(());
        }
        let held = handle.hold_shared(&self.lock);
        held.map_err(|error| StorageError::disk(DiskOperation::Lock, self.directory.join("LOCK"), error))
    }

    /// Which start of the directory this is, from 1 on.
    pub fn open_epoch(&self) -> u64 {
        self.state.open_epoch
    }

    /// The newest checkpoint of `partition` that the logs say was completed, and the last entry in it.
    pub fn highest_checkpoint(&self, partition: PartitionId) -> Option<(Generation, EntryIndex)> {
        self.streams.iter().filter_map(|stream| stream.checkpoints.get(&partition)).copied().max()
    }

    /// The cluster that the directory belongs to.
    pub fn cluster_uuid(&self) -> [u8; 16] {
        self.state.cluster_uuid
    }

    /// Whether this start makes the directory.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Every log stream that may hold something, by number.
    pub fn streams(&self) -> &[StreamFacts] {
        &self.streams
    }

    /// The catalog's file, if it had been written when the directory was judged.
    pub fn catalog_file_uuid(&self) -> Option<[u8; 16]> {
        self.state.catalog_file_uuid
    }

    /// Makes it durable that the catalog's file exists. To be called on the first shard.
    pub async fn record_catalog_file(
        &self,
        handle: &Handle,
        file_uuid: [u8; 16],
    ) -> Result<(), StorageError> {
        self.update(handle, |state| state.catalog_file_uuid = Some(file_uuid)).await
    }

    pub(crate) fn stream(&self, stream: StreamId) -> &StreamFacts {
        let found = self.streams.iter().find(|facts| facts.stream == stream);
        found.expect("judging lists a stream for each shard")
    }

    /// Changes NODE. Two tasks of the first shard may want to at once; the second waits for the first's sync.
    async fn update(&self, handle: &Handle, change: impl FnOnce(&mut NodeState)) -> Result<(), StorageError> {
        while self.updating.swap(true, Ordering::Acquire) {
            handle.yield_now().await;
        }
        let result = self.update_alone(handle, change).await;
        self.updating.store(false, Ordering::Release);
        result
    }

    async fn update_alone(
        &self,
        handle: &Handle,
        change: impl FnOnce(&mut NodeState),
    ) -> Result<(), StorageError> {
        let read = read_node(handle, &self.directory).await?;
        let mut state = read.ok_or_else(|| Refusal::MissingFile {
            path: node_path(&self.directory),
            detail: "it was there when this process started".into(),
        })?;
        change(&mut state);
        state.revision += 1;
        update_node(handle, &self.directory, &state).await
    }
}

/// A new directory's state. What looks like a directory that lost its NODE is refused.
async fn new_state(handle: &Handle, directory: &Path) -> Result<NodeState, StorageError> {
    for part in ["wal", "part"] {
        if !is_empty(handle, &directory.join(part)).await? {
            let detail = format!("{} holds files of a data directory", directory.join(part).display());
            return Err(Refusal::MissingFile { path: node_path(directory), detail }.into());
        }
    }
    let mut cluster_uuid = [0; 16];
    handle.fill_entropy(&mut cluster_uuid);
    Ok(NodeState {
        cluster_uuid,
        node_id: FIRST_NODE_ID,
        features: FeatureBits::default(),
        open_epoch: 0,
        revision: 0,
        log_salt: handle.random_u64(),
        catalog_file_uuid: None,
        streams: Vec::new(),
    })
}

/// Adds a stream for each shard that has none yet.
fn list_streams(state: &mut NodeState, shard_count: u16) {
    for stream in 0..shard_count {
        if let Err(place) = state.streams.binary_search_by_key(&stream, |known| known.stream) {
            state.streams.insert(place, NodeStream { stream, end_lsn: 0, content: StreamContent::Empty });
        }
    }
}

fn after_judgement(known: &NodeStream, judged: &StreamFacts) -> NodeStream {
    if judged.log.segments.is_empty() {
        return *known;
    }
    NodeStream { stream: known.stream, end_lsn: judged.log.end.lsn.get(), content: StreamContent::Written }
}

/// Makes the directories that are missing, and all their names durable: also names that were there, which a process
/// killed before its sync may have left.
async fn create_layout(handle: &Handle, directory: &Path) -> Result<(), StorageError> {
    for part in [directory.join("tmp"), directory.join("part"), log_directory(directory)] {
        let created = handle.create_directory_all(&part).await;
        created.map_err(|error| StorageError::disk(DiskOperation::Directory, &part, error))?;
    }
    sync_directory(handle, &log_directory(directory)).await?;
    sync_directory(handle, directory).await?;
    // The directory's own name; a relative path of one part has no parent that could be opened.
    match directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_directory(handle, parent).await,
        None => Ok(()),
    }
}

async fn sync_directory(handle: &Handle, directory: &Path) -> Result<(), StorageError> {
    let synced = handle.sync_directory(directory).await;
    synced.map_err(|error| StorageError::disk(DiskOperation::Sync, directory, error))
}

async fn is_empty(handle: &Handle, directory: &Path) -> Result<bool, StorageError> {
    let failed = |error| StorageError::disk(DiskOperation::Directory, directory, error);
    if handle.metadata(directory).await.map_err(failed)?.is_none() {
        return Ok(true);
    }
    Ok(handle.read_directory(directory).await.map_err(failed)?.is_empty())
}

/// Removes the files of a directory, if it is there.
async fn clear_directory(handle: &Handle, directory: &Path) -> Result<(), StorageError> {
    let failed = |error| StorageError::disk(DiskOperation::Directory, directory, error);
    if handle.metadata(directory).await.map_err(failed)?.is_none() {
        return Ok(());
    }
    for entry in handle.read_directory(directory).await.map_err(failed)? {
        if entry.kind == EntryKind::File {
            let path = directory.join(&entry.name);
            let removed = handle.remove_file(&path).await;
            removed.map_err(|error| StorageError::disk(DiskOperation::Remove, &path, error))?;
        }
    }
    Ok(())
}
