//! Parsing and evaluating expressions, on items of 300 bytes in five attributes and of many attributes.

mod bounded;

use std::{collections::BTreeMap, hint::black_box};

use basalt_benches::test_item::TestItems;
use basalt_model::{
    EncodedItem, Item, Number, Value,
    expression::{
        Condition, ExpressionKind, Placeholders, Projection, Update, parse_condition, parse_key_condition,
        parse_projection, parse_update,
    },
};
use criterion::{Criterion, criterion_group, criterion_main};

const CONDITION: &str = "attribute_exists(#id) AND version = :one AND NOT begins_with(payload, :text)";
const LONG_CONDITION: &str = "(a01 < :one OR a07 IN (:one, :two, :text) OR contains(a12, :text)) AND \
    (size(a31) BETWEEN :one AND :two OR attribute_type(a33, :type)) AND a39 <> :text";
const UPDATE: &str = "SET version = version + :one, seen = if_not_exists(seen, :text), tags = \
    list_append(:list, :list) REMOVE active";
const PROJECTION: &str = "#id, version, nested.a[3].b, payload";
const KEY_CONDITION: &str = "#id = :text AND sort BETWEEN :one AND :two";
const WIDE_ATTRIBUTES: u64 = 40;

/// Placeholders of all expressions here; an expression takes those that it names.
fn placeholders(expression: &str) -> Placeholders {
    let text = |text: &str| Value::S(text.to_owned());
    let number = |number: u64| Value::N(Number::from(number));
    let values = BTreeMap::from([
        (":one", number(1)),
        (":two", number(2)),
        (":text", text("no such text")),
        (":type", text("S")),
        (":list", Value::L(vec![number(1), text("x")])),
    ]);
    let values = values.into_iter().filter(|(name, _)| expression.contains(name));
    let values: BTreeMap<String, Value> = values.map(|(name, value)| (name.to_owned(), value)).collect();
    let names = BTreeMap::from([("#id".to_owned(), "id".to_owned())]);
    Placeholders::new(expression.contains("#id").then_some(names), (!values.is_empty()).then_some(values))
        .expect("the placeholders are well formed")
}

fn condition(text: &str) -> Condition {
    parse_condition(ExpressionKind::Condition, text, &mut placeholders(text)).expect("the condition parses")
}

fn update(text: &str) -> Update {
    parse_update(text, &mut placeholders(text)).expect("the update parses")
}

fn projection(text: &str) -> Projection {
    parse_projection(text, &mut placeholders(text)).expect("the projection parses")
}

fn five_attributes() -> EncodedItem {
    TestItems::of_size(300).expect("300 bytes are enough").item(1, 1).encode()
}

fn many_attributes() -> EncodedItem {
    let attributes = (0..WIDE_ATTRIBUTES).map(|number| {
        let value =
            if number % 2 == 0 { Value::S("some text".repeat(3)) } else { Value::N(Number::from(number)) };
        (format!("a{number:02}"), value)
    });
    attributes.collect::<Item>().encode()
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    group.bench_function("condition", |bencher| bencher.iter(|| condition(black_box(CONDITION))));
    group.bench_function("long condition", |bencher| bencher.iter(|| condition(black_box(LONG_CONDITION))));
    group.bench_function("update", |bencher| bencher.iter(|| update(black_box(UPDATE))));
    group.bench_function("projection", |bencher| bencher.iter(|| projection(black_box(PROJECTION))));
    group.bench_function("key condition", |bencher| {
        bencher.iter(|| {
            let parsed = parse_key_condition(black_box(KEY_CONDITION), &mut placeholders(KEY_CONDITION));
            parsed.and_then(|parsed| parsed.conditions()).expect("the key condition parses")
        });
    });
}

fn evaluate(criterion: &mut Criterion) {
    let (short, long) = (condition(CONDITION), condition(LONG_CONDITION));
    let (update, projection) = (update(UPDATE), projection(PROJECTION));
    let (narrow, wide) = (five_attributes(), many_attributes());
    let key: Item = TestItems::of_size(300)
        .map(|items| {
            items
                .item(1, 1)
                .iter()
                .filter(|(name, _)| *name == "id")
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect()
        })
        .expect("300 bytes are enough");
    let mut group = criterion.benchmark_group("evaluate");
    group.bench_function("condition of 5 attributes", |bencher| {
        bencher.iter(|| short.matches(Some(black_box(narrow.as_item()))).expect("the item is sound"));
    });
    group.bench_function("long condition of 40 attributes", |bencher| {
        bencher.iter(|| long.matches(Some(black_box(wide.as_item()))).expect("the item is sound"));
    });
    group.bench_function("condition without an item", |bencher| {
        bencher.iter(|| short.matches(black_box(None)).expect("nothing is sound"));
    });
    group.bench_function("update", |bencher| {
        bencher.iter(|| update.apply(Some(black_box(narrow.as_item())), &key).expect("the update applies"));
    });
    group.bench_function("projection", |bencher| {
        bencher.iter(|| projection.project(black_box(narrow.as_item())).expect("the item is sound"));
    });
}

criterion_group! { name = benches; config = bounded::criterion(); targets = parse, evaluate }
criterion_main!(benches);
