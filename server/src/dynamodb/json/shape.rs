//! Typed reading: each function consumes one value where DynamoDB's service model wants a certain shape.
//!
//! `null` counts as absent everywhere. A value of another kind is a [`TypeFault`], whose text is DynamoDB's own
//! (SEMANTICS of the AWS Java service framework: its parser tokens and Java class names show through). Members
//! that an operation does not know are consumed and forgotten.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::reader::{BodyError, Kind, Reader};
use crate::dynamodb::messages;

/// What an entry of a map costs in memory beside its texts.
const MAP_ENTRY_BYTES: usize = 128;

/// A JSON value of the wrong kind. `Display` is what the client reads in the `Message` of its
/// SerializationException.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TypeFault {
    #[error("{}", messages::token_not_convertible(token, wanted))]
    NotConvertible { token: &'static str, wanted: &'static str },
    #[error("{}", messages::UNEXPECTED_TOKEN)]
    NotBooleanText,
    #[error("{}", messages::unrecognized_collection_class(class))]
    ListForClass { class: Cow<'static, str> },
    #[error("{}", messages::unrecognized_collection_map(element))]
    ListForMap { element: Cow<'static, str> },
    #[error("{}", messages::UNEXPECTED_STRUCTURE)]
    StructureForOther,
    #[error("{}", messages::UNEXPECTED_FIELD_TYPE)]
    ScalarForField,
    #[error("{}", messages::UNEXPECTED_VALUE_TYPE)]
    ScalarForElement,
    #[error("{}", messages::PARAMETERIZED_TYPE_CAST)]
    ScalarForNestedCollection,
    #[error("{}", messages::NOT_BASE64)]
    NotBlobText,
    #[error("{}", messages::base64_length(*length))]
    BlobLength { length: usize },
    #[error("{}", messages::BASE64_LAST_CHARACTER)]
    BlobCharacters,
}

/// Where a structure, list or map stands: DynamoDB words a scalar in its place differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A named member of a structure.
    Member,
    /// An element of a list or a value of a map.
    Element,
}

/// The two integer types of the service model; their names show in the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IntegerType {
    Integer,
    Long,
}

impl IntegerType {
    fn name(self) -> &'static str {
        match self {
            IntegerType::Integer => "Integer",
            IntegerType::Long => "Long",
        }
    }
}

