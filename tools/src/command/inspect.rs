//! `basaltctl inspect`: what is in a directory, in words.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use basalt_engine::model::{ItemRef, Number};
use basalt_format::{
    catalog::{Billing, PartitionRow, PartitionState, TableRow},
    data_directory::Node,
    extent::Pointer,
    key_encoding::{KeyHasher, KeyPart, KeyPartKind, TAG_ITEM, encode_part, encode_partition_prefix},
    page::{LeafValue, PageView},
};
use clap::Subcommand;
use serde_json::{Value as Json, json};

use super::{Output, items};
use crate::{
    backup::chunk::hex,
    catalog::Catalog,
    directory::{HeldDirectory, map},
    failure::Failure,
    log::{LogStreams, read_node},
    rows::{DirectoryRows, RowSource},
    tree::{self, Level, newest_superblock},
    words::{bytes_in_words, key_in_words},
};

/// Rows of a page or records of a segment that are shown.
const SHOWN_MAX: usize = 200;
/// Characters of the longest bar.
const BAR_WIDTH: u64 = 40;

/// What is looked at; without one: the directory.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Subject {
    /// A table: keys, indexes, settings, partitions
    Table { name: String },
    /// A partition: its superblock, and the shape and fill of its tree
    Partition { number: u64 },
    /// A page: fences, rows or children
    Page { partition: u64, block: u64 },
    /// A log segment: its frames and records; STREAM/NAME as in the directory's wal folder
    Wal { segment: PathBuf },
    /// An item, by its key as the files and the log hold it
    Key { table: String, partition_key: String, sort_key: Option<String> },
}

/// Shows `subject` of `directory`.
pub(crate) fn run(directory: &Path, subject: Option<Subject>, output: Output) -> Result<ExitCode, Failure> {
    let held = HeldDirectory::hold(directory)?;
    let node = read_node(&held)?;
    let logs = LogStreams::read(&held, &node)?;
    let rows = DirectoryRows::read(&held, Some(&node), &logs)?;
    let catalog = Catalog::read(&rows, Some(&node))?;
    let inspector = Inspector { held: &held, node: &node, logs: &logs, rows: &rows, catalog: &catalog };
    let (report, text) = match subject {
        None => inspector.directory()?,
        Some(Subject::Table { name }) => inspector.table(&name)?,
        Some(Subject::Partition { number }) => inspector.partition(number)?,
        Some(Subject::Page { partition, block }) => inspector.page(partition, block)?,
        Some(Subject::Wal { segment }) => inspector.segment(&segment)?,
        Some(Subject::Key { table, partition_key, sort_key }) => {
            inspector.key(&table, &partition_key, sort_key.as_deref())?
        }
    };
    output.print(&report, || text);
    Ok(ExitCode::SUCCESS)
}

/// The same for scripts and for people.
type Shown = (Json, String);

struct Inspector<'a> {
    held: &'a HeldDirectory,
    node: &'a Node,
    logs: &'a LogStreams,
    rows: &'a DirectoryRows<'a>,
    catalog: &'a Catalog,
}

