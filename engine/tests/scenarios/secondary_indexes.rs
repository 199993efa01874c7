//! Secondary indexes as queries and scans see them, against what their tables' items derive to.
//!
//! Method: engines of one to three shards in memory; each figure of capacity is worked out by hand; a property runs
//! random writes and derives what each index must hold from the items alone, by other code than the engine's.

use basalt_engine::{
    BlockingEngine, Consistency, CreateTable, DeleteItem, EngineOptions, Error, GlobalIndexDefinition,
    IndexProjection, IndexThroughput, LocalIndexDefinition, PutItem, Query, Scan, ScanDirection, Select,
    UpdateItem,
    model::{IndexKeySchema, Item, ScalarKind, Value},
    runtime::sim::Random,
};

use crate::{
    seeds::for_each_seed,
    support::{
        all_pages, attribute, composite_schema, decoded, delete, filter, in_memory, in_memory_with, item,
        keyed, number, on_each_shard_count, options, projecting, put, text, texts, updating,
    },
};

const TABLE: &str = "t-indexed";
const SEEDS: std::ops::Range<u64> = 0..6;
const WRITES: usize = 80;

fn local(name: &str, projection: IndexProjection) -> LocalIndexDefinition {
    LocalIndexDefinition { index_name: name.to_owned(), sort: attribute("grade", ScalarKind::N), projection }
}

fn include(names: &[&str]) -> IndexProjection {
    IndexProjection::Include(names.iter().map(|name| (*name).to_owned()).collect())
}

/// By land and town, then by era and turn: no reserved words.
fn by_place(projection: IndexProjection) -> GlobalIndexDefinition {
    let key_schema = IndexKeySchema {
        partition: vec![attribute("land", ScalarKind::S), attribute("town", ScalarKind::S)],
        sort: vec![attribute("era", ScalarKind::N), attribute("turn", ScalarKind::N)],
    };
    let (index_name, throughput) = ("by-place".to_owned(), IndexThroughput::default());
    GlobalIndexDefinition { index_name, key_schema, projection, throughput }
}

fn create(engine: &BlockingEngine, local: Vec<LocalIndexDefinition>, global: Vec<GlobalIndexDefinition>) {
    engine
        .create_table(CreateTable {
            local_indexes: local,
            global_indexes: global,
            ..CreateTable::new(TABLE, composite_schema(ScalarKind::N))
        })
        .unwrap();
}

fn graded(sk: i64, grade: i64, note: &str) -> Item {
    item([("pk", text("p")), ("sk", number(sk)), ("grade", number(grade)), ("note", text(note))])
}

fn key(sk: i64) -> Item {
    item([("pk", text("p")), ("sk", number(sk))])
}

fn by_grade(index_name: &str) -> Query {
    Query {
        index_name: Some(index_name.to_owned()),
        select: Select::AllProjectedAttributes,
        ..Query::new(TABLE, keyed("pk = :p", &[(":p", text("p"))]))
    }
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    match outcome.expect_err("it must be refused") {
        Error::Validation(refused) => refused.to_string(),
        other => panic!("not a fault of the request: {other}"),
    }
}

fn units(units: f64, told: basalt_engine::CapacityUnits) {
    assert!((told.as_f64() - units).abs() < 1e-9, "told {told}, expected {units}");
}

