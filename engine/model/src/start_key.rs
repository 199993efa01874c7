//! Start keys of queries and of scans of indexes, judged one attribute after the other.
//!
//! DynamoDB looks at each attribute of the queried key in turn: first at what the start key has for it, then at the
//! condition on it. So a fault of the sort key's start is told after a missing condition on the partition key.

use crate::index_key::Lengths;
use crate::item::Item;
use crate::key::{KeyAttribute, KeyError, KeyPlace, byte_length, part_of};

/// A start key whose attributes are being judged.
#[derive(Debug)]
pub struct StartKeyCheck<'a> {
    key: &'a Item,
    lengths: Lengths,
}

impl<'a> StartKeyCheck<'a> {
    /// Begins to judge a key.
    pub fn new(key: &'a Item) -> Self {
        Self { key, lengths: Lengths::default() }
    }

    /// Judges what the key has for the next attribute of the queried key.
    pub fn check(&mut self, attribute: &KeyAttribute, place: KeyPlace) -> Result<(), KeyError> {
        let value = self.key.get(&attribute.name).ok_or_else(|| KeyError::missing(attribute))?;
        let part = part_of(value, attribute.kind).ok_or(KeyError::SchemaMismatch)?;
        if byte_length(&part) == Some(0) {
            return Err(KeyError::empty(attribute));
        }
        self.lengths.add(&part, place)
    }
}
