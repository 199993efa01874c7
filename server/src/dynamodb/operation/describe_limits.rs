//! DescribeLimits: the capacity that an account and a table may have. Basalt holds nobody to them; tools that ask want
//! to see AWS's default quotas.

use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::json::{BodyError, Known, Reader, Writer};
use crate::dynamodb::{Api, Operation};

const ACCOUNT_UNITS_MAX: u32 = 80_000;
const TABLE_UNITS_MAX: u32 = 40_000;

/// A DescribeLimits request, which has no members.
#[derive(Debug, Default)]
pub(crate) struct DescribeLimitsInput;

impl Operation for DescribeLimitsInput {
    const SHAPE: &'static str = "DescribeLimitsInput";

    fn read_member(&mut self, _reader: &mut Reader<'_>, _name: &str) -> Result<Known, BodyError> {
        Ok(Known::No)
    }

    async fn run(self, _api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut writer = Writer::default();
        let mut members = writer.object();
        members.value_of("AccountMaxReadCapacityUnits").display(ACCOUNT_UNITS_MAX);
        members.value_of("AccountMaxWriteCapacityUnits").display(ACCOUNT_UNITS_MAX);
        members.value_of("TableMaxReadCapacityUnits").display(TABLE_UNITS_MAX);
        members.value_of("TableMaxWriteCapacityUnits").display(TABLE_UNITS_MAX);
        drop(members);
        Ok(writer.into_bytes())
    }
}
