//! CreateTable: a table with a simple or composite key, and its indexes.
//!
//! What the engine does not keep yet is refused by name, never dropped.

use basalt_engine::{BillingMode, CreateTable, DeletionProtection};

use super::index_definitions::IndexesInput;
use super::key_schema::{KEY_ELEMENTS_MAX, PairsInput};
use super::stream_specification::StreamSpecification;
use super::table_description::write_description;
use super::table_settings::{Billing, Settings, SettingsInput};
use super::tag_list::TagListInput;
use crate::dynamodb::constraint::{Constraints, NAME_LENGTH, is_resource_name};
use crate::dynamodb::error_map::{ApiError, Plane};
use crate::dynamodb::json::{BodyError, Known, Reader};
use crate::dynamodb::{Api, Operation, messages};

/// The members of a CreateTable request.
#[derive(Debug, Default)]
pub(crate) struct CreateTableInput {
    table_name: Option<String>,
    attribute_definitions: PairsInput,
    key_schema: PairsInput,
    indexes: IndexesInput,
    settings: SettingsInput,
    tags: TagListInput,
}

impl Operation for CreateTableInput {
    const SHAPE: &'static str = "CreateTableInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "TableName" => self.table_name = reader.owned_text()?,
            "AttributeDefinitions" => self.attribute_definitions = PairsInput::read_definitions(reader)?,
            "KeySchema" => self.key_schema = PairsInput::read_key_schema(reader)?,
            "LocalSecondaryIndexes" | "GlobalSecondaryIndexes" => {
                return self.indexes.read_member(reader, name);
            }
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
        self.attribute_definitions.require_definitions(&mut constraints);
        let definitions = self.attribute_definitions.check_definitions(&mut constraints);
        check_name(&mut constraints, &table_name);
        let settings = self.settings.check(&mut constraints);
        let elements = self.key_schema.check_key_schema("keySchema", KEY_ELEMENTS_MAX, &mut constraints);
        let indexes = self.indexes.check(&mut constraints);
        let tags = self.tags.check(&mut constraints);
        constraints.finish()?;

        let billing_mode = billing_mode(&settings)?;
        let key_schema = elements.table_key(&definitions, indexes.any())?;
        let (local_indexes, global_indexes) = indexes.definitions(&key_schema, billing_mode, &definitions)?;
        if indexes.any() {
            definitions.check_used(elements.names().chain(indexes.key_names()))?;
        }
        let stream = settings.stream.map_or(Ok(None), StreamSpecification::of_creation)?;
        self.settings.refuse_unsupported("CreateTable")?;
        let create = CreateTable {
            table_name: api.names.resolve(table_name, "CreateTable")?,
            key_schema,
            billing_mode,
            table_class: settings.table_class,
            on_demand_maximum: settings.on_demand_maximum.unwrap_or_default(),
            warm_throughput: settings.figures.warm_throughput,
            deletion_protection: settings.deletion_protection.unwrap_or(DeletionProtection::Disabled),
            tags,
            local_indexes,
            global_indexes,
            stream,
        };
        let created = api.engine.create_table(create).await;
        let created = created.map_err(|error| ApiError::from_engine(error, Plane::Control))?;
        Ok(write_description("TableDescription", &created))
    }
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
