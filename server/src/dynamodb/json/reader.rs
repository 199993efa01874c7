//! Reads one request body from front to back, in either of its two syntaxes: JSON, or the documents of the binary
//! protocol. What a body means and what may be wrong with it is the same in both, and is read by the same code above.

use std::borrow::Cow;

use basalt_format::DecodeError;
use basalt_format::native::{DocumentReader, Token};

use super::Syntax;
use super::shape::TypeFault;
use super::text::JsonText;
use crate::limits::{MemoryExhausted, MemoryPermit};

/// Why a body could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// The bytes are no document. DynamoDB says so without a message, and before it looks at the target.
    Malformed,
    /// The document has a value of the wrong kind somewhere.
    Type(TypeFault),
    /// What the document describes does not fit into the memory for requests now.
    Memory(MemoryExhausted),
}

impl From<TypeFault> for BodyError {
    fn from(fault: TypeFault) -> Self {
        BodyError::Type(fault)
    }
}

impl From<MemoryExhausted> for BodyError {
    fn from(exhausted: MemoryExhausted) -> Self {
        BodyError::Memory(exhausted)
    }
}

impl From<DecodeError> for BodyError {
    fn from(_broken: DecodeError) -> Self {
        BodyError::Malformed
    }
}

/// What the next value is, in the terms of JSON. Stored items and values count as the objects that they are in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    True,
    False,
    /// The number has neither fraction nor exponent.
    WholeNumber,
    DecimalNumber,
    String,
    Array,
    Object,
}

/// A position in one body, and the account that pays for what is built from it.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    tokens: Tokens<'a>,
    memory: &'a mut MemoryPermit,
}

