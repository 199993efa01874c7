//! Values, numbers, keys, items, expressions and PartiQL statements of DynamoDB.
//!
//! Pure: no I/O, no clock, no async, and nothing that depends on where data is kept. Everything that a request
//! may say wrongly is a typed error whose text is DynamoDB's own.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod expression;
pub mod index_key;
pub mod item;
pub mod item_ref;
pub mod key;
pub mod legacy;
pub mod messages;
pub mod number;
pub mod partiql;
pub mod path;
pub mod size;
pub mod start_key;
pub mod validate;
pub mod value;

pub use index_key::{INDEX_KEY_ATTRIBUTES_MAX, IndexKeyCodec, IndexKeyCondition, IndexKeySchema};
pub use item::{EncodedItem, Item};
pub use item_ref::{ItemRef, ListRef, MapRef, SetRef, ValueRef};
pub use key::{
    KeyAttribute, KeyBytes, KeyBytesRange, KeyCodec, KeyError, KeyPlace, KeySchema, KeyValue, ScalarKind,
    ScanSegment, SortCondition,
};
pub use number::{Number, NumberError};
pub use path::{DocumentPath, PathElement};
pub use size::{CapacityUnits, Consistency, ReadSize};
pub use start_key::StartKeyCheck;
pub use validate::ValueError;
pub use value::{Set, SetError, Value, ValueKind};
