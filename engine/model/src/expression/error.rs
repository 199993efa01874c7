//! What can be wrong with an expression, typed; the texts are in [`messages`].

use std::fmt;

use thiserror::Error;

use super::ast::Constant;
use super::messages::{self, PlaceholderMap};
use crate::legacy;
use crate::path::DocumentPath;
use crate::value::ValueKind;

/// Which parameter of a request an expression is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExpressionKind {
    /// `UpdateExpression`
    Update,
    /// `ConditionExpression`
    Condition,
    /// `KeyConditionExpression`
    KeyCondition,
    /// `FilterExpression`
    Filter,
    /// `ProjectionExpression`
    Projection,
}

impl ExpressionKind {
    /// The member of the request.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Update => "UpdateExpression",
            Self::Condition => "ConditionExpression",
            Self::KeyCondition => "KeyConditionExpression",
            Self::Filter => "FilterExpression",
            Self::Projection => "ProjectionExpression",
        }
    }

    /// Whether a `:value` may occur in it.
    pub const fn takes_values(self) -> bool {
        !matches!(self, Self::Projection)
    }
}

impl fmt::Display for ExpressionKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A request whose expressions, or whose placeholders, cannot be used. Every cause is the client's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExpressionError {
    /// One expression is wrong.
    #[error("Invalid {kind}: {fault}")]
    Invalid {
        /// The parameter.
        kind: ExpressionKind,
        /// What is wrong with it; the first fault in DynamoDB's order. Boxed because errors are rare and large.
        fault: Box<Fault>,
    },
    /// The placeholders, or the combination of parameters, are wrong.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// The expressions do not fit the keys of the table.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl ExpressionError {
    pub(crate) fn invalid(kind: ExpressionKind, fault: Fault) -> Self {
        Self::Invalid { kind, fault: Box::new(fault) }
    }
}

