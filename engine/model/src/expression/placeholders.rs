//! The names and values that `#n` and `:v` stand for, shared by all expressions of one request.
//!
//! Each entry remembers whether an expression used it: at the end of parsing, an unused one is a fault. The values
//! themselves are taken as valid; whoever reads the request checks them and words their faults with
//! [`messages::placeholder_value_invalid`](super::messages::placeholder_value_invalid).

use std::collections::BTreeMap;

use basalt_format::item_encoding::NAME_BYTES_MAX;

use super::ast::Constant;
use super::error::{ExpressionKind, ParameterError};
use super::lexer::is_word;
use super::messages::PlaceholderMap;
use super::{PLACEHOLDER_BYTES_MAX, SUBSTITUTION_BYTES_MAX};
use crate::value::Value;

/// The placeholders of one request.
#[derive(Debug, Default)]
pub struct Placeholders {
    names: BTreeMap<String, Entry<String>>,
    values: BTreeMap<String, Entry<Constant>>,
}

#[derive(Debug)]
struct Entry<T> {
    meaning: T,
    used: bool,
}

impl Placeholders {
    /// Takes ExpressionAttributeNames and ExpressionAttributeValues as a request has them; `None` if it has not.
    pub fn new(
        names: Option<BTreeMap<String, String>>,
        values: Option<BTreeMap<String, Value>>,
    ) -> Result<Self, ParameterError> {
        Self::check_keys(names.as_ref(), values.as_ref())?;
        check_sizes(names.as_ref(), values.as_ref())?;
        Ok(Self { names: unused_entries(names, |name| name), values: unused_entries(values, Constant::new) })
    }

    /// Checks everything but the values themselves, whose faults come after those of their keys.
    pub fn check_keys<T>(
        names: Option<&BTreeMap<String, String>>,
        values: Option<&BTreeMap<String, T>>,
    ) -> Result<(), ParameterError> {
        check_keys(PlaceholderMap::Names, '#', names)?;
        check_names(names)?;
        check_keys(PlaceholderMap::Values, ':', values)
    }

    /// Refuses names and values that no expression parsed so far has used; names first.
    pub fn check_all_used(&self) -> Result<(), ParameterError> {
        check_used(PlaceholderMap::Names, &self.names)?;
        check_used(PlaceholderMap::Values, &self.values)
    }

    /// The attribute name behind `#name`, which counts as used from now on.
    pub(crate) fn resolve_name(&mut self, placeholder: &str) -> Option<&str> {
        resolve(&mut self.names, placeholder).map(String::as_str)
    }

    /// The value behind `:value`, which counts as used from now on.
    pub(crate) fn resolve_value(&mut self, placeholder: &str) -> Option<&Constant> {
        resolve(&mut self.values, placeholder)
    }
}

/// Which parameters a request has, for the checks that come before any expression is read.
#[derive(Debug, Clone, Copy)]
pub struct ParameterUse<'a> {
    /// The expressions its operation knows, in DynamoDB's order, and whether they are there.
    pub expressions: &'a [(ExpressionKind, bool)],
    /// The legacy parameters its operation knows, in DynamoDB's order, and whether they are there.
    pub legacy: &'a [(&'static str, bool)],
    /// Whether ExpressionAttributeNames is there.
    pub names: bool,
    /// Whether ExpressionAttributeValues is there.
    pub values: bool,
}

impl ParameterUse<'_> {
    /// Refuses expressions beside legacy parameters, and placeholders that nothing could use.
    pub fn check(&self) -> Result<(), ParameterError> {
        let present = |&&(_, present): &&(ExpressionKind, bool)| present;
        let expressions: Vec<_> =
            self.expressions.iter().filter(present).map(|(kind, _)| kind.name()).collect();
        let legacy: Vec<_> =
            self.legacy.iter().filter(|(_, present)| *present).map(|&(name, _)| name).collect();
        if !expressions.is_empty() && !legacy.is_empty() {
            return Err(ParameterError::ExpressionsBesideLegacy { legacy, expressions });
        }
        if self.names && expressions.is_empty() {
            return Err(ParameterError::NamesWithoutExpression);
        }
        self.check_values()
    }

    fn check_values(&self) -> Result<(), ParameterError> {
        let users = || self.expressions.iter().filter(|(kind, _)| kind.takes_values());
        if self.values && users().next().is_some() && users().all(|(_, present)| !present) {
            let absent = users().map(|(kind, _)| kind.name()).collect();
            return Err(ParameterError::ValuesWithoutExpression { absent });
        }
        Ok(())
    }
}

fn check_keys<T>(
    map: PlaceholderMap,
    sigil: char,
    entries: Option<&BTreeMap<String, T>>,
) -> Result<(), ParameterError> {
    let Some(entries) = entries else { return Ok(()) };
    if entries.is_empty() {
        return Err(ParameterError::Empty { map });
    }
    for key in entries.keys() {
        // Length before syntax, as AWS does.
        if key.len() > PLACEHOLDER_BYTES_MAX {
            return Err(ParameterError::KeyTooLong { map, bytes: key.len() });
        }
        if !key.strip_prefix(sigil).is_some_and(is_word) {
            return Err(ParameterError::KeySyntax { map, key: key.clone() });
        }
    }
    Ok(())
}

fn check_names(names: Option<&BTreeMap<String, String>>) -> Result<(), ParameterError> {
    for (key, name) in names.into_iter().flatten() {
        if name.is_empty() {
            return Err(ParameterError::NameEmpty { key: key.clone() });
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(ParameterError::NameTooLong);
        }
    }
    Ok(())
}

fn check_sizes(
    names: Option<&BTreeMap<String, String>>,
    values: Option<&BTreeMap<String, Value>>,
) -> Result<(), ParameterError> {
    let names: usize = names.into_iter().flatten().map(|(_, name)| name.len()).sum();
    if names > SUBSTITUTION_BYTES_MAX {
        return Err(ParameterError::TooLarge { map: PlaceholderMap::Names });
    }
    let values: usize = values.into_iter().flatten().map(|(_, value)| value.size_bytes()).sum();
    if names + values > SUBSTITUTION_BYTES_MAX {
        return Err(ParameterError::TooLarge { map: PlaceholderMap::Values });
    }
    Ok(())
}

fn unused_entries<T, U>(
    entries: Option<BTreeMap<String, T>>,
    meaning: impl Fn(T) -> U,
) -> BTreeMap<String, Entry<U>> {
    let entries = entries.into_iter().flatten();
    entries.map(|(key, value)| (key, Entry { meaning: meaning(value), used: false })).collect()
}

fn resolve<'a, T>(entries: &'a mut BTreeMap<String, Entry<T>>, placeholder: &str) -> Option<&'a T> {
    let entry = entries.get_mut(placeholder)?;
    entry.used = true;
    Some(&entry.meaning)
}

fn check_used<T>(map: PlaceholderMap, entries: &BTreeMap<String, Entry<T>>) -> Result<(), ParameterError> {
    let unused = entries.iter().filter(|(_, entry)| !entry.used);
    let keys: Vec<String> = unused.map(|(key, _)| key.clone()).collect();
    if keys.is_empty() { Ok(()) } else { Err(ParameterError::Unused { map, keys }) }
}
