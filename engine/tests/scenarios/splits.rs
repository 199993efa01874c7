//! Partitions that become too large are split while the table serves: nothing is lost, nothing told twice, whatever
//! crashes, whatever the number of shards.
//!
//! Method: partitions of a few kilobytes, so that clients outgrow them many times. Streams are played from their first
//! record over all shards, parents before children: each record must find the item as the one before it left it, and
//! the end must be the table.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use basalt_engine::{
    CreateTable, DeleteItem, DescribeStream, Engine, EngineOptions, Error, GetItem, GlobalIndexDefinition,
    IndexProjection, IndexThroughput, IteratorStart, PutItem, Scan, ScanSegment, StreamShard, StreamViewType,
    TokenSpace, TransactAction, TransactToken, TransactWrite,
    model::{IndexKeySchema, ScalarKind},
    runtime::{
        join_all,
        sim::{Disk, Random, marks},
        timeout,
    },
};

use crate::{
    seeds::for_each_seed,
    simulated::Simulated,
    stream_reading::{create_with_stream, items, latest_stream, play, read_shard, read_stream, shards},
    support::{COMPOSITE, SIMPLE, attribute, composite_schema, item, number, options, simple_schema, text},
};

const CLIENTS: u64 = 5;
const KEYS: u64 = 30;
const PADDING_BYTES: usize = 700;

fn small_partitions(shard_count: u16) -> EngineOptions {
    EngineOptions {
        partition_bytes_max: EngineOptions::PARTITION_BYTES_MAX_LEAST,
        partition_check_interval: Duration::from_millis(2),
        ..options(shard_count)
    }
}

fn open(disk: Disk, shard_count: u16, seed: u64) -> Simulated {
    Simulated::try_open(disk, small_partitions(shard_count), seed, None).expect("the start comes to its end")
}

fn padded(key: &str, value: i64) -> PutItem {
    let padding = "x".repeat(PADDING_BYTES);
    PutItem::new(SIMPLE, item([("pk", text(key)), ("n", number(value)), ("padding", text(&padding))]))
}

/// What clients know of their own keys: the last value that was acknowledged; `None`: there is no item.
type Known = BTreeMap<String, Option<i64>>;

/// Writes and reads at random; each client works on keys of its own, and what it reads must be what it wrote.
async fn work(engine: &Engine, seed: u64, writes: u64) -> Known {
    let engine = Rc::new(engine.clone());
    let clients = (0..CLIENTS).map(|client| {
        let (engine, mut random) = (Rc::clone(&engine), Random::new(seed * CLIENTS + client));
        async move {
            let mut known = Known::new();
            for value in 0..writes {
                let key = format!("client {client} key {}", random.below(KEYS));
                let value = i64::try_from(value).unwrap();
                match random.below(6) {
                    0 => {
                        let delete = DeleteItem::new(SIMPLE, item([("pk", text(&key))]));
                        engine.delete_item(delete).await.unwrap();
                        known.insert(key, None);
                    }
                    1 => {
                        let other = format!("client {client} key {}", random.below(KEYS));
                        if other != key {
                            let put = |key: &str| TransactAction::Put(padded(key, value));
                            let transaction =
                                TransactWrite { actions: vec![put(&key), put(&other)], token: None };
                            engine.transact_write(transaction).await.unwrap();
                            known.insert(key, Some(value));
                            known.insert(other, Some(value));
                        }
                    }
                    2 => {
                        if let Some(expected) = known.get(&key) {
                            assert_eq!(read(&engine, &key).await, *expected, "{key}");
                        }
                    }
                    _ => {
                        engine.put_item(padded(&key, value)).await.unwrap();
                        known.insert(key, Some(value));
                    }
                }
            }
            known
        }
    });
    join_all(clients).await.into_iter().flatten().collect()
}

async fn read(engine: &Engine, key: &str) -> Option<i64> {
    let found = engine.get_item(GetItem::new(SIMPLE, item([("pk", text(key))]))).await.unwrap().item?;
    let found = found.as_item().to_item().unwrap();
    (0..).find(|value| found["n"] == number(*value))
}

async fn check_known(engine: &Engine, known: &Known) {
    for (key, value) in known {
        assert_eq!(read(engine, key).await, *value, "{key}");
    }
}

