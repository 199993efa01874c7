//! What a backup is made of: a stopped directory's files, or a running daemon's snapshot (`daemon`).

use std::{borrow::Cow, path::PathBuf};

use basalt_format::{BLOCK_SIZE_BYTES, superblock::Superblock};
use basalt_runtime::FileMap;

use super::daemon::DaemonSnapshot;
use crate::{
    catalog::Catalog,
    directory::{HeldDirectory, map},
    failure::Failure,
    log::{LogStreams, SegmentExtent, read_node},
    rows::DirectoryRows,
    tree::newest_superblock,
};

/// A file of the source and what of it counts.
pub(crate) struct SourceFile {
    /// Within the data directory, with slashes.
    pub(crate) path: String,
    pub(crate) size_bytes: u64,
    pub(crate) content: SourceContent,
}

/// Which bytes of a file count.
pub(crate) enum SourceContent {
    /// The first so many.
    Prefix(u64),
    /// What this superblock reaches.
    Partition(Box<Superblock>),
}

/// Where bytes are read from.
pub(crate) enum Source {
    Directory(StoppedDirectory),
    Daemon(DaemonSnapshot),
}

/// A directory that nobody uses, its files mapped when they are first read.
pub(crate) struct StoppedDirectory {
    held: HeldDirectory,
}

/// Bytes of one file, as they were asked for.
pub(crate) enum OpenFile<'a> {
    Mapped { map: FileMap, path: PathBuf },
    Daemon { snapshot: &'a DaemonSnapshot, path: String },
}

impl Source {
    /// `http://HOST:PORT` of a daemon's `--admin-listen`, or a stopped daemon's directory.
    pub(crate) fn open(from: &str) -> Result<Self, Failure> {
        if from.starts_with("http://") {
            return DaemonSnapshot::begin(from).map(Self::Daemon);
        }
        let held = HeldDirectory::hold(&PathBuf::from(from))?;
        Ok(Self::Directory(StoppedDirectory { held }))
    }

    /// The instant that it is of, in microseconds since 1970.
    pub(crate) fn taken_unix_us(&self) -> u64 {
        match self {
            Self::Directory(_) => unix_us_now(),
            Self::Daemon(snapshot) => snapshot.taken_unix_us(),
        }
    }

    /// Every file that counts: NODE, segments, partitions. Segments come before partitions, so that a daemon can use
    /// its log again soon.
    pub(crate) fn files(&self) -> Result<Vec<SourceFile>, Failure> {
        match self {
            Self::Directory(directory) => directory.files(),
            Self::Daemon(snapshot) => snapshot.files(),
        }
    }

    /// Opens a file for reading.
    pub(crate) fn file(&self, path: &str) -> Result<OpenFile<'_>, Failure> {
        match self {
            Self::Directory(directory) => {
                let path = directory.held.path().join(path);
                Ok(OpenFile::Mapped { map: map(&path)?, path })
            }
            Self::Daemon(snapshot) => Ok(OpenFile::Daemon { snapshot, path: path.to_owned() }),
        }
    }

    /// Segments are not read any more.
    pub(crate) fn release_log(&self) -> Result<(), Failure> {
        match self {
            Self::Directory(_) => Ok(()),
            Self::Daemon(snapshot) => snapshot.release_log(),
        }
    }
}

impl OpenFile<'_> {
    /// Reads `length` bytes, all of them.
    pub(crate) fn read(&self, offset: u64, length: usize) -> Result<Cow<'_, [u8]>, Failure> {
        match self {
            Self::Mapped { map, path } => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let bytes = map.get(start..start.saturating_add(length));
                let bytes = bytes.ok_or_else(|| {
                    Failure::damaged(format!(
                        "{}: it ends before byte {}",
                        path.display(),
                        offset + length as u64
                    ))
                })?;
                Ok(Cow::Borrowed(bytes))
            }
            Self::Daemon { snapshot, path } => snapshot.read(path, offset, length).map(Cow::Owned),
        }
    }
}

impl StoppedDirectory {
    fn files(&self) -> Result<Vec<SourceFile>, Failure> {
        let node_bytes = map(&self.held.node())?.len() as u64;
        let mut files = vec![SourceFile {
            path: "NODE".to_owned(),
            size_bytes: node_bytes,
            content: SourceContent::Prefix(node_bytes),
        }];
        let node = read_node(&self.held)?;
        let streams = LogStreams::read(&self.held, &node)?;
        let rows = DirectoryRows::read(&self.held, Some(&node), &streams)?;
        let catalog = Catalog::read(&rows, Some(&node))?;
        if let Some(problem) = streams.findings().next() {
            return Err(Failure::damaged(format!("{problem}; see basaltctl verify")));
        }
        files.extend(streams.needed_segments().map(
            |SegmentExtent { path, size_bytes, end_offset, .. }| SourceFile {
                path: self.held.relative(path),
                size_bytes: *size_bytes,
                content: SourceContent::Prefix(*end_offset),
            },
        ));
        for (number, path) in self.held.partition_files()? {
            if !catalog.counts(number) {
                continue;
            }
            let map = map(&path)?;
            let superblock = newest_superblock(&map).ok_or_else(|| {
                Failure::damaged(format!(
                    "{}: no superblock can be read; see basaltctl salvage",
                    path.display()
                ))
            })?;
            files.push(SourceFile {
                path: self.held.relative(&path),
                size_bytes: superblock.file_blocks * BLOCK_SIZE_BYTES as u64,
                content: SourceContent::Partition(Box::new(superblock)),
            });
        }
        Ok(files)
    }
}

pub(crate) fn unix_us_now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
