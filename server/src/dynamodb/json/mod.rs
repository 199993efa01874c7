//! DynamoDB JSON 1.0: request bodies into model types, replies out of encoded items.
//!
//! Bodies are read in one pass, straight into the types an operation wants; there is no tree of generic JSON
//! values in between. The layers, bottom up:
//! - [`reader`]: tokens of one document, never recursive, never beyond its text;
//! - [`shape`]: typed reading with the exact texts of DynamoDB's SerializationException;
//! - [`attribute_value`]: attribute values and items, bounded in depth;
//! - [`writer`]: replies into one buffer, [`item_writer`]: encoded items into it.
//!
//! Invariants: no input makes these modules panic, recurse without bound, or hold more than a small multiple of
//! the body's own size.

pub(crate) mod attribute_value;
pub(crate) mod item_writer;
pub(crate) mod reader;
pub(crate) mod shape;
pub(crate) mod writer;

pub(crate) use attribute_value::{AttributeList, AttributeMap};
pub(crate) use item_writer::DamagedItem;
pub(crate) use reader::{BodyError, Reader};
pub(crate) use shape::{IntegerType, Known, Place};
pub(crate) use writer::{Members, Writer};