/// The shape that the service model wants at one place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted {
    Text,
    Boolean,
    Integer(IntegerType),
    Blob,
    List(Place),
    Map(Place, &'static str),
    Structure(Place, &'static str),
}

impl<'a> Reader<'a> {
    /// A string.
    pub(crate) fn text(&mut self) -> Result<Option<Cow<'a, str>>, BodyError> {
        match self.value_of(Wanted::Text)? {
            None => Ok(None),
            Some(_) => self.read_string().map(Some),
        }
    }

    /// A string that the caller keeps.
    pub(crate) fn owned_text(&mut self) -> Result<Option<String>, BodyError> {
        let Some(text) = self.text()? else { return Ok(None) };
        self.charge(text.len())?;
        Ok(Some(text.into_owned()))
    }

    /// A boolean, or a string that the Java framework takes for one.
    pub(crate) fn boolean(&mut self) -> Result<Option<bool>, BodyError> {
        match self.value_of(Wanted::Boolean)? {
            None => Ok(None),
            Some(Kind::String) => boolean_from_text(&self.read_string()?).map(Some),
            Some(kind) => {
                self.read_word(kind)?;
                Ok(Some(kind == Kind::True))
            }
        }
    }

    /// A whole number; a fraction is rounded down, a number beyond 64 bits becomes the nearest one.
    pub(crate) fn integer(&mut self, integer_type: IntegerType) -> Result<Option<i64>, BodyError> {
        match self.value_of(Wanted::Integer(integer_type))? {
            None => Ok(None),
            Some(_) => self.read_whole_number().map(Some),
        }
    }

    /// Seconds since 1970 with a fraction, as microseconds; what no time has becomes the nearest that one has.
    pub(crate) fn timestamp_us(&mut self) -> Result<Option<u64>, BodyError> {
        match self.value_of(Wanted::Integer(IntegerType::Long))? {
            None => Ok(None),
            // Conversion from floating point saturates.
            Some(_) => Ok(Some((self.read_decimal_number()? * 1e6) as u64)),
        }
    }

    /// Base64 text, decoded.
    pub(crate) fn blob(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        match self.value_of(Wanted::Blob)? {
            None => Ok(None),
            Some(_) => {
                let text = self.read_string()?;
                self.charge(text.len())?;
                decode_blob(&text).map(Some)
            }
        }
    }

    /// A list; `element` consumes each element. False if it was null.
    pub(crate) fn list(
        &mut self,
        place: Place,
        element: impl FnMut(&mut Self) -> Result<(), BodyError>,
    ) -> Result<bool, BodyError> {
        match self.value_of(Wanted::List(place))? {
            None => Ok(false),
            Some(_) => self.read_array(element).map(|()| true),
        }
    }

    /// A list of structures (their name in the service model); `member` reads a member of one. None if it was null.
    pub(crate) fn structures<T: Default>(
        &mut self,
        shape: &'static str,
        mut member: impl FnMut(&mut T, &mut Self, &str) -> Result<Known, BodyError>,
    ) -> Result<Option<Vec<T>>, BodyError> {
        let mut structures = Vec::new();
        let present = self.list(Place::Member, |reader| {
            let mut one = T::default();
            reader.structure(Place::Element, shape, |reader, name| member(&mut one, reader, name))?;
            structures.push(one);
            Ok(())
        })?;
        Ok(present.then_some(structures))
    }

    /// A list of texts, without those that are null. None if it was null.
    pub(crate) fn texts(&mut self) -> Result<Option<Vec<String>>, BodyError> {
        let mut texts = Vec::new();
        let present = self.list(Place::Member, |reader| {
            texts.extend(reader.owned_text()?);
            Ok(())
        })?;
        Ok(present.then_some(texts))
    }

    /// A map from strings to `element_type` (the service model's name); `entry` consumes each value. False if it
    /// was null.
    pub(crate) fn map(
        &mut self,
        place: Place,
        element_type: &'static str,
        entry: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), BodyError>,
    ) -> Result<bool, BodyError> {
        match self.value_of(Wanted::Map(place, element_type))? {
            None => Ok(false),
            Some(_) => self.read_object(entry).map(|()| true),
        }
    }

    /// A map from strings to strings. A null value counts as absent.
    pub(crate) fn text_map(&mut self) -> Result<Option<BTreeMap<String, String>>, BodyError> {
        let mut entries = BTreeMap::new();
        let present = self.map(Place::Member, "java.lang.String", |reader, key| {
            reader.charge(MAP_ENTRY_BYTES + key.len())?;
            if let Some(text) = reader.owned_text()? {
                entries.insert(key.into_owned(), text);
            }
            Ok(())
        })?;
        Ok(present.then_some(entries))
    }

    /// A structure named `shape` in the service model. `member` consumes the value of a member it knows and says
    /// so; other values are consumed here. False if it was null.
    pub(crate) fn structure(
        &mut self,
        place: Place,
        shape: &'static str,
        mut member: impl FnMut(&mut Self, &str) -> Result<Known, BodyError>,
    ) -> Result<bool, BodyError> {
        if self.value_of(Wanted::Structure(place, shape))?.is_none() {
            return Ok(false);
        }
        self.read_object(|reader, name| match member(reader, &name)? {
            Known::Yes => Ok(()),
            Known::No => reader.skip_value(),
        })?;
        Ok(true)
    }

    /// Consumes a value of any shape and tells whether it was there.
    pub(crate) fn presence(&mut self) -> Result<bool, BodyError> {
        let present = self.peek()? != Kind::Null;
        self.skip_value()?;
        Ok(present)
    }

    /// The kind of the next value if it fits; None if it was null, which is consumed.
    pub(super) fn value_of(&mut self, wanted: Wanted) -> Result<Option<Kind>, BodyError> {
        let kind = self.peek()?;
        if kind == Kind::Null {
            self.read_word(kind)?;
            return Ok(None);
        }
        match mismatch(wanted, kind) {
            Some(fault) => Err(fault.into()),
            None => Ok(Some(kind)),
        }
    }
}

