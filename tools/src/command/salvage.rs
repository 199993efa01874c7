//! `basaltctl salvage`: what can still be read of a damaged directory, in a new one.
//!
//! Everything is read past what is damaged, page by page; what cannot be read is listed by its keys. Without NODE the
//! log cannot be believed, since NODE has the secret that tells its frames from a client's bytes: then the files alone
//! are salvaged. Transactions that were decided and not settled are settled.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
    process::ExitCode,
};

use basalt_engine::{
    BlockingEngine, CreateTable, Engine, GlobalIndexDefinition, IndexProjection, IndexThroughput,
    LocalIndexDefinition, StreamChange, StreamViewType, TimeToLiveChange, UpdateTable, UpdateTimeToLive,
    model::{EncodedItem, IndexKeySchema, Item, KeyAttribute, KeySchema},
};
use basalt_format::{
    catalog::{Projection, StreamView, TableRow, TableStatus},
    key_encoding::{TAG_DECISION, TAG_ITEM, TAG_PREPARED},
    transaction::{DecisionKey, PreparedKey, PreparedOutcome, PreparedRow, TransactionId},
};
use indicatif::ProgressBar;
use serde::Serialize;

use super::{Output, items, restore::of_engine};
use crate::{
    catalog::{CATALOG_PARTITION, Catalog},
    destination::{beside, publish, require_absent_or_empty, start_over},
    directory::{HeldDirectory, map},
    failure::{Exit, Failure},
    log::{LogStreams, newest_node},
    progress,
    rows::DirectoryRows,
    tree::Lost,
    words::key_in_words,
};

#[derive(Debug, Default, Serialize)]
struct SalvageReport {
    tables: BTreeMap<String, u64>,
    lost: Vec<String>,
}

/// Saves what can be read of `directory` into `to`.
pub(crate) fn run(directory: &Path, to: &Path, output: Output) -> Result<ExitCode, Failure> {
    require_absent_or_empty(to)?;
    let held = HeldDirectory::hold_remains(directory)?;
    let node = if held.node().exists() { newest_node(&map(&held.node())?) } else { None };
    let logs = match &node {
        Some(node) => LogStreams::read(&held, node)?,
        None => LogStreams::none(),
    };
    let rows = DirectoryRows::read(&held, node.as_ref(), &logs)?;
    let catalog = Catalog::read(&rows, node.as_ref())?;
    let built = beside(to, ".salvaging");
    start_over(&built)?;
    let engine = items::open_engine(&built)?;
    let mut salvage = Salvage {
        rows: &rows,
        catalog: &catalog,
        engine: &engine,
        decisions: BTreeMap::new(),
        report: SalvageReport::default(),
        bar: progress::of_items("items saved"),
    };
    if node.is_none() {
        salvage
            .report
            .lost
            .push("NODE: neither copy can be read, and so nothing that only the log had".to_owned());
    }
    salvage.note_damage(&logs, &held)?;
    for (name, table) in catalog.tables.iter().filter(|(_, table)| table.status != TableStatus::Deleting) {
        salvage.table(name, table)?;
    }
    salvage.bar.finish_and_clear();
    let report = salvage.report;
    let engine = engine.blocking();
    engine.checkpoint().map_err(of_engine)?;
    engine.close().map_err(of_engine)?;
    publish(&built, to)?;
    output.print(&report, || in_text(&report, to));
    Ok(if report.lost.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(Exit::Damaged as u8) })
}

struct Salvage<'a> {
    rows: &'a DirectoryRows<'a>,
    catalog: &'a Catalog,
    engine: &'a Engine,
    /// Transactions that a ledger says are committed, by partition.
    decisions: BTreeMap<u64, BTreeSet<TransactionId>>,
    report: SalvageReport,
    bar: ProgressBar,
}

/// What decided transactions make of items that they have not reached yet.
type Settled = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

