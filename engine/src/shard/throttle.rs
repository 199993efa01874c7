//! Holds operations to the throughput that their table is set to, unless the engine was opened to let everything in.

use super::LocalEngine;
use crate::{
    catalog::Table,
    error::Error,
    operation::ConsumedCapacity,
    throughput::{Exceeded, Throttled, Throughput},
};

impl LocalEngine {
    /// Whether a read of the table, or of one of its global indexes, may begin.
    pub(crate) fn admit_read(&self, table: &Table, global_index: Option<&str>) -> Result<(), Error> {
        self.ask(table, |throughput| throughput.admit_read(global_index, self.handle().now()))
    }

    /// Whether a write of the table may begin.
    pub(crate) fn admit_write(&self, table: &Table) -> Result<(), Error> {
        self.ask(table, |throughput| throughput.admit_write(self.handle().now()))
    }

    /// Whether every global index that a write changes takes it.
    pub(crate) fn admit_index_writes(&self, table: &Table, used: &ConsumedCapacity) -> Result<(), Error> {
        self.ask(table, |throughput| throughput.admit_index_writes(used, self.handle().now()))
    }

    /// Charges what a read used.
    pub(crate) fn charge_read(&self, table: &Table, used: &ConsumedCapacity) {
        if let Some(throughput) = self.enforced(table) {
            throughput.charge_read(used, self.handle().now());
        }
    }

    /// Charges what a write used.
    pub(crate) fn charge_write(&self, table: &Table, used: &ConsumedCapacity) {
        if let Some(throughput) = self.enforced(table) {
            throughput.charge_write(used, self.handle().now());
        }
    }

    fn ask(
        &self,
        table: &Table,
        admit: impl FnOnce(&Throughput) -> Result<(), Exceeded>,
    ) -> Result<(), Error> {
        let Some(throughput) = self.enforced(table) else { return Ok(()) };
        let table_arn = || self.shards().options.table_arn(&table.name);
        admit(throughput).map_err(|exceeded| Throttled::new(exceeded, table, table_arn()).into())
    }

    fn enforced<'a>(&self, table: &'a Table) -> Option<&'a Throughput> {
        self.shards().options.enforce_throughput.then(|| &*table.throughput)
    }
}
