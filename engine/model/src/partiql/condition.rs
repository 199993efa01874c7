//! WHERE becomes the same tree as a ConditionExpression, under the same rules of operands.

use super::ast::{Expression, Term};
use super::error::StatementError;
use super::literal::value_of;
use super::path::{document_path, is_path};
use crate::expression::checks::{self, Simple};
use crate::expression::faults::{CONDITION_ORDER, Faults};
use crate::expression::{Comparator, Condition, Constant, Fault, Operand};
use crate::value::{Value, ValueKind};

/// A condition that is compared with another is written out twice; at most so many parts may come of that.
const COMPARED_PARTS_MAX: usize = 256;

/// Translates conditions with their parameters.
pub(super) struct ConditionTranslation<'a> {
    pub(super) parameters: &'a [Value],
}

impl ConditionTranslation<'_> {
    /// The condition that an expression is.
    pub(super) fn condition(&self, expression: &Expression) -> Result<Condition, StatementError> {
        match &expression.term {
            Term::And(terms) => Ok(Condition::And(self.conditions(terms)?)),
            Term::Or(terms) => Ok(Condition::Or(self.conditions(terms)?)),
            Term::Not(term) => Ok(Condition::Not(Box::new(self.condition(term)?))),
            Term::Compare { comparator, left, right } => self.comparison(*comparator, left, right),
            Term::Between { value, lower, upper } => leaf(Condition::Between {
                value: self.operand(value)?,
                lower: self.operand(lower)?,
                upper: self.operand(upper)?,
            }),
            Term::In { value, candidates } => self.membership(value, candidates),
            Term::Is { operand, type_name } => self.type_test(operand, type_name),
            Term::Call { function, arguments } => match self.call(function, arguments, expression)? {
                Simple::Test { condition, .. } => Ok(condition),
                _ => Err(Fault::MisusedFunction { function: SIZE }.into()),
            },
            _ => Err(not_a_condition(expression)),
        }
    }

    fn conditions(&self, terms: &[Expression]) -> Result<Vec<Condition>, StatementError> {
        terms.iter().map(|term| self.condition(term)).collect()
    }

    fn comparison(
        &self,
        comparator: Comparator,
        left: &Expression,
        right: &Expression,
    ) -> Result<Condition, StatementError> {
        match (is_condition(left), is_condition(right)) {
            (false, false) => {
                let (left, right) = (self.operand(left)?, self.operand(right)?);
                leaf(Condition::Compare { comparator, left, right })
            }
            (true, other_is_condition) => {
                let left = self.condition(left)?;
                let other = match other_is_condition {
                    true => Truth::Condition(self.condition(right)?),
                    false => Truth::Operand(self.operand(right)?),
                };
                compared(comparator, left, other)
            }
            (false, true) => {
                let right = self.condition(right)?;
                compared(comparator.flipped(), right, Truth::Operand(self.operand(left)?))
            }
        }
    }

    fn membership(&self, value: &Expression, candidates: &Expression) -> Result<Condition, StatementError> {
        let single = std::slice::from_ref(candidates);
        let candidates = match &candidates.term {
            Term::List(members) | Term::Bag(members) => members.as_slice(),
            _ => single,
        };
        if is_condition(value) {
            let value = self.condition(value)?;
            let equal = |candidate| {
                compared(Comparator::Equal, value.clone(), Truth::Operand(self.operand(candidate)?))
            };
            return candidates.iter().map(equal).collect::<Result<_, _>>().map(Condition::Or);
        }
        let value = self.operand(value)?;
        let candidates = candidates.iter().map(|candidate| self.operand(candidate));
        leaf(Condition::In { value, candidates: candidates.collect::<Result<_, _>>()? })
    }

    fn type_test(&self, operand: &Expression, type_name: &'static str) -> Result<Condition, StatementError> {
        if type_name == "missing" {
            return Ok(Condition::NotExists(document_path(operand)?));
        }
        let kind = match type_name {
            "null" => ValueKind::Null,
            "bool" | "boolean" => ValueKind::Bool,
            "blob" => ValueKind::B,
            "string" => ValueKind::S,
            "numeric" => ValueKind::N,
            "struct" | "tuple" => ValueKind::M,
            "list" => ValueKind::L,
            _ => return Err(StatementError::UnknownType { type_name }),
        };
        Ok(Condition::HasType { operand: self.operand(operand)?, kind })
    }

    /// The operand that an expression is.
    fn operand(&self, expression: &Expression) -> Result<Operand, StatementError> {
        match &expression.term {
            Term::Call { function, arguments } => match self.call(function, arguments, expression)? {
                Simple::Size(operand) => Ok(Operand::Size(Box::new(operand))),
                _ => Err(not_a_condition(expression)),
            },
            Term::Arithmetic { rest, .. } => {
                let operator = rest.last().map_or("+", |(operator, _)| operator.symbol()).to_owned();
                Err(StatementError::OperatorInCondition { operator })
            }
            Term::Negative(_) => Err(StatementError::OperatorInCondition { operator: "-".to_owned() }),
            Term::Positive(_) => Err(StatementError::OperatorInCondition { operator: "+".to_owned() }),
            _ if is_condition(expression) => Err(not_a_condition(expression)),
            _ if is_path(expression) => document_path(expression).map(Operand::Path),
            _ => Ok(Operand::Constant(Constant::new(value_of(expression, self.parameters)?))),
        }
    }

    fn call(
        &self,
        function: &str,
        arguments: &[Expression],
        expression: &Expression,
    ) -> Result<Simple, StatementError> {
        if !FUNCTIONS.contains(&function) {
            let place = expression.place;
            return Err(StatementError::UnknownFunction { function: function.to_owned(), place });
        }
        let simple = |argument| {
            Ok(match self.operand(argument)? {
                Operand::Path(path) => Simple::Path(path),
                Operand::Constant(constant) => Simple::Constant(constant),
                Operand::Size(operand) => Simple::Size(*operand),
            })
        };
        let arguments = arguments.iter().map(simple).collect::<Result<Vec<_>, StatementError>>()?;
        let mut faults = Faults::default();
        let called = checks::call_function(function.to_owned(), arguments, &mut faults);
        settle(faults)?;
        Ok(called)
    }
}

