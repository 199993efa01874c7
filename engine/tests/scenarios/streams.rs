//! Streams: what a reader sees of a table's changes, from where, and for how long.

use std::time::Duration;

use basalt_engine::{
    Cause, DeleteItem, DescribeStream, Engine, Error, GetRecords, GetShardIterator, ItemEvent, IteratorStart,
    ListStreams, PutItem, SequenceNumber, ShardIterator, StreamChange, StreamName, StreamViewType,
    UpdateTable,
    runtime::sim::{
        Disk,
        planted::{PlantedBug, plant},
    },
};

use crate::{
    simulated::Simulated,
    stream_reading::{create_with_stream, items, latest_stream, play, read_shard, read_stream, shards},
    support::{SIMPLE, bytes, composite_schema, decoded, item, number, text},
};

const DAY: Duration = Duration::from_hours(24);

async fn put(engine: &Engine, key: &str, value: i64) {
    let item = item([("pk", text(key)), ("n", number(value))]);
    engine.put_item(PutItem::new(SIMPLE, item)).await.expect("the item is stored");
}

async fn delete(engine: &Engine, key: &str) {
    engine
        .delete_item(DeleteItem::new(SIMPLE, item([("pk", text(key))])))
        .await
        .expect("the item is deleted");
}

async fn change_stream(engine: &Engine, change: StreamChange) -> Result<(), Error> {
    let update = UpdateTable { table_name: SIMPLE.into(), stream: Some(change), ..UpdateTable::default() };
    engine.update_table(update).await.map(drop)
}

/// An engine of one shard, so that its table's stream has one too.
fn one_shard() -> Simulated {
    Simulated::open(Disk::new(), 1, 1)
}

#[test]
fn each_view_holds_the_images_of_its_name() {
    for (view_type, has_new, has_old) in [
        (StreamViewType::KeysOnly, false, false),
        (StreamViewType::NewImage, true, false),
        (StreamViewType::OldImage, false, true),
        (StreamViewType::NewAndOldImages, true, true),
    ] {
        one_shard().run(|engine| async move {
            let stream = create_with_stream(&engine, view_type).await;
            put(&engine, "a", 1).await;
            put(&engine, "a", 2).await;
            delete(&engine, "a").await;
            let records = read_stream(&engine, &stream).await;
            let told: Vec<_> = records.iter().map(|record| record.event).collect();
            assert_eq!(told, [ItemEvent::Insert, ItemEvent::Modify, ItemEvent::Remove]);
            let image = |value| Some(item([("pk", text("a")), ("n", number(value))]));
            let images = [(image(1), None), (image(2), image(1)), (None, image(2))];
            for (record, (new, old)) in records.iter().zip(images) {
                assert_eq!(decoded(&record.keys), item([("pk", text("a"))]));
                assert_eq!(record.new_image.as_ref().map(decoded), new.filter(|_| has_new), "{view_type:?}");
                assert_eq!(record.old_image.as_ref().map(decoded), old.filter(|_| has_old), "{view_type:?}");
                assert_eq!(record.cause, Cause::Client);
            }
            assert!(records.is_sorted_by(|earlier, later| earlier.sequence_number < later.sequence_number));
            let sizes: Vec<u64> = records.iter().map(|record| record.size_bytes).collect();
            let image_bytes = |has| if has { 3 + 3 } else { 0 };
            let both = image_bytes(has_new) + image_bytes(has_old);
            assert_eq!(sizes, [3 + image_bytes(has_new), 3 + both, 3 + image_bytes(has_old)]);
        });
    }
}

#[test]
fn a_write_that_changes_nothing_is_not_told() {
    one_shard().run(|engine| async move {
        let stream = create_with_stream(&engine, StreamViewType::NewAndOldImages).await;
        put(&engine, "a", 1).await;
        put(&engine, "a", 1).await;
        delete(&engine, "b").await;
        assert_eq!(read_stream(&engine, &stream).await.len(), 1);
    });
}

