//! The disk as the system counts it, and what it can do without any engine.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use basalt_benches::workload::Chance;
use rustix::fs::OFlags;

use crate::{plan::Plan, row::Figure, threads};

/// Bytes of the blocks that `stat` counts.
const STAT_BLOCK_BYTES: u64 = 512;
/// What direct reads and writes are aligned to.
const ALIGNMENT: usize = 4096;
/// A mean leaf extent: pages of 16 KiB that splits have left 70 % full, squeezed to whole blocks.
pub const LEAF_EXTENT_BYTES: usize = 12 << 10;
/// The file of raw syncs, written before.
const SYNC_FILE_BYTES: usize = 64 << 20;
/// Bytes of a read that goes through a file.
const READ_BYTES: usize = 1 << 20;

/// Bytes of all blocks that a directory's files have.
pub fn allocated_bytes(path: &Path) -> u64 {
    let found = match fs::symlink_metadata(path) {
        // A file may go while the directory is read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return 0,
        found => found.expect("the engine's files can be looked at"),
    };
    if !found.is_dir() {
        return found.blocks() * STAT_BLOCK_BYTES;
    }
    let entries = fs::read_dir(path).expect("the engine's directory can be read");
    entries.map(|entry| allocated_bytes(&entry.expect("it can be read").path())).sum()
}

/// Bytes that this process has had written to the disk.
pub fn written_bytes() -> u64 {
    let io = fs::read_to_string("/proc/self/io").expect("the kernel counts");
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|count| count.parse().ok()).expect("the kernel counts bytes written")
}

/// A file for raw syncs, whole on the disk.
pub struct SyncFile(File);

impl SyncFile {
    pub fn write(directory: &Path) -> Self {
        let path = directory.join("raw");
        fs::write(&path, vec![1; SYNC_FILE_BYTES]).expect("the file is written");
        File::open(&path).and_then(|file| file.sync_all()).expect("the file is synced");
        Self(open(&path, OFlags::DIRECT | OFlags::DSYNC))
    }

    /// 4 KiB written and synced at a time, in place, by one thread.
    pub fn measure(&self, plan: &Plan) -> Figure {
        let block = Aligned::new(ALIGNMENT);
        let write = |chance: &mut Chance| {
            let at = chance.below((SYNC_FILE_BYTES / ALIGNMENT) as u64) * ALIGNMENT as u64;
            self.0.write_all_at(block.bytes(), at).expect("the disk takes a block");
        };
        Figure::of(threads::clients(1, plan.duration, write), 1)
    }
}

/// Random reads of a mean leaf extent, past all caches, by as many threads as there are clients.
pub fn random_reads(directory: &Path, plan: &Plan) -> Figure {
    let path = largest_file(directory).expect("the engine has files").0;
    let file = open(&path, OFlags::DIRECT);
    let extents = file.metadata().expect("it is there").len() / LEAF_EXTENT_BYTES as u64;
    let read = |chance: &mut Chance| {
        let mut extent = Aligned::new(LEAF_EXTENT_BYTES);
        let at = chance.below(extents) * LEAF_EXTENT_BYTES as u64;
        file.read_exact_at(extent.bytes_mut(), at).expect("the disk gives an extent");
    };
    Figure::of(threads::clients(plan.clients, plan.duration, read), 1)
}

/// How long it takes to read every file of a directory from the disk, one after the other.
pub fn read_through(directory: &Path) -> Duration {
    let mut buffer = Aligned::new(READ_BYTES);
    let started = Instant::now();
    for file in files(directory) {
        let file = open(&file, OFlags::DIRECT);
        let mut at = 0;
        loop {
            let read = file.read_at(buffer.bytes_mut(), at).expect("the disk gives what it has");
            if read == 0 {
                break;
            }
            at += read as u64;
        }
    }
    started.elapsed()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("the directory can be read") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn largest_file(directory: &Path) -> Option<(PathBuf, u64)> {
    let sized = files(directory).into_iter().map(|path| {
        let bytes = allocated_bytes(&path);
        (path, bytes)
    });
    sized.max_by_key(|(_, bytes)| *bytes)
}

fn open(path: &Path, flags: OFlags) -> File {
    let flags = i32::try_from(flags.bits()).expect("flags of the system");
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).expect("the file opens")
}

/// Bytes where direct reads and writes want them.
struct Aligned {
    buffer: Vec<u8>,
    start: usize,
    length: usize,
}

impl Aligned {
    fn new(length: usize) -> Self {
        let buffer = vec![2; length + ALIGNMENT];
        let start = buffer.as_ptr().align_offset(ALIGNMENT);
        Self { buffer, start, length }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..][..self.length]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..][..self.length]
    }
}
