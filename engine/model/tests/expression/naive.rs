//! The same language on decoded items, written for plainness: what evaluation on encoded items is compared with.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use basalt_model::expression::{
    Action, Comparator, Condition, Operand, SetValue, UpdateError, UpdateOperand,
};
use basalt_model::{DocumentPath, Item, Number, PathElement, Value};

pub(crate) fn matches(condition: &Condition, item: &Item) -> bool {
    let value = |operand: &Operand| resolve(operand, item);
    match condition {
        Condition::And(terms) => terms.iter().all(|term| matches(term, item)),
        Condition::Or(terms) => terms.iter().any(|term| matches(term, item)),
        Condition::Not(term) => !matches(term, item),
        Condition::Compare { comparator, left, right } => compare(*comparator, value(left), value(right)),
        Condition::Between { value: middle, lower, upper } => {
            compare(Comparator::LessOrEqual, value(lower), value(middle))
                && compare(Comparator::LessOrEqual, value(middle), value(upper))
        }
        Condition::In { value: one, candidates } => {
            let one = value(one);
            one.is_some() && candidates.iter().any(|candidate| value(candidate) == one)
        }
        Condition::Exists(path) => find(item, path).is_some(),
        Condition::NotExists(path) => find(item, path).is_none(),
        Condition::HasType { operand, kind } => value(operand).is_some_and(|value| value.kind() == *kind),
        Condition::BeginsWith { operand, prefix } => match (value(operand), value(prefix)) {
            (Some(Value::S(whole)), Some(Value::S(part))) => whole.starts_with(&part),
            (Some(Value::B(whole)), Some(Value::B(part))) => whole.starts_with(&part),
            _ => false,
        },
        Condition::Contains { operand, member } => match (value(operand), value(member)) {
            (Some(Value::S(whole)), Some(Value::S(part))) => whole.contains(&part),
            (Some(Value::B(whole)), Some(Value::B(part))) => {
                (0..=whole.len()).any(|start| whole[start..].starts_with(&part))
            }
            (Some(Value::Ss(set)), Some(Value::S(member))) => set.contains(&member),
            (Some(Value::Ns(set)), Some(Value::N(member))) => set.contains(&member),
            (Some(Value::Bs(set)), Some(Value::B(member))) => set.contains(&member),
            (Some(Value::L(list)), Some(member)) => list.contains(&member),
            _ => false,
        },
    }
}

fn compare(comparator: Comparator, left: Option<Value>, right: Option<Value>) -> bool {
    let (Some(left), Some(right)) = (left, right) else { return comparator == Comparator::NotEqual };
    let order = match (&left, &right) {
        (Value::S(left), Value::S(right)) => Some(left.cmp(right)),
        (Value::N(left), Value::N(right)) => Some(left.cmp(right)),
        (Value::B(left), Value::B(right)) => Some(left.cmp(right)),
        _ => None,
    };
    match comparator {
        Comparator::Equal => left == right,
        Comparator::NotEqual => left != right,
        Comparator::Less => order == Some(Ordering::Less),
        Comparator::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparator::Greater => order == Some(Ordering::Greater),
        Comparator::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}

fn resolve(operand: &Operand, item: &Item) -> Option<Value> {
    match operand {
        Operand::Path(path) => find(item, path).cloned(),
        Operand::Constant(constant) => Some(constant.value().clone()),
        Operand::Size(operand) => {
            let size = match resolve(operand, item)? {
                Value::S(text) => text.encode_utf16().count(),
                Value::B(bytes) => bytes.len(),
                Value::Ss(set) => set.len(),
                Value::Ns(set) => set.len(),
                Value::Bs(set) => set.len(),
                Value::L(list) => list.len(),
                Value::M(map) => map.len(),
                Value::N(_) | Value::Bool(_) | Value::Null => return None,
            };
            Some(Value::N(Number::from(size as u64)))
        }
    }
}

fn find<'a>(item: &'a Item, path: &DocumentPath) -> Option<&'a Value> {
    path.rest.iter().try_fold(item.get(&path.name)?, |value, element| match (value, element) {
        (Value::M(map), PathElement::Name(name)) => map.get(name),
        (Value::L(list), PathElement::Index(index)) => list.get(*index as usize),
        _ => None,
    })
}

