//! Makes a backup.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use basalt_format::{
    BLOCK_SIZE_BYTES,
    backup::ChunkRun,
    data_directory::{NODE_COPY_BYTES, NODE_COPY_OFFSETS, Node},
    extent::Pointer,
    superblock::{SUPERBLOCK_AREA_BLOCKS, Superblock},
};
use indicatif::ProgressBar;
use rayon::prelude::*;
use serde::Serialize;

use super::{
    chunk::{self, hex, sha256_of},
    extents::Extents,
    manifest::{BackedUpFile, Base, ChunkEntry, MANIFEST_NAME, Manifest, PartitionPart},
    source::{OpenFile, Source, SourceContent, SourceFile},
    store::Store,
};
use crate::{
    failure::{Exit, Failure},
    progress,
};

/// A chunk holds what lies in so many blocks of its file: what stays there has the same chunk in the next full backup.
const REGION_BLOCKS: u64 = 1024;
const REGION_BYTES: u64 = REGION_BLOCKS * BLOCK_SIZE_BYTES as u64;

/// What a backup came to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BackupReport {
    pub(crate) backup_id: String,
    pub(crate) taken_unix_us: u64,
    pub(crate) is_incremental: bool,
    pub(crate) files: usize,
    pub(crate) chunks: usize,
    /// Bytes of the directory that it holds.
    pub(crate) raw_bytes: u64,
    /// Bytes that it takes.
    pub(crate) stored_bytes: u64,
    /// Bytes that an earlier, broken run had stored already.
    pub(crate) reused_bytes: u64,
}

/// A backup being made.
struct Writer<'a> {
    source: &'a Source,
    store: &'a Store,
    base: Option<&'a Manifest>,
    /// Names of chunks that are there: of a run that was broken off, or stored just now.
    present: Mutex<BTreeSet<String>>,
    reused_bytes: AtomicU64,
    bar: ProgressBar,
}

/// Backs `source` up to `store`, but for what `base` holds; verified when this returns.
pub(crate) fn back_up(
    source: &Source,
    store: &Store,
    base: Option<(&Manifest, &str)>,
) -> Result<BackupReport, Failure> {
    if store.get(MANIFEST_NAME)?.is_some() {
        return Err(Failure::new(
            Exit::Exists,
            format!("{store} holds a finished backup: name another place"),
        ));
    }
    let present = Mutex::new(store.chunk_names()?.into_iter().collect());
    let bar = progress::of_bytes("backup", 0);
    let writer = Writer {
        source,
        store,
        base: base.map(|(base, _)| base),
        present,
        reused_bytes: AtomicU64::new(0),
        bar,
    };
    let manifest = writer.write(base)?;
    writer.bar.finish_and_clear();
    // What it names, and nothing else, is left when it is finished.
    writer.remove_leftovers(&manifest)?;
    store.sync_names()?;
    verify(store, &manifest)?;
    store.put(MANIFEST_NAME, &manifest.encode())?;
    store.sync_names()?;
    Ok(BackupReport {
        backup_id: manifest.backup_id.clone(),
        taken_unix_us: manifest.taken_unix_us,
        is_incremental: manifest.base.is_some(),
        files: manifest.files.len(),
        chunks: manifest.chunks().count(),
        raw_bytes: manifest.raw_bytes(),
        stored_bytes: manifest.stored_bytes(),
        reused_bytes: writer.reused_bytes.into_inner(),
    })
}

/// Reads every chunk back and compares it with the manifest.
pub(crate) fn verify(store: &Store, manifest: &Manifest) -> Result<(), Failure> {
    let bar = progress::of_bytes("verify", manifest.stored_bytes());
    let chunks: Vec<&ChunkEntry> = manifest.chunks().collect();
    chunks.par_iter().try_for_each(|entry| {
        read_chunk(store, entry)?;
        bar.inc(entry.stored_bytes);
        Ok::<(), Failure>(())
    })?;
    bar.finish_and_clear();
    Ok(())
}

