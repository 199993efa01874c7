//! What is found after a start, held against what clients know.

use super::LEADER;
use super::ledger::{Items, Ledger};
use super::requests::{decoded, key_of};
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

/// Reads every table and asks the ledger.
pub(crate) fn after_start(
    simulation: &mut Simulation,
    engine: &Engine,
    ledger: &Rc<RefCell<Ledger>>,
) -> Result<(), Stop> {
    let reader = engine.clone();
    let read = simulation.run_until(LEADER, async move { read_everything(&reader).await })?;
    let found = read.map_err(|reason| Stop::Refused(format!("after recovery: {reason}")))?;
    ledger.borrow_mut().recovered(found?)?;
    Ok(())
}

type Tables = BTreeMap<String, Items>;

async fn read_everything(engine: &Engine) -> Result<Result<Tables, Violation>, Error> {
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
        tables.insert(name, items);
    }
    Ok(Ok(tables))
}

async fn scan_segment(engine: &Engine, table: &str, segment: u32) -> Result<Vec<Item>, Error> {
    let segment = ScanSegment { segment, total_segments: SEGMENTS };
    let mut scan = Scan { segment, consistency: Consistency::Strong, ..Scan::new(table) };
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
