//! Primary keys: which attributes they are made of, what values they may have, and their bytes in the tree.
//!
//! Invariant: [`KeyBytes`] of one table sort by hash of the partition key, then by partition key, then by sort
//! key, so an item collection is one range, and so is every condition that a query can set on the sort key.
//!
//! Knows nothing of indexes beyond the tag: bytes are `basalt_format::key_encoding`'s.

use std::borrow::Cow;
use std::fmt;

use basalt_format::DecodeError;
use basalt_format::key_encoding::{self, KeyHasher, KeyPart, KeyPartKind, TAG_ITEM};
use thiserror::Error;

use crate::item::Item;
use crate::item_ref::ItemRef;
use crate::messages;
use crate::number::Number;
use crate::value::{Value, ValueKind};

/// The longest partition key, in bytes of text or binary.
pub const PARTITION_KEY_BYTES_MAX: usize = 2048;
/// The longest sort key, in bytes of text or binary.
pub const SORT_KEY_BYTES_MAX: usize = 1024;
/// Room that is enough for most keys, so that encoding one allocates once.
pub(crate) const KEY_BYTES_USUAL: usize = 96;

/// The types that a key attribute may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScalarKind {
    /// Text.
    S,
    /// Number.
    N,
    /// Bytes.
    B,
}

impl ScalarKind {
    /// The same type among all ten.
    pub const fn value_kind(self) -> ValueKind {
        match self {
            Self::S => ValueKind::S,
            Self::N => ValueKind::N,
            Self::B => ValueKind::B,
        }
    }

    /// The type of a name: `S`, `N` or `B`.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::S, Self::N, Self::B].into_iter().find(|kind| kind.value_kind().name() == name)
    }

    /// The same type in keys and in the catalog.
    pub const fn part_kind(self) -> KeyPartKind {
        match self {
            Self::S => KeyPartKind::S,
            Self::N => KeyPartKind::N,
            Self::B => KeyPartKind::B,
        }
    }
}

impl From<KeyPartKind> for ScalarKind {
    fn from(kind: KeyPartKind) -> Self {
        match kind {
            KeyPartKind::S => Self::S,
            KeyPartKind::N => Self::N,
            KeyPartKind::B => Self::B,
        }
    }
}

impl fmt::Display for ScalarKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.value_kind().name())
    }
}

/// One attribute of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAttribute {
    /// The attribute's name.
    pub name: String,
    /// The type that its values have.
    pub kind: ScalarKind,
}

/// The attributes that identify an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySchema {
    /// The partition key.
    pub partition: KeyAttribute,
    /// The sort key, if the table has one.
    pub sort: Option<KeyAttribute>,
}