/// The runs of a chunk, whose bytes are the ones that the manifest means.
pub(crate) fn read_chunk(store: &Store, entry: &ChunkEntry) -> Result<Vec<ChunkRun>, Failure> {
    let name = entry.name();
    let stored = store.get(&name)?.ok_or_else(|| Failure::damaged(format!("{store}: {name} is missing")))?;
    if sha256_of(&stored) != entry.sha256 || stored.len() as u64 != entry.stored_bytes {
        return Err(Failure::damaged(format!("{store}: {name} is damaged: its SHA-256 is another one")));
    }
    chunk::unpack(&stored, entry.raw_bytes)
        .map_err(|failure| Failure::damaged(format!("{store}: {name}: {failure}")))
}

impl Writer<'_> {
    fn write(&self, base: Option<(&Manifest, &str)>) -> Result<Manifest, Failure> {
        let files = self.source.files()?;
        let cluster_uuid = self.cluster_uuid(&files)?;
        if let Some((base, _)) = base.filter(|(base, _)| base.cluster_uuid != cluster_uuid) {
            let backup = &base.backup_id;
            return Err(Failure::usage(format!(
                "the base {backup} is of another directory: its cluster differs"
            )));
        }
        let (partitions, prefixes): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|file| matches!(file.content, SourceContent::Partition(_)));
        let mut backed_up = Vec::new();
        for file in &prefixes {
            backed_up.push(self.prefix(file)?);
        }
        self.source.release_log()?;
        for file in &partitions {
            backed_up.push(self.partition(file)?);
        }
        Ok(Manifest {
            backup_id: new_id(&cluster_uuid, self.source.taken_unix_us()),
            taken_unix_us: self.source.taken_unix_us(),
            cluster_uuid,
            base: base.map(|(base, location)| Base {
                backup_id: base.backup_id.clone(),
                location: location.to_owned(),
            }),
            files: backed_up,
        })
    }

    fn cluster_uuid(&self, files: &[SourceFile]) -> Result<String, Failure> {
        let size = files.iter().find(|file| file.path == "NODE").map_or(0, |file| file.size_bytes);
        let file = self.source.file("NODE")?;
        let bytes = file.read(0, usize::try_from(size).unwrap_or(0))?;
        let copies = NODE_COPY_OFFSETS.iter().filter_map(|&offset| {
            let start = offset as usize;
            Node::decode_copy(bytes.get(start..start + NODE_COPY_BYTES)?).ok()
        });
        let node = copies.max_by_key(|node| node.revision);
        node.map(|node| hex(&node.cluster_uuid))
            .ok_or_else(|| Failure::damaged("NODE: neither copy can be read; see basaltctl salvage"))
    }

    fn prefix(&self, file: &SourceFile) -> Result<BackedUpFile, Failure> {
        let SourceContent::Prefix(length) = file.content else { unreachable!("partitions were set apart") };
        self.bar.inc_length(length);
        let open = self.source.file(&file.path)?;
        let regions: Vec<u64> = (0..length).step_by(REGION_BYTES as usize).collect();
        let chunks = regions.par_iter().map(|&offset| {
            let bytes = open.read(offset, REGION_BYTES.min(length - offset) as usize)?.into_owned();
            self.store_chunk(&[ChunkRun { offset, bytes }])
        });
        let chunks = chunks.collect::<Result<_, _>>()?;
        Ok(BackedUpFile { path: file.path.clone(), size_bytes: file.size_bytes, partition: None, chunks })
    }

    fn partition(&self, file: &SourceFile) -> Result<BackedUpFile, Failure> {
        let SourceContent::Partition(superblock) = &file.content else {
            unreachable!("only partitions come here")
        };
        let open = self.source.file(&file.path)?;
        let file_uuid = hex(&superblock.file_uuid);
        let of_base =
            self.base.and_then(|base| base.file(&file.path)).and_then(|file| file.partition.as_ref());
        let base_generation = of_base.filter(|part| part.file_uuid == file_uuid).map(|part| part.generation);
        let extents = Extents::new(&open, &file.path, superblock, base_generation);
        let pointers = extents.collect()?;
        self.bar.inc_length(pointers.iter().map(|pointer| pointer.stored_bytes() as u64).sum());
        let mut chunks = vec![self.store_chunk(&[superblock_area(superblock)])?];
        let regions: Vec<&[Pointer]> =
            pointers.chunk_by(|one, next| one.block / REGION_BLOCKS == next.block / REGION_BLOCKS).collect();
        let stored =
            regions.par_iter().map(|region| self.store_chunk(&read_region(&open, &extents, region)?));
        chunks.extend(stored.collect::<Result<Vec<_>, _>>()?);
        let partition = PartitionPart {
            table: superblock.table,
            partition: superblock.partition,
            file_uuid,
            generation: superblock.generation,
            base_generation,
        };
        Ok(BackedUpFile {
            path: file.path.clone(),
            size_bytes: file.size_bytes,
            partition: Some(partition),
            chunks,
        })
    }

    fn store_chunk(&self, runs: &[ChunkRun]) -> Result<ChunkEntry, Failure> {
        let chunk = chunk::pack(runs)?;
        let entry = ChunkEntry::of(&chunk);
        let is_new = self.present.lock().expect("nobody panics with it").insert(entry.name());
        // A name is the hash of all bytes: what is there under it is whole, and verified at the end.
        if is_new {
            self.store.put(&entry.name(), &chunk.bytes)?;
        } else {
            self.reused_bytes.fetch_add(entry.stored_bytes, Ordering::Relaxed);
        }
        self.bar.inc(runs.iter().map(|run| run.bytes.len() as u64).sum());
        Ok(entry)
    }

    fn remove_leftovers(&self, manifest: &Manifest) -> Result<(), Failure> {
        let named: BTreeSet<String> = manifest.chunks().map(ChunkEntry::name).collect();
        let present = self.store.chunk_names()?;
        present.iter().filter(|name| !named.contains(*name)).try_for_each(|name| self.store.remove(name))
    }
}