pub(crate) fn project(paths: &[DocumentPath], item: &Item) -> Item {
    let shown = item.iter().filter_map(|(name, value)| {
        let rests: Vec<&[PathElement]> =
            paths.iter().filter(|path| path.name == *name).map(|path| path.rest.as_slice()).collect();
        Some((name.clone(), part(value, &rests)?))
    });
    shown.collect()
}

/// What the rests of paths show of a value; nothing if they lead nowhere.
fn part(value: &Value, rests: &[&[PathElement]]) -> Option<Value> {
    if rests.iter().any(|rest| rest.is_empty()) {
        return Some(value.clone());
    }
    let below = |element: PathElement| -> Vec<&[PathElement]> {
        rests.iter().filter(|rest| rest[0] == element).map(|rest| &rest[1..]).collect()
    };
    match value {
        Value::M(map) => {
            let entries = map.iter().filter_map(|(name, value)| {
                Some((name.clone(), part(value, &below(PathElement::Name(name.clone())))?))
            });
            let entries: BTreeMap<_, _> = entries.collect();
            (!entries.is_empty()).then_some(Value::M(entries))
        }
        Value::L(list) => {
            let elements = list
                .iter()
                .enumerate()
                .filter_map(|(index, value)| part(value, &below(PathElement::Index(index as u32))));
            let elements: Vec<_> = elements.collect();
            (!elements.is_empty()).then_some(Value::L(elements))
        }
        _ => None,
    }
}

/// A document whose lists remember the indexes they had, so that actions need no order.
#[derive(Clone)]
enum Tree {
    Leaf(Value),
    Map(BTreeMap<String, Tree>),
    List(BTreeMap<u32, Tree>),
}

pub(crate) fn apply(actions: &[Action], old: &Item) -> Result<Item, UpdateError> {
    let mut values = Vec::new();
    for action in actions {
        values.push(match action {
            Action::Set { value, .. } => Some(set_value(value, old)?),
            _ => None,
        });
    }
    let mut tree = tree_of(&Value::M(old.clone().into_map()));
    for (action, value) in actions.iter().zip(values) {
        check_parent(action.path(), old)?;
        let found = find(old, action.path());
        let value = match action {
            Action::Add { value, .. } => Some(added(found, value.value())?),
            Action::Delete { value, .. } => match found {
                Some(found) => deleted(found, value.value())?,
                None => None,
            },
            Action::Set { .. } | Action::Remove { .. } => value,
        };
        put(&mut tree, action.path(), value.as_ref().map(tree_of));
    }
    let Value::M(attributes) = value_of(tree) else { unreachable!("an item is a map") };
    Ok(attributes.into())
}

fn set_value(value: &SetValue, old: &Item) -> Result<Value, UpdateError> {
    let number = |operand: &UpdateOperand| match update_operand(operand, old)? {
        Value::N(number) => Ok(number),
        _ => Err(UpdateError::OperandType),
    };
    Ok(match value {
        SetValue::Operand(operand) => update_operand(operand, old)?,
        SetValue::Sum(left, right) => Value::N(number(left)?.checked_add(number(right)?)?),
        SetValue::Difference(left, right) => Value::N(number(left)?.checked_sub(number(right)?)?),
    })
}