/// What is wrong with one expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is explained at its text in `messages`")]
pub enum Fault {
    #[error("{}", messages::EMPTY)]
    Empty,
    #[error("{}", messages::too_long(*.bytes))]
    TooLong { bytes: usize },
    #[error("{}", messages::syntax(.token, .near))]
    Syntax { token: String, near: String },
    #[error("{}", messages::REDUNDANT_PARENTHESES)]
    RedundantParentheses,
    #[error("{}", messages::too_many_operators(*.count))]
    TooManyOperators { count: usize },
    #[error("{}", messages::too_many_in_operands(*.count))]
    TooManyInOperands { count: usize },
    #[error("{}", messages::list_index_out_of_range(.index))]
    ListIndexOutOfRange { index: String },
    #[error("{}", messages::unknown_function(.function))]
    UnknownFunction { function: String },
    #[error("{}", messages::misused_function(.function))]
    MisusedFunction { function: &'static str },
    #[error("{}", messages::reserved_word(.word))]
    ReservedWord { word: String },
    #[error("{}", messages::repeated_section(.section))]
    RepeatedSection { section: &'static str },
    #[error("{}", messages::undefined_name(.name))]
    UndefinedName { name: String },
    #[error("{}", messages::undefined_value(.value))]
    UndefinedValue { value: String },
    #[error("{}", messages::paths_overlap(.first, .second))]
    PathsOverlap { first: DocumentPath, second: DocumentPath },
    #[error("{}", messages::paths_conflict(.first, .second))]
    PathsConflict { first: DocumentPath, second: DocumentPath },
    #[error("{}", messages::operand_count(.operator, *.count))]
    OperandCount { operator: &'static str, count: usize },
    #[error("{}", messages::operands_not_distinct(.operator, .path))]
    OperandsNotDistinct { operator: &'static str, path: DocumentPath },
    #[error("{}", messages::operand_type(.operator, *.kind))]
    OperandType { operator: &'static str, kind: ValueKind },
    #[error("{}", messages::attribute_type_is_path())]
    AttributeTypeIsPath,
    #[error("{}", messages::action_operand_type(.action, *.kind))]
    ActionOperandType { action: &'static str, kind: ValueKind },
    #[error("{}", messages::not_a_path(.function))]
    NotAPath { function: &'static str },
    #[error("{}", messages::unknown_attribute_type(.name))]
    UnknownAttributeType { name: String },
    #[error("{}", messages::between_types_differ(.lower.value(), .upper.value()))]
    BetweenTypesDiffer { lower: Constant, upper: Constant },
    #[error("{}", messages::between_bounds_reversed(.lower.value(), .upper.value()))]
    BetweenBoundsReversed { lower: Constant, upper: Constant },
    #[error("{}", messages::key_operator(.operator))]
    KeyOperator { operator: &'static str },
    #[error("{}", messages::KEY_NESTED_OPERATION)]
    KeyNestedOperation,
    #[error("{}", messages::KEY_NESTED_ATTRIBUTE)]
    KeyNestedAttribute,
    #[error("{}", messages::KEY_MISSING)]
    KeyMissing,
    #[error("{}", messages::KEY_AMBIGUOUS)]
    KeyAmbiguous,
    #[error("{}", messages::KEY_REPEATED)]
    KeyRepeated,
    #[error("{}", messages::key_not_first(.operator))]
    KeyNotFirst { operator: &'static str },
}

/// What is wrong with placeholders, or with the set of parameters a request has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is explained at its text in `messages`")]
pub enum ParameterError {
    #[error("{}", messages::expressions_beside_legacy(.legacy, .expressions))]
    ExpressionsBesideLegacy { legacy: Vec<&'static str>, expressions: Vec<&'static str> },
    #[error("{}", messages::NAMES_WITHOUT_EXPRESSION)]
    NamesWithoutExpression,
    #[error("{}", messages::values_without_expression(.absent))]
    ValuesWithoutExpression { absent: Vec<&'static str> },
    #[error("{}", messages::placeholders_empty(*.map))]
    Empty { map: PlaceholderMap },
    #[error("{}", messages::placeholder_syntax(*.map, .key))]
    KeySyntax { map: PlaceholderMap, key: String },
    #[error("{}", messages::placeholder_too_long(*.map, *.bytes))]
    KeyTooLong { map: PlaceholderMap, bytes: usize },
    #[error("{}", messages::placeholder_name_empty(.key))]
    NameEmpty { key: String },
    #[error("{}", messages::PLACEHOLDER_NAME_TOO_LONG)]
    NameTooLong,
    #[error("{}", messages::placeholders_too_large(*.map))]
    TooLarge { map: PlaceholderMap },
    #[error("{}", messages::placeholders_unused(*.map, .keys))]
    Unused { map: PlaceholderMap, keys: Vec<String> },
}

/// How expressions do not fit the keys of a table or index. Known only after its look-up.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is explained at its text in `messages`")]
pub enum SchemaError {
    #[error("{}", messages::KEY_CONDITION_COUNT)]
    KeyConditionCount,
    #[error("{}", messages::KEY_CONDITION_UNSUPPORTED)]
    KeyConditionUnsupported,
    #[error("{}", legacy::messages::NOT_INDEXABLE)]
    KeyConditionNotIndexable,
    #[error("{}", messages::KEY_TYPE_MISMATCH)]
    KeyTypeMismatch,
    #[error("{}", messages::key_condition_missing(.attribute))]
    KeyConditionMissing { attribute: String },
    #[error("{}", messages::filter_on_key(.attribute))]
    FilterOnKey { attribute: String },
    #[error("{}", messages::path_into_key(.attribute))]
    PathIntoKey { attribute: String },
    #[error("{}", messages::path_into_index_key(.attribute))]
    PathIntoIndexKey { attribute: String },
    #[error("{}", messages::update_of_key(.attribute))]
    UpdateOfKey { attribute: String },
}