/// Both superblocks' places: the one that is kept, and zeros where the other one stood, whose tree is not.
fn superblock_area(superblock: &Superblock) -> ChunkRun {
    let mut bytes = vec![0; SUPERBLOCK_AREA_BLOCKS as usize * BLOCK_SIZE_BYTES];
    let start = Superblock::block_of(superblock.generation) as usize * BLOCK_SIZE_BYTES;
    bytes[start..start + BLOCK_SIZE_BYTES].copy_from_slice(&superblock.encode());
    ChunkRun { offset: 0, bytes }
}

/// Reads neighbouring extents together and compares each with its checksum.
fn read_region(
    open: &OpenFile<'_>,
    extents: &Extents<'_>,
    region: &[Pointer],
) -> Result<Vec<ChunkRun>, Failure> {
    let mut runs = Vec::new();
    for neighbours in region.chunk_by(|one, next| one.block + u64::from(one.blocks) == next.block) {
        let offset = neighbours.first().map_or(0, Pointer::offset);
        let length = neighbours.iter().map(Pointer::stored_bytes).sum();
        let bytes = open.read(offset, length)?;
        let mut rest: &[u8] = &bytes;
        for pointer in neighbours {
            let (stored, behind) = rest.split_at(pointer.stored_bytes());
            extents.verify(pointer, stored)?;
            rest = behind;
        }
        runs.push(ChunkRun { offset, bytes: bytes.into_owned() });
    }
    Ok(runs)
}

/// Unlike any other: of the directory, the instant, and this process and its moment.
fn new_id(cluster_uuid: &str, taken_unix_us: u64) -> String {
    let moment =
        format!("{cluster_uuid} {taken_unix_us} {} {}", std::process::id(), super::source::unix_us_now());
    sha256_of(moment.as_bytes()).get(..32).unwrap_or_default().to_owned()
}