#[test]
fn images_larger_than_a_value_of_the_tree_come_back_whole() {
    one_shard().run(|engine| async move {
        let stream = create_with_stream(&engine, StreamViewType::NewAndOldImages).await;
        for fill in [1u8, 2] {
            let large = item([("pk", text("large")), ("b", bytes(&vec![fill; 400_000]))]);
            engine.put_item(PutItem::new(SIMPLE, large)).await.unwrap();
        }
        put(&engine, "small", 1).await;
        let records = read_stream(&engine, &stream).await;
        assert_eq!(records.len(), 3);
        assert!(records[1].size_bytes > 800_000);
        assert_eq!(play(&records), items(&engine).await);
    });
}

#[test]
fn a_page_holds_a_megabyte_or_one_record() {
    one_shard().run(|engine| async move {
        let stream = create_with_stream(&engine, StreamViewType::NewImage).await;
        for index in 0..8 {
            let large = item([("pk", text(&format!("key {index}"))), ("b", bytes(&vec![7; 300_000]))]);
            engine.put_item(PutItem::new(SIMPLE, large)).await.unwrap();
        }
        let shard = shards(&engine, &stream).await[0];
        let start = IteratorStart::TrimHorizon;
        let begin = GetShardIterator { stream: stream.clone(), shard: shard.id, start };
        let mut next = engine.get_shard_iterator(begin).await.unwrap();
        let mut pages = Vec::new();
        loop {
            let read = GetRecords { stream: stream.clone(), iterator: next, limit: None };
            let page = engine.get_records(read).await.unwrap();
            if page.records.is_empty() {
                break;
            }
            pages.push(page.records.len());
            next = page.next.expect("the stream is enabled");
        }
        assert_eq!(pages, [3, 3, 2]);
    });
}

#[test]
fn readers_begin_where_they_ask_to() {
    let mut simulated = one_shard();
    let stream = simulated.run(|engine| async move {
        let stream = create_with_stream(&engine, StreamViewType::NewImage).await;
        put(&engine, "a", 1).await;
        put(&engine, "b", 2).await;
        stream
    });
    simulated.wait(Duration::from_secs(10));
    let between = simulated.unix_time().as_micros();
    simulated.wait(Duration::from_secs(10));
    simulated.run(|engine| async move {
        put(&engine, "c", 3).await;
        put(&engine, "d", 4).await;
        let shard = shards(&engine, &stream).await[0];
        let all = read_stream(&engine, &stream).await;
        let count = async |start| read_shard(&engine, &stream, &shard, start).await.unwrap().len();
        assert_eq!(count(IteratorStart::TrimHorizon).await, 4);
        assert_eq!(count(IteratorStart::AtSequenceNumber(shard.starting)).await, 4);
        assert_eq!(count(IteratorStart::Latest).await, 0);
        for (index, record) in all.iter().enumerate() {
            let number = record.sequence_number;
            assert_eq!(count(IteratorStart::AtSequenceNumber(number)).await, 4 - index);
            assert_eq!(count(IteratorStart::AfterSequenceNumber(number)).await, 3 - index);
            let written = IteratorStart::AtTimestamp { unix_us: record.created_unix_us };
            assert_eq!(count(written).await, 4 - index);
        }
        assert_eq!(count(IteratorStart::AtTimestamp { unix_us: 0 }).await, 4);
        assert_eq!(count(IteratorStart::AtTimestamp { unix_us: between }).await, 2);
        assert_eq!(count(IteratorStart::AtTimestamp { unix_us: u64::MAX }).await, 0);
        let beyond = SequenceNumber::parse("10000000000999999999900000").expect("a sequence number");
        let refused = read_shard(&engine, &stream, &shard, IteratorStart::AtSequenceNumber(beyond)).await;
        assert_eq!(refused.unwrap_err().to_string(), "Invalid SequenceNumber");
    });
}

