//! Numbers, items and keys, to bytes and back.

mod bounded;

use std::hint::black_box;

use basalt_benches::test_item::{KEY_NAME, TestItems};
use basalt_model::{EncodedItem, ItemRef, KeyAttribute, KeyCodec, KeySchema, Number, ScalarKind};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ITEM_BYTES: usize = 300;

fn numbers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("number");
    for (name, text) in [
        ("1 digit", "7"),
        ("13 digits", "1000000000007"),
        ("38 digits", "-12345678901234567890.123456789012345678"),
    ] {
        let number = Number::parse(text).expect("it is a number");
        group.bench_function(format!("parse {name}"), |bencher| {
            bencher.iter(|| Number::parse(black_box(text)).expect("it is a number"));
        });
        group.bench_function(format!("print {name}"), |bencher| {
            bencher.iter(|| black_box(number).to_string())
        });
    }
    let (left, right) =
        (Number::from(999_999_999_999_u64), Number::parse("0.000001").expect("it is a number"));
    group.bench_function("add", |bencher| {
        bencher.iter(|| black_box(left).checked_add(black_box(right)).expect("the sum is exact"));
    });
}

fn items(criterion: &mut Criterion) {
    let item = TestItems::of_size(ITEM_BYTES).expect("300 bytes are enough").item(1, 1);
    let encoded = item.encode();
    let mut group = criterion.benchmark_group("item");
    group.throughput(Throughput::Bytes(ITEM_BYTES as u64));
    group.bench_function("encode", |bencher| bencher.iter(|| black_box(&item).encode()));
    group.bench_function("decode whole", |bencher| {
        bencher.iter(|| black_box(encoded.as_item()).to_item().expect("it is sound"));
    });
    group.bench_function("one attribute in place", |bencher| {
        bencher.iter(|| {
            let item = ItemRef::new(black_box(encoded.as_bytes())).expect("it is sound");
            item.get("version").expect("it is sound").is_some()
        });
    });
    group.bench_function("check bytes", |bencher| {
        bencher
            .iter(|| EncodedItem::from_bytes(black_box(encoded.as_bytes()).to_vec()).expect("it is sound"));
    });
    group.bench_function("size", |bencher| bencher.iter(|| black_box(encoded.as_item()).size_bytes()));
}

fn keys(criterion: &mut Criterion) {
    let attribute = |name: &str, kind| KeyAttribute { name: name.to_owned(), kind };
    let partition = attribute(KEY_NAME, ScalarKind::S);
    let item = TestItems::of_size(ITEM_BYTES).expect("300 bytes are enough").item(1, 1);
    let mut group = criterion.benchmark_group("key");
    for (name, sort) in [("simple", None), ("composite", Some(attribute("created", ScalarKind::N)))] {
        let codec = KeyCodec::new(KeySchema { partition: partition.clone(), sort }, &[7; 16]);
        let key = codec.encode_item(&item).expect("the item has the key");
        group.bench_function(format!("encode {name}"), |bencher| {
            bencher.iter(|| codec.encode_item(black_box(&item)).expect("the item has the key"));
        });
        group.bench_function(format!("decode {name}"), |bencher| {
            bencher.iter(|| codec.decode(black_box(key.as_bytes())).expect("it is a key"));
        });
    }
}

criterion_group! { name = benches; config = bounded::criterion(); targets = numbers, items, keys }
criterion_main!(benches);
