//! A snapshot is what a crash at its instant would have left, however much is written before it is read.

use std::path::Path;

use basalt_format::{BLOCK_SIZE_BYTES, superblock::Superblock};
use basalt_runtime::{AlignedBuffer, DirectMode, Handle, OpenOptions, sim::Disk};
use basalt_storage::{
    Direction, PartitionId, ShardSnapshot, ShardStore, SnapshotContent, SnapshotFile, StorageError,
    StoreOptions,
};

use crate::harness::{self, Process, TABLE, rows};

const COPY: &str = "/copy";
const READ_BLOCKS: u32 = 64;
const ROWS: u32 = 400;

async fn take(store: &ShardStore) -> ShardSnapshot {
    let hold = store.hold_log().await.expect("the log is settled");
    let snapshot = store.snapshot().expect("every partition serves");
    drop(hold);
    snapshot
}

/// Makes the directory that the snapshot is of.
async fn copy(handle: &Handle, node: &[u8], snapshot: &ShardSnapshot) -> Result<(), StorageError> {
    write(handle, Path::new("NODE"), 0, node, node.len() as u64).await;
    for SnapshotFile { path, content } in snapshot.files() {
        match content {
            SnapshotContent::Segment { size_bytes, end_offset } => {
                copy_blocks(handle, snapshot, &path, 0, blocks_of(end_offset), size_bytes).await?;
            }
            SnapshotContent::Partition(superblock) => {
                let size_bytes = superblock.file_blocks * BLOCK_SIZE_BYTES as u64;
                copy_blocks(handle, snapshot, &path, 8, superblock.file_blocks, size_bytes).await?;
                let block = Superblock::block_of(superblock.generation);
                write(handle, &path, block, &superblock.encode(), size_bytes).await;
            }
        }
    }
    Ok(())
}

fn blocks_of(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK_SIZE_BYTES as u64)
}

async fn copy_blocks(
    handle: &Handle,
    snapshot: &ShardSnapshot,
    path: &Path,
    first: u64,
    end: u64,
    size_bytes: u64,
) -> Result<(), StorageError> {
    for block in (first..end).step_by(READ_BLOCKS as usize) {
        let blocks = u64::from(READ_BLOCKS).min(end - block) as u32;
        let bytes = snapshot.read(path, block, blocks).await?;
        write(handle, path, block, &bytes, size_bytes).await;
    }
    Ok(())
}

async fn write(handle: &Handle, path: &Path, block: u64, bytes: &[u8], size_bytes: u64) {
    let path = Path::new(COPY).join(path);
    handle.create_directory_all(path.parent().expect("a file lies in a directory")).await.expect("made");
    let options = OpenOptions::new().write(true).create(true).direct(DirectMode::Direct);
    let file = handle.open_file(&path, options).await.expect("the copy opens");
    if file.size_bytes().await.expect("it has a length") < size_bytes {
        file.truncate(size_bytes).await.expect("a file may be sparse");
    }
    let (written, _) = file.write_at(AlignedBuffer::from_slice(bytes), block * BLOCK_SIZE_BYTES as u64).await;
    written.expect("the copy is written");
}

/// Rewrites every row, with checkpoints in between: what older generations reached would be used again.
async fn churn(store: &ShardStore, value: u8) {
    let partition = store.partition(TABLE).expect("the table's partition is open");
    for round in 0..6 {
        for number in 0..ROWS {
            let row = [value.wrapping_add(round); 700];
            drop(harness::log_put(&partition, &number.to_be_bytes(), &row).await);
        }
        harness::put(&partition, b"last", &[round]).await;
        store.checkpoint().await.expect("the checkpoint succeeds");
    }
}

#[test]
fn a_snapshot_read_late_opens_as_the_directory_was_at_its_instant() {
    let mut process = Process::start(60, Disk::new());
    let handle = process.handle();
    process.run(async move |store| {
        churn(&store, 10).await;
        let partition = store.partition(TABLE).expect("the table's partition is open");
        // Not checkpointed: this one is in the log's tail.
        harness::put(&partition, b"newest", b"in the log").await;
        let node = store.read_node().await.expect("NODE is there");
        let snapshot = take(&store).await;
        churn(&store, 100).await;
        copy(&handle, &node, &snapshot).await.expect("everything is still there");
        snapshot.release_log();
        let gone = snapshot.files().into_iter().filter(|file| file.path.starts_with("wal")).count();
        assert_eq!(gone, 0, "released segments are no part of it any more");
    });
    let materialised = process.materialised();
    let disk = process.kill();

    let options = StoreOptions::default();
    let copied = Process::try_start_in(Path::new(COPY), 61, disk, options, &materialised);
    copied.expect("the copy opens").run(async |store| {
        let partition = store.partition(TABLE).expect("the table's partition is open");
        assert_eq!(harness::get(&partition, b"newest").await.as_deref(), Some(b"in the log".as_slice()));
        let found = rows(&partition, Direction::Forward).await;
        assert_eq!(found.len(), ROWS as usize + 2);
        assert!(
            found.iter().filter(|(key, _)| key.len() == 4 && key[0] == 0).all(|(_, row)| row == &[15; 700])
        );
        partition.check().await.expect("the tree is whole");
    });
}

#[test]
fn without_a_pin_the_same_reading_finds_other_bytes() {
    let mut process = Process::start(62, Disk::new());
    process.run(async |store| {
        churn(&store, 10).await;
        let snapshot = take(&store).await;
        let (path, file_blocks) = table_file(&snapshot);
        let before = snapshot.read(&path, 8, file_blocks - 8).await.expect("it reads");
        drop(snapshot);
        churn(&store, 100).await;
        let later = take(&store).await;
        let after = later.read(&path, 8, file_blocks - 8).await.expect("it reads");
        assert_ne!(&before[..], &after[..before.len().min(after.len())], "so the pin is what kept them");
    });
}

#[test]
fn a_dropped_partition_stays_readable_until_its_snapshot_goes() {
    let mut process = Process::start(63, Disk::new());
    process.run(async |store| {
        churn(&store, 10).await;
        let snapshot = take(&store).await;
        let (path, file_blocks) = table_file(&snapshot);
        store.drop_partition(TABLE).await.expect("it is dropped");
        let read = snapshot.read(&path, 0, file_blocks).await.expect("the file is kept");
        assert_eq!(read.len(), file_blocks as usize * BLOCK_SIZE_BYTES);
        drop(snapshot);
    });
    process.run_for(std::time::Duration::from_millis(50));
    assert_eq!(process.table_file_bytes(), 0, "the last pin has removed it");
}

fn table_file(snapshot: &ShardSnapshot) -> (std::path::PathBuf, u32) {
    let of_table = snapshot.files().into_iter().find_map(|file| match file.content {
        SnapshotContent::Partition(superblock) if PartitionId::new(superblock.partition) == TABLE => {
            Some((file.path, superblock.file_blocks as u32))
        }
        _ => None,
    });
    of_table.expect("the table has a file")
}