const SIZE: &str = "size";
const FUNCTIONS: [&str; 6] =
    ["attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", SIZE];

/// Whether an expression is true or false by its form.
fn is_condition(expression: &Expression) -> bool {
    match &expression.term {
        Term::And(_)
        | Term::Or(_)
        | Term::Not(_)
        | Term::Compare { .. }
        | Term::Between { .. }
        | Term::In { .. }
        | Term::Is { .. } => true,
        Term::Call { function, .. } => function != SIZE && FUNCTIONS.contains(&function.as_str()),
        _ => false,
    }
}

/// What a condition is compared with.
enum Truth {
    Condition(Condition),
    Operand(Operand),
}

/// `condition = other`: DynamoDB takes a condition for the boolean that it comes to.
fn compared(comparator: Comparator, condition: Condition, other: Truth) -> Result<Condition, StatementError> {
    let equal = match (comparator, other) {
        (Comparator::Equal | Comparator::NotEqual, Truth::Operand(Operand::Constant(constant))) => {
            match constant.value() {
                Value::Bool(true) => condition,
                Value::Bool(false) => opposite(condition),
                // Nothing else equals a truth value.
                _ => Condition::Or(Vec::new()),
            }
        }
        (Comparator::Equal | Comparator::NotEqual, Truth::Operand(operand)) => {
            let holds = |truth| Condition::Compare {
                comparator: Comparator::Equal,
                left: operand.clone(),
                right: Operand::Constant(Constant::new(Value::Bool(truth))),
            };
            both_or_neither(condition, holds(true), holds(false))?
        }
        (Comparator::Equal | Comparator::NotEqual, Truth::Condition(other)) => {
            both_or_neither(condition, other.clone(), opposite(other))?
        }
        (ordered, _) => {
            return Err(StatementError::OperandType { operator: ordered.symbol(), kind: ValueKind::Bool });
        }
    };
    Ok(if comparator == Comparator::Equal { equal } else { opposite(equal) })
}

/// Whether `condition` and another agree, given how the other holds and how it fails.
fn both_or_neither(
    condition: Condition,
    other_holds: Condition,
    other_fails: Condition,
) -> Result<Condition, StatementError> {
    if part_count(&condition) + part_count(&other_holds) > COMPARED_PARTS_MAX {
        return Err(StatementError::TooDeep);
    }
    let both = Condition::And(vec![condition.clone(), other_holds]);
    let neither = Condition::And(vec![opposite(condition), other_fails]);
    Ok(Condition::Or(vec![both, neither]))
}

fn opposite(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

fn part_count(condition: &Condition) -> usize {
    match condition {
        Condition::And(terms) | Condition::Or(terms) => 1 + terms.iter().map(part_count).sum::<usize>(),
        Condition::Not(term) => 1 + part_count(term),
        _ => 1,
    }
}

/// A comparison whose operands keep the rules.
fn leaf(condition: Condition) -> Result<Condition, StatementError> {
    let mut faults = Faults::default();
    checks::check_leaf(&condition, &mut faults);
    settle(faults)?;
    Ok(condition)
}

fn settle(mut faults: Faults) -> Result<(), StatementError> {
    faults.settle_leaf();
    faults.check(CONDITION_ORDER)?;
    Ok(())
}

fn not_a_condition(expression: &Expression) -> StatementError {
    let kind = expression.term.kind_name().to_owned();
    StatementError::NotACondition { kind, place: expression.place }
}
