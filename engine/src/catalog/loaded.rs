//! The catalog as a start finds it: read whole from partition 0, and checked before anything is believed.

use std::collections::BTreeMap;

use basalt_format::{
    DecodeError,
    catalog::{CatalogKey, PartitionRow},
};
use basalt_storage::{Direction, KeyRange, Partition, PartitionId, PartitionSpec, Stop, View};

use super::{Catalog, Table, TablePartition, rows};
use crate::error::Error;

/// The first snapshot, and what storage must open.
pub(crate) struct LoadedCatalog {
    pub(crate) catalog: Catalog,
    pub(crate) specs: Vec<PartitionSpec>,
}

/// All rows, by what they are of.
#[derive(Debug, Default)]
struct Rows {
    tables: Vec<Table>,
    partitions: BTreeMap<u64, PartitionRow>,
    next_number: Option<u64>,
}

impl LoadedCatalog {
    /// Reads partition 0.
    pub(crate) async fn read(partition: &Partition) -> Result<Self, Error> {
        let rows = partition.read(read_rows).await?;
        Ok(Self::assemble(rows?)?)
    }

    /// Gives each table its partitions; every partition must have a table, and each table the whole hash space.
    fn assemble(rows: Rows) -> Result<Self, DecodeError> {
        rows.check_numbers()?;
        let mut tables: BTreeMap<u64, Table> =
            rows.tables.into_iter().map(|table| (table.number, table)).collect();
        let mut specs = Vec::new();
        for (number, row) in rows.partitions {
            let table = tables.get_mut(&row.table_number).ok_or(damaged("every partition has a table"))?;
            let id = PartitionId::new(number);
            let partition = TablePartition { id, hash_first: row.hash_first, hash_last: row.hash_last };
            specs.push(table.spec_of(&partition, row.file_uuid));
            table.partitions.push(partition);
        }
        for table in tables.values_mut() {
            table.partitions.sort_by_key(|partition| partition.hash_first);
            if !covers_every_hash(&table.partitions) {
                return Err(damaged("a table's partitions cover every hash once"));
            }
        }
        Ok(Self { catalog: Catalog::of_tables(tables.into_values()), specs })
    }
}

impl Rows {
    /// Every number in use was given by the counter, to one table or partition.
    fn check_numbers(&self) -> Result<(), DecodeError> {
        let mut in_use: Vec<u64> = self.partitions.keys().copied().collect();
        in_use.extend(self.tables.iter().map(|table| table.number));
        let count = in_use.len();
        in_use.sort_unstable();
        in_use.dedup();
        if in_use.len() != count {
            return Err(damaged("no number is given twice"));
        }
        match in_use.last() {
            Some(highest) if self.next_number.is_none_or(|next| next <= *highest) => {
                Err(damaged("the counter is above every number in use"))
            }
            _ => Ok(()),
        }
    }
}

fn read_rows(view: &View<'_>) -> Result<Result<Rows, DecodeError>, Stop> {
    let (first, end) = CatalogKey::all();
    let mut cursor = view.cursor(KeyRange::half_open(&first, &end), Direction::Forward);
    let mut rows = Rows::default();
    while let Some((key, row)) = cursor.next()? {
        if let Err(reason) = take_row(&mut rows, key, row.value) {
            return Ok(Err(reason));
        }
    }
    Ok(Ok(rows))
}

fn take_row(rows: &mut Rows, key: &[u8], value: &[u8]) -> Result<(), DecodeError> {
    match CatalogKey::decode(key)? {
        CatalogKey::Counters => rows.next_number = Some(rows::decode_counters(value)?.0),
        CatalogKey::Table(name) => rows.tables.push(rows::decode_table(name, value)?),
        CatalogKey::Partition(number) => {
            rows.partitions.insert(number, PartitionRow::decode(value)?);
        }
    }
    Ok(())
}

fn covers_every_hash(partitions: &[TablePartition]) -> bool {
    let mut next = Some(0);
    for partition in partitions {
        if next != Some(partition.hash_first) {
            return false;
        }
        next = partition.hash_last.checked_add(1);
    }
    next.is_none()
}

fn damaged(rule: &'static str) -> DecodeError {
    DecodeError::NotCanonical { what: "catalog", rule }
}
