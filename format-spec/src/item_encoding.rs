//! The bytes of a stored item, laid out so that one attribute is found without decoding the others.
//!
//! Maps, lists and sets are [`Container`]s: a count, a table of where each entry ends, the entries. Attributes are
//! sorted by name, so a look-up is a binary search in that table. A value's length is known from the table above
//! it and is not stored again.
//!
//! Invariants:
//! - Every item has exactly one encoding: names and set members ascend, tables are as narrow as they can be.
//! - [`validate`] accepts exactly what [`Encoder`] writes. Views ([`Container`], [`RawValue`]) may be taken of bytes
//!   that were not validated; damage then gives errors, never panics.
//!
//! Bytes: `spec/item_encoding.md`.

use std::cmp::Ordering;

use crate::layout::Constant;
use crate::number::{self, Decimal};
use crate::{DecodeError, Put, Reader};

/// First byte of every item.
pub const VERSION: u8 = 1;
/// How deep values nest: an attribute's value is at level 1, and a value at this level holds no others.
pub const NESTING_LEVELS_MAX: usize = 32;
/// The longest attribute name, which is also the longest name inside of a map.
pub const NAME_BYTES_MAX: usize = 65_535;

/// `NULL`; no payload.
pub const TAG_NULL: u8 = 0x01;
/// `BOOL`, false; no payload.
pub const TAG_FALSE: u8 = 0x02;
/// `BOOL`, true; no payload.
pub const TAG_TRUE: u8 = 0x03;
/// `N`; a compact number.
pub const TAG_NUMBER: u8 = 0x04;
/// `S`; UTF-8.
pub const TAG_STRING: u8 = 0x05;
/// `B`; bytes.
pub const TAG_BINARY: u8 = 0x06;
/// `L`; a container of values.
pub const TAG_LIST: u8 = 0x07;
/// `M`; a container of named values.
pub const TAG_MAP: u8 = 0x08;
/// `SS`; a container of UTF-8.
pub const TAG_STRING_SET: u8 = 0x09;
/// `NS`; a container of compact numbers.
pub const TAG_NUMBER_SET: u8 = 0x0a;
/// `BS`; a container of bytes.
pub const TAG_BINARY_SET: u8 = 0x0b;

/// The tags as the specification lists them.
pub const TAGS: &[Constant] = &[
    Constant::new("TAG_NULL", TAG_NULL as u64),
    Constant::new("TAG_FALSE", TAG_FALSE as u64),
    Constant::new("TAG_TRUE", TAG_TRUE as u64),
    Constant::new("TAG_NUMBER", TAG_NUMBER as u64),
    Constant::new("TAG_STRING", TAG_STRING as u64),
    Constant::new("TAG_BINARY", TAG_BINARY as u64),
    Constant::new("TAG_LIST", TAG_LIST as u64),
    Constant::new("TAG_MAP", TAG_MAP as u64),
    Constant::new("TAG_STRING_SET", TAG_STRING_SET as u64),
    Constant::new("TAG_NUMBER_SET", TAG_NUMBER_SET as u64),
    Constant::new("TAG_BINARY_SET", TAG_BINARY_SET as u64),
];

/// The bounds as the specification lists them.
pub const LIMITS: &[Constant] = &[
    Constant::new("VERSION", VERSION as u64),
    Constant::new("NESTING_LEVELS_MAX", NESTING_LEVELS_MAX as u64),
    Constant::new("NAME_BYTES_MAX", NAME_BYTES_MAX as u64),
];

const WHAT: &str = "item";

/// Takes the view of an item: its attributes, which [`Container::find`] looks up.
#[inline]
pub fn attributes(item: &[u8]) -> Result<Container<'_>, DecodeError> {
    match item.split_first() {
        Some((&VERSION, attributes)) => Container::parse(attributes),
        Some((&version, _)) => Err(DecodeError::UnknownVersion {
            what: WHAT,
            found: version.into(),
            newest_known: VERSION.into(),
        }),
        None => Err(truncated(1, 0)),
    }
}

/// Checks every byte of an item that comes from outside: after this, no view of it meets an error.
pub fn validate(item: &[u8]) -> Result<(), DecodeError> {
    validate_map(attributes(item)?, 1)
}

/// Checks every byte of one attribute's value that comes from outside, as [`validate`] does those of an item.
pub fn validate_attribute(value: &[u8]) -> Result<(), DecodeError> {
    validate_value(value, 1)
}

/// Most names are short and differ in their first byte: a look at it costs less than a call that compares memory.
#[inline]
fn compare_names(one: &[u8], other: &[u8]) -> Ordering {
    match (one, other) {
        ([one, ..], [other, ..]) if one != other => one.cmp(other),
        ([_], [_]) => Ordering::Equal,
        _ => one.cmp(other),
    }
}

