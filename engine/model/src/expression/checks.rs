//! Rules of operands that hold before any item is seen: what functions take, which types an operator never
//! compares, and paths compared with themselves.

use std::cmp::Ordering;

use super::IN_OPERANDS_MAX;
use super::ast::{Condition, Constant, Operand};
use super::error::Fault;
use super::faults::{FaultClass, Faults};
use crate::path::DocumentPath;
use crate::value::{Value, ValueKind};

/// What was read as an operand but may turn out to be a condition.
pub(crate) enum Simple {
    Path(DocumentPath),
    Constant(Constant),
    /// `size(…)`, which has a value.
    Size(Operand),
    /// Another function, which is true or false.
    Test {
        function: &'static str,
        condition: Condition,
    },
    /// A function there is not; recorded already, so nothing else about it matters.
    Unknown,
}

/// Takes a term as an operand; a function without a value is recorded.
pub(crate) fn into_operand(simple: Simple, faults: &mut Faults) -> Operand {
    match simple {
        Simple::Path(path) => Operand::Path(path),
        Simple::Constant(constant) => Operand::Constant(constant),
        Simple::Size(operand) => Operand::Size(Box::new(operand)),
        Simple::Test { function, .. } => {
            faults.record(FaultClass::MisusedFunction, Fault::MisusedFunction { function });
            nothing()
        }
        Simple::Unknown => nothing(),
    }
}

/// Takes a term as a condition; `None` if it is no function. `size`, which is neither true nor false, is recorded.
pub(crate) fn into_condition(simple: Simple, faults: &mut Faults) -> Option<Condition> {
    match simple {
        Simple::Path(_) | Simple::Constant(_) => None,
        Simple::Test { condition, .. } => Some(condition),
        Simple::Size(_) => {
            let fault = Fault::MisusedFunction { function: SIZE };
            faults.record(FaultClass::MisusedFunction, fault);
            Some(Condition::And(Vec::new()))
        }
        Simple::Unknown => Some(Condition::And(Vec::new())),
    }
}

/// Checks a comparison or function whose operands were checked.
pub(crate) fn check_leaf(condition: &Condition, faults: &mut Faults) {
    match condition {
        Condition::Compare { comparator, left, right } => {
            check_distinct(comparator.symbol(), left, [right], faults);
            if comparator.needs_order() {
                check_ordered(comparator.symbol(), [left, right], faults);
            }
        }
        Condition::Between { value, lower, upper } => {
            check_distinct(BETWEEN, value, [lower, upper], faults);
            check_ordered(BETWEEN, [value, lower, upper], faults);
            check_bounds(lower, upper, faults);
        }
        Condition::In { value, candidates } => {
            if candidates.len() > IN_OPERANDS_MAX {
                let fault = Fault::TooManyInOperands { count: candidates.len() };
                faults.record(FaultClass::OperandCount, fault);
            }
            check_distinct("IN", value, candidates, faults);
        }
        // Functions were checked when they were called, the rest are no leaves.
        _ => {}
    }
}

/// Calls a function by its name, which is case-sensitive.
pub(crate) fn call_function(function: String, arguments: Vec<Simple>, faults: &mut Faults) -> Simple {
    let operands: Vec<Operand> = arguments.into_iter().map(|simple| into_operand(simple, faults)).collect();
    let Some(&(function, operand_count)) = FUNCTIONS.iter().find(|(name, _)| *name == function) else {
        faults.record(FaultClass::UnknownFunction, Fault::UnknownFunction { function });
        return Simple::Unknown;
    };
    if operands.len() != operand_count {
        let fault = Fault::OperandCount { operator: function, count: operands.len() };
        faults.record(FaultClass::OperandCount, fault);
    }
    let mut operands = operands.into_iter();
    let first = operands.next().unwrap_or_else(nothing);
    if function == SIZE {
        check_sizeable(&first, faults);
        return Simple::Size(first);
    }
    let condition = match operands.next() {
        None => test_of_path(function, first, faults),
        Some(second) => test_of_two(function, first, second, faults),
    };
    Simple::Test { function, condition }
}

const SIZE: &str = "size";
const BETWEEN: &str = "BETWEEN";
const ATTRIBUTE_EXISTS: &str = "attribute_exists";
const ATTRIBUTE_NOT_EXISTS: &str = "attribute_not_exists";
const ATTRIBUTE_TYPE: &str = "attribute_type";
const BEGINS_WITH: &str = "begins_with";
const CONTAINS: &str = "contains";

/// Every function of conditions and how many operands it takes.
const FUNCTIONS: &[(&str, usize)] = &[
    (ATTRIBUTE_EXISTS, 1),
    (ATTRIBUTE_NOT_EXISTS, 1),
    (ATTRIBUTE_TYPE, 2),
    (BEGINS_WITH, 2),
    (CONTAINS, 2),
    (SIZE, 1),
];

