//! The numbers that stand for members' names in documents.

use crate::layout::Constant;

/// The least number of a member: smaller ones have other meanings in an object.
pub const MEMBER_MIN: u64 = 2;

macro_rules! members {
    ($($number:literal $name:literal,)*) => {
        /// The members as the specification lists them.
        pub const MEMBERS: &[Constant] = &[$(Constant::new($name, $number),)*];

        /// The number of a name.
        pub fn number_of(name: &str) -> Option<u8> {
            match name {
                $($name => Some($number),)*
                _ => None,
            }
        }

        /// The name of a number.
        pub fn name_of(number: u64) -> Option<&'static str> {
            match number {
                $($number => Some($name),)*
                _ => None,
            }
        }
    };
}

members! {
    2 "TableName",
    3 "Key",
    4 "Item",
    5 "ExpressionAttributeValues",
    6 "ExpressionAttributeNames",
    7 "ConditionExpression",
    8 "UpdateExpression",
    9 "ProjectionExpression",
    10 "KeyConditionExpression",
    11 "FilterExpression",
    12 "ConsistentRead",
    13 "ReturnConsumedCapacity",
    14 "ReturnItemCollectionMetrics",
    15 "ReturnValues",
    16 "ReturnValuesOnConditionCheckFailure",
    17 "IndexName",
    18 "Limit",
    19 "Select",
    20 "ScanIndexForward",
    21 "ExclusiveStartKey",
    22 "Segment",
    23 "TotalSegments",
    24 "RequestItems",
    25 "Keys",
    26 "PutRequest",
    27 "DeleteRequest",
    28 "TransactItems",
    29 "Get",
    30 "Put",
    31 "Update",
    32 "Delete",
    33 "ConditionCheck",
    34 "ClientRequestToken",
    35 "Statement",
    36 "Statements",
    37 "TransactStatements",
    38 "Parameters",
    39 "NextToken",
    40 "Attributes",
    41 "Items",
    42 "Count",
    43 "ScannedCount",
    44 "LastEvaluatedKey",
    45 "ConsumedCapacity",
    46 "CapacityUnits",
    47 "ReadCapacityUnits",
    48 "WriteCapacityUnits",
    49 "Table",
    50 "LocalSecondaryIndexes",
    51 "GlobalSecondaryIndexes",
    52 "ItemCollectionMetrics",
    53 "ItemCollectionKey",
    54 "SizeEstimateRangeGB",
    55 "Responses",
    56 "UnprocessedKeys",
    57 "UnprocessedItems",
    58 "Error",
    59 "Code",
    60 "Message",
    61 "message",
    62 "CancellationReasons",
    63 "ThrottlingReasons",
    64 "throttlingReasons",
    65 "reason",
    66 "resource",
    67 "AttributesToGet",
    68 "Expected",
    69 "AttributeUpdates",
    70 "QueryFilter",
    71 "ScanFilter",
    72 "KeyConditions",
    73 "ConditionalOperator",
    74 "AttributeValueList",
    75 "ComparisonOperator",
    76 "Value",
    77 "Exists",
    78 "Action",
    79 "StreamArn",
    80 "ShardId",
    81 "ShardIteratorType",
    82 "SequenceNumber",
    83 "Timestamp",
    84 "ShardIterator",
    85 "NextShardIterator",
    86 "Records",
    87 "eventID",
    88 "eventName",
    89 "eventVersion",
    90 "eventSource",
    91 "awsRegion",
    92 "dynamodb",
    93 "userIdentity",
    94 "type",
    95 "principalId",
    96 "ApproximateCreationDateTime",
    97 "NewImage",
    98 "OldImage",
    99 "SizeBytes",
    100 "StreamViewType",
    101 "Streams",
    102 "StreamLabel",
    103 "LastEvaluatedStreamArn",
    104 "ExclusiveStartStreamArn",
    105 "ExclusiveStartShardId",
    106 "LastEvaluatedShardId",
    107 "StreamDescription",
    108 "StreamStatus",
    109 "CreationRequestDateTime",
    110 "KeySchema",
    111 "AttributeName",
    112 "KeyType",
    113 "Shards",
    114 "ParentShardId",
    115 "SequenceNumberRange",
    116 "StartingSequenceNumber",
    117 "EndingSequenceNumber",
    118 "ShardFilter",
    119 "Type",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_and_names_stand_for_each_other() {
        let names: BTreeSet<&str> = MEMBERS.iter().map(|member| member.name).collect();
        assert_eq!(names.len(), MEMBERS.len(), "a name has two numbers");
        for member in MEMBERS {
            assert!(member.value >= MEMBER_MIN);
            assert_eq!(number_of(member.name).map(u64::from), Some(member.value));
            assert_eq!(name_of(member.value), Some(member.name));
        }
        assert_eq!(number_of("no such member"), None);
        assert_eq!([name_of(0), name_of(1)], [None, None]);
    }
}