#[test]
fn latest_shows_what_comes_after_it() {
    one_shard().run(|engine| async move {
        let stream = create_with_stream(&engine, StreamViewType::KeysOnly).await;
        put(&engine, "before", 1).await;
        let shard = shards(&engine, &stream).await[0].id;
        let begin = GetShardIterator { stream: stream.clone(), shard, start: IteratorStart::Latest };
        let mut iterator = engine.get_shard_iterator(begin).await.unwrap();
        for key in ["one", "two"] {
            put(&engine, key, 1).await;
            let page = engine
                .get_records(GetRecords { stream: stream.clone(), iterator, limit: None })
                .await
                .unwrap();
            let keys: Vec<_> = page.records.iter().map(|record| decoded(&record.keys)).collect();
            assert_eq!(keys, [item([("pk", text(key))])]);
            iterator = page.next.unwrap();
        }
    });
}

#[test]
fn a_disabled_stream_ends_and_its_successor_begins_empty() {
    let mut simulated = Simulated::open(Disk::new(), 2, 3);
    simulated.run(|engine| async move {
        let first = create_with_stream(&engine, StreamViewType::NewAndOldImages).await;
        for index in 0..20 {
            put(&engine, &format!("key {index}"), index).await;
        }
        let told = |error: Result<(), Error>| error.unwrap_err().to_string();
        let enable = StreamChange::Enable(StreamViewType::KeysOnly);
        assert_eq!(
            told(change_stream(&engine, enable).await),
            "Table already has an enabled stream: TableName: t-simple"
        );
        change_stream(&engine, StreamChange::Disable).await.unwrap();
        assert_eq!(
            told(change_stream(&engine, StreamChange::Disable).await),
            "Table has no stream to disable: TableName: t-simple"
        );
        put(&engine, "unseen", 1).await;
        change_stream(&engine, enable).await.unwrap();
        put(&engine, "seen", 1).await;

        let second = latest_stream(&engine).await;
        assert!(first.label < second.label);
        assert_eq!(read_stream(&engine, &first).await.len(), 20);
        assert_eq!(read_stream(&engine, &second).await.len(), 1);
        for (stream, is_open) in [(&first, false), (&second, true)] {
            for shard in shards(&engine, stream).await {
                assert_eq!(shard.ending.is_none(), is_open);
                let begin = GetShardIterator {
                    stream: stream.clone(),
                    shard: shard.id,
                    start: IteratorStart::TrimHorizon,
                };
                let iterator = engine.get_shard_iterator(begin).await.unwrap();
                let read = GetRecords { stream: stream.clone(), iterator, limit: None };
                assert_eq!(engine.get_records(read).await.unwrap().next.is_some(), is_open);
            }
        }
    });
}

/// Writes, waits most of a day, writes again: then the first records are due, the others are not.
fn half_a_day_apart() -> (Simulated, StreamName) {
    let mut simulated = one_shard();
    let stream = simulated.run(|engine| async move {
        let stream = create_with_stream(&engine, StreamViewType::NewImage).await;
        for index in 0..600 {
            put(&engine, &format!("old {index}"), index).await;
        }
        stream
    });
    simulated.wait(DAY / 2);
    simulated.run(|engine| async move {
        for index in 0..5 {
            put(&engine, &format!("young {index}"), index).await;
        }
    });
    simulated.wait(DAY / 2 + Duration::from_mins(2));
    (simulated, stream)
}

#[test]
fn records_are_trimmed_after_a_day_and_no_sooner() {
    let (simulated, stream) = half_a_day_apart();
    let mut reopened = Simulated::open(simulated.lose_power(), 1, 2);
    reopened.run(|engine| async move {
        let shard = shards(&engine, &stream).await[0];
        assert_eq!(read_stream(&engine, &stream).await.len(), 5);
        let oldest = SequenceNumber::parse("10000000000000000000200000").expect("a sequence number");
        assert!(oldest < shard.starting, "the shard tells where it begins now");
        let refused = read_shard(&engine, &stream, &shard, IteratorStart::AtSequenceNumber(oldest)).await;
        assert!(matches!(refused, Err(Error::StreamTrimmed)), "{refused:?}");
        let long_ago = IteratorStart::AtTimestamp { unix_us: 5 };
        assert_eq!(read_shard(&engine, &stream, &shard, long_ago).await.unwrap().len(), 5);
        assert_eq!(items(&engine).await.len(), 605, "items are not trimmed");
    });
}

