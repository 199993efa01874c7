//! Queries and scans: what they find, in which order, and where their pages end.

use std::collections::BTreeSet;

use basalt_engine::{
    BlockingEngine, Consistency, PAGE_BYTES, Query, Scan, ScanDirection, Select,
    model::{Item, ScalarKind, Value},
};

use crate::support::{
    COMPOSITE, SIMPLE, all_pages, create_composite, create_simple, decoded, filter, in_memory, item,
    items_of, keyed, number, on_each_shard_count, projecting, put, text,
};

fn row(partition: &str, sort: i64) -> Item {
    item([("pk", text(partition)), ("sk", number(sort)), ("even", Value::Bool(sort % 2 == 0))])
}

/// Three item collections of ten, among the numbers from -4 to 5.
fn fill(engine: &BlockingEngine) {
    create_composite(engine, ScalarKind::N);
    for partition in ["a", "b", "c"] {
        for sort in -4..6 {
            put(engine, COMPOSITE, row(partition, sort));
        }
    }
}

fn query(expression: &str, values: &[(&str, Value)]) -> Query {
    Query::new(COMPOSITE, keyed(expression, values))
}

fn sorts(items: &[Item]) -> Vec<i64> {
    let sort = |item: &Item| match item.get("sk") {
        Some(Value::N(number)) => number.to_i64().unwrap(),
        other => panic!("{other:?}"),
    };
    items.iter().map(sort).collect()
}

#[test]
fn a_query_finds_its_collection_in_the_order_of_the_sort_key() {
    on_each_shard_count(|engine| {
        fill(engine);
        let found = all_pages(engine, query("pk = :p", &[(":p", text("b"))]));
        assert_eq!(sorts(&found), (-4..6).collect::<Vec<_>>());
        assert!(found.iter().all(|item| item.get("pk") == Some(&text("b"))));
        let backward = Query { direction: ScanDirection::Backward, ..query("pk = :p", &[(":p", text("b"))]) };
        assert_eq!(sorts(&all_pages(engine, backward)), (-4..6).rev().collect::<Vec<_>>());
    });
}

#[test]
fn each_sort_condition_finds_its_range() {
    let engine = in_memory(2);
    fill(&engine);
    let expectations: [(&str, Vec<i64>); 6] = [
        ("sk = :x", vec![2]),
        ("sk < :x", (-4..2).collect()),
        ("sk <= :x", (-4..3).collect()),
        ("sk > :x", (3..6).collect()),
        ("sk >= :x", (2..6).collect()),
        (":x < sk", (3..6).collect()),
    ];
    for (condition, expected) in expectations {
        let found = all_pages(
            &engine,
            query(&format!("pk = :p AND {condition}"), &[(":p", text("a")), (":x", number(2))]),
        );
        assert_eq!(sorts(&found), expected, "{condition}");
    }
    let between = [(":p", text("a")), (":low", number(-1)), (":high", number(1))];
    let found = all_pages(&engine, query("pk = :p AND sk BETWEEN :low AND :high", &between));
    assert_eq!(sorts(&found), [-1, 0, 1]);
}

#[test]
fn prefixes_of_sort_keys_are_found() {
    let engine = in_memory(2);
    create_composite(&engine, ScalarKind::S);
    for sort in ["a", "ab", "ab\u{0}", "abc", "ac", "b"] {
        put(&engine, COMPOSITE, item([("pk", text("p")), ("sk", text(sort))]));
    }
    let prefixed = [(":p", text("p")), (":x", text("ab"))];
    let found = all_pages(&engine, query("pk = :p AND begins_with(sk, :x)", &prefixed));
    let found: Vec<_> = found.iter().filter_map(|item| item.get("sk").cloned()).collect();
    assert_eq!(found, [text("ab"), text("ab\u{0}"), text("abc")]);
}

#[test]
fn limited_pages_join_up_in_both_directions() {
    let engine = in_memory(2);
    fill(&engine);
    for direction in [ScanDirection::Forward, ScanDirection::Backward] {
        for limit in [1, 3, 10, 11] {
            let first = Query { limit: Some(limit), direction, ..query("pk = :p", &[(":p", text("a"))]) };
            let mut found = sorts(&all_pages(&engine, first));
            if direction == ScanDirection::Backward {
                found.reverse();
            }
            assert_eq!(found, (-4..6).collect::<Vec<_>>(), "{direction:?}, {limit} a page");
        }
    }
}

#[test]
fn a_page_that_its_limit_ends_tells_where_even_if_nothing_follows() {
    let engine = in_memory(2);
    fill(&engine);
    let limited = |limit| Query { limit: Some(limit), ..query("pk = :p", &[(":p", text("a"))]) };
    let page = engine.query(limited(10)).unwrap();
    assert_eq!(page.last_evaluated_key, Some(item([("pk", text("a")), ("sk", number(5))])));
    assert_eq!(engine.query(limited(11)).unwrap().last_evaluated_key, None);
}