impl KeySchema {
    /// Partition key, then sort key.
    pub fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.partition).chain(&self.sort)
    }

    /// The key attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&KeyAttribute> {
        self.attributes().find(|attribute| attribute.name == name)
    }

    /// Checks the key attributes of a whole item that is to be written.
    pub fn check_item(&self, item: &Item) -> Result<(), KeyError> {
        self.parts_of_item(item).map(drop)
    }

    /// Checks a key argument, which holds the key attributes and nothing else.
    pub fn check_key(&self, key: &Item) -> Result<(), KeyError> {
        self.parts_of_key(key).map(drop)
    }

    /// The key attributes of an item that passed [`KeySchema::check_item`].
    pub fn key_of(&self, item: &Item) -> Item {
        let entries = self.attributes().filter_map(|attribute| item.get_key_value(&attribute.name));
        entries.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The key attributes of a stored item.
    pub fn key_of_stored(&self, item: ItemRef<'_>) -> Result<Item, DecodeError> {
        let mut key = Item::new();
        for attribute in self.attributes() {
            if let Some(value) = item.get(&attribute.name)? {
                key.insert(attribute.name.clone(), value.to_value()?);
            }
        }
        Ok(key)
    }

    fn parts_of_item<'a>(&self, item: &'a Item) -> Result<KeyParts<'a>, KeyError> {
        let part = |attribute: &KeyAttribute| {
            let value = item.get(&attribute.name).ok_or_else(|| KeyError::missing(attribute))?;
            part_of(value, attribute.kind).ok_or_else(|| KeyError::type_mismatch(attribute, value.kind()))
        };
        let parts =
            KeyParts { partition: part(&self.partition)?, sort: self.sort.as_ref().map(part).transpose()? };
        self.check_lengths(&parts)?;
        Ok(parts)
    }

    fn parts_of_key<'a>(&self, key: &'a Item) -> Result<KeyParts<'a>, KeyError> {
        if key.len() != self.attributes().count() {
            return Err(KeyError::SchemaMismatch);
        }
        let part = |attribute: &KeyAttribute| {
            let value = key.get(&attribute.name).and_then(|value| part_of(value, attribute.kind));
            value.ok_or(KeyError::SchemaMismatch)
        };
        let parts =
            KeyParts { partition: part(&self.partition)?, sort: self.sort.as_ref().map(part).transpose()? };
        self.check_lengths(&parts)?;
        Ok(parts)
    }

    fn check_lengths(&self, parts: &KeyParts<'_>) -> Result<(), KeyError> {
        let (partition_length, sort_length) =
            (byte_length(&parts.partition), parts.sort.as_ref().and_then(byte_length));
        if partition_length == Some(0) {
            return Err(KeyError::empty(&self.partition));
        }
        if let (Some(sort), Some(0)) = (&self.sort, sort_length) {
            return Err(KeyError::empty(sort));
        }
        if partition_length.is_some_and(|length| length > PARTITION_KEY_BYTES_MAX) {
            return Err(KeyError::PartitionKeyTooLong);
        }
        if sort_length.is_some_and(|length| length > SORT_KEY_BYTES_MAX) {
            return Err(KeyError::SortKeyTooLong);
        }
        Ok(())
    }
}

/// The values of an item's key attributes, checked.
struct KeyParts<'a> {
    partition: KeyPart<'a>,
    sort: Option<KeyPart<'a>>,
}

/// What is wrong with the key of an item or request; the text is DynamoDB's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// An item to be written lacks a key attribute.
    #[error("{}", messages::missing_key(.name))]
    Missing {
        /// The attribute.
        name: String,
    },
    /// A key attribute of an item to be written has another type.
    #[error("{}", messages::key_type_mismatch(.name, .expected.value_kind(), *.actual))]
    TypeMismatch {
        /// The attribute.
        name: String,
        /// The type that the schema wants.
        expected: ScalarKind,
        /// The type of the value.
        actual: ValueKind,
    },
    /// A key attribute of an index has another type in an item to be written.
    #[error("{}", messages::index_key_type_mismatch(.name, .expected.value_kind(), *.actual, .index_name))]
    IndexTypeMismatch {
        /// The attribute.
        name: String,
        /// The type that the index wants.
        expected: ScalarKind,
        /// The type of the value.
        actual: ValueKind,
        /// The index.
        index_name: String,
    },
    /// A key argument lacks an attribute, has one too many, or has one of another type.
    #[error("{}", messages::KEY_SCHEMA_MISMATCH)]
    SchemaMismatch,
    /// A key attribute is an empty text or byte string.
    #[error("{}", messages::empty_key_value(.name, .kind.value_kind()))]
    Empty {
        /// The attribute.
        name: String,
        /// Text or bytes.
        kind: ScalarKind,
    },
    /// A key attribute of an index is an empty text or byte string in an item to be written.
    #[error("{}", messages::empty_index_key_value(.name, .kind.value_kind(), .index_name))]
    IndexEmpty {
        /// The attribute.
        name: String,
        /// Text or bytes.
        kind: ScalarKind,
        /// The index.
        index_name: String,
    },
    /// The partition key is longer than 2048 bytes.
    #[error("{}", messages::PARTITION_KEY_TOO_LONG)]
    PartitionKeyTooLong,
    /// The sort key is longer than 1024 bytes.
    #[error("{}", messages::SORT_KEY_TOO_LONG)]
    SortKeyTooLong,
}

