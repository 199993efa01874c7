//! Scan: every item of a table, in the order of the hashes of their partition keys.

use basalt_model::{
    Consistency, Item, ScanSegment,
    expression::{Condition, Projection},
};
use basalt_storage::Direction;

use super::{
    ResultPage, Select,
    page::{PagePlan, RowReading},
    page_source::PageSource,
    query::ScanDirection,
    start_key,
};
use crate::{
    catalog::Catalog,
    error::{Error, ValidationError},
};

/// Reads every item of a table or of one of its segments, a page at a time.
#[derive(Debug, Clone)]
pub struct Scan {
    /// The table.
    pub table_name: String,
    /// The index, if not the table itself.
    pub index_name: Option<String>,
    /// Which of the items read are returned; what it drops is paid for all the same.
    pub filter: Option<Condition>,
    /// Paths to return; `None`: whole items.
    pub projection: Option<Projection>,
    /// Items or their count.
    pub select: Select,
    /// At most so many items are read (before the filter).
    pub limit: Option<u32>,
    /// The part to read. Parts are equal ranges of the hash space: they do not depend on how the table is
    /// partitioned, so a scan may go on after a restart with another shard count.
    pub segment: ScanSegment,
    /// How fresh the read must be.
    pub consistency: Consistency,
    /// Where the page before ended.
    pub exclusive_start_key: Option<Item>,
}

impl Scan {
    /// A scan of whole items from the table's start.
    pub fn new(table_name: impl Into<String>) -> Self {
        Self {
            table_name: table_name.into(),
            index_name: None,
            filter: None,
            projection: None,
            select: Select::AllAttributes,
            limit: None,
            segment: ScanSegment::WHOLE,
            consistency: Consistency::Eventual,
            exclusive_start_key: None,
        }
    }
}

/// The answer to [`Scan`].
pub type ScanOutput = ResultPage;

impl Scan {
    pub(crate) fn plan(self, catalog: &Catalog) -> Result<PagePlan, Error> {
        let reading = RowReading {
            filter: self.filter,
            projection: self.projection,
            select: self.select,
            consistency: self.consistency,
            limit: self.limit,
        };
        reading.check_limit()?;
        let hashes = self.segment.hashes().ok_or(ValidationError::SegmentNotBelowTotal {
            segment: self.segment.segment,
            total_segments: self.segment.total_segments,
        })?;
        let table = catalog.expect(&self.table_name)?;
        let source = PageSource::of_request(table, self.index_name, self.consistency)?;
        let start_key = self.exclusive_start_key.as_ref();
        if let Some(key) = start_key {
            start_key::check_of_scan(&source, key)?;
        }
        source.check_select(reading.select)?;
        let (mut first_hash, last_hash) = hashes;
        let mut range = source.hash_range(first_hash, last_hash);
        if let Some(key) = start_key {
            let key = start_key::of_scan(&source, key)?;
            start_key::check_within_segment(&key, self.segment, hashes)?;
            first_hash = key.hash();
            start_key::resume_behind(&mut range, key, ScanDirection::Forward);
        }
        reading.check_projection(&source)?;
        reading.check_filter_paths(&source)?;
        let (hashes, fetching) = ((first_hash, last_hash), reading.fetching(&source));
        Ok(PagePlan { source, range, hashes, direction: Direction::Forward, reading, fetching })
    }
}
