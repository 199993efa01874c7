//! A stream is the history of the committed changes, whatever crashes.
//!
//! Method: clients write at random, on a disk that loses power in the middle, again and again, with other numbers of
//! shards. After each start the stream is played from its beginning: each record must find the item as the record
//! before it left it, and the end must be the table. Changes that were acknowledged are in the table, and so in the
//! stream; changes that were lost are in neither.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use basalt_engine::{
    BatchWrite, BatchWriteItem, BatchWriteTable, DeleteItem, Engine, PutItem, StreamViewType,
    runtime::{
        join_all,
        sim::{Disk, Random},
    },
};

use crate::{
    simulated::Simulated,
    stream_reading::{create_with_stream, items, latest_stream, play, read_stream},
    support::{SIMPLE, item, number, text},
};

const CLIENTS: u64 = 6;
const KEYS: u64 = 12;
const WRITES: u64 = 25;

/// Writes at random until the power goes; each client notes what was acknowledged last of its own keys.
async fn write(engine: &Engine, seed: u64) -> BTreeMap<String, Option<i64>> {
    let engine = Rc::new(engine.clone());
    let clients = (0..CLIENTS).map(|client| {
        let (engine, mut random) = (Rc::clone(&engine), Random::new(seed * CLIENTS + client));
        async move {
            let mut acknowledged = BTreeMap::new();
            for _ in 0..WRITES {
                let key = format!("client {client} key {}", random.below(KEYS));
                let value = i64::try_from(random.below(3)).unwrap();
                let new = item([("pk", text(&key)), ("n", number(value))]);
                let value = match random.below(4) {
                    0 => {
                        let delete = DeleteItem::new(SIMPLE, item([("pk", text(&key))]));
                        engine.delete_item(delete).await.unwrap();
                        None
                    }
                    1 => {
                        let writes = vec![BatchWrite::Put(new)];
                        let table = BatchWriteTable { table_name: SIMPLE.into(), writes };
                        engine.batch_write_item(BatchWriteItem { tables: vec![table] }).await.unwrap();
                        Some(value)
                    }
                    _ => {
                        engine.put_item(PutItem::new(SIMPLE, new)).await.unwrap();
                        Some(value)
                    }
                };
                acknowledged.insert(key, value);
            }
            acknowledged
        }
    });
    join_all(clients).await.into_iter().flatten().collect()
}

async fn check(engine: &Engine, acknowledged: Option<&BTreeMap<String, Option<i64>>>) {
    let stream = latest_stream(engine).await;
    let records = read_stream(engine, &stream).await;
    let table = items(engine).await;
    assert_eq!(play(&records), table);
    let mut events: Vec<u128> = records.iter().map(|record| record.event_id).collect();
    events.sort_unstable();
    events.dedup();
    assert_eq!(events.len(), records.len(), "every record has an id of its own");
    let Some(acknowledged) = acknowledged else { return };
    for (key, value) in acknowledged {
        let key = item([("pk", text(key))]).encode().into_bytes();
        let found = table.get(&key).map(|item| item["n"].clone());
        assert_eq!(found, value.map(number));
    }
}

#[test]
fn a_stream_tells_every_committed_change_once_and_in_order() {
    for seed in 1..=6 {
        let mut simulated = Simulated::open(Disk::new(), 2, seed);
        simulated.run(|engine| async move {
            create_with_stream(&engine, StreamViewType::NewAndOldImages).await;
        });
        for life in 0..6 {
            if life % 2 == 0 {
                // Acknowledged in full, then the power goes.
                simulated.run(move |engine| async move {
                    let acknowledged = write(&engine, seed * 100 + life).await;
                    check(&engine, Some(&acknowledged)).await;
                });
            } else {
                // The power goes in the middle.
                let time = Duration::from_micros(200 * (1 + (seed * 7 + life * 5) % 20));
                simulated.run_for(time, move |engine| async move {
                    write(&engine, seed * 100 + life).await;
                });
            }
            let shard_count = 1 + u16::try_from((seed + life) % 3).unwrap();
            simulated = Simulated::open(simulated.lose_power(), shard_count, seed * 1000 + life);
            simulated.run(|engine| async move { check(&engine, None).await });
        }
    }
}
