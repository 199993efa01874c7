//! Short names for values and requests, and engines to try them on.

use std::{collections::BTreeMap, path::Path};

use basalt_engine::{
    BlockingEngine, CreateTable, DeleteItem, Engine, EngineOptions, Error, GetItem, PutItem, Query,
    ScanOutput, UpdateItem,
    model::{
        EncodedItem, Item, KeyAttribute, KeySchema, Number, ScalarKind, Set, Value,
        expression::{
            Condition, ExpressionKind, KeyConditions, Placeholders, Projection, Update, parse_condition,
            parse_key_condition, parse_projection, parse_update,
        },
    },
};

/// A directory that no engine in memory touches.
const NOWHERE: &str = "basalt-in-memory";

pub(crate) fn options(shard_count: u16) -> EngineOptions {
    EngineOptions {
        shard_count: Some(shard_count),
        memory_budget_bytes: 64 << 20,
        pin_shards: false,
        ..EngineOptions::default()
    }
}

/// An engine whose files are in memory.
pub(crate) fn in_memory(shard_count: u16) -> BlockingEngine {
    in_memory_with(options(shard_count))
}

/// An engine with these options whose files are in memory.
pub(crate) fn in_memory_with(options: EngineOptions) -> BlockingEngine {
    let options = EngineOptions { in_memory: true, ..options };
    Engine::open(Path::new(NOWHERE), options).expect("an engine in memory opens").blocking()
}

/// Runs a test on engines of one, two and three shards.
pub(crate) fn on_each_shard_count(test: impl Fn(&BlockingEngine)) {
    for shard_count in 1..=3 {
        let engine = in_memory(shard_count);
        test(&engine);
        engine.close().expect("an engine in memory closes");
    }
}

pub(crate) fn text(value: &str) -> Value {
    Value::S(value.to_owned())
}

pub(crate) fn number(value: i64) -> Value {
    Value::N(decimal(&value.to_string()))
}

pub(crate) fn decimal(value: &str) -> Number {
    Number::parse(value).expect("a number")
}

pub(crate) fn bytes(value: &[u8]) -> Value {
    Value::B(value.to_vec())
}

pub(crate) fn texts(values: &[&str]) -> Value {
    Value::Ss(Set::new(values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>()).expect("a set"))
}

pub(crate) fn item<const N: usize>(attributes: [(&str, Value); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(crate) fn decoded(item: &EncodedItem) -> Item {
    item.as_item().to_item().expect("answers decode")
}

/// Partition key `pk`, text.
pub(crate) fn simple_schema() -> KeySchema {
    KeySchema { partition: attribute("pk", ScalarKind::S), sort: None }
}

/// Partition key `pk`, text; sort key `sk` of the kind.
pub(crate) fn composite_schema(sort: ScalarKind) -> KeySchema {
    KeySchema { partition: attribute("pk", ScalarKind::S), sort: Some(attribute("sk", sort)) }
}

pub(crate) fn attribute(name: &str, kind: ScalarKind) -> KeyAttribute {
    KeyAttribute { name: name.to_owned(), kind }
}

/// Makes the table `t` with the partition key `pk`.
pub(crate) fn create_simple(engine: &BlockingEngine) {
    engine.create_table(CreateTable::new("t-simple", simple_schema())).expect("the table is new");
}

/// Makes the table `t` with the keys `pk` and `sk`.
pub(crate) fn create_composite(engine: &BlockingEngine, sort: ScalarKind) {
    engine.create_table(CreateTable::new("t-composite", composite_schema(sort))).expect("the table is new");
}

pub(crate) const SIMPLE: &str = "t-simple";
pub(crate) const COMPOSITE: &str = "t-composite";

pub(crate) fn put(engine: &BlockingEngine, table: &str, item: Item) {
    engine.put_item(PutItem::new(table, item)).expect("the item is stored");
}

pub(crate) fn get(engine: &BlockingEngine, table: &str, key: Item) -> Option<Item> {
    engine.get_item(GetItem::new(table, key)).expect("the read succeeds").item.as_ref().map(decoded)
}

pub(crate) fn delete(engine: &BlockingEngine, table: &str, key: Item) {
    engine.delete_item(DeleteItem::new(table, key)).expect("the item is deleted");
}

pub(crate) fn update(
    engine: &BlockingEngine,
    table: &str,
    key: Item,
    expression: &str,
    values: &[(&str, Value)],
) -> Result<(), Error> {
    engine.update_item(UpdateItem::new(table, key, updating(expression, values))).map(|_output| ())
}

/// All pages of a query that starts with `first`.
pub(crate) fn all_pages(engine: &BlockingEngine, first: Query) -> Vec<Item> {
    let mut next = Some(first);
    let mut items = Vec::new();
    while let Some(query) = next.take() {
        let page = engine.query(query.clone()).expect("the query succeeds");
        items.extend(page.items.iter().map(decoded));
        next = page.last_evaluated_key.map(|key| Query { exclusive_start_key: Some(key), ..query });
    }
    items
}

pub(crate) fn items_of(page: &ScanOutput) -> Vec<Item> {
    page.items.iter().map(decoded).collect()
}

pub(crate) fn condition(expression: &str, values: &[(&str, Value)]) -> Condition {
    parse_condition(ExpressionKind::Condition, expression, &mut placeholders(values)).expect("a condition")
}

pub(crate) fn filter(expression: &str, values: &[(&str, Value)]) -> Condition {
    parse_condition(ExpressionKind::Filter, expression, &mut placeholders(values)).expect("a filter")
}

pub(crate) fn updating(expression: &str, values: &[(&str, Value)]) -> Update {
    parse_update(expression, &mut placeholders(values)).expect("an update")
}

pub(crate) fn projecting(expression: &str) -> Projection {
    parse_projection(expression, &mut placeholders(&[])).expect("a projection")
}

pub(crate) fn keyed(expression: &str, values: &[(&str, Value)]) -> KeyConditions {
    let parsed = parse_key_condition(expression, &mut placeholders(values)).expect("a key condition");
    parsed.conditions().expect("conditions on attributes")
}

fn placeholders(values: &[(&str, Value)]) -> Placeholders {
    let values: BTreeMap<_, _> =
        values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Placeholders::new(None, (!values.is_empty()).then_some(values)).expect("placeholders")
}
