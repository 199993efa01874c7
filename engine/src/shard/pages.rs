//! Fills the pages of Query and Scan, partition by partition, leaving the shard to others in between.

use std::sync::Arc;

use basalt_format::DecodeError;
use basalt_model::{CapacityUnits, ItemRef, KeyBytes};
use basalt_runtime::ShardIndex;
use basalt_storage::{Partition, Row, Stop, View};

use super::{LocalEngine, items::item_of, routing::Routed};
use crate::{
    error::Error,
    operation::{
        Fetching, PageBudget, PagePlan, PageRows, PageSource, Query, QueryOutput, ResultPage, Scan,
        ScanOutput,
    },
};

/// A page gives way to the shard's other tasks after this many rows, or when the task's time is up.
const ROWS_BETWEEN_YIELDS: u32 = 256;
/// How often the clock is asked for that.
const ROWS_BETWEEN_CLOCKS: u32 = 32;

/// What a page has of one partition.
struct PagePart {
    rows: PageRows,
    /// The last hash that the partition holds.
    hash_last: u64,
}

/// Why reading rows of a partition stopped.
enum Pause {
    /// There are no more, or the page is full.
    Done,
    /// Others want the shard.
    GiveWay,
}

impl LocalEngine {
    /// Reads a page of the items of one partition key.
    pub async fn query(&self, request: Query) -> Result<QueryOutput, Error> {
        self.fill_page(request.plan(&self.request_catalog())?).await
    }

    /// Reads a page of a table's items.
    pub async fn scan(&self, request: Scan) -> Result<ScanOutput, Error> {
        self.fill_page(request.plan(&self.request_catalog())?).await
    }

    /// Visits the partitions of the plan's range in the order of their hashes until the page is full. Each is found by
    /// its first hash when its turn comes: partitions may be split meanwhile.
    async fn fill_page(&self, plan: PagePlan) -> Result<ResultPage, Error> {
        let plan = Arc::new(plan);
        let table = plan.source.table();
        self.admit_read(table, plan.source.global_index_name())?;
        let mut page = PageRows::within(plan.budget());
        let (first_hash, last_hash) = plan.hashes;
        let mut next_hash = Some(first_hash);
        while let Some(hash) = next_hash.filter(|hash| *hash <= last_hash && !page.is_full()) {
            let (shared, budget) = (Arc::clone(&plan), page.budget_left());
            let part = self.run_on(self.page_owner(&plan, hash)?, move |owner| async move {
                Self::routed(owner.read_rows(&shared, hash, budget).await, ())
            });
            match part.await? {
                Routed::Done(PagePart { rows, hash_last }) => {
                    page.append(rows);
                    next_hash = hash_last.checked_add(1);
                }
                Routed::Moved { request: (), catalog_version } => {
                    self.until_catalog_version(catalog_version).await;
                }
            }
        }
        let page = plan.finish(page)?;
        self.charge_read(table, &page.capacity);
        Ok(page)
    }

    /// The shard that owns the partition of the plan's source that holds `hash`.
    fn page_owner(&self, plan: &PagePlan, hash: u64) -> Result<ShardIndex, Error> {
        Ok(match &plan.source {
            PageSource::Table(table) | PageSource::LocalIndex(table, _) => {
                self.owner(self.current(table)?.partition_of(hash))
            }
            PageSource::GlobalIndex(table, index) => {
                self.owner(self.current_index(table, index)?.1.partition_of(hash))
            }
        })
    }

