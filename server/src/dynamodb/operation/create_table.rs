//! CreateTable: a table with a simple or composite key.
//!
//! What the engine does not keep yet (indexes, streams, tags, …) is refused by name, never dropped.

use basalt_engine::model::{KeyAttribute, KeySchema, ScalarKind};
use basalt_engine::{BillingMode, CreateTable, DeletionProtection, ValidationError};

use super::table_description::write_description;
use super::table_settings::{Billing, Settings, SettingsInput};
use super::tag_list::TagListInput;
use crate::dynamodb::constraint::{Constraints, Enumeration, NAME_LENGTH, is_resource_name};
use crate::dynamodb::error_map::{ApiError, Plane};
use crate::dynamodb::json::{BodyError, Known, Place, Reader};
use crate::dynamodb::{Api, Operation, messages};

const ATTRIBUTE_TYPES: Enumeration<ScalarKind> =
    Enumeration(&[("B", ScalarKind::B), ("N", ScalarKind::N), ("S", ScalarKind::S)]);
const KEY_TYPES: Enumeration<KeyType> = Enumeration(&[("HASH", KeyType::Hash), ("RANGE", KeyType::Range)]);
const KEY_NAME_LENGTH: std::ops::RangeInclusive<usize> = 1..=255;
/// A table's key has at most so many elements.
const KEY_ELEMENTS_MAX: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyType {
    Hash,
    Range,
}

/// The members of a CreateTable request.
#[derive(Debug, Default)]
pub(crate) struct CreateTableInput {
    table_name: Option<String>,
    attribute_definitions: Option<Vec<NameAndType>>,
    key_schema: Option<Vec<NameAndType>>,
    settings: SettingsInput,
    tags: TagListInput,
}

/// An attribute definition or an element of a key: a name, and a type of one or the other sort.
#[derive(Debug, Default)]
struct NameAndType {
    name: Option<String>,
    type_name: Option<String>,
}

impl Operation for CreateTableInput {
    const SHAPE: &'static str = "CreateTableInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "TableName" => self.table_name = reader.owned_text()?,
            "AttributeDefinitions" => {
                self.attribute_definitions = read_pairs(reader, "AttributeDefinition", "AttributeType")?;
            }
            "KeySchema" => self.key_schema = read_pairs(reader, "KeySchemaElement", "KeyType")?,
            "Tags" => self.tags = TagListInput::read(reader)?.unwrap_or_default(),
            _ => return self.settings.read_member(reader, name),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let Some(table_name) = self.table_name else {
            return Err(ApiError::validation(messages::parameter_required("TableName")));
        };
        let mut constraints = Constraints::default();
        let definitions = check_definitions(&mut constraints, self.attribute_definitions);
        check_name(&mut constraints, &table_name);
        let settings = self.settings.check(&mut constraints);
        let elements = check_elements(&mut constraints, self.key_schema);
        let tags = self.tags.check(&mut constraints);
        constraints.finish()?;

        let billing_mode = billing_mode(&settings)?;
        let key_schema = key_schema(&elements, &definitions)?;
        self.settings.refuse_unsupported("CreateTable")?;
        let create = CreateTable {
            table_name: api.names.resolve(table_name, "CreateTable")?,
            key_schema,
            billing_mode,
            table_class: settings.table_class,
            on_demand_maximum: settings.on_demand_maximum.unwrap_or_default(),
            deletion_protection: settings.deletion_protection.unwrap_or(DeletionProtection::Disabled),
            tags,
            local_indexes: Vec::new(),
            global_indexes: Vec::new(),
            stream: None,
        };
        let created = api.engine.create_table(create).await;
        let created = created.map_err(|error| ApiError::from_engine(error, Plane::Control))?;
        Ok(write_description("TableDescription", &created))
    }
}

fn read_pairs(
    reader: &mut Reader<'_>,
    shape: &'static str,
    type_member: &str,
) -> Result<Option<Vec<NameAndType>>, BodyError> {
    let mut pairs = Vec::new();
    let present = reader.list(Place::Member, |reader| {
        let mut pair = NameAndType::default();
        reader.structure(Place::Element, shape, |reader, name| {
            match name {
                "AttributeName" => pair.name = reader.owned_text()?,
                _ if name == type_member => pair.type_name = reader.owned_text()?,
                _ => return Ok(Known::No),
            }
            Ok(Known::Yes)
        })?;
        pairs.push(pair);
        Ok(())
    })?;
    Ok(present.then_some(pairs))
}

fn check_name(constraints: &mut Constraints, table_name: &str) {
    if is_resource_name(table_name) {
        return;
    }
    if !table_name.is_empty() {
        constraints.name_pattern("tableName", Some(table_name));
    }
    constraints.text_length("tableName", Some(table_name), NAME_LENGTH);
}

fn check_definitions(
    constraints: &mut Constraints,
    pairs: Option<Vec<NameAndType>>,
) -> Vec<(String, ScalarKind)> {
    constraints.required("attributeDefinitions", &pairs);
    check_pairs(constraints, "attributeDefinitions", "attributeType", pairs, &ATTRIBUTE_TYPES)
}

fn check_elements(constraints: &mut Constraints, pairs: Option<Vec<NameAndType>>) -> Vec<(String, KeyType)> {
    constraints.required("keySchema", &pairs);
    if let Some(pairs) = &pairs {
        constraints.length("keySchema", &printed(pairs), pairs.len(), 1..=KEY_ELEMENTS_MAX);
    }
    check_pairs(constraints, "keySchema", "keyType", pairs, &KEY_TYPES)
}

