//! The catalog as a directory's files tell of it: partition 0's tree, and what the logs hold behind it.

use std::collections::BTreeMap;

use basalt_format::{
    catalog::{CatalogKey, PartitionRow, TableRow},
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
}

impl Catalog {
    pub(crate) fn read(held: &HeldDirectory, node: &Node, logs: &LogStreams) -> Result<Self, Failure> {
        let mut catalog = Self::default();
        let mut applied = 0;
        let path = held.partition_file(CATALOG_PARTITION);
        if path.exists() {
            let bytes = map(&path)?;
            if let Some(superblock) = newest_superblock(&bytes) {
                applied = superblock.applied_index;
                catalog.lost = each_row(&bytes, &superblock, &mut |row| {
                    catalog.tables_and_partitions(row.key, Some(row.value))
                });
            }
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

    /// The partitions of the table or index with this number, in the order of their hashes.
    pub(crate) fn partitions_of(&self, number: u64) -> Vec<(u64, &PartitionRow)> {
        let of_it = self.partitions.iter().filter(|(_, row)| row.table_number == number);
        let mut found: Vec<_> = of_it.map(|(&id, row)| (id, row)).collect();
        found.sort_by_key(|(_, row)| row.hash_first);
        found
    }

    /// Whose partition it is, in words.
    pub(crate) fn owner_of(&self, partition: u64) -> String {
        if partition == CATALOG_PARTITION {
            return "the catalog".to_owned();
        }
        let Some(row) = self.partitions.get(&partition) else { return "of no table: dropped".to_owned() };
        for (name, table) in &self.tables {
            if table.number == row.table_number {
                return format!("table {name}");
            }
            if let Some(index) = table.global_indexes.iter().find(|index| index.number == row.table_number) {
                return format!("index {} of table {name}", index.name);
            }
        }
        "of no table: dropped".to_owned()
    }
}