/// The stream tells exactly the table, over all of its shards.
async fn check_stream(engine: &Engine) {
    let stream = latest_stream(engine).await;
    let records = read_stream(engine, &stream).await;
    assert_eq!(play(&records), items(engine).await);
    let mut events: Vec<u128> = records.iter().map(|record| record.event_id).collect();
    events.sort_unstable();
    events.dedup();
    assert_eq!(events.len(), records.len(), "every record has an id of its own");
}

/// Partitions of all shards, the catalog's own among them.
async fn partition_count(engine: &Engine) -> usize {
    engine.metrics().await.unwrap().iter().map(|shard| shard.partition_count).sum()
}

/// Makes the simple table with a stream and outgrows its partitions.
fn split_often(shard_count: u16, seed: u64) -> (Simulated, Known) {
    let mut simulated = open(Disk::new(), shard_count, seed);
    let known = simulated.run(move |engine| async move {
        create_with_stream(&engine, StreamViewType::NewAndOldImages).await;
        work(&engine, seed, 120).await
    });
    simulated.wait(Duration::from_secs(1));
    (simulated, known)
}

#[test]
fn a_table_outgrows_its_partitions_and_answers_as_before() {
    for shard_count in 1..=3 {
        let (mut simulated, known) = split_often(shard_count, 7);
        simulated.run(move |engine| async move {
            let partitions = partition_count(&engine).await;
            assert!(
                partitions > usize::from(shard_count) + 4,
                "{partitions} partitions of {shard_count} shards"
            );
            check_known(&engine, &known).await;
            let there = known.values().flatten().count() as u64;
            let mut found = 0;
            for segment in 0..4 {
                let segment = ScanSegment { segment, total_segments: 4 };
                let mut scan = Scan { segment, limit: Some(7), ..Scan::new(SIMPLE) };
                loop {
                    let page = engine.scan(scan.clone()).await.unwrap();
                    found += page.count;
                    match page.last_evaluated_key {
                        Some(key) => scan.exclusive_start_key = Some(key),
                        None => break,
                    }
                }
            }
            assert_eq!(found, there);
            engine.checkpoint().await.unwrap();
            assert_eq!(engine.describe_table(SIMPLE).await.unwrap().item_count, there);
        });
    }
}

#[test]
fn what_was_split_is_found_by_every_number_of_shards() {
    let (simulated, known) = split_often(2, 8);
    let mut disk = simulated.lose_power();
    for shard_count in [3, 1, 2] {
        let known = known.clone();
        let mut reopened = open(disk, shard_count, 9);
        reopened.run(move |engine| async move {
            check_known(&engine, &known).await;
            check_stream(&engine).await;
        });
        disk = reopened.close();
    }
}

#[test]
fn a_stream_is_whole_over_the_lineage_of_its_shards() {
    let (mut simulated, _) = split_often(2, 10);
    simulated.run(|engine| async move {
        check_stream(&engine).await;
        let stream = latest_stream(&engine).await;
        let all = shards(&engine, &stream).await;
        let (closed, open): (Vec<&StreamShard>, Vec<&StreamShard>) =
            all.iter().partition(|shard| shard.ending.is_some());
        assert!(!closed.is_empty(), "something was split");
        assert_eq!(open.len(), closed.len() + 2, "each split makes two of one");
        for parent in closed {
            let of_parent = DescribeStream {
                stream: stream.clone(),
                exclusive_start_shard: None,
                children_of: Some(parent.id),
                limit: None,
            };
            let children = engine.describe_stream(of_parent).await.unwrap().shards;
            assert_eq!(children.len(), 2, "{parent:?}");
            let ending = parent.ending.expect("it is closed");
            for child in children {
                assert_eq!(child.parent, Some(parent.id));
                assert!(child.id > parent.id && child.starting > ending, "{child:?} follows {parent:?}");
                let records = read_shard(&engine, &stream, &child, IteratorStart::TrimHorizon).await.unwrap();
                assert!(records.iter().all(|record| record.sequence_number > ending));
                let of_parent = IteratorStart::AtSequenceNumber(ending);
                assert!(read_shard(&engine, &stream, &child, of_parent).await.is_err());
            }
            let records = read_shard(&engine, &stream, parent, IteratorStart::TrimHorizon).await.unwrap();
            let last = records.last().map(|record| record.sequence_number);
            assert!(last.is_none_or(|last| last == ending), "{last:?} is the last of {parent:?}");
            let behind = read_shard(&engine, &stream, parent, IteratorStart::Latest).await.unwrap();
            assert!(behind.is_empty());
        }
    });
}

