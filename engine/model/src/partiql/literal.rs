//! Literals and parameters become values.

use std::fmt::Write as _;

use super::ast::{Expression, Term};
use super::error::StatementError;
use crate::item::Item;
use crate::number::Number;
use crate::value::{Set, Value};

/// The value itself is level 1; a scalar at level 32 is the deepest allowed.
const LEVELS_MAX: usize = 32;

/// The value of a literal, or the parameter that stands in its place.
pub(super) fn value_of(expression: &Expression, parameters: &[Value]) -> Result<Value, StatementError> {
    match expression.term {
        Term::Parameter(position) => parameters.get(position).cloned().ok_or(StatementError::ParameterCount),
        _ => literal(expression, &mut Vec::new()),
    }
}

/// A step into a literal, for the texts of what is wrong in it.
#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

fn literal<'a>(expression: &'a Expression, path: &mut Vec<Step<'a>>) -> Result<Value, StatementError> {
    if path.len() >= LEVELS_MAX {
        return Err(StatementError::LiteralTooDeep { path: printed(path) });
    }
    match &expression.term {
        Term::Text(text) => Ok(Value::S(text.clone())),
        Term::Number(text) => number(text, path).map(Value::N),
        Term::Boolean(truth) => Ok(Value::Bool(*truth)),
        Term::Null => Ok(Value::Null),
        Term::List(elements) => {
            let below = |(index, element)| within(path, Step::Index(index), |path| literal(element, path));
            elements.iter().enumerate().map(below).collect::<Result<_, _>>().map(Value::L)
        }
        Term::Struct(members) => {
            let below = |(name, value): &'a (Expression, Expression)| {
                let name = name_of(name, path)?;
                Ok((name.to_owned(), within(path, Step::Name(name), |path| literal(value, path))?))
            };
            members.iter().map(below).collect::<Result<_, _>>().map(Value::M)
        }
        Term::Bag(members) => set(members, path),
        _ => Err(not_a_literal(expression, path)),
    }
}

/// The name in a literal map or item.
fn name_of<'a>(name: &'a Expression, path: &[Step<'_>]) -> Result<&'a str, StatementError> {
    text_of(name).map(String::as_str).ok_or_else(|| not_a_literal(name, path))
}

/// The attributes of a literal item. Each is a value of its own: a parameter may stand for it.
pub(super) fn item_of(expression: &Expression, parameters: &[Value]) -> Result<Item, StatementError> {
    match &expression.term {
        Term::Struct(members) => {
            let attribute = |(name, value): &(Expression, Expression)| {
                Ok((name_of(name, &[])?.to_owned(), value_of(value, parameters)?))
            };
            members.iter().map(attribute).collect()
        }
        _ => match value_of(expression, parameters)? {
            Value::M(attributes) => Ok(Item::from(attributes)),
            _ => Err(StatementError::NotAnItem { place: expression.place }),
        },
    }
}

fn within<'a, T>(
    path: &mut Vec<Step<'a>>,
    step: Step<'a>,
    read: impl FnOnce(&mut Vec<Step<'a>>) -> Result<T, StatementError>,
) -> Result<T, StatementError> {
    path.push(step);
    let result = read(path);
    path.pop();
    result
}

fn number(text: &str, path: &[Step<'_>]) -> Result<Number, StatementError> {
    Number::parse(text).map_err(|fault| StatementError::Number { fault, path: printed(path) })
}

fn set(members: &[Expression], path: &[Step<'_>]) -> Result<Value, StatementError> {
    let texts: Option<Vec<&String>> = members.iter().map(text_of).collect();
    let numbers: Option<Vec<&String>> = members.iter().map(number_text_of).collect();
    match (texts, numbers) {
        _ if members.is_empty() => Err(StatementError::EmptyBag),
        (Some(texts), _) => {
            let owned: Vec<String> = texts.iter().map(|text| (*text).clone()).collect();
            let members = owned.join(", ");
            Set::new(owned).map(Value::Ss).map_err(|_| StatementError::DuplicateTexts { members })
        }
        (_, Some(texts)) => {
            let numbers = texts.iter().map(|text| number(text, path)).collect::<Result<Vec<_>, _>>()?;
            let duplicate = || {
                let members: Vec<&str> = texts.iter().map(|text| text.as_str()).collect();
                StatementError::DuplicateNumbers { members: members.join(", "), path: printed(path) }
            };
            Set::new(numbers).map(Value::Ns).map_err(|_| duplicate())
        }
        (None, None) => Err(StatementError::BagMembers),
    }
}

fn text_of(expression: &Expression) -> Option<&String> {
    match &expression.term {
        Term::Text(text) => Some(text),
        _ => None,
    }
}

fn number_text_of(expression: &Expression) -> Option<&String> {
    match &expression.term {
        Term::Number(text) => Some(text),
        _ => None,
    }
}

fn not_a_literal(expression: &Expression, path: &[Step<'_>]) -> StatementError {
    StatementError::NotALiteral {
        kind: expression.term.kind_name().to_owned(),
        path: printed(path),
        place: expression.place,
    }
}

/// `root.name[0]`
fn printed(path: &[Step<'_>]) -> String {
    let mut text = "root".to_owned();
    for step in path {
        // Writing to a string cannot fail.
        let _ = match step {
            Step::Name(name) => write!(text, ".{name}"),
            Step::Index(index) => write!(text, "[{index}]"),
        };
    }
    text
}
