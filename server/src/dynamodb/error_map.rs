//! DynamoDB's exceptions: their names, HTTP codes and members, and which of them an engine error is.
//!
//! The only place in Basalt that knows exception names.

use basalt_engine::model::partiql::StatementError;
use basalt_engine::model::{EncodedItem, ValueError};
use basalt_engine::{Error as EngineError, TableChange, Throttled, ValidationError};
use hyper::StatusCode;

use super::json::{BodyError, DamagedItem, Members, Syntax, Writer};
use super::{messages, throttling};
use crate::limits::MemoryExhausted;

/// The exceptions that Basalt answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exception {
    AccessDenied,
    BackupNotFound,
    ConditionalCheckFailed,
    DuplicateItem,
    ExpiredIterator,
    ExportNotFound,
    GlobalTableNotFound,
    IdempotentParameterMismatch,
    ImportNotFound,
    ItemCollectionSizeLimitExceeded,
    IncompleteSignature,
    InternalServerError,
    InvalidSignature,
    LimitExceeded,
    MissingAuthenticationToken,
    PointInTimeRecoveryUnavailable,
    PolicyNotFound,
    ProvisionedThroughputExceeded,
    ResourceInUse,
    ResourceNotFound,
    Serialization,
    ServiceUnavailable,
    TableNotFound,
    Throttling,
    TrimmedDataAccess,
    TransactionCanceled,
    TransactionConflict,
    TransactionInProgress,
    UnknownOperation,
    Validation,
}

impl Exception {
    /// The name with its namespace, as in `__type`.
    fn type_name(self) -> &'static str {
        match self {
            Exception::AccessDenied => "com.amazon.coral.service#AccessDeniedException",
            Exception::BackupNotFound => "com.amazonaws.dynamodb.v20120810#BackupNotFoundException",
            Exception::DuplicateItem => "com.amazonaws.dynamodb.v20120810#DuplicateItemException",
            Exception::ExpiredIterator => "com.amazonaws.dynamodb.v20120810#ExpiredIteratorException",
            Exception::TrimmedDataAccess => "com.amazonaws.dynamodb.v20120810#TrimmedDataAccessException",
            Exception::ExportNotFound => "com.amazonaws.dynamodb.v20120810#ExportNotFoundException",
            Exception::GlobalTableNotFound => "com.amazonaws.dynamodb.v20120810#GlobalTableNotFoundException",
            Exception::ImportNotFound => "com.amazonaws.dynamodb.v20120810#ImportNotFoundException",
            Exception::PointInTimeRecoveryUnavailable => {
                "com.amazonaws.dynamodb.v20120810#PointInTimeRecoveryUnavailableException"
            }
            Exception::PolicyNotFound => "com.amazonaws.dynamodb.v20120810#PolicyNotFoundException",
            Exception::TableNotFound => "com.amazonaws.dynamodb.v20120810#TableNotFoundException",
            Exception::ItemCollectionSizeLimitExceeded => {
                "com.amazonaws.dynamodb.v20120810#ItemCollectionSizeLimitExceededException"
            }
            Exception::ConditionalCheckFailed => {
                "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
            }
            Exception::IdempotentParameterMismatch => {
                "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException"
            }
            Exception::IncompleteSignature => "com.amazon.coral.service#IncompleteSignatureException",
            Exception::InternalServerError => "com.amazonaws.dynamodb.v20120810#InternalServerError",
            Exception::InvalidSignature => "com.amazon.coral.service#InvalidSignatureException",
            Exception::LimitExceeded => "com.amazonaws.dynamodb.v20120810#LimitExceededException",
            Exception::MissingAuthenticationToken => {
                "com.amazon.coral.service#MissingAuthenticationTokenException"
            }
            Exception::ProvisionedThroughputExceeded => {
                "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
            }
            Exception::ResourceInUse => "com.amazonaws.dynamodb.v20120810#ResourceInUseException",
            Exception::ResourceNotFound => "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
            Exception::Serialization => "com.amazon.coral.service#SerializationException",
            Exception::ServiceUnavailable => "com.amazonaws.dynamodb.v20120810#ServiceUnavailable",
            Exception::Throttling => "com.amazonaws.dynamodb.v20120810#ThrottlingException",
            Exception::TransactionCanceled => "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            Exception::TransactionConflict => "com.amazonaws.dynamodb.v20120810#TransactionConflictException",
            Exception::TransactionInProgress => {
                "com.amazonaws.dynamodb.v20120810#TransactionInProgressException"
            }
            Exception::UnknownOperation => "com.amazon.coral.service#UnknownOperationException",
            Exception::Validation => "com.amazon.coral.validate#ValidationException",
        }
    }

    /// The number in the binary protocol: `format-spec/spec/native_frame.md`.
    fn number(self) -> u16 {
        match self {
            Exception::AccessDenied => 1,
            Exception::BackupNotFound => 2,
            Exception::ConditionalCheckFailed => 3,
            Exception::DuplicateItem => 4,
            Exception::ExpiredIterator => 5,
            Exception::ExportNotFound => 6,
            Exception::GlobalTableNotFound => 7,
            Exception::IdempotentParameterMismatch => 8,
            Exception::ImportNotFound => 9,
            Exception::ItemCollectionSizeLimitExceeded => 10,
            Exception::IncompleteSignature => 11,
            Exception::InternalServerError => 12,
            Exception::InvalidSignature => 13,
            Exception::LimitExceeded => 14,
            Exception::MissingAuthenticationToken => 15,
            Exception::PointInTimeRecoveryUnavailable => 16,
            Exception::PolicyNotFound => 17,
            Exception::ProvisionedThroughputExceeded => 18,
            Exception::ResourceInUse => 19,
            Exception::ResourceNotFound => 20,
            Exception::Serialization => 21,
            Exception::ServiceUnavailable => 22,
            Exception::TableNotFound => 23,
            Exception::Throttling => 24,
            Exception::TrimmedDataAccess => 25,
            Exception::TransactionCanceled => 26,
            Exception::TransactionConflict => 27,
            Exception::TransactionInProgress => 28,
            Exception::UnknownOperation => 29,
            Exception::Validation => 30,
        }
    }

    /// The HTTP code: every fault of a client is 400, also those that are 403 in other services of AWS.
    fn status(self) -> StatusCode {
        match self {
            Exception::InternalServerError => StatusCode::INTERNAL_SERVER_ERROR,
            Exception::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Two exceptions of AWS's framework spell the member with a capital, and three of transactions.
    fn message_member(self) -> &'static str {
        match self {
            Exception::AccessDenied
            | Exception::Serialization
            | Exception::TransactionCanceled
            | Exception::TransactionInProgress
            | Exception::IdempotentParameterMismatch => "Message",
            _ => "message",
        }
    }
}