impl Inspector<'_> {
    fn directory(&self) -> Result<Shown, Failure> {
        let Node { cluster_uuid, open_epoch, revision, .. } = self.node;
        let mut text =
            format!("cluster {}, opened {open_epoch} times, NODE revision {revision}\n", hex(cluster_uuid));
        let mut tables = Vec::new();
        for (name, row) in &self.catalog.tables {
            let (items, bytes) = self.size_of(row.number)?;
            let partitions = self.catalog.serving_partitions_of(row.number).len();
            let indexes = row.global_indexes.len() + row.local_indexes.len();
            let _ = writeln!(
                text,
                "table {name}: {items} items in files, {}, {partitions} partitions, {indexes} indexes",
                bytes_in_words(bytes)
            );
            tables.push(json!({ "name": name, "items": items, "bytes": bytes, "partitions": partitions }));
        }
        let mut streams = Vec::new();
        for stream in self.logs.streams() {
            let (number, segments) = (stream.stream, stream.segments.len());
            let _ = writeln!(
                text,
                "log stream {number}: {} in {segments} segments, {} frames",
                bytes_in_words(stream.bytes),
                stream.frames
            );
            for segment in &stream.segments {
                let _ = writeln!(text, "  {}", self.held.relative(&segment.path));
            }
            streams.push(json!({ "stream": number, "segments": segments, "bytes": stream.bytes }));
        }
        let files = self.held.partition_files()?.len();
        let _ = write!(text, "{files} partition files");
        let report = json!({
            "cluster_uuid": hex(cluster_uuid), "open_epoch": open_epoch, "tables": tables, "streams": streams,
            "partition_files": files,
        });
        Ok((report, text))
    }

    /// Items and bytes of a table or index, as its files count them; what only the log holds comes on top.
    fn size_of(&self, number: u64) -> Result<(u64, u64), Failure> {
        let mut sum = (0, 0);
        for (id, _) in self.catalog.serving_partitions_of(number) {
            let path = self.held.partition_file(id);
            if path.exists()
                && let Some(superblock) = newest_superblock(&map(&path)?)
            {
                sum = (sum.0 + superblock.item_count, sum.1 + superblock.item_bytes);
            }
        }
        Ok(sum)
    }

    fn table(&self, name: &str) -> Result<Shown, Failure> {
        let row = self.catalog.table(name)?;
        let (items, bytes) = self.size_of(row.number)?;
        let key = [Some(&row.partition_key), row.sort_key.as_ref()].into_iter().flatten().cloned();
        let key = key.collect::<Vec<_>>().join(", ");
        let billing = match row.billing {
            Billing::PayPerRequest => "paid by request".to_owned(),
            Billing::Provisioned(units) => {
                format!("{} read and {} write units", units.read_units, units.write_units)
            }
        };
        let mut text = format!(
            "table {name}, number {}: key ({key}), {billing}\n{items} items in files, {}\n",
            row.number,
            bytes_in_words(bytes)
        );
        for index in &row.local_indexes {
            let _ = writeln!(text, "local index {} by {}", index.name, index.sort_key);
        }
        for index in &row.global_indexes {
            let keys = [&index.partition_keys[..], &index.sort_keys[..]].concat().join(", ");
            let _ = writeln!(
                text,
                "global index {} by ({keys}), number {}, {:?}",
                index.name, index.number, index.status
            );
        }
        let mut partitions = Vec::new();
        for (id, partition) in self.catalog.partitions_of(row.number) {
            let has_file = self.held.partition_file(id).exists();
            let file = if has_file { "" } else { ", no file yet" };
            let lineage = lineage_in_words(partition);
            let PartitionRow { hash_first, hash_last, .. } = partition;
            let _ =
                writeln!(text, "partition {id}: hashes {hash_first:016x} to {hash_last:016x}{lineage}{file}");
            partitions.push(json!({
                "number": id, "hash_first": format!("{hash_first:016x}"), "hash_last": format!("{hash_last:016x}"),
                "state": format!("{:?}", partition.state), "parent": partition.parent,
            }));
        }
        let report = json!({ "name": name, "number": row.number, "items": items, "bytes": bytes, "partitions": partitions });
        Ok((report, text.trim_end().to_owned()))
    }

    fn partition(&self, number: u64) -> Result<Shown, Failure> {
        let path = self.held.partition_file(number);
        let owner = self.catalog.owner_of(number);
        if !path.exists() {
            let text = format!("partition {number}, {owner}: it has no file");
            return Ok((json!({ "number": number, "owner": owner, "file": null }), text));
        }
        let bytes = map(&path)?;
        let report = tree::check(&bytes, Some(self.node.cluster_uuid));
        let Some(superblock) = &report.superblock else {
            return Err(Failure::damaged(format!("{}: no superblock can be read", path.display())));
        };
        let behind = self.rows.of(number)?.changes_in_log();
        let mut text = format!(
            "partition {number}, {owner}: generation {}, entries up to {}, {behind} rows changed behind that in the log\n",
            superblock.generation, superblock.applied_index
        );
        let _ = writeln!(
            text,
            "{} rows, {} items; {} of {} in the file are reached",
            superblock.row_count,
            superblock.item_count,
            bytes_in_words(report.counts.reachable_bytes),
            bytes_in_words(bytes.len() as u64)
        );
        picture(&mut text, &report.levels);
        if !report.findings.is_empty() {
            let _ = writeln!(text, "{} problems: see basaltctl verify", report.findings.len());
        }
        let shown = json!({
            "number": number, "owner": owner, "generation": superblock.generation, "rows": superblock.row_count,
            "items": superblock.item_count, "file_bytes": bytes.len(), "reachable_bytes": report.counts.reachable_bytes,
            "rows_changed_in_log": behind, "levels": report.levels, "problems": report.findings.len(),
        });
        Ok((shown, text.trim_end().to_owned()))
    }

    fn page(&self, partition: u64, block: u64) -> Result<Shown, Failure> {
        let path = self.held.partition_file(partition);
        let bytes = map(&path)?;
        let start =
            usize::try_from(block).unwrap_or(usize::MAX).saturating_mul(basalt_format::BLOCK_SIZE_BYTES);
        let stored = bytes.get(start..).unwrap_or_default();
        // How long it is, only its parent knows; a page says where its own bytes end.
        let page = (1..=stored.len().div_ceil(basalt_format::BLOCK_SIZE_BYTES).min(32))
            .find_map(|blocks| PageView::parse(stored.get(..blocks * basalt_format::BLOCK_SIZE_BYTES)?).ok());
        let page = page.ok_or_else(|| {
            Failure::damaged(format!("{}, block {block}: no page can be read there", path.display()))
        })?;
        let kind = if page.is_leaf() { "leaf" } else { "inner page" };
        let mut text = format!(
            "{kind} at level {}, born in generation {}, {} slots, {} bytes\nfrom {} to {}\n",
            page.level(),
            page.birth(),
            page.slot_count(),
            page.bytes().len(),
            key_in_words(page.lower_fence()),
            page.upper_fence().map_or_else(|| "the end".to_owned(), key_in_words)
        );
        for slot in 0..page.slot_count().min(SHOWN_MAX) {
            let mut key = Vec::new();
            if page.is_leaf() {
                page.copy_key(slot, &mut key);
                let value = match page.leaf_cell(slot).value {
                    LeafValue::Inline(value) => bytes_in_words(value.len() as u64),
                    LeafValue::Overflow { value_bytes, .. } => {
                        format!("{}, in an extent", bytes_in_words(value_bytes.into()))
                    }
                };
                let _ = writeln!(text, "  {}: {value}", key_in_words(&key));
            } else {
                page.copy_child_lower_fence(slot, &mut key);
                let child = Pointer::decode(page.child(slot)).map_or_else(
                    |error| error.to_string(),
                    |child| {
                        format!("block {}, {} blocks, generation {}", child.block, child.blocks, child.birth)
                    },
                );
                let _ = writeln!(text, "  {} on: {child}", key_in_words(&key));
            }
        }
        let report = json!({
            "level": page.level(), "birth": page.birth(), "slots": page.slot_count(), "bytes": page.bytes().len(),
        });
        Ok((report, text.trim_end().to_owned()))
    }

    fn segment(&self, name: &Path) -> Result<Shown, Failure> {
        let path = self.held.path().join("wal").join(name);
        let segment = self.logs.needed_segments().find(|segment| segment.path == path);
        let Some(segment) = segment else {
            return Err(Failure::usage(format!("{} is no segment that is needed", path.display())));
        };
        let mut text = String::new();
        let (mut records, mut shown) = (Vec::new(), 0_usize);
        segment.each_record(self.node, &mut |frame, record| {
            shown += 1;
            if shown <= SHOWN_MAX {
                let (sequence, kind) = (frame.sequence, format!("{:?}", record.kind));
                let _ = writeln!(
                    text,
                    "frame {sequence} at LSN {}: {kind}, partition {}, entry {}, {} bytes",
                    frame.lsn,
                    record.partition,
                    record.index,
                    record.body.len()
                );
                records.push(json!({
                    "frame": sequence, "kind": kind, "partition": record.partition, "index": record.index,
                    "bytes": record.body.len(),
                }));
            }
        });
        let _ = write!(
            text,
            "{shown} records, {} up to the last frame's end",
            bytes_in_words(segment.end_offset)
        );
        Ok((json!({ "records": shown, "first": records, "end_offset": segment.end_offset }), text))
    }

    fn key(&self, table: &str, partition_key: &str, sort_key: Option<&str>) -> Result<Shown, Failure> {
        let row = self.catalog.table(table)?;
        let (key, hash) = encode_key(row, partition_key, sort_key)?;
        let partitions = self.catalog.serving_partitions_of(row.number);
        let place = partitions.iter().find(|(_, place)| (place.hash_first..=place.hash_last).contains(&hash));
        let &(id, _) =
            place.ok_or_else(|| Failure::damaged(format!("no partition of {table} holds {hash:016x}")))?;
        let place = format!("partition {id}, hash {hash:016x}");
        let found = self.rows.of(id)?.find(&key);
        let found = found
            .map_err(|lost| Failure::damaged(format!("{place}, block {}: {}", lost.block, lost.problem)))?;
        let Some((value, source)) = found else {
            return Ok((json!({ "partition": id, "item": null }), format!("{place}: there is no such item")));
        };
        let item = ItemRef::new(&value).map_err(|error| Failure::damaged(format!("{place}: {error}")))?;
        let item = items::to_json(item)?;
        let source = match source {
            RowSource::File { last_write } => format!("the file, written at hybrid time {last_write}"),
            RowSource::Log => "the log".to_owned(),
        };
        Ok((
            json!({ "partition": id, "source": source, "item": item }),
            format!("{place}, from {source}\n{item:#}"),
        ))
    }
}

