//! Files and directories behave alike on every backend, down to the errors that the engine tells apart.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use crate::support::{every_backend, on_backend, on_every_backend, prepare};
use basalt_runtime::{
    AlignedBuffer, DirectMode, EntryKind, Handle, OpenOptions, ShardIndex, ShardSet, ShardSetOptions, remote,
};

fn read_write() -> OpenOptions {
    OpenOptions::new().read(true).write(true).create(true)
}

#[test]
fn written_bytes_are_read_back() {
    on_every_backend(|bench| async move {
        let directory = prepare(&bench).await;
        let file = bench.handle.open_file(&directory.join("file"), read_write()).await.unwrap();
        let (written, buffer) = file.write_at(AlignedBuffer::from_slice(b"basalt columns"), 3).await;
        written.unwrap();
        assert_eq!(&*buffer, b"basalt columns", "the buffer comes back as it went");
        let (read, buffer) = file.read_at(AlignedBuffer::zeroed(100), 0).await;
        assert_eq!(read.unwrap(), 17);
        assert_eq!(&buffer[..17], b"\0\0\0basalt columns");
        assert_eq!(file.size_bytes().await.unwrap(), 17);
        file.sync_data().await.unwrap();
        file.sync_all().await.unwrap();
    });
}

#[test]
fn a_direct_file_writes_and_syncs_blocks() {
    on_every_backend(|bench| async move {
        let directory = prepare(&bench).await;
        let options = read_write().direct(DirectMode::Direct);
        let file = bench.handle.open_file(&directory.join("log"), options).await.unwrap();
        for block in 0..8_u8 {
            let buffer = AlignedBuffer::from_slice(&[block; 8192]);
            let (written, _) = file.write_and_sync_at(buffer, u64::from(block) * 8192).await;
            written.unwrap();
        }
        let (read, buffer) = file.read_at(AlignedBuffer::zeroed(16_384), 8192).await;
        assert_eq!(read.unwrap(), 16_384);
        assert!(buffer[..8192].iter().all(|byte| *byte == 1));
        assert!(buffer[8192..].iter().all(|byte| *byte == 2));
        let (beyond, _) = file.read_at(AlignedBuffer::zeroed(4096), 65_536).await;
        assert_eq!(beyond.unwrap(), 0, "nothing is read beyond the end");
    });
}

#[test]
fn a_data_sync_file_takes_writes() {
    on_every_backend(|bench| async move {
        let directory = prepare(&bench).await;
        let options = read_write().data_sync(true);
        let file = bench.handle.open_file(&directory.join("log"), options).await.unwrap();
        file.write_and_sync_at(AlignedBuffer::from_slice(&[7; 5000]), 0).await.0.unwrap();
        assert_eq!(file.size_bytes().await.unwrap(), 5000);
    });
}

#[test]
fn lengths_follow_allocate_truncate_and_punch() {
    on_every_backend(|bench| async move {
        let directory = prepare(&bench).await;
        let file = bench.handle.open_file(&directory.join("tree"), read_write()).await.unwrap();
        file.allocate(0, 20_480).await.unwrap();
        assert_eq!(file.size_bytes().await.unwrap(), 20_480);
        file.write_at(AlignedBuffer::from_slice(&[9; 20_480]), 0).await.0.unwrap();
        file.punch_hole(4096, 8192).await.unwrap();
        file.truncate(16_000).await.unwrap();
        file.truncate(20_000).await.unwrap();
        let (read, buffer) = file.read_at(AlignedBuffer::zeroed(30_000), 0).await;
        assert_eq!(read.unwrap(), 20_000);
        let expected = [(0..4096, 9), (4096..12_288, 0), (12_288..16_000, 9), (16_000..20_000, 0)];
        for (range, byte) in expected {
            assert!(
                buffer[range.clone()].iter().all(|found| *found == byte),
                "{range:?} on {}",
                bench.backend
            );
        }
    });
}

