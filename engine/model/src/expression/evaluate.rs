//! Evaluates conditions against encoded items. Only what a path leads to is looked at, and equality compares bytes.
//!
//! A missing attribute makes every test false but `<>` and `attribute_not_exists`. So does a type that an operator
//! does not compare: nothing here is an error but damaged bytes.

use std::cmp::Ordering;

use basalt_format::DecodeError;
use basalt_format::item_encoding::{Container, RawValue, text};
use basalt_format::number::decode_compact;
use memchr::memmem;

use super::ast::{Comparator, Condition, Operand};
use super::encoded;
use crate::item_ref::{ItemRef, ValueRef};
use crate::number::Number;
use crate::path::DocumentPath;
use crate::value::ValueKind;

impl Condition {
    /// Whether the condition holds of an item; without an item, of one that has no attributes.
    pub fn matches(&self, item: Option<ItemRef<'_>>) -> Result<bool, DecodeError> {
        let attributes = item.map(encoded::attributes).transpose()?;
        Evaluation { attributes }.matches(self)
    }

    /// Every path the condition looks at, in the order of its text.
    pub fn paths(&self) -> Vec<&DocumentPath> {
        let mut paths = Vec::new();
        collect_paths(self, &mut paths);
        paths
    }
}

/// One evaluation.
struct Evaluation<'i> {
    attributes: Option<Container<'i>>,
}

/// What an operand came to, if it came to anything.
#[derive(Clone, Copy)]
enum Resolved<'a> {
    Encoded(&'a [u8]),
    Size(usize),
}

impl<'i> Evaluation<'i> {
    fn matches(&self, condition: &Condition) -> Result<bool, DecodeError> {
        match condition {
            Condition::And(terms) => self.all(terms),
            Condition::Or(terms) => self.any(terms),
            Condition::Not(term) => Ok(!self.matches(term)?),
            Condition::Compare { comparator, left, right } => self.compare(*comparator, left, right),
            Condition::Between { value, lower, upper } => self.between(value, lower, upper),
            Condition::In { value, candidates } => self.is_in(value, candidates),
            Condition::Exists(path) => Ok(self.find(path)?.is_some()),
            Condition::NotExists(path) => Ok(self.find(path)?.is_none()),
            Condition::HasType { operand, kind } => self.has_type(operand, *kind),
            Condition::BeginsWith { operand, prefix } => self.begins_with(operand, prefix),
            Condition::Contains { operand, member } => self.contains(operand, member),
        }
    }

