//! On-demand backups, which Basalt does not make: there are none, and whoever names one names one that is not there.

use super::one_table::existing_table;
use crate::dynamodb::constraint::{Constraints, Enumeration, NAME_LENGTH, RESOURCE_NAME_LENGTH};
use crate::dynamodb::error_map::{ApiError, Exception, Plane};
use crate::dynamodb::json::{BodyError, IntegerType, Known, Reader};
use crate::dynamodb::reply::object_reply;
use crate::dynamodb::{Api, Operation, messages};

const LIMIT_MAX: i64 = 100;
const BACKUP_TYPES: Enumeration<()> =
    Enumeration(&[("USER", ()), ("SYSTEM", ()), ("AWS_BACKUP", ()), ("ALL", ())]);

/// The name of a backup, the only member of DescribeBackup and DeleteBackup.
#[derive(Debug, Default)]
struct BackupInput {
    backup_arn: Option<String>,
}

impl BackupInput {
    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        if name != "BackupArn" {
            return Ok(Known::No);
        }
        self.backup_arn = reader.owned_text()?;
        Ok(Known::Yes)
    }

    fn not_found(self) -> ApiError {
        let mut constraints = Constraints::default();
        constraints.resource_name("backupArn", &self.backup_arn);
        constraints.finish().err().unwrap_or_else(|| backup_not_found(self.backup_arn))
    }
}

fn backup_not_found(backup_arn: Option<String>) -> ApiError {
    let message = messages::backup_not_found(&backup_arn.unwrap_or_default());
    ApiError::new(Exception::BackupNotFound, message)
}

/// The members of a DescribeBackup request.
#[derive(Debug, Default)]
pub(crate) struct DescribeBackupInput(BackupInput);

impl Operation for DescribeBackupInput {
    const SHAPE: &'static str = "DescribeBackupInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name)
    }

    async fn run(self, _api: &Api) -> Result<Vec<u8>, ApiError> {
        Err(self.0.not_found())
    }
}

/// The members of a DeleteBackup request.
#[derive(Debug, Default)]
pub(crate) struct DeleteBackupInput(BackupInput);

impl Operation for DeleteBackupInput {
    const SHAPE: &'static str = "DeleteBackupInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name)
    }

    async fn run(self, _api: &Api) -> Result<Vec<u8>, ApiError> {
        Err(self.0.not_found())
    }
}

/// The members of a ListBackups request: filters on a list that is empty.
#[derive(Debug, Default)]
pub(crate) struct ListBackupsInput {
    table_name: Option<String>,
    limit: Option<i64>,
    exclusive_start_backup_arn: Option<String>,
    backup_type: Option<String>,
}

impl Operation for ListBackupsInput {
    const SHAPE: &'static str = "ListBackupsInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "TableName" => self.table_name = reader.owned_text()?,
            "Limit" => self.limit = reader.integer(IntegerType::Integer)?,
            "TimeRangeLowerBound" | "TimeRangeUpperBound" => drop(reader.integer(IntegerType::Long)?),
            "ExclusiveStartBackupArn" => self.exclusive_start_backup_arn = reader.owned_text()?,
            "BackupType" => self.backup_type = reader.owned_text()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.optional_table("tableName", &self.table_name);
        constraints.number("limit", self.limit, 1..=LIMIT_MAX);
        let start = self.exclusive_start_backup_arn.as_deref();
        constraints.text_length("exclusiveStartBackupArn", start, RESOURCE_NAME_LENGTH);
        constraints.enumeration("backupType", self.backup_type.as_deref(), &BACKUP_TYPES);
        constraints.finish()?;
        self.table_name.map(|name| api.names.resolve(name, "ListBackups")).transpose()?;
        Ok(object_reply(|members| drop(members.value_of("BackupSummaries").array())))
    }
}

/// The members of a RestoreTableFromBackup request. What overrides the backup is not looked at: there is no backup.
#[derive(Debug, Default)]
pub(crate) struct RestoreTableFromBackupInput {
    target_table_name: Option<String>,
    backup: BackupInput,
}

impl Operation for RestoreTableFromBackupInput {
    const SHAPE: &'static str = "RestoreTableFromBackupInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        if name != "TargetTableName" {
            return self.backup.read_member(reader, name);
        }
        self.target_table_name = reader.owned_text()?;
        Ok(Known::Yes)
    }

    async fn run(self, _api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.new_table("targetTableName", &self.target_table_name);
        constraints.resource_name("backupArn", &self.backup.backup_arn);
        constraints.finish()?;
        Err(backup_not_found(self.backup.backup_arn))
    }
}

/// The members of a RestoreTableToPointInTime request. What overrides the table's settings is not looked at: no
/// table has point-in-time recovery.
#[derive(Debug, Default)]
pub(crate) struct RestoreTableToPointInTimeInput {
    source_table_arn: Option<String>,
    source_table_name: Option<String>,
    target_table_name: Option<String>,
}

impl Operation for RestoreTableToPointInTimeInput {
    const SHAPE: &'static str = "RestoreTableToPointInTimeInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "SourceTableArn" => self.source_table_arn = reader.owned_text()?,
            "SourceTableName" => self.source_table_name = reader.owned_text()?,
            "TargetTableName" => self.target_table_name = reader.owned_text()?,
            "UseLatestRestorableTime" => drop(reader.boolean()?),
            "RestoreDateTime" => drop(reader.integer(IntegerType::Long)?),
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.optional_table("sourceTableArn", &self.source_table_arn);
        constraints.name_pattern("sourceTableName", self.source_table_name.as_deref());
        constraints.text_length("sourceTableName", self.source_table_name.as_deref(), NAME_LENGTH);
        constraints.new_table("targetTableName", &self.target_table_name);
        constraints.finish()?;
        let Some(source) = self.source_table_name.or(self.source_table_arn) else {
            return Err(ApiError::validation(messages::RESTORE_SOURCE_MISSING));
        };
        let source = api.names.resolve(source, "RestoreTableToPointInTime")?;
        Err(point_in_time_recovery_unavailable(api, &source).await)
    }
}

/// Why a table's past cannot be read: there is no such table, or nothing of its past is kept.
pub(super) async fn point_in_time_recovery_unavailable(api: &Api, table_name: &str) -> ApiError {
    match existing_table(api, table_name, Plane::Backup).await {
        Err(error) => error,
        Ok(_) => ApiError::new(
            Exception::PointInTimeRecoveryUnavailable,
            messages::point_in_time_recovery_disabled(table_name),
        ),
    }
}