/// A map, list or set: entries that are found by their index, or by name in a map.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    count: u32,
    width_code: u8,
    /// The table of ends, then the entries.
    body: &'a [u8],
}

impl<'a> Container<'a> {
    /// Reads the header and checks that its table spans exactly the bytes behind it.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        // Nearly all containers have fewer than 32 entries, and thus a header of one byte.
        let (header, body) = match bytes.split_first() {
            Some((&header, body)) if header < 0x80 => (u64::from(header), body),
            _ => {
                let mut reader = Reader::new(WHAT, bytes);
                (reader.varint()?, reader.rest())
            }
        };
        let (count, width_code) = (header >> WIDTH_CODE_BITS, (header & WIDTH_CODE_MASK) as u8);
        if width_code > WIDTH_CODE_MAX {
            return Err(out_of_range(
                "width code of a container",
                width_code.into(),
                0,
                WIDTH_CODE_MAX.into(),
            ));
        }
        // A count that does not fit cannot be true: each entry takes its place in the table.
        match u32::try_from(count) {
            Ok(count) if (count as usize) << width_code <= body.len() => {
                let container = Self { count, width_code, body };
                container.check_span()?;
                Ok(container)
            }
            _ => Err(truncated(count, body.len())),
        }
    }

    /// How many entries there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are no entries.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The bytes of entry `index`; `None` if there are not so many.
    #[inline]
    pub fn entry(&self, index: usize) -> Result<Option<&'a [u8]>, DecodeError> {
        if index >= self.len() {
            return Ok(None);
        }
        let start = if index == 0 { 0 } else { self.end(index - 1)? };
        between(self.all_entries(), start, self.end(index)?).map(Some)
    }

    /// All entries in their order.
    #[inline]
    pub fn entries(&self) -> Entries<'a> {
        Entries { container: *self, entries: self.all_entries(), index: 0, start: 0 }
    }

    /// The encoded value of the entry called `name`; only for maps.
    #[inline]
    pub fn find(&self, name: &str) -> Result<Option<&'a [u8]>, DecodeError> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(entry) = self.entry(middle)? else { break };
            let (found, value) = split_name_bytes(entry)?;
            match compare_names(found, name.as_bytes()) {
                Ordering::Equal => return Ok(Some(value)),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    /// The length of all entries together.
    #[inline]
    pub fn entries_length(&self) -> usize {
        self.all_entries().len()
    }

    #[inline]
    fn all_entries(&self) -> &'a [u8] {
        self.body.get(self.len() << self.width_code..).unwrap_or_default()
    }

    #[inline]
    fn check_span(&self) -> Result<(), DecodeError> {
        let end = if self.count == 0 { 0 } else { self.end(self.len() - 1)? };
        let length = self.entries_length();
        match end.cmp(&length) {
            Ordering::Equal => Ok(()),
            Ordering::Less => Err(DecodeError::TrailingBytes { what: WHAT, count: (length - end) as u64 }),
            Ordering::Greater => Err(truncated(end as u64, length)),
        }
    }

    /// Where entry `index`, which exists, ends.
    #[inline]
    fn end(&self, index: usize) -> Result<usize, DecodeError> {
        let field = self.body.get(index << self.width_code..).unwrap_or_default();
        let end = match self.width_code {
            0 => field.first().map(|end| usize::from(*end)),
            1 => field.first_chunk().map(|end| u16::from_le_bytes(*end).into()),
            _ => field.first_chunk().map(|end| u32::from_le_bytes(*end) as usize),
        };
        end.ok_or(truncated(1 << self.width_code, field.len()))
    }
}

#[inline]
fn between(entries: &[u8], start: usize, end: usize) -> Result<&[u8], DecodeError> {
    entries.get(start..end).ok_or(DecodeError::NotCanonical {
        what: WHAT,
        rule: "the ends of entries ascend and stay inside of the container",
    })
}

/// Walks over the entries of a container.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    container: Container<'a>,
    entries: &'a [u8],
    index: usize,
    start: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<&'a [u8], DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.index >= self.container.len() {
            return None;
        }
        let end = self.container.end(self.index);
        let entry = end.and_then(|end| between(self.entries, std::mem::replace(&mut self.start, end), end));
        // Damage ends the walk: what follows it has no known start.
        self.index = if entry.is_ok() { self.index + 1 } else { self.container.len() };
        Some(entry)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.container.len() - self.index))
    }
}

