//! A partition's rows as the next start would have them: those of its tree, changed by what only the logs have.
//!
//! Follows `format-spec/spec/data_directory.md`, "Reading a directory", through `basalt-format` alone. Values are
//! slices of mapped files: only the keys of the logs' tails are put in order in memory.

use std::{collections::BTreeMap, path::PathBuf};

use basalt_format::{
    data_directory::Node,
    superblock::Superblock,
    wal::{Effect, Effects, RecordKind},
};
use basalt_runtime::FileMap;

use crate::{
    directory::{DirectoryError, HeldDirectory, map},
    log::LogStreams,
    tree::{self, Lost, newest_superblock},
};

/// Where a row was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowSource {
    /// In the tree; its last write's hybrid time.
    File { last_write: u64 },
    /// In the log, behind what the file has.
    Log,
}

/// A row as it stands now.
pub(crate) struct CurrentRow<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// What only the logs have of one partition.
#[derive(Debug, Default)]
struct Tail<'a> {
    /// The last change of each row: its value, or nothing where it was deleted.
    rows: BTreeMap<&'a [u8], Option<&'a [u8]>>,
    /// Why entries are not what they should be, if they are not.
    problem: Option<String>,
}

/// The rows of every partition of a directory.
pub(crate) struct DirectoryRows<'a> {
    held: &'a HeldDirectory,
    tails: BTreeMap<u64, Tail<'a>>,
    /// The first entry that is missing, by partition.
    gaps: BTreeMap<u64, u64>,
}

/// One partition's rows.
pub(crate) struct PartitionRows<'a> {
    file: Option<PartitionFile>,
    tail: Option<&'a Tail<'a>>,
    gap: Option<u64>,
}

/// A partition's file and the superblock that it is read from.
pub(crate) struct PartitionFile {
    pub(crate) path: PathBuf,
    pub(crate) map: FileMap,
    /// `None`: no superblock can be read.
    pub(crate) superblock: Option<Superblock>,
}

impl<'a> DirectoryRows<'a> {
    /// Reads the logs' tails once, for all partitions.
    pub(crate) fn read(
        held: &'a HeldDirectory,
        node: Option<&Node>,
        logs: &'a LogStreams,
    ) -> Result<Self, DirectoryError> {
        let mut applied = BTreeMap::new();
        for (number, path) in held.partition_files()? {
            let superblock = newest_superblock(&map(&path)?);
            applied.insert(number, superblock.map_or(0, |superblock| superblock.applied_index));
        }
        let applied_of = |partition: u64| applied.get(&partition).copied().unwrap_or(0);
        let gaps = logs.partitions().into_iter();
        let gaps = gaps
            .filter_map(|partition| Some((partition, logs.gap_behind(partition, applied_of(partition))?)));
        let gaps = gaps.collect();
        let tails = node.map_or_else(BTreeMap::new, |node| tails_behind(logs, node, applied_of));
        Ok(Self { held, tails, gaps })
    }

    /// The rows of one partition.
    pub(crate) fn of(&self, partition: u64) -> Result<PartitionRows<'_>, DirectoryError> {
        let path = self.held.partition_file(partition);
        let file = match path.exists() {
            false => None,
            true => {
                let map = map(&path)?;
                let superblock = newest_superblock(&map);
                Some(PartitionFile { path, map, superblock })
            }
        };
        Ok(PartitionRows { file, tail: self.tails.get(&partition), gap: self.gaps.get(&partition).copied() })
    }
}

impl PartitionRows<'_> {
    pub(crate) fn file(&self) -> Option<&PartitionFile> {
        self.file.as_ref()
    }

    /// Rows that only the log has, or that it changes.
    pub(crate) fn changes_in_log(&self) -> usize {
        self.tail.map_or(0, |tail| tail.rows.len())
    }

    /// Why rows may be missing or old although every page can be read, if they may.
    pub(crate) fn doubt(&self) -> Option<String> {
        let file = self.file.as_ref().filter(|file| file.superblock.is_none());
        let unreadable = file.map(|file| format!("{}: no superblock can be read", file.path.display()));
        let gap = self.gap.map(|missing| format!("the logs hold later entries, but not entry {missing}"));
        let unusable = self.tail.and_then(|tail| tail.problem.clone());
        unreadable.or(gap).or(unusable)
    }

    /// Visits every row in order; returns what of the file cannot be read.
    pub(crate) fn each(&self, visit: &mut dyn FnMut(CurrentRow<'_>)) -> Vec<Lost> {
        let none = BTreeMap::new();
        let mut newer = self.tail.map_or(&none, |tail| &tail.rows).iter().peekable();
        let mut lost = Vec::new();
        if let Some(PartitionFile { map, superblock: Some(superblock), .. }) = &self.file {
            lost = tree::each_row(map, superblock, &mut |stored, row| {
                while let Some((key, value)) = newer.next_if(|(key, _)| **key < stored) {
                    visit_logged(key, *value, visit);
                }
                match newer.next_if(|(key, _)| **key == stored) {
                    Some((key, value)) => visit_logged(key, *value, visit),
                    None => visit(CurrentRow { key: stored, value: row.value }),
                }
            });
        }
        newer.for_each(|(key, value)| visit_logged(key, *value, visit));
        lost
    }

    /// The row with this key, if there is one, and where it was found.
    pub(crate) fn find(&self, key: &[u8]) -> Result<Option<(Vec<u8>, RowSource)>, Lost> {
        if let Some(newest) = self.tail.and_then(|tail| tail.rows.get(key)) {
            return Ok(newest.map(|value| (value.to_vec(), RowSource::Log)));
        }
        let Some(PartitionFile { map, superblock: Some(superblock), .. }) = &self.file else {
            return Ok(None);
        };
        let found = tree::find_row(map, superblock, key)?;
        Ok(found.map(|row| (row.value.to_vec(), RowSource::File { last_write: row.last_write })))
    }
}

fn visit_logged(key: &[u8], value: Option<&[u8]>, visit: &mut dyn FnMut(CurrentRow<'_>)) {
    if let Some(value) = value {
        visit(CurrentRow { key, value });
    }
}

/// The last change of every row that entries behind those in the files make. A partition's entries may lie in any
/// stream, and are taken in the order of their indexes.
fn tails_behind<'a>(
    logs: &'a LogStreams,
    node: &Node,
    applied_of: impl Fn(u64) -> u64,
) -> BTreeMap<u64, Tail<'a>> {
    let mut bodies: BTreeMap<(u64, u64), &'a [u8]> = BTreeMap::new();
    logs.each_record(node, &mut |_, record| {
        if record.kind == RecordKind::Effects && record.index > applied_of(record.partition) {
            bodies.insert((record.partition, record.index), record.body);
        }
    });
    let mut tails: BTreeMap<u64, Tail<'a>> = BTreeMap::new();
    for ((partition, index), body) in bodies {
        let tail = tails.entry(partition).or_default();
        for effect in Effects::new(body) {
            match effect {
                Ok(Effect::Put { key, value }) => _ = tail.rows.insert(key, Some(value)),
                Ok(Effect::Delete { key }) => _ = tail.rows.insert(key, None),
                Ok(Effect::Splice(_) | Effect::DeleteRange { .. }) => {
                    tail.problem = Some(format!("entry {index} has an effect that nothing writes"));
                }
                Err(error) => tail.problem = Some(format!("entry {index} cannot be read: {error}")),
            }
        }
    }
    tails
}