impl KeyError {
    pub(crate) fn missing(attribute: &KeyAttribute) -> Self {
        Self::Missing { name: attribute.name.clone() }
    }

    pub(crate) fn empty(attribute: &KeyAttribute) -> Self {
        Self::Empty { name: attribute.name.clone(), kind: attribute.kind }
    }

    fn type_mismatch(attribute: &KeyAttribute, actual: ValueKind) -> Self {
        Self::TypeMismatch { name: attribute.name.clone(), expected: attribute.kind, actual }
    }
}

/// Which half of a key an attribute belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPlace {
    /// The partition key.
    Partition,
    /// The sort key.
    Sort,
}

/// The value of one key attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyValue {
    /// Text.
    S(String),
    /// Number.
    N(Number),
    /// Bytes.
    B(Vec<u8>),
}

impl KeyValue {
    /// The value's type.
    pub fn kind(&self) -> ScalarKind {
        match self {
            Self::S(_) => ScalarKind::S,
            Self::N(_) => ScalarKind::N,
            Self::B(_) => ScalarKind::B,
        }
    }

    pub(crate) fn part(&self) -> KeyPart<'_> {
        match self {
            Self::S(text) => KeyPart::S(Cow::Borrowed(text)),
            Self::N(number) => KeyPart::N(number.decimal()),
            Self::B(bytes) => KeyPart::B(Cow::Borrowed(bytes)),
        }
    }
}

impl TryFrom<Value> for KeyValue {
    /// The value, which is of a type that no key has.
    type Error = Value;

    fn try_from(value: Value) -> Result<Self, Value> {
        match value {
            Value::S(text) => Ok(Self::S(text)),
            Value::N(number) => Ok(Self::N(number)),
            Value::B(bytes) => Ok(Self::B(bytes)),
            other => Err(other),
        }
    }
}

impl From<KeyValue> for Value {
    fn from(value: KeyValue) -> Self {
        match value {
            KeyValue::S(text) => Self::S(text),
            KeyValue::N(number) => Self::N(number),
            KeyValue::B(bytes) => Self::B(bytes),
        }
    }
}

/// What a query can ask of a sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortCondition {
    /// `=`
    Equal(KeyValue),
    /// `<`
    Less(KeyValue),
    /// `<=`
    LessOrEqual(KeyValue),
    /// `>`
    Greater(KeyValue),
    /// `>=`
    GreaterOrEqual(KeyValue),
    /// `BETWEEN`, both bounds included.
    Between(KeyValue, KeyValue),
    /// `begins_with`, for text (its UTF-8 bytes) and bytes.
    BeginsWith(Vec<u8>),
}

/// A key as the tree holds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyBytes(Vec<u8>);

impl KeyBytes {
    /// Takes bytes that begin with tag and hash.
    pub(crate) fn from_encoded(key: Vec<u8>) -> Self {
        Self(key)
    }

