//! Values out of bytes: what an expression is evaluated on is derived from the same input as its text.
//!
//! When the bytes end, every choice is the first and every length is zero, so that a value never costs more than the
//! bytes that were there.

use std::collections::BTreeMap;

use basalt_model::{Item, Number, Value};

/// Names of attributes, few of them, so that expressions meet what is there. `Size` and `a b` need a placeholder.
pub(crate) const NAMES: [&str; 8] = ["a", "b", "c", "d", "pk", "sk", "Size", "a b"];

const LEVELS_MAX: usize = 6;
const MEMBERS_MAX: u8 = 6;

/// Bytes that choose.
pub(crate) struct Source<'a> {
    rest: &'a [u8],
}

impl<'a> Source<'a> {
    /// Chooses by `bytes`, from front to back.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next byte; zero when there is none.
    pub(crate) fn byte(&mut self) -> u8 {
        let (first, rest) = self.rest.split_first().unwrap_or((&0, &[]));
        self.rest = rest;
        *first
    }

    /// One of the names.
    pub(crate) fn name(&mut self) -> &'static str {
        NAMES[usize::from(self.byte()) % NAMES.len()]
    }

    /// An item with any attributes.
    pub(crate) fn item(&mut self) -> Item {
        let count = self.byte() % 9;
        (0..count).map(|_| (self.name().to_owned(), self.value())).collect()
    }

    /// Any value.
    pub(crate) fn value(&mut self) -> Value {
        self.value_at(0)
    }

    fn value_at(&mut self, level: usize) -> Value {
        let deepest = level >= LEVELS_MAX;
        match self.byte() % if deepest { 8 } else { 10 } {
            0 => Value::Null,
            1 => Value::Bool(self.byte() % 2 == 1),
            2 => Value::S(self.text()),
            3 => Value::N(self.number()),
            4 => Value::B(self.bytes()),
            5 => Value::string_set(self.members(Self::text)).unwrap_or(Value::Null),
            6 => Value::number_set(self.members(Self::number)).unwrap_or(Value::Null),
            7 => Value::binary_set(self.members(Self::bytes)).unwrap_or(Value::Null),
            8 => Value::L(self.members(|source| source.value_at(level + 1))),
            _ => Value::M(self.map(level + 1)),
        }
    }

    /// A number: small ones often, so that they are met again, and up to the ends of the range.
    pub(crate) fn number(&mut self) -> Number {
        match self.byte() {
            small @ 0..=199 => Number::from(i64::from(small) - 100),
            exponent => {
                let digits = self.byte();
                let text = format!("{digits}e{}", (i32::from(exponent) - 228) * 5);
                Number::parse(&text).unwrap_or(Number::ZERO)
            }
        }
    }

    /// A text of a few letters, among them one of two bytes and the zero.
    pub(crate) fn text(&mut self) -> String {
        const LETTERS: [char; 8] = ['a', 'b', 'c', '\0', 'z', 'ß', '#', '\u{10ffff}'];
        self.members(|source| LETTERS[usize::from(source.byte()) % LETTERS.len()]).into_iter().collect()
    }

    /// A few bytes.
    pub(crate) fn bytes(&mut self) -> Vec<u8> {
        self.members(Self::byte)
    }

    fn map(&mut self, level: usize) -> BTreeMap<String, Value> {
        self.members(|source| (source.name().to_owned(), source.value_at(level))).into_iter().collect()
    }

    fn members<T>(&mut self, mut member: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.byte() % (MEMBERS_MAX + 1);
        (0..count).map(|_| member(self)).collect()
    }
}
