//! Applies an update to an encoded item. Untouched parts are copied as they are, never decoded.
//!
//! First every action becomes a change of one place, computed from the old item alone; then one walk over the old
//! item writes the new one. So right sides see the old item, all indexes of lists are old ones, and what is set
//! behind the end of a list is appended in the order of its indexes.
//!
//! Invariant: an update takes a small multiple of [`ITEM_BYTES_MAX`], whatever it says. A text of 4 KiB has room for
//! hundreds of copies of one value, which may itself be as large as a request allows.

use basalt_format::DecodeError;
use basalt_format::item_encoding::{
    Container, Encoder, NESTING_LEVELS_MAX, OpenContainer, RawValue, TAG_LIST, TAG_MAP, check_level,
    split_name,
};
use basalt_format::number::decode_compact;
use thiserror::Error;

use super::ast::Constant;
use super::branches::{self, HasPath, Step, sub_branches};
use super::encoded::{self, encode_value};
use super::messages;
use super::update::{Action, SetValue, Update, UpdateOperand};
use crate::item::{EncodedItem, Item};
use crate::item_ref::{ItemRef, ValueRef};
use crate::messages::{NESTED_TOO_DEEP, UPDATED_ITEM_TOO_LARGE};
use crate::number::{Number, NumberError};
use crate::path::{DocumentPath, PathElement};
use crate::size::ITEM_BYTES_MAX;
use crate::value::Value;

const ENCODED_BYTES_PER_BYTE_MAX: usize = 8;

/// Why an update cannot be applied to an item.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// A right side reads what the item lacks.
    #[error("{}", messages::UPDATE_OPERAND_MISSING)]
    OperandMissing,
    /// Something in the item has a type that the operation does not take.
    #[error("{}", messages::UPDATE_OPERAND_TYPE)]
    OperandType,
    /// What a path goes through is missing, or has no such steps.
    #[error("{}", messages::UPDATE_PATH)]
    Path,
    /// The new item would nest deeper than 32 levels.
    #[error("{}", NESTED_TOO_DEEP)]
    TooDeep,
    /// The new item would be far beyond the limit. One that is a little too large is left to whoever counts exactly.
    #[error("{}", UPDATED_ITEM_TOO_LARGE)]
    TooLarge,
    /// A sum is no number that can be stored.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// The old item is damaged.
    #[error("the stored item is damaged: {0}")]
    Damaged(#[from] DecodeError),
}

impl Update {
    /// The item after the update. `key` holds the key attributes, from which the item is made if there is none.
    pub fn apply(&self, old: Option<ItemRef<'_>>, key: &Item) -> Result<EncodedItem, UpdateError> {
        let made_of_key;
        let old = match old {
            Some(old) => old,
            None => {
                made_of_key = key.encode();
                made_of_key.as_item()
            }
        };
        let old = Old { attributes: encoded::attributes(old)? };
        let mut changes = old.changes(self.actions())?;
        changes.sort_by(|left, right| left.path.cmp(right.path));
        let mut encoder = Encoder::new();
        write_map(old.attributes, &changes, 0, &mut encoder)?;
        Ok(EncodedItem::from_bytes(encoder.finish())?)
    }
}

/// The item as it was, in which everything is looked up.
#[derive(Clone, Copy)]
struct Old<'a> {
    attributes: Container<'a>,
}

/// What becomes of one place.
struct Change<'a> {
    path: &'a DocumentPath,
    effect: Effect<'a>,
}

enum Effect<'a> {
    Put(Computed<'a>),
    Clear,
}

/// A value for the new item.
enum Computed<'a> {
    /// Copied from the old item or a constant, encoded.
    Borrowed(&'a [u8]),
    /// Made by arithmetic or of sets, encoded.
    Owned(Box<[u8]>),
    /// A list of these encoded elements.
    List(Vec<&'a [u8]>),
}

impl HasPath for Change<'_> {
    fn path(&self) -> &DocumentPath {
        self.path
    }
}

