//! The manifest: what a backup holds, under a checksum of its own.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use super::{
    chunk::{StoredChunk, sha256_of},
    store::Store,
};
use crate::failure::Failure;

/// The manifest's name in a backup.
pub(crate) const MANIFEST_NAME: &str = "manifest";
/// What its first line begins with; the SHA-256 of the rest follows.
const FIRST_LINE: &str = "basalt-backup 1 ";
/// Backups that one may rest on.
pub(crate) const CHAIN_LENGTH_MAX: usize = 1000;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Drawn for each backup.
    pub(crate) backup_id: String,
    /// The instant that it is of, in microseconds since 1970.
    pub(crate) taken_unix_us: u64,
    /// The cluster whose directory it is of.
    pub(crate) cluster_uuid: String,
    /// The backup that this one leaves things out for.
    pub(crate) base: Option<Base>,
    /// The directory's files.
    pub(crate) files: Vec<BackedUpFile>,
}

/// Where an incremental backup's other part is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Base {
    pub(crate) backup_id: String,
    /// Where it was when this backup was made; `--base` tells where it is now.
    pub(crate) location: String,
}

/// One file of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BackedUpFile {
    /// Within the data directory, with slashes.
    pub(crate) path: String,
    pub(crate) size_bytes: u64,
    pub(crate) partition: Option<PartitionPart>,
    pub(crate) chunks: Vec<ChunkEntry>,
}

/// What is said of a partition's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartitionPart {
    pub(crate) table: u64,
    pub(crate) partition: u64,
    pub(crate) file_uuid: String,
    /// The generation that is kept.
    pub(crate) generation: u64,
    /// What was born at or before this generation is in the base.
    pub(crate) base_generation: Option<u64>,
}

/// A chunk by the SHA-256 of its stored bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChunkEntry {
    pub(crate) sha256: String,
    pub(crate) stored_bytes: u64,
    pub(crate) raw_bytes: u64,
}

impl ChunkEntry {
    pub(crate) fn of(chunk: &StoredChunk) -> Self {
        let StoredChunk { sha256, bytes, raw_bytes } = chunk;
        Self { sha256: sha256.clone(), stored_bytes: bytes.len() as u64, raw_bytes: *raw_bytes }
    }

    /// The chunk's name in a backup.
    pub(crate) fn name(&self) -> String {
        chunk_name(&self.sha256)
    }
}

/// Spread over directories by its first digits.
pub(crate) fn chunk_name(sha256: &str) -> String {
    format!("chunks/{}/{sha256}.zst", sha256.get(..2).unwrap_or("00"))
}

impl Manifest {
    /// The manifest's bytes, checksum first.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let text = serde_json::to_string_pretty(self).expect("a manifest is plain data");
        format!("{FIRST_LINE}{}\n{text}\n", sha256_of(format!("{text}\n").as_bytes())).into_bytes()
    }

    /// Reads a manifest, all of it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let text = std::str::from_utf8(bytes).map_err(|_| Failure::damaged("the manifest is no text"))?;
        let (first, rest) = text.split_once('\n').unwrap_or_default();
        let Some(stored) = first.strip_prefix(FIRST_LINE) else {
            return Err(Failure::damaged("the manifest does not begin as one of this version"));
        };
        if stored != sha256_of(rest.as_bytes()) {
            return Err(Failure::damaged("the manifest's checksum is wrong"));
        }
        let manifest: Self = serde_json::from_str(rest)
            .map_err(|error| Failure::damaged(format!("the manifest cannot be understood: {error}")))?;
        match manifest.files.iter().find(|file| !is_inside(&file.path)) {
            None => Ok(manifest),
            Some(file) => {
                Err(Failure::damaged(format!("the manifest names {:?}, outside of a directory", file.path)))
            }
        }
    }

    /// The manifest of the backup in `store`.
    pub(crate) fn read(store: &Store) -> Result<Self, Failure> {
        match store.get(MANIFEST_NAME)? {
            Some(bytes) => Self::decode(&bytes),
            None => Err(Failure::damaged(format!(
                "{store} has no manifest: it is no backup, or one that was not finished (run it again)"
            ))),
        }
    }

    /// Every chunk that it names.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = &ChunkEntry> {
        self.files.iter().flat_map(|file| &file.chunks)
    }

    pub(crate) fn stored_bytes(&self) -> u64 {
        self.chunks().map(|chunk| chunk.stored_bytes).sum()
    }

    pub(crate) fn raw_bytes(&self) -> u64 {
        self.chunks().map(|chunk| chunk.raw_bytes).sum()
    }

    pub(crate) fn file(&self, path: &str) -> Option<&BackedUpFile> {
        self.files.iter().find(|file| file.path == path)
    }
}

fn is_inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(path: &str) -> Manifest {
        let chunk = ChunkEntry { sha256: "ab".repeat(32), stored_bytes: 10, raw_bytes: 20 };
        let file =
            BackedUpFile { path: path.to_owned(), size_bytes: 4096, partition: None, chunks: vec![chunk] };
        let (backup_id, cluster_uuid) = ("1".repeat(32), "2".repeat(32));
        Manifest { backup_id, taken_unix_us: 5, cluster_uuid, base: None, files: vec![file] }
    }

    #[test]
    fn a_manifest_comes_back_and_no_flipped_bit_or_cut_does() {
        let bytes = manifest("part/00/x.pt").encode();
        assert_eq!(Manifest::decode(&bytes).unwrap(), manifest("part/00/x.pt"));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&damaged).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn a_manifest_that_leads_out_of_the_directory_is_refused() {
        for path in ["../NODE", "/etc/passwd", "part/../../x", ""] {
            assert!(Manifest::decode(&manifest(path).encode()).is_err(), "{path:?}");
        }
    }
}
