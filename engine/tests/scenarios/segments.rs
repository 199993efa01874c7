//! Parallel scans: the segments of a table are disjoint, complete, and the same however it is paged.

use std::collections::BTreeSet;

use basalt_engine::{BlockingEngine, Scan, model::ScanSegment};

use crate::support::{SIMPLE, create_simple, in_memory, item, items_of, on_each_shard_count, put, text};

fn names(engine: &BlockingEngine, segment: ScanSegment, limit: u32) -> Vec<String> {
    let mut found = Vec::new();
    let mut next = Some(Scan { segment, limit: Some(limit), ..Scan::new(SIMPLE) });
    while let Some(scan) = next.take() {
        let page = engine.scan(scan.clone()).unwrap();
        found.extend(items_of(&page).iter().map(|item| format!("{:?}", item.get("pk"))));
        next = page.last_evaluated_key.map(|key| Scan { exclusive_start_key: Some(key), ..scan });
    }
    found
}

#[test]
fn segments_share_no_item_and_miss_none() {
    on_each_shard_count(|engine| {
        create_simple(engine);
        for index in 0..200 {
            put(engine, SIMPLE, item([("pk", text(&format!("key {index}")))]));
        }
        let whole = names(engine, ScanSegment::WHOLE, 1000);
        for total_segments in [1, 2, 3, 7, 64] {
            let joined: Vec<String> = (0..total_segments)
                .flat_map(|segment| names(engine, ScanSegment { segment, total_segments }, 13))
                .collect();
            assert_eq!(joined, whole, "{total_segments} segments, one after the other, are the whole scan");
        }
    });
}

#[test]
fn segments_can_be_read_at_the_same_time() {
    let engine = in_memory(2);
    create_simple(&engine);
    for index in 0..100 {
        put(&engine, SIMPLE, item([("pk", text(&format!("key {index}")))]));
    }
    let found: Vec<String> = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|segment| {
                let engine = &engine;
                scope.spawn(move || names(engine, ScanSegment { segment, total_segments: 4 }, 5))
            })
            .collect();
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
    });
    assert_eq!(found.len(), 100);
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 100);
}

#[test]
fn most_of_a_million_segments_are_empty_and_none_fails() {
    let engine = in_memory(2);
    create_simple(&engine);
    put(&engine, SIMPLE, item([("pk", text("k"))]));
    for segment in [0, 1, 499_999, 999_999] {
        let page = engine
            .scan(Scan { segment: ScanSegment { segment, total_segments: 1_000_000 }, ..Scan::new(SIMPLE) });
        assert!(page.unwrap().count <= 1);
    }
}