fn update_operand(operand: &UpdateOperand, old: &Item) -> Result<Value, UpdateError> {
    match operand {
        UpdateOperand::Path(path) => find(old, path).cloned().ok_or(UpdateError::OperandMissing),
        UpdateOperand::Constant(constant) => Ok(constant.value().clone()),
        UpdateOperand::IfNotExists { path, otherwise } => {
            find(old, path).cloned().map_or_else(|| update_operand(otherwise, old), Ok)
        }
        UpdateOperand::ListAppend { front, back } => {
            let elements = |operand| match update_operand(operand, old)? {
                Value::L(elements) => Ok(elements),
                _ => Err(UpdateError::OperandType),
            };
            Ok(Value::L([elements(front)?, elements(back)?].concat()))
        }
        UpdateOperand::Arithmetic(value) => set_value(value, old),
    }
}

fn check_parent(path: &DocumentPath, old: &Item) -> Result<(), UpdateError> {
    let Some((last, parents)) = path.rest.split_last() else { return Ok(()) };
    let parent = DocumentPath { name: path.name.clone(), rest: parents.to_vec() };
    match (find(old, &parent), last) {
        (Some(Value::M(_)), PathElement::Name(_)) | (Some(Value::L(_)), PathElement::Index(_)) => Ok(()),
        _ => Err(UpdateError::Path),
    }
}

fn added(found: Option<&Value>, value: &Value) -> Result<Value, UpdateError> {
    Ok(match (found, value) {
        (None, value) => value.clone(),
        (Some(Value::N(found)), Value::N(value)) => Value::N(found.checked_add(*value)?),
        (Some(Value::Ss(found)), Value::Ss(value)) => Value::Ss(found.union(value)),
        (Some(Value::Ns(found)), Value::Ns(value)) => Value::Ns(found.union(value)),
        (Some(Value::Bs(found)), Value::Bs(value)) => Value::Bs(found.union(value)),
        _ => return Err(UpdateError::OperandType),
    })
}

fn deleted(found: &Value, value: &Value) -> Result<Option<Value>, UpdateError> {
    Ok(match (found, value) {
        (Value::Ss(found), Value::Ss(value)) => found.difference(value).map(Value::Ss),
        (Value::Ns(found), Value::Ns(value)) => found.difference(value).map(Value::Ns),
        (Value::Bs(found), Value::Bs(value)) => found.difference(value).map(Value::Bs),
        _ => return Err(UpdateError::OperandType),
    })
}

fn put(tree: &mut Tree, path: &DocumentPath, value: Option<Tree>) {
    let first = PathElement::Name(path.name.clone());
    let elements: Vec<&PathElement> = std::iter::once(&first).chain(&path.rest).collect();
    let (last, parents) = elements.split_last().unwrap();
    let parent = parents.iter().fold(tree, |tree, element| match (tree, element) {
        (Tree::Map(map), PathElement::Name(name)) => map.get_mut(name).unwrap(),
        (Tree::List(list), PathElement::Index(index)) => list.get_mut(index).unwrap(),
        _ => unreachable!("the parent was checked"),
    });
    match (parent, last, value) {
        (Tree::Map(map), PathElement::Name(name), Some(value)) => drop(map.insert(name.clone(), value)),
        (Tree::Map(map), PathElement::Name(name), None) => drop(map.remove(name)),
        (Tree::List(list), PathElement::Index(index), Some(value)) => drop(list.insert(*index, value)),
        (Tree::List(list), PathElement::Index(index), None) => drop(list.remove(index)),
        _ => unreachable!("the parent was checked"),
    }
}

fn tree_of(value: &Value) -> Tree {
    match value {
        Value::M(map) => Tree::Map(map.iter().map(|(name, value)| (name.clone(), tree_of(value))).collect()),
        Value::L(list) => Tree::List((0..).zip(list.iter().map(tree_of)).collect()),
        leaf => Tree::Leaf(leaf.clone()),
    }
}

fn value_of(tree: Tree) -> Value {
    match tree {
        Tree::Leaf(value) => value,
        Tree::Map(map) => Value::M(map.into_iter().map(|(name, tree)| (name, value_of(tree))).collect()),
        Tree::List(list) => Value::L(list.into_values().map(value_of).collect()),
    }
}
