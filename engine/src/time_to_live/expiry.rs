//! When an item expires.

use basalt_format::DecodeError;
use basalt_model::{ItemRef, ValueRef};

/// The second with whose end the item expires, by the table's attribute; `None` if it never does.
///
/// The attribute is a number at the top of the item, in seconds since 1970; anything else is no expiry. How old an
/// expiry may be is not asked here: what is derived from an item must not depend on the time.
pub(crate) fn expiry_of(item: ItemRef<'_>, attribute: &str) -> Result<Option<u64>, DecodeError> {
    Ok(match item.get(attribute)? {
        Some(ValueRef::N(number)) => number.floor_to_u64().filter(|seconds| *seconds > 0),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use basalt_model::{Item, Number, Value};

    use super::*;

    #[test]
    fn only_numbers_of_seconds_are_expiries() {
        let expiry = |value: Value| {
            let item: Item = [("ttl".to_owned(), value)].into_iter().collect();
            expiry_of(item.encode().as_item(), "ttl").unwrap()
        };
        let number = |text: &str| Value::N(Number::parse(text).unwrap());
        assert_eq!(expiry(number("1767225600")), Some(1_767_225_600));
        assert_eq!(expiry(number("1767225600.9")), Some(1_767_225_600));
        assert_eq!(expiry(number("1767225600000")), Some(1_767_225_600_000), "milliseconds are far away");
        for none in ["0", "-5", "0.5", "1E100"] {
            assert_eq!(expiry(number(none)), None, "{none}");
        }
        assert_eq!(expiry(Value::S("1767225600".to_owned())), None);
        assert_eq!(expiry(Value::L(vec![number("1767225600")])), None);
        assert_eq!(expiry_of(Item::new().encode().as_item(), "ttl"), Ok(None));
    }
}
