//! Directories that the real engine wrote, and the real program over them.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use basalt_engine::{
    BlockingEngine, CreateTable, Engine, EngineOptions, GlobalIndexDefinition, IndexProjection,
    IndexThroughput, PutItem, Scan,
    model::{IndexKeySchema, Item, KeyAttribute, KeySchema, Number, ScalarKind, Value},
};
use serde_json::Value as Json;

/// Every item of a table, by its keys.
pub(crate) type Rows = BTreeMap<String, Item>;

pub(crate) fn open(directory: &Path) -> BlockingEngine {
    let options = EngineOptions { shard_count: Some(2), pin_shards: false, ..EngineOptions::default() };
    Engine::open(directory, options).unwrap().blocking()
}

pub(crate) fn attribute(name: &str, kind: ScalarKind) -> KeyAttribute {
    KeyAttribute { name: name.to_owned(), kind }
}

/// A table with a sort key and a global index.
pub(crate) fn create_table(engine: &BlockingEngine, name: &str) {
    let keys =
        KeySchema { partition: attribute("pk", ScalarKind::S), sort: Some(attribute("sk", ScalarKind::N)) };
    let index = GlobalIndexDefinition {
        index_name: "by_color".to_owned(),
        key_schema: IndexKeySchema { partition: vec![attribute("color", ScalarKind::S)], sort: Vec::new() },
        projection: IndexProjection::All,
        throughput: IndexThroughput::default(),
    };
    let request = CreateTable { global_indexes: vec![index], ..CreateTable::new(name, keys) };
    engine.create_table(request).unwrap();
}

/// An item, larger than a page now and then.
pub(crate) fn item(number: u32, life: u32) -> Item {
    let length = if number.is_multiple_of(100) { 30_000 } else { 150 };
    let colors = ["red", "green", "blue"];
    Item::from(BTreeMap::from([
        ("pk".to_owned(), Value::S(format!("key {number}"))),
        ("sk".to_owned(), Value::N(Number::parse(&number.to_string()).unwrap())),
        ("color".to_owned(), Value::S(colors[(number + life) as usize % 3].to_owned())),
        ("life".to_owned(), Value::N(Number::parse(&life.to_string()).unwrap())),
        ("data".to_owned(), Value::S(noise(number, life, length))),
    ]))
}

/// The key of [`item`].
pub(crate) fn key(number: u32) -> Item {
    Item::from(BTreeMap::from([
        ("pk".to_owned(), Value::S(format!("key {number}"))),
        ("sk".to_owned(), Value::N(Number::parse(&number.to_string()).unwrap())),
    ]))
}

/// Text that does not compress to nothing, and is the same in each run.
fn noise(number: u32, life: u32, length: usize) -> String {
    let mut state = u64::from(number) << 32 | u64::from(life) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + (state % 26) as u8)
    };
    std::iter::repeat_with(next).take(length).collect()
}

pub(crate) fn put(engine: &BlockingEngine, table: &str, numbers: std::ops::Range<u32>, life: u32) {
    for number in numbers {
        engine.put_item(PutItem::new(table, item(number, life))).unwrap();
    }
}

pub(crate) fn rows(engine: &BlockingEngine, table: &str, index: Option<&str>) -> Rows {
    let mut rows = Rows::new();
    let mut request = Scan { index_name: index.map(str::to_owned), ..Scan::new(table) };
    loop {
        let page = engine.scan(request.clone()).unwrap();
        for encoded in page.items {
            let item = encoded.as_item().to_item().unwrap();
            rows.insert(format!("{:?} {:?}", item.get("pk"), item.get("sk")), item);
        }
        if page.last_evaluated_key.is_none() {
            return rows;
        }
        request.exclusive_start_key = page.last_evaluated_key;
    }
}

pub(crate) fn basaltctl(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_basaltctl")).arg("--json").args(arguments).output().unwrap()
}

/// Starts it without waiting for its end.
pub(crate) fn start_basaltctl(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_basaltctl"));
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Runs it, expects success, and reads its report.
pub(crate) fn report_of(arguments: &[&str]) -> Json {
    let output = basaltctl(arguments);
    let (told, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{told}\n{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

pub(crate) fn exit_code(arguments: &[&str]) -> Option<i32> {
    basaltctl(arguments).status.code()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
