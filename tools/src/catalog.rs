//! The catalog as a directory's files tell of it: partition 0's tree, and what the logs hold behind it.

use std::collections::BTreeMap;

use basalt_format::{
    catalog::{CatalogKey, PartitionRow, PartitionState, TableRow},
    data_directory::Node,
};

use crate::{failure::Failure, rows::DirectoryRows, tree::Lost, words::key_in_words};

/// The number of the catalog's own partition.
pub(crate) const CATALOG_PARTITION: u64 = 0;

/// What tables and partitions there are.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) tables: BTreeMap<String, TableRow>,
    /// What is left of deleted tables, with their names, by number.
    pub(crate) deleted_tables: BTreeMap<u64, (String, TableRow)>,
    pub(crate) partitions: BTreeMap<u64, PartitionRow>,
    /// Parts of the catalog's own tree that cannot be read.
    pub(crate) lost: Vec<Lost>,
    /// Rows that can be read and not understood.
    pub(crate) unreadable: Vec<String>,
    /// Why more of it may be missing than what is lost, if it may.
    pub(crate) doubt: Option<String>,
}

impl Catalog {
    /// Reads partition 0. Without `node` it is not known whether it has a file.
    pub(crate) fn read(rows: &DirectoryRows<'_>, node: Option<&Node>) -> Result<Self, Failure> {
        let mut catalog = Self::default();
        let own = rows.of(CATALOG_PARTITION)?;
        let lost = own.each(&mut |row| catalog.take(row.key, row.value));
        let is_missing = own.file().is_none() && node.is_none_or(|node| node.catalog_file_uuid.is_some());
        let missing = || is_missing.then(|| "its file is missing".to_owned());
        catalog.doubt = own.doubt().or_else(missing);
        catalog.lost = lost;
        Ok(catalog)
    }

    /// Takes a row in; rows of other kinds, and damaged ones, are told of.
    fn take(&mut self, key: &[u8], value: &[u8]) {
        let taken = CatalogKey::decode(key).and_then(|key| {
            match key {
                CatalogKey::Table(name) => _ = self.tables.insert(name, TableRow::decode(value)?),
                CatalogKey::DeletedTable { number, name } => {
                    self.deleted_tables.insert(number, (name, TableRow::decode(value)?));
                }
                CatalogKey::Partition(number) => {
                    self.partitions.insert(number, PartitionRow::decode(value)?);
                }
                CatalogKey::Counters => {}
            }
            Ok(())
        });
        if let Err(error) = taken {
            self.unreadable.push(format!("{}: {error}", key_in_words(key)));
        }
    }

    /// Whether nothing of it can be missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.lost.is_empty() && self.unreadable.is_empty() && self.doubt.is_none()
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
        let is_known =
            self.partitions.get(&partition).is_some_and(|row| row.state != PartitionState::Filling);
        partition == CATALOG_PARTITION || is_known || !self.is_whole()
    }

    /// Whose partition it is, in words.
    pub(crate) fn owner_of(&self, partition: u64) -> String {
        if partition == CATALOG_PARTITION {
            return "the catalog".to_owned();
        }
        let Some(row) = self.partitions.get(&partition) else { return "of no table: dropped".to_owned() };
        if let Some((name, _)) = self.deleted_tables.get(&row.table_number) {
            return format!("deleted table {name}, kept for its streams and tokens");
        }
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
