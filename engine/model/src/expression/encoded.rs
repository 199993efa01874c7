//! Steps through encoded values without decoding them, for conditions, projections and updates alike.
//!
//! An encoded value is the slice that its container holds: a tag and a payload. Encodings are unique, so slices are
//! equal exactly if values are, sets and maps included.

use basalt_format::DecodeError;
use basalt_format::item_encoding::{self, Container, RawValue};

use crate::item::Item;
use crate::item_ref::ItemRef;
use crate::path::{DocumentPath, PathElement};
use crate::value::Value;

/// The encoded value at a path.
pub(crate) fn find<'a>(
    attributes: Container<'a>,
    path: &DocumentPath,
) -> Result<Option<&'a [u8]>, DecodeError> {
    find_below(attributes, &path.name, &path.rest)
}

/// The encoded value that holds what a path leads to; `None` also for an attribute, which nothing holds.
pub(crate) fn find_parent<'a>(
    attributes: Container<'a>,
    path: &DocumentPath,
) -> Result<Option<&'a [u8]>, DecodeError> {
    match path.rest.split_last() {
        Some((_, parent)) => find_below(attributes, &path.name, parent),
        None => Ok(None),
    }
}

/// The encoded value one step into another; `None` if it is not there, or there is no such step.
pub(crate) fn step<'a>(value: &'a [u8], element: &PathElement) -> Result<Option<&'a [u8]>, DecodeError> {
    match (RawValue::parse(value)?, element) {
        (RawValue::Map(map), PathElement::Name(name)) => map.find(name),
        (RawValue::List(list), PathElement::Index(index)) => list.entry(*index as usize),
        _ => Ok(None),
    }
}

/// The attributes of an item as the format sees them.
pub(crate) fn attributes<'a>(item: ItemRef<'a>) -> Result<Container<'a>, DecodeError> {
    item_encoding::attributes(item.as_bytes())
}

/// Encodes a value as items hold it.
pub(crate) fn encode_value(value: &Value) -> Box<[u8]> {
    // The format writes whole items, so the value is taken out of one that holds nothing else.
    let item = Item::from_iter([("v".to_owned(), value.clone())]).encode();
    let value = attributes(item.as_item()).and_then(|attributes| attributes.find("v"));
    value.ok().flatten().expect("the item was just written with this one attribute").into()
}

fn find_below<'a>(
    attributes: Container<'a>,
    name: &str,
    rest: &[PathElement],
) -> Result<Option<&'a [u8]>, DecodeError> {
    let mut found = attributes.find(name)?;
    for element in rest {
        let Some(value) = found else { return Ok(None) };
        found = step(value, element)?;
    }
    Ok(found)
}
