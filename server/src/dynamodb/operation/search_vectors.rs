//! SearchVectors: a search in a vector index, of which no table has any.

use super::one_table::existing_table;
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::{ApiError, Plane};
use crate::dynamodb::json::{BodyError, IntegerType, Known, Place, Reader};
use crate::dynamodb::reply::ReturnConsumedCapacity;
use crate::dynamodb::{Api, Operation, messages};

const VECTOR_LENGTH: std::ops::RangeInclusive<usize> = 1..=4096;

/// The members of a SearchVectors request that can be wrong before it is known that there is nothing to search.
#[derive(Debug, Default)]
pub(crate) struct SearchVectorsInput {
    table_name: Option<String>,
    index_name: Option<String>,
    vector_length: Option<usize>,
    top_k: Option<i64>,
    return_consumed_capacity: Option<String>,
}

impl Operation for SearchVectorsInput {
    const SHAPE: &'static str = "SearchVectorsInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "TableName" => self.table_name = reader.owned_text()?,
            "IndexName" => self.index_name = reader.owned_text()?,
            "SearchVector" => {
                let mut length = 0;
                let present = reader.list(Place::Member, |reader| {
                    length += 1;
                    reader.skip_value()
                })?;
                self.vector_length = present.then_some(length);
            }
            "TopK" => self.top_k = reader.integer(IntegerType::Integer)?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = reader.owned_text()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.table("tableName", &self.table_name);
        constraints.required("indexName", &self.index_name);
        constraints.index_name("indexName", self.index_name.as_deref());
        ReturnConsumedCapacity::check(self.return_consumed_capacity.as_deref(), &mut constraints);
        constraints.required("searchVector", &self.vector_length);
        if let Some(length) = self.vector_length {
            constraints.length("searchVector", "[]", length, VECTOR_LENGTH);
        }
        constraints.required("topK", &self.top_k);
        constraints.number("topK", self.top_k, 1..=i64::MAX);
        constraints.finish()?;
        let table_name = api.names.resolve(self.table_name.unwrap_or_default(), "SearchVectors")?;
        existing_table(api, &table_name, Plane::Data).await?;
        Err(ApiError::validation(messages::no_such_index(&self.index_name.unwrap_or_default())))
    }
}
