//! The engine inside of this process, asked through its blocking handle.
//!
//! A handle's call crosses to a shard and back; programs that run on the shards spare themselves that
//! (`benches/compare` measures both).

use std::{collections::BTreeMap, path::Path};

use basalt_engine::{
    BlockingEngine, CreateTable, Engine, EngineOptions, Error, GetItem, PutItem, Query, ScanDirection,
    TransactAction, TransactWrite, UpdateItem,
    model::{
        Consistency, Item, KeyAttribute, KeySchema, Number, ScalarKind, Value,
        expression::{KeyConditions, Placeholders, Update, parse_key_condition, parse_update},
    },
};

use super::{Database, Failure, Found, Range, Session};
use crate::{
    record::{AMOUNT, PARTITION_KEY, Place, SORT_KEY},
    workload::Layout,
};

/// An engine of this process.
pub(crate) struct EmbeddedDatabase {
    engine: BlockingEngine,
    table: String,
}

impl EmbeddedDatabase {
    /// Opens the directory.
    pub(crate) fn open(directory: &Path, options: EngineOptions, table: String) -> Result<Self, Failure> {
        let engine =
            Engine::open(directory, options).map_err(|error| Failure::Lost(error.to_string()))?.blocking();
        Ok(Self { engine, table })
    }
}

impl Database for EmbeddedDatabase {
    fn create_table(&self, layout: Layout) -> Result<(), Failure> {
        let text_key = |name: &str| KeyAttribute { name: name.to_owned(), kind: ScalarKind::S };
        let sort = (layout == Layout::Grouped).then(|| text_key(SORT_KEY));
        let schema = KeySchema { partition: text_key(PARTITION_KEY), sort };
        match self.engine.create_table(CreateTable::new(self.table.as_str(), schema)) {
            Ok(_) | Err(Error::TableExists { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn session(&self) -> Result<Box<dyn Session>, Failure> {
        Ok(Box::new(EmbeddedSession { engine: self.engine.clone(), table: self.table.clone() }))
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        Ok(self.engine.close()?)
    }
}

struct EmbeddedSession {
    engine: BlockingEngine,
    table: String,
}

impl Session for EmbeddedSession {
    fn read(&mut self, place: &Place) -> Result<Found, Failure> {
        let get =
            GetItem { consistency: Consistency::Strong, ..GetItem::new(self.table.as_str(), key(place)) };
        Ok(self.engine.get_item(get)?.item.is_some().into())
    }

    fn put(&mut self, place: &Place, fields: &[(String, String)]) -> Result<(), Failure> {
        let mut item = key(place);
        for (name, text) in fields {
            item.insert(name.clone(), Value::S(text.clone()));
        }
        self.engine.put_item(PutItem::new(self.table.as_str(), item))?;
        Ok(())
    }

    fn set_field(&mut self, place: &Place, (name, text): &(String, String)) -> Result<(), Failure> {
        let mut placeholders = placeholders(&[("#f", name)], [(":v", Value::S(text.clone()))]);
        let update = parse_update("SET #f = :v", &mut placeholders).expect("the expression is sound");
        self.engine.update_item(UpdateItem::new(self.table.as_str(), key(place), update))?;
        Ok(())
    }

    fn add(&mut self, place: &Place, amount: i64) -> Result<(), Failure> {
        self.engine.update_item(UpdateItem::new(self.table.as_str(), key(place), addition(amount)))?;
        Ok(())
    }

    fn range(&mut self, range: &Range) -> Result<Found, Failure> {
        let query = Query {
            limit: Some(range.limit),
            consistency: Consistency::Strong,
            direction: match range.from {
                Some(_) => ScanDirection::Forward,
                None => ScanDirection::Backward,
            },
            ..Query::new(self.table.as_str(), key_conditions(range))
        };
        Ok(self.engine.query(query)?.count)
    }

    fn transfer(&mut self, from: &Place, to: &Place, amount: i64) -> Result<(), Failure> {
        let update = |place, amount| {
            TransactAction::Update(UpdateItem::new(self.table.as_str(), key(place), addition(amount)))
        };
        let actions = vec![update(from, -amount), update(to, amount)];
        self.engine.transact_write(TransactWrite { actions, token: None })?;
        Ok(())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Throttled(_) | Error::Overloaded => Failure::Throttled,
            Error::TransactionConflict | Error::TransactionCanceled { .. } => Failure::Conflict,
            _ => Failure::Lost(error.to_string()),
        }
    }
}

fn key(place: &Place) -> Item {
    let partition = (PARTITION_KEY.to_owned(), Value::S(place.partition.clone()));
    let sort = place.sort.as_ref().map(|sort| (SORT_KEY.to_owned(), Value::S(sort.clone())));
    Item::from_iter([partition].into_iter().chain(sort))
}

fn addition(amount: i64) -> Update {
    let mut placeholders = placeholders(&[("#a", AMOUNT)], [(":d", Value::N(Number::from(amount)))]);
    parse_update("ADD #a :d", &mut placeholders).expect("the expression is sound")
}

fn key_conditions(range: &Range) -> KeyConditions {
    let mut values = vec![(":p", Value::S(range.partition.clone()))];
    let mut names = vec![("#p", PARTITION_KEY)];
    let mut text = "#p = :p".to_owned();
    if let Some(from) = &range.from {
        values.push((":s", Value::S(from.clone())));
        names.push(("#s", SORT_KEY));
        text.push_str(" AND #s >= :s");
    }
    let mut placeholders = placeholders(&names, values);
    parse_key_condition(&text, &mut placeholders)
        .and_then(|parsed| parsed.conditions())
        .expect("the expression is sound")
}

fn placeholders(
    names: &[(&str, &str)],
    values: impl IntoIterator<Item = (&'static str, Value)>,
) -> Placeholders {
    let names = names.iter().map(|(name, stands_for)| ((*name).to_owned(), (*stands_for).to_owned()));
    let values: BTreeMap<_, _> = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Placeholders::new(Some(names.collect()), Some(values)).expect("the placeholders are sound")
}
