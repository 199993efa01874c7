//! What CreateTable and UpdateTable say of a table's stream, and what is told of it.

use basalt_engine::{StreamChange, StreamViewType, TableDescription};

use crate::dynamodb::constraint::{Constraints, Enumeration};
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::json::writer::Members;
use crate::dynamodb::json::{BodyError, Known, Place, Reader};
use crate::dynamodb::messages;

const VIEW_TYPES: Enumeration<StreamViewType> = Enumeration(&[
    ("OLD_IMAGE", StreamViewType::OldImage),
    ("KEYS_ONLY", StreamViewType::KeysOnly),
    ("NEW_AND_OLD_IMAGES", StreamViewType::NewAndOldImages),
    ("NEW_IMAGE", StreamViewType::NewImage),
]);

/// The member as it stands in the request.
#[derive(Debug, Default)]
pub(super) struct StreamSpecificationInput {
    enabled: Option<bool>,
    view_type: Option<String>,
}

/// The member, understood.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamSpecification {
    is_enabled: bool,
    view_type: Option<StreamViewType>,
}

impl StreamSpecificationInput {
    /// Reads the member; `None` if it is absent.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, BodyError> {
        let mut input = Self::default();
        let present = reader.structure(Place::Member, "StreamSpecification", |reader, name| {
            match name {
                "StreamEnabled" => input.enabled = reader.boolean()?,
                "StreamViewType" => input.view_type = reader.owned_text()?,
                _ => return Ok(Known::No),
            }
            Ok(Known::Yes)
        })?;
        Ok(present.then_some(input))
    }

    /// Understands the member; violations go to `constraints`.
    pub(super) fn check(&self, constraints: &mut Constraints) -> Option<StreamSpecification> {
        constraints.required("streamSpecification.streamEnabled", &self.enabled);
        let path = "streamSpecification.streamViewType";
        let view_type = constraints.enumeration(path, self.view_type.as_deref(), &VIEW_TYPES);
        Some(StreamSpecification { is_enabled: self.enabled?, view_type })
    }
}

impl StreamSpecification {
    /// The stream that a new table is to have.
    pub(super) fn of_creation(self) -> Result<Option<StreamViewType>, ApiError> {
        match (self.is_enabled, self.view_type) {
            (true, None) => Err(ApiError::validation(messages::CREATED_STREAM_WITHOUT_VIEW)),
            (false, Some(_)) => Err(ApiError::validation(messages::NO_CREATED_STREAM_WITH_VIEW)),
            (_, view_type) => Ok(view_type),
        }
    }

    /// What is to become of a table's stream.
    pub(super) fn of_update(self) -> Result<StreamChange, ApiError> {
        match (self.is_enabled, self.view_type) {
            (true, Some(view_type)) => Ok(StreamChange::Enable(view_type)),
            (false, None) => Ok(StreamChange::Disable),
            (true, None) => Err(ApiError::validation(messages::ENABLED_STREAM_WITHOUT_VIEW)),
            (false, Some(_)) => Err(ApiError::validation(messages::DISABLED_STREAM_WITH_VIEW)),
        }
    }
}

/// A table's stream, as its description tells it: the one that takes records, and the name of the newest.
pub(super) fn write_stream(members: &mut Members<'_>, table: &TableDescription) {
    let Some(latest) = table.streams.last() else { return };
    if latest.is_enabled() {
        let mut specification = members.value_of("StreamSpecification").object();
        specification.value_of("StreamEnabled").display(true);
        specification.string("StreamViewType", view_type_name(latest.view_type));
    }
    let label = latest.label();
    members.string("LatestStreamLabel", &label.to_string());
    members.string("LatestStreamArn", &format!("{}/stream/{label}", table.table_arn));
}

/// The name of what a stream's records hold.
pub(super) fn view_type_name(view_type: StreamViewType) -> &'static str {
    match view_type {
        StreamViewType::KeysOnly => "KEYS_ONLY",
        StreamViewType::NewImage => "NEW_IMAGE",
        StreamViewType::OldImage => "OLD_IMAGE",
        StreamViewType::NewAndOldImages => "NEW_AND_OLD_IMAGES",
    }
}
