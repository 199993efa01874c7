//! UpdateTimeToLive and DescribeTimeToLive: the attribute by which a table's items expire.
//!
//! DynamoDB allows one change an hour. Here a change is refused, in DynamoDB's words for that, only while the one
//! before it is not carried through.

use basalt_engine::{TimeToLiveChange, TimeToLiveStatus, UpdateTimeToLive};

use super::one_table::TableNameInput;
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::{ApiError, Plane};
use crate::dynamodb::json::{BodyError, Known, Place, Reader};
use crate::dynamodb::reply::object_reply;
use crate::dynamodb::{Api, Operation};

const ATTRIBUTE_LENGTH: std::ops::RangeInclusive<usize> = 1..=255;

/// The members of an UpdateTimeToLive request.
#[derive(Debug, Default)]
pub(crate) struct UpdateTimeToLiveInput {
    table: TableNameInput,
    specification: Option<SpecificationInput>,
}

#[derive(Debug, Default)]
struct SpecificationInput {
    enabled: Option<bool>,
    attribute: Option<String>,
}

/// The members of a DescribeTimeToLive request.
#[derive(Debug, Default)]
pub(crate) struct DescribeTimeToLiveInput(TableNameInput);

impl Operation for UpdateTimeToLiveInput {
    const SHAPE: &'static str = "UpdateTimeToLiveInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        if name != "TimeToLiveSpecification" {
            return self.table.read_member(reader, name);
        }
        let mut specification = SpecificationInput::default();
        let present = reader.structure(Place::Member, "TimeToLiveSpecification", |reader, name| {
            match name {
                "Enabled" => specification.enabled = reader.boolean()?,
                "AttributeName" => specification.attribute = reader.owned_text()?,
                _ => return Ok(Known::No),
            }
            Ok(Known::Yes)
        })?;
        self.specification = present.then_some(specification);
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let table_name = self.table.check(api, "UpdateTimeToLive")?;
        let mut constraints = Constraints::default();
        constraints.required("timeToLiveSpecification", &self.specification);
        if let Some(SpecificationInput { enabled, attribute }) = &self.specification {
            constraints.required("timeToLiveSpecification.enabled", enabled);
            let path = "timeToLiveSpecification.attributeName";
            constraints.required(path, attribute);
            constraints.text_length(path, attribute.as_deref(), ATTRIBUTE_LENGTH);
        }
        constraints.finish()?;

        let SpecificationInput { enabled, attribute } = self.specification.unwrap_or_default();
        let (is_enabled, attribute) = (enabled.unwrap_or_default(), attribute.unwrap_or_default());
        let change = if is_enabled { TimeToLiveChange::Enable } else { TimeToLiveChange::Disable };
        let update = UpdateTimeToLive { table_name, attribute: attribute.clone(), change };
        let updated = api.engine.update_time_to_live(update).await;
        updated.map_err(|error| ApiError::from_engine(error, Plane::Control))?;
        Ok(object_reply(|members| {
            let mut specification = members.value_of("TimeToLiveSpecification").object();
            specification.value_of("Enabled").display(is_enabled);
            specification.string("AttributeName", &attribute);
        }))
    }
}

impl Operation for DescribeTimeToLiveInput {
    const SHAPE: &'static str = "DescribeTimeToLiveInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let table_name = self.0.check(api, "DescribeTimeToLive")?;
        let setting = api.engine.describe_time_to_live(&table_name).await;
        let setting = setting.map_err(|error| ApiError::from_engine(error, Plane::Control))?;
        Ok(object_reply(|members| {
            let mut description = members.value_of("TimeToLiveDescription").object();
            let status = setting.as_ref().map(|setting| setting.status);
            description.string("TimeToLiveStatus", status_name(status));
            if let Some(setting) = &setting {
                description.string("AttributeName", &setting.attribute);
            }
        }))
    }
}

fn status_name(status: Option<TimeToLiveStatus>) -> &'static str {
    match status {
        None => "DISABLED",
        Some(TimeToLiveStatus::Enabling) => "ENABLING",
        Some(TimeToLiveStatus::Enabled) => "ENABLED",
        Some(TimeToLiveStatus::Disabling) => "DISABLING",
    }
}