impl<'a> Old<'a> {
    /// Faults in DynamoDB's order: right sides of all SET first, then each action's place and what is there.
    fn changes(self, actions: &'a [Action]) -> Result<Vec<Change<'a>>, UpdateError> {
        let mut growth = Growth::default();
        let assigned = actions.iter().map(|action| match action {
            Action::Set { value, .. } => self.compute(value).and_then(|value| growth.admit(value)).map(Some),
            _ => Ok(None),
        });
        let assigned = assigned.collect::<Result<Vec<_>, _>>()?;
        let change = |(action, assigned): (&'a Action, Option<Computed<'a>>)| {
            self.check_parent(action.path())?;
            let effect = match (action, assigned) {
                (Action::Add { path, value }, _) => Effect::Put(growth.admit(self.add(path, value)?)?),
                (Action::Delete { path, value }, _) => self.delete(path, value)?,
                (_, Some(assigned)) => Effect::Put(assigned),
                (_, None) => Effect::Clear,
            };
            check_nesting(action.path(), &effect)?;
            Ok(Change { path: action.path(), effect })
        };
        actions.iter().zip(assigned).map(change).collect()
    }

    fn compute(self, value: &'a SetValue) -> Result<Computed<'a>, UpdateError> {
        let number = |operand| self.operand(operand)?.number();
        let result = match value {
            SetValue::Operand(operand) => return self.operand(operand),
            SetValue::Sum(left, right) => number(left)?.checked_add(number(right)?)?,
            SetValue::Difference(left, right) => number(left)?.checked_sub(number(right)?)?,
        };
        Ok(owned(Value::N(result)))
    }

    fn operand(self, operand: &'a UpdateOperand) -> Result<Computed<'a>, UpdateError> {
        match operand {
            UpdateOperand::Constant(constant) => Ok(Computed::Borrowed(constant.encoded())),
            UpdateOperand::Path(path) => {
                let found = encoded::find(self.attributes, path)?;
                found.map(Computed::Borrowed).ok_or(UpdateError::OperandMissing)
            }
            UpdateOperand::IfNotExists { path, otherwise } => match encoded::find(self.attributes, path)? {
                Some(found) => Ok(Computed::Borrowed(found)),
                None => self.operand(otherwise),
            },
            UpdateOperand::ListAppend { front, back } => {
                let mut elements = self.operand(front)?.elements()?;
                elements.extend(self.operand(back)?.elements()?);
                Growth::default().admit(Computed::List(elements))
            }
            UpdateOperand::Arithmetic(value) => self.compute(value),
        }
    }

    /// A place must be an attribute, an entry of a map that is there, or an element of a list that is there.
    fn check_parent(self, path: &DocumentPath) -> Result<(), UpdateError> {
        let Some(last) = path.rest.last() else { return Ok(()) };
        let parent = encoded::find_parent(self.attributes, path)?.ok_or(UpdateError::Path)?;
        match (RawValue::parse(parent)?, last) {
            (RawValue::Map(_), PathElement::Name(_)) | (RawValue::List(_), PathElement::Index(_)) => Ok(()),
            _ => Err(UpdateError::Path),
        }
    }

    fn add(self, path: &DocumentPath, value: &'a Constant) -> Result<Computed<'a>, UpdateError> {
        let Some(found) = encoded::find(self.attributes, path)? else {
            return Ok(Computed::Borrowed(value.encoded()));
        };
        let sum = match (ValueRef::decode(found)?.to_value()?, value.value()) {
            (Value::N(found), Value::N(value)) => Value::N(found.checked_add(*value)?),
            (Value::Ss(found), Value::Ss(value)) => Value::Ss(found.union(value)),
            (Value::Ns(found), Value::Ns(value)) => Value::Ns(found.union(value)),
            (Value::Bs(found), Value::Bs(value)) => Value::Bs(found.union(value)),
            _ => return Err(UpdateError::OperandType),
        };
        Ok(owned(sum))
    }

    fn delete(self, path: &DocumentPath, value: &'a Constant) -> Result<Effect<'a>, UpdateError> {
        let Some(found) = encoded::find(self.attributes, path)? else { return Ok(Effect::Clear) };
        let rest = match (ValueRef::decode(found)?.to_value()?, value.value()) {
            (Value::Ss(found), Value::Ss(value)) => found.difference(value).map(Value::Ss),
            (Value::Ns(found), Value::Ns(value)) => found.difference(value).map(Value::Ns),
            (Value::Bs(found), Value::Bs(value)) => found.difference(value).map(Value::Bs),
            _ => return Err(UpdateError::OperandType),
        };
        Ok(rest.map_or(Effect::Clear, |rest| Effect::Put(owned(rest))))
    }
}

/// How large the new item will be at least: the sum of what all its new values count.
#[derive(Default)]
struct Growth {
    bytes_min: usize,
}

impl Growth {
    /// Passes a value on, unless the new item is too large with it whatever else becomes of it.
    fn admit<'a>(&mut self, value: Computed<'a>) -> Result<Computed<'a>, UpdateError> {
        self.bytes_min = self.bytes_min.saturating_add(value.bytes_min());
        if self.bytes_min > ITEM_BYTES_MAX { Err(UpdateError::TooLarge) } else { Ok(value) }
    }
}

impl<'a> Computed<'a> {
    /// What the value counts at least. An encoded value is less than eight times as long as it counts: the worst is
    /// an empty string in a large container, one byte of tag and four of table for the one that an element costs.
    fn bytes_min(&self) -> usize {
        match self {
            Self::Borrowed(value) => value.len() / ENCODED_BYTES_PER_BYTE_MAX,
            Self::Owned(value) => value.len() / ENCODED_BYTES_PER_BYTE_MAX,
            // Each element costs a byte of its own.
            Self::List(elements) => {
                elements.iter().map(|element| 1 + element.len() / ENCODED_BYTES_PER_BYTE_MAX).sum()
            }
        }
    }

    fn number(&self) -> Result<Number, UpdateError> {
        let encoded = match self {
            Self::Borrowed(value) => value,
            Self::Owned(value) => value.as_ref(),
            Self::List(_) => return Err(UpdateError::OperandType),
        };
        match RawValue::parse(encoded)? {
            RawValue::Number(bytes) => Ok(decode_compact(bytes)?.into()),
            _ => Err(UpdateError::OperandType),
        }
    }

    fn elements(self) -> Result<Vec<&'a [u8]>, UpdateError> {
        match self {
            Self::List(elements) => Ok(elements),
            Self::Borrowed(value) => match RawValue::parse(value)? {
                RawValue::List(list) => Ok(list.entries().collect::<Result<_, _>>()?),
                _ => Err(UpdateError::OperandType),
            },
            Self::Owned(_) => Err(UpdateError::OperandType),
        }
    }

    fn write(&self, encoder: &mut Encoder) {
        match self {
            Self::Borrowed(value) => encoder.put_bytes(value),
            Self::Owned(value) => encoder.put_bytes(value),
            Self::List(elements) => {
                encoder.put_tag(TAG_LIST);
                let container = encoder.open();
                for element in elements {
                    encoder.put_bytes(element);
                    encoder.end_entry(&container);
                }
                encoder.close(container);
            }
        }
    }
}

fn owned(value: Value) -> Computed<'static> {
    Computed::Owned(encode_value(&value))
}

/// Refuses a value that would hold something below the deepest level.
fn check_nesting(path: &DocumentPath, effect: &Effect<'_>) -> Result<(), UpdateError> {
    let level = path.rest.len() + 1;
    let fits = match effect {
        Effect::Clear => true,
        Effect::Put(Computed::Borrowed(value)) => fits_at(value, level)?,
        // Numbers and sets hold no values.
        Effect::Put(Computed::Owned(_)) => level <= NESTING_LEVELS_MAX,
        Effect::Put(Computed::List(elements)) => all_fit(elements.iter().map(|&element| Ok(element)), level)?,
    };
    if fits { Ok(()) } else { Err(UpdateError::TooDeep) }
}

fn fits_at(value: &[u8], level: usize) -> Result<bool, DecodeError> {
    match RawValue::parse(value)? {
        RawValue::List(list) => all_fit(list.entries(), level),
        RawValue::Map(map) => {
            all_fit(map.entries().map(|entry| split_name(entry?).map(|(_, value)| value)), level)
        }
        _ => Ok(level <= NESTING_LEVELS_MAX),
    }
}

/// Whether these fit one level below `level`.
fn all_fit<'v>(
    values: impl Iterator<Item = Result<&'v [u8], DecodeError>>,
    level: usize,
) -> Result<bool, DecodeError> {
    if level > NESTING_LEVELS_MAX {
        return Ok(false);
    }
    for value in values {
        if !fits_at(value?, level + 1)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes a map with the changes of a branch, which all lead into it.
fn write_map(
    old: Container<'_>,
    branch: &[Change<'_>],
    depth: usize,
    encoder: &mut Encoder,
) -> Result<(), UpdateError> {
    let container = encoder.open();
    let mut changed = sub_branches(branch, depth).peekable();
    for entry in old.entries() {
        let entry = entry?;
        let (name, value) = split_name(entry)?;
        while let Some((Step::Name(new), branch)) =
            changed.next_if(|(step, _)| matches!(step, Step::Name(new) if *new < name))
        {
            write_new_entry(new, branch, depth + 1, encoder, &container)?;
        }
        match changed.next_if(|(step, _)| *step == Step::Name(name)) {
            None => {
                encoder.put_bytes(entry);
                encoder.end_entry(&container);
            }
            Some((_, branch)) => {
                if !is_cleared(branch, depth + 1) {
                    encoder.put_name(name);
                    write_value(value, branch, depth + 1, encoder)?;
                    encoder.end_entry(&container);
                }
            }
        }
    }
    for (step, branch) in changed {
        let Step::Name(new) = step else { return Err(UpdateError::Path) };
        write_new_entry(new, branch, depth + 1, encoder, &container)?;
    }
    encoder.close(container);
    Ok(())
}

/// Writes a list with the changes of a branch: elements in place, then what is set behind the end.
fn write_list(
    old: Container<'_>,
    branch: &[Change<'_>],
    depth: usize,
    encoder: &mut Encoder,
) -> Result<(), UpdateError> {
    let container = encoder.open();
    let mut changed = sub_branches(branch, depth).peekable();
    for (index, element) in old.entries().enumerate() {
        match changed.next_if(|(step, _)| *step == Step::Index(index)) {
            None => encoder.put_bytes(element?),
            Some((_, branch)) if is_cleared(branch, depth + 1) => continue,
            Some((_, branch)) => write_value(element?, branch, depth + 1, encoder)?,
        }
        encoder.end_entry(&container);
    }
    for (_, branch) in changed {
        if let Effect::Put(computed) = effect_at(branch, depth + 1)? {
            computed.write(encoder);
            encoder.end_entry(&container);
        }
    }
    encoder.close(container);
    Ok(())
}

/// Writes a value that is there already, or what takes its place.
fn write_value(
    old: &[u8],
    branch: &[Change<'_>],
    depth: usize,
    encoder: &mut Encoder,
) -> Result<(), UpdateError> {
    check_level(depth)?;
    if let Some(Change { effect: Effect::Put(computed), .. }) = branches::end(branch, depth) {
        computed.write(encoder);
        return Ok(());
    }
    match RawValue::parse(old)? {
        RawValue::Map(map) => {
            encoder.put_tag(TAG_MAP);
            write_map(map, branch, depth, encoder)
        }
        RawValue::List(list) => {
            encoder.put_tag(TAG_LIST);
            write_list(list, branch, depth, encoder)
        }
        _ => Err(UpdateError::Path),
    }
}

fn write_new_entry(
    name: &str,
    branch: &[Change<'_>],
    depth: usize,
    encoder: &mut Encoder,
    container: &OpenContainer,
) -> Result<(), UpdateError> {
    if let Effect::Put(computed) = effect_at(branch, depth)? {
        encoder.put_name(name);
        computed.write(encoder);
        encoder.end_entry(container);
    }
    Ok(())
}

fn is_cleared(branch: &[Change<'_>], depth: usize) -> bool {
    matches!(branches::end(branch, depth), Some(Change { effect: Effect::Clear, .. }))
}

/// The effect on something that is not there yet; paths through it are refused before.
fn effect_at<'b, 'a>(branch: &'b [Change<'a>], depth: usize) -> Result<&'b Effect<'a>, UpdateError> {
    branches::end(branch, depth).map(|change| &change.effect).ok_or(UpdateError::Path)
}
