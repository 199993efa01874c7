//! What a client's table holds after a start, read over the wire, and the stream that must tell of it.

use super::client::in_order;
use super::model::{Index, Model, group_of};
use super::requests::{EXPIRES, INDEX, Item, Key};
use basalt_checkers::stream::{Record, check_chain};
use basalt_engine::Engine;
use basalt_runtime::Handle;
use basalt_server::Dispatch;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Items of a page of a scan, at most: tables are read in several.
const PAGE_ITEMS: usize = 4;

/// Pause between two looks at an index that is being made or removed, and how many looks are enough.
const INDEX_PAUSE: Duration = Duration::from_millis(50);
const INDEX_LOOKS_MAX: u32 = 2_000;

/// Reads a table with everything that is known of it.
pub(crate) async fn read(engine: &Engine, handle: &Handle, table: &str) -> Result<Model, String> {
    let api = &super::api(engine);
    let Some(description) = described(api, table).await? else { return Ok(Model::default()) };
    let items = scan(api, table, None, PAGE_ITEMS).await?;
    let index = await_index(api, handle, table).await?;
    if index == Index::Present {
        // Changes that were never answered may still be on their way.
        engine.wait_for_indexes(table).await.map_err(|error| error.to_string())?;
        check_index(&scan(api, table, Some(INDEX), PAGE_ITEMS).await?, &items)?;
    }
    let stream = description["LatestStreamArn"].as_str().ok_or("a table without its stream")?;
    check_stream(&records(api, stream).await?, &items)?;
    let ttl = ask(api, "DynamoDB_20120810.DescribeTimeToLive", json!({"TableName": table})).await?;
    let status = ttl["TimeToLiveDescription"]["TimeToLiveStatus"].as_str().unwrap_or_default();
    let has_time_to_live = status.starts_with("ENABL");
    Ok(Model { items: Some(items), has_time_to_live, index, ..Model::default() })
}

/// Looks at a table until its index is whole or gone.
pub(crate) async fn await_index(api: &Dispatch, handle: &Handle, table: &str) -> Result<Index, String> {
    for _ in 0..INDEX_LOOKS_MAX {
        let description = described(api, table).await?.ok_or("a table is gone")?;
        let Some(index) = description["GlobalSecondaryIndexes"].get(0) else { return Ok(Index::Absent) };
        if index["IndexStatus"] == "ACTIVE" {
            return Ok(Index::Present);
        }
        handle.sleep(INDEX_PAUSE).await;
    }
    Err("an index is made or removed for ever".to_owned())
}

/// The index holds the items that are in a group, and nothing else.
fn check_index(indexed: &BTreeMap<Key, Item>, items: &BTreeMap<Key, Item>) -> Result<(), String> {
    let whole = |item: &Item| in_order(Value::Object(item.clone()));
    for key in items.keys().chain(indexed.keys()) {
        let expected = items.get(key).filter(|item| group_of(item).is_some());
        if expected.map(whole) != indexed.get(key).map(whole) {
            return Err(format!("{key:?} is {:?} in the index, not {expected:?}", indexed.get(key)));
        }
    }
    Ok(())
}

async fn described(api: &Dispatch, table: &str) -> Result<Option<Value>, String> {
    let (status, body) = api.answer("DynamoDB_20120810.DescribeTable", name(table)).await;
    let mut body: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    match (status, body["__type"].as_str()) {
        (200, _) => Ok(Some(body["Table"].take())),
        (_, Some(fault)) if fault.ends_with("#ResourceNotFoundException") => Ok(None),
        _ => Err(format!("DescribeTable: {body}")),
    }
}

fn name(table: &str) -> Vec<u8> {
    json!({"TableName": table}).to_string().into_bytes()
}

/// Reads all pages of a table, or of an index.
pub(crate) async fn scan(
    api: &Dispatch,
    table: &str,
    index: Option<&str>,
    limit: usize,
) -> Result<BTreeMap<Key, Item>, String> {
    let mut items = BTreeMap::new();
    let mut request = json!({"TableName": table, "Limit": limit});
    match index {
        Some(index) => request["IndexName"] = json!(index),
        None => request["ConsistentRead"] = json!(true),
    }
    loop {
        let page = ask(api, "DynamoDB_20120810.Scan", request.clone()).await?;
        for item in page["Items"].as_array().ok_or("a page without items")? {
            let item = item.as_object().ok_or("an item that is no object")?.clone();
            let key = key_of(&item).ok_or("an item without its key")?;
            if items.insert(key.clone(), item).is_some() {
                return Err(format!("a scan gave {key:?} twice"));
            }
        }
        match page.get("LastEvaluatedKey") {
            Some(key) => request["ExclusiveStartKey"] = key.clone(),
            None => return Ok(items),
        }
    }
}