    /// Reads the plan's rows of this shard's partition that holds `hash`, within the budget.
    async fn read_rows(&self, plan: &PagePlan, hash: u64, budget: PageBudget) -> Result<PagePart, Error> {
        let partition = self.page_partition(&plan.source, hash)?;
        self.until_readable(partition.id()).await;
        // Another one, if it was split while its gate was shut.
        let partition = self.page_partition(&plan.source, hash)?;
        let (_, hash_last) = partition.spec().hash_range;
        let mut rows = PageRows::within(budget);
        loop {
            // A run that stops for a missing page has kept what it read: the next one goes on behind it.
            let read = partition.read(|view| match self.check_readable(partition.id()) {
                Ok(()) => self.read_some(plan, view, &mut rows),
                Err(moved) => Ok(Err(moved)),
            });
            let table = plan.source.table();
            match read.await.map_err(|error| self.moved_if_dropped(table, error.into()))?? {
                Pause::Done => return Ok(PagePart { rows, hash_last }),
                Pause::GiveWay => self.handle().yield_now().await,
            }
        }
    }

    fn page_partition(&self, source: &PageSource, hash: u64) -> Result<Partition, Error> {
        match source {
            PageSource::Table(table) | PageSource::LocalIndex(table, _) => self.partition(table, hash),
            PageSource::GlobalIndex(table, index) => self.index_partition(table, index, hash),
        }
    }

    fn read_some(
        &self,
        plan: &PagePlan,
        view: &View<'_>,
        rows: &mut PageRows,
    ) -> Result<Result<Pause, Error>, Stop> {
        let last_key = rows.last_key().to_vec();
        let mut cursor = view.cursor(plan.rest(&last_key), plan.direction);
        for read in 1.. {
            let Some((key, row)) = cursor.next()? else { return Ok(Ok(Pause::Done)) };
            if let Err(error) = read_row(plan, view, key, row, rows)? {
                return Ok(Err(error));
            }
            if rows.is_full() {
                return Ok(Ok(Pause::Done));
            }
            if self.must_give_way(read) {
                return Ok(Ok(Pause::GiveWay));
            }
        }
        unreachable!("the rows between two yields are fewer than a u32 counts")
    }

    fn must_give_way(&self, rows_read: u32) -> bool {
        rows_read >= ROWS_BETWEEN_YIELDS
            || rows_read.is_multiple_of(ROWS_BETWEEN_CLOCKS) && self.handle().budget_is_spent()
    }
}

/// Takes in one row. The table's row, if it is needed, is read of the same view: it is there, and as the index has it.
fn read_row(
    plan: &PagePlan,
    view: &View<'_>,
    key: &[u8],
    row: Row<'_>,
    rows: &mut PageRows,
) -> Result<Result<(), Error>, Stop> {
    let reading = &plan.reading;
    let judged = ItemRef::new(row.value).map_err(Error::from).and_then(|row| {
        // A filter on what the index lacks is judged by the item.
        Ok((row, plan.fetching == Fetching::Filtered || reading.admits(row)?))
    });
    let (row, is_wanted) = match judged {
        Ok(judged) => judged,
        Err(error) => return Ok(Err(error)),
    };
    let size = match plan.size(row) {
        Ok(size) => size,
        Err(error) => return Ok(Err(error)),
    };
    if !is_wanted {
        rows.skip(key, size);
        return Ok(Ok(()));
    }
    if plan.fetching == Fetching::Never {
        return Ok(rows.take(reading, key, size, row));
    }
    let item_key = match item_key(plan, key) {
        Ok(item_key) => item_key,
        Err(error) => return Ok(Err(error)),
    };
    let fetched = view.get(item_key.as_bytes())?;
    Ok(item_of(fetched).and_then(|item| {
        let item = item.ok_or(DecodeError::NotCanonical {
            what: "local index",
            rule: "every entry of a local index is of an item",
        })?;
        rows.count_fetch(CapacityUnits::for_read(item.size_bytes()?, reading.consistency));
        let passes = plan.fetching == Fetching::Returned || reading.admits(item)?;
        if passes {
            rows.take(reading, key, size, item)
        } else {
            rows.skip(key, size);
            Ok(())
        }
    }))
}

/// The key of the item that an index's entry is of.
fn item_key(plan: &PagePlan, entry_key: &[u8]) -> Result<KeyBytes, Error> {
    Ok(plan.source.table().keys.encode_item(&plan.source.decode_key(entry_key)?)?)
}
