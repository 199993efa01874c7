//! Time to live: what is removed, when, and what is not.

use std::time::Duration;

use basalt_engine::{
    Cause, CreateTable, Engine, Error, ItemEvent, PutItem, Scan, StreamViewType, TimeToLiveChange,
    TimeToLiveStatus, UpdateItem, UpdateTimeToLive,
    model::Value,
    runtime::{
        UnixTime, join_all,
        sim::{
            Disk,
            planted::{PlantedBug, plant},
        },
    },
};

use crate::{
    simulated::Simulated,
    stream_reading::{create_with_stream, play, read_stream},
    support::{SIMPLE, decimal, item, number, simple_schema, text, updating},
};

const SOON: Duration = Duration::from_secs(3);
/// More than the entries of removals that are under way at once take.
const MANY_ITEMS: usize = 1500;

fn now(engine: &Engine) -> i64 {
    let local = engine.local().expect("tests run on a shard");
    i64::try_from(local.handle().unix_time().as_secs()).unwrap()
}

async fn put(engine: &Engine, key: &str, expiry: Value) {
    let item = item([("pk", text(key)), ("expires", expiry)]);
    engine.put_item(PutItem::new(SIMPLE, item)).await.expect("the item is stored");
}

async fn change(engine: &Engine, attribute: &str, change: TimeToLiveChange) -> Result<(), Error> {
    let update = UpdateTimeToLive { table_name: SIMPLE.into(), attribute: attribute.into(), change };
    engine.update_time_to_live(update).await
}

async fn status(engine: &Engine) -> Option<TimeToLiveStatus> {
    engine.describe_time_to_live(SIMPLE).await.unwrap().map(|setting| setting.status)
}

/// The keys of the items that are left.
async fn left(engine: &Engine) -> Vec<String> {
    let page = engine.scan(Scan::new(SIMPLE)).await.unwrap();
    let mut keys: Vec<String> = page
        .items
        .iter()
        .map(|item| match item.as_item().to_item().unwrap().remove("pk") {
            Some(Value::S(key)) => key,
            other => panic!("a key is text, not {other:?}"),
        })
        .collect();
    keys.sort();
    keys
}

async fn create(engine: &Engine) {
    engine.create_table(CreateTable::new(SIMPLE, simple_schema())).await.unwrap();
    change(engine, "expires", TimeToLiveChange::Enable).await.unwrap();
}

#[test]
fn items_leave_within_seconds_of_their_expiry_and_no_sooner() {
    let mut simulated = Simulated::open(Disk::new(), 2, 1);
    simulated.run(|engine| async move {
        create(&engine).await;
        let now = now(&engine);
        put(&engine, "soon", number(now + 20)).await;
        put(&engine, "later", number(now + 60)).await;
        for (key, expiry) in [
            ("text", text(&now.to_string())),
            ("five years old", number(now - 6 * 366 * 86_400)),
            ("zero", number(0)),
            ("milliseconds", number(now * 1000)),
            ("huge", Value::N(decimal("1E100"))),
            ("list", Value::L(vec![number(now)])),
        ] {
            put(&engine, key, expiry).await;
        }
    });
    let stay = ["five years old", "huge", "list", "milliseconds", "text", "zero"];
    let with = |more: &[&'static str]| {
        let mut keys: Vec<&str> = stay.iter().chain(more).copied().collect();
        keys.sort_unstable();
        keys
    };
    simulated.wait(Duration::from_secs(18));
    assert_eq!(simulated.run(|engine| async move { left(&engine).await }), with(&["later", "soon"]));
    simulated.wait(Duration::from_secs(2) + SOON);
    assert_eq!(simulated.run(|engine| async move { left(&engine).await }), with(&["later"]));
    simulated.wait(Duration::from_secs(60));
    assert_eq!(simulated.run(|engine| async move { left(&engine).await }), with(&[]));
}