/// Whether a structure's member is one that the operation has (and whose value it consumed).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Yes,
    No,
}

/// The table of DynamoDB's type errors: what it says when `kind` stands where `wanted` should.
fn mismatch(wanted: Wanted, kind: Kind) -> Option<TypeFault> {
    match (wanted, kind) {
        (Wanted::Text | Wanted::Blob, Kind::String)
        | (Wanted::Boolean, Kind::True | Kind::False | Kind::String)
        | (Wanted::Integer(_), Kind::WholeNumber | Kind::DecimalNumber)
        | (Wanted::List(_), Kind::Array)
        | (Wanted::Map(..) | Wanted::Structure(..), Kind::Object) => None,

        (Wanted::Text, _) => Some(scalar_mismatch("String", kind)),
        (Wanted::Boolean, _) => Some(scalar_mismatch("Boolean", kind)),
        (Wanted::Integer(integer_type), _) => Some(scalar_mismatch(integer_type.name(), kind)),

        (Wanted::Blob | Wanted::List(_), Kind::Object) => Some(TypeFault::StructureForOther),
        (Wanted::Blob, Kind::Array) => Some(TypeFault::ListForClass { class: "java.nio.ByteBuffer".into() }),
        (Wanted::Blob, _) => Some(TypeFault::NotBlobText),

        (Wanted::Map(_, element), Kind::Array) => {
            Some(TypeFault::ListForMap { element: java_class(element) })
        }
        (Wanted::Structure(_, shape), Kind::Array) => {
            Some(TypeFault::ListForClass { class: java_class(shape) })
        }
        (Wanted::List(Place::Element) | Wanted::Map(Place::Element, _), _) => {
            Some(TypeFault::ScalarForNestedCollection)
        }
        (Wanted::Structure(Place::Element, _), _) => Some(TypeFault::ScalarForElement),
        (Wanted::List(_) | Wanted::Map(..) | Wanted::Structure(..), _) => Some(TypeFault::ScalarForField),
    }
}

fn scalar_mismatch(wanted: &'static str, kind: Kind) -> TypeFault {
    match kind {
        Kind::Array => TypeFault::ListForClass { class: format!("java.lang.{wanted}").into() },
        Kind::Object => TypeFault::StructureForOther,
        scalar => TypeFault::NotConvertible { token: token_name(scalar), wanted },
    }
}

/// The framework's name of a scalar token.
fn token_name(kind: Kind) -> &'static str {
    match kind {
        Kind::True => "TRUE_VALUE",
        Kind::False => "FALSE_VALUE",
        Kind::WholeNumber => "NUMBER_VALUE",
        Kind::DecimalNumber => "DECIMAL_VALUE",
        Kind::Null | Kind::String | Kind::Array | Kind::Object => "STRING_VALUE",
    }
}

/// The Java class of a shape; names that are qualified already stay as they are.
fn java_class(shape: &'static str) -> Cow<'static, str> {
    if shape.contains('.') {
        shape.into()
    } else {
        format!("com.amazonaws.dynamodb.v20120810.{shape}").into()
    }
}

fn boolean_from_text(text: &str) -> Result<bool, BodyError> {
    let is_one_of = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(["true", "1", "yes"]) {
        Ok(true)
    } else if is_one_of(["false", "0", "no"]) {
        Ok(false)
    } else {
        Err(TypeFault::NotBooleanText.into())
    }
}

fn decode_blob(text: &str) -> Result<Vec<u8>, BodyError> {
    if !text.len().is_multiple_of(4) {
        return Err(TypeFault::BlobLength { length: text.chars().count() }.into());
    }
    STANDARD.decode(text).map_err(|_| TypeFault::BlobCharacters.into())
}

#[cfg(test)]
mod tests;