#[test]
fn a_local_index_is_sparse_and_sorts_by_its_own_key() {
    on_each_shard_count(|engine| {
        create(engine, vec![local("by-grade", IndexProjection::All)], Vec::new());
        for (sk, grade) in [(1, 30), (2, 10), (3, 20), (4, 10)] {
            put(engine, TABLE, graded(sk, grade, "n"));
        }
        put(engine, TABLE, item([("pk", text("p")), ("sk", number(5))]));
        let sks = |query: Query| -> Vec<Value> {
            all_pages(engine, query).into_iter().map(|item| item["sk"].clone()).collect()
        };
        assert_eq!(sks(by_grade("by-grade")), [2, 4, 3, 1].map(number));
        let backward = Query { direction: ScanDirection::Backward, limit: Some(1), ..by_grade("by-grade") };
        assert_eq!(sks(backward), [1, 3, 4, 2].map(number));
        let middle = keyed(
            "pk = :p AND grade BETWEEN :a AND :b",
            &[(":p", text("p")), (":a", number(10)), (":b", number(20))],
        );
        let strong = Consistency::Strong;
        assert_eq!(
            sks(Query { key_conditions: middle, consistency: strong, ..by_grade("by-grade") }),
            [2, 4, 3].map(number)
        );
        // A changed sort key moves the entry, a removed one takes it away.
        let grade = |sk, expression: &str, values: &[(&str, Value)]| {
            engine.update_item(UpdateItem::new(TABLE, key(sk), updating(expression, values))).unwrap();
        };
        grade(2, "SET grade = :r", &[(":r", number(99))]);
        grade(4, "REMOVE grade", &[]);
        delete(engine, TABLE, key(3));
        assert_eq!(sks(by_grade("by-grade")), [1, 2].map(number));
        assert_eq!(
            engine.scan(Scan { index_name: Some("by-grade".into()), ..Scan::new(TABLE) }).unwrap().count,
            2
        );
    });
}

#[test]
fn a_local_index_fetches_what_it_lacks_at_the_tables_cost() {
    let engine = in_memory(2);
    create(
        &engine,
        vec![local("keys", IndexProjection::KeysOnly), local("with-a", include(&["a"]))],
        Vec::new(),
    );
    let large = "x".repeat(9000);
    for sk in 0..3 {
        let mut new = graded(sk, sk, &large);
        new.insert("a".to_owned(), text("small"));
        put(&engine, TABLE, new);
    }
    let keys_only = engine.query(by_grade("keys")).unwrap();
    assert_eq!(decoded(&keys_only.items[0]).len(), 3, "pk, sk and grade");
    units(0.0, keys_only.capacity.table);
    units(0.5, keys_only.capacity.local_indexes["keys"]);

    let whole = engine.query(Query { select: Select::AllAttributes, ..by_grade("keys") }).unwrap();
    assert_eq!(decoded(&whole.items[2])["note"], text(&large));
    units(4.5, whole.capacity.table);
    units(0.5, whole.capacity.local_indexes["keys"]);

    let asked = |projection| Query {
        select: Select::SpecificAttributes,
        projection: Some(projecting(projection)),
        ..by_grade("with-a")
    };
    units(0.0, engine.query(asked("a, sk")).unwrap().capacity.table);
    let fetched = engine.query(Query { limit: Some(1), ..asked("a, note") }).unwrap();
    assert_eq!(decoded(&fetched.items[0]), item([("a", text("small")), ("note", text(&large))]));
    units(1.5, fetched.capacity.table);

    // A filter on what the index lacks is judged by the items.
    let none = Query { filter: Some(filter("note = :n", &[(":n", text("other"))])), ..by_grade("with-a") };
    let page = engine.query(none).unwrap();
    assert_eq!((page.count, page.scanned_count), (0, 3));
    units(4.5, page.capacity.table);
}

