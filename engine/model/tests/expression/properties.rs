//! Properties of all texts, trees and items.
#![expect(clippy::disallowed_types, reason = "a thread of its own is how a test gets a small stack")]

use basalt_model::Item;
use basalt_model::expression::ExpressionKind::{self, Condition, Filter, KeyCondition, Projection, Update};
use basalt_model::expression::{self, Placeholders, parse_condition, parse_update};
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::{n, parse, placeholders, s};
use crate::{generate, naive, printer};

const KINDS: [ExpressionKind; 5] = [Update, Condition, KeyCondition, Filter, Projection];

/// What expressions are made of, sound and unsound.
const PIECES: [&str; 52] = [
    "a",
    "b",
    "#n",
    "#m",
    "#",
    ":v",
    ":w",
    ":",
    "(",
    ")",
    "(",
    ")",
    "((",
    "))",
    "[",
    "]",
    "[0]",
    "[99999999999]",
    ".",
    ",",
    "=",
    "<>",
    "<",
    "<=",
    ">",
    ">=",
    "+",
    "-",
    " AND ",
    " OR ",
    " NOT ",
    " BETWEEN ",
    " IN ",
    " IN (",
    "attribute_exists(",
    "attribute_not_exists(",
    "attribute_type(",
    "begins_with(",
    "contains(",
    "size(",
    "foo(",
    "SET ",
    " REMOVE ",
    " ADD ",
    " DELETE ",
    "if_not_exists(",
    "list_append(",
    "name",
    "_",
    "1",
    "é",
    " ",
];

fn some_placeholders() -> Placeholders {
    placeholders(&[("#n", "name"), ("#m", "x.y")], &[(":v", n("1")), (":w", s("SS"))])
}

/// A panic fails the test; that an error can be printed is part of it.
fn parse_as_all_kinds(text: &str) {
    for kind in KINDS {
        if let Err(error) = parse(kind, text, &mut some_placeholders()) {
            assert!(!error.to_string().is_empty());
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in any::<String>()) {
        parse_as_all_kinds(&text);
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        parse_as_all_kinds(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_heap_of_pieces_makes_a_parser_panic(pieces in proptest::collection::vec(select(&PIECES[..]), 0..40)) {
        parse_as_all_kinds(&pieces.concat());
        parse_as_all_kinds(&format!("SET a = {}", pieces.concat()));
        parse_as_all_kinds(&format!("a = b AND {}", pieces.concat()));
    }

    #[test]
    fn a_printed_condition_parses_to_the_same_tree(condition in generate::condition()) {
        let mut printer = printer::Printer::default();
        let text = printer.condition(&condition);
        prop_assume!(text.len() <= expression::EXPRESSION_BYTES_MAX);
        let mut placeholders = printer.placeholders();
        prop_assert_eq!(parse_condition(Filter, &text, &mut placeholders), Ok(condition), "{}", text);
        prop_assert_eq!(placeholders.check_all_used(), Ok(()));
    }

    #[test]
    fn a_printed_update_parses_to_the_same_tree(actions in generate::actions()) {
        let mut printer = printer::Printer::default();
        let text = printer.update(&actions);
        let mut placeholders = printer.placeholders();
        let update = parse_update(&text, &mut placeholders).unwrap();
        prop_assert_eq!(update.actions(), actions.as_slice(), "{}", text);
        prop_assert_eq!(placeholders.check_all_used(), Ok(()));
    }

    #[test]
    fn conditions_hold_of_encoded_items_as_of_decoded_ones(
        condition in generate::condition(),
        item in generate::item(),
    ) {
        let encoded = item.encode();
        prop_assert_eq!(condition.matches(Some(encoded.as_item())), Ok(naive::matches(&condition, &item)));
        prop_assert_eq!(condition.matches(None), Ok(naive::matches(&condition, &Item::new())));
    }

    #[test]
    fn projections_show_the_same_of_encoded_items_as_of_decoded_ones(
        paths in generate::paths(),
        item in generate::item(),
    ) {
        let projected = expression::Projection::new(paths.clone()).project(item.encode().as_item()).unwrap();
        prop_assert_eq!(projected, naive::project(&paths, &item).encode());
    }

    #[test]
    fn updates_change_encoded_items_as_decoded_ones(
        actions in generate::actions(),
        old in generate::item(),
    ) {
        let update = expression::Update::new(actions.clone()).unwrap();
        let expected = naive::apply(&actions, &old).map(|item| item.encode());
        prop_assert_eq!(update.apply(Some(old.encode().as_item()), &Item::new()), expected.clone());
        // An item that is made of its key is treated as one that was there.
        prop_assert_eq!(update.apply(None, &old), expected);
    }

    #[test]
    fn damaged_items_give_errors_and_no_panic(
        condition in generate::condition(),
        actions in generate::actions(),
        item in generate::item(),
        position in any::<proptest::sample::Index>(),
        bit in 0..8u32,
    ) {
        let mut bytes = item.encode().into_bytes();
        let position = position.index(bytes.len());
        bytes[position] ^= 1u8 << bit;
        if let Ok(damaged) = basalt_model::ItemRef::new(&bytes) {
            let _ = condition.matches(Some(damaged));
            let update = expression::Update::new(actions).unwrap();
            let _ = update.apply(Some(damaged), &Item::new());
            let _ = update.touched().project(damaged);
        }
    }
}

#[test]
fn no_nesting_of_a_text_reaches_the_stack() {
    let repeat = |piece: &str| piece.repeat(expression::EXPRESSION_BYTES_MAX / piece.len());
    let texts = [
        repeat("("),
        repeat("a=b AND ("),
        repeat("NOT "),
        repeat("NOT ("),
        repeat("f("),
        repeat("size("),
        repeat("a.("),
        repeat("a IN ("),
        repeat("a."),
        repeat("[0]"),
        format!("SET a={}", &repeat("(")[6..]),
        format!("SET a={}", &repeat("f(")[6..]),
        format!("SET a={}", &repeat("list_append(b,")[14..]),
        format!("{}a{}", "(".repeat(2000), ")=b".repeat(500)),
        format!("{}a{}=b", "size(".repeat(600), ")".repeat(600)),
        format!("{}a=b{}", "NOT (".repeat(600), ")".repeat(600)),
        format!("SET a={}b{}", "list_append(b,".repeat(270), ")".repeat(270)),
    ];
    // Debug builds have fat frames; a parser that recursed would need megabytes for these.
    let small = std::thread::Builder::new().stack_size(256 * 1024);
    let thread = small.spawn(move || texts.iter().for_each(|text| parse_as_all_kinds(text)));
    thread.unwrap().join().unwrap();
}
