//! The catalog as a start finds it: read whole from partition 0, and checked before anything is believed.

use std::{collections::BTreeMap, sync::Arc};

use basalt_format::{
    DecodeError,
    catalog::{CatalogKey, PartitionRow, PartitionState},
};
use basalt_storage::{Direction, KeyRange, Partition, PartitionId, PartitionSpec, Stop, View};

use super::{Catalog, ClosedPartition, Table, TablePartition, rows};
use crate::error::Error;

/// The first snapshot, and what storage must open.
pub(crate) struct LoadedCatalog {
    pub(crate) catalog: Catalog,
    pub(crate) specs: Vec<PartitionSpec>,
    /// Partitions that a split was filling when the last life ended: nothing serves from them, they are to go.
    pub(crate) abandoned: Vec<PartitionId>,
}

/// All rows, by what they are of.
#[derive(Debug, Default)]
struct Rows {
    tables: Vec<Table>,
    /// Deleted ones, whose streams can still be read.
    departed: Vec<Table>,
    partitions: BTreeMap<u64, PartitionRow>,
    next_number: Option<u64>,
}

impl LoadedCatalog {
    /// Reads partition 0.
    pub(crate) async fn read(partition: &Partition) -> Result<Self, Error> {
        let rows = partition.read(read_rows).await?;
        Ok(Self::assemble(rows?)?)
    }

    /// Gives each table and index its partitions: all of them, and to each the whole hash space.
    fn assemble(rows: Rows) -> Result<Self, DecodeError> {
        rows.check_numbers()?;
        let mut found = FoundPartitions::of_rows(&rows.partitions);
        let mut tables = rows.tables;
        for table in &mut tables {
            table.partitions = found.take(table.number)?;
            table.closed = found.take_closed(table.number);
            for index in &mut table.global_indexes {
                let partitions = found.take(index.number)?;
                Arc::make_mut(index).partitions = partitions;
            }
        }
        let mut departed = rows.departed;
        for table in &mut departed {
            table.closed = found.take_closed(table.number);
        }
        found.check_none_left()?;
        let mut specs = Vec::new();
        for table in tables.iter().chain(&departed) {
            specs.extend(table.all_partitions().map(|(number, partition)| {
                let row = rows.partitions.get(&partition.id.get());
                table.spec_of(number, partition, row.and_then(|row| row.file_uuid))
            }));
        }
        specs.sort_unstable_by_key(|spec| spec.id);
        Ok(Self { catalog: Catalog::of_tables(tables, departed), specs, abandoned: found.filling })
    }
}

/// Partitions that no table or index has claimed yet, by its number.
#[derive(Default)]
struct FoundPartitions {
    serving: BTreeMap<u64, Vec<TablePartition>>,
    closed: BTreeMap<u64, Vec<ClosedPartition>>,
    filling: Vec<PartitionId>,
}

impl FoundPartitions {
    fn of_rows(rows: &BTreeMap<u64, PartitionRow>) -> Self {
        let mut found = Self::default();
        for (&number, row) in rows {
            let belongs_to = row.table_number;
            match row.state {
                PartitionState::Open => {
                    found.serving.entry(belongs_to).or_default().push(TablePartition::of_row(number, row));
                }
                PartitionState::Closed => {
                    found.closed.entry(belongs_to).or_default().push(ClosedPartition::of_row(number, row));
                }
                PartitionState::Filling => found.filling.push(PartitionId::new(number)),
            }
        }
        found
    }

    /// The partitions that serve, of the table or index with this number, in the order of their hashes.
    fn take(&mut self, number: u64) -> Result<Vec<TablePartition>, DecodeError> {
        let mut partitions = self.serving.remove(&number).unwrap_or_default();
        partitions.sort_by_key(|partition| partition.hash_first);
        if covers_every_hash(&partitions) {
            Ok(partitions)
        } else {
            Err(damaged("the partitions of a table or index cover every hash once"))
        }
    }

    /// The closed partitions of the table with this number, in the order of their splits.
    fn take_closed(&mut self, number: u64) -> Vec<ClosedPartition> {
        let mut closed = self.closed.remove(&number).unwrap_or_default();
        closed.sort_by_key(|closed| (closed.closed_unix_us, closed.partition.id));
        closed
    }

    fn check_none_left(&self) -> Result<(), DecodeError> {
        if self.serving.is_empty() && self.closed.is_empty() {
            Ok(())
        } else {
            Err(damaged("every partition has a table or index"))
        }
    }
}

