//! Streams of an earlier shard count: read, given up, and written again without using a position twice.

use std::path::Path;

use basalt_runtime::{
    Handle,
    sim::{CrashPolicy, Disk},
};
use basalt_storage::{Lsn, Node, StorageError, StreamId, Wal};

use crate::harness::{DIRECTORY, Entry, append, read_entries, run, small_options};

fn entry(partition: u64, index: u64) -> Entry {
    Entry { partition, index, body: vec![partition as u8; 100] }
}

/// One start with `shard_count` streams: what was found, and where each stream was written.
async fn live(handle: Handle, shard_count: u16, index: u64) -> Result<(Vec<Entry>, Vec<Lsn>), StorageError> {
    let node = Node::judge(&handle, Path::new(DIRECTORY), shard_count).await?;
    node.act().await?;
    let found = read_entries(&handle, &node).await?;
    let mut positions = Vec::new();
    for stream in 0..shard_count {
        let stream_id = StreamId::new(stream);
        let wal =
            Wal::start(&handle, Path::new(DIRECTORY), &node.facts(), stream_id, small_options()).await?;
        let ticket = append(&wal, &entry(stream.into(), index));
        wal.durable(ticket).await?;
        positions.push(ticket.lsn);
    }
    node.retire_streams(shard_count).await?;
    Ok((found, positions))
}

fn start_with(disk: Disk, shard_count: u16, index: u64) -> (Vec<Entry>, Vec<Lsn>, Disk) {
    let (ended, simulation) = run(index, disk, |handle| live(handle, shard_count, index));
    let (found, positions) = ended.expect("nothing goes wrong").expect("the directory is whole");
    (found, positions, simulation.lose_power(CrashPolicy::LoseUnsynced))
}

#[test]
fn a_stream_that_was_given_up_starts_again_behind_its_old_end() {
    let (found, first, disk) = start_with(Disk::new(), 2, 1);
    assert_eq!(found, vec![]);
    let (found, _, disk) = start_with(disk, 1, 2);
    assert_eq!(found, vec![entry(0, 1), entry(1, 1)], "both streams are read with one shard");
    let (found, _, disk) = start_with(disk, 1, 3);
    assert_eq!(found, vec![entry(0, 1), entry(0, 2)], "the second stream was given up");
    let (_, again, disk) = start_with(disk, 2, 4);
    assert!(again[1] > first[1], "positions are never used twice: {first:?} then {again:?}");
    let (found, _, _) = start_with(disk, 2, 5);
    assert!(found.contains(&entry(1, 4)), "the second stream is written again");
}

#[test]
fn files_of_a_stream_given_up_mean_nothing_when_they_come_back() {
    let (_, _, disk) = start_with(Disk::new(), 2, 1);
    let folder = Path::new(DIRECTORY).join("wal/1");
    let is_of_stream = |path: &String| Path::new(path).starts_with(&folder);
    let kept: Vec<_> = disk.list_files().into_iter().filter(is_of_stream).collect();
    let kept: Vec<_> =
        kept.into_iter().map(|path| (disk.read_file(Path::new(&path)).expect("listed"), path)).collect();
    let (_, _, mut disk) = start_with(disk, 1, 2);
    for (bytes, path) in kept {
        disk.write_file(Path::new(&path), &bytes).expect("there is room");
    }
    let (found, _, _) = start_with(disk, 2, 3);
    assert_eq!(found, vec![entry(0, 1), entry(0, 2)]);
}
