//! Streams, held against the tables that they tell of.
//!
//! Every change of an item has one record, in order, with the item before and after. So the records of one item are a
//! chain from nothing to what the item is now: a record that is missing, repeated, out of order, or of a change that
//! never happened breaks it, since no two writes make equal items.

use super::ledger::{ItemKey, Items, told};
use super::requests::{decoded, key_of};
use basalt_engine::model::Item;
use basalt_engine::{
    DescribeStream, Engine, Error, GetRecords, GetShardIterator, IteratorStart, ListStreams, StreamName,
    StreamRecord, StreamShard,
};
use std::collections::BTreeMap;

/// What is known of each item by the records that were read.
type Known = BTreeMap<ItemKey, Option<Item>>;

/// Names the first difference between a table and its stream, if there is one.
pub(crate) async fn difference(engine: &Engine, table: &str, items: &Items) -> Result<Option<String>, Error> {
    let of_table = ListStreams { table_name: Some(table.to_owned()), ..ListStreams::default() };
    let Some(stream) = engine.list_streams(of_table).await?.streams.pop() else {
        return Ok(Some("it has no stream".to_owned()));
    };
    let mut known = Known::new();
    for record in read(engine, &stream).await? {
        if let Some(broken) = follow(&mut known, &record) {
            return Ok(Some(broken));
        }
    }
    Ok(disagreement(&known, items))
}

/// Takes one record's news; tells if it does not follow from what was known.
fn follow(known: &mut Known, record: &StreamRecord) -> Option<String> {
    let Some(key) = key_of(&decoded(&record.keys)) else { return Some("a record without a key".to_owned()) };
    let [old, new] = [&record.old_image, &record.new_image].map(|image| image.as_ref().map(decoded));
    if old == new {
        return Some(format!("{key:?}: a record of a change that changed nothing"));
    }
    let place = record.sequence_number;
    let before = known.insert(key.clone(), new).flatten();
    (before != old).then(|| {
        let (before, old) = (told(before.as_ref()), told(old.as_ref()));
        format!("{key:?}: it became {before}, and the record at {place:?} says that it was {old}")
    })
}

/// What the last records say, and what the items are.
fn disagreement(known: &Known, items: &Items) -> Option<String> {
    let now = |key: &ItemKey| known.get(key).and_then(Option::as_ref);
    let mut keys = known.keys().chain(items.keys());
    let key = keys.find(|key| now(key) != items.get(*key))?;
    Some(format!("{key:?}: {} by its records, {} in the table", told(now(key)), told(items.get(key))))
}

/// All records of a stream, shard after shard: an item's are in one of them, and then in the children of that one.
async fn read(engine: &Engine, stream: &StreamName) -> Result<Vec<StreamRecord>, Error> {
    let mut records = Vec::new();
    for shard in shards(engine, stream).await? {
        let begin =
            GetShardIterator { stream: stream.clone(), shard: shard.id, start: IteratorStart::TrimHorizon };
        let mut next = Some(engine.get_shard_iterator(begin).await?);
        while let Some(iterator) = next {
            let page =
                engine.get_records(GetRecords { stream: stream.clone(), iterator, limit: None }).await?;
            next = page.next.filter(|_| !page.records.is_empty());
            records.extend(page.records);
        }
    }
    Ok(records)
}

/// All shards of a stream, parents before their children.
async fn shards(engine: &Engine, stream: &StreamName) -> Result<Vec<StreamShard>, Error> {
    let mut shards = Vec::new();
    let mut exclusive_start_shard = None;
    loop {
        let describe =
            DescribeStream { stream: stream.clone(), exclusive_start_shard, children_of: None, limit: None };
        let page = engine.describe_stream(describe).await?;
        shards.extend(page.shards);
        exclusive_start_shard = page.last_evaluated_shard;
        if exclusive_start_shard.is_none() {
            shards.sort_by_key(|shard| shard.starting);
            return Ok(shards);
        }
    }
}
