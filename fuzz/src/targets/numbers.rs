//! Numbers: their text, and the two ways in which they are stored.

use basalt_format::Reader;
use basalt_format::number::{
    COMPACT_BYTES_MAX, Decimal, ORDERED_BYTES_MAX, decode_compact, decode_ordered, encode_compact,
    encode_ordered,
};
use basalt_model::Number;

/// Two texts with a line's end between them.
pub fn number_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (left, right) = text.split_once('\n').unwrap_or((&text, "1"));
    let left = parsed(left);
    let right = parsed(right);
    if let (Some(left), Some(right)) = (left, right) {
        let order = ordered(left.decimal()).cmp(&ordered(right.decimal()));
        assert_eq!(left.cmp(&right), order, "encoded numbers sort by value");
        assert_eq!(left.checked_add(right), right.checked_add(left));
        assert_eq!(left.checked_sub(right), left.checked_add(right.negated()));
        if let Ok(sum) = left.checked_add(right) {
            check_encodings(sum);
        }
    }
}

/// The same bytes as a compact and as an ordered number.
pub fn number_encodings(data: &[u8]) {
    if let Ok(decimal) = decode_compact(data) {
        assert_eq!(compact(decimal), data, "a number has one compact form");
        check_encodings(Number::from(decimal));
    }
    let mut reader = Reader::new("number", data);
    if let Ok(decimal) = decode_ordered(&mut reader) {
        let (taken, _) = data.split_at(reader.position());
        assert_eq!(ordered(decimal), taken, "a number has one ordered form");
        check_encodings(Number::from(decimal));
    }
}

fn parsed(text: &str) -> Option<Number> {
    let number = match Number::parse(text) {
        Ok(number) => number,
        Err(error) => {
            drop(error.to_string());
            return None;
        }
    };
    check_encodings(number);
    // Two decimals of the same value are rounded to the same float.
    if let Ok(expected) = text.parse::<f64>() {
        let printed = number.to_string().parse::<f64>();
        assert_eq!(printed, Ok(expected), "{text:?} means the same to the standard library");
    }
    Some(number)
}

fn check_encodings(number: Number) {
    let decimal = number.decimal();
    let (compact, ordered) = (compact(decimal), ordered(decimal));
    assert!(compact.len() <= COMPACT_BYTES_MAX);
    assert!(ordered.len() <= ORDERED_BYTES_MAX);
    assert_eq!(decode_compact(&compact), Ok(decimal));
    let mut reader = Reader::new("number", &ordered);
    assert_eq!(decode_ordered(&mut reader), Ok(decimal));
    assert_eq!(reader.finish(), Ok(()));
    assert_eq!(Number::parse(&number.to_string()), Ok(number), "a number reads what it prints");
    assert_eq!(number.negated().negated(), number);
}

fn compact(decimal: Decimal) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_compact(decimal, &mut bytes);
    bytes
}

fn ordered(decimal: Decimal) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_ordered(decimal, &mut bytes);
    bytes
}
