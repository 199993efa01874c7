use proptest::prelude::*;

use super::*;

fn is_json(body: &[u8]) -> bool {
    JsonText::check_document(body).is_ok()
}

fn string_of(body: &str) -> Result<String, BodyError> {
    let mut document = JsonText::new(body.as_bytes())?;
    let text = document.read_string()?.into_owned();
    document.finish()?;
    Ok(text)
}

#[test]
fn documents_are_told_from_garbage() {
    for body in
        ["{}", " [ ] ", "null", "-0.5e+10", r#"{"a":[1,{"b":null}],"c":"\u00e9"}"#, "\t\n\r 1", "\"\""]
    {
        assert!(is_json(body.as_bytes()), "{body}");
    }
    for body in [
        "",
        " ",
        "hi",
        "{",
        "}",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{,}",
        "{a:1}",
        "[1 2]",
        "01",
        "1.",
        ".5",
        "+1",
        "-",
        "1e",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"a\nb\"",
        "\"",
        "nul",
        "nulll",
        "{} {}",
        "tru",
        "[true false]",
        "{\"a\":1,}",
        "[",
        "[[",
        "{\"a\":[}",
        "'a'",
        "NaN",
        "\u{feff}{}",
    ] {
        assert!(!is_json(body.as_bytes()), "{body}");
    }
    assert!(!is_json(b"\"\xff\""), "strings are UTF-8");
}

#[test]
fn strings_are_unescaped() {
    assert_eq!(string_of(r#""plain é""#).unwrap(), "plain é");
    assert_eq!(string_of(r#""a\"b\\c\/d\b\f\n\r\t""#).unwrap(), "a\"b\\c/d\u{8}\u{c}\n\r\t");
    assert_eq!(string_of(r#""\u0041\ud83d\ude00x""#).unwrap(), "A😀x");
}

#[test]
fn nesting_costs_no_stack() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let depth = 200_000;
        let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert!(is_json(deep.as_bytes()));
        assert!(!is_json(open.repeat(depth).as_bytes()));
    }
}

#[test]
fn runs_of_plain_bytes_end_at_each_special_byte_wherever_it_stands() {
    for special in (0..0x20).chain([b'"', b'\\']) {
        for length in 0..20 {
            let mut bytes = vec![b'x'; 24];
            bytes[length] = special;
            assert_eq!(plain_run_length(&bytes), length, "byte {special:#x}");
        }
    }
    assert_eq!(
        plain_run_length("déjà vu \u{7f}\u{80}\u{ff}😀".as_bytes()),
        "déjà vu \u{7f}\u{80}\u{ff}😀".len()
    );
}

/// JSON values as another writer prints them.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_another_writer_prints_is_json(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        prop_assert!(is_json(text.unwrap().as_bytes()));
    }

    #[test]
    fn strings_of_another_writer_come_back(text in any::<String>()) {
        prop_assert_eq!(string_of(&serde_json::to_string(&text).unwrap()).unwrap(), text);
    }

    #[test]
    fn arbitrary_bytes_are_judged_as_another_reader_does(body in r#"[\[\]{}:,"\\0-9eE+.\-a-fnrtuls \n]{0,24}"#) {
        prop_assert_eq!(is_json(body.as_bytes()), serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok(), "{}", body);
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in any::<Vec<u8>>()) {
        is_json(&body);
    }
}
