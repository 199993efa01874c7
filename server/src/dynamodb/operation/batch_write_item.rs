//! BatchWriteItem: up to 25 puts and deletes in one request, of several tables.

use std::collections::{BTreeMap, BTreeSet};

use basalt_engine::model::ValueError;
use basalt_engine::model::size::ITEM_BYTES_MAX;
use basalt_engine::{
    BATCH_WRITES_MAX, BatchWrite, BatchWriteItem, BatchWriteItemOutput, BatchWriteTable, ValidationError,
};

use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::json::writer::Members;
use crate::dynamodb::json::{AttributeMap, BodyError, Known, Place, Reader};
use crate::dynamodb::reply::{ReturnConsumedCapacity, ReturnItemCollectionMetrics};
use crate::dynamodb::{Api, Operation, messages};

/// The members of a BatchWriteItem request.
#[derive(Debug, Default)]
pub(crate) struct BatchWriteItemInput {
    request_items: Option<BTreeMap<String, Option<Vec<WriteRequest>>>>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
}

/// One write: a put or a delete, if the request is sound.
#[derive(Debug, Default)]
struct WriteRequest {
    /// The item of a PutRequest.
    put: Option<Option<AttributeMap>>,
    /// The key of a DeleteRequest.
    delete: Option<Option<AttributeMap>>,
}

impl Operation for BatchWriteItemInput {
    const SHAPE: &'static str = "BatchWriteItemInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "RequestItems" => self.request_items = read_request_items(reader)?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = reader.owned_text()?,
            "ReturnItemCollectionMetrics" => self.return_item_collection_metrics = reader.owned_text()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        let capacity =
            ReturnConsumedCapacity::check(self.return_consumed_capacity.as_deref(), &mut constraints);
        let metrics = self.return_item_collection_metrics.as_deref();
        let metrics = ReturnItemCollectionMetrics::check(metrics, &mut constraints);
        constraints.required("requestItems", &self.request_items);
        let request_items = self.request_items.unwrap_or_default();
        check_tables(&mut constraints, &request_items);
        constraints.finish()?;
        if request_items.is_empty() {
            return Err(ApiError::validation(messages::batch_parameter_required("BatchWriteItem")));
        }

        let requested_names: Vec<String> = request_items.keys().cloned().collect();
        let batch = BatchWriteItem { tables: understand(api, request_items)? };
        let output = api.local.batch_write_item(batch).await.map_err(ApiError::from_item_operation)?;
        let mut writer = api.writer();
        let mut members = writer.object();
        write_unprocessed(&mut members, &output, &requested_names);
        let used = output.tables.iter().map(|table| (table.table_name.as_str(), &table.capacity));
        members.consumed_capacities(capacity, used);
        let collections = output.tables.iter();
        let collections =
            collections.map(|table| (table.table_name.as_str(), table.item_collections.as_slice()));
        members.item_collections_metrics(metrics, collections);
        drop(members);
        Ok(writer.into_bytes())
    }
}

type RequestItems = BTreeMap<String, Option<Vec<WriteRequest>>>;

fn read_request_items(reader: &mut Reader<'_>) -> Result<Option<RequestItems>, BodyError> {
    const ELEMENT: &str = "java.util.List<com.amazonaws.dynamodb.v20120810.WriteRequest>";
    let mut tables = BTreeMap::new();
    let present = reader.map(Place::Member, ELEMENT, |reader, table| {
        let mut writes = Vec::new();
        let present = reader.list(Place::Element, |reader| {
            writes.push(read_write_request(reader)?);
            Ok(())
        })?;
        tables.insert(table.into_owned(), present.then_some(writes));
        Ok(())
    })?;
    Ok(present.then_some(tables))
}

