//! Scan: every item of a table or of one of its segments.

use basalt_engine::model::expression::ExpressionKind;
use basalt_engine::{Scan, ScanSegment};

use super::select::{Reading, SELECT, check_limit, consistency, limit, select, write_page};
use super::start_key::start_key;
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::{ApiError, Plane};
use crate::dynamodb::expressions::{ExpressionParameters, ParameterNames};
use crate::dynamodb::json::{AttributeMap, BodyError, IntegerType, Known, Place, Reader};
use crate::dynamodb::reply::RETURN_CONSUMED_CAPACITY;
use crate::dynamodb::{Api, Operation, messages};

const PARAMETERS: ParameterNames = ParameterNames {
    expressions: &[ExpressionKind::Projection, ExpressionKind::Filter],
    legacy: &["AttributesToGet", "ScanFilter", "ConditionalOperator"],
};
const TOTAL_SEGMENTS_MAX: i64 = 1_000_000;

/// The members of a Scan request.
#[derive(Debug, Default)]
pub(crate) struct ScanInput {
    table_name: Option<String>,
    index_name: Option<String>,
    select: Option<String>,
    limit: Option<i64>,
    segment: Option<i64>,
    total_segments: Option<i64>,
    consistent_read: Option<bool>,
    exclusive_start_key: Option<AttributeMap>,
    return_consumed_capacity: Option<String>,
    expressions: ExpressionParameters,
}

impl Operation for ScanInput {
    const SHAPE: &'static str = "ScanInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "TableName" => self.table_name = reader.owned_text()?,
            "IndexName" => self.index_name = reader.owned_text()?,
            "Select" => self.select = reader.owned_text()?,
            "Limit" => self.limit = reader.integer(IntegerType::Integer)?,
            "Segment" => self.segment = reader.integer(IntegerType::Integer)?,
            "TotalSegments" => self.total_segments = reader.integer(IntegerType::Integer)?,
            "ConsistentRead" => self.consistent_read = reader.boolean()?,
            "ExclusiveStartKey" => self.exclusive_start_key = reader.attribute_map(Place::Member)?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = reader.owned_text()?,
            _ => return self.expressions.read_member(reader, name, &PARAMETERS),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        let asked = constraints.enumeration("select", self.select.as_deref(), &SELECT);
        constraints.index_name("indexName", self.index_name.as_deref());
        constraints.number("totalSegments", self.total_segments, 1..=TOTAL_SEGMENTS_MAX);
        let capacity = self.return_consumed_capacity.as_deref();
        let capacity = constraints.enumeration("returnConsumedCapacity", capacity, &RETURN_CONSUMED_CAPACITY);
        constraints.table("tableName", &self.table_name);
        constraints.number("segment", self.segment, 0..=TOTAL_SEGMENTS_MAX - 1);
        check_limit(&mut constraints, Reading::Scan, self.limit);
        constraints.finish()?;

        self.expressions.check_use(&PARAMETERS)?;
        let exclusive_start_key = start_key(self.exclusive_start_key)?;
        let segment = segment(self.segment, self.total_segments)?;
        self.expressions.refuse_legacy()?;
        let has_projection = self.expressions.has(ExpressionKind::Projection);
        let expressions = self.expressions.parse()?;
        let select = select(asked, Reading::Scan, has_projection, self.index_name.is_some())?;
        let table_name = api.names.resolve(self.table_name.unwrap_or_default(), "Scan")?;

        let scan = Scan {
            table_name: table_name.clone(),
            index_name: self.index_name,
            filter: expressions.filter,
            projection: expressions.projection,
            select,
            limit: limit(self.limit),
            segment,
            consistency: consistency(self.consistent_read),
            exclusive_start_key,
        };
        let page = api.engine.scan(scan).await.map_err(|error| ApiError::from_engine(error, Plane::Data))?;
        write_page(&page, select, capacity.unwrap_or_default(), &table_name)
    }
}

/// The part of the table to scan; both members or none.
fn segment(segment: Option<i64>, total_segments: Option<i64>) -> Result<ScanSegment, ApiError> {
    let (segment, total_segments) = match (segment, total_segments) {
        (None, None) => return Ok(ScanSegment::WHOLE),
        (Some(_), None) => return Err(ApiError::validation(messages::TOTAL_SEGMENTS_MISSING)),
        (None, Some(_)) => return Err(ApiError::validation(messages::SEGMENT_MISSING)),
        (Some(segment), Some(total_segments)) => (segment, total_segments),
    };
    let out_of_range = || ApiError::validation(messages::segment_out_of_range(segment, total_segments));
    if segment >= total_segments {
        return Err(out_of_range());
    }
    match (u32::try_from(segment), u32::try_from(total_segments)) {
        (Ok(segment), Ok(total_segments)) => Ok(ScanSegment { segment, total_segments }),
        _ => Err(out_of_range()),
    }
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
