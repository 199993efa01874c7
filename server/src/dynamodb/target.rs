//! Which operation a request wants, by its `X-Amz-Target`: the one table of operations and their inputs.

use super::json::BodyError;
use super::operation::*;
use super::{Api, ApiError, Call, read_input};
use crate::limits::MemoryPermit;

/// Makes [`Target`] and what depends on it from one line an operation: its name and its input.
macro_rules! operations {
    ($($service:literal { $($operation:ident: $input:ty,)* })*) => {
        /// The operations that Basalt has.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Target {
            $($($operation,)*)*
        }

        impl Target {
            /// The operation of a header such as `DynamoDB_20120810.PutItem`; None if there is no such operation.
            pub(crate) fn from_header(header: &str) -> Option<Target> {
                match header.split_once('.')? {
                    $($(($service, stringify!($operation)) => Some(Target::$operation),)*)*
                    _ => None,
                }
            }

            /// Whether `body` can be read as the operation's input.
            pub(super) fn check_body(self, body: &[u8], memory: &mut MemoryPermit) -> Result<(), BodyError> {
                match self {
                    $($(Target::$operation => read_input::<$input>(body, memory).map(drop),)*)*
                }
            }
        }

        impl Api {
            /// Runs an operation on the call's body.
            pub(super) async fn run_target(&self, target: Target, call: Call<'_>) -> Result<Vec<u8>, ApiError> {
                match target {
                    $($(Target::$operation => self.run::<$input>(call).await,)*)*
                }
            }
        }
    };
}

operations! {
    "DynamoDB_20120810" {
        BatchGetItem: BatchGetItemInput,
        BatchWriteItem: BatchWriteItemInput,
        CreateTable: CreateTableInput,
        DeleteItem: DeleteItemInput,
        DeleteTable: DeleteTableInput,
        DescribeEndpoints: DescribeEndpointsInput,
        DescribeLimits: DescribeLimitsInput,
        DescribeTable: DescribeTableInput,
        GetItem: GetItemInput,
        ListTables: ListTablesInput,
        PutItem: PutItemInput,
        Query: QueryInput,
        Scan: ScanInput,
        UpdateItem: UpdateItemInput,
        UpdateTable: UpdateTableInput,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_of_this_service_are_operations() {
        assert_eq!(Target::from_header("DynamoDB_20120810.PutItem"), Some(Target::PutItem));
        for header in [
            "",
            "whatever",
            "DynamoDB_20120810.ListTable",
            "DynamoDB_20111205.PutItem",
            "DynamoDB_20120810.PutItem.x",
        ] {
            assert_eq!(Target::from_header(header), None, "{header:?}");
        }
    }
}
