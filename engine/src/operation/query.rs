//! Query: the items of one partition key, in the order of their sort keys.

use basalt_model::{
    Consistency, IndexKeyCodec, IndexKeyCondition, Item, KeyAttribute, KeyBytes, KeyBytesRange, KeyPlace,
    KeyValue,
    expression::{Condition, KeyConditions, Projection},
};
use basalt_storage::Direction;

use super::{
    ResultPage, Select,
    page::{PagePlan, RowReading},
    page_source::PageSource,
    start_key::{self, JudgedStartKey},
};
use crate::{
    catalog::{Catalog, Table},
    error::Error,
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
        if self.index_name.is_none() {
            self.key_conditions.check_count_of_table()?;
        }
        let table = catalog.expect(&self.table_name)?;
        let source = PageSource::of_request(table, self.index_name, self.consistency)?;
        let start_key = self.exclusive_start_key.as_ref();
        let target = match &source {
            PageSource::Table(table) => target_in_table(table, &self.key_conditions, start_key)?,
            PageSource::LocalIndex(_, index) => {
                target_in_index(&index.keys, &self.key_conditions, start_key)?
            }
            PageSource::GlobalIndex(_, index) => {
                target_in_index(&index.keys, &self.key_conditions, start_key)?
            }
        };
        reading.check_projection(&source)?;
        match self.filter_names {
            FilterNames::NotKeys => reading.check_filter_of_query(&source)?,
            FilterNames::Any => {}
        }
        source.check_select(reading.select)?;
        reading.check_filter_paths(&source)?;
        let Target { mut range, hash, start } = target;
        if let Some(start) = start {
            start_key::resume_behind(&mut range, start, self.direction);
        }
        let fetching = reading.fetching(&source);
        let direction = self.direction.into();
        Ok(PagePlan { source, range, hashes: (hash, hash), direction, reading, fetching })
    }
}

/// What a query is after.
struct Target {
    /// The keys that meet its conditions.
    range: KeyBytesRange,
    /// The hash of all of them.
    hash: u64,
    /// Where it goes on.
    start: Option<KeyBytes>,
}

fn target_in_table(
    table: &Table,
    conditions: &KeyConditions,
    start_key: Option<&Item>,
) -> Result<Target, Error> {
    let (keys, schema) = (&table.keys, table.schema());
    let start = start_key.map(|key| JudgedStartKey::new(key, schema.attributes().count()));
    let mut start = start.transpose()?;
    let condition = conditions.bind(schema, |attribute, place| judge(&mut start, attribute, place))?;
    let range = keys.query_range(&condition.partition, condition.sort.as_ref());
    let start = start.map(|start| {
        let key = keys.encode_key(start.key).map_err(start_key::not_a_key)?;
        let is_of_partition = keys.query_range(&condition.partition, None).contains(key.as_bytes());
        let meets_sort = condition.sort.as_ref().map(|sort| {
            keys.query_range(&key_value(start.key, &schema.partition), Some(sort)).contains(key.as_bytes())
        });
        start_key::check_within_query(is_of_partition, meets_sort)?;
        Ok::<_, Error>(key)
    });
    Ok(Target { range, hash: keys.hash(&condition.partition), start: start.transpose()? })
}

fn target_in_index(
    keys: &IndexKeyCodec,
    conditions: &KeyConditions,
    start_key: Option<&Item>,
) -> Result<Target, Error> {
    let start = start_key.map(|key| JudgedStartKey::new(key, keys.all_attributes().count()));
    let mut start = start.transpose()?;
    let condition =
        conditions.bind_index(keys.schema(), |attribute, place| judge(&mut start, attribute, place))?;
    let range = keys.query_range(&condition);
    let start = start.map(|start| {
        let key = keys.encode_start_key(start.key).map_err(start_key::not_a_key)?;
        let is_of_partition = keys.partition_range(&condition.partition).contains(key.as_bytes());
        let meets_sort = condition.sort.is_some().then(|| {
            let partition = keys.schema().partition.iter().map(|attribute| key_value(start.key, attribute));
            let under_own = IndexKeyCondition { partition: partition.collect(), ..condition.clone() };
            keys.query_range(&under_own).contains(key.as_bytes())
        });
        start_key::check_within_query(is_of_partition, meets_sort)?;
        Ok::<_, Error>(key)
    });
    Ok(Target { range, hash: keys.hash(&condition.partition), start: start.transpose()? })
}

fn judge(
    start: &mut Option<JudgedStartKey<'_>>,
    attribute: &KeyAttribute,
    place: KeyPlace,
) -> Result<(), Error> {
    start.as_mut().map_or(Ok(()), |start| start.check(attribute, place))
}

fn key_value(start_key: &Item, attribute: &KeyAttribute) -> KeyValue {
    let value = start_key.get(&attribute.name).cloned();
    value.and_then(|value| KeyValue::try_from(value).ok()).expect("the start key was judged")
}
