//! Short ways to write values, placeholders and items.

use std::collections::BTreeMap;

use basalt_model::expression::{
    Condition, ExpressionError, ExpressionKind, Placeholders, Projection, Update, parse_condition,
    parse_key_condition, parse_projection, parse_update,
};
use basalt_model::{Item, Number, Set, Value};

pub(crate) fn s(text: &str) -> Value {
    Value::S(text.to_owned())
}

pub(crate) fn n(text: &str) -> Value {
    Value::N(number(text))
}

pub(crate) fn number(text: &str) -> Number {
    Number::parse(text).unwrap()
}

pub(crate) fn b(bytes: &[u8]) -> Value {
    Value::B(bytes.to_vec())
}

pub(crate) fn l(elements: impl Into<Vec<Value>>) -> Value {
    Value::L(elements.into())
}

pub(crate) fn m<const COUNT: usize>(entries: [(&str, Value); COUNT]) -> Value {
    Value::M(entries.map(|(name, value)| (name.to_owned(), value)).into())
}

pub(crate) fn ss<const COUNT: usize>(members: [&str; COUNT]) -> Value {
    Value::Ss(Set::new(members.map(str::to_owned)).unwrap())
}

pub(crate) fn ns<const COUNT: usize>(members: [&str; COUNT]) -> Value {
    Value::Ns(Set::new(members.map(number)).unwrap())
}

pub(crate) fn bs<const COUNT: usize>(members: [&[u8]; COUNT]) -> Value {
    Value::Bs(Set::new(members.map(<[u8]>::to_vec)).unwrap())
}

pub(crate) fn item<const COUNT: usize>(attributes: [(&str, Value); COUNT]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// One value of each type, as its constant would be called in these tests.
pub(crate) fn one_of_each() -> [(&'static str, Value); 10] {
    [
        (":S", s("a")),
        (":N", n("1")),
        (":B", b(b"a")),
        (":SS", ss(["a"])),
        (":NS", ns(["1"])),
        (":BS", bs([b"a"])),
        (":L", l([])),
        (":M", m([])),
        (":BOOL", Value::Bool(true)),
        (":NULL", Value::Null),
    ]
}

pub(crate) fn placeholders(names: &[(&str, &str)], values: &[(&str, Value)]) -> Placeholders {
    let names: BTreeMap<_, _> = names.iter().map(|&(key, name)| (key.to_owned(), name.to_owned())).collect();
    let values: BTreeMap<_, _> =
        values.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let names = (!names.is_empty()).then_some(names);
    let values = (!values.is_empty()).then_some(values);
    Placeholders::new(names, values).unwrap()
}

pub(crate) fn condition(text: &str, values: &[(&str, Value)]) -> Condition {
    parse_condition(ExpressionKind::Condition, text, &mut placeholders(&[], values)).unwrap()
}

pub(crate) fn projection(text: &str) -> Projection {
    parse_projection(text, &mut Placeholders::default()).unwrap()
}

pub(crate) fn update(text: &str, values: &[(&str, Value)]) -> Update {
    parse_update(text, &mut placeholders(&[("#a", "a"), ("#dot", "x.y")], values)).unwrap()
}

/// Parses as the kind says and forgets the tree.
pub(crate) fn parse(
    kind: ExpressionKind,
    text: &str,
    placeholders: &mut Placeholders,
) -> Result<(), ExpressionError> {
    match kind {
        ExpressionKind::Update => parse_update(text, placeholders).map(drop),
        ExpressionKind::Projection => parse_projection(text, placeholders).map(drop),
        ExpressionKind::KeyCondition => {
            parse_key_condition(text, placeholders).and_then(|expression| expression.conditions().map(drop))
        }
        ExpressionKind::Condition | ExpressionKind::Filter => {
            parse_condition(kind, text, placeholders).map(drop)
        }
    }
}

/// The text with which an expression is refused.
pub(crate) fn refusal(
    kind: ExpressionKind,
    text: &str,
    names: &[(&str, &str)],
    values: &[(&str, Value)],
) -> String {
    match parse(kind, text, &mut placeholders(names, values)) {
        Ok(()) => format!("accepted: {text}"),
        Err(error) => error.to_string(),
    }
}