#[test]
fn missing_and_present_names_are_told_apart() {
    on_every_backend(|bench| async move {
        let directory = prepare(&bench).await;
        let handle = &bench.handle;
        let path = directory.join("name");
        let missing = handle.open_file(&path, OpenOptions::new().read(true)).await;
        assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(handle.metadata(&path).await.unwrap(), None);
        assert_eq!(handle.remove_file(&path).await.unwrap_err().kind(), ErrorKind::NotFound);
        let new = OpenOptions::new().write(true).create_new(true);
        handle.open_file(&path, new).await.unwrap();
        assert_eq!(handle.open_file(&path, new).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        let inside = handle.open_file(&path.join("below"), new).await;
        assert_eq!(inside.unwrap_err().kind(), ErrorKind::NotADirectory);
        let nowhere = handle.open_file(&directory.join("no/where"), new).await;
        assert_eq!(nowhere.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn directories_list_their_names_in_order() {
    on_every_backend(|bench| async move {
        let directory = prepare(&bench).await;
        let handle = &bench.handle;
        handle.create_directory_all(&directory.join("b/c/d")).await.unwrap();
        handle.create_directory_all(&directory.join("b/c")).await.unwrap();
        let file = handle.open_file(&directory.join("a"), read_write()).await.unwrap();
        file.write_at(AlignedBuffer::zeroed(77), 0).await.0.unwrap();
        handle.open_file(&directory.join("z"), read_write()).await.unwrap();
        let listed: Vec<_> = handle
            .read_directory(&directory)
            .await
            .unwrap()
            .into_iter()
            .map(|entry| (entry.name.into_string().unwrap(), entry.kind, entry.size_bytes))
            .collect();
        let expected =
            [("a", EntryKind::File, 77), ("b", EntryKind::Directory, 0), ("z", EntryKind::File, 0)];
        assert_eq!(listed, expected.map(|(name, kind, size)| (name.to_owned(), kind, size)));
        let full = handle.remove_directory(&directory.join("b")).await;
        assert_eq!(full.unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
        handle.remove_directory(&directory.join("b/c/d")).await.unwrap();
        handle.sync_directory(&directory).await.unwrap();
        assert!(handle.metadata(&directory).await.unwrap().unwrap().is_directory);
    });
}

#[test]
fn renaming_replaces_a_file_and_moves_a_directory() {
    on_every_backend(|bench| async move {
        let directory = prepare(&bench).await;
        let handle = &bench.handle;
        for (name, byte) in [("old", 1), ("new", 2)] {
            let file = handle.open_file(&directory.join(name), read_write()).await.unwrap();
            file.write_at(AlignedBuffer::from_slice(&[byte; 10]), 0).await.0.unwrap();
        }
        handle.rename(&directory.join("new"), &directory.join("old")).await.unwrap();
        let file = handle.open_file(&directory.join("old"), read_write()).await.unwrap();
        let (_, buffer) = file.read_at(AlignedBuffer::zeroed(10), 0).await;
        assert_eq!(&*buffer, &[2; 10]);
        handle.create_directory_all(&directory.join("from/below")).await.unwrap();
        handle.rename(&directory.join("from"), &directory.join("to")).await.unwrap();
        assert!(handle.metadata(&directory.join("to/below")).await.unwrap().is_some());
        assert!(handle.metadata(&directory.join("from")).await.unwrap().is_none());
    });
}

#[test]
fn a_removed_file_lives_until_it_is_closed() {
    on_every_backend(|bench| async move {
        let directory = prepare(&bench).await;
        let path = directory.join("doomed");
        let file = bench.handle.open_file(&path, read_write()).await.unwrap();
        bench.handle.remove_file(&path).await.unwrap();
        file.write_at(AlignedBuffer::from_slice(b"still here"), 0).await.0.unwrap();
        assert_eq!(file.read_at(AlignedBuffer::zeroed(10), 0).await.0.unwrap(), 10);
    });
}

#[test]
fn one_opening_at_a_time_holds_the_lock() {
    on_every_backend(|bench| async move {
        let directory = prepare(&bench).await;
        let path = directory.join("LOCK");
        let first = bench.handle.open_file(&path, read_write()).await.unwrap();
        let second = bench.handle.open_file(&path, read_write()).await.unwrap();
        assert!(first.try_lock_exclusive().unwrap());
        assert!(first.try_lock_exclusive().unwrap(), "the owner has it already");
        assert!(!second.try_lock_exclusive().unwrap());
        drop(first);
        while !second.try_lock_exclusive().unwrap() {
            bench.handle.yield_now().await;
        }
        bench.handle.hold_for_ring(&second).unwrap();
        drop(second);
    });
}

/// The lock of one opening, held by every shard: free only when the last of them has ended.
#[test]
fn a_shared_lock_is_free_when_the_last_shard_has_ended() {
    for options in every_backend().into_iter().filter(|options| !options.in_memory) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("LOCK");
        assert!(!locked_while_one_shard_lives(&path, options.clone()), "on {:?}", options.io);
        on_backend(options, move |bench| {
            let path = path.clone();
            async move {
                let lock = bench.handle.open_file(&path, read_write()).await.unwrap();
                // The file threads of the shards that have ended let go of it when they end, too.
                while !lock.try_lock_exclusive().unwrap() {
                    bench.handle.sleep(Duration::from_millis(1)).await;
                }
            }
        });
    }
}

/// Shard 0 locks, shares and ends, which closes its file; then shard 1, which only holds, tries a second opening.
fn locked_while_one_shard_lives(path: &Path, options: ShardSetOptions) -> bool {
    let path = path.to_owned();
    let (report, reports) = mpsc::channel();
    let set = ShardSet::start(ShardSetOptions { shard_count: 2, ..options }, move |context| {
        let (path, report, handle) = (path.clone(), report.clone(), context.handle);
        Box::pin(async move {
            let ended = || context.remotes[0].try_send(Box::new(|_| ())).is_err();
            if handle.shard() == ShardIndex(1) {
                while !ended() {
                    handle.sleep(Duration::from_millis(1)).await;
                }
                let second = handle.open_file(&path, read_write()).await.unwrap();
                report.send(second.try_lock_exclusive().unwrap()).unwrap();
                return;
            }
            let lock = handle.open_file(&path, read_write()).await.unwrap();
            assert!(lock.try_lock_exclusive().unwrap());
            handle.hold_for_ring(&lock).unwrap();
            let (shared, (reply, held)) = (lock.share().unwrap(), remote::oneshot());
            let job = move |handle: &Handle| reply.send(handle.hold_shared(&shared)).unwrap();
            context.remotes[1].send(Box::new(job)).await.unwrap();
            held.await.unwrap().unwrap();
        })
    });
    set.unwrap().join();
    reports.recv().unwrap()
}
