//! Random values, items and trees. Few names and few values, so that paths often lead to something and comparisons
//! are often of equals.

use basalt_model::expression::{Action, Comparator, Condition, Constant, Operand, SetValue, UpdateOperand};
use basalt_model::{DocumentPath, Item, PathElement, Set, Value, ValueKind};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::{n, number};

/// Among them a keyword, a reserved word, a function, and one that only a placeholder can spell.
const NAMES: [&str; 6] = ["a", "b", "AND", "name", "size", "x.y"];
const TEXTS: [&str; 6] = ["", "a", "ab", "b", "é", "😀"];
const NUMBERS: [&str; 7] = ["0", "1", "2", "-1.5", "100", "0.01", "99999999999999999999999999999999999999"];
const BYTES: [&[u8]; 4] = [b"", b"a", b"\xff", b"ab"];

pub(crate) fn item() -> impl Strategy<Value = Item> {
    btree_map(name(), value(), 0..6).prop_map(Item::from)
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    prop_oneof![scalar(), flat_value()].prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::L),
            btree_map(name(), inner, 0..4).prop_map(Value::M),
        ]
    })
}

pub(crate) fn condition() -> impl Strategy<Value = Condition> {
    leaf().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Condition::And),
            vec(inner.clone(), 2..4).prop_map(Condition::Or),
            inner.prop_map(|term| Condition::Not(Box::new(term))),
        ]
    })
}

pub(crate) fn paths() -> impl Strategy<Value = Vec<DocumentPath>> {
    btree_set(path(), 1..6).prop_map(|paths| apart(paths.into_iter().collect(), |path| path.clone()))
}

/// Actions in the order of their sections, so that printing keeps it.
pub(crate) fn actions() -> impl Strategy<Value = Vec<Action>> {
    vec(action(), 1..6).prop_map(|actions| {
        let mut actions = apart(actions, |action| action.path().clone());
        actions.sort_by_key(|action| match action {
            Action::Add { .. } => 0,
            Action::Delete { .. } => 1,
            Action::Remove { .. } => 2,
            Action::Set { .. } => 3,
        });
        actions
    })
}

fn name() -> impl Strategy<Value = String> {
    select(&NAMES[..]).prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        select(&TEXTS[..]).prop_map(|text| Value::S(text.to_owned())),
        select(&NUMBERS[..]).prop_map(n),
        select(&BYTES[..]).prop_map(|bytes| Value::B(bytes.to_vec())),
    ]
}

fn set() -> impl Strategy<Value = Value> {
    prop_oneof![
        btree_set(select(&TEXTS[..]), 1..4).prop_map(|set| Value::Ss(
            Set::new(set.into_iter().map(str::to_owned).collect::<Vec<_>>()).unwrap()
        )),
        btree_set(select(&NUMBERS[..]), 1..4)
            .prop_map(|set| Value::Ns(Set::new(set.into_iter().map(number).collect::<Vec<_>>()).unwrap())),
        btree_set(select(&BYTES[..]), 1..4).prop_map(|set| Value::Bs(
            Set::new(set.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()).unwrap()
        )),
    ]
}

fn flat_value() -> impl Strategy<Value = Value> {
    prop_oneof![set(), any::<bool>().prop_map(Value::Bool), Just(Value::Null)]
}

fn path() -> impl Strategy<Value = DocumentPath> {
    let element = prop_oneof![name().prop_map(PathElement::Name), (0u32..4).prop_map(PathElement::Index)];
    (name(), vec(element, 0..3)).prop_map(|(name, rest)| DocumentPath { name, rest })
}

fn operand() -> impl Strategy<Value = Operand> {
    prop_oneof![
        3 => path().prop_map(Operand::Path),
        2 => value().prop_map(constant),
        1 => sized().prop_map(|operand| Operand::Size(Box::new(operand))),
    ]
}

fn ordered_operand() -> impl Strategy<Value = Operand> {
    prop_oneof![
        2 => path().prop_map(Operand::Path),
        2 => scalar().prop_map(constant),
        1 => sized().prop_map(|operand| Operand::Size(Box::new(operand))),
    ]
}

fn sized() -> impl Strategy<Value = Operand> {
    prop_oneof![path().prop_map(Operand::Path), set().prop_map(constant)]
}

fn text_operand() -> impl Strategy<Value = Operand> {
    let text = prop_oneof![
        select(&TEXTS[..]).prop_map(|text| Value::S(text.to_owned())),
        select(&BYTES[..]).prop_map(|bytes| Value::B(bytes.to_vec())),
    ];
    prop_oneof![path().prop_map(Operand::Path), text.prop_map(constant)]
}

fn constant(value: Value) -> Operand {
    Operand::Constant(Constant::new(value))
}

