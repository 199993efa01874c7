//! Requests and items as the clients here make them.

use super::ledger::ItemKey;
use basalt_engine::model::expression::{
    Condition, ExpressionKind, Placeholders, Update, parse_condition, parse_key_condition, parse_update,
};
use basalt_engine::model::{
    EncodedItem, IndexKeySchema, Item, KeyAttribute, KeySchema, Number, ScalarKind, Value,
};
use basalt_engine::{
    CreateTable, GlobalIndexDefinition, IndexProjection, IndexThroughput, LocalIndexDefinition, Query,
    StreamViewType,
};
use std::collections::BTreeMap;

/// The local index of every table: items that have a stamp, by it.
pub(crate) const BY_STAMP: &str = "by-stamp";
/// The global index of every table: items that are in a group, by it.
pub(crate) const BY_GROUP: &str = "by-group";
/// Groups that there are.
pub(crate) const GROUPS: i64 = 3;

pub(crate) fn create_table(name: &str) -> CreateTable {
    let attribute = |name: &str, kind| KeyAttribute { name: name.to_owned(), kind };
    let keys =
        KeySchema { partition: attribute("pk", ScalarKind::S), sort: Some(attribute("sk", ScalarKind::N)) };
    let by_stamp = LocalIndexDefinition {
        index_name: BY_STAMP.to_owned(),
        sort: attribute("stamp", ScalarKind::N),
        projection: IndexProjection::All,
    };
    let by_group = GlobalIndexDefinition {
        index_name: BY_GROUP.to_owned(),
        key_schema: IndexKeySchema {
            partition: vec![attribute("group", ScalarKind::S)],
            sort: vec![attribute("stamp", ScalarKind::N)],
        },
        projection: IndexProjection::All,
        throughput: IndexThroughput::default(),
    };
    CreateTable {
        local_indexes: vec![by_stamp],
        global_indexes: vec![by_group],
        stream: Some(StreamViewType::NewAndOldImages),
        ..CreateTable::new(name, keys)
    }
}

/// One of the groups that items are in.
pub(crate) fn group_of(stamp: i64) -> Option<String> {
    // Some are in none, and so not in the index.
    (stamp % 4 != 0).then(|| format!("group {}", stamp % GROUPS))
}

/// The key attributes of an item, and nothing else.
pub(crate) fn key_item((partition, sort): &ItemKey) -> Item {
    [("pk".to_owned(), Value::S(partition.clone())), ("sk".to_owned(), number(*sort))].into_iter().collect()
}

/// An item that no other write makes: its stamp is its own.
pub(crate) fn stamped_item(key: &ItemKey, stamp: i64, padding_bytes: usize) -> Item {
    let mut item = key_item(key);
    item.insert("stamp".to_owned(), number(stamp));
    if let Some(group) = group_of(stamp) {
        item.insert("group".to_owned(), Value::S(group));
    }
    if padding_bytes > 0 {
        item.insert("padding".to_owned(), Value::S("x".repeat(padding_bytes)));
    }
    item
}

/// `ADD count :one SET stamp = :stamp`, and what becomes of an item by it.
pub(crate) fn counting(stamp: i64) -> Update {
    let values = [(":one".to_owned(), number(1)), (":stamp".to_owned(), number(stamp))];
    let mut placeholders = placeholders(&[("#count", "count")], values);
    parse_update("ADD #count :one SET stamp = :stamp", &mut placeholders).expect("an update")
}

pub(crate) fn counted(key: &ItemKey, before: Option<&Item>, stamp: i64) -> Item {
    let mut item = before.cloned().unwrap_or_else(|| key_item(key));
    let count = match item.get("count") {
        Some(Value::N(count)) => count.to_i64().expect("counts are small"),
        _ => 0,
    };
    item.insert("count".to_owned(), number(count + 1));
    item.insert("stamp".to_owned(), number(stamp));
    item
}

/// Holds for items that are not there.
pub(crate) fn is_absent() -> Condition {
    let mut placeholders = Placeholders::new(None, None).expect("no placeholders");
    parse_condition(ExpressionKind::Condition, "attribute_not_exists(pk)", &mut placeholders)
        .expect("a condition")
}

/// All items of one partition key, by their sort keys.
pub(crate) fn collection(table: &str, partition: &str) -> Query {
    items_with(table, "pk", partition)
}

/// All items of one group, by their stamps.
pub(crate) fn group(table: &str, group: &str) -> Query {
    Query { index_name: Some(BY_GROUP.to_owned()), ..items_with(table, "group", group) }
}

fn items_with(table: &str, attribute: &str, value: &str) -> Query {
    let values = [(":value".to_owned(), Value::S(value.to_owned()))];
    let parsed = parse_key_condition("#key = :value", &mut placeholders(&[("#key", attribute)], values));
    let conditions = parsed.expect("a key condition").conditions();
    Query::new(table, conditions.expect("a condition on the partition key"))
}

pub(crate) fn decoded(item: &EncodedItem) -> Item {
    item.as_item().to_item().expect("answers decode")
}

/// The key of an item that was read.
pub(crate) fn key_of(item: &Item) -> Option<ItemKey> {
    match (item.get("pk"), item.get("sk")) {
        (Some(Value::S(partition)), Some(Value::N(sort))) => Some((partition.clone(), sort.to_i64()?)),
        _ => None,
    }
}

fn number(value: i64) -> Value {
    Value::N(Number::parse(&value.to_string()).expect("a number"))
}

fn placeholders<const N: usize>(names: &[(&str, &str)], values: [(String, Value); N]) -> Placeholders {
    let names: BTreeMap<String, String> =
        names.iter().map(|(name, attribute)| ((*name).to_owned(), (*attribute).to_owned())).collect();
    let names = (!names.is_empty()).then_some(names);
    Placeholders::new(names, Some(values.into_iter().collect())).expect("placeholders")
}
