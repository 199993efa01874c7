//! Encoded items read in place: nothing is decoded or allocated that is not asked for.
//!
//! Views may stand over bytes that nobody validated. Whatever is damaged answers with a [`DecodeError`]; it is
//! never skipped and never a panic.
//!
//! Bytes: `basalt_format::item_encoding`.

use std::collections::BTreeMap;
use std::fmt;

use basalt_format::DecodeError;
use basalt_format::item_encoding::{self, Container, Entries, RawValue};
use basalt_format::number;

use crate::item::Item;
use crate::number::Number;
use crate::value::{Set, SetMember, Value, ValueKind};

/// An item in its stored form, borrowed.
#[derive(Clone, Copy)]
pub struct ItemRef<'a> {
    bytes: &'a [u8],
    attributes: Container<'a>,
}

impl<'a> ItemRef<'a> {
    /// Takes a view of stored bytes; checks version and header.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self { bytes, attributes: item_encoding::attributes(bytes)? })
    }

    /// Finds one attribute.
    #[inline]
    pub fn get(&self, name: &str) -> Result<Option<ValueRef<'a>>, DecodeError> {
        self.as_map().get(name)
    }

    /// Finds one attribute's encoded value: equal values have equal bytes.
    pub fn get_encoded(&self, name: &str) -> Result<Option<&'a [u8]>, DecodeError> {
        self.attributes.find(name)
    }

    /// Walks over all attributes, ascending by name.
    #[inline]
    pub fn iter(&self) -> MapIter<'a> {
        self.as_map().iter()
    }

    /// How many attributes there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.attributes.len()
    }

    /// Whether there are no attributes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// The attributes as a map, for code that walks into nested maps too.
    #[inline]
    pub fn as_map(&self) -> MapRef<'a> {
        MapRef(self.attributes)
    }

    /// The stored bytes.
    #[inline]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Decodes everything.
    pub fn to_item(&self) -> Result<Item, DecodeError> {
        owned_entries(self.as_map(), 1).map(Item::from)
    }
}

impl fmt::Debug for ItemRef<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_item(), formatter)
    }
}

/// One value of an encoded item: scalars decoded, the rest as views.
#[derive(Debug, Clone, Copy)]
pub enum ValueRef<'a> {
    /// Text.
    S(&'a str),
    /// Number.
    N(Number),
    /// Bytes.
    B(&'a [u8]),
    /// Set of texts.
    Ss(SetRef<'a>),
    /// Set of numbers.
    Ns(SetRef<'a>),
    /// Set of byte strings.
    Bs(SetRef<'a>),
    /// Map.
    M(MapRef<'a>),
    /// List.
    L(ListRef<'a>),
    /// Truth value.
    Bool(bool),
    /// Null.
    Null,
}

impl<'a> ValueRef<'a> {
    /// Which of the ten types this is.
    #[inline]
    pub fn kind(&self) -> ValueKind {
        match self {
            Self::S(_) => ValueKind::S,
            Self::N(_) => ValueKind::N,
            Self::B(_) => ValueKind::B,
            Self::Ss(_) => ValueKind::Ss,
            Self::Ns(_) => ValueKind::Ns,
            Self::Bs(_) => ValueKind::Bs,
            Self::M(_) => ValueKind::M,
            Self::L(_) => ValueKind::L,
            Self::Bool(_) => ValueKind::Bool,
            Self::Null => ValueKind::Null,
        }
    }

    /// Decodes the value with all that is below it.
    pub fn to_value(&self) -> Result<Value, DecodeError> {
        self.to_value_at(1)
    }

    /// Takes a view of one stored value: its tag and what belongs to it.
    #[inline]
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(match RawValue::parse(bytes)? {
            RawValue::String(text) => Self::S(item_encoding::text(text)?),
            RawValue::Number(bytes) => Self::N(number::decode_compact(bytes)?.into()),
            RawValue::Binary(bytes) => Self::B(bytes),
            RawValue::Bool(truth) => Self::Bool(truth),
            RawValue::Null => Self::Null,
            RawValue::Map(map) => Self::M(MapRef(map)),
            RawValue::List(list) => Self::L(ListRef(list)),
            RawValue::StringSet(members) => Self::Ss(SetRef { members, kind: MemberKind::S }),
            RawValue::NumberSet(members) => Self::Ns(SetRef { members, kind: MemberKind::N }),
            RawValue::BinarySet(members) => Self::Bs(SetRef { members, kind: MemberKind::B }),
        })
    }

    /// Damaged bytes must not decide how deep the stack grows, so the level is counted here as well.
    fn to_value_at(self, level: usize) -> Result<Value, DecodeError> {
        item_encoding::check_level(level)?;
        Ok(match self {
            Self::S(text) => Value::S(text.to_owned()),
            Self::N(number) => Value::N(number),
            Self::B(bytes) => Value::B(bytes.to_vec()),
            Self::Ss(set) => Value::Ss(set.to_set(|member| Ok(item_encoding::text(member)?.to_owned()))?),
            Self::Ns(set) => Value::Ns(set.to_set(|member| Ok(number::decode_compact(member)?.into()))?),
            Self::Bs(set) => Value::Bs(set.to_set(|member| Ok(member.to_vec()))?),
            Self::M(map) => Value::M(owned_entries(map, level + 1)?),
            Self::L(list) => {
                let elements = list.iter().map(|element| element?.to_value_at(level + 1));
                Value::L(elements.collect::<Result<_, DecodeError>>()?)
            }
            Self::Bool(truth) => Value::Bool(truth),
            Self::Null => Value::Null,
        })
    }
}

/// A map inside of an encoded item.
#[derive(Debug, Clone, Copy)]
pub struct MapRef<'a>(Container<'a>);

impl<'a> MapRef<'a> {
    /// Finds one entry.
    #[inline]
    pub fn get(&self, name: &str) -> Result<Option<ValueRef<'a>>, DecodeError> {
        self.0.find(name)?.map(ValueRef::decode).transpose()
    }

    /// Walks over all entries, ascending by name.
    #[inline]
    pub fn iter(&self) -> MapIter<'a> {
        MapIter(self.0.entries())
    }

    /// How many entries there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no entries.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Walks over the entries of a map.
#[derive(Debug, Clone)]
pub struct MapIter<'a>(Entries<'a>);

impl<'a> Iterator for MapIter<'a> {
    type Item = Result<(&'a str, ValueRef<'a>), DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.0.next()?;
        Some(
            entry
                .and_then(item_encoding::split_name)
                .and_then(|(name, value)| Ok((name, ValueRef::decode(value)?))),
        )
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

/// A list inside of an encoded item.
#[derive(Debug, Clone, Copy)]
pub struct ListRef<'a>(Container<'a>);

impl<'a> ListRef<'a> {
    /// The element at `index`, from 0.
    #[inline]
    pub fn get(&self, index: usize) -> Result<Option<ValueRef<'a>>, DecodeError> {
        self.0.entry(index)?.map(ValueRef::decode).transpose()
    }

    /// Walks over all elements.
    #[inline]
    pub fn iter(&self) -> ListIter<'a> {
        ListIter(self.0.entries())
    }

    /// How many elements there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no elements.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Walks over the elements of a list.
#[derive(Debug, Clone)]
pub struct ListIter<'a>(Entries<'a>);