#[test]
fn index_writes_are_charged_by_the_indexs_own_view() {
    let engine = in_memory(1);
    create(&engine, vec![local("with-a", include(&["a"]))], vec![by_place(include(&["a"]))]);
    let write = |attributes: Item| engine.put_item(PutItem::new(TABLE, attributes)).unwrap().capacity;
    let place = |a: &str, turn: i64| {
        item([
            ("pk", text("p")),
            ("sk", number(1)),
            ("grade", number(1)),
            ("land", text("IS")),
            ("town", text("Reykjavik")),
            ("era", number(2026)),
            ("turn", number(turn)),
            ("a", text(a)),
            ("s", texts(&["x", "y"])),
        ])
    };
    let first = write(place("", 1));
    units(1.0, first.table);
    units(1.0, first.local_indexes["with-a"]);
    units(1.0, first.global_indexes["by-place"]);
    assert_eq!(first.total().as_f64().to_string(), "3");

    let mut unprojected = place("", 1);
    unprojected.insert("b".to_owned(), text("not in any index"));
    let unchanged = write(unprojected);
    assert!(unchanged.local_indexes.is_empty() && unchanged.global_indexes.is_empty());

    let larger = write(place(&"a".repeat(2000), 1));
    units(2.0, larger.local_indexes["with-a"]);
    units(2.0, larger.global_indexes["by-place"]);

    // A moved entry is deleted and inserted, each rounded by itself.
    let moved = write(place(&"a".repeat(1500), 2));
    units(2.0, moved.local_indexes["with-a"]);
    units(4.0, moved.global_indexes["by-place"]);

    let gone = engine.delete_item(DeleteItem::new(TABLE, key(1))).unwrap().capacity;
    units(2.0, gone.local_indexes["with-a"]);
    units(2.0, gone.global_indexes["by-place"]);
}

#[test]
fn values_that_no_index_key_may_have_are_refused() {
    let engine = in_memory(1);
    create(&engine, vec![local("by-grade", IndexProjection::KeysOnly)], vec![by_place(IndexProjection::All)]);
    let put = |name: &str, value: Value| {
        let mut new = key(1);
        new.insert(name.to_owned(), value);
        refusal(engine.put_item(PutItem::new(TABLE, new)))
    };
    assert_eq!(
        put("grade", text("high")),
        "One or more parameter values were invalid: Type mismatch for Index Key grade Expected: N Actual: S \
         IndexName: by-grade"
    );
    assert_eq!(
        put("town", Value::Null),
        "One or more parameter values were invalid: Type mismatch for Index Key town Expected: S Actual: NULL \
         IndexName: by-place"
    );
    assert!(put("town", text("")).ends_with("IndexName: by-place, IndexKey: town"));
    assert!(put("town", text(&"c".repeat(2049))).contains("2048 bytes"));
    let update = |values: &[(&str, Value)]| {
        engine.update_item(UpdateItem::new(TABLE, key(1), updating("SET town = :c", values)))
    };
    assert_eq!(
        refusal(update(&[(":c", number(1))])),
        "The update expression attempted to update the secondary index key to unsupported type"
    );
    update(&[(":c", text("Akureyri"))]).unwrap();
}

#[test]
fn a_global_index_is_queried_by_all_of_its_partition_key_and_the_first_of_its_sort_key() {
    on_each_shard_count(|engine| {
        create(engine, Vec::new(), vec![by_place(IndexProjection::KeysOnly)]);
        for (sk, era, turn) in [(1, 2025, 12), (2, 2026, 1), (3, 2026, 3), (4, 2026, 2)] {
            let attributes = item([
                ("pk", text("p")),
                ("sk", number(sk)),
                ("land", text("IS")),
                ("town", text("Vik")),
                ("era", number(era)),
                ("turn", number(turn)),
            ]);
            put(engine, TABLE, attributes);
        }
        let values = [(":i", text("IS")), (":v", text("Vik")), (":y", number(2026)), (":m", number(2))];
        let query = |conditions: &str| {
            let used: Vec<(&str, Value)> =
                values.iter().filter(|(name, _)| conditions.contains(name)).cloned().collect();
            Query { key_conditions: keyed(conditions, &used), ..by_grade("by-place") }
        };
        let sks = |query: Query| -> Vec<Value> {
            all_pages(engine, Query { limit: Some(1), ..query })
                .into_iter()
                .map(|item| item["sk"].clone())
                .collect()
        };
        assert_eq!(sks(query("town = :v AND land = :i")), [1, 2, 4, 3].map(number));
        assert_eq!(sks(query("land = :i AND town = :v AND era = :y")), [2, 4, 3].map(number));
        assert_eq!(sks(query("turn >= :m AND era = :y AND land = :i AND town = :v")), [4, 3].map(number));
        assert_eq!(sks(query("land = :i AND town = :v AND era < :y")), [1].map(number));
        assert_eq!(
            refusal(engine.query(query("land = :i AND town = :v AND turn = :m"))),
            "Query condition missed key schema element: era"
        );
    });
}

