//! Requests that break one of DynamoDB's rules, with DynamoDB's texts: one table of them.
//!
//! Texts of expressions, values and keys are the model's; the ones here need a table to be known first
//! (SEMANTICS: validation steps 5 to 9). Checks run in DynamoDB's order, so the first fault found is the one told.

use basalt_model::{
    KeyError, ValueError,
    expression::{ExpressionError, UpdateError},
};

/// A request breaks a rule that the engine checks. `Display` is DynamoDB's text.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ValidationError {
    /// The table's name is too short, too long or holds other characters than `a-zA-Z0-9_.-`.
    #[error(
        "Invalid table/index name.  Table/index names must be between 3 and 255 characters long, \
         and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'"
    )]
    TableName,
    /// Key attributes of one name.
    #[error("Both the Hash Key and the Range Key element in the KeySchema have the same name")]
    KeyAttributesShareName,
    /// DeleteTable of a protected table.
    #[error(
        "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first."
    )]
    DeletionProtected,
    /// UpdateTable that changes nothing.
    #[error(
        "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or \
         SSESpecification or ReplicaUpdates is required"
    )]
    NothingToUpdate,
    /// Figures for a table that is paid for on demand.
    #[error(
        "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified \
         when BillingMode is PAY_PER_REQUEST"
    )]
    CapacityWithPayPerRequest,
    /// Figures for an index of a table that is paid for on demand.
    #[error(
        "One or more parameter values were invalid: ProvisionedThroughput should not be specified for index: \
         {index_name} when BillingMode is PAY_PER_REQUEST"
    )]
    IndexCapacityWithPayPerRequest {
        /// The index.
        index_name: String,
    },
    /// A provisioned table's indexes without figures.
    #[error(
        "One or more parameter values were invalid: ProvisionedThroughput must be specified for index: {index_names}"
    )]
    IndexCapacityMissing {
        /// The indexes.
        index_names: String,
    },
    /// More units for an index than any can have.
    #[error(
        "This operation cannot be performed with given input values. Please contact DynamoDB service team for more \
         info: Action Blocked: IndexUpdate"
    )]
    IndexUpdateBlocked,
    /// The figures that a table or index has already.
    #[error(
        "The provisioned throughput for {subject} will not change. The requested value equals the current value. \
         Current ReadCapacityUnits provisioned for {kind}: {reads}. Requested ReadCapacityUnits: {reads}. \
         Current WriteCapacityUnits provisioned for {kind}: {writes}. Requested WriteCapacityUnits: {writes}. \
         Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
    )]
    ThroughputUnchanged {
        /// The table or index.
        subject: String,
        /// Which of both it is.
        kind: &'static str,
        /// Read units a second.
        reads: u64,
        /// Write units a second.
        writes: u64,
    },
    /// A maximum of what is paid for on demand, of a provisioned table.
    #[error(
        "One or more parameter values were invalid: {member} for OnDemandThroughput cannot be specified when the table \
         BillingMode is PROVISIONED"
    )]
    OnDemandMaximumOfProvisioned {
        /// The member.
        member: &'static str,
    },
    /// A maximum of nothing.
    #[error(
        "One or more parameter values were invalid: Requested {member} for OnDemandThroughput for {subject} is outside \
         of valid range"
    )]
    OnDemandMaximumOutOfRange {
        /// The member.
        member: &'static str,
        /// The table or index.
        subject: String,
    },
    /// More tags than a table may have.
    #[error("One or more parameter values were invalid: Too many tags: tag limit is 50")]
    TooManyTags,
    /// A tag whose key is AWS's own.
    #[error(
        "One or more parameter values were invalid: Tag keys must not begin with aws:, which is reserved: {key}"
    )]
    ReservedTagKey {
        /// The key.
        key: String,
    },
    /// Enabling a stream of a table that has one.
    #[error("Table already has an enabled stream: TableName: {table_name}")]
    StreamIsEnabled {
        /// The table.
        table_name: String,
    },
    /// Disabling the stream of a table that has none.
    #[error("Table has no stream to disable: TableName: {table_name}")]
    StreamIsDisabled {
        /// The table.
        table_name: String,
    },
    /// An iterator of another shard, or of none.
    #[error("Invalid ShardIterator")]
    ShardIterator,
    /// A sequence number that no record of the shard can have yet.
    #[error("Invalid SequenceNumber")]
    SequenceNumber,
    /// Enabling time to live where it is.
    #[error("TimeToLive is already enabled")]
    TimeToLiveIsEnabled,
    /// Disabling time to live where it is not enabled.
    #[error("TimeToLive is already disabled")]
    TimeToLiveIsDisabled,
    /// Time to live goes by another attribute.
    #[error("TimeToLive is active on a different AttributeName: current AttributeName is {present}")]
    TimeToLiveOfOtherAttribute {
        /// The attribute that it goes by.
        present: String,
    },
    /// The last change of time to live has not come to its end.
    #[error("Time to live has been modified multiple times within a fixed interval")]
    TimeToLiveModifiedTooOften,
    /// What is wrong with an item to be put, whatever its table: names, nesting, size.
    #[error(transparent)]
    Item(#[from] ValueError),
    /// An update would leave, or costs as much as, an item larger than 400 KiB.
    #[error("Item size to update has exceeded the maximum allowed size")]
    UpdatedItemTooLarge,
    /// An update would give an index's key attribute a value of another type.
    #[error("The update expression attempted to update the secondary index key to unsupported type")]
    UpdatedIndexKeyType {
        /// The attribute, the index and the types, for requests without an expression.
        mismatch: KeyError,
    },
    /// The table has no such index.
    #[error("The table does not have the specified index: {index_name}")]
    IndexNotFound {
        /// The index asked for.
        index_name: String,
    },
    /// A strongly consistent read of a global index.
    #[error("Consistent reads are not supported on global secondary indexes")]
    ConsistentReadOfGlobalIndex,
    /// Whole items are wanted of a global index that does not hold them.
    #[error(
        "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary \
         index {index_name} because its projection type is not ALL"
    )]
    AllAttributesOfGlobalIndex {
        /// The index.
        index_name: String,
    },
    /// A projection of attributes that a global index does not hold.
    #[error(
        "One or more parameter values were invalid: Global secondary index {index_name} does not project [{attributes}]"
    )]
    NotProjected {
        /// The index.
        index_name: String,
        /// The attributes, as they are listed.
        attributes: String,
    },
    /// A read of a global index that is still being filled.
    #[error("Cannot read from backfilling global secondary index: {index_name}")]
    IndexBackfilling {
        /// The index.
        index_name: String,
    },
    /// An index of this name is there already.
    #[error("Attempting to create an index which already exists")]
    IndexExists,
    /// A table has as many global indexes as it may have.
    #[error(
        "One or more parameter values were invalid: GlobalSecondaryIndex count exceeds the per-table limit of 20"
    )]
    TooManyGlobalIndexes,
    /// The indexes of a table name more attributes to be held than they may. The wording is ours: DynamoDB's was not
    /// observed.
    #[error(
        "One or more parameter values were invalid: Number of NonKeyAttributes over all indexes exceeds the per-table limit of 100"
    )]
    TooManyNonKeyAttributes,
    /// What is wrong with the key of an item or a request.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What is wrong with an expression, given the table's keys.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// Why an update cannot be run on the item as it is.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// The same item twice in one batch.
    #[error("Provided list of item keys contains duplicates")]
    DuplicateKeys,
    /// More keys than one BatchGetItem may have.
    #[error("Too many items requested for the BatchGetItem call")]
    TooManyKeys,
    /// More writes than one BatchWriteItem may have.
    #[error("Too many items requested for the BatchWriteItem call")]
    TooManyWrites,
    /// The same item twice in one transaction.
    #[error("Transaction request cannot include multiple operations on one item")]
    DuplicateTransactItems,
    /// A transaction of nothing.
    #[error(
        "1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: \
         Member must have length greater than or equal to 1"
    )]
    NoActions,
    /// More actions than one transaction may have.
    #[error("Too many items requested for the transaction")]
    TooManyActions,
    /// A transaction's items and keys, or all that follows from them, are too large together.
    #[error("The aggregate size of the items in the transaction exceeds the 4MB limit")]
    TransactionTooLarge,
    /// A page of no rows.
    #[error(
        "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: \
         Member must have value greater than or equal to 1"
    )]
    LimitIsZero,
    /// A scan of a segment that does not exist.
    #[error(
        "The Segment parameter is zero-based and must be less than parameter TotalSegments: \
         Segment: {segment} is not less than TotalSegments: {total_segments}"
    )]
    SegmentNotBelowTotal {
        /// The scan's segment.
        segment: u32,
        /// The scan's number of segments.
        total_segments: u32,
    },
    /// A start key has other attributes than the key.
    #[error("The provided starting key is invalid")]
    StartKeyInvalid,
    /// A start key's attributes are not a key of this table.
    #[error("The provided starting key is invalid: {reason}")]
    StartKeyNotAKey {
        /// What is wrong with it as a key.
        reason: KeyError,
    },
    /// A query's start key belongs to another partition key, and the query has no sort-key condition.
    #[error("The provided starting key is outside query boundaries based on provided conditions")]
    StartKeyOutsideQuery,
    /// A query's start key belongs to another partition key, and the query has a sort-key condition.
    #[error("The query can return at most one row and cannot be restarted")]
    QueryCannotRestart,
    /// A query's start key does not meet the sort-key condition.
    #[error("The provided starting key does not match the range key predicate")]
    StartKeyOutsideRange,
    /// A scan's start key lies in another segment.
    #[error(
        "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. \
         TotalSegments: {total_segments} Segment: {segment}"
    )]
    StartKeyOutsideSegment {
        /// The scan's number of segments.
        total_segments: u32,
        /// The scan's segment.
        segment: u32,
    },
}
