//! UpdateTable: changes a table's billing, figures, indexes, stream, class or protection.

use basalt_engine::{BillingMode, ProvisionedThroughput, ThroughputChange, UpdateTable};

use super::index_updates::IndexUpdatesInput;
use super::key_schema::PairsInput;
use super::one_table::{TableNameInput, existing_table};
use super::stream_specification::StreamSpecification;
use super::table_description::write_description;
use super::table_settings::{Billing, Settings, SettingsInput};
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::{ApiError, Plane};
use crate::dynamodb::json::{BodyError, Known, Reader};
use crate::dynamodb::{Api, Operation, messages};

/// The members of an UpdateTable request.
#[derive(Debug, Default)]
pub(crate) struct UpdateTableInput {
    table: TableNameInput,
    attribute_definitions: PairsInput,
    index_updates: IndexUpdatesInput,
    settings: SettingsInput,
}

impl Operation for UpdateTableInput {
    const SHAPE: &'static str = "UpdateTableInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "TableName" => return self.table.read_member(reader, name),
            "AttributeDefinitions" => self.attribute_definitions = PairsInput::read_definitions(reader)?,
            "GlobalSecondaryIndexUpdates" => self.index_updates = IndexUpdatesInput::read(reader)?,
            _ => return self.settings.read_member(reader, name),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let table_name = self.table.check(api, "UpdateTable")?;
        let mut constraints = Constraints::default();
        let definitions = self.attribute_definitions.check_definitions(&mut constraints);
        let settings = self.settings.check(&mut constraints);
        let index_updates = self.index_updates.check(&mut constraints);
        constraints.finish()?;

        let (billing_mode, provisioned) = billing(&settings)?;
        let stream = settings.stream.map(StreamSpecification::of_update).transpose()?;
        self.settings.refuse_unsupported("UpdateTable")?;
        index_updates.check_rules()?;
        // Only a new index has rules by how its table is paid for.
        let billing_then = match billing_mode {
            None if index_updates.creates() => {
                existing_table(api, &table_name, Plane::Control).await?.billing_mode
            }
            named => named.unwrap_or(BillingMode::PayPerRequest),
        };
        let update = UpdateTable {
            table_name,
            billing_mode,
            throughput: ThroughputChange { provisioned, ..settings.figures },
            table_class: settings.table_class,
            deletion_protection: settings.deletion_protection,
            index_changes: index_updates.changes(billing_then, &definitions)?,
            stream,
        };
        let updated = api.engine.update_table(update).await;
        let updated = updated.map_err(|error| ApiError::from_engine(error, Plane::Control))?;
        Ok(write_description("TableDescription", &updated))
    }
}

/// The billing mode asked for, or the figures alone, which are a change of a provisioned table.
fn billing(settings: &Settings) -> Result<(Option<BillingMode>, Option<ProvisionedThroughput>), ApiError> {
    match (settings.billing_mode, settings.throughput) {
        (None, None) => Ok((None, None)),
        (Some(Billing::PayPerRequest), None) => Ok((Some(BillingMode::PayPerRequest), None)),
        (Some(Billing::PayPerRequest), Some(_)) => {
            Err(ApiError::validation(messages::CAPACITY_WITH_PAY_PER_REQUEST))
        }
        (Some(Billing::Provisioned), None) => Err(ApiError::validation(messages::CAPACITY_NOT_NAMED)),
        (Some(Billing::Provisioned), Some(throughput)) => Ok((Some(throughput.billing_mode()?), None)),
        (None, Some(throughput)) => Ok((None, Some(throughput.units()?))),
    }
}
