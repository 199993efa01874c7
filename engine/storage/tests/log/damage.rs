//! Every flipped bit and every cut of a log that was closed: everything is found, or the start is refused.

use std::path::{Path, PathBuf};

use basalt_format::BLOCK_SIZE_BYTES;
use basalt_runtime::sim::{Disk, Random};
use basalt_storage::{Node, Refusal, StorageError};

use crate::harness::{
    DIRECTORY, Entry, Model, SEGMENT_BYTES, append, read_entries, run, small_options, start,
};

/// A log that a process wrote and closed, and the entries in it.
struct Written {
    disk: Disk,
    entries: Vec<Entry>,
}

/// Two lives of a process, a dozen entries of up to a block each: two segments.
fn written() -> Written {
    let mut disk = Disk::new();
    let mut model = Model::default();
    let mut entries = Vec::new();
    for life in 0..2 {
        let mut random = Random::new(life);
        let appended: Vec<Entry> = (0..6).map(|_| model.next_entry(&mut random, 5000)).collect();
        entries.extend(appended.iter().cloned());
        let (ended, simulation) = run(life, disk, |handle| async move {
            let started = start(&handle, small_options()).await.expect("a whole log is accepted");
            for entry in &appended {
                let ticket = append(&started.wal, entry);
                started.wal.durable(ticket).await.expect("the log is open");
            }
            started.wal.seal_and_close().await.expect("the log is open");
        });
        ended.expect("nothing goes wrong");
        disk = simulation.lose_power(basalt_runtime::sim::CrashPolicy::LoseUnsynced);
    }
    Written { disk, entries }
}

impl Written {
    /// Files with frames, and how many of their bytes were written.
    fn segments(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let paths = self.disk.list_files().into_iter().filter(|path| path.ends_with(".wal"));
        let contents = paths.map(|path| {
            let bytes = self.disk.read_file(Path::new(&path)).expect("it was listed");
            (PathBuf::from(path), bytes)
        });
        contents.filter(|(_, bytes)| bytes.iter().any(|&byte| byte != 0)).collect()
    }

    /// What a start makes of a disk. Judging must leave every byte as it was.
    fn judge(&self, disk: &Disk) -> Result<Vec<Entry>, StorageError> {
        let (result, simulation) = run(1, disk.clone(), |handle| async move {
            let node = Node::judge(&handle, Path::new(DIRECTORY), 1).await?;
            read_entries(&handle, &node).await
        });
        assert_eq!(contents(&simulation.disk()), contents(disk), "judging changes nothing");
        result.expect("the process runs to its end")
    }

    fn assert_found_or_refused(&self, disk: &Disk, damage: &str) -> bool {
        match self.judge(disk) {
            Ok(found) => {
                assert_eq!(found, self.entries, "{damage}: accepted with other entries");
                false
            }
            Err(StorageError::Refused(Refusal::DamagedLog { .. })) => true,
            Err(other) => panic!("{damage}: {other}"),
        }
    }
}

fn contents(disk: &Disk) -> Vec<(String, Vec<u8>)> {
    let read = |path: String| {
        let bytes = disk.read_file(Path::new(&path)).expect("it was listed");
        (path, bytes)
    };
    disk.list_files().into_iter().map(read).collect()
}

#[test]
fn a_whole_log_is_found_whole() {
    let written = written();
    assert_eq!(written.judge(&written.disk).expect("nothing is damaged"), written.entries);
}

#[test]
fn every_flipped_bit_is_harmless_or_refused() {
    let written = written();
    let mut refused = 0;
    for (path, bytes) in written.segments() {
        let used =
            bytes.iter().rposition(|&byte| byte != 0).expect("the file holds something") + BLOCK_SIZE_BYTES;
        // All bits of each header's region, one bit of every few bytes elsewhere: records and padding are all alike.
        for place in
            (0..used.min(bytes.len())).filter(|place| place % BLOCK_SIZE_BYTES < 150 || place % 29 == 0)
        {
            let mut disk = written.disk.clone();
            disk.flip_bits(&path, place as u64, 1 << (place % 8)).expect("the file is there");
            let damage = format!("{} flipped at {place}", path.display());
            refused += u32::from(written.assert_found_or_refused(&disk, &damage));
        }
    }
    assert!(refused > 1000, "flips inside frames are refused, only {refused} were");
}

