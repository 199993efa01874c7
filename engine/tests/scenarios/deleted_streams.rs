//! Streams of deleted tables: readable for a day, whatever crashes and whatever takes the table's name.

use std::{collections::BTreeMap, path::Path, slice::from_ref, time::Duration};

use basalt_engine::{
    DescribeStream, Engine, Error, GetItem, GetRecords, GetShardIterator, IteratorStart, ListStreams,
    PutItem, StreamName, StreamViewType,
    model::Item,
    runtime::sim::{Disk, Random},
};

use crate::{
    seeds::for_each_seed,
    simulated::Simulated,
    stream_reading::{create_with_stream, items, latest_stream, play, read_stream, shards},
    support::{SIMPLE, item, number, text},
};

const DAY: Duration = Duration::from_hours(24);
const ITEMS: usize = 30;
/// Large beside everything else that a partition's file holds.
const ITEM_BYTES: usize = 100_000;

async fn put(engine: &Engine, key: usize) {
    let item = item([("pk", text(&key.to_string())), ("n", number(1))]);
    engine.put_item(PutItem::new(SIMPLE, item)).await.expect("the item is stored");
}

/// A table with a stream and some items, which are told.
async fn create_filled(engine: &Engine) -> (StreamName, BTreeMap<Vec<u8>, Item>) {
    let stream = create_with_stream(engine, StreamViewType::NewAndOldImages).await;
    for key in 0..ITEMS {
        put(engine, key).await;
    }
    (stream, items(engine).await)
}

async fn listed(engine: &Engine, table_name: Option<&str>) -> Vec<StreamName> {
    let request = ListStreams { table_name: table_name.map(str::to_owned), ..ListStreams::default() };
    engine.list_streams(request).await.expect("streams are listed").streams
}

async fn describe(engine: &Engine, stream: &StreamName) -> Result<bool, Error> {
    let request = DescribeStream {
        stream: stream.clone(),
        exclusive_start_shard: None,
        children_of: None,
        limit: None,
    };
    engine.describe_stream(request).await.map(|described| described.is_enabled)
}

/// Partitions of all shards, the catalog's own among them.
async fn partition_count(engine: &Engine) -> usize {
    engine.metrics().await.unwrap().iter().map(|shard| shard.partition_count).sum()
}

#[test]
fn the_stream_of_a_deleted_table_is_read_to_its_end_for_a_day() {
    let mut simulated = Simulated::open(Disk::new(), 2, 1);
    let (stream, told) = simulated.run(|engine| async move {
        let (stream, told) = create_filled(&engine).await;
        engine.delete_table(SIMPLE).await.unwrap();
        (stream, told)
    });
    for shard_count in [2, 3] {
        let (stream, told) = (stream.clone(), told.clone());
        simulated.run(move |engine| async move {
            let gone = engine.get_item(GetItem::new(SIMPLE, item([("pk", text("1"))]))).await;
            assert!(matches!(gone, Err(Error::TableNotFound { .. })), "{gone:?}");
            assert_eq!(listed(&engine, None).await, from_ref(&stream));
            assert_eq!(listed(&engine, Some(SIMPLE)).await, from_ref(&stream));
            assert!(!describe(&engine, &stream).await.unwrap(), "it is disabled");
            assert!(shards(&engine, &stream).await.iter().all(|shard| shard.ending.is_some()));
            assert_eq!(play(&read_stream(&engine, &stream).await), told);
        });
        simulated = Simulated::open(simulated.lose_power(), shard_count, 2);
        simulated.wait(DAY / 3);
    }
    simulated.wait(DAY);
    simulated.run(move |engine| async move {
        assert!(listed(&engine, None).await.is_empty());
        let gone = describe(&engine, &stream).await;
        assert!(matches!(gone, Err(Error::StreamNotFound { .. })), "{gone:?}");
        assert_eq!(partition_count(&engine).await, 1, "the catalog's");
    });
}

#[test]
fn a_reader_goes_on_behind_the_deletion_and_comes_to_the_end() {
    let mut simulated = Simulated::open(Disk::new(), 1, 3);
    simulated.run(|engine| async move {
        let (stream, _) = create_filled(&engine).await;
        let shard = shards(&engine, &stream).await[0].id;
        let begin = GetShardIterator { stream: stream.clone(), shard, start: IteratorStart::TrimHorizon };
        let iterator = engine.get_shard_iterator(begin).await.unwrap();
        let read = |iterator, limit| {
            engine.get_records(GetRecords { stream: stream.clone(), iterator, limit: Some(limit) })
        };
        let before = read(iterator, 7).await.unwrap();
        engine.delete_table(SIMPLE).await.unwrap();
        let rest = read(before.next.expect("there is more"), 1000).await.unwrap();
        assert_eq!(before.records.len() + rest.records.len(), ITEMS);
        assert!(rest.next.is_none(), "nothing comes any more");
    });
}

