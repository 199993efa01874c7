//! The catalog as of one moment: what every shard looks tables up in.
//!
//! Immutable and shared. Shard 0 makes the next snapshot from the one before and sends it to every shard; a shard
//! only ever replaces its snapshot by a later one.

use std::{collections::BTreeMap, sync::Arc};

use basalt_storage::PartitionId;

use super::Table;
use crate::throughput::Throughput;

/// All tables as of one change of the catalog.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalog {
    /// Counts changes since the engine was opened; tells which of two snapshots is the later.
    version: u64,
    tables: BTreeMap<Arc<str>, Arc<Table>>,
    /// Deleted tables whose streams can still be read, by number. Nothing else knows of them.
    departed: BTreeMap<u64, Arc<Table>>,
    /// Of each partition that was split since the engine was opened the child that has what belongs to no hash.
    heirs: BTreeMap<PartitionId, PartitionId>,
}

impl Catalog {
    /// The first snapshot after a start.
    pub(crate) fn of_tables(
        tables: impl IntoIterator<Item = Table>,
        departed: impl IntoIterator<Item = Table>,
    ) -> Self {
        let by_name = |table: Table| (Arc::clone(&table.name), Arc::new(with_throughput(table, None)));
        Self {
            version: 1,
            tables: tables.into_iter().map(by_name).collect(),
            departed: departed.into_iter().map(|table| (table.number, Arc::new(table))).collect(),
            heirs: BTreeMap::new(),
        }
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn table(&self, name: &str) -> Option<&Arc<Table>> {
        self.tables.get(name)
    }

    /// Every table, in the order of their names' bytes.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.values()
    }

    /// Deleted tables whose streams can still be read, in the order of their numbers.
    pub(crate) fn departed(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.departed.values()
    }

    /// Every table of which there may be streams: of one name the one that is there, then deleted ones.
    pub(crate) fn tables_of_streams(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables().chain(self.departed())
    }

    /// Tables whose names follow `name`, in the order of their bytes.
    pub(crate) fn tables_after(&self, name: &str) -> impl Iterator<Item = &Arc<Table>> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.tables.range::<str, _>((Excluded(name), Unbounded)).map(|(_, table)| table)
    }

    /// The next snapshot: with `table`, in place of the one of its name if there is one.
    pub(crate) fn with(&self, table: Table) -> Self {
        let mut next = self.next();
        let before = self.table(&table.name).filter(|before| before.id == table.id);
        let table = with_throughput(table, before.map(Arc::as_ref));
        next.tables.insert(Arc::clone(&table.name), Arc::new(table));
        next
    }

    /// The next snapshot: without the table of this name.
    pub(crate) fn without(&self, name: &str) -> Self {
        let mut next = self.next();
        next.tables.remove(name);
        next
    }

    /// The next snapshot: without the table of this number, but for its streams.
    pub(crate) fn with_departed(&self, departed: Table) -> Self {
        let mut next = self.without(&departed.name);
        next.departed.insert(departed.number, Arc::new(departed));
        next
    }

    /// The next snapshot: without the streams of a deleted table.
    pub(crate) fn without_departed(&self, number: u64) -> Self {
        let mut next = self.next();
        next.departed.remove(&number);
        next
    }

    /// The next snapshot: with `table`, a partition of which was split.
    pub(crate) fn with_split(&self, table: Table, parent: PartitionId, heir: PartitionId) -> Self {
        let mut next = self.with(table);
        next.heirs.insert(parent, heir);
        next
    }

    /// The child of a partition that was split since the engine was opened, which has its tokens.
    pub(crate) fn heir_of(&self, partition: PartitionId) -> Option<PartitionId> {
        self.heirs.get(&partition).copied()
    }

    /// This snapshot without the tables that were made at or after `unix_us`.
    pub(crate) fn without_tables_since(&self, unix_us: u64) -> Self {
        let older = self.tables.iter().filter(|(_, table)| table.created_unix_us < unix_us);
        let tables = older.map(|(name, table)| (Arc::clone(name), Arc::clone(table))).collect();
        Self { tables, ..self.clone() }
    }

    fn next(&self) -> Self {
        Self { version: self.version + 1, ..self.clone() }
    }
}

/// The table, let in by its settings; what was saved up or owed before its change stays.
fn with_throughput(table: Table, before: Option<&Table>) -> Table {
    let throughput = match before {
        Some(before) => Throughput::following(&before.throughput, &table),
        None => Throughput::following(&Throughput::default(), &table),
    };
    Table { throughput: Arc::new(throughput), ..table }
}
