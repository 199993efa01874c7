//! `basaltctl salvage`: what can still be read of a damaged directory, in a new one.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, process::ExitCode};

use basalt_engine::{
    CreateTable, Engine, GlobalIndexDefinition, IndexProjection, IndexThroughput, LocalIndexDefinition,
    StreamViewType, TimeToLiveChange, UpdateTimeToLive,
    model::{EncodedItem, IndexKeySchema, Item, KeyAttribute, KeySchema},
};
use basalt_format::{
    catalog::{Projection, StreamView, TableRow},
    data_directory::Node,
    key_encoding::TAG_ITEM,
};
use serde::Serialize;

use super::{Output, inspect::key_in_words, items, restore::of_engine};
use crate::{
    backup::{source::newest_superblock, store::sync_names},
    catalog::{CATALOG_PARTITION, Catalog},
    directory::{HeldDirectory, map},
    failure::{Exit, Failure, beside, require_absent_or_empty},
    log::{LogStreams, read_node},
    tree::{Lost, each_row},
};

#[derive(Debug, Default, Serialize)]
struct SalvageReport {
    tables: BTreeMap<String, u64>,
    lost: Vec<String>,
}

/// Saves what can be read of `directory` into `to`.
pub(crate) fn run(directory: &Path, to: &Path, output: Output) -> Result<ExitCode, Failure> {
    require_absent_or_empty(to)?;
    let held = HeldDirectory::hold(directory)?;
    // Its log secret is what tells frames from a client's bytes: without NODE nothing of the log can be believed.
    let node = read_node(&held)?;
    let logs = LogStreams::read(&held)?;
    let catalog = Catalog::read(&held, &node, &logs)?;
    let built = beside(to, ".salvaging");
    match fs::remove_dir_all(&built) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Failure::io(&built, error)),
        _ => {}
    }
    let engine = items::open_engine(&built)?;
    let mut salvage =
        Salvage { held: &held, node: &node, logs: &logs, engine: &engine, report: SalvageReport::default() };
    salvage.note_damage(&catalog);
    for (name, row) in &catalog.tables {
        salvage.table(name, row, &catalog)?;
    }
    let report = salvage.report;
    let engine = engine.blocking();
    engine.checkpoint().map_err(of_engine)?;
    engine.close().map_err(of_engine)?;
    fs::rename(&built, to).map_err(|error| Failure::io(to, error))?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync_names(parent).map_err(|error| Failure::io(parent, error))?;
    output.print(&report, || in_text(&report, to));
    Ok(if report.lost.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(Exit::Damaged as u8) })
}

struct Salvage<'a> {
    held: &'a HeldDirectory,
    node: &'a Node,
    logs: &'a LogStreams,
    engine: &'a Engine,
    report: SalvageReport,
}

impl Salvage<'_> {
    fn note_damage(&mut self, catalog: &Catalog) {
        let of_logs = self.logs.findings().map(|finding| format!("entries of the log: {finding}"));
        self.report.lost.extend(of_logs);
        for lost in &catalog.lost {
            self.lose("the catalog: tables between", CATALOG_PARTITION, lost);
        }
    }

    fn table(&mut self, name: &str, row: &TableRow, catalog: &Catalog) -> Result<(), Failure> {
        let request = create_table(name, row);
        let keys = request.key_schema.clone();
        self.engine.blocking().create_table(request).map_err(of_engine)?;
        let mut count = 0;
        for (partition, _) in catalog.serving_partitions_of(row.number) {
            let rows = self.rows_of(name, partition)?;
            let mut rest: Vec<Item> = Vec::new();
            for encoded in rows.into_values() {
                match EncodedItem::from_bytes(encoded).and_then(|item| item.as_item().to_item()) {
                    Ok(item) => rest.push(item),
                    Err(error) => self.report.lost.push(format!("an item of table {name}: {error}")),
                }
            }
            count += rest.len() as u64;
            for group in rest.chunks(items::GROUP_ITEMS) {
                items::put_all(self.engine, name, &keys, group.to_vec())?;
            }
        }
        // Last: an item that has expired is to be saved first.
        if let Some(expiry) = &row.time_to_live {
            let change = TimeToLiveChange::Enable;
            let request =
                UpdateTimeToLive { table_name: name.to_owned(), attribute: expiry.attribute.clone(), change };
            self.engine.blocking().update_time_to_live(request).map_err(of_engine)?;
        }
        self.report.tables.insert(name.to_owned(), count);
        Ok(())
    }

    /// The items of a partition: its file's, and what the log did to them since.
    fn rows_of(&mut self, table: &str, partition: u64) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Failure> {
        let mut rows = BTreeMap::new();
        let mut applied = 0;
        let path = self.held.partition_file(partition);
        if path.exists() {
            let bytes = map(&path)?;
            match newest_superblock(&bytes) {
                None => self
                    .report
                    .lost
                    .push(format!("table {table}: {}: no superblock can be read", path.display())),
                Some(superblock) => {
                    applied = superblock.applied_index;
                    let lost = each_row(&bytes, &superblock, &mut |row| {
                        if row.key.first() == Some(&TAG_ITEM) {
                            rows.insert(row.key.to_vec(), row.value.to_vec());
                        }
                    });
                    lost.iter()
                        .for_each(|lost| self.lose(&format!("table {table}: rows between"), partition, lost));
                }
            }
        }
        if let Some(missing) = self.logs.gap_behind(partition, applied) {
            let told = format!(
                "table {table}: entry {missing} of partition {partition}, and what followed until the log goes on"
            );
            self.report.lost.push(told);
        }
        for (_, (key, value)) in self.logs.changes_behind(self.node, partition, applied)? {
            if key.first() != Some(&TAG_ITEM) {
                continue;
            }
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        Ok(rows)
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
    let stream = row.streams.last().filter(|stream| stream.disabled_unix_us.is_none());
    CreateTable {
        tags: row.tags.clone(),
        local_indexes: local.collect(),
        global_indexes: global.collect(),
        stream: stream.map(|stream| view(stream.view)),
        ..CreateTable::new(name, keys)
    }
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
