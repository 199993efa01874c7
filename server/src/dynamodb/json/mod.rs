//! DynamoDB JSON 1.0: request bodies into model types, replies out of encoded items. And the documents of the binary
//! protocol, which are the same structures in another syntax: everything above [`reader`] serves both.
//!
//! Bodies are read in one pass, straight into the types an operation wants; there is no tree of generic JSON
//! values in between. The layers, bottom up:
//! - [`text`]: tokens of one JSON document, never recursive, never beyond its text;
//! - [`reader`]: tokens of one body, in either syntax;
//! - [`shape`]: typed reading with the exact texts of DynamoDB's SerializationException;
//! - [`attribute_value`], `stored`: attribute values and items, bounded in depth;
//! - [`writer`]: replies into one buffer, [`item_writer`]: encoded items into it.
//!
//! Invariants: no input makes these modules panic, recurse without bound, or hold more than a small multiple of
//! the body's own size.

use basalt_format::native::DocumentReader;

pub(crate) mod attribute_value;
pub(crate) mod item_writer;
pub(crate) mod reader;
pub(crate) mod shape;
mod stored;
pub(crate) mod text;
pub(crate) mod writer;

pub(crate) use attribute_value::{AttributeList, AttributeMap};
pub(crate) use item_writer::DamagedItem;
pub(crate) use reader::{BodyError, Reader};
pub(crate) use shape::{IntegerType, Known, Place};
use text::JsonText;
pub(crate) use writer::{Members, Writer};

/// How a body is written down. What it says is the same either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// As over HTTP.
    Json,
    /// As in the binary protocol: `format-spec/spec/native_document.md`.
    Native,
}

impl Syntax {
    /// Whether `body` is one document and nothing else.
    pub(crate) fn check_document(self, body: &[u8]) -> Result<(), BodyError> {
        match self {
            Syntax::Json => JsonText::check_document(body),
            Syntax::Native => {
                let mut document = DocumentReader::new(body);
                document.skip()?;
                Ok(document.finish()?)
            }
        }
    }
}