#[test]
fn closed_shards_go_when_their_records_are_too_old() {
    let (mut simulated, known) = split_often(1, 11);
    let before = simulated.run(|engine| async move { partition_count(&engine).await });
    simulated.wait(Duration::from_hours(25));
    simulated.run(move |engine| async move {
        let stream = latest_stream(&engine).await;
        let left = shards(&engine, &stream).await;
        assert!(left.iter().all(|shard| shard.ending.is_none() && shard.parent.is_none()), "{left:?}");
        assert!(partition_count(&engine).await < before);
        check_known(&engine, &known).await;
    });
}

#[test]
fn a_stream_enabled_after_a_split_begins_with_shards_of_its_own() {
    let mut simulated = open(Disk::new(), 1, 12);
    simulated.run(|engine| async move {
        create_with_stream(&engine, StreamViewType::KeysOnly).await;
        work(&engine, 12, 120).await;
    });
    simulated.wait(Duration::from_secs(1));
    simulated.run(|engine| async move {
        use basalt_engine::{StreamChange, UpdateTable};
        let change = |stream| UpdateTable { table_name: SIMPLE.into(), stream, ..UpdateTable::default() };
        let first = latest_stream(&engine).await;
        let of_first = shards(&engine, &first).await.len();
        engine.update_table(change(Some(StreamChange::Disable))).await.unwrap();
        engine.update_table(change(Some(StreamChange::Enable(StreamViewType::KeysOnly)))).await.unwrap();
        let second = latest_stream(&engine).await;
        let fresh = shards(&engine, &second).await;
        assert!(fresh.len() < of_first, "closed partitions have nothing of it");
        assert!(fresh.iter().all(|shard| shard.parent.is_none() && shard.ending.is_none()), "{fresh:?}");
        assert!(shards(&engine, &first).await.iter().all(|shard| shard.ending.is_some()));
    });
}

#[test]
fn a_crash_at_any_instant_leaves_the_parent_or_its_children() {
    for_each_seed(1..7, |seed| {
        let mut simulated = open(Disk::new(), 2, seed);
        simulated.run(|engine| async move {
            create_with_stream(&engine, StreamViewType::NewAndOldImages).await;
        });
        let mut random = Random::new(seed);
        for life in 0..5 {
            simulated.crash_in(random.between(20, 700));
            simulated.run_or_crash(move |engine| async move {
                work(&engine, seed * 100 + life, 60).await;
            });
            let shard_count = 1 + u16::try_from(random.below(3)).unwrap();
            simulated = open(simulated.lose_power(), shard_count, seed * 1000 + life);
            simulated.run(move |engine| async move {
                check_stream(&engine).await;
                let known = work(&engine, seed * 100 + 50 + life, 30).await;
                check_known(&engine, &known).await;
                check_stream(&engine).await;
            });
        }
    });
}

/// Changes every item again and again until the table's partition was split; what was passed on the way.
fn split_beside_writers(seed: u64) -> BTreeMap<&'static str, u64> {
    const ITEMS: usize = 600;
    let options = EngineOptions {
        partition_bytes_max: 16 * EngineOptions::PARTITION_BYTES_MAX_LEAST,
        ..small_partitions(1)
    };
    let mut simulated =
        Simulated::try_open(Disk::new(), options, seed, None).expect("the start comes to its end");
    simulated.run(|engine| async move {
        create_with_stream(&engine, StreamViewType::NewAndOldImages).await;
        let _earlier = marks::take();
        let mut value = 0;
        // Each round changes every item, so that most of them change behind the copy.
        while partition_count(&engine).await < 3 {
            value += 1;
            let keys: Vec<String> = (0..ITEMS).map(|key| key.to_string()).collect();
            join_all(keys.iter().map(|key| engine.put_item(padded(key, value)))).await;
        }
        let known = (0..ITEMS).map(|key| (key.to_string(), Some(value))).collect();
        check_known(&engine, &known).await;
        check_stream(&engine).await;
        marks::take()
    })
}