#[test]
fn a_reader_that_trimming_overtook_is_told_so() {
    let mut simulated = one_shard();
    let (stream, iterator) = simulated.run(|engine| async move {
        let stream = create_with_stream(&engine, StreamViewType::NewImage).await;
        put(&engine, "a", 1).await;
        let shard = shards(&engine, &stream).await[0].id;
        let begin = GetShardIterator { stream: stream.clone(), shard, start: IteratorStart::TrimHorizon };
        let iterator = engine.get_shard_iterator(begin).await.unwrap();
        (stream, iterator)
    });
    let begun = simulated.unix_time();
    simulated.wait(DAY + Duration::from_mins(2));
    // Set back, so that the iterator is young again.
    simulated.set_unix_time(begun);
    simulated.run(|engine| async move {
        let refused = engine.get_records(GetRecords { stream, iterator, limit: None }).await;
        assert!(matches!(refused, Err(Error::StreamTrimmed)), "{refused:?}");
    });
}

#[test]
fn an_idle_reader_is_never_overtaken() {
    let (mut simulated, stream) = half_a_day_apart();
    simulated.run(|engine| async move {
        let shard = shards(&engine, &stream).await[0];
        let begin =
            GetShardIterator { stream: stream.clone(), shard: shard.id, start: IteratorStart::Latest };
        let iterator = engine.get_shard_iterator(begin).await.unwrap();
        let page = engine.get_records(GetRecords { stream, iterator, limit: None }).await.unwrap();
        assert!(page.records.is_empty());
    });
}

#[test]
fn a_stream_is_forgotten_a_day_after_it_was_disabled() {
    let mut simulated = Simulated::open(Disk::new(), 2, 5);
    simulated.run(|engine| async move {
        create_with_stream(&engine, StreamViewType::NewImage).await;
        put(&engine, "a", 1).await;
        change_stream(&engine, StreamChange::Disable).await.unwrap();
    });
    simulated.wait(DAY - Duration::from_mins(2));
    let stream = simulated.run(|engine| async move {
        let stream = latest_stream(&engine).await;
        assert_eq!(read_stream(&engine, &stream).await.len(), 1);
        stream
    });
    simulated.wait(Duration::from_mins(5));
    simulated.run(|engine| async move {
        assert!(engine.list_streams(ListStreams::default()).await.unwrap().streams.is_empty());
        let describe = DescribeStream { stream, exclusive_start_shard: None, children_of: None, limit: None };
        let gone = engine.describe_stream(describe).await;
        assert!(matches!(gone, Err(Error::StreamNotFound { .. })), "{gone:?}");
    });
}

