//! Expected and the two filters: several comparisons, of which all or any must hold.

use super::{Argument, Comparison, ComparisonOperator, LegacyFault};
use crate::expression::Condition;

/// How several comparisons go together, in the order in which DynamoDB prints the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConditionalOperator {
    /// `OR`
    Or,
    /// `AND`
    #[default]
    And,
}

/// What is expected of one attribute, as the request says it.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// Whether it must be there; `None` if the request does not say.
    pub exists: Option<bool>,
    /// The value it must have, or be compared with.
    pub value: Option<Argument>,
    /// How it is compared.
    pub operator: Option<ComparisonOperator>,
    /// What it is compared with.
    pub arguments: Option<Vec<Argument>>,
}

impl ConditionalOperator {
    /// One condition of several; `None` of none.
    pub fn join(self, mut conditions: Vec<Condition>) -> Option<Condition> {
        if conditions.len() < 2 {
            return conditions.pop();
        }
        Some(match self {
            Self::And => Condition::And(conditions),
            Self::Or => Condition::Or(conditions),
        })
    }
}

impl Expected {
    /// The condition on `attribute`.
    pub fn into_condition(self, attribute: String) -> Result<Condition, LegacyFault> {
        if self.arguments.is_some() && self.value.is_some() {
            return Err(LegacyFault::ValueBesideList { attribute });
        }
        let comparison = match self.operator {
            Some(operator) => self.compared(attribute, operator)?,
            None => self.present_or_absent(attribute)?,
        };
        Ok(comparison.into_condition())
    }

    fn compared(self, attribute: String, operator: ComparisonOperator) -> Result<Comparison, LegacyFault> {
        if self.exists.is_some() {
            return Err(LegacyFault::ExistsBesideOperator { attribute });
        }
        let arguments = self.arguments.or_else(|| self.value.map(|value| vec![value]));
        if arguments.is_none() && !operator.is_about_presence() {
            return Err(LegacyFault::OperatorWithoutValues { operator, attribute });
        }
        Comparison::new(attribute, operator, arguments.unwrap_or_default())
    }

    fn present_or_absent(self, attribute: String) -> Result<Comparison, LegacyFault> {
        if self.arguments.is_some() {
            return Err(LegacyFault::ListWithoutOperator { attribute });
        }
        match (self.exists, self.value) {
            (None | Some(true), Some(value)) => {
                Comparison::new(attribute, ComparisonOperator::Equal, vec![value])
            }
            (exists @ (None | Some(true)), None) => Err(LegacyFault::ValueMissing { exists, attribute }),
            (Some(false), None) => Comparison::new(attribute, ComparisonOperator::Null, Vec::new()),
            (Some(false), Some(_)) => Err(LegacyFault::ValueOfAbsent { attribute }),
        }
    }
}

/// The condition that QueryFilter or ScanFilter stands for, if it has any comparison.
pub fn filter(comparisons: Vec<Comparison>, operator: ConditionalOperator) -> Option<Condition> {
    operator.join(comparisons.into_iter().map(Comparison::into_condition).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn value() -> Option<Argument> {
        Some(Ok(Value::Bool(true)))
    }

    fn told(expected: Expected) -> String {
        let fault = expected.into_condition("a".to_owned()).unwrap_err().to_string();
        fault.strip_prefix("One or more parameter values were invalid: ").unwrap_or(&fault).to_owned()
    }

    #[test]
    fn a_value_alone_must_be_equal_and_absence_needs_none() {
        let equal = Expected { value: value(), ..Expected::default() };
        let with_exists = Expected { exists: Some(true), ..equal.clone() };
        let condition = equal.into_condition("a".to_owned()).unwrap();
        assert!(matches!(condition, Condition::Compare { .. }), "{condition:?}");
        assert_eq!(with_exists.into_condition("a".to_owned()).unwrap(), condition);
        let absent = Expected { exists: Some(false), ..Expected::default() };
        assert!(matches!(absent.into_condition("a".to_owned()).unwrap(), Condition::NotExists(_)));
    }

    #[test]
    fn members_that_contradict_each_other_are_refused() {
        let less = Some(ComparisonOperator::Less);
        let list = Some(vec![Ok(Value::Bool(true))]);
        let cases = [
            (
                Expected { value: value(), arguments: list.clone(), ..Expected::default() },
                "Value and AttributeValueList cannot be used together for Attribute: a",
            ),
            (
                Expected { exists: Some(true), operator: less, ..Expected::default() },
                "Exists and ComparisonOperator cannot be used together for Attribute: a",
            ),
            (
                Expected { operator: less, ..Expected::default() },
                "Value or AttributeValueList must be used with ComparisonOperator: LT for Attribute: a",
            ),
            (
                Expected { arguments: list, exists: Some(true), ..Expected::default() },
                "AttributeValueList can only be used with a ComparisonOperator for Attribute: a",
            ),
            (Expected::default(), "Value must be provided when Exists is null for Attribute: a"),
            (
                Expected { exists: Some(true), ..Expected::default() },
                "Value must be provided when Exists is true for Attribute: a",
            ),
            (
                Expected { exists: Some(false), value: value(), ..Expected::default() },
                "Value cannot be used when Exists is false for Attribute: a",
            ),
        ];
        for (expected, text) in cases {
            assert_eq!(told(expected), text);
        }
    }

    #[test]
    fn comparisons_are_joined_as_asked() {
        let presence =
            |attribute: &str| Comparison::new(attribute, ComparisonOperator::NotNull, Vec::new()).unwrap();
        let two = || vec![presence("a"), presence("b")];
        assert!(matches!(filter(two(), ConditionalOperator::Or), Some(Condition::Or(_))));
        assert!(matches!(filter(two(), ConditionalOperator::default()), Some(Condition::And(_))));
        assert!(matches!(filter(vec![presence("a")], ConditionalOperator::Or), Some(Condition::Exists(_))));
        assert_eq!(filter(Vec::new(), ConditionalOperator::And), None);
    }
}
