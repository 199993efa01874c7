//! The parameters that expressions replaced: Expected, AttributeUpdates, KeyConditions, QueryFilter, ScanFilter,
//! AttributesToGet and ConditionalOperator, translated into the trees that expressions become.
//!
//! Attributes are top-level and named literally: a dot in a name is part of the name. Arguments come as they stood
//! in the request, each a value or what is wrong with it, because DynamoDB tells some faults of a condition before
//! those of its values.
//!
//! What differs from expressions in what is told later, with the table known, is in [`messages`]; the trees
//! themselves do not know where they come from.
//!
//! Order of faults as observed by dynalite's tests against AWS.

mod attribute_update;
mod comparison;
mod condition;
pub mod messages;

use thiserror::Error;

pub use attribute_update::{AttributeUpdate, UpdateAction, update};
pub use comparison::{Comparison, ComparisonOperator};
pub use condition::{ConditionalOperator, Expected, filter};

use crate::expression::Projection;
use crate::path::DocumentPath;
use crate::validate::ValueError;
use crate::value::{Value, ValueKind};

/// A value as it stood in the request, or what is wrong with it.
pub type Argument = Result<Value, ValueError>;

/// What is wrong with a legacy parameter.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is explained at its text in `messages`")]
pub enum LegacyFault {
    #[error(transparent)]
    Value(#[from] ValueError),
    #[error("{}", messages::argument_count(*.operator))]
    ArgumentCount { operator: ComparisonOperator },
    #[error("{}", messages::argument_types_differ())]
    ArgumentTypesDiffer,
    #[error("{}", messages::argument_type(*.operator, *.kind))]
    ArgumentType { operator: ComparisonOperator, kind: ValueKind },
    #[error("{}", messages::BETWEEN_BOUNDS_REVERSED)]
    BetweenBoundsReversed,
    #[error("{}", messages::value_beside_list(.attribute))]
    ValueBesideList { attribute: String },
    #[error("{}", messages::exists_beside_operator(.attribute))]
    ExistsBesideOperator { attribute: String },
    #[error("{}", messages::operator_without_values(*.operator, .attribute))]
    OperatorWithoutValues { operator: ComparisonOperator, attribute: String },
    #[error("{}", messages::list_without_operator(.attribute))]
    ListWithoutOperator { attribute: String },
    #[error("{}", messages::value_missing(*.exists, .attribute))]
    ValueMissing { exists: Option<bool>, attribute: String },
    #[error("{}", messages::value_of_absent(.attribute))]
    ValueOfAbsent { attribute: String },
    #[error("{}", messages::only_delete_without_value())]
    OnlyDeleteWithoutValue,
    #[error("{}", messages::update_action_type(*.action, *.kind))]
    UpdateActionType { action: UpdateAction, kind: ValueKind },
    #[error("{}", messages::repeated_attribute(.attribute))]
    RepeatedAttribute { attribute: String },
}

/// The projection that AttributesToGet stands for.
pub fn projection(attributes: Vec<String>) -> Result<Projection, LegacyFault> {
    for (position, attribute) in attributes.iter().enumerate() {
        if attributes[..position].contains(attribute) {
            return Err(LegacyFault::RepeatedAttribute { attribute: attribute.clone() });
        }
    }
    Ok(Projection::new(attributes.into_iter().map(DocumentPath::attribute).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_to_get_are_literal_and_different() {
        let shown = projection(vec!["b".into(), "a.b".into()]).unwrap();
        assert_eq!(shown.paths(), [DocumentPath::attribute("a.b"), DocumentPath::attribute("b")]);
        let fault = projection(vec!["a".into(), "b".into(), "a".into()]).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "One or more parameter values were invalid: Duplicate value in attribute name: a"
        );
    }
}
