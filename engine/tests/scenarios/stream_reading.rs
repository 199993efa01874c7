//! Reads streams to their end, and plays what they tell into a map.

use std::collections::BTreeMap;

use basalt_engine::{
    CreateTable, DescribeStream, Engine, Error, GetRecords, GetShardIterator, ItemEvent, IteratorStart,
    ListStreams, Scan, StreamName, StreamRecord, StreamShard, StreamViewType,
    model::{EncodedItem, Item},
};

use crate::support::{SIMPLE, decoded, simple_schema};

/// Makes the simple table with a stream.
pub(crate) async fn create_with_stream(engine: &Engine, view_type: StreamViewType) -> StreamName {
    let create = CreateTable { stream: Some(view_type), ..CreateTable::new(SIMPLE, simple_schema()) };
    engine.create_table(create).await.expect("the table is new");
    latest_stream(engine).await
}

/// The newest stream of all.
pub(crate) async fn latest_stream(engine: &Engine) -> StreamName {
    let streams = engine.list_streams(ListStreams::default()).await.expect("streams are listed").streams;
    streams.last().expect("there is a stream").clone()
}

/// A stream's shards.
pub(crate) async fn shards(engine: &Engine, stream: &StreamName) -> Vec<StreamShard> {
    let describe = DescribeStream {
        stream: stream.clone(),
        exclusive_start_shard: None,
        children_of: None,
        limit: None,
    };
    engine.describe_stream(describe).await.expect("the stream is there").shards
}

/// All records of one shard from a place on, a few at a time.
pub(crate) async fn read_shard(
    engine: &Engine,
    stream: &StreamName,
    shard: &StreamShard,
    start: IteratorStart,
) -> Result<Vec<StreamRecord>, Error> {
    let begin = GetShardIterator { stream: stream.clone(), shard: shard.id, start };
    let mut next = Some(engine.get_shard_iterator(begin).await?);
    let mut records = Vec::new();
    while let Some(iterator) = next {
        let read = GetRecords { stream: stream.clone(), iterator, limit: Some(7) };
        let page = engine.get_records(read).await?;
        let is_end = page.records.is_empty();
        records.extend(page.records);
        next = page.next.filter(|_| !is_end);
    }
    Ok(records)
}

/// All records of all shards, shard by shard.
pub(crate) async fn read_stream(engine: &Engine, stream: &StreamName) -> Vec<StreamRecord> {
    let mut records = Vec::new();
    for shard in shards(engine, stream).await {
        let read = read_shard(engine, stream, &shard, IteratorStart::TrimHorizon).await;
        records.extend(read.expect("the shard can be read"));
    }
    records
}

/// Plays records with both images from an empty table on: each must find the item as the one before it left it.
/// So nothing is lost, nothing told twice, and nothing out of order.
pub(crate) fn play(records: &[StreamRecord]) -> BTreeMap<Vec<u8>, Item> {
    let mut items = BTreeMap::new();
    for record in records {
        let key = record.keys.as_bytes().to_vec();
        let old = record.old_image.as_ref().map(decoded);
        assert_eq!(items.get(&key), old.as_ref(), "{record:?} follows the change before it");
        let new = record.new_image.as_ref().map(decoded);
        let event = match (&old, &new) {
            (None, Some(_)) => ItemEvent::Insert,
            (Some(_), Some(_)) => ItemEvent::Modify,
            (Some(_), None) => ItemEvent::Remove,
            (None, None) => panic!("{record:?} tells of nothing"),
        };
        assert_eq!(record.event, event, "{record:?}");
        match new {
            Some(new) => items.insert(key, new),
            None => items.remove(&key),
        };
    }
    items
}

/// The table's items, as [`play`] gives them.
pub(crate) async fn items(engine: &Engine) -> BTreeMap<Vec<u8>, Item> {
    let (mut items, mut start) = (BTreeMap::new(), None);
    loop {
        let page =
            engine.scan(Scan { exclusive_start_key: start, ..Scan::new(SIMPLE) }).await.expect("a scan");
        for item in page.items.iter().map(decoded) {
            let key: Item = [("pk".to_owned(), item["pk"].clone())].into_iter().collect();
            items.insert(EncodedItem::into_bytes(key.encode()), item);
        }
        match page.last_evaluated_key {
            Some(key) => start = Some(key),
            None => return items,
        }
    }
}
