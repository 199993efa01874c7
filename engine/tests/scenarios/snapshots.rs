//! A snapshot that is taken while clients write opens as a crash at its instant would have: what was acknowledged before
//! is there, transactions are whole, and nothing is there that nobody had asked for when it was taken.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use basalt_engine::{
    CreateTable, Engine, GetItem, PutItem, Snapshot, SnapshotContent, TransactAction, TransactWrite,
    model::Value, runtime::sim::Disk,
};
use basalt_format::{BLOCK_SIZE_BYTES, superblock::Superblock};

use crate::{
    seeds::for_each_seed,
    simulated::Simulated,
    support::{SIMPLE, item, number, simple_schema, text},
};

const CLIENTS: u64 = 5;
const READ_BLOCKS: u64 = 64;
const DIRECTORY: &str = "/data";

/// Files by their paths within the directory.
type Files = Vec<(PathBuf, Vec<u8>)>;

/// What clients have asked for and what they were told.
#[derive(Clone, Default)]
struct Told {
    asked: Rc<RefCell<BTreeMap<u64, i64>>>,
    acknowledged: Rc<RefCell<BTreeMap<u64, i64>>>,
}

fn put_of(key: String, value: i64) -> PutItem {
    PutItem::new(SIMPLE, item([("pk", text(&key)), ("n", number(value))]))
}

/// Puts a pair of items in one transaction and a third one by itself, with ever higher values, until it is stopped.
async fn write(engine: Engine, client: u64, told: Told, is_stopped: Rc<Cell<bool>>) {
    for value in 1.. {
        if is_stopped.get() {
            return;
        }
        told.asked.borrow_mut().insert(client, value);
        let pair =
            ["left", "right"].map(|side| TransactAction::Put(put_of(format!("{side} {client}"), value)));
        engine.transact_write(TransactWrite { actions: pair.into(), token: None }).await.unwrap();
        engine.put_item(put_of(format!("alone {client}"), value)).await.unwrap();
        told.acknowledged.borrow_mut().insert(client, value);
    }
}

async fn value_of(engine: &Engine, key: String) -> i64 {
    let found = engine.get_item(GetItem::new(SIMPLE, item([("pk", text(&key))]))).await.unwrap().item;
    let Some(found) = found else { return 0 };
    match &found.as_item().to_item().unwrap()["n"] {
        Value::N(number) => number.to_string().parse().unwrap(),
        other => panic!("a number was put, not {other:?}"),
    }
}

/// Reads every file of the snapshot.
async fn read_files(snapshot: &Snapshot) -> Files {
    let mut files = vec![(PathBuf::from("NODE"), snapshot.node().to_vec())];
    for file in snapshot.files() {
        let bytes = match &file.content {
            SnapshotContent::Segment { size_bytes, end_offset } => {
                let blocks = end_offset.div_ceil(BLOCK_SIZE_BYTES as u64);
                read_blocks(snapshot, &file.path, 0..blocks, *size_bytes).await
            }
            SnapshotContent::Partition(superblock) => {
                let size_bytes = superblock.file_blocks * BLOCK_SIZE_BYTES as u64;
                let mut bytes =
                    read_blocks(snapshot, &file.path, 8..superblock.file_blocks, size_bytes).await;
                let start = Superblock::block_of(superblock.generation) as usize * BLOCK_SIZE_BYTES;
                let root = superblock.encode();
                bytes[start..start + root.len()].copy_from_slice(&root);
                bytes
            }
        };
        files.push((file.path.clone(), bytes));
    }
    files
}

async fn read_blocks(
    snapshot: &Snapshot,
    path: &Path,
    blocks: std::ops::Range<u64>,
    size_bytes: u64,
) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(size_bytes).unwrap()];
    for first in blocks.clone().step_by(READ_BLOCKS as usize) {
        let count = u32::try_from(READ_BLOCKS.min(blocks.end - first)).unwrap();
        let read = snapshot.read(path, first, count).await.expect("what a snapshot names is there");
        let start = usize::try_from(first).unwrap() * BLOCK_SIZE_BYTES;
        bytes[start..start + read.len()].copy_from_slice(&read);
    }
    bytes
}

#[test]
fn a_snapshot_beside_writers_has_what_was_acknowledged_and_whole_transactions() {
    for_each_seed(1..9, |seed| {
        let mut simulated = Simulated::open(Disk::new(), 3, seed);
        let (files, floor, ceiling) = simulated.run(move |engine| async move {
            engine.create_table(CreateTable::new(SIMPLE, simple_schema())).await.unwrap();
            let (told, is_stopped) = (Told::default(), Rc::new(Cell::new(false)));
            let handle = engine.local().expect("tests run on a shard").handle().clone();
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    handle.spawn(write(engine.clone(), client, told.clone(), Rc::clone(&is_stopped)))
                })
                .collect();
            while (told.acknowledged.borrow().len() as u64) < CLIENTS {
                handle.sleep(Duration::from_millis(seed)).await;
            }
            let floor = told.acknowledged.borrow().clone();
            let snapshot = engine.snapshot().await.unwrap();
            let ceiling = told.asked.borrow().clone();
            // Checkpoints beside the reading would use again what the snapshot did not keep.
            handle.sleep(Duration::from_millis(20)).await;
            engine.checkpoint().await.unwrap();
            let files = read_files(&snapshot).await;
            snapshot.release().await.unwrap();
            is_stopped.set(true);
            for client in clients {
                client.await;
            }
            (files, floor, ceiling)
        });
        let mut disk = Disk::new();
        for (path, bytes) in &files {
            disk.write_file(&Path::new(DIRECTORY).join(path), bytes).unwrap();
        }
        let shard_count = 1 + u16::try_from(seed % 3).unwrap();
        let mut copied = Simulated::open(disk, shard_count, seed);
        copied.run(move |engine| async move {
            for client in 0..CLIENTS {
                let [left, right, alone] = [
                    value_of(&engine, format!("left {client}")).await,
                    value_of(&engine, format!("right {client}")).await,
                    value_of(&engine, format!("alone {client}")).await,
                ];
                assert_eq!(left, right, "a transaction is there or is not");
                let (floor, ceiling) = (floor[&client], ceiling[&client]);
                assert!((floor..=ceiling).contains(&left), "{left} of {floor} to {ceiling}");
                assert!((floor..=left).contains(&alone), "{alone} of {floor} to {left}");
            }
        });
    });
}
