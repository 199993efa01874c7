//! Runs one PartiQL statement by itself, as the operation of the API that says the same.

use basalt_engine::model::expression::{Condition, Projection};
use basalt_engine::model::partiql::{
    BoundDelete, BoundInsert, BoundSelect, BoundStatement, BoundUpdate, Columns, IndexScope, IndexView,
    KeyedRead, Returning, SelectPlan, SortOrder, StatementError,
};
use basalt_engine::model::{DocumentPath, EncodedItem, IndexKeySchema, Item, KeySchema};
use basalt_engine::{
    CapacityUnits, Consistency, ConsumedCapacity, DeleteItem, Error as EngineError, FilterNames, GetItem,
    PAGE_BYTES, PutItem, Query, ResultPage, ReturnOld, ReturnValues, Scan, ScanDirection, Select, TableKeys,
    UpdateItem, WriteOutput,
};

use super::statement_page::PageStart;
use crate::dynamodb::Api;
use crate::dynamodb::error_map::{ApiError, Exception};
use crate::dynamodb::messages;

/// How a statement is to be run.
#[derive(Debug)]
pub(super) struct StatementOptions {
    pub(super) consistency: Consistency,
    /// At most so many items are read.
    pub(super) limit: Option<u32>,
    pub(super) on_failure: ReturnOld,
    /// Where a SELECT starts.
    pub(super) start: PageStart,
}

/// What a statement came to.
#[derive(Debug, Default)]
pub(super) struct StatementOutput {
    pub(super) items: Vec<EncodedItem>,
    pub(super) capacity: ConsumedCapacity,
    /// Where the next page starts, if there may be one.
    pub(super) next: Option<PageStart>,
}

/// A statement that failed.
#[derive(Debug)]
pub(super) struct StatementFailure {
    pub(super) error: ApiError,
    pub(super) stage: FailureStage,
    /// What a write was charged although its condition failed.
    pub(super) charged: CapacityUnits,
}

/// How far a statement came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureStage {
    /// It was refused for what it says.
    Refused,
    /// It was run, and the data or their table forbade it.
    Ran,
}

impl<T: Into<ApiError>> From<T> for StatementFailure {
    fn from(error: T) -> Self {
        Self { error: error.into(), stage: FailureStage::Refused, charged: CapacityUnits::ZERO }
    }
}

impl StatementFailure {
    /// An operation that the engine refused.
    pub(super) fn of_engine(error: EngineError) -> Self {
        let error = ApiError::from_item_operation(error);
        Self { error, stage: FailureStage::Ran, charged: CapacityUnits::ZERO }
    }
}

/// Runs a statement on a table that was found.
pub(super) async fn run(
    api: &Api,
    table_name: &str,
    keys: &TableKeys,
    statement: BoundStatement,
    options: StatementOptions,
) -> Result<StatementOutput, StatementFailure> {
    let run = Run { api, table_name, keys, options };
    match statement {
        BoundStatement::Select(select) => run.select(select).await,
        BoundStatement::Insert(insert) => run.insert(insert).await,
        BoundStatement::Update(update) => run.update(update).await,
        BoundStatement::Delete(delete) => run.delete(delete).await,
        BoundStatement::Exists(_) => Err(StatementError::ExistsOutsideTransaction.into()),
    }
}

/// A table's key as statements are planned for it.
pub(super) fn planned_key(schema: &KeySchema) -> IndexKeySchema {
    IndexKeySchema { partition: vec![schema.partition.clone()], sort: schema.sort.iter().cloned().collect() }
}

/// The item that a statement is about, if it is about exactly one.
pub(super) fn target(statement: &BoundStatement, schema: &KeySchema) -> Option<Item> {
    let key = planned_key(schema);
    match statement {
        BoundStatement::Select(select) => select.exact_key(&key).filter(|_| select.index_name.is_none()),
        BoundStatement::Insert(insert) => Some(schema.key_of(&insert.item)),
        BoundStatement::Update(update) => update.key(&key).ok(),
        BoundStatement::Delete(delete) => delete.key(&key).ok(),
        BoundStatement::Exists(exists) => exists.checked_key(&key).ok().map(|(item, _rest)| item),
    }
}

/// The condition of an INSERT: the item must be new.
pub(super) fn insert_condition(schema: &KeySchema) -> Condition {
    Condition::NotExists(DocumentPath::attribute(schema.partition.name.clone()))
}

/// The condition of an UPDATE: the item must be there, and meet the whole WHERE clause.
pub(super) fn update_condition(schema: &KeySchema, condition: Option<Condition>) -> Condition {
    let exists = Condition::Exists(DocumentPath::attribute(schema.partition.name.clone()));
    Condition::And([exists].into_iter().chain(condition).collect())
}

/// The condition of a DELETE: an item that is not there is deleted already.
pub(super) fn delete_condition(schema: &KeySchema, condition: Option<Condition>) -> Condition {
    Condition::Or([insert_condition(schema)].into_iter().chain(condition).collect())
}