/// Which table operations look alike in how they tell of a missing table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plane {
    /// Operations on tables name the table.
    Control,
    /// Operations on items do not.
    Data,
    /// Operations on backups have an exception of their own.
    Backup,
}

/// An answer that is an error.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    exception: Exception,
    message: Option<String>,
    item: Option<EncodedItem>,
    /// Why a transaction was cancelled, one an action.
    reasons: Vec<CancellationReason>,
    /// Whose throughput is used up.
    throttled: Option<Box<Throttled>>,
}

/// What stood against one action of a transaction.
#[derive(Debug, Clone)]
pub(crate) struct CancellationReason {
    code: &'static str,
    message: Option<String>,
    item: Option<EncodedItem>,
}

impl CancellationReason {
    /// A reason of this code.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> CancellationReason {
        CancellationReason { code, message: Some(message.into()), item: None }
    }

    /// Nothing stood against the action.
    pub(crate) const NONE: CancellationReason =
        CancellationReason { code: "None", message: None, item: None };
}

impl From<Option<EngineError>> for CancellationReason {
    fn from(error: Option<EngineError>) -> Self {
        match error {
            None => CancellationReason::NONE,
            Some(EngineError::ConditionalCheckFailed { item }) => CancellationReason {
                item,
                ..CancellationReason::new("ConditionalCheckFailed", messages::CONDITION_FAILED)
            },
            Some(EngineError::ItemCollectionTooLarge) => CancellationReason::new(
                "ItemCollectionSizeLimitExceeded",
                messages::ITEM_COLLECTION_TOO_LARGE_REASON,
            ),
            Some(EngineError::TransactionConflict) => {
                CancellationReason::new("TransactionConflict", messages::TRANSACTION_CONFLICT_REASON)
            }
            Some(EngineError::Throttled(throttled)) => CancellationReason::new(
                throttling::cancellation_code(&throttled),
                throttling::message(&throttled),
            ),
            Some(EngineError::Validation(fault)) => {
                CancellationReason::new("ValidationError", fault.to_string())
            }
            Some(other) => {
                tracing::error!(error = %other, "an action of a transaction failed");
                CancellationReason::new("InternalError", messages::INTERNAL_ERROR)
            }
        }
    }
}

impl ApiError {
    /// An error with a text.
    pub(crate) fn new(exception: Exception, message: impl Into<String>) -> ApiError {
        ApiError {
            exception,
            message: Some(message.into()),
            item: None,
            reasons: Vec::new(),
            throttled: None,
        }
    }