#[test]
fn iterators_age_and_belong_to_one_shard() {
    let mut simulated = Simulated::open(Disk::new(), 2, 5);
    let (stream, iterator) = simulated.run(|engine| async move {
        let stream = create_with_stream(&engine, StreamViewType::NewImage).await;
        let other = basalt_engine::CreateTable {
            stream: Some(StreamViewType::NewImage),
            ..basalt_engine::CreateTable::new(
                "t-other",
                composite_schema(basalt_engine::model::ScalarKind::N),
            )
        };
        engine.create_table(other).await.unwrap();
        let shard = shards(&engine, &stream).await[0].id;
        let begin = |stream: &StreamName| GetShardIterator {
            stream: stream.clone(),
            shard,
            start: IteratorStart::TrimHorizon,
        };
        let iterator = engine.get_shard_iterator(begin(&stream)).await.unwrap();
        assert_eq!(ShardIterator::decode(&iterator.encode()), Ok(iterator));

        let other = engine.list_streams(ListStreams::default()).await.unwrap().streams.remove(0);
        assert_eq!(other.table_name, "t-other");
        let refused = engine.get_shard_iterator(begin(&other)).await;
        assert!(matches!(refused, Err(Error::StreamShardNotFound { .. })), "{refused:?}");
        let refused = engine.get_records(GetRecords { stream: other, iterator, limit: None }).await;
        assert_eq!(refused.unwrap_err().to_string(), "Invalid ShardIterator");
        (stream, iterator)
    });
    simulated.wait(Duration::from_mins(16));
    simulated.run(|engine| async move {
        let refused = engine.get_records(GetRecords { stream, iterator, limit: None }).await;
        assert!(matches!(refused, Err(Error::IteratorExpired)), "{refused:?}");
    });
}

#[test]
fn lists_go_on_behind_the_last_name_until_nothing_is_left() {
    Simulated::open(Disk::new(), 3, 5).run(|engine| async move {
        let stream = create_with_stream(&engine, StreamViewType::NewImage).await;
        for _ in 0..3 {
            change_stream(&engine, StreamChange::Disable).await.unwrap();
            change_stream(&engine, StreamChange::Enable(StreamViewType::OldImage)).await.unwrap();
        }
        let (mut streams, mut start) = (Vec::new(), None);
        loop {
            let list =
                ListStreams { table_name: Some(SIMPLE.into()), exclusive_start: start, limit: Some(2) };
            let page = engine.list_streams(list).await.unwrap();
            assert!(page.streams.len() <= 2);
            streams.extend(page.streams);
            match page.last_evaluated {
                Some(last) => start = Some(last),
                None => break,
            }
        }
        assert_eq!(streams.len(), 4);
        assert!(streams.is_sorted_by(|earlier, later| earlier < later));

        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let describe = DescribeStream {
                stream: stream.clone(),
                exclusive_start_shard: start,
                children_of: None,
                limit: Some(2),
            };
            let page = engine.describe_stream(describe).await.unwrap();
            found.extend(page.shards.iter().map(|shard| shard.id));
            match page.last_evaluated_shard {
                Some(last) => start = Some(last),
                None => break,
            }
        }
        assert_eq!(found.len(), 3);
        let past_the_last = DescribeStream {
            stream: stream.clone(),
            exclusive_start_shard: found.last().copied(),
            children_of: None,
            limit: None,
        };
        assert!(engine.describe_stream(past_the_last).await.unwrap().shards.is_empty());
        let children =
            DescribeStream { stream, exclusive_start_shard: None, children_of: Some(found[0]), limit: None };
        assert!(engine.describe_stream(children).await.unwrap().shards.is_empty());
    });
}

#[test]
fn a_stream_of_a_missing_table_is_not_there() {
    one_shard().run(|engine| async move {
        let list = ListStreams { table_name: Some("missing".into()), ..ListStreams::default() };
        assert!(matches!(engine.list_streams(list).await, Err(Error::TableNotFound { .. })));
        let StreamName { label, .. } = create_with_stream(&engine, StreamViewType::NewImage).await;
        let stream = StreamName { table_name: "missing".into(), label };
        let describe = DescribeStream { stream, exclusive_start_shard: None, children_of: None, limit: None };
        assert!(matches!(engine.describe_stream(describe).await, Err(Error::StreamNotFound { .. })));
    });
}

#[test]
fn a_trim_of_records_that_are_not_too_old_is_found() {
    let _planted = plant(PlantedBug::TrimFreshStreamRecords);
    let (mut simulated, stream) = half_a_day_apart();
    let left = simulated.run(|engine| async move { read_stream(&engine, &stream).await.len() });
    assert_ne!(left, 5, "what records_are_trimmed_after_a_day_and_no_sooner asserts");
}
