//! Numbers of operations, exceptions and faults.

use crate::layout::Constant;

macro_rules! codes {
    ($(#[$documentation:meta])* $list:ident, $name_of:ident, $number_of:ident, $($number:literal $name:literal,)*) => {
        $(#[$documentation])*
        pub const $list: &[Constant] = &[$(Constant::new($name, $number),)*];

        /// The name of a number of the list.
        pub fn $name_of(number: u16) -> Option<&'static str> {
            match number {
                $($number => Some($name),)*
                _ => None,
            }
        }

        /// The number of a name of the list.
        pub fn $number_of(name: &str) -> Option<u16> {
            match name {
                $($name => Some($number),)*
                _ => None,
            }
        }
    };
}

codes! {
    /// The operations whose requests may be documents.
    OPERATIONS, operation_name, operation_number,
    1 "GetItem",
    2 "PutItem",
    3 "UpdateItem",
    4 "DeleteItem",
    5 "Query",
    6 "Scan",
    7 "BatchGetItem",
    8 "BatchWriteItem",
    9 "TransactGetItems",
    10 "TransactWriteItems",
    11 "ExecuteStatement",
    12 "BatchExecuteStatement",
    13 "ExecuteTransaction",
    14 "ListStreams",
    15 "DescribeStream",
    16 "GetShardIterator",
    17 "GetRecords",
}

codes! {
    /// DynamoDB's exceptions.
    EXCEPTIONS, exception_name, exception_number,
    1 "AccessDeniedException",
    2 "BackupNotFoundException",
    3 "ConditionalCheckFailedException",
    4 "DuplicateItemException",
    5 "ExpiredIteratorException",
    6 "ExportNotFoundException",
    7 "GlobalTableNotFoundException",
    8 "IdempotentParameterMismatchException",
    9 "ImportNotFoundException",
    10 "ItemCollectionSizeLimitExceededException",
    11 "IncompleteSignatureException",
    12 "InternalServerError",
    13 "InvalidSignatureException",
    14 "LimitExceededException",
    15 "MissingAuthenticationTokenException",
    16 "PointInTimeRecoveryUnavailableException",
    17 "PolicyNotFoundException",
    18 "ProvisionedThroughputExceededException",
    19 "ResourceInUseException",
    20 "ResourceNotFoundException",
    21 "SerializationException",
    22 "ServiceUnavailable",
    23 "TableNotFoundException",
    24 "ThrottlingException",
    25 "TrimmedDataAccessException",
    26 "TransactionCanceledException",
    27 "TransactionConflictException",
    28 "TransactionInProgressException",
    29 "UnknownOperationException",
    30 "ValidationException",
}

codes! {
    /// Why a server closes a connection.
    FAULTS, fault_name, fault_number,
    1 "BadFrame",
    2 "UnsupportedVersion",
    3 "AuthenticationFailed",
    4 "UnexpectedFrame",
    5 "TooSlow",
    6 "Idle",
    7 "Stopping",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_stand_for_each_other() {
        type Named = fn(u16) -> Option<&'static str>;
        type Numbered = fn(&str) -> Option<u16>;
        let lists: [(&[Constant], Named, Numbered); 3] = [
            (OPERATIONS, operation_name, operation_number),
            (EXCEPTIONS, exception_name, exception_number),
            (FAULTS, fault_name, fault_number),
        ];
        for (list, name_of, number_of) in lists {
            for (code, number) in list.iter().zip(1u16..) {
                assert_eq!(code.value, u64::from(number), "numbers follow each other");
                assert_eq!(name_of(number), Some(code.name));
                assert_eq!(number_of(code.name), Some(number));
            }
            assert_eq!((name_of(0), number_of("")), (None, None));
        }
    }
}
