//! Documents: the bodies of requests, answers and errors.
//!
//! A document is one value, a tag and what belongs to it. Objects and lists end with a mark, so that writers need not
//! know how many members there will be. Items and attribute values stand in their stored form, whole.
//!
//! Invariants of the reader: it never calls itself, never copies, and never reads beyond the document.

use crate::layout::Constant;
use crate::native::members;
use crate::{DecodeError, Put, Reader};

const WHAT: &str = "document";

/// Ends a list.
pub const TAG_END: u8 = 0;
/// False.
pub const TAG_FALSE: u8 = 1;
/// True.
pub const TAG_TRUE: u8 = 2;
/// A whole number.
pub const TAG_INTEGER: u8 = 3;
/// A number with a fraction.
pub const TAG_DOUBLE: u8 = 4;
/// Text.
pub const TAG_TEXT: u8 = 5;
/// An item, or any other map from names to attribute values.
pub const TAG_ITEM: u8 = 6;
/// One attribute value.
pub const TAG_VALUE: u8 = 7;
/// A list.
pub const TAG_LIST: u8 = 8;
/// An object.
pub const TAG_OBJECT: u8 = 9;
/// How deep objects and lists nest.
pub const LEVELS_MAX: usize = 32;

/// The tags as the specification lists them.
pub const DOCUMENT_TAGS: &[Constant] = &[
    Constant::new("TAG_END", TAG_END as u64),
    Constant::new("TAG_FALSE", TAG_FALSE as u64),
    Constant::new("TAG_TRUE", TAG_TRUE as u64),
    Constant::new("TAG_INTEGER", TAG_INTEGER as u64),
    Constant::new("TAG_DOUBLE", TAG_DOUBLE as u64),
    Constant::new("TAG_TEXT", TAG_TEXT as u64),
    Constant::new("TAG_ITEM", TAG_ITEM as u64),
    Constant::new("TAG_VALUE", TAG_VALUE as u64),
    Constant::new("TAG_LIST", TAG_LIST as u64),
    Constant::new("TAG_OBJECT", TAG_OBJECT as u64),
];
/// The bounds as the specification lists them.
pub const DOCUMENT_LIMITS: &[Constant] = &[Constant::new("LEVELS_MAX", LEVELS_MAX as u64)];

/// In place of a member's number: the object ends.
pub const NAME_END: u8 = 0;
/// In place of a member's number: the name itself follows.
pub const NAME_LITERAL: u8 = 1;

/// What stands in place of a member's number, as the specification lists it.
pub const NAME_MARKS: &[Constant] =
    &[Constant::new("NAME_END", NAME_END as u64), Constant::new("NAME_LITERAL", NAME_LITERAL as u64)];

/// What the next value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// False.
    False,
    /// True.
    True,
    /// A whole number.
    Integer,
    /// A number with a fraction.
    Double,
    /// Text.
    Text,
    /// A map from names to attribute values.
    Item,
    /// One attribute value.
    Value,
    /// A list.
    List,
    /// An object.
    Object,
}

/// Walks through one document.
#[derive(Debug, Clone)]
pub struct DocumentReader<'a> {
    reader: Reader<'a>,
    level: usize,
}

impl<'a> DocumentReader<'a> {
    /// Starts at the first byte of a document.
    pub fn new(document: &'a [u8]) -> Self {
        Self { reader: Reader::new(WHAT, document), level: 0 }
    }

    /// What the next value is; it is not consumed.
    pub fn peek(&self) -> Result<Token, DecodeError> {
        match self.reader.clone().u8()? {
            TAG_FALSE => Ok(Token::False),
            TAG_TRUE => Ok(Token::True),
            TAG_INTEGER => Ok(Token::Integer),
            TAG_DOUBLE => Ok(Token::Double),
            TAG_TEXT => Ok(Token::Text),
            TAG_ITEM => Ok(Token::Item),
            TAG_VALUE => Ok(Token::Value),
            TAG_LIST => Ok(Token::List),
            TAG_OBJECT => Ok(Token::Object),
            tag => Err(DecodeError::OutOfRange {
                field: "tag of a document's value",
                value: tag.into(),
                minimum: TAG_FALSE.into(),
                maximum: TAG_OBJECT.into(),
            }),
        }
    }

    /// Consumes a truth.
    pub fn boolean(&mut self) -> Result<bool, DecodeError> {
        match self.reader.u8()? {
            TAG_FALSE => Ok(false),
            TAG_TRUE => Ok(true),
            found => Err(unexpected(TAG_TRUE, found)),
        }
    }