#[test]
fn filters_drop_items_that_were_read_and_paid_for() {
    let engine = in_memory(2);
    fill(&engine);
    let even = filter("even = :yes", &[(":yes", Value::Bool(true))]);
    let filtered = Query { filter: Some(even), ..query("pk = :p", &[(":p", text("a"))]) };
    let page = engine.query(Query { limit: Some(4), ..filtered.clone() }).unwrap();
    assert_eq!((page.scanned_count, page.count, page.items.len()), (4, 2, 2));
    assert!(page.last_evaluated_key.is_some());
    assert_eq!(sorts(&all_pages(&engine, filtered.clone())), [-4, -2, 0, 2, 4]);

    let counted = engine.query(Query { select: Select::Count, ..filtered.clone() }).unwrap();
    assert_eq!((counted.scanned_count, counted.count), (10, 5));
    assert!(counted.items.is_empty());
    assert_eq!(counted.capacity, engine.query(filtered).unwrap().capacity);
}

#[test]
fn a_page_on_which_nothing_matches_still_tells_where_it_ended() {
    let engine = in_memory(2);
    fill(&engine);
    let nothing = filter("attribute_exists(nothing)", &[]);
    let page = engine.scan(Scan { filter: Some(nothing), limit: Some(5), ..Scan::new(COMPOSITE) }).unwrap();
    assert_eq!((page.scanned_count, page.count), (5, 0));
    assert!(page.last_evaluated_key.is_some());
}

#[test]
fn projections_shape_the_items_of_a_page() {
    let engine = in_memory(1);
    fill(&engine);
    let projected = Query { projection: Some(projecting("even")), ..query("pk = :p", &[(":p", text("a"))]) };
    let page = engine.query(projected).unwrap();
    assert_eq!(decoded(&page.items[0]), item([("even", Value::Bool(true))]));
}

#[test]
fn a_page_ends_with_the_item_that_brings_it_to_a_mebibyte() {
    let engine = in_memory(2);
    create_composite(&engine, ScalarKind::N);
    let padding = text(&"x".repeat(100_000));
    for sort in 0..25 {
        put(&engine, COMPOSITE, item([("pk", text("p")), ("sk", number(sort)), ("v", padding.clone())]));
    }
    let first = query("pk = :p", &[(":p", text("p"))]);
    let page = engine.query(first.clone()).unwrap();
    assert_eq!(page.scanned_count as usize, PAGE_BYTES.div_ceil(100_000), "the last item crosses the line");
    assert!(page.last_evaluated_key.is_some());
    assert!((page.capacity.total().as_f64() - 134.5).abs() < 1.0, "{}", page.capacity.total().as_f64());
    assert_eq!(sorts(&all_pages(&engine, first)), (0..25).collect::<Vec<_>>());
}

#[test]
fn empty_tables_and_collections_give_empty_pages() {
    on_each_shard_count(|engine| {
        create_composite(engine, ScalarKind::N);
        let page = engine.scan(Scan::new(COMPOSITE)).unwrap();
        assert_eq!((page.count, page.last_evaluated_key), (0, None));
        let strong = Query { consistency: Consistency::Strong, ..query("pk = :p", &[(":p", text("none"))]) };
        let page = engine.query(strong).unwrap();
        assert_eq!((page.count, page.last_evaluated_key), (0, None));
        assert!((page.capacity.total().as_f64() - 1.0).abs() < 1e-9);
    });
}

#[test]
fn a_scan_finds_every_item_once_whatever_its_pages() {
    on_each_shard_count(|engine| {
        create_simple(engine);
        for index in 0..100 {
            put(engine, SIMPLE, item([("pk", text(&format!("key {index}")))]));
        }
        let mut orders = BTreeSet::new();
        for limit in [1, 7, 1000] {
            let mut found = Vec::new();
            let mut next = Some(Scan { limit: Some(limit), ..Scan::new(SIMPLE) });
            while let Some(scan) = next.take() {
                let page = engine.scan(scan.clone()).unwrap();
                found.extend(items_of(&page).iter().map(|item| format!("{:?}", item.get("pk"))));
                next = page.last_evaluated_key.map(|key| Scan { exclusive_start_key: Some(key), ..scan });
            }
            assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 100, "{limit} a page");
            assert_eq!(found.len(), 100, "{limit} a page");
            orders.insert(found);
        }
        assert_eq!(orders.len(), 1, "the order of a scan does not depend on its pages");
    });
}

#[test]
fn a_collection_stays_together_and_in_order_in_a_scan() {
    let engine = in_memory(3);
    fill(&engine);
    let found = items_of(&engine.scan(Scan::new(COMPOSITE)).unwrap());
    assert_eq!(found.len(), 30);
    for collection in found.chunks(10) {
        assert_eq!(sorts(collection), (-4..6).collect::<Vec<_>>());
        assert_eq!(
            collection.iter().map(|item| format!("{:?}", item.get("pk"))).collect::<BTreeSet<_>>().len(),
            1
        );
    }
}