/// The names with their types; incomplete without a violation of its own only if there is one.
fn check_pairs<T: Copy>(
    constraints: &mut Constraints,
    list: &str,
    type_member: &str,
    pairs: Option<Vec<NameAndType>>,
    types: &Enumeration<T>,
) -> Vec<(String, T)> {
    let mut checked = Vec::new();
    for (index, pair) in pairs.into_iter().flatten().enumerate() {
        let path = |member: &str| format!("{list}.{}.member.{member}", index + 1);
        constraints.required(&path("attributeName"), &pair.name);
        constraints.text_length(&path("attributeName"), pair.name.as_deref(), KEY_NAME_LENGTH);
        constraints.required(&path(type_member), &pair.type_name);
        let found = constraints.enumeration(&path(type_member), pair.type_name.as_deref(), types);
        checked.extend(pair.name.zip(found));
    }
    checked
}

/// The key as Java prints it.
fn printed(pairs: &[NameAndType]) -> String {
    let print = |pair: &NameAndType| {
        let [name, key_type] = [&pair.name, &pair.type_name].map(|text| text.as_deref().unwrap_or("null"));
        format!("KeySchemaElement(attributeName={name}, keyType={key_type})")
    };
    let elements: Vec<String> = pairs.iter().map(print).collect();
    format!("[{}]", elements.join(", "))
}

/// Provisioned is the default, and then both figures must be there.
fn billing_mode(settings: &Settings) -> Result<BillingMode, ApiError> {
    let refuse = |message: &str| Err(ApiError::validation(message));
    match (settings.billing_mode.unwrap_or(Billing::Provisioned), settings.throughput) {
        (Billing::PayPerRequest, None) => Ok(BillingMode::PayPerRequest),
        (Billing::PayPerRequest, Some(_)) => refuse(messages::CAPACITY_WITH_PAY_PER_REQUEST),
        (Billing::Provisioned, None) => refuse(messages::CAPACITY_MISSING),
        (Billing::Provisioned, Some(_)) if settings.on_demand_maximum.is_some() => {
            refuse(messages::ON_DEMAND_MAXIMUM_WITH_PROVISIONED)
        }
        (Billing::Provisioned, Some(throughput)) => throughput.billing_mode(),
    }
}

/// The rules between key and definitions, in DynamoDB's order.
fn key_schema(
    elements: &[(String, KeyType)],
    definitions: &[(String, ScalarKind)],
) -> Result<KeySchema, ApiError> {
    let refuse = |message: &str| Err(ApiError::validation(message));
    if elements.len() > definitions.len() {
        return refuse(messages::KEY_ATTRIBUTE_UNDEFINED);
    }
    let kind_of = |name: &str| definitions.iter().find(|(defined, _)| defined == name).map(|(_, kind)| *kind);
    let attributes: Option<Vec<KeyAttribute>> = elements
        .iter()
        .map(|(name, _)| kind_of(name).map(|kind| KeyAttribute { name: name.clone(), kind }))
        .collect();
    let Some(mut attributes) = attributes else {
        let keys: Vec<&str> = elements.iter().map(|(name, _)| name.as_str()).collect();
        let defined: Vec<&str> = definitions.iter().map(|(name, _)| name.as_str()).collect();
        return refuse(&messages::undefined_key_attributes(&keys, &defined));
    };
    match elements {
        [(hash, _), (range, _)] if hash == range => {
            return Err(ValidationError::KeyAttributesShareName.into());
        }
        [(_, KeyType::Range), ..] => return refuse(messages::FIRST_KEY_NOT_HASH),
        [_, (_, KeyType::Hash)] => return refuse(messages::SECOND_KEY_NOT_RANGE),
        _ => {}
    }
    if elements.len() != definitions.len() {
        return refuse(messages::UNUSED_DEFINITIONS);
    }
    let sort = if attributes.len() > 1 { attributes.pop() } else { None };
    match attributes.pop() {
        Some(partition) => Ok(KeySchema { partition, sort }),
        None => refuse(messages::FIRST_KEY_NOT_HASH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(elements: &[(&str, KeyType)], definitions: &[(&str, ScalarKind)]) -> String {
        let elements: Vec<_> =
            elements.iter().map(|(name, key_type)| ((*name).to_owned(), *key_type)).collect();
        let definitions: Vec<_> =
            definitions.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        match key_schema(&elements, &definitions) {
            Ok(schema) => format!("{} {:?}", schema.partition.name, schema.sort.map(|sort| sort.name)),
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn keys_and_definitions_must_match() {
        use KeyType::{Hash, Range};
        use ScalarKind::{N, S};
        assert_eq!(told(&[("a", Hash)], &[("a", S)]), "a None");
        assert_eq!(told(&[("a", Hash), ("b", Range)], &[("b", N), ("a", S)]), "a Some(\"b\")");
        assert_eq!(told(&[("a", Hash), ("a", Range)], &[("a", S)]), messages::KEY_ATTRIBUTE_UNDEFINED);
        assert_eq!(
            told(&[("a", Hash), ("a", Range)], &[("a", S), ("b", S)]),
            ValidationError::KeyAttributesShareName.to_string()
        );
        assert_eq!(told(&[("a", Range)], &[("a", S)]), messages::FIRST_KEY_NOT_HASH);
        assert_eq!(told(&[("a", Hash), ("b", Hash)], &[("a", S), ("b", S)]), messages::SECOND_KEY_NOT_RANGE);
        assert_eq!(told(&[("a", Hash)], &[("a", S), ("b", S)]), messages::UNUSED_DEFINITIONS);
        assert_eq!(
            told(&[("a", Hash)], &[("b", S)]),
            "One or more parameter values were invalid: Some index key attributes are not defined in \
             AttributeDefinitions. Keys: [a], AttributeDefinitions: [b]"
        );
    }
}
