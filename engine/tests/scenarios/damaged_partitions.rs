//! Tables of which a partition's file is damaged under a running engine: they can be deleted and leave nothing behind,
//! and what is committed beside the damage stays so.

use std::time::Duration;

use basalt_engine::{
    CreateTable, Engine, Error, ErrorKind, GetItem, ListTables, PutItem, Scan, TokenSpace, TransactAction,
    TransactToken, TransactWrite, UpdateItem, model::Value, runtime::sim::Disk,
};

use crate::{
    index_delivery::{with_indexes, write_at_once},
    simulated::Simulated,
    support::{COMPOSITE, SIMPLE, item, number, options, simple_schema, text, updating},
};

const CATALOG_FILE: &str = "/data/part/00/0000000000000000.pt";
/// So many that each shard has leaves which a start does not read.
const ITEM_COUNT: usize = 600;

async fn create(engine: &Engine) {
    engine.create_table(CreateTable::new(SIMPLE, simple_schema())).await.expect("the name is free");
}

async fn fill(engine: &Engine) {
    create(engine).await;
    for key in 0..ITEM_COUNT {
        let item = item([("pk", text(&format!("key {key}"))), ("long", text(&"x".repeat(300)))]);
        engine.put_item(PutItem::new(SIMPLE, item)).await.expect("the table is there");
    }
}

fn token(name: &str) -> Option<TransactToken> {
    Some(TransactToken { space: TokenSpace::TransactWriteItems, token: name.to_owned(), digest: 1 })
}

/// Puts an item under a token, which lies in a partition of the table.
async fn put_once(engine: &Engine) {
    let put = TransactAction::Put(PutItem::new(SIMPLE, item([("pk", text("once"))])));
    let request = TransactWrite { actions: vec![put], token: token("put") };
    engine.transact_write(request).await.expect("nothing stands against it");
}

/// The files of all partitions but the catalog's, the oldest first.
fn partition_files(simulated: &Simulated) -> Vec<String> {
    let mut files = simulated.files();
    files.retain(|path| path.contains("/part/") && path != CATALOG_FILE);
    files.sort_unstable();
    files
}

async fn count(engine: &Engine) -> Result<u64, Error> {
    engine.scan(Scan::new(SIMPLE)).await.map(|page| page.count)
}

/// A table whose pages are damaged can be deleted; `before`: what is done to it while it is whole.
fn is_deleted_and_leaves_nothing<F: Future<Output = ()> + 'static>(
    shard_count: u16,
    before: impl FnOnce(Engine) -> F,
) {
    let mut filled = Simulated::open(Disk::new(), shard_count, 1);
    filled.run(|engine| async move { fill(&engine).await });
    filled.run(before);
    filled.run(|engine| async move { engine.checkpoint().await.expect("the device has room") });
    // What is in memory is not read again.
    let mut damaged = Simulated::open(filled.close(), shard_count, 2);
    let files = partition_files(&damaged);
    assert_eq!(files.len(), usize::from(shard_count), "a partition a shard");
    files.iter().for_each(|path| damaged.spoil_pages(path));
    damaged.run(|engine| async move {
        let kind = count(&engine).await.err().map(|error| error.kind());
        assert_eq!(kind, Some(ErrorKind::Restore), "its pages are damaged");
        engine.delete_table(SIMPLE).await.expect("what is damaged can be deleted");
        assert!(engine.list_tables(ListTables::default()).await.unwrap().table_names.is_empty());
        create(&engine).await;
        assert_eq!(count(&engine).await.unwrap(), 0);
    });
    damaged.wait(Duration::from_mins(15));
    assert_eq!(partition_files(&damaged), [""; 0], "the files are gone");
    // And the directory is good for another start.
    let mut again = Simulated::open(damaged.lose_power(), shard_count, 3);
    again.run(|engine| async move {
        engine.delete_table(SIMPLE).await.expect("it is there");
        fill(&engine).await;
        assert_eq!(count(&engine).await.unwrap(), ITEM_COUNT as u64);
    });
}

#[test]
fn a_table_with_damaged_pages_is_deleted_and_its_files_go() {
    for shard_count in 1..=3 {
        is_deleted_and_leaves_nothing(shard_count, |_engine| async {});
    }
}

#[test]
fn tokens_of_a_damaged_table_do_not_keep_it() {
    for shard_count in 1..=3 {
        is_deleted_and_leaves_nothing(shard_count, |engine| async move { put_once(&engine).await });
    }
}

fn key() -> basalt_engine::model::Item {
    item([("pk", text("a")), ("sk", number(1))])
}

/// Adds to an item's number under a token; whether that was answered again, rather than run.
async fn add_once(engine: &Engine) -> Result<bool, Error> {
    let update = updating("ADD n :one", &[(":one", number(1))]);
    let add = TransactAction::Update(UpdateItem::new(COMPOSITE, key(), update));
    let request = TransactWrite { actions: vec![add], token: token("add") };
    engine.transact_write(request).await.map(|output| output.is_replay)
}

async fn sum(engine: &Engine) -> Option<Value> {
    let read = engine.get_item(GetItem::new(COMPOSITE, key())).await.unwrap().item;
    read.and_then(|item| item.as_item().to_item().unwrap().get("n").cloned())
}

#[test]
fn a_transaction_that_its_index_cannot_show_has_used_its_token_up() {
    let mut filled = with_indexes(options(1), 1);
    filled.run(|engine| async move {
        write_at_once(&engine, 1).await;
        engine.checkpoint().await.expect("the device has room");
    });
    let mut damaged = Simulated::open(filled.close(), 1, 2);
    // The table's own partition is the oldest.
    partition_files(&damaged).iter().skip(1).for_each(|path| damaged.spoil_pages(path));
    damaged.run(|engine| async move {
        let before = sum(&engine).await;
        assert!(add_once(&engine).await.is_err(), "no index can show it");
        let after = sum(&engine).await;
        assert_ne!(after, before, "it is committed");
        assert!(add_once(&engine).await.expect("it is answered again"), "it does not run again");
        assert_eq!(sum(&engine).await, after);
    });
}