    /// A transaction that did not come to pass.
    pub(crate) fn canceled(reasons: Vec<CancellationReason>) -> ApiError {
        let codes: Vec<&str> = reasons.iter().map(|reason| reason.code).collect();
        let message = messages::transaction_canceled(&codes);
        ApiError { reasons, ..ApiError::new(Exception::TransactionCanceled, message) }
    }

    /// An error without a text: bodies that are not JSON and unknown operations have none.
    pub(crate) fn silent(exception: Exception) -> ApiError {
        ApiError { exception, message: None, item: None, reasons: Vec::new(), throttled: None }
    }

    /// Basalt does not do what the operation would start. Unlike an operation that nobody knows, it is told by name.
    pub(crate) fn unsupported(operation: &str) -> ApiError {
        ApiError::new(Exception::UnknownOperation, messages::operation_unsupported(operation))
    }

    /// A broken rule.
    pub(crate) fn validation(message: impl Into<String>) -> ApiError {
        ApiError::new(Exception::Validation, message)
    }

    /// The error that an engine's error is to a client of `plane`.
    pub(crate) fn from_engine(error: EngineError, plane: Plane) -> ApiError {
        match error {
            EngineError::Validation(fault) => fault.into(),
            EngineError::TableNotFound { table_name } => ApiError::table_not_found(&table_name, plane),
            EngineError::TableDropped => {
                ApiError::new(Exception::ResourceNotFound, messages::TABLE_NOT_FOUND)
            }
            EngineError::TableExists { table_name } => {
                ApiError::new(Exception::ResourceInUse, messages::table_exists(&table_name))
            }
            EngineError::TableInUse { table_name, change } => ApiError::table_in_use(&table_name, change),
            EngineError::IndexNotFound { .. } => {
                ApiError::new(Exception::ResourceNotFound, messages::TABLE_NOT_FOUND)
            }
            EngineError::IndexChangeInProgress => {
                ApiError::new(Exception::LimitExceeded, messages::ONE_INDEX_CHANGE)
            }
            EngineError::ConditionalCheckFailed { item } => ApiError {
                item,
                ..ApiError::new(Exception::ConditionalCheckFailed, messages::CONDITION_FAILED)
            },
            EngineError::TransactionConflict => {
                ApiError::new(Exception::TransactionConflict, messages::TRANSACTION_CONFLICT)
            }
            EngineError::TransactionCanceled { reasons } => {
                ApiError::canceled(reasons.into_iter().map(CancellationReason::from).collect())
            }
            EngineError::TransactionInProgress => {
                ApiError::new(Exception::TransactionInProgress, messages::TRANSACTION_IN_PROGRESS)
            }
            EngineError::IdempotentParameterMismatch => {
                ApiError::new(Exception::IdempotentParameterMismatch, messages::TOKEN_USED_BEFORE)
            }
            EngineError::ItemCollectionTooLarge => {
                ApiError::new(Exception::ItemCollectionSizeLimitExceeded, messages::COLLECTION_TOO_LARGE)
            }
            EngineError::Throttled(throttled) => ApiError::throttled(throttled),
            EngineError::StreamTrimmed => {
                ApiError::new(Exception::TrimmedDataAccess, messages::STREAM_TRIMMED)
            }
            EngineError::IteratorExpired => {
                ApiError::new(Exception::ExpiredIterator, messages::ITERATOR_EXPIRED)
            }
            EngineError::TooManyStreams { table_name } => {
                ApiError::new(Exception::LimitExceeded, messages::too_many_streams(&table_name))
            }
            EngineError::Overloaded => ApiError::new(Exception::Throttling, messages::OVERLOADED),
            EngineError::DiskFull => ApiError::new(Exception::InternalServerError, messages::DEVICE_FULL),
            EngineError::Closed => ApiError::new(Exception::ServiceUnavailable, messages::CLOSING),
            other => {
                tracing::error!(error = %other, "an operation failed");
                ApiError::new(Exception::InternalServerError, messages::INTERNAL_ERROR)
            }
        }
    }

    /// The error that an engine's error is to a client of the data plane.
    pub(crate) fn from_item_operation(error: EngineError) -> ApiError {
        ApiError::from_engine(error, Plane::Data)
    }

    fn throttled(throttled: Throttled) -> ApiError {
        let error = ApiError::new(throttling::exception(&throttled), throttling::message(&throttled));
        ApiError { throttled: Some(Box::new(throttled)), ..error }
    }