#[derive(Debug)]
enum Tokens<'a> {
    Json(JsonText<'a>),
    Native(DocumentReader<'a>),
}

impl<'a> Reader<'a> {
    /// A reader at the start of a body.
    pub(crate) fn new(
        syntax: Syntax,
        body: &'a [u8],
        memory: &'a mut MemoryPermit,
    ) -> Result<Self, BodyError> {
        let tokens = match syntax {
            Syntax::Json => Tokens::Json(JsonText::new(body)?),
            Syntax::Native => Tokens::Native(DocumentReader::new(body)),
        };
        Ok(Reader { tokens, memory })
    }

    /// In which syntax the body is.
    pub(crate) fn syntax(&self) -> Syntax {
        match self.tokens {
            Tokens::Json(_) => Syntax::Json,
            Tokens::Native(_) => Syntax::Native,
        }
    }

    /// Charges what is about to be allocated to the request's memory.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), BodyError> {
        Ok(self.memory.charge(bytes)?)
    }

    /// Refuses anything behind the document.
    pub(crate) fn finish(self) -> Result<(), BodyError> {
        match self.tokens {
            Tokens::Json(mut text) => text.finish(),
            Tokens::Native(document) => Ok(document.finish()?),
        }
    }

    /// The kind of the next value, which is not consumed.
    pub(crate) fn peek(&mut self) -> Result<Kind, BodyError> {
        match &mut self.tokens {
            Tokens::Json(text) => text.peek(),
            Tokens::Native(document) => Ok(match document.peek()? {
                Token::False => Kind::False,
                Token::True => Kind::True,
                Token::Integer => Kind::WholeNumber,
                Token::Double => Kind::DecimalNumber,
                Token::Text => Kind::String,
                Token::List => Kind::Array,
                Token::Object | Token::Item | Token::Value => Kind::Object,
            }),
        }
    }

    /// Consumes a word whose first byte `peek` has seen.
    pub(crate) fn read_word(&mut self, kind: Kind) -> Result<(), BodyError> {
        match &mut self.tokens {
            Tokens::Json(text) => text.read_word(kind),
            Tokens::Native(document) => Ok(document.boolean().map(drop)?),
        }
    }

    /// Consumes a string; borrowed from the body unless it holds escapes.
    pub(crate) fn read_string(&mut self) -> Result<Cow<'a, str>, BodyError> {
        match &mut self.tokens {
            Tokens::Json(text) => text.read_string(),
            Tokens::Native(document) => Ok(document.text().map(Cow::Borrowed)?),
        }
    }

    /// Consumes a number, rounded down to a whole one; a number beyond 64 bits becomes the nearest one.
    pub(crate) fn read_whole_number(&mut self) -> Result<i64, BodyError> {
        match &mut self.tokens {
            Tokens::Json(text) => Ok(floor_of_number(text.read_number()?)),
            Tokens::Native(document) => match document.peek()? {
                Token::Integer => Ok(document.integer()?),
                // Conversion from floating point saturates.
                _ => Ok(document.double()?.floor() as i64),
            },
        }
    }

    /// Consumes a number.
    pub(crate) fn read_decimal_number(&mut self) -> Result<f64, BodyError> {
        match &mut self.tokens {
            // The grammar of JSON's numbers is within that of floating point.
            Tokens::Json(text) => Ok(text.read_number()?.parse().unwrap_or_default()),
            Tokens::Native(document) => match document.peek()? {
                Token::Integer => Ok(document.integer()? as f64),
                _ => Ok(document.double()?),
            },
        }
    }

    /// Consumes an object, calling `member` at each value with its name. `member` must consume the value.
    pub(crate) fn read_object(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), BodyError>,
    ) -> Result<(), BodyError> {
        let mut next = match &mut self.tokens {
            Tokens::Json(text) => text.open_object()?,
            Tokens::Native(document) => {
                document.open_object()?;
                document.next_name()?.map(Cow::Borrowed)
            }
        };
        while let Some(name) = next {
            member(self, name)?;
            next = match &mut self.tokens {
                Tokens::Json(text) => text.next_name()?,
                Tokens::Native(document) => document.next_name()?.map(Cow::Borrowed),
            };
        }
        Ok(())
    }

    /// Consumes an array, calling `element` at each value, which it must consume.
    pub(crate) fn read_array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), BodyError>,
    ) -> Result<(), BodyError> {
        let mut has_next = match &mut self.tokens {
            Tokens::Json(text) => text.open_array()?,
            Tokens::Native(document) => {
                document.open_list()?;
                document.next_element()?
            }
        };
        while has_next {
            element(self)?;
            has_next = match &mut self.tokens {
                Tokens::Json(text) => text.next_element()?,
                Tokens::Native(document) => document.next_element()?,
            };
        }
        Ok(())
    }

    /// Consumes one value of any kind, checking its grammar.
    pub(crate) fn skip_value(&mut self) -> Result<(), BodyError> {
        match &mut self.tokens {
            Tokens::Json(text) => text.skip_value(),
            Tokens::Native(document) => Ok(document.skip()?),
        }
    }

    /// Consumes a map of attributes in its stored form, which nobody has looked at. JSON has none.
    pub(super) fn read_stored_map(&mut self) -> Result<&'a [u8], BodyError> {
        match &mut self.tokens {
            Tokens::Json(_) => Err(BodyError::Malformed),
            Tokens::Native(document) => Ok(document.item()?),
        }
    }

    /// Consumes an attribute value in its stored form, which nobody has looked at. JSON has none.
    pub(super) fn read_stored_value(&mut self) -> Result<&'a [u8], BodyError> {
        match &mut self.tokens {
            Tokens::Json(_) => Err(BodyError::Malformed),
            Tokens::Native(document) => Ok(document.value()?),
        }
    }
}

fn floor_of_number(text: &str) -> i64 {
    match text.parse::<i64>() {
        Ok(whole) => whole,
        // The grammar was checked, so this is a fraction, an exponent or more digits than 64 bits hold. Conversion
        // from floating point saturates.
        Err(_) => text.parse::<f64>().map_or(0, |number| number.floor() as i64),
    }
}
