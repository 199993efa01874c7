//! The rules that every attribute value obeys, whichever request brings it, with DynamoDB's texts.
//!
//! Rules of keys are in `key`, those of numbers in `number`; which request is told what, and when, is decided by
//! the layers above.

use basalt_format::DecodeError;
use basalt_format::item_encoding::{self, Container, NAME_BYTES_MAX, NESTING_LEVELS_MAX, RawValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::item::Item;
use crate::item_ref::ItemRef;
use crate::messages;
use crate::number::{Number, NumberError};
use crate::size::ITEM_BYTES_MAX;
use crate::value::{Set, SetError, Value};

/// An attribute value or item that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ValueError {
    /// No type is given.
    #[error("{}", messages::NO_DATATYPE)]
    NoDatatype,
    /// More than one type is given.
    #[error("{}", messages::SEVERAL_DATATYPES)]
    SeveralDatatypes,
    /// `NULL` is false.
    #[error("{}", messages::NULL_NOT_TRUE)]
    NullNotTrue,
    /// What is wrong with a number.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// A set of texts has no members.
    #[error("{}", messages::EMPTY_STRING_SET)]
    EmptyStringSet,
    /// A set of numbers has no members.
    #[error("{}", messages::EMPTY_NUMBER_SET)]
    EmptyNumberSet,
    /// A set of byte strings has no members.
    #[error("{}", messages::EMPTY_BINARY_SET)]
    EmptyBinarySet,
    /// A set of texts has a member twice.
    #[error("{}", messages::duplicate_strings(.members))]
    DuplicateStrings {
        /// The members in the order of the request.
        members: Vec<String>,
    },
    /// A set of numbers has a member twice.
    #[error("{}", messages::DUPLICATE_NUMBERS)]
    DuplicateNumbers,
    /// A set of byte strings has a member twice.
    #[error("{}", messages::duplicate_binaries(.members))]
    DuplicateBinaries {
        /// The members in the order of the request, in base64.
        members: Vec<String>,
    },
    /// Values are nested deeper than 32 levels.
    #[error("{}", messages::NESTED_TOO_DEEP)]
    TooDeep,
    /// A name, of an attribute or inside of a map, is empty.
    #[error("{}", messages::EMPTY_NAME)]
    EmptyName,
    /// A name is longer than 65,535 bytes.
    #[error("{}", messages::NAME_TOO_LONG)]
    NameTooLong,
    /// An item to be put is larger than 400 KiB.
    #[error("{}", messages::ITEM_TOO_LARGE)]
    ItemTooLarge,
}

impl Value {
    /// A set of texts.
    pub fn string_set(members: Vec<String>) -> Result<Self, ValueError> {
        match Set::new(members.as_slice()) {
            Ok(set) => Ok(Self::Ss(set)),
            Err(SetError::Empty) => Err(ValueError::EmptyStringSet),
            Err(SetError::Duplicate) => Err(ValueError::DuplicateStrings { members }),
        }
    }

    /// A set of numbers.
    pub fn number_set(members: Vec<Number>) -> Result<Self, ValueError> {
        match Set::new(members) {
            Ok(set) => Ok(Self::Ns(set)),
            Err(SetError::Empty) => Err(ValueError::EmptyNumberSet),
            Err(SetError::Duplicate) => Err(ValueError::DuplicateNumbers),
        }
    }

    /// A set of byte strings.
    pub fn binary_set(members: Vec<Vec<u8>>) -> Result<Self, ValueError> {
        match Set::new(members.as_slice()) {
            Ok(set) => Ok(Self::Bs(set)),
            Err(SetError::Empty) => Err(ValueError::EmptyBinarySet),
            Err(SetError::Duplicate) => {
                let members = members.iter().map(|member| STANDARD.encode(member)).collect();
                Err(ValueError::DuplicateBinaries { members })
            }
        }
    }

    /// Checks what the type does not: names and nesting.
    pub fn check(&self) -> Result<(), ValueError> {
        check_value(self, 1)
    }
}

impl Item {
    /// Checks names, nesting and size, as an item to be put must have them.
    pub fn check(&self) -> Result<(), ValueError> {
        check_entries(self.iter(), 1)?;
        if self.size_bytes() > ITEM_BYTES_MAX { Err(ValueError::ItemTooLarge) } else { Ok(()) }
    }
}

impl ItemRef<'_> {
    /// Checks how deep values nest, for an item that was put together from encoded parts.
    pub fn check_nesting(&self) -> Result<Result<(), ValueError>, DecodeError> {
        let fits = map_fits(item_encoding::attributes(self.as_bytes())?, 1)?;
        Ok(if fits { Ok(()) } else { Err(ValueError::TooDeep) })
    }
}

