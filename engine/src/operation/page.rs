//! The result page of Query and Scan: how much is read for it, and what is kept of that.

use basalt_model::{
    CapacityUnits, Consistency, EncodedItem, Item, ItemRef, KeyBytesRange, ReadSize,
    expression::{Condition, Projection},
};
use basalt_storage::{Direction, KeyRange};

use super::{
    ConsumedCapacity,
    get_item::project,
    key_paths,
    page_source::{Fetching, PageSource},
};
use crate::error::{Error, ValidationError};

/// A page ends with the item that brings the bytes read, before any filter, to this many.
pub const PAGE_BYTES: usize = 1 << 20;

/// What a query or scan returns of the items it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Select {
    /// Whole items.
    #[default]
    AllAttributes,
    /// What the index holds of them.
    AllProjectedAttributes,
    /// The paths of the projection.
    SpecificAttributes,
    /// Only how many there are.
    Count,
}

/// One page of a query or scan.
#[derive(Debug, Clone, Default)]
pub struct ResultPage {
    /// The items that passed the filter; empty for [`Select::Count`].
    pub items: Vec<EncodedItem>,
    /// How many items passed the filter.
    pub count: u64,
    /// How many items were read.
    pub scanned_count: u64,
    /// Where the next page starts; `None` at the end.
    pub last_evaluated_key: Option<Item>,
    /// Read units used.
    pub capacity: ConsumedCapacity,
}

/// Which rows a page is made of, and what is done with each.
#[derive(Debug)]
pub(crate) struct PagePlan {
    pub(crate) source: PageSource,
    /// The rows, if the page were large enough.
    pub(crate) range: KeyBytesRange,
    /// First and last hash of the keys in the range.
    pub(crate) hashes: (u64, u64),
    pub(crate) direction: Direction,
    pub(crate) reading: RowReading,
    /// Which rows' items are fetched from the table.
    pub(crate) fetching: Fetching,
}

/// What is done with each row, and with how many.
#[derive(Debug)]
pub(crate) struct RowReading {
    pub(crate) filter: Option<Condition>,
    pub(crate) projection: Option<Projection>,
    pub(crate) select: Select,
    pub(crate) consistency: Consistency,
    pub(crate) limit: Option<u32>,
}

impl RowReading {
    /// Checks what needs no table.
    pub(crate) fn check_limit(&self) -> Result<(), Error> {
        if self.limit == Some(0) { Err(ValidationError::LimitIsZero.into()) } else { Ok(()) }
    }

    /// Checks the projection's paths against the keys, and whether the source has them.
    pub(crate) fn check_projection(&self, source: &PageSource) -> Result<(), Error> {
        if let Some(projection) = &self.projection {
            key_paths::check_projection(source.table(), projection)?;
        }
        source.check_projected(self.projection.as_ref())
    }

    /// Checks a query's filter, which must leave the attributes of the queried key to the key condition.
    pub(crate) fn check_filter_of_query(&self, source: &PageSource) -> Result<(), Error> {
        if let Some(filter) = &self.filter {
            key_paths::check_query_filter(source.key_attributes(), filter)?;
        }
        Ok(())
    }

    /// Checks the filter's paths against the keys.
    pub(crate) fn check_filter_paths(&self, source: &PageSource) -> Result<(), Error> {
        if let Some(filter) = &self.filter {
            key_paths::check_filter_paths(source.table(), filter)?;
        }
        Ok(())
    }

    /// Which rows' items must be fetched from the table.
    pub(crate) fn fetching(&self, source: &PageSource) -> Fetching {
        let filter_paths = self.filter.as_ref().map(Condition::paths).unwrap_or_default();
        let filter_names: Vec<&str> = filter_paths.iter().map(|path| path.name.as_str()).collect();
        source.fetching(self.select, self.projection.as_ref(), &filter_names)
    }

    /// Whether an item passes the filter.
    pub(crate) fn admits(&self, item: ItemRef<'_>) -> Result<bool, Error> {
        match &self.filter {
            Some(filter) => Ok(filter.matches(Some(item))?),
            None => Ok(true),
        }
    }
}