/// One value, its own level read and nothing below it.
#[derive(Debug, Clone, Copy)]
pub enum RawValue<'a> {
    /// `NULL`
    Null,
    /// `BOOL`
    Bool(bool),
    /// `N`: a compact number.
    Number(&'a [u8]),
    /// `S`: bytes that should be UTF-8.
    String(&'a [u8]),
    /// `B`
    Binary(&'a [u8]),
    /// `L`: entries are values.
    List(Container<'a>),
    /// `M`: entries are named values.
    Map(Container<'a>),
    /// `SS`: entries are UTF-8.
    StringSet(Container<'a>),
    /// `NS`: entries are compact numbers.
    NumberSet(Container<'a>),
    /// `BS`: entries are bytes.
    BinarySet(Container<'a>),
}

impl<'a> RawValue<'a> {
    /// Reads the tag and, for a container, its header.
    #[inline]
    pub fn parse(value: &'a [u8]) -> Result<Self, DecodeError> {
        let (&tag, payload) = value.split_first().ok_or(truncated(1, 0))?;
        match tag {
            TAG_STRING => Ok(Self::String(payload)),
            TAG_NUMBER => Ok(Self::Number(payload)),
            TAG_BINARY => Ok(Self::Binary(payload)),
            TAG_NULL => without_payload(payload, Self::Null),
            TAG_FALSE => without_payload(payload, Self::Bool(false)),
            TAG_TRUE => without_payload(payload, Self::Bool(true)),
            TAG_LIST => Container::parse(payload).map(Self::List),
            TAG_MAP => Container::parse(payload).map(Self::Map),
            TAG_STRING_SET => Container::parse(payload).map(Self::StringSet),
            TAG_NUMBER_SET => Container::parse(payload).map(Self::NumberSet),
            TAG_BINARY_SET => Container::parse(payload).map(Self::BinarySet),
            tag => Err(out_of_range("tag of a value", tag.into(), TAG_NULL.into(), TAG_BINARY_SET.into())),
        }
    }
}

/// Takes a map's entry apart into name and encoded value.
#[inline]
pub fn split_name(entry: &[u8]) -> Result<(&str, &[u8]), DecodeError> {
    let (name, value) = split_name_bytes(entry)?;
    Ok((text(name)?, value))
}

/// Refuses a value that is nested deeper than the format allows: whoever walks down asks at every level, so that
/// damaged bytes do not decide how deep the stack grows.
#[inline]
pub fn check_level(level: usize) -> Result<(), DecodeError> {
    if level <= NESTING_LEVELS_MAX {
        Ok(())
    } else {
        Err(out_of_range("nesting level", level as u64, 1, NESTING_LEVELS_MAX as u64))
    }
}

/// Reads bytes that the format says are text.
#[inline]
pub fn text(bytes: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8 { what: WHAT })
}

/// Like [`split_name`], for those who do not ask whether the name is text.
#[inline]
pub fn split_name_bytes(entry: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    // Nearly all names are shorter than 128 bytes, and this is the innermost step of every look-up.
    if let Some((&length, rest)) = entry.split_first()
        && length < 0x80
        && let Some(parts) = rest.split_at_checked(length.into())
    {
        return Ok(parts);
    }
    let mut reader = Reader::new(WHAT, entry);
    let name = reader.prefixed_bytes()?;
    Ok((name, reader.rest()))
}

#[inline]
fn without_payload<'a>(payload: &[u8], value: RawValue<'a>) -> Result<RawValue<'a>, DecodeError> {
    match payload.len() {
        0 => Ok(value),
        count => Err(DecodeError::TrailingBytes { what: WHAT, count: count as u64 }),
    }
}

fn validate_value(value: &[u8], level: usize) -> Result<(), DecodeError> {
    check_level(level)?;
    match RawValue::parse(value)? {
        RawValue::Null | RawValue::Bool(_) | RawValue::Binary(_) => Ok(()),
        RawValue::Number(bytes) => number::decode_compact(bytes).map(drop),
        RawValue::String(bytes) => text(bytes).map(drop),
        RawValue::List(list) => validate_list(list, level + 1),
        RawValue::Map(map) => validate_map(map, level + 1),
        RawValue::StringSet(set) => validate_set(set, text),
        RawValue::NumberSet(set) => validate_set(set, number::decode_compact),
        RawValue::BinarySet(set) => validate_set(set, Ok),
    }
}

fn validate_list(list: Container<'_>, level: usize) -> Result<(), DecodeError> {
    validate_width(list)?;
    list.entries().try_for_each(|entry| validate_value(entry?, level))
}

fn validate_map(map: Container<'_>, level: usize) -> Result<(), DecodeError> {
    validate_width(map)?;
    let mut previous = "";
    for entry in map.entries() {
        let (name, value) = split_name(entry?)?;
        // The empty name fails here too: nothing comes before it.
        if name <= previous {
            return Err(not_canonical("names are not empty and ascend"));
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(out_of_range("length of a name", name.len() as u64, 1, NAME_BYTES_MAX as u64));
        }
        validate_value(value, level)?;
        previous = name;
    }
    Ok(())
}

fn validate_set<'a, T: Ord>(
    set: Container<'a>,
    decode: impl Fn(&'a [u8]) -> Result<T, DecodeError>,
) -> Result<(), DecodeError> {
    validate_width(set)?;
    if set.is_empty() {
        return Err(not_canonical("a set has a member"));
    }
    let mut previous = None;
    for entry in set.entries() {
        let member = Some(decode(entry?)?);
        if member <= previous {
            return Err(not_canonical("members of a set ascend"));
        }
        previous = member;
    }
    Ok(())
}

fn validate_width(container: Container<'_>) -> Result<(), DecodeError> {
    let (narrowest, _) = end_width(container.entries_length());
    if container.width_code == narrowest {
        Ok(())
    } else {
        Err(not_canonical("the table of ends is as narrow as it can be"))
    }
}

/// Writes one item. The caller opens and closes containers and brings names and members in ascending order.
#[derive(Debug)]
pub struct Encoder {
    out: Vec<u8>,
    /// Ends of the entries of all open containers, innermost last.
    ends: Vec<u32>,
}

/// A container that is being written; given back to [`Encoder::close`].
#[derive(Debug)]
#[must_use]
pub struct OpenContainer {
    start: usize,
    first_end: usize,
}

impl Encoder {
    /// Begins an item; its attributes are the first container to be opened, without a tag.
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// Like [`Encoder::new`], with room for an item of about so many bytes.
    pub fn with_capacity(item_bytes: usize) -> Self {
        let mut out = Vec::with_capacity(item_bytes);
        out.push(VERSION);
        Self { out, ends: Vec::with_capacity(16) }
    }

    /// Ends the item.
    pub fn finish(self) -> Vec<u8> {
        assert!(self.ends.is_empty(), "every container that was opened is closed");
        self.out
    }

    /// Begins the entries of a container; a nested one needs its tag first.
    #[inline]
    pub fn open(&mut self) -> OpenContainer {
        OpenContainer { start: self.out.len(), first_end: self.ends.len() }
    }

    /// Ends one entry: what was written since the last one, or since the container was opened.
    #[inline]
    pub fn end_entry(&mut self, container: &OpenContainer) {
        let end = u32::try_from(self.out.len() - container.start).expect("items are far below 4 GiB");
        self.ends.push(end);
    }

    /// Ends a container: puts its header in front of the entries, now that the header's size is known.
    pub fn close(&mut self, container: OpenContainer) {
        let OpenContainer { start, first_end } = container;
        let entries_length = self.out.len() - start;
        let (width_code, width) = end_width(entries_length);
        let count = self.ends.len() - first_end;

        let header_start = self.out.len();
        self.out.put_varint((count as u64) << WIDTH_CODE_BITS | u64::from(width_code));
        for end in self.ends.drain(first_end..) {
            self.out.extend_from_slice(&end.to_le_bytes()[..width]);
        }
        let header_length = self.out.len() - header_start;
        self.out[start..].rotate_right(header_length);
    }

    /// Writes the name of a map's entry; its value follows.
    #[inline]
    pub fn put_name(&mut self, name: &str) {
        self.out.put_prefixed_bytes(name.as_bytes());
    }

    /// Writes a tag: a whole `NULL` or `BOOL`, or the beginning of another value.
    #[inline]
    pub fn put_tag(&mut self, tag: u8) {
        self.out.put_u8(tag);
    }

    /// Writes the payload of a string or binary value or set member, or a whole encoded value.
    #[inline]
    pub fn put_bytes(&mut self, bytes: &[u8]) {
        self.out.put_bytes(bytes);
    }

    /// Writes the payload of a number or a member of a number set.
    pub fn put_number(&mut self, number: Decimal) {
        number::encode_compact(number, &mut self.out);
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

const WIDTH_CODE_BITS: u32 = 2;
const WIDTH_CODE_MASK: u64 = 0b11;
/// Ends have 1 << code bytes.
const WIDTH_CODE_MAX: u8 = 2;

/// Code and size of the narrowest integer that holds all ends.
fn end_width(entries_length: usize) -> (u8, usize) {
    match entries_length {
        0..=0xff => (0, 1),
        0x100..=0xffff => (1, 2),
        _ => (2, 4),
    }
}

fn out_of_range(field: &'static str, value: u64, minimum: u64, maximum: u64) -> DecodeError {
    DecodeError::OutOfRange { field, value, minimum, maximum }
}

fn truncated(needed: u64, available: usize) -> DecodeError {
    DecodeError::Truncated { what: WHAT, needed, available: available as u64 }
}

fn not_canonical(rule: &'static str) -> DecodeError {
    DecodeError::NotCanonical { what: WHAT, rule }
}