    fn table_not_found(table_name: &str, plane: Plane) -> ApiError {
        let (exception, message) = match plane {
            Plane::Control => (Exception::ResourceNotFound, messages::named_table_not_found(table_name)),
            Plane::Data => (Exception::ResourceNotFound, messages::TABLE_NOT_FOUND.to_owned()),
            Plane::Backup => (Exception::TableNotFound, messages::backup_table_not_found(table_name)),
        };
        ApiError::new(exception, message)
    }

    fn table_in_use(table_name: &str, change: TableChange) -> ApiError {
        ApiError::new(Exception::ResourceInUse, messages::table_in_use(change, table_name))
    }

    /// What a member of BatchExecuteStatement calls the error.
    pub(crate) fn statement_code(&self) -> &'static str {
        match self.exception {
            Exception::AccessDenied => "AccessDenied",
            Exception::ConditionalCheckFailed => "ConditionalCheckFailed",
            Exception::DuplicateItem => "DuplicateItem",
            Exception::ItemCollectionSizeLimitExceeded => "ItemCollectionSizeLimitExceeded",
            Exception::ProvisionedThroughputExceeded => "ProvisionedThroughputExceeded",
            Exception::ResourceNotFound => "ResourceNotFound",
            Exception::Throttling => "ThrottlingError",
            Exception::TransactionConflict => "TransactionConflict",
            Exception::Validation => "ValidationError",
            _ => "InternalServerError",
        }
    }

    /// Which exception it is.
    pub(crate) fn exception(&self) -> Exception {
        self.exception
    }

    /// The HTTP code of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        self.exception.status()
    }

    /// The text, if there is one.
    pub(crate) fn message(&self) -> &str {
        self.message.as_deref().unwrap_or_default()
    }

    /// The body of the answer over HTTP.
    pub(crate) fn into_body(self) -> Result<Vec<u8>, DamagedItem> {
        self.write(Writer::default())
    }

    /// The body of the error in the binary protocol, where a number beside it says which exception it is.
    pub(crate) fn into_document(self) -> Result<Vec<u8>, DamagedItem> {
        self.write(Writer::new(Syntax::Native))
    }

    /// The number of the exception in the binary protocol.
    pub(crate) fn number(&self) -> u16 {
        self.exception.number()
    }

    fn write(self, mut writer: Writer) -> Result<Vec<u8>, DamagedItem> {
        let is_named = writer.syntax() == Syntax::Json;
        let mut members = writer.object();
        if is_named {
            members.string("__type", self.exception.type_name());
        }
        if let Some(message) = &self.message {
            members.string(self.exception.message_member(), message);
        }
        if let Some(item) = &self.item {
            members.value_of("Item").item(item.as_item())?;
        }
        if !self.reasons.is_empty() {
            write_reasons(&mut members, &self.reasons)?;
        }
        if let Some(throttled) = &self.throttled {
            throttling::write_reasons(&mut members, throttled);
        }
        drop(members);
        Ok(writer.into_bytes())
    }
}

fn write_reasons(members: &mut Members<'_>, reasons: &[CancellationReason]) -> Result<(), DamagedItem> {
    let mut list = members.value_of("CancellationReasons").array();
    for reason in reasons {
        let mut members = list.element().object();
        members.string("Code", reason.code);
        if let Some(message) = &reason.message {
            members.string("Message", message);
        }
        if let Some(item) = &reason.item {
            members.value_of("Item").item(item.as_item())?;
        }
    }
    Ok(())
}

impl From<StatementError> for ApiError {
    fn from(error: StatementError) -> Self {
        ApiError::validation(error.to_string())
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Malformed => ApiError::silent(Exception::Serialization),
            BodyError::Type(fault) => ApiError::new(Exception::Serialization, fault.to_string()),
            BodyError::Memory(exhausted) => exhausted.into(),
        }
    }
}

impl From<MemoryExhausted> for ApiError {
    fn from(_: MemoryExhausted) -> Self {
        ApiError::new(Exception::Throttling, messages::OVERLOADED)
    }
}

impl From<DamagedItem> for ApiError {
    fn from(damaged: DamagedItem) -> Self {
        tracing::error!(error = %damaged, "an item could not be written into a reply");
        ApiError::new(Exception::InternalServerError, messages::INTERNAL_ERROR)
    }
}

impl From<ValidationError> for ApiError {
    fn from(fault: ValidationError) -> Self {
        ApiError::validation(fault.to_string())
    }
}

impl From<ValueError> for ApiError {
    fn from(fault: ValueError) -> Self {
        ApiError::validation(fault.to_string())
    }
}

#[cfg(test)]
mod tests {
    use basalt_format::native::{Node, codes};

    use super::*;

