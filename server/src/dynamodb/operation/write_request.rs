//! What PutItem, UpdateItem and DeleteItem have in common beyond naming an item: what they may be asked to answer
//! with.

use basalt_engine::{ReturnOld, ReturnValues, WriteOutput};

use super::item_request::{CheckedItemRequest, ItemRequest, ItemRequestShape};
use crate::dynamodb::constraint::{Constraints, Enumeration};
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::json::{BodyError, Known, Reader};
use crate::dynamodb::reply::{ReturnConsumedCapacity, ReturnItemCollectionMetrics};
use crate::dynamodb::{Api, messages};

const RETURN_VALUES: Enumeration<ReturnValues> = Enumeration(&[
    ("ALL_NEW", ReturnValues::AllNew),
    ("UPDATED_OLD", ReturnValues::UpdatedOld),
    ("ALL_OLD", ReturnValues::AllOld),
    ("NONE", ReturnValues::None),
    ("UPDATED_NEW", ReturnValues::UpdatedNew),
]);
/// The names of ReturnValuesOnConditionCheckFailure.
pub(super) const RETURN_OLD: Enumeration<ReturnOld> =
    Enumeration(&[("ALL_OLD", ReturnOld::AllOld), ("NONE", ReturnOld::None)]);

/// A request to write an item, as it stands in the body.
#[derive(Debug, Default)]
pub(super) struct WriteRequest {
    request: ItemRequest,
    options: WriteOptionsInput,
}

#[derive(Debug, Default)]
struct WriteOptionsInput {
    return_values: Option<String>,
    return_values_on_failure: Option<String>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
}

/// What to answer with.
#[derive(Debug, Clone, Copy)]
pub(super) struct WriteOptions {
    pub(super) return_values: ReturnValues,
    pub(super) on_failure: ReturnOld,
    capacity: ReturnConsumedCapacity,
    metrics: ReturnItemCollectionMetrics,
}

impl WriteRequest {
    /// Reads the value of one of the members.
    pub(super) fn read_member(
        &mut self,
        reader: &mut Reader<'_>,
        name: &str,
        shape: &ItemRequestShape,
    ) -> Result<Known, BodyError> {
        match self.options.read_member(reader, name)? {
            Known::Yes => Ok(Known::Yes),
            Known::No => self.request.read_member(reader, name, shape),
        }
    }

    /// Checks the members and the values.
    pub(super) fn check(
        self,
        shape: &'static ItemRequestShape,
    ) -> Result<(CheckedItemRequest, WriteOptions), ApiError> {
        let mut constraints = Constraints::default();
        let options = self.options.check(&mut constraints);
        Ok((self.request.check(constraints, shape)?, options))
    }
}

impl WriteOptionsInput {
    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        let member = match name {
            "ReturnValues" => &mut self.return_values,
            "ReturnValuesOnConditionCheckFailure" => &mut self.return_values_on_failure,
            "ReturnConsumedCapacity" => &mut self.return_consumed_capacity,
            "ReturnItemCollectionMetrics" => &mut self.return_item_collection_metrics,
            _ => return Ok(Known::No),
        };
        *member = reader.owned_text()?;
        Ok(Known::Yes)
    }

    /// Understands the members; violations go to `constraints`.
    fn check(&self, constraints: &mut Constraints) -> WriteOptions {
        let capacity = ReturnConsumedCapacity::check(self.return_consumed_capacity.as_deref(), constraints);
        let return_values =
            constraints.enumeration("returnValues", self.return_values.as_deref(), &RETURN_VALUES);
        let on_failure = constraints.enumeration(
            "returnValuesOnConditionCheckFailure",
            self.return_values_on_failure.as_deref(),
            &RETURN_OLD,
        );
        let metrics =
            ReturnItemCollectionMetrics::check(self.return_item_collection_metrics.as_deref(), constraints);
        WriteOptions {
            return_values: return_values.unwrap_or_default(),
            on_failure: on_failure.unwrap_or_default(),
            capacity,
            metrics,
        }
    }
}

impl WriteOptions {
    /// Put and delete have only the old item to answer with.
    pub(super) fn return_old(self) -> Result<ReturnOld, ApiError> {
        match self.return_values {
            ReturnValues::None => Ok(ReturnOld::None),
            ReturnValues::AllOld => Ok(ReturnOld::AllOld),
            _ => Err(ApiError::validation(messages::RETURN_VALUES_NOT_OLD)),
        }
    }

    /// Writes the reply of a write.
    pub(super) fn write_reply(
        self,
        api: &Api,
        table_name: &str,
        output: &WriteOutput,
    ) -> Result<Vec<u8>, ApiError> {
        let mut writer = api.writer();
        let mut members = writer.object();
        members.item("Attributes", output.attributes.as_ref())?;
        members.consumed_capacity(self.capacity, table_name, &output.capacity);
        members.item_collection_metrics(self.metrics, output.item_collection.as_ref());
        drop(members);
        Ok(writer.into_bytes())
    }
}
