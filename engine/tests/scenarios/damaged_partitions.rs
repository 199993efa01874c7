//! Tables of which a partition's file is damaged, under a running engine or before its start: they can be deleted and
//! leave nothing behind, nothing else is closed with them, and what is committed beside the damage stays so.

use std::time::Duration;

use basalt_engine::{
    CreateTable, Engine, EngineOptions, Error, ErrorKind, GetItem, ListTables, PutItem, Scan, TokenSpace,
    TransactAction, TransactGet, TransactToken, TransactWrite, UpdateItem,
    model::{ScalarKind, Value},
    runtime::sim::Disk,
};

use crate::{
    index_delivery::{with_indexes, write_at_once},
    simulated::{Simulated, page_blocks, spoil_block, spoil_pages_of},
    support::{COMPOSITE, SIMPLE, composite_schema, item, number, options, simple_schema, text, updating},
};

const CATALOG_FILE: &str = "/data/part/00/0000000000000000.pt";
/// So many that each shard has leaves which a start does not read.
const ITEM_COUNT: usize = 600;

async fn create(engine: &Engine) {
    engine.create_table(CreateTable::new(SIMPLE, simple_schema())).await.expect("the name is free");
}

async fn fill(engine: &Engine, item_count: usize) {
    create(engine).await;
    for key in 0..item_count {
        let item = item([("pk", text(&format!("key {key}"))), ("long", text(&"x".repeat(300)))]);
        engine.put_item(PutItem::new(SIMPLE, item)).await.expect("the table is there");
    }
}

fn token(name: &str) -> Option<TransactToken> {
    Some(TransactToken { space: TokenSpace::TransactWriteItems, token: name.to_owned(), digest: 1 })
}

/// Puts an item under a token, which lies in a partition of the table.
async fn try_put_once(engine: &Engine) -> Result<(), Error> {
    let put = TransactAction::Put(PutItem::new(SIMPLE, item([("pk", text("once"))])));
    let request = TransactWrite { actions: vec![put], token: token("put") };
    engine.transact_write(request).await.map(drop)
}

async fn put_once(engine: &Engine) {
    try_put_once(engine).await.expect("nothing stands against it");
}

/// The files of all partitions but the catalog's, the oldest first.
fn partition_files(simulated: &Simulated) -> Vec<String> {
    partitions_of(simulated.files())
}

fn partitions_of(mut files: Vec<String>) -> Vec<String> {
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
    filled.run(|engine| async move { fill(&engine, ITEM_COUNT).await });
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
        fill(&engine, ITEM_COUNT).await;
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

#[test]
fn what_a_start_finds_damaged_is_closed_and_nothing_else() {
    for shard_count in 1..=3 {
        let mut filled = Simulated::open(Disk::new(), shard_count, 1);
        filled.run(|engine| async move {
            fill(&engine, ITEM_COUNT).await;
            put_once(&engine).await;
            engine
                .create_table(CreateTable::new(COMPOSITE, composite_schema(ScalarKind::N)))
                .await
                .expect("the name is free");
            engine.put_item(PutItem::new(COMPOSITE, key())).await.expect("the table is there");
            engine.checkpoint().await.expect("the device has room");
        });
        let of_table = partition_files(&filled)[..usize::from(shard_count)].to_vec();
        let mut disk = filled.close();
        of_table.iter().for_each(|path| spoil_pages_of(&mut disk, path));
        // Also with other owners.
        let mut damaged = Simulated::open(disk, shard_count % 3 + 1, 2);
        damaged.run(|engine| async move {
            let kind = count(&engine).await.err().map(|error| error.kind());
            assert_eq!(kind, Some(ErrorKind::Restore), "its pages are damaged");
            let kind = try_put_once(&engine).await.err().map(|error| error.kind());
            assert_eq!(kind, Some(ErrorKind::Restore), "whether it has run cannot be read");
            assert!(!add_once(&engine).await.expect("the other table is whole"));
            assert_eq!(sum(&engine).await, Some(number(1)));
        });
        // The sweeper of tokens meets it too.
        damaged.wait(Duration::from_mins(15));
        let mut again = Simulated::open(damaged.lose_power(), shard_count, 3);
        again.run(|engine| async move {
            engine.delete_table(SIMPLE).await.expect("what is damaged can be deleted");
            assert_eq!(sum(&engine).await, Some(number(1)));
        });
        let mut last = Simulated::open(again.lose_power(), shard_count, 4);
        last.run(|engine| async move {
            create(&engine).await;
            assert_eq!(count(&engine).await.unwrap(), 0);
        });
    }
}

/// Items of the transactions that are cut short; they lie on both shards.
const ACCOUNTS: i64 = 6;

fn account(name: i64) -> basalt_engine::model::Item {
    item([("pk", text(&format!("key {name}")))])
}

/// Gives every account the same number.
async fn set_all(engine: &Engine, round: i64) -> Result<(), Error> {
    let put = |name| {
        let mut item = account(name);
        item.insert("round".to_owned(), number(round));
        TransactAction::Put(PutItem::new(SIMPLE, item))
    };
    let request = TransactWrite { actions: (0..ACCOUNTS).map(put).collect(), token: None };
    engine.transact_write(request).await.map(drop)
}

/// What can be known of an account.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Round(Option<Value>),
    /// A transaction holds it.
    Locked(Option<Value>),
    /// Its partition is closed.
    Closed,
}

