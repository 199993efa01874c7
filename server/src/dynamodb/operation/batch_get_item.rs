//! BatchGetItem: up to a hundred reads in one request, of several tables.

use std::collections::{BTreeMap, BTreeSet};

use basalt_engine::model::Item;
use basalt_engine::model::expression::ExpressionKind;
use basalt_engine::{BATCH_GET_KEYS_MAX, BatchGetItem, BatchGetItemOutput, BatchGetTable, ValidationError};

use super::page_request::consistency;
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::expressions::{ExpressionParameters, ParameterNames};
use crate::dynamodb::json::writer::Members;
use crate::dynamodb::json::{AttributeMap, BodyError, Known, Place, Reader};
use crate::dynamodb::reply::ReturnConsumedCapacity;
use crate::dynamodb::{Api, Operation, messages};

const PARAMETERS: ParameterNames =
    ParameterNames { expressions: &[ExpressionKind::Projection], legacy: &["AttributesToGet"] };

/// The members of a BatchGetItem request.
#[derive(Debug, Default)]
pub(crate) struct BatchGetItemInput {
    request_items: Option<BTreeMap<String, KeysAndAttributes>>,
    return_consumed_capacity: Option<String>,
}

/// What is asked of one table.
#[derive(Debug, Default)]
struct KeysAndAttributes {
    keys: Option<Vec<AttributeMap>>,
    consistent_read: Option<bool>,
    expressions: ExpressionParameters,
}

/// What is asked of one table, as it must be told again if keys stay unprocessed.
#[derive(Debug)]
struct Echo {
    /// The table as the request names it.
    requested_name: String,
    consistent_read: Option<bool>,
    expressions: ExpressionParameters,
}

impl Operation for BatchGetItemInput {
    const SHAPE: &'static str = "BatchGetItemInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "RequestItems" => self.request_items = read_request_items(reader)?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = reader.owned_text()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        let capacity =
            ReturnConsumedCapacity::check(self.return_consumed_capacity.as_deref(), &mut constraints);
        constraints.required("requestItems", &self.request_items);
        let request_items = self.request_items.unwrap_or_default();
        check_tables(&mut constraints, &request_items);
        constraints.finish()?;
        if request_items.is_empty() {
            return Err(ApiError::validation(messages::batch_parameter_required("BatchGetItem")));
        }

        let (tables, echoes) = understand(api, request_items)?;
        let batch = BatchGetItem { tables };
        let output = api.local.batch_get_item(batch).await.map_err(ApiError::from_item_operation)?;
        let mut writer = api.writer();
        let mut members = writer.object();
        write_responses(&mut members, &output, &echoes)?;
        write_unprocessed(&mut members, &output, &echoes);
        let used = output.tables.iter().map(|table| (table.table_name.as_str(), &table.capacity));
        members.consumed_capacities(capacity, used);
        drop(members);
        Ok(writer.into_bytes())
    }
}

fn read_request_items(
    reader: &mut Reader<'_>,
) -> Result<Option<BTreeMap<String, KeysAndAttributes>>, BodyError> {
    let mut tables = BTreeMap::new();
    let present = reader.map(Place::Member, "KeysAndAttributes", |reader, table| {
        let mut asked = KeysAndAttributes::default();
        reader.structure(Place::Element, "KeysAndAttributes", |reader, name| {
            match name {
                "Keys" => asked.keys = read_keys(reader)?,
                "ConsistentRead" => asked.consistent_read = reader.boolean()?,
                _ => return asked.expressions.read_member(reader, name, &PARAMETERS),
            }
            Ok(Known::Yes)
        })?;
        tables.insert(table.into_owned(), asked);
        Ok(())
    })?;
    Ok(present.then_some(tables))
}

fn read_keys(reader: &mut Reader<'_>) -> Result<Option<Vec<AttributeMap>>, BodyError> {
    let mut keys = Vec::new();
    let present = reader.list(Place::Member, |reader| {
        keys.push(reader.attribute_map(Place::Element)?.unwrap_or_default());
        Ok(())
    })?;
    Ok(present.then_some(keys))
}