fn leaf() -> impl Strategy<Value = Condition> {
    use Comparator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    use ValueKind::{B, Bool, Bs, L, M, N, Ns, Null, S, Ss};
    let equality = (select(vec![Equal, NotEqual]), operand(), operand());
    let order =
        (select(vec![Less, LessOrEqual, Greater, GreaterOrEqual]), ordered_operand(), ordered_operand());
    prop_oneof![
        equality.prop_map(|(comparator, left, right)| compare(comparator, left, right)),
        order.prop_map(|(comparator, left, right)| compare(comparator, left, right)),
        (ordered_operand(), bounds()).prop_map(|(value, (lower, upper))| {
            let is_bound = matches!(value, Operand::Path(_)) && (value == lower || value == upper);
            let value = if is_bound { Operand::Size(Box::new(value)) } else { value };
            Condition::Between { value, lower, upper }
        }),
        (operand(), vec(operand(), 1..4)).prop_map(|(value, candidates)| {
            let candidates = candidates.into_iter().map(|candidate| distinct(&value, candidate)).collect();
            Condition::In { value, candidates }
        }),
        path().prop_map(Condition::Exists),
        path().prop_map(Condition::NotExists),
        (operand(), select(vec![S, N, B, Ss, Ns, Bs, M, L, Bool, Null]))
            .prop_map(|(operand, kind)| Condition::HasType { operand, kind }),
        (text_operand(), text_operand()).prop_map(|(operand, prefix)| {
            let prefix = distinct(&operand, prefix);
            Condition::BeginsWith { operand, prefix }
        }),
        (operand(), operand()).prop_map(|(operand, member)| {
            let member = distinct(&operand, member);
            Condition::Contains { operand, member }
        }),
    ]
}

fn compare(comparator: Comparator, left: Operand, right: Operand) -> Condition {
    let right = distinct(&left, right);
    Condition::Compare { comparator, left, right }
}

/// A path must not be compared with itself.
fn distinct(first: &Operand, second: Operand) -> Operand {
    match first {
        Operand::Path(_) if *first == second => constant(Value::S("a".to_owned())),
        _ => second,
    }
}

/// Two constants of one type in their order, or operands that are not both constants.
fn bounds() -> impl Strategy<Value = (Operand, Operand)> {
    prop_oneof![
        (0..NUMBERS.len(), 0..NUMBERS.len()).prop_map(|(left, right)| {
            let (left, right) = (number(NUMBERS[left]), number(NUMBERS[right]));
            (constant(Value::N(left.min(right))), constant(Value::N(left.max(right))))
        }),
        (0..TEXTS.len(), 0..TEXTS.len()).prop_map(|(left, right)| {
            let (left, right) = (TEXTS[left].to_owned(), TEXTS[right].to_owned());
            (constant(Value::S(left.clone().min(right.clone()))), constant(Value::S(left.max(right))))
        }),
        (path().prop_map(Operand::Path), ordered_operand()),
        (ordered_operand(), path().prop_map(Operand::Path)),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let number_or_set = prop_oneof![select(&NUMBERS[..]).prop_map(n), set()];
    prop_oneof![
        4 => (path(), set_value()).prop_map(|(path, value)| Action::Set { path, value }),
        2 => path().prop_map(|path| Action::Remove { path }),
        2 => (path(), number_or_set).prop_map(|(path, value)| Action::Add { path, value: Constant::new(value) }),
        1 => (path(), set()).prop_map(|(path, value)| Action::Delete { path, value: Constant::new(value) }),
    ]
}

fn set_value() -> impl Strategy<Value = SetValue> {
    let numeric = || {
        prop_oneof![
            path().prop_map(UpdateOperand::Path),
            select(&NUMBERS[..]).prop_map(|text| UpdateOperand::Constant(Constant::new(n(text)))),
        ]
    };
    prop_oneof![
        3 => update_operand().prop_map(SetValue::Operand),
        1 => (numeric(), numeric()).prop_map(|(left, right)| SetValue::Sum(left, right)),
        1 => (numeric(), numeric()).prop_map(|(left, right)| SetValue::Difference(left, right)),
    ]
}

fn update_operand() -> impl Strategy<Value = UpdateOperand> {
    let list = || {
        prop_oneof![
            path().prop_map(UpdateOperand::Path),
            vec(scalar(), 0..3).prop_map(|list| UpdateOperand::Constant(Constant::new(Value::L(list)))),
        ]
    };
    let simple = prop_oneof![
        path().prop_map(UpdateOperand::Path),
        value().prop_map(|value| UpdateOperand::Constant(Constant::new(value))),
    ];
    prop_oneof![
        3 => simple.clone(),
        1 => (path(), simple)
            .prop_map(|(path, otherwise)| UpdateOperand::IfNotExists { path, otherwise: Box::new(otherwise) }),
        1 => (list(), list())
            .prop_map(|(front, back)| UpdateOperand::ListAppend { front: Box::new(front), back: Box::new(back) }),
    ]
}

/// Keeps only what does not touch or contradict the paths of what was kept before.
fn apart<T>(candidates: Vec<T>, path_of: impl Fn(&T) -> DocumentPath) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for candidate in candidates {
        if kept.iter().all(|known| are_apart(&path_of(known), &path_of(&candidate))) {
            kept.push(candidate);
        }
    }
    kept
}

fn are_apart(left: &DocumentPath, right: &DocumentPath) -> bool {
    use PathElement::{Index, Name};
    if left.name != right.name {
        return true;
    }
    let first_difference = left.rest.iter().zip(&right.rest).find(|(left, right)| left != right);
    matches!(first_difference, Some((Name(_), Name(_)) | (Index(_), Index(_))))
}
