//! PartiQL for DynamoDB: statements become the same trees that the API's expressions become.
//!
//! In three steps, so that faults are told in DynamoDB's order:
//! 1. [`parse_statement`] reads the text, by the grammar of the PartiQL reference implementation.
//! 2. [`ParsedStatement::bind`] puts the parameters in and checks what needs no table.
//! 3. [`BoundSelect::plan`] and the `key` methods fit the statement to the key of a table or index.
//!
//! Below that there is no PartiQL: the engine evaluates conditions, updates and key conditions as it does for every
//! other request.
//!
//! Invariants:
//! - No text exhausts the stack: nesting ends at [`DEPTH_MAX`], chains of operators are flat or counted.
//! - Texts of at most [`STATEMENT_CHARACTERS_MAX`] bound everything that is built of them; the server checks that
//!   length, as one of the request's constraints.
//! - Every text a client sees is in [`StatementError`].
//!
//! Deliberately unknown here: which tables and indexes there are, pages, tokens, transactions.
//!
//! Sources: AWS developer guide, "PartiQL"; answers captured by the public conformance suites; the reference
//! implementation's grammar.

pub mod ast;
mod bound;
mod changes;
mod columns;
mod condition;
mod error;
mod keys;
mod keywords;
mod lexer;
mod literal;
mod parser;
mod path;
mod plan;
mod projected;
mod range;
mod statements;

pub use ast::{Returning, SortOrder, Statement};
pub use bound::{BoundDelete, BoundInsert, BoundStatement, BoundUpdate};
pub use columns::Columns;
pub use error::StatementError;
pub use keys::KeyedRead;
pub use lexer::Place;
pub use plan::{BoundSelect, SelectPlan};
pub use projected::{IndexScope, IndexView};
pub use statements::{ParsedStatement, parse_statement};

/// Characters that a statement may have.
pub const STATEMENT_CHARACTERS_MAX: usize = 8192;
/// How deep expressions may nest in a statement. Values may not nest deeper than 32 levels, conditions have no other
/// limit; DynamoDB's own was not observed.
pub const DEPTH_MAX: usize = 100;
/// Queries that one SELECT may come to.
pub const READS_MAX: usize = 50;