#[test]
fn every_lost_or_zeroed_end_is_harmless_or_refused() {
    let written = written();
    for (path, bytes) in written.segments() {
        for length in (0..bytes.len()).step_by(512) {
            let mut cut = written.disk.clone();
            cut.write_file(&path, &bytes[..length]).expect("the file can be written");
            written.assert_found_or_refused(&cut, &format!("{} cut to {length}", path.display()));
        }
    }
}

#[test]
fn a_lost_segment_is_refused_when_a_start_knew_it() {
    let written = written();
    let (first, _) = &written.segments()[0];
    let mut disk = written.disk.clone();
    disk.remove_file(first).expect("the file is there");
    assert!(written.assert_found_or_refused(&disk, "the first segment removed"));
}

#[test]
fn two_copies_of_a_segment_are_refused() {
    let written = written();
    let (_, bytes) = &written.segments()[0];
    let mut disk = written.disk.clone();
    disk.write_file(&Path::new(DIRECTORY).join("wal/0/00000000000000ff.wal"), bytes).expect("there is room");
    assert!(written.assert_found_or_refused(&disk, "a segment copied"));
}

#[test]
fn a_segment_of_another_cluster_is_refused_as_foreign() {
    let ours = written();
    let mut other = Disk::new();
    let (ended, simulation) = run(77, other.clone(), |handle| async move {
        let started = start(&handle, small_options()).await.expect("a new directory");
        started.wal.durable(append(&started.wal, &Entry { partition: 0, index: 1, body: vec![1] })).await
    });
    ended.expect("nothing goes wrong").expect("the log is open");
    other = simulation.kill();
    let path = other.list_files().into_iter().find(|path| {
        path.ends_with(".wal")
            && other.read_file(Path::new(path)).expect("listed").iter().any(|&byte| byte != 0)
    });
    let bytes = other.read_file(Path::new(&path.expect("a segment was written"))).expect("listed");
    let mut disk = ours.disk.clone();
    disk.write_file(&Path::new(DIRECTORY).join("wal/0/00000000000000ff.wal"), &bytes).expect("there is room");
    assert!(matches!(ours.judge(&disk), Err(StorageError::Refused(Refusal::Incompatible { .. }))));
}

#[test]
fn node_survives_the_loss_of_either_copy_and_refuses_the_loss_of_both() {
    let written = written();
    let path = Path::new(DIRECTORY).join("NODE");
    for (copies, is_refused) in [(vec![16 << 10], false), (vec![0], false), (vec![0, 16 << 10], true)] {
        let mut disk = written.disk.clone();
        for &copy in &copies {
            disk.flip_bits(&path, copy, 1).expect("the file is there");
        }
        match written.judge(&disk) {
            Ok(found) => assert!(!is_refused && found == written.entries, "copies at {copies:?} damaged"),
            Err(error) => {
                let is_root = matches!(error, StorageError::Refused(Refusal::DamagedRoot { .. }));
                assert!(is_refused && is_root, "copies at {copies:?} damaged: {error}");
            }
        }
    }
}

#[test]
fn a_directory_that_lost_its_node_is_not_taken_for_a_new_one() {
    let written = written();
    let mut disk = written.disk.clone();
    disk.remove_file(&Path::new(DIRECTORY).join("NODE")).expect("the file is there");
    assert!(matches!(written.judge(&disk), Err(StorageError::Refused(Refusal::MissingFile { .. }))));
}

const _: () = assert!(SEGMENT_BYTES > 8 * BLOCK_SIZE_BYTES as u64);
