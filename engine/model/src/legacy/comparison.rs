//! One comparison of an attribute with arguments, the building block of all legacy conditions.

use super::{Argument, LegacyFault};
use crate::expression::{AttributeCondition, Comparator, Condition, Constant, KeyTest, Operand};
use crate::path::DocumentPath;
use crate::value::{Value, ValueKind};

/// The thirteen operators, in the order in which DynamoDB prints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ComparisonOperator {
    /// `IN`: one of the arguments.
    In,
    /// `NULL`: the attribute is not there.
    Null,
    /// `BETWEEN` two arguments, both included.
    Between,
    /// `LT`
    Less,
    /// `NOT_CONTAINS`
    NotContains,
    /// `EQ`
    Equal,
    /// `GT`
    Greater,
    /// `NOT_NULL`: the attribute is there.
    NotNull,
    /// `NE`
    NotEqual,
    /// `LE`
    LessOrEqual,
    /// `BEGINS_WITH`
    BeginsWith,
    /// `GE`
    GreaterOrEqual,
    /// `CONTAINS`
    Contains,
}

/// An operator with arguments that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    attribute: String,
    operator: ComparisonOperator,
    arguments: Vec<Constant>,
}

impl ComparisonOperator {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::In,
        Self::Null,
        Self::Between,
        Self::Less,
        Self::NotContains,
        Self::Equal,
        Self::Greater,
        Self::NotNull,
        Self::NotEqual,
        Self::LessOrEqual,
        Self::BeginsWith,
        Self::GreaterOrEqual,
        Self::Contains,
    ];

    /// How requests write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::In => "IN",
            Self::Null => "NULL",
            Self::Between => "BETWEEN",
            Self::Less => "LT",
            Self::NotContains => "NOT_CONTAINS",
            Self::Equal => "EQ",
            Self::Greater => "GT",
            Self::NotNull => "NOT_NULL",
            Self::NotEqual => "NE",
            Self::LessOrEqual => "LE",
            Self::BeginsWith => "BEGINS_WITH",
            Self::GreaterOrEqual => "GE",
            Self::Contains => "CONTAINS",
        }
    }

    /// Whether it asks only if the attribute is there.
    pub(super) const fn is_about_presence(self) -> bool {
        matches!(self, Self::Null | Self::NotNull)
    }

    fn takes_count(self, count: usize) -> bool {
        match self {
            Self::Null | Self::NotNull => count == 0,
            Self::Between => count == 2,
            Self::In => count > 0,
            _ => count == 1,
        }
    }

    fn takes_kind(self, kind: ValueKind) -> bool {
        let is_scalar = matches!(kind, ValueKind::S | ValueKind::N | ValueKind::B);
        match self {
            Self::Equal | Self::NotEqual | Self::Null | Self::NotNull => true,
            Self::Contains | Self::NotContains => {
                is_scalar || matches!(kind, ValueKind::Bool | ValueKind::Null)
            }
            Self::BeginsWith => matches!(kind, ValueKind::S | ValueKind::B),
            _ => is_scalar,
        }
    }
}

impl Comparison {
    /// Takes an operator and its arguments, if it takes them.
    pub fn new(
        attribute: impl Into<String>,
        operator: ComparisonOperator,
        arguments: Vec<Argument>,
    ) -> Result<Self, LegacyFault> {
        let arguments = arguments.into_iter().collect::<Result<Vec<Value>, _>>()?;
        if !operator.takes_count(arguments.len()) {
            return Err(LegacyFault::ArgumentCount { operator });
        }
        if arguments.windows(2).any(|pair| pair[0].kind() != pair[1].kind()) {
            return Err(LegacyFault::ArgumentTypesDiffer);
        }
        if let Some(kind) = arguments.first().map(Value::kind)
            && !operator.takes_kind(kind)
        {
            return Err(LegacyFault::ArgumentType { operator, kind });
        }
        if operator == ComparisonOperator::Between && is_reversed(&arguments) {
            return Err(LegacyFault::BetweenBoundsReversed);
        }
        let arguments = arguments.into_iter().map(Constant::new).collect();
        Ok(Self { attribute: attribute.into(), operator, arguments })
    }

    /// The condition that it is of an item.
    pub fn into_condition(self) -> Condition {
        let path = DocumentPath::attribute(self.attribute);
        let operand = Operand::Path(path.clone());
        let mut arguments = self.arguments.into_iter().map(Operand::Constant);
        // Only operators that take arguments come here, and `new` counted them.
        let mut argument = || arguments.next().expect("the operator has its arguments");
        let compare = |comparator, right| Condition::Compare { comparator, left: operand.clone(), right };
        match self.operator {
            ComparisonOperator::Equal => compare(Comparator::Equal, argument()),
            ComparisonOperator::NotEqual => compare(Comparator::NotEqual, argument()),
            ComparisonOperator::Less => compare(Comparator::Less, argument()),
            ComparisonOperator::LessOrEqual => compare(Comparator::LessOrEqual, argument()),
            ComparisonOperator::Greater => compare(Comparator::Greater, argument()),
            ComparisonOperator::GreaterOrEqual => compare(Comparator::GreaterOrEqual, argument()),
            ComparisonOperator::Null => Condition::NotExists(path),
            ComparisonOperator::NotNull => Condition::Exists(path),
            ComparisonOperator::In => Condition::In { value: operand, candidates: arguments.collect() },
            ComparisonOperator::Between => {
                Condition::Between { value: operand, lower: argument(), upper: argument() }
            }
            ComparisonOperator::BeginsWith => Condition::BeginsWith { operand, prefix: argument() },
            ComparisonOperator::Contains => Condition::Contains { operand, member: argument() },
            ComparisonOperator::NotContains => {
                Condition::Not(Box::new(Condition::Contains { operand, member: argument() }))
            }
        }
    }

