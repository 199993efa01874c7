//! Attribute values and items, from JSON straight into the model's types, or from their stored form, in which the binary
//! protocol carries them (`stored`).
//!
//! A value may be well-formed JSON of the right shapes and still break a rule (a bad number, an empty set, no type
//! or two). DynamoDB tells such faults later than type errors and violated constraints, so reading goes on and
//! keeps the first fault; [`AttributeMap`] hands the values out only if there is none.
//!
//! Recursion ends at DynamoDB's own nesting limit; what lies deeper is consumed without looking at it. What is
//! built is charged to the request's memory before it is allocated: maps of many small members take several times
//! their size in JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use basalt_engine::model::legacy::Argument;
use basalt_engine::model::{Item, Number, Value, ValueError};

use super::Syntax;
use super::reader::{BodyError, Reader};
use super::shape::{Known, Place};

/// The attribute value itself is level 1; a scalar at level 32 is the deepest allowed.
const LEVELS_MAX: usize = 32;
/// Names, of attributes and inside of maps, are at most so long.
const NAME_BYTES_MAX: usize = 65_535;
/// What a member costs in memory beside its text: its place in a tree node or vector, and the allocator's share.
pub(super) const MEMBER_BYTES: usize = 128;
/// What the first member of a map costs: a tree node has room for eleven.
pub(super) const MAP_NODE_BYTES: usize = 640;

/// A map of attribute values as it stood in the request: an item, a key, or expression values.
#[derive(Debug, Clone, Default)]
pub(crate) struct AttributeMap {
    pub(super) attributes: BTreeMap<String, Value>,
    pub(super) first_fault: Option<(String, ValueError)>,
}

impl AttributeMap {
    /// The attributes, or the first fault with the attribute it is in.
    pub(crate) fn checked_by_name(self) -> Result<BTreeMap<String, Value>, (String, ValueError)> {
        match self.first_fault {
            None => Ok(self.attributes),
            Some(fault) => Err(fault),
        }
    }

    /// The attributes as they were read, right or wrong: for checks of their names alone.
    pub(crate) fn unchecked(&self) -> &BTreeMap<String, Value> {
        &self.attributes
    }

    /// The attributes as an item or key.
    pub(crate) fn checked_item(self) -> Result<Item, ValueError> {
        let attributes = self.checked_by_name().map_err(|(_, fault)| fault)?;
        attributes.keys().try_for_each(|name| check_name(name))?;
        Ok(Item::from(attributes))
    }
}

/// A list of attribute values as it stood in the request: the parameters of a statement.
#[derive(Debug, Clone, Default)]
pub(crate) struct AttributeList {
    values: Vec<Value>,
    first_fault: Option<ValueError>,
}

impl AttributeList {
    /// How many there are, right or wrong.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The values, or the first fault.
    pub(crate) fn checked(self) -> Result<Vec<Value>, ValueError> {
        match self.first_fault {
            None => Ok(self.values),
            Some(fault) => Err(fault),
        }
    }
}

impl<'a> Reader<'a> {
    /// A list of attribute values.
    pub(crate) fn attribute_list(&mut self, place: Place) -> Result<Option<AttributeList>, BodyError> {
        let mut list = AttributeList::default();
        let present = self.list(place, |reader| {
            let mut fault = FirstFault::default();
            reader.charge(MEMBER_BYTES)?;
            list.values.push(reader.attribute_value(1, &mut fault)?);
            if list.first_fault.is_none() {
                list.first_fault = fault.0;
            }
            Ok(())
        })?;
        Ok(present.then_some(list))
    }

    /// A map from names to attribute values.
    pub(crate) fn attribute_map(&mut self, place: Place) -> Result<Option<AttributeMap>, BodyError> {
        if self.syntax() == Syntax::Native {
            return self.stored_attribute_map(place);
        }
        let mut map = AttributeMap::default();
        let present = self.map(place, "AttributeValue", |reader, name| {
            let mut fault = FirstFault::default();
            let value = reader.attribute_value(1, &mut fault)?;
            if let (None, Some(fault)) = (&map.first_fault, fault.0) {
                map.first_fault = Some((name.clone().into_owned(), fault));
            }
            reader.insert_member(&mut map.attributes, name, value)
        })?;
        Ok(present.then_some(map))
    }

    /// An attribute value on its own, or the first fault in it.
    pub(crate) fn argument(&mut self, place: Place) -> Result<Option<Argument>, BodyError> {
        let mut fault = FirstFault::default();
        let value = self.present_attribute_value(place, 1, &mut fault)?;
        Ok(value.map(|value| fault.0.map_or(Ok(value), Err)))
    }

    /// One attribute value at `level` of nesting. With a fault noted, what is returned is a stand-in that nobody
    /// gets to see.
    fn attribute_value(&mut self, level: usize, fault: &mut FirstFault) -> Result<Value, BodyError> {
        if level > LEVELS_MAX {
            fault.note(ValueError::TooDeep);
            self.skip_value()?;
            return Ok(Value::Null);
        }
        let value = self.present_attribute_value(Place::Element, level, fault)?;
        Ok(fault.value_or_stand_in(value.ok_or(ValueError::NoDatatype)))
    }

