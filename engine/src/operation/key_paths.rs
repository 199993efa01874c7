//! What expressions may not do with the key attributes of the table that they turn out to be for.

use basalt_model::{
    DocumentPath, KeyAttribute,
    expression::{Condition, Projection, SchemaError, Update, check_filter_names, check_key_paths},
};

use crate::catalog::Table;

/// Refuses a projection of something inside of a key attribute.
pub(super) fn check_projection(table: &Table, projection: &Projection) -> Result<(), SchemaError> {
    check(table, &projection.paths().iter().collect::<Vec<_>>())
}

/// Refuses a filter on something inside of a key attribute.
pub(super) fn check_filter_paths(table: &Table, filter: &Condition) -> Result<(), SchemaError> {
    check(table, &filter.paths())
}

/// Refuses a query's filter on an attribute of the key that is queried, which belongs into the key condition.
pub(super) fn check_query_filter<'a>(
    queried_key: impl Iterator<Item = &'a KeyAttribute>,
    filter: &Condition,
) -> Result<(), SchemaError> {
    check_filter_names(filter, queried_key.map(name))
}

/// Refuses an update of a key attribute, or one that looks inside of it.
pub(super) fn check_update(table: &Table, update: &Update) -> Result<(), SchemaError> {
    update.check_key_attributes(table.schema().attributes().map(name))?;
    check(table, &update.paths())
}

fn check(table: &Table, paths: &[&DocumentPath]) -> Result<(), SchemaError> {
    check_key_paths(paths, table.schema().attributes().map(name), table.index_key_attributes().map(name))
}

fn name(attribute: &KeyAttribute) -> &str {
    &attribute.name
}