#[test]
fn the_stream_tells_that_the_database_removed_the_item() {
    let mut simulated = Simulated::open(Disk::new(), 1, 1);
    let stream = simulated.run(|engine| async move {
        let stream = create_with_stream(&engine, StreamViewType::NewAndOldImages).await;
        change(&engine, "expires", TimeToLiveChange::Enable).await.unwrap();
        put(&engine, "a", number(now(&engine) - 5)).await;
        stream
    });
    simulated.wait(SOON);
    simulated.run(|engine| async move {
        let records = read_stream(&engine, &stream).await;
        let told: Vec<_> = records.iter().map(|record| (record.event, record.cause)).collect();
        assert_eq!(told, [(ItemEvent::Insert, Cause::Client), (ItemEvent::Remove, Cause::TimeToLive)]);
        assert_eq!(records[1].old_image, records[0].new_image);
    });
}

/// Items whose expiry was moved, taken away or given, in one way each.
fn moved() -> (Simulated, i64) {
    let mut simulated = Simulated::open(Disk::new(), 1, 1);
    let now = simulated.run(|engine| async move {
        create(&engine).await;
        let now = now(&engine);
        for key in ["sooner", "later", "removed"] {
            put(&engine, key, number(now + 50)).await;
        }
        put(&engine, "given", text("none")).await;
        let update = async |key: &str, expression: &str, value: i64| {
            let values = [(":v", number(value))];
            let values = if expression.starts_with("SET") { &values[..] } else { &[] };
            let update = updating(expression, values);
            engine.update_item(UpdateItem::new(SIMPLE, item([("pk", text(key))]), update)).await.unwrap();
        };
        update("sooner", "SET expires = :v", now + 20).await;
        update("later", "SET expires = :v", now + 80).await;
        update("removed", "REMOVE expires", 0).await;
        update("given", "SET expires = :v", now + 20).await;
        now
    });
    (simulated, now)
}

#[test]
fn an_item_expires_by_the_attribute_that_it_has_now() {
    let (mut simulated, _now) = moved();
    let mut left = |seconds| {
        simulated.wait(Duration::from_secs(seconds));
        simulated.run(|engine| async move { left(&engine).await })
    };
    assert_eq!(left(25), ["later", "removed"]);
    assert_eq!(left(30), ["later", "removed"]);
    assert_eq!(left(30), ["removed"]);
}

#[test]
fn a_forgotten_move_of_an_expiry_is_found() {
    let _planted = plant(PlantedBug::ForgetMovedExpiry);
    let (mut simulated, _now) = moved();
    simulated.wait(Duration::from_secs(25));
    let left = simulated.run(|engine| async move { left(&engine).await });
    assert_ne!(left, ["later", "removed"], "what an_item_expires_by_the_attribute_that_it_has_now asserts");
}

#[test]
fn a_live_table_is_filled_by_steps_that_survive_a_loss_of_power() {
    for microseconds in [300, 900, 2_000, 5_000, 20_000] {
        let mut simulated = Simulated::open(Disk::new(), 2, microseconds);
        simulated.run(|engine| async move {
            engine.create_table(CreateTable::new(SIMPLE, simple_schema())).await.unwrap();
            let now = now(&engine);
            for index in 0..1500 {
                let expiry = if index % 3 == 0 { text("never") } else { number(now) };
                put(&engine, &format!("key {index}"), expiry).await;
            }
        });
        simulated.run_for(Duration::from_micros(microseconds), |engine| async move {
            change(&engine, "expires", TimeToLiveChange::Enable).await.unwrap();
        });
        let calendar = simulated.unix_time();
        let mut reopened = Simulated::open(simulated.lose_power(), 3, microseconds + 1);
        reopened.set_unix_time(calendar);
        reopened.run(|engine| async move {
            if status(&engine).await.is_none() {
                // The power went before the change was durable.
                change(&engine, "expires", TimeToLiveChange::Enable).await.unwrap();
            }
        });
        reopened.wait(SOON);
        reopened.run(|engine| async move {
            assert_eq!(status(&engine).await, Some(TimeToLiveStatus::Enabled));
            assert_eq!(left(&engine).await.len(), 500);
        });
    }
}