#[test]
fn what_is_written_beside_the_copy_is_copied_again_until_the_children_have_caught_up() {
    // How much is written before the copy's end is up to the schedule: some of them leave more than may be held.
    let has_caught_up = (16..24).any(|seed| {
        let passed = split_beside_writers(seed);
        assert!(passed.contains_key("a partition was split"), "seed {seed}: {passed:?}");
        passed.contains_key("a split catches up with its writers")
    });
    assert!(has_caught_up, "in no schedule the children had to catch up");
}

#[test]
fn a_token_answers_for_its_transaction_after_a_split() {
    let mut simulated = open(Disk::new(), 2, 13);
    let transaction = || {
        let actions: Vec<TransactAction> =
            (0..3).map(|key| TransactAction::Put(padded(&format!("client 0 key {key}"), 0))).collect();
        let token = TransactToken::new(TokenSpace::TransactWriteItems, "once", &"the same request");
        TransactWrite { actions, token: Some(token) }
    };
    simulated.run(move |engine| async move {
        create_with_stream(&engine, StreamViewType::KeysOnly).await;
        assert!(!engine.transact_write(transaction()).await.unwrap().is_replay);
        work(&engine, 13, 120).await;
    });
    simulated.wait(Duration::from_secs(1));
    simulated.run(move |engine| async move {
        assert!(partition_count(&engine).await > 6, "something was split");
        assert!(engine.transact_write(transaction()).await.unwrap().is_replay);
    });
    let mut reopened = open(simulated.lose_power(), 3, 14);
    reopened.run(move |engine| async move {
        assert!(engine.transact_write(transaction()).await.unwrap().is_replay);
    });
}

#[test]
fn items_of_one_partition_key_stay_together_however_many_they_are() {
    let mut simulated = open(Disk::new(), 1, 15);
    simulated.run(|engine| async move {
        let create = CreateTable::new(COMPOSITE, composite_schema(ScalarKind::N));
        engine.create_table(create).await.unwrap();
        for sort in 0..60 {
            let padding = text(&"x".repeat(PADDING_BYTES));
            let item = item([("pk", text("one")), ("sk", number(sort)), ("padding", padding)]);
            engine.put_item(PutItem::new(COMPOSITE, item)).await.unwrap();
        }
    });
    simulated.wait(Duration::from_secs(1));
    simulated.run(|engine| async move {
        assert_eq!(partition_count(&engine).await, 2, "the catalog's and the table's");
        assert_eq!(engine.scan(Scan::new(COMPOSITE)).await.unwrap().count, 60);
    });
}

/// Transactions over all shards, one after the other, until the table is gone.
async fn transact_until_dropped(engine: Engine, seed: u64) {
    let mut random = Random::new(seed);
    loop {
        let mut keys: Vec<u64> = (0..3).map(|_| random.below(100 * KEYS)).collect();
        keys.sort_unstable();
        keys.dedup();
        let actions = keys.iter().map(|&key| {
            TransactAction::Put(padded(&key.to_string(), i64::try_from(key).expect("keys are small")))
        });
        match engine.transact_write(TransactWrite { actions: actions.collect(), token: None }).await {
            Ok(_) | Err(Error::TransactionCanceled { .. }) => {}
            Err(Error::TableNotFound { .. }) => return,
            Err(error) => panic!("a transaction failed: {error}"),
        }
    }
}

#[test]
fn a_table_is_deleted_while_transactions_wait_for_an_index_that_is_split() {
    for_each_seed(0..40, |seed| {
        let mut simulated = open(Disk::new(), 2, seed);
        simulated.run(move |engine| async move {
            let by_number = GlobalIndexDefinition {
                index_name: "by-number".to_owned(),
                key_schema: IndexKeySchema { partition: vec![attribute("n", ScalarKind::N)], sort: vec![] },
                projection: IndexProjection::All,
                throughput: IndexThroughput::default(),
            };
            let create =
                CreateTable { global_indexes: vec![by_number], ..CreateTable::new(SIMPLE, simple_schema()) };
            engine.create_table(create).await.unwrap();
            let handle = engine.local().expect("simulated work runs on a shard").handle().clone();
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| handle.spawn(transact_until_dropped(engine.clone(), seed * CLIENTS + client)))
                .collect();
            handle.sleep(Duration::from_millis(5 * seed)).await;
            let deleted = timeout(&handle, Duration::from_mins(1), engine.delete_table(SIMPLE)).await;
            deleted.expect("it does not wait for ever").expect("the table is deleted");
            join_all(clients).await;
        });
    });
}