impl<'a> Iterator for ListIter<'a> {
    type Item = Result<ValueRef<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.and_then(ValueRef::decode))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

/// A set inside of an encoded item.
#[derive(Debug, Clone, Copy)]
pub struct SetRef<'a> {
    members: Container<'a>,
    kind: MemberKind,
}

#[derive(Debug, Clone, Copy)]
enum MemberKind {
    S,
    N,
    B,
}

impl<'a> SetRef<'a> {
    /// Walks over all members, ascending; each is S, N or B as the set's kind says.
    #[inline]
    pub fn iter(&self) -> SetIter<'a> {
        SetIter { members: self.members.entries(), kind: self.kind }
    }

    /// How many members there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are no members, which only damage can cause.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether `value` is a member. A value of another type is none.
    pub fn contains(&self, value: &ValueRef<'_>) -> Result<bool, DecodeError> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(member) = self.members.entry(middle)? else { break };
            let order = match (self.kind.decode(member)?, value) {
                (ValueRef::S(member), ValueRef::S(text)) => member.cmp(text),
                (ValueRef::N(member), ValueRef::N(number)) => member.cmp(number),
                (ValueRef::B(member), ValueRef::B(bytes)) => member.cmp(bytes),
                _ => return Ok(false),
            };
            match order {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(false)
    }

    fn to_set<T: SetMember>(
        self,
        decode: impl Fn(&'a [u8]) -> Result<T, DecodeError>,
    ) -> Result<Set<T>, DecodeError> {
        let members: Vec<T> = self.members.entries().map(|entry| decode(entry?)).collect::<Result<_, _>>()?;
        Set::new(members).map_err(|_| DecodeError::NotCanonical {
            what: "set",
            rule: "a set has members, and each of them once",
        })
    }
}

impl MemberKind {
    #[inline]
    fn decode(self, member: &[u8]) -> Result<ValueRef<'_>, DecodeError> {
        match self {
            Self::S => item_encoding::text(member).map(ValueRef::S),
            Self::N => number::decode_compact(member).map(|number| ValueRef::N(number.into())),
            Self::B => Ok(ValueRef::B(member)),
        }
    }
}

/// Walks over the members of a set.
#[derive(Debug, Clone)]
pub struct SetIter<'a> {
    members: Entries<'a>,
    kind: MemberKind,
}

impl<'a> Iterator for SetIter<'a> {
    type Item = Result<ValueRef<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let member = self.members.next()?;
        Some(member.and_then(|member| self.kind.decode(member)))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.members.size_hint()
    }
}

fn owned_entries(map: MapRef<'_>, level: usize) -> Result<BTreeMap<String, Value>, DecodeError> {
    let mut entries = BTreeMap::new();
    for entry in map.iter() {
        let (name, value) = entry?;
        if entries.insert(name.to_owned(), value.to_value_at(level)?).is_some() {
            return Err(DecodeError::NotCanonical { what: "map", rule: "no name is there twice" });
        }
    }
    Ok(entries)
}
