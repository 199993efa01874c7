//! Turns a backup into a directory.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
};

use basalt_format::backup::ChunkRun;
use rayon::prelude::*;

use super::{
    manifest::{BackedUpFile, CHAIN_LENGTH_MAX, ChunkEntry, Manifest},
    store::Store,
    write::read_chunk,
};
use crate::{destination::sync_names, failure::Failure, progress};

/// A backup and those that it rests on, newest first.
pub(crate) struct Chain {
    links: Vec<(Store, Manifest)>,
}

impl Chain {
    /// Reads the manifests of the backup at `location` and of every base. `moved` says where bases are now, by any
    /// order; where none of them is the one, the place where it was when the backup was made is looked at.
    pub(crate) fn open(location: &str, moved: &[String]) -> Result<Self, Failure> {
        let mut known = BTreeMap::new();
        for location in moved {
            known.insert(Manifest::read(&Store::open(location)?)?.backup_id, location.clone());
        }
        let store = Store::open(location)?;
        let manifest = Manifest::read(&store)?;
        let mut links = vec![(store, manifest)];
        while let Some(base) = links.last().and_then(|(_, manifest)| manifest.base.clone()) {
            if links.len() == CHAIN_LENGTH_MAX {
                return Err(Failure::damaged(format!(
                    "the backup rests on more than {CHAIN_LENGTH_MAX} others"
                )));
            }
            let store = Store::open(known.get(&base.backup_id).unwrap_or(&base.location))?;
            let manifest = Manifest::read(&store)?;
            if manifest.backup_id != base.backup_id {
                let (found, wanted) = (&manifest.backup_id, &base.backup_id);
                return Err(Failure::damaged(format!(
                    "{store} is backup {found}, but {wanted} is needed: say where that is with --base"
                )));
            }
            links.push((store, manifest));
        }
        Ok(Self { links })
    }

    pub(crate) fn newest(&self) -> &Manifest {
        &self.links[0].1
    }

    pub(crate) fn links(&self) -> &[(Store, Manifest)] {
        &self.links
    }

    /// Whether every file is whole in the chain; says nothing about the bytes of chunks.
    pub(crate) fn check_layers(&self) -> Result<(), Failure> {
        self.newest().files.iter().try_for_each(|file| self.layers(file).map(|_layers| ()))
    }

    /// Writes every file of the newest backup below `directory`, which is made; durable when this returns.
    pub(crate) fn write_files(&self, directory: &Path) -> Result<(), Failure> {
        let parts: Vec<(&BackedUpFile, Vec<Layer<'_>>)> = self
            .newest()
            .files
            .iter()
            .map(|file| Ok((file, self.layers(file)?)))
            .collect::<Result<_, Failure>>()?;
        let layers = parts.iter().flat_map(|(_, layers)| layers);
        let bytes = layers.flat_map(|layer| layer.chunks).map(|chunk| chunk.raw_bytes).sum();
        let bar = progress::of_bytes("restore", bytes);
        for (file, layers) in &parts {
            let path = directory.join(&file.path);
            let open = create(&path, file.size_bytes).map_err(|error| Failure::io(&path, error))?;
            // Oldest first: where two layers hold a block, the newer tree is the one that reaches it.
            for layer in layers.iter().rev() {
                layer.chunks.par_iter().try_for_each(|entry| {
                    let runs = read_chunk(layer.store, entry)?;
                    write_runs(&open, &runs, file.size_bytes).map_err(|error| Failure::io(&path, error))?;
                    bar.inc(entry.raw_bytes);
                    Ok::<(), Failure>(())
                })?;
            }
            open.sync_all().map_err(|error| Failure::io(&path, error))?;
        }
        bar.finish_and_clear();
        let lock = directory.join("LOCK");
        File::create(&lock).map_err(|error| Failure::io(&lock, error))?;
        sync_tree(directory).map_err(|error| Failure::io(directory, error))
    }

    /// The chunks that a file is made of, newest layer first.
    fn layers<'a>(&'a self, file: &'a BackedUpFile) -> Result<Vec<Layer<'a>>, Failure> {
        let mut layers = vec![Layer { store: &self.links[0].0, chunks: &file.chunks }];
        let mut above = file;
        for (store, manifest) in &self.links[1..] {
            let Some(wanted) = above.partition.as_ref().filter(|part| part.base_generation.is_some()) else {
                break;
            };
            let found = manifest.file(&file.path).filter(|base| {
                base.partition.as_ref().is_some_and(|part| {
                    part.file_uuid == wanted.file_uuid && Some(part.generation) == wanted.base_generation
                })
            });
            let Some(found) = found else {
                return Err(Failure::damaged(format!("{store}: it lacks the {} that is needed", file.path)));
            };
            layers.push(Layer { store, chunks: &found.chunks });
            above = found;
        }
        match above.partition.as_ref().and_then(|part| part.base_generation) {
            None => Ok(layers),
            Some(_) => Err(Failure::damaged(format!("{}: the chain of backups has no full one", file.path))),
        }
    }
}

/// One backup's chunks of a file.
struct Layer<'a> {
    store: &'a Store,
    chunks: &'a [ChunkEntry],
}

fn create(path: &Path, size_bytes: u64) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.set_len(size_bytes)?;
    Ok(file)
}

/// An older layer may hold blocks behind the end of a file that has become shorter: nothing reaches them.
fn write_runs(file: &File, runs: &[ChunkRun], size_bytes: u64) -> io::Result<()> {
    for ChunkRun { offset, bytes } in runs {
        let length = size_bytes.saturating_sub(*offset).min(bytes.len() as u64) as usize;
        file.write_all_at(&bytes[..length], *offset)?;
    }
    Ok(())
}

fn sync_tree(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    sync_names(directory)
}
