//! What expressions may not do with the key attributes of the table that they turn out to be for.

use basalt_model::{
    DocumentPath, KeySchema,
    expression::{Condition, Projection, SchemaError, Update, check_filter_names, check_key_paths},
};

/// Refuses a projection of something inside of a key attribute.
pub(super) fn check_projection(schema: &KeySchema, projection: &Projection) -> Result<(), SchemaError> {
    check(schema, &projection.paths().iter().collect::<Vec<_>>())
}

/// Refuses a scan's filter on something inside of a key attribute.
pub(super) fn check_scan_filter(schema: &KeySchema, filter: &Condition) -> Result<(), SchemaError> {
    check(schema, &filter.paths())
}

/// Refuses a query's filter on a key attribute, which belongs into the key condition.
pub(super) fn check_query_filter(schema: &KeySchema, filter: &Condition) -> Result<(), SchemaError> {
    check_filter_names(filter, names(schema))
}

/// Refuses an update of a key attribute, or one that looks inside of it.
pub(super) fn check_update(schema: &KeySchema, update: &Update) -> Result<(), SchemaError> {
    update.check_key_attributes(names(schema))?;
    check(schema, &update.paths())
}

fn check(schema: &KeySchema, paths: &[&DocumentPath]) -> Result<(), SchemaError> {
    let no_index_keys = [];
    check_key_paths(paths, names(schema), no_index_keys)
}

fn names(schema: &KeySchema) -> impl Iterator<Item = &str> {
    schema.attributes().map(|attribute| attribute.name.as_str())
}