impl Rows {
    /// Every number in use was given by the counter, to one table, index or partition.
    fn check_numbers(&self) -> Result<(), DecodeError> {
        let mut in_use: Vec<u64> = self.partitions.keys().copied().collect();
        in_use.extend(self.tables.iter().chain(&self.departed).map(|table| table.number));
        let indexes = self.tables.iter().flat_map(|table| &table.global_indexes);
        in_use.extend(indexes.map(|index| index.number));
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
        CatalogKey::DeletedTable { name, .. } => rows.departed.push(rows::decode_table(name, value)?),
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

#[cfg(test)]
mod tests {
    use basalt_model::{KeyAttribute, KeySchema, ScalarKind};

    use super::*;
    use crate::catalog::{
        BillingMode, DeletionProtection, NextNumber, OnDemandMaximum, TableId, TableSettings,
        ThroughputHistory, WarmThroughput,
    };

    fn table(number: u64) -> Table {
        let partition = KeyAttribute { name: "pk".to_owned(), kind: ScalarKind::S };
        let sort = Some(KeyAttribute { name: "sk".to_owned(), kind: ScalarKind::N });
        Table {
            name: format!("table-{number}").into(),
            id: TableId::from_bytes([7; 16]),
            number,
            created_unix_us: 5,
            hash_secret: [9; 16],
            keys: basalt_model::KeyCodec::new(KeySchema { partition, sort }, &[9; 16]),
            settings: TableSettings {
                billing_mode: BillingMode::Provisioned { read_capacity_units: 1, write_capacity_units: 2 },
                last_pay_per_request_unix_us: Some(8),
                on_demand_maximum: OnDemandMaximum { read_units: None, write_units: Some(3) },
                warm_throughput: WarmThroughput { read_units: Some(4), write_units: None },
                throughput_history: ThroughputHistory {
                    last_increase_unix_us: Some(5),
                    last_decrease_unix_us: None,
                    decreases_that_day: 0,
                },
                table_class: None,
                deletion_protection: DeletionProtection::Enabled,
                tags: [("owner".to_owned(), "me".to_owned())].into(),
            },
            local_indexes: Vec::new(),
            global_indexes: Vec::new(),
            streams: Vec::new(),
            time_to_live: None,
            throughput: Arc::default(),
            partitions: Vec::new(),
            closed: Vec::new(),
            filling: Vec::new(),
        }
    }

    fn partition(table_number: u64, hash_first: u64, hash_last: u64) -> PartitionRow {
        TablePartition::new(PartitionId::default(), (hash_first, hash_last))
            .to_row(table_number, PartitionState::Open)
    }

    fn rows(partitions: &[(u64, PartitionRow)], next_number: Option<u64>) -> Rows {
        let partitions = partitions.iter().copied().collect();
        Rows { tables: vec![table(1)], departed: Vec::new(), partitions, next_number }
    }

    #[test]
    fn a_table_gets_its_partitions_in_the_order_of_their_hashes() {
        let rows = rows(&[(2, partition(1, 100, u64::MAX)), (3, partition(1, 0, 99))], Some(4));
        let loaded = LoadedCatalog::assemble(rows).unwrap();
        let table = loaded.catalog.table("table-1").unwrap();
        assert_eq!(table.partition_of(99).id, PartitionId::new(3));
        assert_eq!(table.partition_of(100).id, PartitionId::new(2));
        assert_eq!(loaded.specs.len(), 2);
    }

    #[test]
    fn a_closed_partition_serves_no_hash_and_one_that_was_being_filled_is_dropped() {
        let whole = partition(1, 0, u64::MAX);
        let closed = PartitionRow {
            state: PartitionState::Closed,
            closed_unix_us: Some(6),
            last_stream: 2,
            ..partition(1, 0, u64::MAX)
        };
        let filling = PartitionRow { state: PartitionState::Filling, ..partition(1, 0, 9) };
        let loaded =
            LoadedCatalog::assemble(rows(&[(2, closed), (3, whole), (4, filling)], Some(5))).unwrap();
        let table = loaded.catalog.table("table-1").unwrap();
        assert_eq!(table.partition_of(5).id, PartitionId::new(3));
        assert_eq!(table.closed.iter().map(|closed| closed.last_stream).collect::<Vec<_>>(), [2]);
        assert_eq!(loaded.specs.iter().map(|spec| spec.id.get()).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(loaded.abandoned, [PartitionId::new(4)]);
    }

    #[test]
    fn contradictions_are_damage() {
        let whole = partition(1, 0, u64::MAX);
        let broken = [
            ("no partition at all", rows(&[], Some(4))),
            ("a gap", rows(&[(2, partition(1, 0, 9)), (3, partition(1, 11, u64::MAX))], Some(4))),
            ("an overlap", rows(&[(2, partition(1, 0, 9)), (3, partition(1, 9, u64::MAX))], Some(4))),
            ("an end too early", rows(&[(2, partition(1, 0, 9))], Some(4))),
            ("a partition of no table", rows(&[(2, whole), (3, partition(9, 0, u64::MAX))], Some(4))),
            ("a number given twice", rows(&[(1, whole)], Some(4))),
            ("a counter that would give a number again", rows(&[(2, whole)], Some(2))),
            ("no counter", rows(&[(2, whole)], None)),
        ];
        for (what, rows) in broken {
            assert!(LoadedCatalog::assemble(rows).is_err(), "{what}");
        }
        assert!(LoadedCatalog::assemble(rows(&[(2, whole)], Some(3))).is_ok());
    }

    #[test]
    fn rows_come_back_as_they_were_written() {
        let mut rows_read = Rows::default();
        let mut before = table(1);
        before.partitions.push(TablePartition::new(PartitionId::new(2), (0, u64::MAX)));
        let mut partition_row = rows::new_partition_row(before.number, &before.partitions[0]);
        partition_row.1 = rows::with_file_uuid(&partition_row.1, [4; 16]).unwrap();
        for (key, value) in [rows::counters_row(NextNumber(3)), rows::table_row(&before), partition_row] {
            take_row(&mut rows_read, &key, &value).unwrap();
        }
        let loaded = LoadedCatalog::assemble(rows_read).unwrap();
        let after = loaded.catalog.table("table-1").unwrap();
        assert_eq!(after.settings, before.settings);
        assert_eq!(after.schema(), before.schema());
        assert_eq!(after.partitions, before.partitions);
        assert_eq!((after.id, after.created_unix_us, after.hash_secret), (before.id, 5, [9; 16]));
        assert_eq!(loaded.specs, [before.spec_of(before.number, &before.partitions[0], Some([4; 16]))]);
    }
}
