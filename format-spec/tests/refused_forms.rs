//! Each rule of the canonical forms is refused by its own error.
//!
//! Goal: a value has one encoding, so that equal values are equal bytes. Method: for every rule, bytes that break
//! this one alone, beside the sound bytes that they were made of.

use basalt_format::item_encoding::{self, Encoder, VERSION};
use basalt_format::number::{Decimal, decode_compact, decode_ordered};
use basalt_format::{DecodeError, Reader};

/// An item with one attribute `a` whose value is given; all lengths below 256.
fn item(value: &[u8]) -> Vec<u8> {
    [&[VERSION, 1 << 2, value.len() as u8 + 2, 1, b'a'], value].concat()
}

fn rule(result: Result<(), DecodeError>) -> &'static str {
    match result {
        Err(DecodeError::NotCanonical { rule, .. }) => rule,
        other => panic!("{other:?}"),
    }
}

fn validated(value: &[u8]) -> Result<(), DecodeError> {
    item_encoding::validate(&item(value))
}

#[test]
fn the_sound_forms_are_accepted() {
    for value in [
        &[0x01][..],
        &[0x04, 0x01, 7],
        &[0x05, b'x'],
        &[0x07, 0],
        &[0x07, 2 << 2, 1, 2, 0x01, 0x01],
        &[0x08, 2 << 2, 3, 6, 1, b'a', 0x01, 1, b'b', 0x01],
        &[0x09, 2 << 2, 0, 1, b'x'],
        &[0x0a, 2 << 2, 2, 3, 0x81, 1, 0x00],
    ] {
        assert_eq!(validated(value), Ok(()), "{value:x?}");
    }
}

#[test]
fn versions_and_tags_that_are_not_known_are_refused() {
    assert_eq!(
        item_encoding::validate(&[2, 0]),
        Err(DecodeError::UnknownVersion { what: "item", found: 2, newest_known: 1 })
    );
    for tag in [0x00, 0x0c, 0xff] {
        assert!(matches!(validated(&[tag]), Err(DecodeError::OutOfRange { field: "tag of a value", .. })));
    }
}

#[test]
fn names_must_be_there_and_ascend() {
    let ascend = "names are not empty and ascend";
    assert_eq!(rule(validated(&[0x08, 1 << 2, 2, 0, 0x01])), ascend);
    assert_eq!(rule(validated(&[0x08, 2 << 2, 3, 6, 1, b'b', 0x01, 1, b'a', 0x01])), ascend);
    assert_eq!(rule(validated(&[0x08, 2 << 2, 3, 6, 1, b'a', 0x01, 1, b'a', 0x01])), ascend);
}

#[test]
fn sets_must_have_members_that_ascend() {
    assert_eq!(rule(validated(&[0x09, 0])), "a set has a member");
    let ascend = "members of a set ascend";
    assert_eq!(rule(validated(&[0x09, 2 << 2, 1, 2, b'b', b'a'])), ascend);
    assert_eq!(rule(validated(&[0x0b, 2 << 2, 1, 2, 7, 7])), ascend);
    // Numbers ascend by value: 0 before -1 is wrong although its bytes are less.
    assert_eq!(rule(validated(&[0x0a, 2 << 2, 1, 3, 0x00, 0x81, 1])), ascend);
}

#[test]
fn tables_must_be_narrow_and_span_their_entries() {
    let narrow = "the table of ends is as narrow as it can be";
    assert_eq!(rule(validated(&[0x07, 1 << 2 | 1, 1, 0, 0x01])), narrow);
    assert_eq!(rule(validated(&[0x07, 1])), narrow);
    let inside = "the ends of entries ascend and stay inside of the container";
    assert_eq!(rule(validated(&[0x07, 2 << 2, 2, 1, 0x01])), inside);
    assert!(matches!(validated(&[0x07, 1 << 2 | 3]), Err(DecodeError::OutOfRange { .. })));
    assert!(matches!(validated(&[0x07, 1 << 2, 2, 0x01]), Err(DecodeError::Truncated { .. })));
    assert!(matches!(validated(&[0x07, 1 << 2, 1, 0x01, 0x01]), Err(DecodeError::TrailingBytes { .. })));
    assert!(matches!(validated(&[0x07, 0, 0x01]), Err(DecodeError::TrailingBytes { .. })));
    assert!(matches!(validated(&[0x02, 0x00]), Err(DecodeError::TrailingBytes { .. })));
}