    /// The condition that it is of a key. That keys do not have its operator is told once the table is known.
    pub fn into_key_condition(self) -> AttributeCondition {
        let mut arguments = self.arguments.into_iter();
        let mut argument = || arguments.next().expect("the operator has its arguments");
        let test = match self.operator {
            ComparisonOperator::Equal => KeyTest::Equal(argument()),
            ComparisonOperator::Less => KeyTest::Less(argument()),
            ComparisonOperator::LessOrEqual => KeyTest::LessOrEqual(argument()),
            ComparisonOperator::Greater => KeyTest::Greater(argument()),
            ComparisonOperator::GreaterOrEqual => KeyTest::GreaterOrEqual(argument()),
            ComparisonOperator::Between => KeyTest::Between(argument(), argument()),
            ComparisonOperator::BeginsWith => KeyTest::BeginsWith(argument()),
            ComparisonOperator::In
            | ComparisonOperator::Null
            | ComparisonOperator::NotContains
            | ComparisonOperator::NotNull
            | ComparisonOperator::NotEqual
            | ComparisonOperator::Contains => KeyTest::NotIndexable,
        };
        AttributeCondition { attribute: self.attribute, test }
    }
}

/// Whether the second of two scalars of one type comes before the first.
fn is_reversed(bounds: &[Value]) -> bool {
    match bounds {
        [Value::S(lower), Value::S(upper)] => lower > upper,
        [Value::N(lower), Value::N(upper)] => lower > upper,
        [Value::B(lower), Value::B(upper)] => lower > upper,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use ComparisonOperator as Operator;

    use super::*;
    use crate::item::Item;
    use crate::number::Number;
    use crate::validate::ValueError;

    fn text(text: &str) -> Argument {
        Ok(Value::S(text.to_owned()))
    }

    fn holds(operator: Operator, arguments: Vec<Argument>) -> bool {
        let item = Item::from_iter([
            ("a".to_owned(), Value::S("mm".to_owned())),
            ("a.b".to_owned(), Value::Bool(true)),
        ]);
        let condition = Comparison::new("a", operator, arguments).unwrap().into_condition();
        condition.matches(Some(item.encode().as_item())).unwrap()
    }

    fn told(operator: Operator, arguments: Vec<Argument>) -> String {
        let fault = Comparison::new("a", operator, arguments).unwrap_err().to_string();
        fault.strip_prefix("One or more parameter values were invalid: ").unwrap_or(&fault).to_owned()
    }

    #[test]
    fn each_operator_means_what_its_name_says() {
        let cases = [
            (Operator::Equal, vec!["mm"], vec!["m"]),
            (Operator::NotEqual, vec!["m"], vec!["mm"]),
            (Operator::Less, vec!["n"], vec!["mm"]),
            (Operator::LessOrEqual, vec!["mm"], vec!["m"]),
            (Operator::Greater, vec!["m"], vec!["mm"]),
            (Operator::GreaterOrEqual, vec!["mm"], vec!["n"]),
            (Operator::In, vec!["a", "mm"], vec!["a", "b"]),
            (Operator::Between, vec!["m", "mm"], vec!["n", "o"]),
            (Operator::BeginsWith, vec!["m"], vec!["n"]),
            (Operator::Contains, vec!["m"], vec!["n"]),
            (Operator::NotContains, vec!["n"], vec!["m"]),
        ];
        for (operator, holding, failing) in cases {
            assert!(holds(operator, holding.into_iter().map(text).collect()), "{operator:?}");
            assert!(!holds(operator, failing.into_iter().map(text).collect()), "{operator:?}");
        }
        assert!(holds(Operator::NotNull, vec![]));
        assert!(!holds(Operator::Null, vec![]));
    }

    #[test]
    fn a_missing_attribute_is_only_unlike_and_absent() {
        for operator in Operator::ALL {
            let count = (0..=2).find(|count| operator.takes_count(*count)).unwrap();
            let arguments = vec![text("m"); count];
            let condition = Comparison::new("missing", operator, arguments).unwrap().into_condition();
            let holds = matches!(operator, Operator::NotEqual | Operator::Null | Operator::NotContains);
            assert_eq!(condition.matches(None).unwrap(), holds, "{operator:?}");
        }
    }

    #[test]
    fn names_are_literal() {
        let condition = Comparison::new("a.b", Operator::NotNull, vec![]).unwrap().into_condition();
        assert_eq!(condition, Condition::Exists(DocumentPath::attribute("a.b")));
    }

    #[test]
    fn faults_of_values_come_first_then_count_types_and_order() {
        let number = || Ok(Value::N(Number::from(1_u64)));
        let broken = || Err(ValueError::NullNotTrue);
        assert!(told(Operator::Equal, vec![number(), broken()]).starts_with("Null attribute value"));
        assert_eq!(
            told(Operator::Equal, vec![]),
            "Invalid number of argument(s) for the EQ ComparisonOperator"
        );
        assert_eq!(
            told(Operator::In, vec![text("a"), number()]),
            "AttributeValues inside AttributeValueList must be of same type"
        );
        assert_eq!(
            told(Operator::BeginsWith, vec![number()]),
            "ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type"
        );
        assert_eq!(
            told(Operator::Between, vec![text("b"), text("a")]),
            "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"
        );
        assert!(Comparison::new("a", Operator::Between, vec![text("a"), text("a")]).is_ok());
    }
}
