//! Encoded items, with and without the proof that they are whole.

use basalt_format::{DecodeError, item_encoding};
use basalt_model::{EncodedItem, ItemRef, MapRef, ValueRef};

/// An encoded item.
pub fn item(data: &[u8]) {
    let read = ItemRef::new(data).and_then(|item| walk_item(&item));
    let owned = EncodedItem::from_bytes(data.to_vec());
    assert_eq!(owned.is_ok(), ItemRef::new(data).is_ok(), "owned and borrowed items ask for the same header");
    if item_encoding::validate(data).is_ok() {
        assert_eq!(read, Ok(()), "a valid item can be read");
        check_valid(data);
    }
}

fn check_valid(data: &[u8]) {
    let encoded = ItemRef::new(data).expect("a valid item has a header");
    let item = encoded.to_item().expect("a valid item can be decoded");
    assert_eq!(item.encode().as_bytes(), data, "an item has one form");
    assert_eq!(encoded.size_bytes(), Ok(item.size_bytes()));
    assert_eq!(encoded.len(), item.len());
    for (name, value) in item.iter() {
        let found = encoded.get(name).expect("a valid item can be searched").map(|found| found.to_value());
        assert_eq!(found, Some(Ok(value.clone())), "every attribute is found by its name");
    }
}

/// Reads everything there is to read, whatever the bytes are.
fn walk_item(item: &ItemRef<'_>) -> Result<(), DecodeError> {
    let _ = item.size_bytes();
    let _ = item.check_nesting();
    let _ = item.to_item();
    walk_map(item.as_map(), 0)
}

fn walk_map(map: MapRef<'_>, level: usize) -> Result<(), DecodeError> {
    let _ = map.get("absent");
    for entry in map.iter() {
        let (name, value) = entry?;
        let _ = map.get(name);
        walk_value(value, level)?;
    }
    Ok(())
}

fn walk_value(value: ValueRef<'_>, level: usize) -> Result<(), DecodeError> {
    item_encoding::check_level(level + 1)?;
    let _ = value.kind();
    match value {
        ValueRef::M(map) => walk_map(map, level + 1),
        ValueRef::L(list) => {
            let _ = list.get(list.len());
            list.iter().try_for_each(|element| walk_value(element?, level + 1))
        }
        ValueRef::Ss(set) | ValueRef::Ns(set) | ValueRef::Bs(set) => {
            for member in set.iter() {
                let member = member?;
                let _ = set.contains(&member);
                member.to_value()?;
            }
            Ok(())
        }
        _ => value.to_value().map(drop),
    }
}
