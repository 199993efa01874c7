//! What SELECT shows of an item: paths, each under its last name.

use std::collections::BTreeSet;

use basalt_format::DecodeError;

use super::ast::Expression;
use super::error::StatementError;
use super::path::document_path;
use crate::expression::Projection;
use crate::item::{EncodedItem, Item};
use crate::item_ref::ItemRef;
use crate::path::{DocumentPath, PathElement};

/// The columns of a SELECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns(Vec<Column>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    path: DocumentPath,
    /// The last name of the path, with the indexes behind it.
    name: String,
}

impl Columns {
    pub(super) fn of(expressions: &[Expression]) -> Result<Self, StatementError> {
        let columns = expressions.iter().map(|expression| document_path(expression).map(Column::of));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let mut names = BTreeSet::new();
        match columns.iter().find(|column| !names.insert(&column.name)) {
            Some(twice) => Err(StatementError::DuplicateColumns { name: twice.name.clone() }),
            None => Ok(Self(columns)),
        }
    }

    /// The attributes that the columns are parts of, in the order of the text.
    pub fn attribute_names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for column in &self.0 {
            if !names.contains(&column.path.name.as_str()) {
                names.push(column.path.name.as_str());
            }
        }
        names
    }

    /// The whole attributes that the columns are parts of: what must be read for them.
    pub fn attributes(&self) -> Projection {
        let paths = self.attribute_names().into_iter().map(DocumentPath::attribute);
        Projection::new(paths.collect::<Vec<_>>())
    }

    /// Whether every column is a whole attribute, so that [`Self::attributes`] shows what this shows.
    pub fn are_attributes(&self) -> bool {
        self.0.iter().all(|column| column.path.rest.is_empty())
    }

    /// What the columns show of an item; what it lacks leaves no trace.
    pub fn show(&self, item: ItemRef<'_>) -> Result<EncodedItem, DecodeError> {
        let mut shown = Item::new();
        for column in &self.0 {
            if let Some(value) = column.path.find(&item)? {
                shown.insert(column.name.clone(), value.to_value()?);
            }
        }
        Ok(shown.encode())
    }
}

impl Column {
    fn of(path: DocumentPath) -> Self {
        let mut name = path.name.clone();
        for element in &path.rest {
            match element {
                PathElement::Name(last) => name.clone_from(last),
                PathElement::Index(index) => name.push_str(&format!("[{index}]")),
            }
        }
        Self { path, name }
    }
}
