//! DynamoDB's table of type errors, row by row.

use super::*;
use crate::dynamodb::json::Syntax;
use crate::limits::{MemoryPermit, RequestMemory};

/// What a reading says of `json`.
fn told<T>(json: &str, read: impl FnOnce(&mut Reader<'_>) -> Result<T, BodyError>) -> String {
    let mut memory = unlimited();
    let mut reader = Reader::new(Syntax::Json, json.as_bytes(), &mut memory).unwrap();
    match read(&mut reader) {
        Ok(_) => "fine".into(),
        Err(BodyError::Type(fault)) => fault.to_string(),
        Err(other) => panic!("{json}: {other:?}"),
    }
}

fn unlimited() -> MemoryPermit {
    RequestMemory::new(usize::MAX).permit()
}

fn assert_table<T>(rows: &[(&str, &str)], read: impl Fn(&mut Reader<'_>) -> Result<T, BodyError>) {
    for (json, text) in rows {
        assert_eq!(told(json, &read), *text, "{json}");
    }
    assert_eq!(told("null", &read), "fine", "null is absent everywhere");
}

const CAST: &str = messages::PARAMETERIZED_TYPE_CAST;

#[test]
fn strings() {
    let rows = [
        ("true", "TRUE_VALUE cannot be converted to String"),
        ("false", "FALSE_VALUE cannot be converted to String"),
        ("23", "NUMBER_VALUE cannot be converted to String"),
        ("-2147483648", "NUMBER_VALUE cannot be converted to String"),
        ("34.56", "DECIMAL_VALUE cannot be converted to String"),
        ("[]", "Unrecognized collection type class java.lang.String"),
        ("{}", "Start of structure or map found where not expected"),
        ("\"x\"", "fine"),
    ];
    assert_table(&rows, |reader| reader.text().map(|_| ()));
}

#[test]
fn booleans() {
    let rows = [
        ("\"23\"", "Unexpected token received from parser"),
        ("23", "NUMBER_VALUE cannot be converted to Boolean"),
        ("34.56", "DECIMAL_VALUE cannot be converted to Boolean"),
        ("[]", "Unrecognized collection type class java.lang.Boolean"),
        ("{}", "Start of structure or map found where not expected"),
        ("\"YES\"", "fine"),
        ("true", "fine"),
    ];
    assert_table(&rows, |reader| reader.boolean());
}

#[test]
fn texts_that_count_as_booleans() {
    for (json, truth) in
        [("\"True\"", true), ("\"1\"", true), ("\"no\"", false), ("\"FALSE\"", false), ("\"0\"", false)]
    {
        let mut memory = unlimited();
        assert_eq!(
            Reader::new(Syntax::Json, json.as_bytes(), &mut memory).unwrap().boolean(),
            Ok(Some(truth)),
            "{json}"
        );
    }
}

#[test]
fn integers() {
    for integer_type in [IntegerType::Integer, IntegerType::Long] {
        let name = integer_type.name();
        let convert = |token: &str| format!("{token} cannot be converted to {name}");
        let list = format!("Unrecognized collection type class java.lang.{name}");
        let rows = [
            ("\"23\"", convert("STRING_VALUE")),
            ("true", convert("TRUE_VALUE")),
            ("false", convert("FALSE_VALUE")),
            ("[]", list),
            ("{}", "Start of structure or map found where not expected".to_owned()),
            ("23", "fine".to_owned()),
        ];
        for (json, text) in rows {
            assert_eq!(told(json, |reader| reader.integer(integer_type)), text, "{json}");
        }
    }
}

#[test]
fn fractions_are_floored_and_giants_saturate() {
    let cases = [
        ("1.9", 1),
        ("-1.1", -2),
        ("1e3", 1000),
        ("1e400", i64::MAX),
        ("-1e400", i64::MIN),
        ("9223372036854775808", i64::MAX),
    ];
    for (json, value) in cases {
        let mut memory = unlimited();
        let mut reader = Reader::new(Syntax::Json, json.as_bytes(), &mut memory).unwrap();
        assert_eq!(reader.integer(IntegerType::Long), Ok(Some(value)), "{json}");
    }
}

#[test]
fn blobs() {
    let rows = [
        ("true", "only base-64-encoded strings are convertible to bytes"),
        ("23", "only base-64-encoded strings are convertible to bytes"),
        ("34.56", "only base-64-encoded strings are convertible to bytes"),
        ("[]", "Unrecognized collection type class java.nio.ByteBuffer"),
        ("{}", "Start of structure or map found where not expected"),
        ("\"23456\"", "Base64 encoded length is expected a multiple of 4 bytes but found: 5"),
        ("\"=+/=\"", "Invalid last non-pad Base64 character dectected"),
        ("\"+/+=\"", "Invalid last non-pad Base64 character dectected"),
        ("\"\"", "fine"),
        ("\"Yg==\"", "fine"),
    ];
    assert_table(&rows, |reader| reader.blob());
}

#[test]
fn lists() {
    let in_member = [
        ("\"23\"", "Unexpected field type"),
        ("true", "Unexpected field type"),
        ("23", "Unexpected field type"),
        ("34.56", "Unexpected field type"),
        ("{}", "Start of structure or map found where not expected"),
        ("[]", "fine"),
    ];
    assert_table(&in_member, |reader| reader.list(Place::Member, |reader| reader.skip_value()));
    let in_map = [
        ("\"23\"", CAST),
        ("true", CAST),
        ("23", CAST),
        ("{}", "Start of structure or map found where not expected"),
    ];
    assert_table(&in_map, |reader| reader.list(Place::Element, |reader| reader.skip_value()));
}

#[test]
fn maps() {
    let list_for_map = "Unrecognized collection type java.util.Map<java.lang.String, \
                        com.amazonaws.dynamodb.v20120810.AttributeValue>";
    let in_member = [
        ("\"23\"", "Unexpected field type"),
        ("true", "Unexpected field type"),
        ("34.56", "Unexpected field type"),
        ("[]", list_for_map),
        ("{}", "fine"),
    ];
    assert_table(&in_member, |reader| {
        reader.map(Place::Member, "AttributeValue", |reader, _| reader.skip_value())
    });
    let in_list = [("\"23\"", CAST), ("true", CAST), ("[]", list_for_map)];
    assert_table(&in_list, |reader| {
        reader.map(Place::Element, "AttributeValue", |reader, _| reader.skip_value())
    });
    assert_eq!(
        told("[]", |reader| reader.text_map()),
        "Unrecognized collection type java.util.Map<java.lang.String, java.lang.String>"
    );
}

#[test]
fn structures() {
    let list_for_structure = "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.Projection";
    let in_member = [
        ("\"23\"", "Unexpected field type"),
        ("23", "Unexpected field type"),
        ("[]", list_for_structure),
        ("{}", "fine"),
    ];
    assert_table(&in_member, |reader| reader.structure(Place::Member, "Projection", |_, _| Ok(Known::No)));
    let in_list = [
        ("\"23\"", "Unexpected value type in payload"),
        ("true", "Unexpected value type in payload"),
        ("34.56", "Unexpected value type in payload"),
        ("[]", list_for_structure),
    ];
    assert_table(&in_list, |reader| reader.structure(Place::Element, "Projection", |_, _| Ok(Known::No)));
}

#[test]
fn unknown_members_are_consumed_whatever_they_hold() {
    let json = r#"{"x":[{"y":1}],"Name":"a","z":null}"#;
    let mut name = None;
    let read = told(json, |reader| {
        reader.structure(Place::Member, "S", |reader, member| {
            if member != "Name" {
                return Ok(Known::No);
            }
            name = reader.owned_text()?;
            Ok(Known::Yes)
        })
    });
    assert_eq!(read, "fine");
    assert_eq!(name.as_deref(), Some("a"));
}
