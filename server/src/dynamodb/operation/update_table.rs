//! UpdateTable: changes a table's billing, class or protection.

use basalt_engine::{BillingMode, UpdateTable};

use super::one_table::TableNameInput;
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
    settings: SettingsInput,
}

impl Operation for UpdateTableInput {
    const SHAPE: &'static str = "UpdateTableInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match self.table.read_member(reader, name)? {
            Known::Yes => Ok(Known::Yes),
            Known::No => self.settings.read_member(reader, name),
        }
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let table_name = self.table.check(api, "UpdateTable")?;
        let mut constraints = Constraints::default();
        let settings = self.settings.check(&mut constraints);
        constraints.finish()?;

        let billing_mode = billing_mode(&settings)?;
        self.settings.refuse_unsupported("UpdateTable")?;
        let update = UpdateTable {
            table_name,
            billing_mode,
            table_class: settings.table_class,
            on_demand_maximum: settings.on_demand_maximum,
            deletion_protection: settings.deletion_protection,
            ..UpdateTable::default()
        };
        let updated = api.engine.update_table(update).await;
        let updated = updated.map_err(|error| ApiError::from_engine(error, Plane::Control))?;
        Ok(write_description("TableDescription", &updated))
    }
}

/// The billing mode asked for, if any. New figures alone are a change of a provisioned table.
fn billing_mode(settings: &Settings) -> Result<Option<BillingMode>, ApiError> {
    match (settings.billing_mode, settings.throughput) {
        (None, None) => Ok(None),
        (Some(Billing::PayPerRequest), None) => Ok(Some(BillingMode::PayPerRequest)),
        (Some(Billing::PayPerRequest), Some(_)) => {
            Err(ApiError::validation(messages::CAPACITY_WITH_PAY_PER_REQUEST))
        }
        (Some(Billing::Provisioned), None) => Err(ApiError::validation(messages::CAPACITY_MISSING)),
        (Some(Billing::Provisioned) | None, Some(throughput)) => throughput.billing_mode().map(Some),
    }
}
