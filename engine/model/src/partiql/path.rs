//! Names and paths of statements: tables, columns, places in items.

use super::ast::{Expression, Source, Step, Term};
use super::error::StatementError;
use crate::path::{DocumentPath, PathElement};

/// The largest index that a path may have.
const LIST_INDEX_MAX: u32 = i32::MAX as u32;

/// The document path that an expression is.
pub(super) fn document_path(expression: &Expression) -> Result<DocumentPath, StatementError> {
    match &expression.term {
        Term::Identifier(name) => Ok(DocumentPath::attribute(name.clone())),
        Term::Path { base, steps } => {
            let mut path = document_path(base)?;
            for step in steps {
                path.rest.push(element(step)?);
            }
            Ok(path)
        }
        _ => Err(StatementError::NotAPath { place: expression.place }),
    }
}

/// Whether an expression is written as a path, right or wrong.
pub(super) fn is_path(expression: &Expression) -> bool {
    match &expression.term {
        Term::Identifier(_) => true,
        Term::Path { base, .. } => is_path(base),
        _ => false,
    }
}

fn element(step: &Step) -> Result<PathElement, StatementError> {
    match step {
        Step::Name(name) => Ok(PathElement::Name(name.clone())),
        Step::Every(place) => Err(StatementError::NotAPath { place: *place }),
        Step::Index(index) => match &index.term {
            Term::Text(name) => Ok(PathElement::Name(name.clone())),
            Term::Number(text) => {
                let parsed = text.parse().ok().filter(|&index| index <= LIST_INDEX_MAX);
                // A sign does not matter to zero.
                let parsed = parsed.or_else(|| (text == "-0").then_some(0));
                parsed
                    .map(PathElement::Index)
                    .ok_or_else(|| StatementError::ListIndex { index: text.clone(), place: index.place })
            }
            _ => Err(StatementError::NotAPath { place: index.place }),
        },
    }
}

/// A table, and perhaps one of its indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceName {
    pub(super) table_name: String,
    pub(super) index_name: Option<String>,
}

/// What a source names.
pub(super) fn source_name(source: &Source) -> Result<SourceName, StatementError> {
    if source.has_alias {
        return Err(StatementError::Alias);
    }
    let not_a_name = || StatementError::SourceNotAName { place: source.path.place };
    let path = document_path(&source.path).map_err(|_| not_a_name())?;
    let mut rest = path.rest.into_iter();
    let index_name = match (rest.next(), rest.next()) {
        (None, _) => None,
        (Some(PathElement::Name(name)), None) => Some(name),
        (Some(PathElement::Name(_)), Some(_)) => return Err(StatementError::LongSource),
        (Some(PathElement::Index(_)), _) => return Err(not_a_name()),
    };
    if path.name.is_empty() || index_name.as_ref().is_some_and(String::is_empty) {
        return Err(StatementError::EmptySource);
    }
    Ok(SourceName { table_name: path.name, index_name })
}
