//! What is found after a start, held against what clients know.

use super::LEADER;
use super::ledger::{Items, Ledger, told};
use super::requests::{BY_GROUP, BY_STAMP, decoded, key_of};
use super::streams;
use crate::lives::Stop;
use crate::oracle::Violation;
use basalt_engine::model::Item;
use basalt_engine::{Consistency, Engine, Error, ListTables, ResultPage, Scan, ScanSegment};
use basalt_runtime::sim::Simulation;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Segments of a scan: each reads what no other does.
const SEGMENTS: u32 = 3;

/// Whether streams are held against their tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Streams {
    AreChecked,
    /// The calendar jumps, by days in the end: records are trimmed, iterators grow old at once.
    AreLeftOut,
}

/// Reads every table and asks the ledger.
pub(crate) fn after_start(
    simulation: &mut Simulation,
    engine: &Engine,
    ledger: &Rc<RefCell<Ledger>>,
    streams: Streams,
) -> Result<(), Stop> {
    let reader = engine.clone();
    let read = simulation.run_until(LEADER, async move { read_everything(&reader, streams).await })?;
    let found = read.map_err(|reason| Stop::Refused(format!("after recovery: {reason}")))?;
    ledger.borrow_mut().recovered(found?)?;
    Ok(())
}

type Tables = BTreeMap<String, Items>;

async fn read_everything(engine: &Engine, streams: Streams) -> Result<Result<Tables, Violation>, Error> {
    let names = engine.list_tables(ListTables::default()).await?.table_names;
    let mut tables = Tables::new();
    for name in names {
        let mut items = Items::new();
        for segment in 0..SEGMENTS {
            for item in scan_segment(engine, &name, segment).await? {
                let Some(key) = key_of(&item) else {
                    return Ok(Err(Violation::Failed(format!("{name}: an item without its key"))));
                };
                if items.insert(key.clone(), item).is_some() {
                    return Ok(Err(Violation::Failed(format!("{name}: a scan gave {key:?} twice"))));
                }
            }
        }
        if let Some(violation) = check_indexes(engine, &name, &items).await? {
            return Ok(Err(violation));
        }
        if streams == Streams::AreChecked
            && let Some(difference) = streams::difference(engine, &name, &items).await?
        {
            return Ok(Err(Violation::Failed(format!("{name}, its stream: {difference}"))));
        }
        tables.insert(name, items);
    }
    Ok(Ok(tables))
}

/// Both indexes hold whole items: all of them the local one, the global one those that are in a group.
async fn check_indexes(engine: &Engine, table: &str, items: &Items) -> Result<Option<Violation>, Error> {
    // Changes that were never answered may still be on their way.
    engine.wait_for_indexes(table).await?;
    let is_in_group = |item: &Item| item.contains_key("group");
    let grouped = items.iter().filter(|(_, item)| is_in_group(item));
    let grouped: Items = grouped.map(|(key, item)| (key.clone(), item.clone())).collect();
    for (index, expected, consistency) in
        [(BY_STAMP, items, Consistency::Strong), (BY_GROUP, &grouped, Consistency::Eventual)]
    {
        let first = Scan { index_name: Some(index.to_owned()), consistency, ..Scan::new(table) };
        if let Some(difference) = difference(expected, scan(engine, first).await?) {
            return Ok(Some(Violation::Failed(format!("{table}, index {index}: {difference}"))));
        }
    }
    Ok(None)
}

/// What tells an index that holds whole items from the items that belong into it.
fn difference(items: &Items, indexed: Vec<Item>) -> Option<String> {
    let count = indexed.len();
    let by_key: Items = indexed.into_iter().filter_map(|item| Some((key_of(&item)?, item))).collect();
    if by_key.len() != count {
        return Some(format!("{count} entries, of {} items", by_key.len()));
    }
    let key = items.keys().chain(by_key.keys()).find(|key| items.get(*key) != by_key.get(*key))?;
    Some(format!("{key:?}: {} in the table, {} in the index", told(items.get(key)), told(by_key.get(key))))
}

async fn scan_segment(engine: &Engine, table: &str, segment: u32) -> Result<Vec<Item>, Error> {
    let segment = ScanSegment { segment, total_segments: SEGMENTS };
    scan(engine, Scan { segment, consistency: Consistency::Strong, ..Scan::new(table) }).await
}

/// All items of a scan.
async fn scan(engine: &Engine, first: Scan) -> Result<Vec<Item>, Error> {
    let mut scan = first;
    let mut items = Vec::new();
    loop {
        let ResultPage { items: page, last_evaluated_key, .. } = engine.scan(scan.clone()).await?;
        items.extend(page.iter().map(decoded));
        match last_evaluated_key {
            Some(key) => scan.exclusive_start_key = Some(key),
            None => return Ok(items),
        }
    }
}