impl Salvage<'_> {
    fn note_damage(&mut self, logs: &LogStreams, held: &HeldDirectory) -> Result<(), Failure> {
        let of_logs = logs.findings().map(|finding| format!("entries of the log: {finding}"));
        self.report.lost.extend(of_logs);
        let doubt = self.catalog.doubt.iter().map(|doubt| format!("parts of the catalog: {doubt}"));
        self.report.lost.extend(doubt);
        let unreadable = self.catalog.unreadable.iter().map(|row| format!("a row of the catalog: {row}"));
        self.report.lost.extend(unreadable);
        for lost in &self.catalog.lost {
            self.lose("the catalog: tables between", CATALOG_PARTITION, lost);
        }
        if self.catalog.is_whole() {
            return Ok(());
        }
        // A table that is lost from the catalog has no key schema any more: its items have no place to go.
        for (number, path) in held.partition_files()? {
            let is_known = number == CATALOG_PARTITION || self.catalog.partitions.contains_key(&number);
            if !is_known {
                let told = format!("{}: the catalog does not tell any more whose it is", path.display());
                self.report.lost.push(told);
            }
        }
        Ok(())
    }

    fn table(&mut self, name: &str, row: &TableRow) -> Result<(), Failure> {
        let request = create_table(name, row);
        let keys = request.key_schema.clone();
        let engine = self.engine.clone().blocking();
        engine.create_table(request).map_err(of_engine)?;
        self.report.tables.insert(name.to_owned(), 0);
        for (partition, _) in self.catalog.serving_partitions_of(row.number) {
            self.partition(name, &keys, partition)?;
        }
        // Last: what is saved is neither told to readers of the stream nor removed because it has expired.
        turn_on(&engine, name, row)
    }

    /// Puts the items of one partition into the new table.
    fn partition(&mut self, table: &str, keys: &KeySchema, partition: u64) -> Result<(), Failure> {
        let settled = self.settled(table, partition)?;
        let rows = self.rows.of(partition)?;
        if let Some(doubt) = rows.doubt() {
            self.report.lost.push(format!("table {table}: rows of partition {partition}: {doubt}"));
        }
        let mut group = Vec::new();
        let mut outcome = Ok(());
        let lost = rows.each(&mut |row| {
            if outcome.is_err() || row.key.first() != Some(&TAG_ITEM) || settled.contains_key(row.key) {
                return;
            }
            group.extend(self.read_item(table, row.key, row.value));
            if group.len() >= items::GROUP_ITEMS {
                outcome = self.put(table, keys, std::mem::take(&mut group));
            }
        });
        outcome?;
        for (key, value) in &settled {
            group.extend(value.as_ref().and_then(|value| self.read_item(table, key, value)));
        }
        self.put(table, keys, group)?;
        lost.iter().for_each(|lost| self.lose(&format!("table {table}: rows between"), partition, lost));
        Ok(())
    }

    fn read_item(&mut self, table: &str, key: &[u8], value: &[u8]) -> Option<Item> {
        match EncodedItem::from_bytes(value.to_vec()).and_then(|item| item.as_item().to_item()) {
            Ok(item) => Some(item),
            Err(error) => {
                self.report.lost.push(format!("table {table}: {}: {error}", key_in_words(key)));
                None
            }
        }
    }

    /// Puts items; if they are refused together, one by one, so that only those are lost that cannot be put.
    fn put(&mut self, table: &str, keys: &KeySchema, group: Vec<Item>) -> Result<(), Failure> {
        let mut saved = group.len();
        if items::put_all(self.engine, table, keys, group.clone()).is_err() {
            for item in group {
                let shown =
                    format!("{:?}", keys.attributes().map(|key| item.get(&key.name)).collect::<Vec<_>>());
                if let Err(refused) = items::put_all(self.engine, table, keys, vec![item]) {
                    self.report.lost.push(format!("table {table}: item {shown}: {refused}"));
                    saved -= 1;
                }
            }
        }
        self.bar.inc(saved as u64);
        *self.report.tables.entry(table.to_owned()).or_default() += saved as u64;
        Ok(())
    }

    /// What becomes of a partition's items by transactions that were decided.
    fn settled(&mut self, table: &str, partition: u64) -> Result<Settled, Failure> {
        let mut prepared = Vec::new();
        self.rows.of(partition)?.each(&mut |row| {
            if row.key.first() == Some(&TAG_PREPARED) {
                prepared.push((row.key.to_vec(), row.value.to_vec()));
            }
        });
        let mut settled = Settled::new();
        for (key, value) in prepared {
            let (Ok(key), Ok(row)) = (PreparedKey::decode(&key), PreparedRow::decode(&value)) else {
                self.report
                    .lost
                    .push(format!("table {table}: a change of a transaction: {}", key_in_words(&key)));
                continue;
            };
            if !self.is_decided(row.ledger, key.transaction)? {
                continue;
            }
            match row.outcome {
                PreparedOutcome::Keep => None,
                PreparedOutcome::Put(item) => settled.insert(key.item_key.to_vec(), Some(item.to_vec())),
                PreparedOutcome::Delete => settled.insert(key.item_key.to_vec(), None),
            };
        }
        Ok(settled)
    }

    fn is_decided(&mut self, ledger: u64, transaction: TransactionId) -> Result<bool, Failure> {
        if !self.decisions.contains_key(&ledger) {
            let mut decided = BTreeSet::new();
            let lost = self.rows.of(ledger)?.each(&mut |row| {
                if row.key.first() == Some(&TAG_DECISION)
                    && let Ok(DecisionKey(transaction)) = DecisionKey::decode(row.key)
                {
                    decided.insert(transaction);
                }
            });
            lost.iter().for_each(|lost| self.lose("transactions: decisions between", ledger, lost));
            self.decisions.insert(ledger, decided);
        }
        Ok(self.decisions.get(&ledger).is_some_and(|decided| decided.contains(&transaction)))
    }

    fn lose(&mut self, what: &str, partition: u64, lost: &Lost) {
        let Lost { block, lower, upper, problem } = lost;
        let upper = upper.as_ref().map_or_else(|| "the end".to_owned(), |upper| key_in_words(upper));
        self.report.lost.push(format!(
            "{what} {} and {upper} (partition {partition}, block {block}: {problem})",
            key_in_words(lower)
        ));
    }
}
/// The request that makes the table anew; it is paid for by request.
fn create_table(name: &str, row: &TableRow) -> CreateTable {
    let attribute = |name: &String| key_attribute(row, name);
    let keys =
        KeySchema { partition: attribute(&row.partition_key), sort: row.sort_key.as_ref().map(attribute) };
    let local = row.local_indexes.iter().map(|index| LocalIndexDefinition {
        index_name: index.name.clone(),
        sort: attribute(&index.sort_key),
        projection: projection(&index.projection),
    });
    let global = row.global_indexes.iter().map(|index| GlobalIndexDefinition {
        index_name: index.name.clone(),
        key_schema: IndexKeySchema {
            partition: index.partition_keys.iter().map(attribute).collect(),
            sort: index.sort_keys.iter().map(attribute).collect(),
        },
        projection: projection(&index.projection),
        throughput: IndexThroughput::default(),
    });
    CreateTable {
        tags: row.tags.clone(),
        local_indexes: local.collect(),
        global_indexes: global.collect(),
        ..CreateTable::new(name, keys)
    }
}