pub(crate) fn key_of(item: &Item) -> Option<Key> {
    let partition = item.get("pk")?.get("S")?.as_str()?;
    let sort = item.get("sk")?.get("N")?.as_str()?;
    Some((partition.to_owned(), sort.parse().ok()?))
}

/// All records of a stream, shard after shard, parents before their children.
pub(crate) async fn records(api: &Dispatch, stream: &str) -> Result<Vec<Value>, String> {
    let mut records = Vec::new();
    for shard in shards(api, stream).await? {
        let begin = json!({"StreamArn": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
        let mut begun = ask(api, "DynamoDBStreams_20120810.GetShardIterator", begin).await?;
        let mut iterator = begun["ShardIterator"].take();
        while iterator.is_string() {
            let next = json!({"ShardIterator": iterator});
            let mut page = ask(api, "DynamoDBStreams_20120810.GetRecords", next).await?;
            let read = page["Records"].as_array_mut().ok_or("a page without records")?;
            if read.is_empty() {
                break;
            }
            records.append(read);
            iterator = page["NextShardIterator"].take();
        }
    }
    Ok(records)
}

async fn shards(api: &Dispatch, stream: &str) -> Result<Vec<String>, String> {
    let mut shards = Vec::new();
    let mut request = json!({"StreamArn": stream});
    loop {
        let page = ask(api, "DynamoDBStreams_20120810.DescribeStream", request.clone()).await?;
        let description = &page["StreamDescription"];
        for shard in description["Shards"].as_array().ok_or("a stream without shards")? {
            let starting = shard["SequenceNumberRange"]["StartingSequenceNumber"].as_str();
            let starting = starting.ok_or("a shard without its beginning")?.to_owned();
            let id = shard["ShardId"].as_str().ok_or("a shard without its name")?.to_owned();
            shards.push(((starting.len(), starting), id));
        }
        match description.get("LastEvaluatedShardId") {
            Some(last) => request["ExclusiveStartShardId"] = last.clone(),
            None => break,
        }
    }
    shards.sort();
    Ok(shards.into_iter().map(|(_, id)| id).collect())
}

/// Each item's records are a chain from nothing to what it is; what expired is said to be the service's doing.
fn check_stream(records: &[Value], items: &BTreeMap<Key, Item>) -> Result<(), String> {
    let mut chains: BTreeMap<Key, Vec<Record<Value>>> = BTreeMap::new();
    for record in records {
        let change = &record["dynamodb"];
        let keys = change["Keys"].as_object().and_then(key_of).ok_or("a record without its key")?;
        let image = |name: &str| change.get(name).cloned().map(in_order);
        let is_of_service = record["userIdentity"]["principalId"] == "dynamodb.amazonaws.com";
        if is_of_service && (record["eventName"] != "REMOVE" || change["OldImage"].get(EXPIRES).is_none()) {
            return Err(format!("{keys:?}: what did not expire is said to have: {record}"));
        }
        let told = Record { old: image("OldImage"), new: image("NewImage") };
        chains.entry(keys).or_default().push(told);
    }
    for key in items.keys() {
        chains.entry(key.clone()).or_default();
    }
    for (key, chain) in chains {
        let item = items.get(&key).map(|item| in_order(Value::Object(item.clone())));
        if let Some(fault) = check_chain(&chain, item.as_ref()).first() {
            return Err(format!("{key:?}, its stream: {fault}"));
        }
    }
    Ok(())
}

pub(crate) async fn ask(api: &Dispatch, target: &str, body: Value) -> Result<Value, String> {
    let (status, answer) = api.answer(target, body.to_string().into_bytes()).await;
    let text = String::from_utf8_lossy(&answer);
    match status {
        200 => serde_json::from_slice(&answer).map_err(|error| format!("{target}: {error}: {text}")),
        _ => Err(format!("{target} {body}: {status} {text}")),
    }
}