    /// Consumes a whole number.
    pub fn integer(&mut self) -> Result<i64, DecodeError> {
        self.expect(TAG_INTEGER)?;
        let folded = self.reader.varint()?;
        Ok((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }

    /// Consumes a number with a fraction.
    pub fn double(&mut self) -> Result<f64, DecodeError> {
        self.expect(TAG_DOUBLE)?;
        let number = f64::from_bits(self.reader.u64()?);
        if number.is_finite() { Ok(number) } else { Err(not_canonical("a double is a finite number")) }
    }

    /// Consumes text.
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        self.expect(TAG_TEXT)?;
        self.reader.prefixed_str()
    }

    /// Consumes an item: its bytes, which nobody has looked at.
    pub fn item(&mut self) -> Result<&'a [u8], DecodeError> {
        self.expect(TAG_ITEM)?;
        self.reader.prefixed_bytes()
    }

    /// Consumes an attribute value: its bytes, which nobody has looked at.
    pub fn value(&mut self) -> Result<&'a [u8], DecodeError> {
        self.expect(TAG_VALUE)?;
        self.reader.prefixed_bytes()
    }

    /// Opens a list: [`DocumentReader::next_element`] says whether an element follows.
    pub fn open_list(&mut self) -> Result<(), DecodeError> {
        self.expect(TAG_LIST)?;
        self.enter()
    }

    /// Whether an element of the open list follows; if not, the list is closed.
    pub fn next_element(&mut self) -> Result<bool, DecodeError> {
        if self.reader.clone().u8()? != TAG_END {
            return Ok(true);
        }
        self.reader.u8()?;
        self.level = self.level.saturating_sub(1);
        Ok(false)
    }

    /// Opens an object: [`DocumentReader::next_name`] says what its members are.
    pub fn open_object(&mut self) -> Result<(), DecodeError> {
        self.expect(TAG_OBJECT)?;
        self.enter()
    }

    /// The name of the open object's next member, whose value follows; if there is none, the object is closed.
    pub fn next_name(&mut self) -> Result<Option<&'a str>, DecodeError> {
        match self.reader.u8()? {
            NAME_END => {
                self.level = self.level.saturating_sub(1);
                Ok(None)
            }
            NAME_LITERAL => match self.reader.prefixed_str()? {
                name if members::number_of(name).is_some() => {
                    Err(not_canonical("a member that has a number is written by it"))
                }
                name => Ok(Some(name)),
            },
            number => match members::name_of(number.into()) {
                Some(name) => Ok(Some(name)),
                None => Err(DecodeError::OutOfRange {
                    field: "number of a member",
                    value: number.into(),
                    minimum: members::MEMBER_MIN,
                    maximum: members::MEMBERS.len() as u64 + 1,
                }),
            },
        }
    }

    /// Consumes one value of any kind, whatever is below it.
    pub fn skip(&mut self) -> Result<(), DecodeError> {
        let outside = self.level;
        let mut is_object = [false; LEVELS_MAX];
        loop {
            match self.peek()? {
                Token::False | Token::True => drop(self.boolean()?),
                Token::Integer => drop(self.integer()?),
                Token::Double => drop(self.double()?),
                Token::Text => drop(self.text()?),
                Token::Item => drop(self.item()?),
                Token::Value => drop(self.value()?),
                Token::List => {
                    self.open_list()?;
                    note(&mut is_object, self.level, false);
                }
                Token::Object => {
                    self.open_object()?;
                    note(&mut is_object, self.level, true);
                }
            }
            loop {
                if self.level == outside {
                    return Ok(());
                }
                let goes_on = match is_object.get(self.level - 1) {
                    Some(true) => self.next_name()?.is_some(),
                    _ => self.next_element()?,
                };
                if goes_on {
                    break;
                }
            }
        }
    }

    /// Ends the reading: bytes that are left are an error.
    pub fn finish(self) -> Result<(), DecodeError> {
        self.reader.finish()
    }

    /// How many bytes have been read.
    pub fn position(&self) -> usize {
        self.reader.position()
    }

    fn expect(&mut self, tag: u8) -> Result<(), DecodeError> {
        match self.reader.u8()? {
            found if found == tag => Ok(()),
            found => Err(unexpected(tag, found)),
        }
    }

    fn enter(&mut self) -> Result<(), DecodeError> {
        if self.level == LEVELS_MAX {
            return Err(DecodeError::OutOfRange {
                field: "level of a document",
                value: self.level as u64 + 1,
                minimum: 1,
                maximum: LEVELS_MAX as u64,
            });
        }
        self.level += 1;
        Ok(())
    }
}