    /// One attribute value; None if it is null.
    fn present_attribute_value(
        &mut self,
        place: Place,
        level: usize,
        fault: &mut FirstFault,
    ) -> Result<Option<Value>, BodyError> {
        if self.syntax() == Syntax::Native {
            return self.stored_attribute_value(place);
        }
        let mut value = None;
        let mut datatype_count = 0;
        let is_present = self.structure(place, "AttributeValue", |reader, datatype| {
            let Some(read) = reader.datatype(datatype, level, fault)? else {
                return Ok(Known::No);
            };
            if let Some(found) = read {
                datatype_count += 1;
                value = Some(found);
            }
            Ok(Known::Yes)
        })?;
        if datatype_count > 1 {
            fault.note(ValueError::SeveralDatatypes);
        }
        Ok(is_present.then(|| fault.value_or_stand_in(value.ok_or(ValueError::NoDatatype))))
    }

    /// The value of the member `datatype` of an attribute value: outer None if there is no such type (nothing is
    /// consumed), inner None if it is null.
    fn datatype(
        &mut self,
        datatype: &str,
        level: usize,
        fault: &mut FirstFault,
    ) -> Result<Option<Option<Value>>, BodyError> {
        Ok(Some(match datatype {
            "S" => self.owned_text()?.map(Value::S),
            "N" => self.text()?.map(|text| fault.value_or_stand_in(number(&text))),
            "B" => self.blob()?.map(Value::B),
            "BOOL" => self.boolean()?.map(Value::Bool),
            "NULL" => self.boolean()?.map(|is_null| fault.value_or_stand_in(null(is_null))),
            "SS" => self.string_set(fault)?,
            "NS" => self.number_set(fault)?,
            "BS" => self.binary_set(fault)?,
            "L" => self.value_list(level, fault)?,
            "M" => self.value_map(level, fault)?,
            _ => return Ok(None),
        }))
    }

    fn value_list(&mut self, level: usize, fault: &mut FirstFault) -> Result<Option<Value>, BodyError> {
        let mut elements = Vec::new();
        let present = self.list(Place::Member, |reader| {
            reader.charge(MEMBER_BYTES)?;
            elements.push(reader.attribute_value(level + 1, fault)?);
            Ok(())
        })?;
        Ok(present.then_some(Value::L(elements)))
    }

    fn value_map(&mut self, level: usize, fault: &mut FirstFault) -> Result<Option<Value>, BodyError> {
        let mut members = BTreeMap::new();
        let present = self.map(Place::Member, "AttributeValue", |reader, name| {
            let value = reader.attribute_value(level + 1, fault)?;
            check_name(&name).unwrap_or_else(|wrong| fault.note(wrong));
            reader.insert_member(&mut members, name, value)
        })?;
        Ok(present.then_some(Value::M(members)))
    }

    fn string_set(&mut self, fault: &mut FirstFault) -> Result<Option<Value>, BodyError> {
        let members = self.set_members(Self::owned_text)?;
        Ok(members.map(|members| fault.value_or_stand_in(Value::string_set(members))))
    }

    fn number_set(&mut self, fault: &mut FirstFault) -> Result<Option<Value>, BodyError> {
        let Some(texts) = self.set_members(Self::text)? else { return Ok(None) };
        let numbers: Result<Vec<Number>, _> = texts.iter().map(|text| Number::parse(text)).collect();
        let set = numbers.map_err(ValueError::from).and_then(Value::number_set);
        Ok(Some(fault.value_or_stand_in(set)))
    }

    fn binary_set(&mut self, fault: &mut FirstFault) -> Result<Option<Value>, BodyError> {
        let members = self.set_members(Self::blob)?;
        Ok(members.map(|members| fault.value_or_stand_in(Value::binary_set(members))))
    }

    /// The members of a set, in the order of the request; null members do not count.
    fn set_members<T>(
        &mut self,
        mut member: impl FnMut(&mut Self) -> Result<Option<T>, BodyError>,
    ) -> Result<Option<Vec<T>>, BodyError> {
        let mut members = Vec::new();
        let present = self.list(Place::Member, |reader| {
            reader.charge(MEMBER_BYTES)?;
            members.extend(member(reader)?);
            Ok(())
        })?;
        Ok(present.then_some(members))
    }

    /// Adds a member; of two with one name the later stays, as in every JSON reader that AWS uses.
    fn insert_member(
        &mut self,
        members: &mut BTreeMap<String, Value>,
        name: Cow<'a, str>,
        value: Value,
    ) -> Result<(), BodyError> {
        let node = if members.is_empty() { MAP_NODE_BYTES } else { MEMBER_BYTES };
        self.charge(node + name.len())?;
        members.insert(name.into_owned(), value);
        Ok(())
    }
}

/// The first fault met; later ones are not told.
#[derive(Debug, Default)]
struct FirstFault(Option<ValueError>);

impl FirstFault {
    fn note(&mut self, fault: ValueError) {
        self.0.get_or_insert(fault);
    }

    /// The value; if there is none, notes why and returns another in its place.
    fn value_or_stand_in(&mut self, value: Result<Value, ValueError>) -> Value {
        value.unwrap_or_else(|fault| {
            self.note(fault);
            Value::Null
        })
    }
}

fn number(text: &str) -> Result<Value, ValueError> {
    Ok(Value::N(Number::parse(text)?))
}

fn null(is_null: bool) -> Result<Value, ValueError> {
    if is_null { Ok(Value::Null) } else { Err(ValueError::NullNotTrue) }
}

fn check_name(name: &str) -> Result<(), ValueError> {
    match name.len() {
        0 => Err(ValueError::EmptyName),
        1..=NAME_BYTES_MAX => Ok(()),
        _ => Err(ValueError::NameTooLong),
    }
}

#[cfg(test)]
mod tests;
