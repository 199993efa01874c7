//! What follows from items must be what the files hold: bytes that are whole and say something else are found.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use basalt_engine::{
    BlockingEngine, CreateTable, DeleteItem, GlobalIndexDefinition, IndexProjection, IndexThroughput,
    LocalIndexDefinition, PutItem, StreamViewType, TimeToLiveChange, UpdateTimeToLive,
    model::{IndexKeySchema, Item, KeySchema, Number, ScalarKind, Value},
};
use basalt_format::{
    BLOCK_SIZE_BYTES,
    extent::{Pointer, extent_checksum},
    superblock::{SUPERBLOCK_A_BLOCK, SUPERBLOCK_B_BLOCK, SUPERBLOCK_BYTES, Superblock},
};

use crate::support::{attribute, basaltctl, open, report_of, text};

/// Never is: an item that expired would be removed.
const FAR_AWAY: &str = "99999999999";

/// A table with everything that can follow from an item.
fn create(engine: &BlockingEngine) {
    let key = |name: &str| attribute(name, ScalarKind::S);
    let local = |name: &str, projection| LocalIndexDefinition {
        index_name: name.to_owned(),
        sort: key("color"),
        projection,
    };
    let global = GlobalIndexDefinition {
        index_name: "by_color".to_owned(),
        key_schema: IndexKeySchema { partition: vec![key("color")], sort: vec![key("data")] },
        projection: IndexProjection::Include(vec!["more".to_owned()]),
        throughput: IndexThroughput::default(),
    };
    let keys = KeySchema { partition: key("pk"), sort: Some(key("sk")) };
    let request = CreateTable {
        local_indexes: vec![local("keys", IndexProjection::KeysOnly), local("all", IndexProjection::All)],
        global_indexes: vec![global],
        stream: Some(StreamViewType::NewAndOldImages),
        ..CreateTable::new("orders", keys)
    };
    engine.create_table(request).unwrap();
    let (attribute, change) = ("expires".to_owned(), TimeToLiveChange::Enable);
    let request = UpdateTimeToLive { table_name: "orders".to_owned(), attribute, change };
    engine.update_time_to_live(request).unwrap();
}

fn key(number: u32) -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("pk".to_owned(), Value::S(format!("customer {}", number % 3))),
        ("sk".to_owned(), Value::S(format!("order {number}"))),
    ])
}

fn put(engine: &BlockingEngine, number: u32, life: u32) {
    let mut item = key(number);
    item.insert("data".to_owned(), Value::S(format!("data of {number} in life {life}")));
    item.insert("more".to_owned(), Value::S("more".to_owned()));
    item.insert("expires".to_owned(), Value::N(Number::parse(FAR_AWAY).unwrap()));
    // Some items have no entries.
    if !(number + life).is_multiple_of(4) {
        item.insert("color".to_owned(), Value::S(["red", "blue"][((number + life) % 2) as usize].to_owned()));
    }
    engine.put_item(PutItem::new("orders", Item::from(item))).unwrap();
}

/// Items put, changed and deleted; the last of it is in the log alone.
fn written(data: &Path) {
    let engine = open(data);
    create(&engine);
    (0..40).for_each(|number| put(&engine, number, 1));
    engine.checkpoint().unwrap();
    (0..20).for_each(|number| put(&engine, number, 2));
    (30..35).for_each(|number| {
        engine.delete_item(DeleteItem::new("orders", Item::from(key(number)))).unwrap();
    });
    engine.close().unwrap();
}

#[test]
fn everything_that_follows_from_items_is_there_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    written(&data);
    let report = report_of(&["verify", text(&data)]);
    assert_eq!(report["contradictions"].as_array().unwrap().len(), 0, "{report:#}");
}

#[test]
fn a_value_that_was_changed_behind_its_checksum_is_found_by_what_follows_from_it() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let engine = open(&data);
    create(&engine);
    (0..6).for_each(|number| put(&engine, number, 1));
    engine.checkpoint().unwrap();
    engine.close().unwrap();
    report_of(&["verify", text(&data)]);
    let mut tampered = 0;
    for path in partition_files(&data) {
        let sound = fs::read(&path).unwrap();
        // Items, entries of the local index that has everything, and the global index hold the word.
        let Some(changed) = with_word_changed(&sound, b"more", b"less") else { continue };
        fs::write(&path, changed).unwrap();
        let output = basaltctl(&["verify", text(&data)]);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{path:?}: {report:#}");
        assert!(!report["contradictions"].as_array().unwrap().is_empty(), "{path:?}: {report:#}");
        fs::write(&path, sound).unwrap();
        tampered += 1;
    }
    assert!(tampered >= 2, "the table's files and the index's");
    report_of(&["verify", text(&data)]);
}

#[test]
fn a_file_that_is_missing_or_another_one_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    written(&data);
    let files = partition_files(&data);
    let contradicted = || {
        let output = basaltctl(&["verify", text(&data)]);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    };
    for path in &files {
        let away = path.with_extension("away");
        fs::rename(path, &away).unwrap();
        contradicted();
        fs::rename(&away, path).unwrap();
    }
    let (one, other) = (fs::read(&files[0]).unwrap(), fs::read(&files[1]).unwrap());
    fs::write(&files[0], other).unwrap();
    contradicted();
    fs::write(&files[0], one).unwrap();
    report_of(&["verify", text(&data)]);
}

#[test]
fn what_a_deleted_table_leaves_is_sound() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let engine = open(&data);
    create(&engine);
    (0..6).for_each(|number| put(&engine, number, 1));
    engine.delete_table("orders").unwrap();
    engine.close().unwrap();
    let report = report_of(&["verify", text(&data)]);
    assert_eq!(report["contradictions"].as_array().unwrap().len(), 0, "{report:#}");
}

fn partition_files(data: &Path) -> Vec<PathBuf> {
    let groups = fs::read_dir(data.join("part")).unwrap();
    let files = groups.flat_map(|group| fs::read_dir(group.unwrap().path()).unwrap());
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A file whose root is its only page, with the first `from` in that page made a `to`, and every checksum made right.
fn with_word_changed(file: &[u8], from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
    let superblocks = [SUPERBLOCK_A_BLOCK, SUPERBLOCK_B_BLOCK].into_iter().filter_map(|block| {
        let start = block as usize * BLOCK_SIZE_BYTES;
        Superblock::decode(file.get(start..start + SUPERBLOCK_BYTES)?).ok()
    });
    let superblock = superblocks.max_by_key(|superblock| superblock.generation)?;
    let root = superblock.root?;
    let start = root.offset() as usize;
    let mut page = file[start..start + root.stored_bytes()].to_vec();
    // The last one: a value's, where names that pages share stand before them.
    let place = page.windows(from.len()).rposition(|window| window == from)?;
    page[place..place + to.len()].copy_from_slice(to);
    let checksum = extent_checksum(superblock.salt, root.block, &page);
    let changed = Superblock { root: Some(Pointer { checksum, ..root }), ..superblock };
    let mut file = file.to_vec();
    file[start..start + page.len()].copy_from_slice(&page);
    let block = Superblock::block_of(changed.generation) as usize * BLOCK_SIZE_BYTES;
    file[block..block + SUPERBLOCK_BYTES].copy_from_slice(&changed.encode()[..SUPERBLOCK_BYTES]);
    Some(file)
}