/// What splits have to do with a partition.
fn lineage_in_words(row: &PartitionRow) -> String {
    let state = match row.state {
        PartitionState::Open => "",
        PartitionState::Closed => ", closed by a split: its stream records can still be read",
        PartitionState::Filling => ", being filled by a split",
    };
    let parent =
        row.parent.map_or_else(String::new, |parent| format!(", its stream goes on from partition {parent}"));
    format!("{state}{parent}")
}

/// A picture of a tree: pages by level and how full they are.
fn picture(text: &mut String, levels: &[Level]) {
    for (place, level) in levels.iter().enumerate().rev() {
        let name = if place == 0 { "leaves".to_owned() } else { format!("level {place}") };
        let average = level.content_bytes / level.pages.max(1);
        let _ = writeln!(text, "{name}: {} pages, {} each", level.pages, bytes_in_words(average));
        let most = level.fill_tenths.iter().copied().max().unwrap_or(0).max(1);
        for (tenth, &pages) in level.fill_tenths.iter().enumerate().filter(|(_, pages)| **pages > 0) {
            let bar = "#".repeat((pages * BAR_WIDTH).div_ceil(most) as usize);
            let _ = writeln!(text, "  {:>3} % {bar} {pages}", (tenth + 1) * 10);
        }
    }
}

