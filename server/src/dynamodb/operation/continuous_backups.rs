//! DescribeContinuousBackups and UpdateContinuousBackups: point-in-time recovery, which is off and stays off.

use super::one_table::{TableNameInput, existing_table};
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::{ApiError, Plane};
use crate::dynamodb::json::{BodyError, IntegerType, Known, Place, Reader};
use crate::dynamodb::reply::object_reply;
use crate::dynamodb::{Api, Operation};

const RECOVERY_DAYS_MAX: i64 = 35;

/// The members of a DescribeContinuousBackups request.
#[derive(Debug, Default)]
pub(crate) struct DescribeContinuousBackupsInput(TableNameInput);

impl Operation for DescribeContinuousBackupsInput {
    const SHAPE: &'static str = "DescribeContinuousBackupsInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        self.0.existing(api, "DescribeContinuousBackups", Plane::Backup).await?;
        Ok(description())
    }
}

/// The members of an UpdateContinuousBackups request.
#[derive(Debug, Default)]
pub(crate) struct UpdateContinuousBackupsInput {
    table: TableNameInput,
    recovery: Option<RecoverySpecification>,
}

#[derive(Debug, Default)]
struct RecoverySpecification {
    enabled: Option<bool>,
    period_days: Option<i64>,
}

impl Operation for UpdateContinuousBackupsInput {
    const SHAPE: &'static str = "UpdateContinuousBackupsInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        if name != "PointInTimeRecoverySpecification" {
            return self.table.read_member(reader, name);
        }
        let mut recovery = RecoverySpecification::default();
        let present =
            reader.structure(Place::Member, "PointInTimeRecoverySpecification", |reader, name| {
                match name {
                    "PointInTimeRecoveryEnabled" => recovery.enabled = reader.boolean()?,
                    "RecoveryPeriodInDays" => recovery.period_days = reader.integer(IntegerType::Integer)?,
                    _ => return Ok(Known::No),
                }
                Ok(Known::Yes)
            })?;
        self.recovery = present.then_some(recovery);
        Ok(Known::Yes)
    }

    /// Off, it is set to off; on would be a promise to keep the past.
    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let table_name = self.table.check(api, "UpdateContinuousBackups")?;
        let mut constraints = Constraints::default();
        constraints.required("pointInTimeRecoverySpecification", &self.recovery);
        let recovery =
            self.recovery.unwrap_or(RecoverySpecification { enabled: Some(false), period_days: None });
        let member = |name: &str| format!("pointInTimeRecoverySpecification.{name}");
        constraints.required(&member("pointInTimeRecoveryEnabled"), &recovery.enabled);
        constraints.number(&member("recoveryPeriodInDays"), recovery.period_days, 1..=RECOVERY_DAYS_MAX);
        constraints.finish()?;
        existing_table(api, &table_name, Plane::Backup).await?;
        if recovery.enabled == Some(true) {
            return Err(ApiError::unsupported("UpdateContinuousBackups with PointInTimeRecoveryEnabled"));
        }
        Ok(description())
    }
}

/// As DynamoDB describes a table whose point-in-time recovery was never enabled.
fn description() -> Vec<u8> {
    object_reply(|members| {
        let mut description = members.value_of("ContinuousBackupsDescription").object();
        description.string("ContinuousBackupsStatus", "ENABLED");
        let mut recovery = description.value_of("PointInTimeRecoveryDescription").object();
        recovery.string("PointInTimeRecoveryStatus", "DISABLED");
    })
}