fn check_tables(constraints: &mut Constraints, tables: &BTreeMap<String, KeysAndAttributes>) {
    constraints.table_keys("requestItems", &printed(tables), tables.keys().map(String::as_str));
    for (table, asked) in tables {
        let path = format!("requestItems.{table}.member.keys");
        constraints.required(&path, &asked.keys);
        asked.expressions.constrain(constraints, &format!("requestItems.{table}.member."));
        let count = asked.keys.as_ref().map_or(1, Vec::len);
        constraints.length(&path, "[]", count, 1..=usize::MAX);
        if count > BATCH_GET_KEYS_MAX {
            // One of the texts in which AWS neither echoes the value nor spells members as elsewhere.
            let path = format!("RequestItems.{table}.member.Keys");
            constraints
                .add(messages::violation_without_value(&path, messages::length_at_most(BATCH_GET_KEYS_MAX)));
        }
    }
}

/// The map as Java prints it; only its frame is of interest to anybody.
fn printed(tables: &BTreeMap<String, KeysAndAttributes>) -> String {
    let entries: Vec<String> = tables.keys().map(|table| format!("{table}=KeysAndAttributes(…)")).collect();
    format!("{{{}}}", entries.join(", "))
}

/// The rules within each table's part, table by table.
fn understand(
    api: &Api,
    request_items: BTreeMap<String, KeysAndAttributes>,
) -> Result<(Vec<BatchGetTable>, Vec<Echo>), ApiError> {
    let (mut tables, mut echoes) = (Vec::new(), Vec::new());
    let mut table_names = BTreeSet::new();
    let mut key_count = 0;
    ExpressionParameters::check_use_together(
        request_items.values().map(|asked| &asked.expressions),
        &PARAMETERS,
    )?;
    for (requested_name, asked) in request_items {
        asked.expressions.check_use(&PARAMETERS)?;
        let echo = Echo {
            requested_name: requested_name.clone(),
            consistent_read: asked.consistent_read,
            expressions: asked.expressions.clone(),
        };
        let projection = asked.expressions.translate_legacy()?.parse()?.projection;
        let keys = distinct_keys(asked.keys.unwrap_or_default())?;
        key_count += keys.len();
        if key_count > BATCH_GET_KEYS_MAX {
            return Err(ValidationError::TooManyKeys.into());
        }
        let table_name = api.names.resolve(requested_name, "BatchGetItem")?;
        if !table_names.insert(table_name.clone()) {
            // Once by its name and once by its resource name.
            return Err(ValidationError::DuplicateKeys.into());
        }
        tables.push(BatchGetTable {
            table_name,
            keys,
            projection,
            consistency: consistency(asked.consistent_read),
        });
        echoes.push(echo);
    }
    Ok((tables, echoes))
}

/// The keys, each of which must be there once. Told before the table is looked up.
fn distinct_keys(keys: Vec<AttributeMap>) -> Result<Vec<Item>, ApiError> {
    let mut seen = BTreeSet::new();
    let mut distinct = Vec::with_capacity(keys.len());
    for key in keys {
        let key = key.checked_item()?;
        if !seen.insert(key.encode().into_bytes()) {
            return Err(ValidationError::DuplicateKeys.into());
        }
        distinct.push(key);
    }
    Ok(distinct)
}

fn write_responses(
    members: &mut Members<'_>,
    output: &BatchGetItemOutput,
    echoes: &[Echo],
) -> Result<(), ApiError> {
    let mut responses = members.value_of("Responses").object();
    for (table, echo) in output.tables.iter().zip(echoes) {
        responses.items(&echo.requested_name, &table.items)?;
    }
    Ok(())
}

fn write_unprocessed(members: &mut Members<'_>, output: &BatchGetItemOutput, echoes: &[Echo]) {
    let mut unprocessed = members.value_of("UnprocessedKeys").object();
    for (table, echo) in output.tables.iter().zip(echoes) {
        if table.unprocessed_keys.is_empty() {
            continue;
        }
        let mut asked = unprocessed.value_of(&echo.requested_name).object();
        let mut keys = asked.value_of("Keys").array();
        for key in &table.unprocessed_keys {
            keys.element().attributes(key);
        }
        drop(keys);
        if let Some(consistent_read) = echo.consistent_read {
            asked.value_of("ConsistentRead").display(consistent_read);
        }
        echo.expressions.write(&mut asked);
    }
}