impl PagePlan {
    /// What a row weighs.
    pub(crate) fn size(&self, row: ItemRef<'_>) -> Result<ReadSize, Error> {
        let sort_key = self.source.table().schema().sort.as_ref();
        Ok(row.read_size(sort_key.map(|attribute| attribute.name.as_str()))?)
    }

    /// What is left of the range behind the last row that `part` has read.
    pub(crate) fn rest<'a>(&'a self, last_key: &'a [u8]) -> KeyRange<'a> {
        let whole = KeyRange::half_open(&self.range.start, &self.range.end);
        if last_key.is_empty() { whole } else { whole.after(last_key, self.direction) }
    }

    /// How much one page may read.
    pub(crate) fn budget(&self) -> PageBudget {
        PageBudget { bytes: PAGE_BYTES, rows: self.reading.limit.map_or(u64::MAX, u64::from) }
    }

    /// The page, when all that it is made of has been read.
    pub(crate) fn finish(&self, rows: PageRows) -> Result<ResultPage, Error> {
        // A full page tells where it ended even if nothing follows, as DynamoDB's do.
        let ended_early = rows.is_full();
        let last_evaluated_key = ended_early.then(|| self.source.decode_key(&rows.last_key)).transpose()?;
        let scanned = CapacityUnits::for_read(rows.scanned_bytes, self.reading.consistency);
        Ok(ResultPage {
            items: rows.items,
            count: rows.count,
            scanned_count: rows.scanned_count,
            last_evaluated_key,
            capacity: self.source.capacity(scanned, rows.fetched),
        })
    }
}

/// What a page may still read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageBudget {
    bytes: usize,
    rows: u64,
}

/// Rows read for a page so far: progress that survives being stopped for a missing page of the tree.
#[derive(Debug)]
pub(crate) struct PageRows {
    budget: PageBudget,
    items: Vec<EncodedItem>,
    count: u64,
    scanned_count: u64,
    scanned_bytes: usize,
    /// What was used to fetch items from the table.
    fetched: CapacityUnits,
    /// The key of the last row read; empty before the first.
    last_key: Vec<u8>,
}

impl PageRows {
    pub(crate) fn within(budget: PageBudget) -> Self {
        Self {
            budget,
            items: Vec::new(),
            count: 0,
            scanned_count: 0,
            scanned_bytes: 0,
            fetched: CapacityUnits::ZERO,
            last_key: Vec::new(),
        }
    }

    /// What may be read beyond these rows.
    pub(crate) fn budget_left(&self) -> PageBudget {
        self.budget
    }

    /// Whether no further row may be read.
    pub(crate) fn is_full(&self) -> bool {
        self.budget.bytes == 0 || self.budget.rows == 0
    }

    pub(crate) fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    /// Takes in the next row, which does not pass the filter.
    pub(crate) fn skip(&mut self, key: &[u8], size: ReadSize) {
        self.count_row(key, size);
    }

    /// Takes in the next row, whose item passes the filter.
    pub(crate) fn take(
        &mut self,
        reading: &RowReading,
        key: &[u8],
        size: ReadSize,
        item: ItemRef<'_>,
    ) -> Result<(), Error> {
        self.count_row(key, size);
        self.count += 1;
        if reading.select != Select::Count {
            self.items.push(project(item, reading.projection.as_ref())?);
        }
        Ok(())
    }

    /// Counts what it took to fetch an item from the table.
    pub(crate) fn count_fetch(&mut self, units: CapacityUnits) {
        self.fetched += units;
    }

    /// Adds the rows of the next partition, read within what these had left.
    pub(crate) fn append(&mut self, next: Self) {
        self.budget = next.budget;
        self.items.extend(next.items);
        self.count += next.count;
        self.scanned_count += next.scanned_count;
        self.scanned_bytes += next.scanned_bytes;
        self.fetched += next.fetched;
        if next.scanned_count > 0 {
            self.last_key = next.last_key;
        }
    }

    fn count_row(&mut self, key: &[u8], size: ReadSize) {
        self.scanned_count += 1;
        self.scanned_bytes += size.bytes;
        self.budget.rows -= 1;
        self.budget.bytes = self.budget.bytes.saturating_sub(size.page_bytes);
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
    }
}