    fn body(error: ApiError) -> String {
        String::from_utf8(error.into_body().unwrap()).unwrap()
    }

    #[test]
    fn every_exception_has_its_number_in_the_binary_protocol() {
        let exceptions = [
            Exception::AccessDenied,
            Exception::BackupNotFound,
            Exception::ConditionalCheckFailed,
            Exception::DuplicateItem,
            Exception::ExpiredIterator,
            Exception::ExportNotFound,
            Exception::GlobalTableNotFound,
            Exception::IdempotentParameterMismatch,
            Exception::ImportNotFound,
            Exception::ItemCollectionSizeLimitExceeded,
            Exception::IncompleteSignature,
            Exception::InternalServerError,
            Exception::InvalidSignature,
            Exception::LimitExceeded,
            Exception::MissingAuthenticationToken,
            Exception::PointInTimeRecoveryUnavailable,
            Exception::PolicyNotFound,
            Exception::ProvisionedThroughputExceeded,
            Exception::ResourceInUse,
            Exception::ResourceNotFound,
            Exception::Serialization,
            Exception::ServiceUnavailable,
            Exception::TableNotFound,
            Exception::Throttling,
            Exception::TrimmedDataAccess,
            Exception::TransactionCanceled,
            Exception::TransactionConflict,
            Exception::TransactionInProgress,
            Exception::UnknownOperation,
            Exception::Validation,
        ];
        assert_eq!(exceptions.len(), codes::EXCEPTIONS.len());
        for exception in exceptions {
            let name = exception.type_name().split('#').next_back();
            assert_eq!(codes::exception_name(exception.number()), name);
        }
    }

    #[test]
    fn an_error_as_a_document_has_no_name() {
        let document = ApiError::validation("x").into_document().unwrap();
        let expected = Node::Object(vec![("message".to_owned(), Node::Text("x".to_owned()))]);
        assert_eq!(Node::decode(&document), Ok(expected));
    }

    #[test]
    fn bodies_that_are_not_json_have_no_message() {
        let error = ApiError::from(BodyError::Malformed);
        let body = body(error);
        assert_eq!(body, r#"{"__type":"com.amazon.coral.service#SerializationException"}"#);
        assert_eq!(crc32fast::hash(body.as_bytes()), 3_948_637_019, "as AWS sends it");
    }

    #[test]
    fn unknown_operations_have_no_message() {
        let body = body(ApiError::silent(Exception::UnknownOperation));
        assert_eq!(crc32fast::hash(body.as_bytes()), 1_368_724_161, "as AWS sends it");
    }

    #[test]
    fn type_errors_spell_message_with_a_capital() {
        let error = ApiError::new(Exception::Serialization, "x");
        assert_eq!(
            body(error),
            r#"{"__type":"com.amazon.coral.service#SerializationException","Message":"x"}"#
        );
    }

    #[test]
    fn missing_tables_are_named_to_table_operations_only() {
        let missing = || EngineError::TableNotFound { table_name: "t".into() };
        let control = ApiError::from_engine(missing(), Plane::Control);
        assert_eq!(control.message(), "Requested resource not found: Table: t not found");
        let data = ApiError::from_engine(missing(), Plane::Data);
        assert_eq!(data.message(), "Requested resource not found");
        assert_eq!(data.status(), StatusCode::BAD_REQUEST);
        let dropped_meanwhile = ApiError::from_engine(EngineError::TableDropped, Plane::Data);
        assert_eq!(dropped_meanwhile.message(), "Requested resource not found");
    }

    #[test]
    fn a_cancelled_transaction_tells_a_reason_an_action() {
        let reasons = vec![
            None,
            Some(EngineError::ConditionalCheckFailed { item: None }),
            Some(EngineError::TransactionConflict),
        ];
        let error = ApiError::from_item_operation(EngineError::TransactionCanceled { reasons });
        assert_eq!(
            body(error),
            concat!(
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","#,
                r#""Message":"Transaction cancelled, please refer cancellation reasons for specific reasons "#,
                r#"[None, ConditionalCheckFailed, TransactionConflict]","#,
                r#""CancellationReasons":[{"Code":"None"},"#,
                r#"{"Code":"ConditionalCheckFailed","Message":"The conditional request failed"},"#,
                r#"{"Code":"TransactionConflict","Message":"Transaction is ongoing for the item."}]}"#
            )
        );
    }

    #[test]
    fn validation_has_the_namespace_of_the_validation_framework() {
        let error = ApiError::validation("no");
        assert_eq!(
            body(error),
            r#"{"__type":"com.amazon.coral.validate#ValidationException","message":"no"}"#
        );
    }
}
