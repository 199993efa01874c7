//! Which operation a request wants, by its `X-Amz-Target`: the one table of operations and their inputs.

use basalt_format::native::codes;

use super::json::{BodyError, Syntax};
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

            /// The operation of a request whose body is a document; None if there is no such number.
            pub(crate) fn of_document(number: u16) -> Option<Target> {
                match codes::operation_name(number)? {
                    $($(stringify!($operation) => Some(Target::$operation),)*)*
                    _ => None,
                }
            }

            /// Whether `body` can be read as the operation's input.
            pub(super) fn check_body(
                self,
                syntax: Syntax,
                body: &[u8],
                memory: &mut MemoryPermit,
            ) -> Result<(), BodyError> {
                match self {
                    $($(Target::$operation => read_input::<$input>(syntax, body, memory).map(drop),)*)*
                }
            }
        }

        impl Api {
            /// Runs an operation on the call's body. Boxed, or every request would carry room for the largest one.
            pub(super) async fn run_target(&self, target: Target, call: Call<'_>) -> Result<Vec<u8>, ApiError> {
                match target {
                    $($(Target::$operation => Box::pin(self.run::<$input>(call)).await,)*)*
                }
            }
        }
    };
}

operations! {
    "DynamoDB_20120810" {
        BatchExecuteStatement: BatchExecuteStatementInput,
        BatchGetItem: BatchGetItemInput,
        BatchWriteItem: BatchWriteItemInput,
        CancelBulkOperation: CancelBulkOperationInput,
        CreateTable: CreateTableInput,
        DeleteBackup: DeleteBackupInput,
        DeleteItem: DeleteItemInput,
        DeleteResourcePolicy: DeleteResourcePolicyInput,
        DeleteTable: DeleteTableInput,
        DescribeBackup: DescribeBackupInput,
        DescribeBulkOperation: DescribeBulkOperationInput,
        DescribeContinuousBackups: DescribeContinuousBackupsInput,
        DescribeContributorInsights: DescribeContributorInsightsInput,
        DescribeEndpoints: DescribeEndpointsInput,
        DescribeExport: DescribeExportInput,
        DescribeGlobalTable: DescribeGlobalTableInput,
        DescribeGlobalTableSettings: DescribeGlobalTableSettingsInput,
        DescribeImport: DescribeImportInput,
        DescribeKinesisStreamingDestination: DescribeKinesisStreamingDestinationInput,
        DescribeLimits: DescribeLimitsInput,
        DescribeTable: DescribeTableInput,
        DescribeTableReplicaAutoScaling: DescribeTableReplicaAutoScalingInput,
        DescribeTimeToLive: DescribeTimeToLiveInput,
        DisableKinesisStreamingDestination: DisableKinesisStreamingDestinationInput,
        ExecuteStatement: ExecuteStatementInput,
        ExecuteTransaction: ExecuteTransactionInput,
        ExportTableToPointInTime: ExportTableToPointInTimeInput,
        GetItem: GetItemInput,
        GetResourcePolicy: GetResourcePolicyInput,
        ListBackups: ListBackupsInput,
        ListBulkOperations: ListBulkOperationsInput,
        ListContributorInsights: ListContributorInsightsInput,
        ListExports: ListExportsInput,
        ListGlobalTables: ListGlobalTablesInput,
        ListImports: ListImportsInput,
        ListTables: ListTablesInput,
        ListTagsOfResource: ListTagsOfResourceInput,
        PutItem: PutItemInput,
        Query: QueryInput,
        RestoreTableFromBackup: RestoreTableFromBackupInput,
        RestoreTableToPointInTime: RestoreTableToPointInTimeInput,
        Scan: ScanInput,
        SearchVectors: SearchVectorsInput,
        TagResource: TagResourceInput,
        TransactGetItems: TransactGetItemsInput,
        TransactWriteItems: TransactWriteItemsInput,
        UntagResource: UntagResourceInput,
        UpdateContinuousBackups: UpdateContinuousBackupsInput,
        UpdateContributorInsights: UpdateContributorInsightsInput,
        UpdateGlobalTable: UpdateGlobalTableInput,
        UpdateGlobalTableSettings: UpdateGlobalTableSettingsInput,
        UpdateItem: UpdateItemInput,
        UpdateKinesisStreamingDestination: UpdateKinesisStreamingDestinationInput,
        UpdateTable: UpdateTableInput,
        UpdateTimeToLive: UpdateTimeToLiveInput,
    }
    "DynamoDBStreams_20120810" {
        DescribeStream: DescribeStreamInput,
        GetRecords: GetRecordsInput,
        GetShardIterator: GetShardIteratorInput,
        ListStreams: ListStreamsInput,
    }
}

/// Operations of DynamoDB that would start work which Basalt does not do.
const NOT_DONE: [&str; 7] = [
    "CreateBackup",
    "CreateGlobalTable",
    "EnableKinesisStreamingDestination",
    "ImportTable",
    "PutResourcePolicy",
    "StartBulkPutItems",
    "UpdateTableReplicaAutoScaling",
];

/// The operation that a header names, if it is one of DynamoDB's that Basalt does not do.
pub(super) fn not_done(header: &str) -> Option<&'static str> {
    let operation = header.strip_prefix("DynamoDB_20120810.")?;
    NOT_DONE.into_iter().find(|known| *known == operation)
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

    #[test]
    fn every_operation_that_has_documents_is_there() {
        for operation in codes::OPERATIONS {
            let target = Target::of_document(operation.value as u16);
            assert_eq!(target.map(|target| format!("{target:?}")).as_deref(), Some(operation.name));
        }
        assert_eq!(Target::of_document(0), None);
    }

    #[test]
    fn what_is_not_done_is_not_routed() {
        for operation in NOT_DONE {
            let header = format!("DynamoDB_20120810.{operation}");
            assert_eq!(Target::from_header(&header), None, "{operation}");
            assert_eq!(not_done(&header), Some(operation));
        }
        assert_eq!(not_done("DynamoDB_20120810.PutItem"), None);
    }
}