fn encode_key(
    row: &TableRow,
    partition_key: &str,
    sort_key: Option<&str>,
) -> Result<(Vec<u8>, u64), Failure> {
    let part = |name: &str, text: &str| -> Result<KeyPart<'static>, Failure> {
        let kind = row.attribute_definitions.iter().find(|definition| definition.name == name);
        match kind.map(|definition| definition.kind) {
            Some(KeyPartKind::N) => Number::parse(text)
                .map(|number| KeyPart::N(number.decimal()))
                .map_err(|error| Failure::usage(format!("{name}: {error}"))),
            Some(KeyPartKind::B) => Ok(KeyPart::B(text.as_bytes().to_vec().into())),
            Some(KeyPartKind::S) | None => Ok(KeyPart::S(text.to_owned().into())),
        }
    };
    let partition = part(&row.partition_key, partition_key)?;
    let mut key = Vec::new();
    let hash = encode_partition_prefix(TAG_ITEM, &KeyHasher::new(&row.hash_secret), [&partition], &mut key);
    match (&row.sort_key, sort_key) {
        (None, None) => Ok((key, hash)),
        (Some(name), Some(text)) => {
            encode_part(&part(name, text)?, &mut key);
            Ok((key, hash))
        }
        (Some(name), None) => Err(Failure::usage(format!("the table has a sort key, {name}: give it, too"))),
        (None, Some(_)) => Err(Failure::usage("the table has no sort key")),
    }
}