#[test]
fn more_items_than_are_removed_at_once_each_leave_once() {
    let mut simulated = Simulated::open(Disk::new(), 2, 4);
    let stream = simulated.run(|engine| async move {
        let stream = create_with_stream(&engine, StreamViewType::NewAndOldImages).await;
        change(&engine, "expires", TimeToLiveChange::Enable).await.unwrap();
        let expiry = now(&engine) - 5;
        let keys: Vec<String> = (0..MANY_ITEMS).map(|index| index.to_string()).collect();
        join_all(keys.iter().map(|key| put(&engine, key, number(expiry)))).await;
        stream
    });
    simulated.wait(SOON);
    simulated.run(|engine| async move {
        assert!(left(&engine).await.is_empty());
        let records = read_stream(&engine, &stream).await;
        assert!(play(&records).is_empty());
        let by_database = records.iter().filter(|record| record.cause == Cause::TimeToLive).count();
        assert_eq!((records.len(), by_database), (2 * MANY_ITEMS, MANY_ITEMS));
    });
}

#[test]
fn nothing_expires_once_it_is_disabled_and_another_attribute_can_be_named() {
    let mut simulated = Simulated::open(Disk::new(), 2, 1);
    simulated.run(|engine| async move {
        create(&engine).await;
        let expiry = now(&engine) + 20;
        for index in 0..700 {
            let item = item([
                ("pk", text(&format!("key {index}"))),
                ("expires", number(expiry)),
                ("other", if index < 10 { number(expiry + 10) } else { text("never") }),
            ]);
            engine.put_item(PutItem::new(SIMPLE, item)).await.unwrap();
        }
        let told = |refused: Result<(), Error>| refused.unwrap_err().to_string();
        assert_eq!(
            told(change(&engine, "expires", TimeToLiveChange::Enable).await),
            "TimeToLive is already enabled"
        );
        change(&engine, "expires", TimeToLiveChange::Disable).await.unwrap();
    });
    simulated.wait(SOON);
    simulated.run(|engine| async move {
        assert_eq!(status(&engine).await, None);
        change(&engine, "other", TimeToLiveChange::Enable).await.unwrap();
    });
    simulated.wait(Duration::from_secs(20));
    assert_eq!(simulated.run(|engine| async move { left(&engine).await.len() }), 700);
    simulated.wait(Duration::from_secs(15));
    assert_eq!(simulated.run(|engine| async move { left(&engine).await.len() }), 690);
}

#[test]
fn nothing_expires_while_the_clock_is_set_back() {
    let mut simulated = Simulated::open(Disk::new(), 1, 1);
    let two_hours = 7_200_000_000;
    let later = UnixTime::from_micros(simulated.unix_time().as_micros() + two_hours);
    simulated.set_unix_time(later);
    simulated.run(|engine| async move { create(&engine).await });
    // Enabled, and looked for expired items once.
    simulated.wait(Duration::from_millis(500));
    simulated.run(|engine| async move {
        assert_eq!(status(&engine).await, Some(TimeToLiveStatus::Enabled));
        put(&engine, "expired", number(now(&engine) - 100_000)).await;
    });
    // The next life begins two hours before that, and knows of it by the entries alone.
    let mut reopened = Simulated::open(simulated.lose_power(), 1, 2);
    assert!(reopened.unix_time() < later);
    reopened.wait(SOON);
    assert_eq!(reopened.run(|engine| async move { left(&engine).await }), ["expired"]);
    reopened.set_unix_time(later);
    reopened.wait(SOON);
    assert_eq!(reopened.run(|engine| async move { left(&engine).await }), [""; 0]);
    // Within one life the shard itself remembers.
    reopened.run(|engine| async move {
        put(&engine, "expired too", number(now(&engine) - 100_000)).await;
    });
    reopened.set_unix_time(UnixTime::from_micros(later.as_micros() - 900_000));
    reopened.wait(Duration::from_millis(850));
    assert_eq!(reopened.run(|engine| async move { left(&engine).await }), ["expired too"]);
    reopened.wait(2 * SOON);
    assert_eq!(reopened.run(|engine| async move { left(&engine).await }), [""; 0]);
}