#[test]
fn what_a_global_index_cannot_answer_is_refused() {
    let engine = in_memory(1);
    create(&engine, Vec::new(), vec![by_place(include(&["a"]))]);
    let values = [(":i", text("IS")), (":v", text("Vik"))];
    let query =
        || Query { key_conditions: keyed("land = :i AND town = :v", &values), ..by_grade("by-place") };
    let refused = |query: Query| refusal(engine.query(query));
    assert_eq!(
        refused(Query { consistency: Consistency::Strong, ..query() }),
        "Consistent reads are not supported on global secondary indexes"
    );
    assert_eq!(
        refused(Query { select: Select::AllAttributes, ..query() }),
        "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global \
         secondary index by-place because its projection type is not ALL"
    );
    assert_eq!(
        refused(Query {
            select: Select::SpecificAttributes,
            projection: Some(projecting("a, b, c")),
            ..query()
        }),
        "One or more parameter values were invalid: Global secondary index by-place does not project [b, c]"
    );
    assert_eq!(
        refused(Query { filter: Some(filter("town = :v", &[(":v", text("Vik"))])), ..query() }),
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: town"
    );
    // The table's own key may be filtered.
    engine.query(Query { filter: Some(filter("pk = :p", &[(":p", text("p"))])), ..query() }).unwrap();
    assert_eq!(
        refused(Query { index_name: Some("other".to_owned()), ..query() }),
        "The table does not have the specified index: other"
    );
    assert_eq!(
        refused(Query { exclusive_start_key: Some(key(1)), ..query() }),
        "The provided starting key is invalid"
    );
    let elsewhere = item([
        ("pk", text("p")),
        ("sk", number(1)),
        ("land", text("NO")),
        ("town", text("Oslo")),
        ("era", number(1)),
        ("turn", number(1)),
    ]);
    assert_eq!(
        refused(Query { exclusive_start_key: Some(elsewhere), ..query() }),
        "The provided starting key is outside query boundaries based on provided conditions"
    );
}

#[test]
fn an_item_collection_grows_to_its_limit_and_no_further() {
    let engine = in_memory_with(EngineOptions { item_collection_bytes_max: 2000, ..options(2) });
    create(&engine, vec![local("by-grade", IndexProjection::KeysOnly)], Vec::new());
    let write = |sk: i64, note: &str| engine.put_item(PutItem::new(TABLE, graded(sk, 1, note)));
    // pk 3, sk 4, grade 7 and the note's name 4 bytes; the entry 14; 100 for each of both rows.
    let told = write(1, "").unwrap().item_collection.unwrap();
    assert_eq!((told.key, told.size_bytes), (item([("pk", text("p"))]), 18 + 100 + 14 + 100));
    assert_eq!(write(2, &"x".repeat(1500)).unwrap().item_collection.unwrap().size_bytes, 232 + 1732);
    assert!(matches!(write(3, ""), Err(Error::ItemCollectionTooLarge)));
    assert_eq!(write(2, &"x".repeat(1400)).unwrap().item_collection.unwrap().size_bytes, 232 + 1632);
    let gone = engine.delete_item(DeleteItem::new(TABLE, key(2))).unwrap();
    assert_eq!(gone.item_collection.unwrap().size_bytes, 232);
    write(3, "").unwrap();
}