    fn all(&self, terms: &[Condition]) -> Result<bool, DecodeError> {
        for term in terms {
            if !self.matches(term)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn any(&self, terms: &[Condition]) -> Result<bool, DecodeError> {
        for term in terms {
            if self.matches(term)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn compare(&self, comparator: Comparator, left: &Operand, right: &Operand) -> Result<bool, DecodeError> {
        let (Some(left), Some(right)) = (self.resolve(left)?, self.resolve(right)?) else {
            return Ok(comparator == Comparator::NotEqual);
        };
        let order = || left.order(right);
        Ok(match comparator {
            Comparator::Equal => left.equals(right)?,
            Comparator::NotEqual => !left.equals(right)?,
            Comparator::Less => order()?.is_some_and(Ordering::is_lt),
            Comparator::LessOrEqual => order()?.is_some_and(Ordering::is_le),
            Comparator::Greater => order()?.is_some_and(Ordering::is_gt),
            Comparator::GreaterOrEqual => order()?.is_some_and(Ordering::is_ge),
        })
    }

    fn between(&self, value: &Operand, lower: &Operand, upper: &Operand) -> Result<bool, DecodeError> {
        Ok(self.compare(Comparator::GreaterOrEqual, value, lower)?
            && self.compare(Comparator::LessOrEqual, value, upper)?)
    }

    fn is_in(&self, value: &Operand, candidates: &[Operand]) -> Result<bool, DecodeError> {
        let Some(value) = self.resolve(value)? else { return Ok(false) };
        for candidate in candidates {
            if let Some(candidate) = self.resolve(candidate)?
                && value.equals(candidate)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn has_type(&self, operand: &Operand, kind: ValueKind) -> Result<bool, DecodeError> {
        let found = match self.resolve(operand)? {
            Some(Resolved::Encoded(value)) => ValueRef::decode(value)?.kind(),
            Some(Resolved::Size(_)) => ValueKind::N,
            None => return Ok(false),
        };
        Ok(found == kind)
    }

    fn begins_with(&self, operand: &Operand, prefix: &Operand) -> Result<bool, DecodeError> {
        let (Some(operand), Some(prefix)) = (self.encoded(operand)?, self.encoded(prefix)?) else {
            return Ok(false);
        };
        Ok(match (RawValue::parse(operand)?, RawValue::parse(prefix)?) {
            (RawValue::String(operand), RawValue::String(prefix))
            | (RawValue::Binary(operand), RawValue::Binary(prefix)) => operand.starts_with(prefix),
            _ => false,
        })
    }

    fn contains(&self, operand: &Operand, member: &Operand) -> Result<bool, DecodeError> {
        let (Some(operand), Some(member)) = (self.encoded(operand)?, self.resolve(member)?) else {
            return Ok(false);
        };
        match (RawValue::parse(operand)?, member) {
            (RawValue::List(list), member) => {
                for element in list.entries() {
                    if Resolved::Encoded(element?).equals(member)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (RawValue::NumberSet(_), Resolved::Size(size)) => set_contains(operand, &size_value(size)),
            (_, Resolved::Size(_)) => Ok(false),
            (holder, Resolved::Encoded(member)) => match (holder, RawValue::parse(member)?) {
                (RawValue::String(whole), RawValue::String(part))
                | (RawValue::Binary(whole), RawValue::Binary(part)) => {
                    Ok(memmem::find(whole, part).is_some())
                }
                _ => set_contains(operand, &ValueRef::decode(member)?),
            },
        }
    }

    /// What an operand is, unless it is a computed size.
    fn encoded<'a>(&'a self, operand: &'a Operand) -> Result<Option<&'a [u8]>, DecodeError> {
        Ok(match self.resolve(operand)? {
            Some(Resolved::Encoded(value)) => Some(value),
            Some(Resolved::Size(_)) | None => None,
        })
    }

    fn resolve<'a>(&'a self, operand: &'a Operand) -> Result<Option<Resolved<'a>>, DecodeError> {
        Ok(match operand {
            Operand::Path(path) => self.find(path)?.map(Resolved::Encoded),
            Operand::Constant(constant) => Some(Resolved::Encoded(constant.encoded())),
            Operand::Size(operand) => match self.encoded(operand)? {
                Some(value) => size_of(value)?.map(Resolved::Size),
                None => None,
            },
        })
    }

    fn find(&self, path: &DocumentPath) -> Result<Option<&'i [u8]>, DecodeError> {
        match self.attributes {
            Some(attributes) => encoded::find(attributes, path),
            None => Ok(None),
        }
    }
}

impl Resolved<'_> {
    fn equals(self, other: Self) -> Result<bool, DecodeError> {
        Ok(match (self, other) {
            (Self::Encoded(left), Self::Encoded(right)) => left == right,
            (Self::Size(left), Self::Size(right)) => left == right,
            (Self::Encoded(_), Self::Size(_)) | (Self::Size(_), Self::Encoded(_)) => {
                self.order(other)?.is_some_and(Ordering::is_eq)
            }
        })
    }

    /// Order of two values of one scalar type; others have none.
    fn order(self, other: Self) -> Result<Option<Ordering>, DecodeError> {
        if let (Self::Encoded(left), Self::Encoded(right)) = (self, other)
            && let (RawValue::String(left), RawValue::String(right))
            | (RawValue::Binary(left), RawValue::Binary(right)) =
                (RawValue::parse(left)?, RawValue::parse(right)?)
        {
            return Ok(Some(left.cmp(right)));
        }
        let (Some(left), Some(right)) = (self.number()?, other.number()?) else { return Ok(None) };
        Ok(Some(left.cmp(&right)))
    }

    fn number(self) -> Result<Option<Number>, DecodeError> {
        Ok(match self {
            Self::Size(size) => Some(Number::from(size as u64)),
            Self::Encoded(value) => match RawValue::parse(value)? {
                RawValue::Number(bytes) => Some(decode_compact(bytes)?.into()),
                _ => None,
            },
        })
    }
}

/// What `size` says of a value: of a text its length in UTF-16 units, as DynamoDB counts; numbers, truth values and
/// null have none.
fn size_of(value: &[u8]) -> Result<Option<usize>, DecodeError> {
    Ok(match RawValue::parse(value)? {
        RawValue::String(bytes) => Some(text(bytes)?.encode_utf16().count()),
        RawValue::Binary(bytes) => Some(bytes.len()),
        RawValue::List(entries)
        | RawValue::Map(entries)
        | RawValue::StringSet(entries)
        | RawValue::NumberSet(entries)
        | RawValue::BinarySet(entries) => Some(entries.len()),
        RawValue::Number(_) | RawValue::Bool(_) | RawValue::Null => None,
    })
}

fn size_value(size: usize) -> ValueRef<'static> {
    ValueRef::N(Number::from(size as u64))
}

/// Whether an encoded value is a set that has this member.
fn set_contains(value: &[u8], member: &ValueRef<'_>) -> Result<bool, DecodeError> {
    match ValueRef::decode(value)? {
        ValueRef::Ss(set) | ValueRef::Ns(set) | ValueRef::Bs(set) => set.contains(member),
        _ => Ok(false),
    }
}

fn collect_paths<'a>(condition: &'a Condition, paths: &mut Vec<&'a DocumentPath>) {
    match condition {
        Condition::And(terms) | Condition::Or(terms) => {
            terms.iter().for_each(|term| collect_paths(term, paths));
        }
        Condition::Not(term) => collect_paths(term, paths),
        Condition::Exists(path) | Condition::NotExists(path) => paths.push(path),
        Condition::HasType { operand, .. } => collect_operands([operand], paths),
        Condition::Compare { left, right, .. } => collect_operands([left, right], paths),
        Condition::BeginsWith { operand, prefix } => collect_operands([operand, prefix], paths),
        Condition::Contains { operand, member } => collect_operands([operand, member], paths),
        Condition::Between { value, lower, upper } => collect_operands([value, lower, upper], paths),
        Condition::In { value, candidates } => {
            collect_operands(std::iter::once(value).chain(candidates), paths)
        }
    }
}

fn collect_operands<'a>(operands: impl IntoIterator<Item = &'a Operand>, paths: &mut Vec<&'a DocumentPath>) {
    for mut operand in operands {
        while let Operand::Size(inner) = operand {
            operand = inner;
        }
        if let Operand::Path(path) = operand {
            paths.push(path);
        }
    }
}