    /// The hash of the partition key, which says whose partition the key belongs to.
    pub fn hash(&self) -> u64 {
        let (_, hash, _) = key_encoding::decode_hashed(&self.0).expect("every key begins with tag and hash");
        hash
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Gives up the bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Keys from `start` up to but not including `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyBytesRange {
    /// The first key that may be in the range.
    pub start: Vec<u8>,
    /// The first key behind it.
    pub end: Vec<u8>,
}

impl KeyBytesRange {
    /// Whether a key is in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.start.as_slice() <= key && key < self.end.as_slice()
    }

    /// Whether no key can be in the range.
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }
}

/// Turns the key attributes of one table into bytes and back.
#[derive(Debug, Clone)]
pub struct KeyCodec {
    schema: KeySchema,
    hasher: KeyHasher,
}

impl KeyCodec {
    /// The codec of a table with its schema and secret.
    pub fn new(schema: KeySchema, hash_secret: &[u8; key_encoding::SECRET_BYTES]) -> Self {
        Self { schema, hasher: KeyHasher::new(hash_secret) }
    }

    /// The table's key schema.
    pub fn schema(&self) -> &KeySchema {
        &self.schema
    }

    pub(crate) fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    /// The key of a whole item; checks its key attributes.
    pub fn encode_item(&self, item: &Item) -> Result<KeyBytes, KeyError> {
        self.schema.parts_of_item(item).map(|parts| self.encode_parts(&parts))
    }

    /// The key that a key argument names; checks it.
    pub fn encode_key(&self, key: &Item) -> Result<KeyBytes, KeyError> {
        self.schema.parts_of_key(key).map(|parts| self.encode_parts(&parts))
    }

    /// The key of these key attributes' values; checks it.
    pub fn encode_values(&self, partition: &KeyValue, sort: Option<&KeyValue>) -> Result<KeyBytes, KeyError> {
        let kinds = (partition.kind(), sort.map(KeyValue::kind));
        if kinds != (self.schema.partition.kind, self.schema.sort.as_ref().map(|attribute| attribute.kind)) {
            return Err(KeyError::SchemaMismatch);
        }
        let parts = KeyParts { partition: partition.part(), sort: sort.map(KeyValue::part) };
        self.schema.check_lengths(&parts)?;
        Ok(self.encode_parts(&parts))
    }

    /// The key attributes of a key.
    pub fn decode(&self, key: &[u8]) -> Result<Item, DecodeError> {
        let (tag, _, mut reader) = key_encoding::decode_hashed(key)?;
        if tag != TAG_ITEM {
            return Err(DecodeError::OutOfRange {
                field: "tag of an item's key",
                value: tag.into(),
                minimum: TAG_ITEM.into(),
                maximum: TAG_ITEM.into(),
            });
        }
        let mut item = Item::new();
        for attribute in self.schema.attributes() {
            let part = key_encoding::decode_part(attribute.kind.part_kind(), &mut reader)?;
            item.insert(attribute.name.clone(), value_of(part));
        }
        reader.finish()?;
        Ok(item)
    }

    /// What the keys of all items of a collection begin with, given one of them: tag, hash and partition key.
    pub fn partition_prefix_of<'a>(&self, key: &'a [u8]) -> Result<&'a [u8], DecodeError> {
        let (_, _, mut reader) = key_encoding::decode_hashed(key)?;
        key_encoding::decode_part(self.schema.partition.kind.part_kind(), &mut reader)?;
        let (prefix, _) = key.split_at(key.len() - reader.remaining());
        Ok(prefix)
    }

    /// The hash of a partition key.
    pub fn hash(&self, partition_key: &KeyValue) -> u64 {
        self.partition_prefix(partition_key).1
    }

    /// The keys of one item collection, or those of them whose sort key meets a condition.
    pub fn query_range(&self, partition_key: &KeyValue, condition: Option<&SortCondition>) -> KeyBytesRange {
        range_within(self.partition_prefix(partition_key).0, condition)
    }

    fn encode_parts(&self, parts: &KeyParts<'_>) -> KeyBytes {
        let mut key = Vec::with_capacity(KEY_BYTES_USUAL);
        key_encoding::encode_partition_prefix(TAG_ITEM, &self.hasher, [&parts.partition], &mut key);
        if let Some(sort) = &parts.sort {
            key_encoding::encode_part(sort, &mut key);
        }
        KeyBytes(key)
    }

    fn partition_prefix(&self, partition_key: &KeyValue) -> (Vec<u8>, u64) {
        let mut prefix = Vec::with_capacity(KEY_BYTES_USUAL);
        let part = partition_key.part();
        let hash = key_encoding::encode_partition_prefix(TAG_ITEM, &self.hasher, [&part], &mut prefix);
        (prefix, hash)
    }
}

/// One of several readers that share a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanSegment {
    /// From 0.
    pub segment: u32,
    /// How many segments there are; above `segment`.
    pub total_segments: u32,
}

impl ScanSegment {
    /// The whole table.
    pub const WHOLE: Self = Self { segment: 0, total_segments: 1 };

    /// The first and the last hash of the segment: all hashes are dealt out evenly. `None` if the segment is not
    /// below the total.
    pub fn hashes(self) -> Option<(u64, u64)> {
        if self.segment >= self.total_segments {
            return None;
        }
        let boundary = |segment: u32| (u128::from(segment) << 64).div_ceil(self.total_segments.into());
        Some((boundary(self.segment) as u64, (boundary(self.segment + 1) - 1) as u64))
    }
}

/// The items whose partition keys hash into `first_hash..=last_hash`.
pub fn item_range(first_hash: u64, last_hash: u64) -> KeyBytesRange {
    let (start, end) = key_encoding::hash_range(TAG_ITEM, first_hash, last_hash);
    KeyBytesRange { start, end }
}

/// The keys that begin with `prefix`, or those of them whose next part meets a condition.
pub(crate) fn range_within(prefix: Vec<u8>, condition: Option<&SortCondition>) -> KeyBytesRange {
    let at = |value: &KeyValue| {
        let mut key = prefix.clone();
        key_encoding::encode_part(&value.part(), &mut key);
        key
    };
    let behind = |value: &KeyValue| key_encoding::prefix_end(at(value));
    let (start, end) = match condition {
        None => (None, None),
        Some(SortCondition::Equal(value)) => (Some(at(value)), Some(behind(value))),
        Some(SortCondition::Less(value)) => (None, Some(at(value))),
        Some(SortCondition::LessOrEqual(value)) => (None, Some(behind(value))),
        Some(SortCondition::Greater(value)) => (Some(behind(value)), None),
        Some(SortCondition::GreaterOrEqual(value)) => (Some(at(value)), None),
        Some(SortCondition::Between(low, high)) => (Some(at(low)), Some(behind(high))),
        Some(SortCondition::BeginsWith(bytes)) => {
            let mut start = prefix.clone();
            key_encoding::encode_part_prefix(bytes, &mut start);
            (Some(start.clone()), Some(key_encoding::prefix_end(start)))
        }
    };
    KeyBytesRange {
        start: start.unwrap_or_else(|| prefix.clone()),
        end: end.unwrap_or_else(|| key_encoding::prefix_end(prefix.clone())),
    }
}

/// The value as part of a key, if it has the type.
pub(crate) fn part_of(value: &Value, kind: ScalarKind) -> Option<KeyPart<'_>> {
    match (value, kind) {
        (Value::S(text), ScalarKind::S) => Some(KeyPart::S(Cow::Borrowed(text))),
        (Value::N(number), ScalarKind::N) => Some(KeyPart::N(number.decimal())),
        (Value::B(bytes), ScalarKind::B) => Some(KeyPart::B(Cow::Borrowed(bytes))),
        _ => None,
    }
}

pub(crate) fn value_of(part: KeyPart<'_>) -> Value {
    match part {
        KeyPart::S(text) => Value::S(text.into_owned()),
        KeyPart::N(number) => Value::N(number.into()),
        KeyPart::B(bytes) => Value::B(bytes.into_owned()),
    }
}

/// The length of text or bytes; numbers have no length that is limited.
pub(crate) fn byte_length(part: &KeyPart<'_>) -> Option<usize> {
    match part {
        KeyPart::S(text) => Some(text.len()),
        KeyPart::B(bytes) => Some(bytes.len()),
        KeyPart::N(_) => None,
    }
}
