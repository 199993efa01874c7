//! The catalog as a directory's files tell of it: partition 0's tree, and what the logs hold behind it.

use std::collections::BTreeMap;

use basalt_format::{
    catalog::{CatalogKey, PartitionRow, PartitionState, TableRow},
    data_directory::Node,
};

use crate::{
    backup::source::newest_superblock,
    directory::{HeldDirectory, map},
    failure::Failure,
    log::LogStreams,
    tree::{Lost, each_row},
};

/// The number of the catalog's own partition.
pub(crate) const CATALOG_PARTITION: u64 = 0;

/// What tables and partitions there are.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) tables: BTreeMap<String, TableRow>,
    pub(crate) partitions: BTreeMap<u64, PartitionRow>,
    /// Parts of the catalog's own tree that cannot be read.
    pub(crate) lost: Vec<Lost>,
    /// Why more of it may be missing than what is lost, if it may.
    pub(crate) doubt: Option<String>,
}

impl Catalog {
    pub(crate) fn read(held: &HeldDirectory, node: &Node, logs: &LogStreams) -> Result<Self, Failure> {
        let mut catalog = Self::default();
        let mut applied = 0;
        let path = held.partition_file(CATALOG_PARTITION);
        if path.exists() {
            let bytes = map(&path)?;
            match newest_superblock(&bytes) {
                None => catalog.doubt = Some(format!("{}: no superblock can be read", path.display())),
                Some(superblock) => {
                    applied = superblock.applied_index;
                    catalog.lost = each_row(&bytes, &superblock, &mut |row| {
                        catalog.tables_and_partitions(row.key, Some(row.value))
                    });
                }
            }
        } else if node.catalog_file_uuid.is_some() {
            catalog.doubt = Some(format!("{} is missing", path.display()));
        }
        if let Some(missing) = logs.gap_behind(CATALOG_PARTITION, applied) {
            catalog.doubt = Some(format!("the logs lack entry {missing} of the catalog"));
        }
        for (_, (key, value)) in logs.changes_behind(node, CATALOG_PARTITION, applied)? {
            catalog.tables_and_partitions(&key, value.as_deref());
        }
        Ok(catalog)
    }

    /// Takes a row's new value in; rows of other kinds, and damaged ones, are passed by.
    fn tables_and_partitions(&mut self, key: &[u8], value: Option<&[u8]>) {
        match (CatalogKey::decode(key), value) {
            (Ok(CatalogKey::Table(name)), Some(value)) => {
                if let Ok(row) = TableRow::decode(value) {
                    self.tables.insert(name, row);
                }
            }
            (Ok(CatalogKey::Table(name)), None) => {
                self.tables.remove(&name);
            }
            (Ok(CatalogKey::Partition(number)), Some(value)) => {
                if let Ok(row) = PartitionRow::decode(value) {
                    self.partitions.insert(number, row);
                }
            }
            (Ok(CatalogKey::Partition(number)), None) => {
                self.partitions.remove(&number);
            }
            (Ok(CatalogKey::Counters) | Err(_), _) => {}
        }
    }

    /// The table of this name.
    pub(crate) fn table(&self, name: &str) -> Result<&TableRow, Failure> {
        self.tables.get(name).ok_or_else(|| {
            let there: Vec<&str> = self.tables.keys().map(String::as_str).collect();
            Failure::usage(format!("there is no table {name}; there are: {}", there.join(", ")))
        })
    }

    /// The partitions of the table or index with this number, whatever they are there for, in the order of their
    /// hashes.
    pub(crate) fn partitions_of(&self, number: u64) -> Vec<(u64, &PartitionRow)> {
        let of_it = self.partitions.iter().filter(|(_, row)| row.table_number == number);
        let mut found: Vec<_> = of_it.map(|(&id, row)| (id, row)).collect();
        found.sort_by_key(|(id, row)| (row.hash_first, *id));
        found
    }

    /// Those of them that serve: together they have every row of the table or index, and each once.
    pub(crate) fn serving_partitions_of(&self, number: u64) -> Vec<(u64, &PartitionRow)> {
        let mut found = self.partitions_of(number);
        found.retain(|(_, row)| row.state == PartitionState::Open);
        found
    }

    /// Whether the next start opens the partition, as far as can be told. Others were dropped, or a split was filling
    /// them: the start drops them, and neither their files nor their entries count for anything.
    pub(crate) fn counts(&self, partition: u64) -> bool {
        let is_whole = self.lost.is_empty() && self.doubt.is_none();
        let is_known =
            self.partitions.get(&partition).is_some_and(|row| row.state != PartitionState::Filling);
        partition == CATALOG_PARTITION || is_known || !is_whole
    }

    /// Whose partition it is, in words.
    pub(crate) fn owner_of(&self, partition: u64) -> String {
        if partition == CATALOG_PARTITION {
            return "the catalog".to_owned();
        }
        let Some(row) = self.partitions.get(&partition) else { return "of no table: dropped".to_owned() };
        let state = match row.state {
            PartitionState::Open => "",
            PartitionState::Closed => ", closed by a split",
            PartitionState::Filling => ", that a split was filling: dropped",
        };
        for (name, table) in &self.tables {
            if table.number == row.table_number {
                return format!("table {name}{state}");
            }
            if let Some(index) = table.global_indexes.iter().find(|index| index.number == row.table_number) {
                return format!("index {} of table {name}{state}", index.name);
            }
        }
        "of no table: dropped".to_owned()
    }
}