async fn look(engine: &Engine) -> Vec<Seen> {
    let mut all = Vec::new();
    for name in 0..ACCOUNTS {
        all.push(match look_at(engine, name).await {
            Ok(seen) => seen,
            Err(error) if error.kind() == ErrorKind::Restore => Seen::Closed,
            Err(error) => panic!("{error}"),
        });
    }
    all
}

async fn look_at(engine: &Engine, name: i64) -> Result<Seen, Error> {
    let read = GetItem::new(SIMPLE, account(name));
    let item = engine.get_item(read.clone()).await?.item;
    let round = item.and_then(|item| item.as_item().to_item().unwrap().get("round").cloned());
    match engine.transact_get(TransactGet { reads: vec![read] }).await {
        Ok(_) => Ok(Seen::Round(round)),
        Err(Error::TransactionCanceled { .. }) => Ok(Seen::Locked(round)),
        Err(error) => Err(error),
    }
}

/// What a start on `disk` makes of the accounts, and the disk after it.
fn looked_at(disk: Disk, seed: u64) -> (Vec<Seen>, Disk) {
    let mut process = Simulated::open(disk, 2, seed);
    let seen = process.run(|engine| async move { look(&engine).await });
    (seen, process.kill())
}

/// A machine on which a transaction over two shards was cut short at an event; `None`: it came to its end before.
fn cut_short(filled: &Disk, events: u64) -> Option<Disk> {
    let mut process = Simulated::open(filled.clone(), 2, 2);
    process.crash_in(events);
    let is_done = process
        .run_or_crash(|engine| async move { set_all(&engine, 1).await.expect("nothing stands against it") });
    (!is_done).then(|| process.lose_power())
}

#[test]
fn what_is_in_doubt_is_not_split() {
    let mut filled = Simulated::open(Disk::new(), 2, 1);
    filled.run(|engine| async move {
        fill(&engine, ITEM_COUNT).await;
        engine.checkpoint().await.expect("the device has room");
    });
    let filled = filled.close();
    let splitting = EngineOptions { partition_bytes_max: 64 << 10, ..options(2) };
    let (mut in_doubt, mut split) = (0, 0);
    for events in 1.. {
        let Some(crashed) = cut_short(&filled, events) else { break };
        let (whole, _) = looked_at(crashed.clone(), 3);
        for path in partitions_of(crashed.list_files()) {
            let mut disk = crashed.clone();
            spoil_pages_of(&mut disk, &path);
            let spoiled_blocks = page_blocks(&disk, &path);
            let opened = Simulated::try_open(disk, splitting.clone(), 4, None);
            let mut process = opened.expect("the start comes to its end");
            let before = process.run(|engine| async move { look(&engine).await });
            process.wait(Duration::from_mins(5));
            assert_eq!(process.run(|engine| async move { look(&engine).await }), before);
            let is_in_doubt = before.iter().any(|seen| matches!(seen, Seen::Locked(_)));
            let is_split = partition_files(&process).len() > 2;
            assert!(!(is_in_doubt && is_split), "a partition in doubt was split, after {events} events");
            (in_doubt, split) = (in_doubt + u32::from(is_in_doubt), split + u32::from(is_split));
            let mut disk = process.kill();
            (0..spoiled_blocks).for_each(|block| spoil_block(&mut disk, &path, block));
            assert_eq!(looked_at(disk, 5).0, whole, "the whole of it is settled, after {events} events");
        }
    }
    assert!(in_doubt > 0 && split > 0, "{in_doubt} in doubt, {split} split");
}

#[test]
fn a_transaction_is_not_torn_by_a_partition_that_one_start_cannot_read() {
    let mut filled = Simulated::open(Disk::new(), 2, 1);
    filled.run(|engine| async move {
        // Items and rows of transactions lie in different pages.
        fill(&engine, 120).await;
        set_all(&engine, 0).await.expect("nothing stands against it");
        engine.checkpoint().await.expect("the device has room");
    });
    let filled = filled.close();
    let mut known = Known::default();
    for events in 1.. {
        let Some(crashed) = cut_short(&filled, events) else { break };
        let (whole, _) = looked_at(crashed.clone(), 3);
        assert_eq!(whole, vec![whole[0].clone(); whole.len()], "all or none, after {events} events");
        for path in partitions_of(crashed.list_files()) {
            let blocks = page_blocks(&crashed, &path);
            // All of its pages, or one of them.
            for spoiled in std::iter::once(0..blocks).chain((0..blocks).map(|block| block..block + 1)) {
                let mut disk = crashed.clone();
                spoiled.clone().for_each(|block| spoil_block(&mut disk, &path, block));
                let (beside, mut disk) = looked_at(disk, 4);
                known.note(&beside, &whole[0]);
                spoiled.for_each(|block| spoil_block(&mut disk, &path, block));
                assert_eq!(looked_at(disk, 5).0, whole, "the whole of it is settled, after {events} events");
            }
        }
    }
    assert!(known.closed > 0 && known.in_doubt > 0 && known.committed > 0, "{known:?}");
}

/// How often something was known of an account beside damage.
#[derive(Debug, Default)]
struct Known {
    closed: u32,
    in_doubt: u32,
    committed: u32,
}

impl Known {
    /// `sound`: what a start makes of every account that finds nothing damaged.
    fn note(&mut self, seen: &[Seen], sound: &Seen) {
        for seen in seen {
            match seen {
                Seen::Closed => self.closed += 1,
                Seen::Locked(_) => self.in_doubt += 1,
                Seen::Round(_) => {
                    assert_eq!(seen, sound, "what can be known is settled");
                    self.committed += u32::from(*seen == Seen::Round(Some(number(1))));
                }
            }
        }
    }
}
