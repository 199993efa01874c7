//! A database inside of a program: makes a table, fills it, and asks it questions.
//!
//! `cargo run -p basalt-engine --example embedded [DIRECTORY]`; without a directory everything stays in memory.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::{collections::BTreeMap, error::Error, ops::ControlFlow};

use basalt_engine::{
    CreateTable, Engine, EngineOptions, PutItem, Query, ScanDirection, UpdateItem,
    model::{
        Item, KeyAttribute, KeySchema, Number, ScalarKind, Value, ValueRef,
        expression::{Placeholders, parse_key_condition, parse_update},
    },
};

const TABLE: &str = "measurements";

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1);
    let options = EngineOptions { in_memory: directory.is_none(), ..EngineOptions::default() };
    let engine = Engine::open(directory.as_deref().unwrap_or("in-memory"), options)?.blocking();
    println!("{}", engine.recovery_report());

    let attribute = |name: &str, kind| KeyAttribute { name: name.to_owned(), kind };
    let schema = KeySchema {
        partition: attribute("station", ScalarKind::S),
        sort: Some(attribute("measured_at", ScalarKind::N)),
    };
    if engine.describe_table(TABLE).is_err() {
        engine.create_table(CreateTable::new(TABLE, schema))?;
    }

    for minute in 0..10 {
        let celsius = number(&format!("{}.5", 15 + minute))?;
        engine.put_item(PutItem::new(TABLE, measurement("north", minute, [("celsius", celsius)])?))?;
    }

    let mut values = placeholders([(":one", number("1")?)])?;
    let count_a_visit = parse_update("ADD visits :one", &mut values)?;
    engine.update_item(UpdateItem::new(TABLE, measurement("north", 3, [])?, count_a_visit))?;

    let mut values = placeholders([(":station", text("north")), (":from", number("7")?)])?;
    let recent =
        parse_key_condition("station = :station AND measured_at >= :from", &mut values)?.conditions()?;
    let page = engine.query(Query::new(TABLE, recent))?;
    println!("{} measurements since minute 7, {} read units", page.count, page.capacity.total());

    // Beside the data: the items are lent, not copied, and only the answer crosses threads.
    let warmest = engine.on_shard(TABLE, text("north"), |station| async move {
        let mut warmest: Option<Number> = None;
        let visited = station.for_each(None, ScanDirection::Forward, |item| {
            if let Ok(Some(ValueRef::N(celsius))) = item.get("celsius") {
                warmest = warmest.max(Some(celsius));
            }
            ControlFlow::Continue(())
        });
        visited.await.map(|()| warmest)
    })??;
    println!("warmest: {}", warmest.map_or("nothing measured".to_owned(), |celsius| celsius.to_string()));

    engine.close()?;
    Ok(())
}

fn measurement<const N: usize>(
    station: &str,
    minute: u32,
    more: [(&str, Value); N],
) -> Result<Item, Box<dyn Error>> {
    let mut item: Item = more.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    item.insert("station".to_owned(), text(station));
    item.insert("measured_at".to_owned(), number(&minute.to_string())?);
    Ok(item)
}

fn placeholders<const N: usize>(values: [(&str, Value); N]) -> Result<Placeholders, Box<dyn Error>> {
    let values: BTreeMap<_, _> = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Ok(Placeholders::new(None, Some(values))?)
}

fn text(value: &str) -> Value {
    Value::S(value.to_owned())
}

fn number(value: &str) -> Result<Value, Box<dyn Error>> {
    Ok(Value::N(Number::parse(value)?))
}