struct Run<'a> {
    api: &'a Api,
    table_name: &'a str,
    keys: &'a TableKeys,
    options: StatementOptions,
}

impl Run<'_> {
    async fn select(self, select: BoundSelect) -> Result<StatementOutput, StatementFailure> {
        let index = match &select.index_name {
            Some(index_name) => Some(self.keys.index(index_name).ok_or(StatementError::IndexNotFound)?),
            None => None,
        };
        let Some(index) = index else {
            let key = planned_key(self.keys.schema());
            return match select.exact_key(&key) {
                Some(exact) => self.get(exact, select.columns.as_ref()).await,
                None => {
                    let plan = select.plan(&key)?;
                    self.read(select, plan, &key).await
                }
            };
        };
        if index.scope == IndexScope::Global && self.options.consistency == Consistency::Strong {
            return Err(StatementError::StrongReadOfGlobalIndex.into());
        }
        let plan = select.plan(&index.schema)?;
        let index_name = select.index_name.clone().unwrap_or_default();
        let view = IndexView { index_name, scope: index.scope, projected: index.projected };
        select.check_projected(&view, &plan)?;
        self.read(select, plan, &index.schema).await
    }

    /// Reads the one item that a SELECT names.
    async fn get(self, key: Item, columns: Option<&Columns>) -> Result<StatementOutput, StatementFailure> {
        let get = GetItem {
            table_name: self.table_name.to_owned(),
            key,
            projection: columns.map(Columns::attributes),
            consistency: self.options.consistency,
        };
        let output = self.api.local.get_item(get).await.map_err(StatementFailure::of_engine)?;
        let items = shown(output.item.into_iter().collect(), columns)?;
        Ok(StatementOutput { items, capacity: output.capacity, next: None })
    }

    async fn read(
        self,
        select: BoundSelect,
        plan: SelectPlan,
        key: &IndexKeySchema,
    ) -> Result<StatementOutput, StatementFailure> {
        match plan {
            SelectPlan::Scan => self.scan(select).await,
            SelectPlan::Queries { reads, sort_order } => self.queries(select, &reads, sort_order, key).await,
        }
    }

    async fn scan(self, select: BoundSelect) -> Result<StatementOutput, StatementFailure> {
        let scan = Scan {
            index_name: select.index_name.clone(),
            filter: select.condition.clone(),
            projection: projection(&select),
            select: selection(&select),
            limit: self.options.limit,
            consistency: self.options.consistency,
            exclusive_start_key: self.options.start.key.clone(),
            ..Scan::new(self.table_name)
        };
        let page = self.api.local.scan(scan).await.map_err(StatementFailure::of_engine)?;
        let next = page.last_evaluated_key.map(|key| PageStart { read: 0, key: Some(key) });
        let items = shown(page.items, select.columns.as_ref())?;
        Ok(StatementOutput { items, capacity: page.capacity, next })
    }

    /// Runs queries until the page is full: a page of several reads is as large as one of a single read.
    async fn queries(
        mut self,
        select: BoundSelect,
        reads: &[KeyedRead],
        sort_order: SortOrder,
        key: &IndexKeySchema,
    ) -> Result<StatementOutput, StatementFailure> {
        let page_units = CapacityUnits::for_read(PAGE_BYTES, self.options.consistency);
        let mut output = StatementOutput::default();
        let start = std::mem::take(&mut self.options.start);
        if start.read > reads.len() {
            return Err(StatementError::TokenInvalid.into());
        }
        let mut start_key = start.key;
        for (number, read) in reads.iter().enumerate().skip(start.read) {
            let page = self.query(&select, read, sort_order, key, start_key.take()).await?;
            output.items.extend(shown(page.items, select.columns.as_ref())?);
            output.capacity += page.capacity;
            if let Some(last) = page.last_evaluated_key {
                output.next = Some(PageStart { read: number, key: Some(last) });
                break;
            }
            if let Some(limit) = &mut self.options.limit {
                *limit -= u32::try_from(page.scanned_count).unwrap_or(*limit);
            }
            let is_last = number + 1 == reads.len();
            if !is_last && output.capacity.total() >= page_units {
                output.next = Some(PageStart { read: number + 1, key: None });
                break;
            }
        }
        Ok(output)
    }

    async fn query(
        &self,
        select: &BoundSelect,
        read: &KeyedRead,
        sort_order: SortOrder,
        key: &IndexKeySchema,
        exclusive_start_key: Option<Item>,
    ) -> Result<ResultPage, StatementFailure> {
        let query = Query {
            index_name: select.index_name.clone(),
            filter: select.condition.clone(),
            filter_names: FilterNames::Any,
            projection: projection(select),
            select: selection(select),
            limit: self.options.limit,
            consistency: self.options.consistency,
            direction: match sort_order {
                SortOrder::Ascending => ScanDirection::Forward,
                SortOrder::Descending => ScanDirection::Backward,
            },
            exclusive_start_key,
            ..Query::new(self.table_name, read.conditions(key)?)
        };
        self.api.local.query(query).await.map_err(StatementFailure::of_engine)
    }

    async fn insert(self, insert: BoundInsert) -> Result<StatementOutput, StatementFailure> {
        let item_bytes = insert.item.size_bytes();
        let put = PutItem {
            condition: Some(insert_condition(self.keys.schema())),
            return_values_on_condition_check_failure: ReturnOld::AllOld,
            ..PutItem::new(self.table_name, insert.item)
        };
        let written = self.api.local.put_item(put).await;
        let duplicate = ApiError::new(Exception::DuplicateItem, messages::DUPLICATE_ITEM);
        self.written(written.map_err(|error| failed(error, item_bytes, |_item| duplicate)))
    }

    async fn update(self, update: BoundUpdate) -> Result<StatementOutput, StatementFailure> {
        let schema = self.keys.schema();
        let update = UpdateItem {
            table_name: self.table_name.to_owned(),
            key: update.key(&planned_key(schema))?,
            update: Some(update.update),
            condition: Some(update_condition(schema, update.condition)),
            return_values: return_values(update.returning),
            return_values_on_condition_check_failure: ReturnOld::AllOld,
        };
        let written = self.api.local.update_item(update).await;
        let on_failure = self.options.on_failure;
        self.written(written.map_err(|error| failed(error, 0, |item| condition_failed(item, on_failure))))
    }

    async fn delete(self, delete: BoundDelete) -> Result<StatementOutput, StatementFailure> {
        let schema = self.keys.schema();
        let delete = DeleteItem {
            table_name: self.table_name.to_owned(),
            key: delete.key(&planned_key(schema))?,
            condition: Some(delete_condition(schema, delete.condition)),
            return_values: delete.returning.map_or(ReturnOld::None, |_all_old| ReturnOld::AllOld),
            return_values_on_condition_check_failure: ReturnOld::AllOld,
        };
        let written = self.api.local.delete_item(delete).await;
        let on_failure = self.options.on_failure;
        self.written(written.map_err(|error| failed(error, 0, |item| condition_failed(item, on_failure))))
    }

    fn written(
        &self,
        written: Result<WriteOutput, StatementFailure>,
    ) -> Result<StatementOutput, StatementFailure> {
        let written = written?;
        let items = written.attributes.into_iter().collect();
        Ok(StatementOutput { items, capacity: written.capacity, next: None })
    }
}