#[test]
fn a_new_table_of_the_name_has_a_stream_of_its_own() {
    let mut simulated = Simulated::open(Disk::new(), 2, 4);
    simulated.run(|engine| async move {
        let (first, told) = create_filled(&engine).await;
        engine.delete_table(SIMPLE).await.unwrap();
        let second = create_with_stream(&engine, StreamViewType::NewAndOldImages).await;
        assert_ne!(second, first);
        put(&engine, 1000).await;
        assert_eq!(listed(&engine, Some(SIMPLE)).await, [first.clone(), second.clone()]);
        assert_eq!(play(&read_stream(&engine, &first).await), told);
        assert_eq!(play(&read_stream(&engine, &second).await), items(&engine).await);
        engine.delete_table(SIMPLE).await.unwrap();
        assert_eq!(read_stream(&engine, &second).await.len(), 1);
    });
    simulated.wait(DAY + Duration::from_hours(1));
    simulated.run(|engine| async move { assert_eq!(partition_count(&engine).await, 1, "the catalog's") });
}

#[test]
fn the_room_of_the_items_is_given_back_long_before() {
    let mut simulated = Simulated::open(Disk::new(), 1, 6);
    let stream = simulated.run(|engine| async move {
        let stream = create_with_stream(&engine, StreamViewType::KeysOnly).await;
        for key in 0..ITEMS {
            let padding = text(&"x".repeat(ITEM_BYTES));
            let item = item([("pk", text(&key.to_string())), ("padding", padding)]);
            engine.put_item(PutItem::new(SIMPLE, item)).await.unwrap();
        }
        engine.checkpoint().await.unwrap();
        engine.delete_table(SIMPLE).await.unwrap();
        stream
    });
    simulated.wait(Duration::from_mins(5));
    let disk = simulated.close();
    let files = disk.list_files().into_iter().filter(|path| path.contains("/part/"));
    let bytes: u64 = files.map(|path| disk.file_used_bytes(Path::new(&path)).unwrap()).sum();
    assert!(bytes < (ITEMS * ITEM_BYTES / 2) as u64, "{bytes} bytes in files of partitions");
    let mut reopened = Simulated::open(disk, 1, 7);
    reopened.run(|engine| async move { assert_eq!(read_stream(&engine, &stream).await.len(), ITEMS) });
}

#[test]
fn labels_differ_although_the_clock_was_set_back() {
    let mut simulated = Simulated::open(Disk::new(), 1, 5);
    let before = simulated.unix_time();
    let first = simulated.run(|engine| async move {
        let (stream, _) = create_filled(&engine).await;
        engine.delete_table(SIMPLE).await.unwrap();
        stream
    });
    simulated.set_unix_time(before);
    simulated.run(|engine| async move {
        let second = create_with_stream(&engine, StreamViewType::NewAndOldImages).await;
        assert!(second > first, "{second:?} {first:?}");
        assert_eq!(read_stream(&engine, &first).await.len(), ITEMS);
        assert!(read_stream(&engine, &second).await.is_empty());
    });
}

#[test]
fn a_crash_while_a_table_is_deleted_leaves_the_table_or_its_stream() {
    for_each_seed(0..24, |seed| {
        let mut random = Random::new(seed);
        let mut simulated = Simulated::open(Disk::new(), 2, seed);
        let (first, told) = simulated.run(|engine| async move { create_filled(&engine).await });
        simulated.crash_in(random.between(1, 40));
        simulated.run_or_crash(|engine| async move {
            engine.delete_table(SIMPLE).await.unwrap();
            create_with_stream(&engine, StreamViewType::NewAndOldImages).await;
            put(&engine, 1000).await;
        });
        let shard_count = 1 + u16::try_from(random.below(3)).unwrap();
        let mut reopened = Simulated::open(simulated.lose_power(), shard_count, seed);
        let is_deleted = reopened.run(move |engine| async move {
            assert_eq!(play(&read_stream(&engine, &first).await), told);
            let is_enabled = describe(&engine, &first).await.unwrap();
            if is_enabled {
                assert_eq!(items(&engine).await, told);
            } else if engine.describe_table(SIMPLE).await.is_ok() {
                let second = latest_stream(&engine).await;
                assert_ne!(second, first);
                assert_eq!(play(&read_stream(&engine, &second).await), items(&engine).await);
                engine.delete_table(SIMPLE).await.unwrap();
            }
            !is_enabled
        });
        reopened.wait(DAY + Duration::from_hours(1));
        let left = reopened.run(|engine| async move { partition_count(&engine).await });
        assert_eq!(left == 1, is_deleted, "{left} partitions");
    });
}
