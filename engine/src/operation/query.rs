//! Query: the items of one partition key, in the order of their sort keys.

use std::sync::Arc;

use basalt_model::{
    Consistency, Item,
    expression::{Condition, KeyConditions, Projection},
};
use basalt_storage::Direction;

use super::{
    ResultPage, Select,
    page::{PagePlan, RowReading},
    start_key,
};
use crate::{
    catalog::Catalog,
    error::{Error, ValidationError},
};

/// In which direction of the sort key a query goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScanDirection {
    /// Ascending sort keys: `ScanIndexForward = true`.
    #[default]
    Forward,
    /// Descending sort keys.
    Backward,
}

/// What the filter of a query may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FilterNames {
    /// What is no key attribute of what is queried: those belong into the key conditions.
    #[default]
    NotKeys,
    /// Everything: a PartiQL condition is the filter, and says of keys what no key condition can.
    Any,
}

/// Reads the items of one partition key whose sort keys match, a page at a time.
#[derive(Debug, Clone)]
pub struct Query {
    /// The table.
    pub table_name: String,
    /// The index, if not the table itself.
    pub index_name: Option<String>,
    /// The partition key's value and the sort key's range.
    pub key_conditions: KeyConditions,
    /// Which of the items read are returned; what it drops is paid for all the same.
    pub filter: Option<Condition>,
    /// What the filter may look at.
    pub filter_names: FilterNames,
    /// Paths to return; `None`: whole items.
    pub projection: Option<Projection>,
    /// Items or their count.
    pub select: Select,
    /// At most so many items are read (before the filter).
    pub limit: Option<u32>,
    /// How fresh the read must be.
    pub consistency: Consistency,
    /// Direction of the sort key.
    pub direction: ScanDirection,
    /// Where the page before ended.
    pub exclusive_start_key: Option<Item>,
}

impl Query {
    /// A forward query of whole items.
    pub fn new(table_name: impl Into<String>, key_conditions: KeyConditions) -> Self {
        Self {
            table_name: table_name.into(),
            index_name: None,
            key_conditions,
            filter: None,
            filter_names: FilterNames::NotKeys,
            projection: None,
            select: Select::AllAttributes,
            limit: None,
            consistency: Consistency::Eventual,
            direction: ScanDirection::Forward,
            exclusive_start_key: None,
        }
    }
}

/// The answer to [`Query`].
pub type QueryOutput = ResultPage;

impl From<ScanDirection> for Direction {
    fn from(direction: ScanDirection) -> Self {
        match direction {
            ScanDirection::Forward => Self::Forward,
            ScanDirection::Backward => Self::Backward,
        }
    }
}

impl Query {
    pub(crate) fn plan(self, catalog: &Catalog) -> Result<PagePlan, Error> {
        let reading = RowReading {
            filter: self.filter,
            projection: self.projection,
            select: self.select,
            consistency: self.consistency,
            limit: self.limit,
        };
        reading.check_limit()?;
        let table = catalog.expect(&self.table_name)?;
        refuse_index(self.index_name)?;
        let start = match &self.exclusive_start_key {
            Some(key) => Some((key, start_key::of_query(table, key)?)),
            None => None,
        };
        let condition = self.key_conditions.bind(table.schema())?;
        let mut range = table.keys.query_range(&condition.partition, condition.sort.as_ref());
        if let Some((key, key_bytes)) = start {
            start_key::check_within_query(table, key, &key_bytes, &condition)?;
            start_key::resume_behind(&mut range, key_bytes, self.direction);
        }
        reading.check_projection(table.schema())?;
        match self.filter_names {
            FilterNames::NotKeys => reading.check_filter_of_query(table.schema())?,
            FilterNames::Any => reading.check_filter_of_scan(table.schema())?,
        }
        let hash = table.keys.hash(&condition.partition);
        let direction = self.direction.into();
        Ok(PagePlan { table: Arc::clone(table), range, hashes: (hash, hash), direction, reading })
    }
}

/// Tables have no indexes yet, so none of any name is found.
pub(super) fn refuse_index(index_name: Option<String>) -> Result<(), Error> {
    match index_name {
        Some(index_name) => Err(ValidationError::IndexNotFound { index_name }.into()),
        None => Ok(()),
    }
}
