//! PartiQL: a statement from the input, with parameters derived from what follows its first zero byte.
//!
//! Parsing must end in a statement or a worded fault; what was bound must fit every key or say why not, and a SELECT
//! that became queries must ask each for something.

use basalt_model::partiql::{BoundStatement, SelectPlan, StatementError, parse_statement};
use basalt_model::{IndexKeySchema, KeySchema, Value};

use super::keys::schemas;
use crate::source::Source;

/// One statement.
pub fn statement(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let text = String::from_utf8_lossy(&data[..end]);
    let parsed = match parse_statement(&text) {
        Ok(parsed) => parsed,
        Err(fault) => return drop(fault.to_string()),
    };
    let mut source = Source::new(data.get(end + 1..).unwrap_or_default());
    let parameters: Vec<Value> = (0..parsed.parameter_count).map(|_| source.value()).collect();
    let bound = match parsed.bind(&parameters) {
        Ok(bound) => bound,
        Err(fault) => return drop(fault.to_string()),
    };
    assert!(!bound.table_name().is_empty(), "a statement names its table");
    for schema in schemas() {
        if let Err(fault) = fit(&bound, &key_of(schema)) {
            drop(fault.to_string());
        }
    }
}

fn key_of(schema: KeySchema) -> IndexKeySchema {
    IndexKeySchema { partition: vec![schema.partition], sort: schema.sort.into_iter().collect() }
}

fn fit(bound: &BoundStatement, key: &IndexKeySchema) -> Result<(), StatementError> {
    match bound {
        BoundStatement::Select(select) => {
            let plan = select.plan(key)?;
            if let SelectPlan::Queries { reads, .. } = &plan {
                for read in reads {
                    assert!(read.conditions(key)?.iter().count() > 0, "a query asks for its partition key");
                }
            }
            drop(select.exact_key(key));
        }
        BoundStatement::Exists(exists) => drop(exists.checked_key(key)?),
        BoundStatement::Update(update) => drop(update.key(key)?),
        BoundStatement::Delete(delete) => drop(delete.key(key)?),
        BoundStatement::Insert(_) => {}
    }
    Ok(())
}