/// `attribute_exists` and its opposite. Another function lacks an operand here, which was recorded.
fn test_of_path(function: &'static str, operand: Operand, faults: &mut Faults) -> Condition {
    let path = match operand {
        Operand::Path(path) => path,
        _ => {
            faults.record(FaultClass::Operand, Fault::NotAPath { function });
            DocumentPath::attribute("")
        }
    };
    if function == ATTRIBUTE_NOT_EXISTS { Condition::NotExists(path) } else { Condition::Exists(path) }
}

/// The functions of two operands. Another function has an operand too many here, which was recorded.
fn test_of_two(function: &'static str, first: Operand, second: Operand, faults: &mut Faults) -> Condition {
    check_distinct(function, &first, [&second], faults);
    match function {
        ATTRIBUTE_TYPE => Condition::HasType { operand: first, kind: type_named(&second, faults) },
        BEGINS_WITH => {
            for operand in [&first, &second] {
                check_constant(BEGINS_WITH, operand, &[ValueKind::S, ValueKind::B], faults);
            }
            Condition::BeginsWith { operand: first, prefix: second }
        }
        _ => Condition::Contains { operand: first, member: second },
    }
}

/// The type that the second operand of `attribute_type` names; any, if it names none and that was recorded.
fn type_named(operand: &Operand, faults: &mut Faults) -> ValueKind {
    let fault = match operand {
        Operand::Constant(constant) => match constant.value() {
            Value::S(name) => match ValueKind::from_name(name) {
                Some(kind) => return kind,
                None => Fault::UnknownAttributeType { name: name.clone() },
            },
            other => Fault::OperandType { operator: ATTRIBUTE_TYPE, kind: other.kind() },
        },
        Operand::Size(_) => Fault::OperandType { operator: ATTRIBUTE_TYPE, kind: ValueKind::N },
        Operand::Path(_) => Fault::AttributeTypeIsPath,
    };
    faults.record(FaultClass::Operand, fault);
    ValueKind::Null
}

fn check_sizeable(operand: &Operand, faults: &mut Faults) {
    use ValueKind::{B, Bs, L, M, Ns, S, Ss};
    check_constant(SIZE, operand, &[S, B, Ss, Ns, Bs, L, M], faults);
}

fn check_ordered<'a>(
    operator: &'static str,
    operands: impl IntoIterator<Item = &'a Operand>,
    faults: &mut Faults,
) {
    for operand in operands {
        check_constant(operator, operand, &[ValueKind::S, ValueKind::N, ValueKind::B], faults);
    }
}

/// Refuses an operand whose type is known by now and is none of `kinds`.
fn check_constant(operator: &'static str, operand: &Operand, kinds: &[ValueKind], faults: &mut Faults) {
    if let Some(kind) = known_kind(operand).filter(|kind| !kinds.contains(kind)) {
        faults.record(FaultClass::Operand, Fault::OperandType { operator, kind });
    }
}

fn known_kind(operand: &Operand) -> Option<ValueKind> {
    match operand {
        Operand::Path(_) => None,
        Operand::Constant(constant) => Some(constant.kind()),
        Operand::Size(_) => Some(ValueKind::N),
    }
}

/// Refuses a path that is compared with itself; equal constants are fine.
fn check_distinct<'a>(
    operator: &'static str,
    first: &Operand,
    others: impl IntoIterator<Item = &'a Operand>,
    faults: &mut Faults,
) {
    let Operand::Path(path) = first else { return };
    if others.into_iter().any(|other| other == first) {
        let fault = Fault::OperandsNotDistinct { operator, path: path.clone() };
        faults.record(FaultClass::Distinct, fault);
    }
}

fn check_bounds(lower: &Operand, upper: &Operand, faults: &mut Faults) {
    let (Operand::Constant(lower), Operand::Constant(upper)) = (lower, upper) else { return };
    let (lower, upper) = (lower.clone(), upper.clone());
    let fault = if lower.kind() != upper.kind() {
        Fault::BetweenTypesDiffer { lower, upper }
    } else if scalar_order(lower.value(), upper.value()) == Some(Ordering::Greater) {
        Fault::BetweenBoundsReversed { lower, upper }
    } else {
        return;
    };
    faults.record(FaultClass::Operand, fault);
}

/// Order of two values of one type that has an order.
fn scalar_order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::S(left), Value::S(right)) => Some(left.cmp(right)),
        (Value::N(left), Value::N(right)) => Some(left.cmp(right)),
        (Value::B(left), Value::B(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// Stands for an operand about which a fault is recorded.
fn nothing() -> Operand {
    Operand::Constant(Constant::new(Value::Null))
}
