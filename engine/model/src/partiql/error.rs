//! What can be wrong with a statement, with every text that a client sees of it.
//!
//! Texts are DynamoDB's, as the public conformance suites captured them in eu-west-2 between July and October 2026;
//! where no capture was at hand the variant says so. DynamoDB parses with the PartiQL reference implementation, so
//! what is said of the grammar is that implementation's.

use thiserror::Error;

use super::lexer::Place;
use crate::expression::{Fault, SchemaError};
use crate::value::ValueKind;

/// A statement that cannot be run. Every cause is the client's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StatementError {
    /// A character or literal that no rule allows.
    #[error("Statement wasn't well formed, can't be processed: ")]
    Unreadable,
    /// A token stands where the grammar does not allow it.
    #[error("Statement wasn't well formed, can't be processed: {detail}")]
    Malformed {
        /// The reference implementation's words.
        detail: String,
    },
    /// Nested deeper than any value may be. Our wording for statements; DynamoDB's limit was not observed.
    #[error("Nesting Levels have exceeded supported limits")]
    TooDeep,
    /// A statement that reads or changes nothing.
    #[error("Unsupported operation: {kind}")]
    UnsupportedOperation {
        /// What it is instead.
        kind: String,
    },
    /// A clause of PartiQL that DynamoDB has not.
    #[error("Unsupported clause: {clause}")]
    UnsupportedClause {
        /// Its first words.
        clause: &'static str,
    },
    /// A table or column gets another name.
    #[error("Aliasing is not supported")]
    Alias,
    /// `""` for a table or index.
    #[error("Path component cannot be an empty string")]
    EmptySource,
    /// `a.b.c` for a table and index.
    #[error("A path may contain at most 2 components in the FROM clause")]
    LongSource,
    /// A table that is no name. Our wording.
    #[error("Unsupported source in the FROM clause at {place}")]
    SourceNotAName {
        /// Where.
        place: Place,
    },
    /// INSERT into an index.
    #[error("FROM clause may only contain a single table name in data manipulation statements at {place}")]
    InsertIntoIndex {
        /// Where the table's name is.
        place: Place,
    },
    /// UPDATE or DELETE of an index.
    #[error("This operation is not supported on an index")]
    ChangeOfIndex,
    /// A column, or a place to change, that is no path.
    #[error("Unexpected path component at {place}")]
    NotAPath {
        /// Where.
        place: Place,
    },
    /// Two columns of one name.
    #[error("Duplicate identifiers in select clause: {name}")]
    DuplicateColumns {
        /// The name.
        name: String,
    },
    /// An index of a list that no list has.
    #[error("List index is not within the allowable range; index: [{index}] at {place}")]
    ListIndex {
        /// As it was written.
        index: String,
        /// Where.
        place: Place,
    },
    /// More or fewer parameters than question marks.
    #[error("Number of parameters in request and statement don't match.")]
    ParameterCount,
    /// A value that is no literal.
    #[error("Unsupported data type: {kind} under key {path} at {place}")]
    NotALiteral {
        /// What it is instead.
        kind: String,
        /// Where in the value.
        path: String,
        /// Where in the statement.
        place: Place,
    },
    /// A number that cannot be stored.
    #[error("{fault} under {path}")]
    Number {
        /// Why not.
        fault: crate::number::NumberError,
        /// Where in the value.
        path: String,
    },
    /// A literal of more than 32 levels.
    #[error("Nesting Levels have exceeded supported limits under {path}")]
    LiteralTooDeep {
        /// Where in the value.
        path: String,
    },
    /// `<<>>`
    #[error("Empty bags are not supported")]
    EmptyBag,
    /// A set of anything but texts or numbers.
    #[error("Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags")]
    BagMembers,
    /// A text twice in a set.
    #[error("One or more parameter values were invalid: Input collection [{members}] contains duplicates.")]
    DuplicateTexts {
        /// The members as they were written.
        members: String,
    },
    /// A number twice in a set.
    #[error(
        "One or more parameter values were invalid: Input collection [{members}] contains duplicates! under {path}"
    )]
    DuplicateNumbers {
        /// The members as they were written.
        members: String,
        /// Where in the value.
        path: String,
    },
    /// INSERT of something that is no item. Our wording.
    #[error("INSERT VALUE must be a tuple at {place}")]
    NotAnItem {
        /// Where.
        place: Place,
    },
    /// RETURNING that the statement has not. Our wording.
    #[error("RETURNING clause is not supported in INSERT statements.")]
    ReturningInInsert,
    /// RETURNING that only an update has.
    #[error(
        "Invalid returning clause: RETURNING {returning} *. Only RETURNING ALL OLD * is allowed in DELETE statements."
    )]
    ReturningInDelete {
        /// As it is written.
        returning: &'static str,
    },
    /// A function that does not exist, or not here.
    #[error("Unrecognized function: {function} at {place}")]
    UnknownFunction {
        /// In lower case.
        function: String,
        /// Where.
        place: Place,
    },
    /// Arithmetic in a condition.
    #[error("Unsupported operator in Condition Expression. Operator: {operator}")]
    OperatorInCondition {
        /// How it is written.
        operator: String,
    },
    /// A value where a condition must be, or the other way round. Our wording.
    #[error("Unsupported expression: {kind} at {place}")]
    NotACondition {
        /// What it is.
        kind: String,
        /// Where.
        place: Place,
    },
    /// `IS` of a type that values do not have. Our wording.
    #[error("Unsupported data type for IS operator: {type_name}")]
    UnknownType {
        /// The type.
        type_name: &'static str,
    },
    /// `attribute_type` of a type that values do not have.
    #[error("Invalid attribute type name found; type: {name}, valid types: {{N,BS,L,B,NULL,M,S,SS,NS,BOOL}}")]
    UnknownAttributeType {
        /// The type.
        name: String,
    },
    /// `set_add` or `set_delete` without two arguments.
    #[error("{function} must have exactly two arguments at {place}")]
    SetFunctionArguments {
        /// In upper case.
        function: &'static str,
        /// Where.
        place: Place,
    },
    /// `SET a = set_add(b, …)`
    #[error("The first argument to {function} must equal the assignment value at {place}")]
    SetFunctionTarget {
        /// In upper case.
        function: &'static str,
        /// Where.
        place: Place,
    },
    /// `set_add(a, 'x')`
    #[error("The second argument to {function} must be a value with type SET at {place}")]
    SetFunctionValue {
        /// In upper case.
        function: &'static str,
        /// Where the first argument is.
        place: Place,
    },
    /// A constant of a type that the operator never takes.
    #[error(
        "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {kind}"
    )]
    OperandType {
        /// The operator.
        operator: &'static str,
        /// The constant's type.
        kind: ValueKind,
    },
    /// What conditions and updates of any kind may not do.
    #[error("{0}")]
    Fault(Box<Fault>),
    /// What a query may not ask of keys.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// UPDATE or DELETE that does not name one item.
    #[error("Where clause does not contain a mandatory equality on all key attributes")]
    KeyMissing,
    /// UPDATE or DELETE that names two items.
    #[error(
        "Multiple conditions on same key {attribute}. Only single item Update/Insert/Delete are supported"
    )]
    KeyTwice {
        /// The key attribute.
        attribute: String,
    },
    /// A key attribute is compared with a value of another type.
    #[error("Key attribute's data type should match its data type in table's schema: Key {attribute}")]
    KeyType {
        /// The key attribute.
        attribute: String,
    },
    /// Two reads of one statement would show the same item.
    #[error("Overlapping conditions with range keys are not supported in where clause")]
    Overlap,
    /// A statement of more reads than one may have.
    #[error("Too many decomposed read operations for a given query.")]
    TooManyReads,
    /// `ORDER BY` without `WHERE`.
    #[error("Must have WHERE clause in the statement when using ORDER BY clause.")]
    OrderWithoutCondition,
    /// `ORDER BY` of something else than a key attribute.
    #[error("Attribute {attribute} in ORDER BY clause must be part of the primary key")]
    OrderOfOther {
        /// The attribute.
        attribute: String,
    },
    /// `ORDER BY` of a scan.
    #[error(
        "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause."
    )]
    OrderWithoutKey,
    /// `ORDER BY` of several partition keys' items by their sort keys alone.
    #[error(
        "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause."
    )]
    OrderWithoutPartition,
    /// A column that a global index does not hold.
    #[error(
        "One or more parameter values were invalid: Global secondary index {index_name} does not project [{attributes}]"
    )]
    ColumnsNotProjected {
        /// The index.
        index_name: String,
        /// What it lacks.
        attributes: String,
    },
    /// A condition on what an index does not hold, beside a key condition.
    #[error(
        "One or more parameter values were invalid: Secondary index {index_name} does not project one or more filter \
         attributes: [{attributes}]"
    )]
    FilterNotProjected {
        /// The index.
        index_name: String,
        /// What it lacks.
        attributes: String,
    },
    /// A strong read of a global index.
    #[error("Strongly consistent read is not supported on Global Secondary Indexes")]
    StrongReadOfGlobalIndex,
    /// No such index; PartiQL does not repeat its name.
    #[error("The table does not have the specified index")]
    IndexNotFound,
    /// A token that is none.
    #[error("Invalid NextToken")]
    TokenInvalid,
    /// A token of another statement, of other parameters or of another table.
    #[error("NextToken does not match request")]
    TokenMismatch,
    /// RETURNING in a transaction.
    #[error("RETURNING clause is not supported in ExecuteTransaction.")]
    ReturningInTransaction,
    /// A read of an index in a transaction.
    #[error("Reads on indices are not supported within transactions.")]
    IndexInTransaction,
    /// A SELECT in a transaction that asks for anything but one item by its key.
    #[error("Select statements within ExecuteTransaction must specify the primary key in the where clause.")]
    TransactionSelectWithoutKey,
    /// EXISTS outside of a transaction.
    #[error("EXISTS can only be used in ExecuteTransaction write requests.")]
    ExistsOutsideTransaction,
    /// EXISTS of less or more than one item, or without a further condition.
    #[error("EXISTS() must contain a single item read with additional condition")]
    ExistsShape,
}

impl StatementError {
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::Malformed { detail: detail.into() }
    }
}

impl From<Fault> for StatementError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::UnknownAttributeType { name } => Self::UnknownAttributeType { name },
            other => Self::Fault(Box::new(other)),
        }
    }
}