/// Turns the table's stream and its time to live on.
fn turn_on(engine: &BlockingEngine, name: &str, row: &TableRow) -> Result<(), Failure> {
    let stream = row.streams.last().filter(|stream| stream.disabled_unix_us.is_none());
    if let Some(stream) = stream {
        let change = Some(StreamChange::Enable(view(stream.view)));
        let request = UpdateTable { table_name: name.to_owned(), stream: change, ..UpdateTable::default() };
        engine.update_table(request).map_err(of_engine)?;
    }
    if let Some(expiry) = &row.time_to_live {
        let change = TimeToLiveChange::Enable;
        let attribute = expiry.attribute.clone();
        let request = UpdateTimeToLive { table_name: name.to_owned(), attribute, change };
        engine.update_time_to_live(request).map_err(of_engine)?;
    }
    Ok(())
}

fn key_attribute(row: &TableRow, name: &str) -> KeyAttribute {
    let definition = row.attribute_definitions.iter().find(|definition| definition.name == name);
    let kind = definition.expect("a decoded row's keys are among its definitions").kind;
    KeyAttribute { name: name.to_owned(), kind: kind.into() }
}

fn projection(projection: &Projection) -> IndexProjection {
    match projection {
        Projection::All => IndexProjection::All,
        Projection::KeysOnly => IndexProjection::KeysOnly,
        Projection::Include(names) => IndexProjection::Include(names.clone()),
    }
}

fn view(view: StreamView) -> StreamViewType {
    match view {
        StreamView::KeysOnly => StreamViewType::KeysOnly,
        StreamView::NewImage => StreamViewType::NewImage,
        StreamView::OldImage => StreamViewType::OldImage,
        StreamView::NewAndOldImages => StreamViewType::NewAndOldImages,
    }
}

fn in_text(report: &SalvageReport, to: &Path) -> String {
    let mut text = String::new();
    for (table, count) in &report.tables {
        // Writing into a string does not fail.
        let _ = writeln!(text, "table {table}: {count} items saved");
    }
    for lost in &report.lost {
        let _ = writeln!(text, "lost: {lost}");
    }
    let _ = write!(text, "{} holds what could be read; {} things were lost", to.display(), report.lost.len());
    text
}