#[test]
fn an_item_shares_its_greatest_size_with_its_local_entries() {
    let engine = in_memory(1);
    create(&engine, vec![local("by-grade", IndexProjection::All)], Vec::new());
    let half = "x".repeat(204_800 - 18);
    engine.put_item(PutItem::new(TABLE, graded(1, 1, &half))).unwrap();
    assert_eq!(
        refusal(engine.put_item(PutItem::new(TABLE, graded(1, 1, &format!("{half}x"))))),
        "Item size has exceeded the maximum allowed size"
    );
}

#[test]
fn indexes_hold_what_the_items_derive_to() {
    for_each_seed(SEEDS, |seed| {
        let mut random = Random::new(seed);
        let engine = in_memory(u16::try_from(random.between(1, 3)).unwrap());
        let projections = [IndexProjection::All, IndexProjection::KeysOnly, include(&["note", "pk"])];
        let mut any_projection = || projections[random.below(3) as usize].clone();
        let (local_projection, global_projection) = (any_projection(), any_projection());
        create(
            &engine,
            vec![local("by-grade", local_projection.clone())],
            vec![by_place(global_projection.clone())],
        );
        for _ in 0..WRITES {
            write_something(&engine, &mut random);
        }
        let items: Vec<Item> = scan(&engine, None);
        let place = ["land", "town", "era", "turn"];
        assert_eq!(scan(&engine, Some("by-grade")), derived(&items, &["grade"], &local_projection));
        assert_eq!(scan(&engine, Some("by-place")), derived(&items, &place, &global_projection));
        engine.close().unwrap();
    });
}

fn write_something(engine: &BlockingEngine, random: &mut Random) {
    let mut new =
        item([("pk", text(&format!("p{}", random.below(3)))), ("sk", number(random.below(4) as i64))]);
    if random.below(5) == 0 {
        delete(engine, TABLE, new);
        return;
    }
    for name in ["grade", "era", "turn"] {
        if random.below(4) != 0 {
            new.insert(name.to_owned(), number(random.below(3) as i64));
        }
    }
    for name in ["land", "town", "note"] {
        if random.below(5) != 0 {
            new.insert(name.to_owned(), text(["a", "b"][random.below(2) as usize]));
        }
    }
    put(engine, TABLE, new);
}

/// All items, or all entries of an index, sorted for comparison; read in pages of seven.
fn scan(engine: &BlockingEngine, index_name: Option<&str>) -> Vec<Item> {
    let mut all = Vec::new();
    let mut start = None;
    loop {
        let page = engine
            .scan(Scan {
                index_name: index_name.map(str::to_owned),
                select: index_name.map_or(Select::AllAttributes, |_| Select::AllProjectedAttributes),
                limit: Some(7),
                exclusive_start_key: start,
                ..Scan::new(TABLE)
            })
            .unwrap();
        all.extend(page.items.iter().map(decoded));
        start = page.last_evaluated_key;
        if start.is_none() {
            all.sort_by_key(|item| format!("{item:?}"));
            return all;
        }
    }
}

/// What an index with these key attributes must hold of the items.
fn derived(items: &[Item], keys: &[&str], projection: &IndexProjection) -> Vec<Item> {
    let is_kept = |name: &str| match projection {
        IndexProjection::All => true,
        IndexProjection::KeysOnly => false,
        IndexProjection::Include(names) => names.iter().any(|included| included == name),
    };
    let indexed = items.iter().filter(|item| keys.iter().all(|key| item.contains_key(*key)));
    let mut entries: Vec<Item> = indexed
        .map(|item| {
            let attributes = item.iter().filter(|(name, _)| {
                ["pk", "sk"].contains(&name.as_str()) || keys.contains(&name.as_str()) || is_kept(name)
            });
            attributes.map(|(name, value)| (name.clone(), value.clone())).collect()
        })
        .collect();
    entries.sort_by_key(|item| format!("{item:?}"));
    entries
}