#[test]
fn a_count_beyond_the_input_is_refused_at_once() {
    let header = [VERSION, 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert!(matches!(item_encoding::validate(&header), Err(DecodeError::Truncated { .. })));
}

#[test]
fn text_must_be_utf8() {
    assert_eq!(validated(&[0x05, 0xff]), Err(DecodeError::NotUtf8 { what: "item" }));
    assert_eq!(validated(&[0x09, 1 << 2, 1, 0xff]), Err(DecodeError::NotUtf8 { what: "item" }));
    assert_eq!(validated(&[0x08, 1 << 2, 3, 1, 0xff, 0x01]), Err(DecodeError::NotUtf8 { what: "item" }));
}

#[test]
fn nesting_ends_at_level_32() {
    let nested = |level: usize| {
        let mut encoder = Encoder::new();
        let attributes = encoder.open();
        encoder.put_name("a");
        let mut open = Vec::new();
        for _ in 1..level {
            encoder.put_tag(item_encoding::TAG_LIST);
            open.push(encoder.open());
        }
        encoder.put_tag(item_encoding::TAG_NULL);
        while let Some(container) = open.pop() {
            encoder.end_entry(&container);
            encoder.close(container);
        }
        encoder.end_entry(&attributes);
        encoder.close(attributes);
        encoder.finish()
    };
    assert_eq!(item_encoding::validate(&nested(32)), Ok(()));
    assert_eq!(
        item_encoding::validate(&nested(33)),
        Err(DecodeError::OutOfRange { field: "nesting level", value: 33, minimum: 1, maximum: 32 })
    );
}

#[test]
fn wide_tables_are_used_where_they_are_needed() {
    for length in [0, 250, 252, 253, 300, 65_531, 65_532, 65_533, 70_000] {
        let mut encoder = Encoder::new();
        let attributes = encoder.open();
        encoder.put_name("a");
        encoder.put_tag(item_encoding::TAG_BINARY);
        encoder.put_bytes(&vec![7; length]);
        encoder.end_entry(&attributes);
        encoder.close(attributes);
        let item = encoder.finish();
        assert_eq!(item_encoding::validate(&item), Ok(()), "{length}");
        let value = item_encoding::attributes(&item).unwrap().find("a").unwrap().unwrap();
        assert_eq!(value.len(), 1 + length);
    }
}

#[test]
fn compact_numbers_have_one_form() {
    assert_eq!(decode_compact(&[0x00]), Ok(Decimal::ZERO));
    let normal = "the parts are in normal form";
    let shortest = "the shortest form is used";
    for (bytes, expected) in [
        (&[0x80][..], normal),            // minus zero
        (&[0x20, 5], normal),             // zero with an exponent
        (&[0x01, 10], normal),            // a mantissa that ends in a zero digit
        (&[0x21, 126, 1], normal),        // 1E+126
        (&[0x41, 0x7d, 0xff, 1], normal), // 1E-131
        (&[0x02, 7, 0], shortest),        // a mantissa with a zero byte
        (&[0x21, 0, 7], shortest),        // an exponent of zero that is written
        (&[0x41, 5, 0, 7], shortest),     // an exponent with one byte too many
    ] {
        assert_eq!(rule(decode_compact(bytes).map(drop)), expected, "{bytes:x?}");
    }
    assert!(matches!(decode_compact(&[0x61, 1, 1]), Err(DecodeError::OutOfRange { .. })));
    assert!(matches!(decode_compact(&[0x11]), Err(DecodeError::OutOfRange { .. })));
    assert!(matches!(decode_compact(&[0x01, 7, 7]), Err(DecodeError::TrailingBytes { .. })));
    assert!(matches!(decode_compact(&[]), Err(DecodeError::Truncated { .. })));
}

#[test]
fn ordered_numbers_have_one_form() {
    let decode = |bytes: &[u8]| decode_ordered(&mut Reader::new("test", bytes)).map(drop);
    assert_eq!(decode(&[0x03, 130, 20]), Ok(()));
    assert_eq!(rule(decode(&[0x03, 130, 2 * 9])), "the first digit is not zero");
    assert_eq!(rule(decode(&[0x03, 130, 2 * 10 + 1, 0])), "the last pair of digits is not zero");
    let endless = [&[0x03, 130][..], &[2 * 11 + 1; 20]].concat();
    assert_eq!(rule(decode(&endless)), "a number has at most 38 digits");
    assert!(matches!(decode(&[0x03, 130, 200]), Err(DecodeError::OutOfRange { .. })));
    assert!(matches!(decode(&[0x04]), Err(DecodeError::OutOfRange { .. })));
    assert!(matches!(decode(&[0x03, 130, 23]), Err(DecodeError::Truncated { .. })));
}