/// A write's failure: a failed condition is charged like the write that it kept from happening.
fn failed(
    error: EngineError,
    item_bytes: usize,
    condition_failed: impl FnOnce(Option<EncodedItem>) -> ApiError,
) -> StatementFailure {
    match error {
        EngineError::ConditionalCheckFailed { item } => {
            let present_bytes = item.as_ref().map_or(Ok(0), |item| item.as_item().size_bytes());
            // A damaged item has been told of by whoever read it.
            let charged = CapacityUnits::for_write(present_bytes.unwrap_or(0), item_bytes);
            StatementFailure { error: condition_failed(item), stage: FailureStage::Ran, charged }
        }
        other => StatementFailure::of_engine(other),
    }
}

fn condition_failed(item: Option<EncodedItem>, on_failure: ReturnOld) -> ApiError {
    let item = item.filter(|_| on_failure == ReturnOld::AllOld);
    ApiError::from_item_operation(EngineError::ConditionalCheckFailed { item })
}

fn return_values(returning: Option<Returning>) -> ReturnValues {
    match returning {
        None => ReturnValues::None,
        Some(Returning::AllOld) => ReturnValues::AllOld,
        Some(Returning::ModifiedOld) => ReturnValues::UpdatedOld,
        Some(Returning::AllNew) => ReturnValues::AllNew,
        Some(Returning::ModifiedNew) => ReturnValues::UpdatedNew,
    }
}

/// What is read of each item for the columns: whole attributes.
fn projection(select: &BoundSelect) -> Option<Projection> {
    select.columns.as_ref().map(Columns::attributes)
}

fn selection(select: &BoundSelect) -> Select {
    match (&select.columns, &select.index_name) {
        (Some(_), _) => Select::SpecificAttributes,
        (None, Some(_)) => Select::AllProjectedAttributes,
        (None, None) => Select::AllAttributes,
    }
}

/// What the columns show of items that were read for them.
pub(super) fn shown(
    items: Vec<EncodedItem>,
    columns: Option<&Columns>,
) -> Result<Vec<EncodedItem>, ApiError> {
    match columns.filter(|columns| !columns.are_attributes()) {
        None => Ok(items),
        Some(columns) => items
            .iter()
            .map(|item| columns.show(item.as_item()))
            .collect::<Result<_, _>>()
            .map_err(|reason| ApiError::from_item_operation(EngineError::DamagedItem(reason))),
    }
}
