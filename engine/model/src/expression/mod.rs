//! DynamoDB's expression language: conditions, filters, key conditions, projections and updates.
//!
//! Text becomes a tree once per request, before any table is looked up; trees are then evaluated against encoded
//! items and decode nothing but what they ask for. Trees own their constants, are `Send`, and can also be built by
//! hand: the legacy parameters and PartiQL translate into the same ones.
//!
//! Order of faults. A request parses its expressions in the order update, condition, key condition, filter,
//! projection, through one [`Placeholders`], then calls [`Placeholders::check_all_used`], then
//! [`KeyConditionExpression::conditions`]. Within one expression: length, syntax, then the order written down in
//! module `faults`. What needs the table comes after the look-up: [`KeyConditions::bind`],
//! [`Update::check_key_attributes`], [`check_key_paths`], [`check_filter_names`].
//!
//! Invariants:
//! - Text beyond [`EXPRESSION_BYTES_MAX`] is refused before it is looked at, and no parser here recurses, so the
//!   nesting of a text never becomes the depth of a stack.
//! - A tree that left a parser has at most [`OPERATORS_MAX`] operators, so walking it recursively is safe.
//! - Every text a client sees is in [`messages`].
//!
//! Deliberately unknown here: tables, storage, and the capacity an evaluation costs.
//!
//! Sources: AWS developer guide, "Using expressions"; observed answers as noted beside the texts.

pub mod ast;
mod branches;
pub(crate) mod checks;
mod condition_parser;
mod encoded;
pub mod error;
mod evaluate;
pub(crate) mod faults;
pub mod key_condition;
mod lexer;
pub mod messages;
mod parser;
pub mod placeholders;
pub mod projection;
mod reserved;
pub mod schema;
pub mod update;
mod update_apply;
mod update_parser;

pub use ast::{Comparator, Condition, Constant, Operand};
pub use condition_parser::parse_condition;
pub use error::{ExpressionError, ExpressionKind, Fault, ParameterError, SchemaError};
pub use key_condition::{
    AttributeCondition, KeyCondition, KeyConditionExpression, KeyConditions, KeyTest, parse_key_condition,
};
pub use placeholders::{ParameterUse, Placeholders};
pub use projection::{Projection, parse_projection};
pub use schema::{check_filter_names, check_key_paths};
pub use update::{Action, SetValue, Update, UpdateOperand};
pub use update_apply::UpdateError;
pub use update_parser::parse_update;

/// Bytes an expression may have, counted in the text as it was sent.
pub const EXPRESSION_BYTES_MAX: usize = 4096;
/// Comparators, `AND`, `OR`, `NOT`, `+` and `-` that one expression may hold.
pub const OPERATORS_MAX: usize = 300;
/// Members of the list behind `IN`.
pub const IN_OPERANDS_MAX: usize = 100;
/// Bytes of one placeholder, its `#` or `:` included.
pub const PLACEHOLDER_BYTES_MAX: usize = 255;
/// Bytes of all names that placeholders stand for, and again of all values.
pub const SUBSTITUTION_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Largest index of a list element that a path may name.
pub const LIST_INDEX_MAX: u32 = i32::MAX as u32;