/// Appends the parts of a document to a byte string.
pub trait PutDocument {
    /// Appends a truth.
    fn put_boolean(&mut self, truth: bool);
    /// Appends a whole number.
    fn put_integer(&mut self, number: i64);
    /// Appends a number with a fraction, which must be finite.
    fn put_double(&mut self, number: f64);
    /// Appends text.
    fn put_text(&mut self, text: &str);
    /// Appends an item in its stored form.
    fn put_item(&mut self, item: &[u8]);
    /// Appends an attribute value in its stored form.
    fn put_value(&mut self, value: &[u8]);
    /// Begins a list; its elements follow, then [`PutDocument::close_list`].
    fn open_list(&mut self);
    /// Ends a list.
    fn close_list(&mut self);
    /// Begins an object; names and values follow by turns, then [`PutDocument::close_object`].
    fn open_object(&mut self);
    /// Appends a member's name; its value follows.
    fn put_member_name(&mut self, name: &str);
    /// Ends an object.
    fn close_object(&mut self);
}

impl PutDocument for Vec<u8> {
    fn put_boolean(&mut self, truth: bool) {
        self.put_u8(if truth { TAG_TRUE } else { TAG_FALSE });
    }

    fn put_integer(&mut self, number: i64) {
        self.put_u8(TAG_INTEGER);
        self.put_varint((number << 1 ^ number >> 63) as u64);
    }

    fn put_double(&mut self, number: f64) {
        assert!(number.is_finite(), "a double of a document is finite");
        self.put_u8(TAG_DOUBLE);
        self.put_u64(number.to_bits());
    }

    fn put_text(&mut self, text: &str) {
        self.put_u8(TAG_TEXT);
        self.put_prefixed_bytes(text.as_bytes());
    }

    fn put_item(&mut self, item: &[u8]) {
        self.put_u8(TAG_ITEM);
        self.put_prefixed_bytes(item);
    }

    fn put_value(&mut self, value: &[u8]) {
        self.put_u8(TAG_VALUE);
        self.put_prefixed_bytes(value);
    }

    fn open_list(&mut self) {
        self.put_u8(TAG_LIST);
    }

    fn close_list(&mut self) {
        self.put_u8(TAG_END);
    }

    fn open_object(&mut self) {
        self.put_u8(TAG_OBJECT);
    }

    fn put_member_name(&mut self, name: &str) {
        match members::number_of(name) {
            Some(number) => self.put_u8(number),
            None => {
                self.put_u8(NAME_LITERAL);
                self.put_prefixed_bytes(name.as_bytes());
            }
        }
    }

    fn close_object(&mut self) {
        self.put_u8(NAME_END);
    }
}

/// Notes what was opened at a level, which is at least 1.
fn note(is_object: &mut [bool; LEVELS_MAX], level: usize, object: bool) {
    if let Some(place) = is_object.get_mut(level - 1) {
        *place = object;
    }
}

fn unexpected(wanted: u8, found: u8) -> DecodeError {
    DecodeError::OutOfRange {
        field: "tag of a document's value",
        value: found.into(),
        minimum: wanted.into(),
        maximum: wanted.into(),
    }
}

fn not_canonical(rule: &'static str) -> DecodeError {
    DecodeError::NotCanonical { what: WHAT, rule }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Vec<u8> {
        [vec![TAG_LIST; levels], vec![TAG_END; levels]].concat()
    }

    #[test]
    fn documents_nest_as_deep_as_they_may_and_no_deeper() {
        let deep = nested(LEVELS_MAX);
        let mut reader = DocumentReader::new(&deep);
        reader.skip().unwrap();
        reader.finish().unwrap();
        assert!(DocumentReader::new(&nested(LEVELS_MAX + 1)).skip().is_err());
    }

    #[test]
    fn whole_numbers_of_every_size_come_back() {
        for number in [0, 1, -1, 63, -64, 64, i64::MAX, i64::MIN] {
            let mut document = Vec::new();
            document.put_integer(number);
            let mut reader = DocumentReader::new(&document);
            assert_eq!(reader.integer(), Ok(number));
            reader.finish().unwrap();
        }
    }

    #[test]
    fn a_registered_name_is_refused_when_it_is_spelt_out() {
        let mut document = vec![TAG_OBJECT, NAME_LITERAL];
        document.put_prefixed_bytes(b"TableName");
        let mut reader = DocumentReader::new(&document);
        reader.open_object().unwrap();
        assert!(matches!(reader.next_name(), Err(DecodeError::NotCanonical { .. })));
    }
}
