//! Reading a body without running it, for those who try bodies in bulk.

use super::json::BodyError;
use super::operation::*;
use super::target::Target;
use super::{Operation, read_input};
use crate::limits::{MemoryPermit, RequestMemory};

/// Whether `body` can be read as the input of the operation that `target`, an `X-Amz-Target`, names, in at most
/// `memory_bytes`. What was read is thrown away: constraints between members, tables and items come later.
///
/// The reader is the one that every request goes through.
pub fn accepts_body(target: &str, body: &[u8], memory_bytes: usize) -> bool {
    let memory = &mut RequestMemory::new(memory_bytes).permit();
    Target::from_header(target).is_some_and(|target| read(target, body, memory).is_ok())
}

fn read(target: Target, body: &[u8], memory: &mut MemoryPermit) -> Result<(), BodyError> {
    match target {
        Target::BatchGetItem => discard::<BatchGetItemInput>(body, memory),
        Target::BatchWriteItem => discard::<BatchWriteItemInput>(body, memory),
        Target::CreateTable => discard::<CreateTableInput>(body, memory),
        Target::DeleteItem => discard::<DeleteItemInput>(body, memory),
        Target::DeleteTable => discard::<DeleteTableInput>(body, memory),
        Target::DescribeEndpoints => discard::<DescribeEndpointsInput>(body, memory),
        Target::DescribeLimits => discard::<DescribeLimitsInput>(body, memory),
        Target::DescribeTable => discard::<DescribeTableInput>(body, memory),
        Target::GetItem => discard::<GetItemInput>(body, memory),
        Target::ListTables => discard::<ListTablesInput>(body, memory),
        Target::PutItem => discard::<PutItemInput>(body, memory),
        Target::Query => discard::<QueryInput>(body, memory),
        Target::Scan => discard::<ScanInput>(body, memory),
        Target::UpdateItem => discard::<UpdateItemInput>(body, memory),
        Target::UpdateTable => discard::<UpdateTableInput>(body, memory),
    }
}

fn discard<T: Operation>(body: &[u8], memory: &mut MemoryPermit) -> Result<(), BodyError> {
    read_input::<T>(body, memory).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_accepted_if_its_operation_can_read_it() {
        let accepts = |operation: &str, body: &str| {
            accepts_body(&format!("DynamoDB_20120810.{operation}"), body.as_bytes(), 1 << 20)
        };
        assert!(accepts("GetItem", r#"{"TableName":"t","Key":{"pk":{"S":"a"}}}"#));
        assert!(!accepts("GetItem", r#"{"TableName":5}"#));
        assert!(!accepts("GetItem", r#"{"TableName":"t"} x"#));
        assert!(!accepts("NoSuchOperation", "{}"));
    }
}
