//! Engines on real directories, over both ways of doing I/O that every machine has.

use basalt_engine::{Engine, EngineOptions, OpenErrorKind, Scan, runtime::IoChoice};

use crate::support::{SIMPLE, create_simple, get, item, options, put, text};

fn key(index: usize) -> basalt_engine::model::Item {
    item([("pk", text(&format!("key {index}")))])
}

#[test]
fn a_directory_is_found_as_it_was_left_by_another_number_of_shards() {
    for io in [IoChoice::Auto, IoChoice::Portable] {
        let directory = tempfile::tempdir().unwrap();
        for (life, shard_count) in [1u16, 3, 2].into_iter().enumerate() {
            let engine = Engine::open(directory.path(), EngineOptions { io, ..options(shard_count) })
                .unwrap()
                .blocking();
            assert_eq!(engine.recovery_report().is_new, life == 0);
            if life == 0 {
                create_simple(&engine);
            }
            put(&engine, SIMPLE, key(life));
            let found = engine.scan(Scan::new(SIMPLE)).unwrap().count;
            assert_eq!(found, life as u64 + 1, "{io:?}");
            engine.close().unwrap();
        }
    }
}

#[test]
fn what_was_acknowledged_is_there_after_the_handles_went_without_a_close() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::open(directory.path(), options(2)).unwrap().blocking();
    create_simple(&engine);
    (0..10).for_each(|index| put(&engine, SIMPLE, key(index)));
    drop(engine);
    // The lock goes with the last thread; the next start waits for it.
    let engine = Engine::open(directory.path(), options(2)).unwrap().blocking();
    assert!((0..10).all(|index| get(&engine, SIMPLE, key(index)).is_some()));
    engine.close().unwrap();
}

#[test]
fn a_closed_engine_answers_so() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::open(directory.path(), options(2)).unwrap().blocking();
    create_simple(&engine);
    let other = engine.clone();
    engine.close().unwrap();
    let refused = other.scan(Scan::new(SIMPLE));
    assert!(matches!(refused, Err(basalt_engine::Error::Closed)));
}

#[test]
fn options_out_of_bounds_open_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let refused =
        Engine::open(directory.path().join("data"), EngineOptions { shard_count: Some(0), ..options(1) });
    assert_eq!(refused.err().map(|error| error.kind()), Some(OpenErrorKind::FixOptions));
}