fn check_entries<'a>(
    entries: impl Iterator<Item = (&'a String, &'a Value)>,
    level: usize,
) -> Result<(), ValueError> {
    for (name, value) in entries {
        if name.is_empty() {
            return Err(ValueError::EmptyName);
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(ValueError::NameTooLong);
        }
        check_value(value, level)?;
    }
    Ok(())
}

/// Goes no deeper than the limit, so the stack is bounded whatever the caller built.
fn check_value(value: &Value, level: usize) -> Result<(), ValueError> {
    if level > NESTING_LEVELS_MAX {
        return Err(ValueError::TooDeep);
    }
    match value {
        Value::L(elements) => elements.iter().try_for_each(|element| check_value(element, level + 1)),
        Value::M(entries) => check_entries(entries.iter(), level + 1),
        _ => Ok(()),
    }
}

fn map_fits(map: Container<'_>, level: usize) -> Result<bool, DecodeError> {
    for entry in map.entries() {
        let (_, value) = item_encoding::split_name_bytes(entry?)?;
        if !value_fits(value, level)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn value_fits(value: &[u8], level: usize) -> Result<bool, DecodeError> {
    if level > NESTING_LEVELS_MAX {
        return Ok(false);
    }
    match RawValue::parse(value)? {
        RawValue::Map(map) => map_fits(map, level + 1),
        RawValue::List(list) => {
            for element in list.entries() {
                if !value_fits(element?, level + 1)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(value: Value, wrapper_count: usize) -> Value {
        (0..wrapper_count).fold(value, |inner, wrapper| match wrapper % 2 {
            0 => Value::L(vec![inner]),
            _ => Value::M([("m".to_owned(), inner)].into()),
        })
    }

    #[test]
    fn a_scalar_at_level_32_is_accepted_and_one_below_refused() {
        let item = |wrapper_count| Item::from_iter([("a".to_owned(), wrapped(Value::Null, wrapper_count))]);
        assert_eq!(item(31).check(), Ok(()));
        assert_eq!(item(31).encode().as_item().check_nesting(), Ok(Ok(())));
        assert_eq!(item(32).check(), Err(ValueError::TooDeep));
        assert_eq!(item(32).encode().as_item().check_nesting(), Ok(Err(ValueError::TooDeep)));
        assert_eq!(
            ValueError::TooDeep.to_string(),
            "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond \
             supported limit"
        );
    }

    #[test]
    fn sets_hold_an_empty_member_but_no_member_twice() {
        let text = |text: &str| text.to_owned();
        assert!(Value::string_set(vec![text("")]).is_ok());
        assert!(Value::binary_set(vec![vec![]]).is_ok());
        let twice = Value::string_set(vec![text("b"), text("a"), text("b")]).unwrap_err();
        assert_eq!(
            twice.to_string(),
            "One or more parameter values were invalid: Input collection [b, a, b] contains duplicates."
        );
        let twice = Value::binary_set(vec![vec![1], vec![1]]).unwrap_err();
        assert_eq!(
            twice.to_string(),
            "One or more parameter values were invalid: Input collection [AQ==, AQ==]of type BS contains duplicates."
        );
        let numbers = ["1.0", "1"].map(|text| Number::parse(text).unwrap());
        let twice = Value::number_set(numbers.to_vec()).unwrap_err();
        assert_eq!(twice.to_string(), "Input collection contains duplicates");
    }

    #[test]
    fn empty_sets_are_refused_with_their_texts() {
        let prefix = "One or more parameter values were invalid: ";
        let text = |result: Result<Value, ValueError>| result.unwrap_err().to_string();
        assert_eq!(text(Value::string_set(vec![])), format!("{prefix}An string set  may not be empty"));
        assert_eq!(text(Value::number_set(vec![])), format!("{prefix}An number set  may not be empty"));
        assert_eq!(text(Value::binary_set(vec![])), format!("{prefix}Binary sets should not be empty"));
    }

    #[test]
    fn an_item_of_400_kib_is_accepted_and_one_byte_more_refused() {
        let item = |length| Item::from_iter([("a".to_owned(), Value::B(vec![0; length]))]);
        assert_eq!(item(409_599).check(), Ok(()));
        assert_eq!(item(409_600).check(), Err(ValueError::ItemTooLarge));
    }

    #[test]
    fn names_are_checked_at_every_level() {
        let named = |name: &str| Item::from_iter([(name.to_owned(), Value::Null)]);
        let nested = |name: &str| Item::from_iter([("a".to_owned(), Value::M(named(name).into_map()))]);
        for item in [named(""), nested("")] {
            assert_eq!(item.check(), Err(ValueError::EmptyName));
        }
        let long = "n".repeat(65_536);
        for item in [named(&long), nested(&long)] {
            assert_eq!(item.check(), Err(ValueError::NameTooLong));
        }
        assert_eq!(named(&long[1..]).check(), Ok(()));
    }
}
