//! Scan: every item of a table or of one of its segments.

use basalt_engine::model::expression::ExpressionKind;
use basalt_engine::{Scan, ScanSegment, ValidationError};

use super::page_request::{PageRequest, PageRequestShape, Reading};
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::expressions::ParameterNames;
use crate::dynamodb::json::{BodyError, IntegerType, Known, Reader};
use crate::dynamodb::{Api, Operation, messages};

const REQUEST: PageRequestShape = PageRequestShape {
    reading: Reading::Scan,
    parameters: ParameterNames {
        expressions: &[ExpressionKind::Projection, ExpressionKind::Filter],
        legacy: &["AttributesToGet", "ScanFilter", "ConditionalOperator"],
    },
};
const TOTAL_SEGMENTS_MAX: i64 = 1_000_000;

/// The members of a Scan request.
#[derive(Debug, Default)]
pub(crate) struct ScanInput {
    request: PageRequest,
    segment: Option<i64>,
    total_segments: Option<i64>,
}

impl Operation for ScanInput {
    const SHAPE: &'static str = "ScanInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "Segment" => self.segment = reader.integer(IntegerType::Integer)?,
            "TotalSegments" => self.total_segments = reader.integer(IntegerType::Integer)?,
            _ => return self.request.read_member(reader, name, &REQUEST),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.number("totalSegments", self.total_segments, 1..=TOTAL_SEGMENTS_MAX);
        constraints.number("segment", self.segment, 0..=TOTAL_SEGMENTS_MAX - 1);
        let request = self.request.check(constraints, &REQUEST)?;
        let segment = segment(count(self.segment), count(self.total_segments))?;
        let request = request.resolve(api)?;

        let scan = Scan {
            table_name: request.table_name,
            index_name: request.index_name,
            filter: request.expressions.filter,
            projection: request.expressions.projection,
            select: request.select,
            limit: request.limit,
            segment,
            consistency: request.consistency,
            exclusive_start_key: request.exclusive_start_key,
        };
        let page = api.local.scan(scan).await.map_err(ApiError::from_item_operation)?;
        request.reply.write(api, &page)
    }
}

/// The part of the table to scan; both members or none.
fn segment(segment: Option<u32>, total_segments: Option<u32>) -> Result<ScanSegment, ApiError> {
    let (segment, total_segments) = match (segment, total_segments) {
        (None, None) => return Ok(ScanSegment::WHOLE),
        (Some(_), None) => return Err(ApiError::validation(messages::TOTAL_SEGMENTS_MISSING)),
        (None, Some(_)) => return Err(ApiError::validation(messages::SEGMENT_MISSING)),
        (Some(segment), Some(total_segments)) => (segment, total_segments),
    };
    if segment < total_segments {
        Ok(ScanSegment { segment, total_segments })
    } else {
        Err(ValidationError::SegmentNotBelowTotal { segment, total_segments }.into())
    }
}

/// A count that constraints hold far below what 32 bits can tell.
fn count(member: Option<i64>) -> Option<u32> {
    member.and_then(|count| u32::try_from(count).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_come_in_pairs_and_in_range() {
        assert_eq!(segment(None, None).unwrap(), ScanSegment::WHOLE);
        assert_eq!(segment(Some(3), Some(4)).unwrap(), ScanSegment { segment: 3, total_segments: 4 });
        let told = |one, other| segment(one, other).unwrap_err().message().to_owned();
        assert!(told(Some(0), None).starts_with("The TotalSegments parameter is required"));
        assert!(told(None, Some(4)).starts_with("The Segment parameter is required"));
        assert_eq!(
            told(Some(5), Some(5)),
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 5 is not \
             less than TotalSegments: 5"
        );
    }
}
