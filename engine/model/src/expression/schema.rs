//! Checks of expressions against the keys of a table, after its look-up.

use super::ast::Condition;
use super::error::SchemaError;
use crate::path::DocumentPath;

/// Refuses paths into attributes that are keys and so cannot be documents: those of the table first, then those of
/// its indexes. `paths` are all that an update, filter, condition or projection has.
pub fn check_key_paths<'k>(
    paths: &[&DocumentPath],
    key_names: impl IntoIterator<Item = &'k str>,
    index_key_names: impl IntoIterator<Item = &'k str>,
) -> Result<(), SchemaError> {
    let is_entered = |name: &&str| paths.iter().any(|path| path.name == *name && !path.rest.is_empty());
    if let Some(name) = key_names.into_iter().find(is_entered) {
        return Err(SchemaError::PathIntoKey { attribute: name.to_owned() });
    }
    match index_key_names.into_iter().find(is_entered) {
        Some(name) => Err(SchemaError::PathIntoIndexKey { attribute: name.to_owned() }),
        None => Ok(()),
    }
}

/// Refuses a filter of a query that looks at the key of what is queried.
pub fn check_filter_names<'k>(
    filter: &Condition,
    key_names: impl IntoIterator<Item = &'k str>,
) -> Result<(), SchemaError> {
    let paths = filter.paths();
    match key_names.into_iter().find(|name| paths.iter().any(|path| path.name == *name)) {
        Some(name) => Err(SchemaError::FilterOnKey { attribute: name.to_owned() }),
        None => Ok(()),
    }
}
