//! `basaltctl verify` against directories that the real engine wrote.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use basalt_engine::{
    CreateTable, Engine, EngineOptions, PutItem,
    model::{Item, KeyAttribute, KeySchema, ScalarKind, Value},
};
use serde_json::Value as Json;

const BLOCK_BYTES: usize = 4096;
const SUPERBLOCK_AREA_BLOCKS: usize = 8;
const ITEMS: usize = 600;

/// A directory with one table of small and large items, checkpointed and closed.
fn written_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let options = EngineOptions { shard_count: Some(1), ..EngineOptions::default() };
    let engine = Engine::open(directory.path().join("data"), options).unwrap().blocking();
    let key = KeyAttribute { name: "pk".to_owned(), kind: ScalarKind::S };
    engine.create_table(CreateTable::new("verified", KeySchema { partition: key, sort: None })).unwrap();
    for number in 0..ITEMS {
        let length = if number % 100 == 0 { 30_000 } else { 200 };
        let item = BTreeMap::from([
            ("pk".to_owned(), Value::S(format!("key {number}"))),
            ("data".to_owned(), Value::S("x".repeat(length))),
        ]);
        engine.put_item(PutItem::new("verified", Item::from(item))).unwrap();
    }
    engine.checkpoint().unwrap();
    engine.close().unwrap();
    directory
}

fn verify(directory: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_basaltctl")).arg("verify").arg("--json").arg(directory).output().unwrap()
}

fn report(output: &Output) -> Json {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The largest partition file, which is the table's, and what the report says of it.
fn table_file(report: &Json) -> (PathBuf, usize) {
    let files = report["files"].as_array().unwrap();
    let file = files.iter().max_by_key(|file| file["counts"]["rows"].as_u64()).unwrap();
    assert_eq!(file["counts"]["rows"], ITEMS);
    assert_eq!(file["counts"]["overflow_values"], ITEMS / 100);
    let reachable_bytes = file["counts"]["reachable_bytes"].as_u64().unwrap();
    (file["path"].as_str().unwrap().into(), usize::try_from(reachable_bytes).unwrap())
}

#[test]
fn a_sound_directory_verifies_and_a_flipped_bit_is_found_wherever_the_tree_reaches() {
    let directory = written_directory();
    let data = directory.path().join("data");
    let sound = verify(&data);
    assert_eq!(sound.status.code(), Some(0), "{}", String::from_utf8_lossy(&sound.stdout));
    let (path, reachable_bytes) = table_file(&report(&sound));

    let original = fs::read(&path).unwrap();
    let mut found = 0;
    for block in SUPERBLOCK_AREA_BLOCKS..original.len() / BLOCK_BYTES {
        let mut damaged = original.clone();
        damaged[block * BLOCK_BYTES + block % BLOCK_BYTES] ^= 0x10;
        fs::write(&path, damaged).unwrap();
        match verify(&data).status.code() {
            Some(1) => found += 1,
            code => assert_eq!(code, Some(0), "block {block}"),
        }
    }
    assert_eq!(found * BLOCK_BYTES, reachable_bytes, "every block that the tree reaches, and no other");

    fs::write(&path, &original[..original.len() / 2]).unwrap();
    assert_eq!(verify(&data).status.code(), Some(1), "a file that was cut");
}

#[test]
fn what_is_no_directory_of_ours_and_what_a_daemon_uses_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(verify(directory.path()).status.code(), Some(3));

    let data = directory.path().join("data");
    let engine = Engine::open(&data, EngineOptions::default()).unwrap().blocking();
    let refused = verify(&data);
    assert_eq!(refused.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("in use"));
    engine.close().unwrap();
}