fn read_write_request(reader: &mut Reader<'_>) -> Result<WriteRequest, BodyError> {
    let mut request = WriteRequest::default();
    reader.structure(Place::Element, "WriteRequest", |reader, name| {
        match name {
            "PutRequest" => request.put = read_single_map(reader, "PutRequest", "Item")?,
            "DeleteRequest" => request.delete = read_single_map(reader, "DeleteRequest", "Key")?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    Ok(request)
}

/// A structure with one member, a map of attribute values. Outer None: no structure; inner None: no member.
fn read_single_map(
    reader: &mut Reader<'_>,
    shape: &'static str,
    member: &str,
) -> Result<Option<Option<AttributeMap>>, BodyError> {
    let mut map = None;
    let present = reader.structure(Place::Member, shape, |reader, name| {
        if name != member {
            return Ok(Known::No);
        }
        map = reader.attribute_map(Place::Member)?;
        Ok(Known::Yes)
    })?;
    Ok(present.then_some(map))
}

fn check_tables(constraints: &mut Constraints, tables: &RequestItems) {
    constraints.table_keys("requestItems", &printed(tables), tables.keys().map(String::as_str));
    let count = |writes: &Option<Vec<WriteRequest>>| writes.as_ref().map_or(0, Vec::len);
    if tables.values().any(|writes| !(1..=BATCH_WRITES_MAX).contains(&count(writes))) {
        let rules = [messages::length_at_most(BATCH_WRITES_MAX), messages::length_at_least(1)];
        constraints.add(messages::violation(printed(tables), "requestItems", messages::map_values(&rules)));
    }
    for (table, writes) in tables {
        for (index, write) in writes.iter().flatten().enumerate() {
            let path = format!("requestItems.{table}.member.{}.member", index + 1);
            if let Some(key) = &write.delete {
                constraints.required(&format!("{path}.deleteRequest.key"), key);
            }
            if let Some(item) = &write.put {
                constraints.required(&format!("{path}.putRequest.item"), item);
            }
        }
    }
}

/// The map as Java prints it; only its frame is of interest to anybody.
fn printed(tables: &RequestItems) -> String {
    let print = |(table, writes): (&String, &Option<Vec<WriteRequest>>)| {
        let writes = vec!["WriteRequest(…)"; writes.as_ref().map_or(0, Vec::len)];
        format!("{table}=[{}]", writes.join(", "))
    };
    let entries: Vec<String> = tables.iter().map(print).collect();
    format!("{{{}}}", entries.join(", "))
}

/// The rules within each table's part, table by table.
fn understand(api: &Api, request_items: RequestItems) -> Result<Vec<BatchWriteTable>, ApiError> {
    let write_count: usize = request_items.values().flatten().map(Vec::len).sum();
    if write_count > BATCH_WRITES_MAX {
        return Err(ValidationError::TooManyWrites.into());
    }
    let mut table_names = BTreeSet::new();
    let mut tables = Vec::new();
    for (requested_name, writes) in request_items {
        let writes =
            writes.unwrap_or_default().into_iter().map(understand_write).collect::<Result<_, _>>()?;
        let table_name = api.names.resolve(requested_name, "BatchWriteItem")?;
        if !table_names.insert(table_name.clone()) {
            // Once by its name and once by its resource name.
            return Err(ValidationError::DuplicateKeys.into());
        }
        tables.push(BatchWriteTable { table_name, writes });
    }
    Ok(tables)
}

fn understand_write(request: WriteRequest) -> Result<BatchWrite, ApiError> {
    match (request.put, request.delete) {
        (Some(item), None) => {
            let item = item.unwrap_or_default().checked_item()?;
            if item.size_bytes() > ITEM_BYTES_MAX {
                return Err(ValueError::ItemTooLarge.into());
            }
            Ok(BatchWrite::Put(item))
        }
        (None, Some(key)) => Ok(BatchWrite::Delete(key.unwrap_or_default().checked_item()?)),
        // None or both: the text is that of attribute values, also on AWS.
        _ => Err(ValueError::SeveralDatatypes.into()),
    }
}

fn write_unprocessed(members: &mut Members<'_>, output: &BatchWriteItemOutput, requested_names: &[String]) {
    let mut unprocessed = members.value_of("UnprocessedItems").object();
    for (table, requested_name) in output.tables.iter().zip(requested_names) {
        if table.unprocessed.is_empty() {
            continue;
        }
        let mut writes = unprocessed.value_of(requested_name).array();
        for write in &table.unprocessed {
            let mut request = writes.element().object();
            match write {
                BatchWrite::Put(item) => {
                    request.value_of("PutRequest").object().value_of("Item").attributes(item)
                }
                BatchWrite::Delete(key) => {
                    request.value_of("DeleteRequest").object().value_of("Key").attributes(key)
                }
            }
        }
    }
}
