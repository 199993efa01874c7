//! Throughput: who is let in, who is held back, and when again. Time is simulated, so nobody waits.

use std::time::Duration;

use basalt_engine::{
    BatchGetItem, BatchGetTable, BatchWrite, BatchWriteItem, BatchWriteTable, BillingMode, Consistency,
    CreateTable, Engine, Error, GetItem, MaximumChange, OnDemandMaximum, PutItem, Scan, Throttled,
    ThrottledAccess, ThrottlingLimit, ThroughputChange, UpdateTable, model::Item, runtime::sim::Disk,
};

use crate::{
    simulated::Simulated,
    support::{condition, item, simple_schema, text},
};

const BURST_SECONDS: usize = 300;

fn provisioned(read_capacity_units: u64, write_capacity_units: u64) -> BillingMode {
    BillingMode::Provisioned { read_capacity_units, write_capacity_units }
}

fn create(billing_mode: BillingMode) -> CreateTable {
    CreateTable { billing_mode, ..CreateTable::new("table", simple_schema()) }
}

fn key(number: usize) -> Item {
    item([("pk", text(&number.to_string()))])
}

async fn put(engine: &Engine, number: usize) -> Result<(), Error> {
    engine.put_item(PutItem::new("table", key(number))).await.map(drop)
}

async fn get(engine: &Engine, number: usize) -> Result<(), Error> {
    engine.get_item(GetItem::new("table", key(number))).await.map(drop)
}

async fn pass(engine: &Engine, seconds: u64) {
    let local = engine.local().expect("the test runs on a shard");
    local.handle().sleep(Duration::from_secs(seconds)).await;
}

/// Tries until it is held back; tells how often it was let in, which five minutes of capacity and the time that
/// passed must explain.
async fn use_up(
    engine: &Engine,
    units_per_second: usize,
    operation: impl AsyncFn(usize) -> Result<(), Error>,
) -> Throttled {
    let handle = engine.local().expect("the test runs on a shard").handle().clone();
    let start = handle.now();
    for count in 0.. {
        let Err(error) = operation(count).await else { continue };
        let burst = BURST_SECONDS * units_per_second;
        let earned = (handle.now() - start).as_secs_f64().ceil() as usize * units_per_second;
        assert!(
            (burst..=burst + earned).contains(&count),
            "{count} were let in, {burst} and {earned} could be"
        );
        return throttled(error);
    }
    unreachable!("buckets run dry")
}

fn run<F: Future<Output = ()> + 'static>(test: impl FnOnce(Engine) -> F) {
    Simulated::open(Disk::new(), 2, 1).run(test);
}

fn throttled(error: Error) -> Throttled {
    match error {
        Error::Throttled(throttled) => throttled,
        other => panic!("throttled, not {other:?}"),
    }
}

#[test]
fn a_provisioned_table_takes_five_minutes_of_writes_at_once_then_its_rate() {
    run(|engine| async move {
        engine.create_table(create(provisioned(1, 2))).await.unwrap();
        let refused = use_up(&engine, 2, |number| put(&engine, number)).await;
        assert_eq!(
            refused,
            Throttled {
                table_arn: "arn:aws:dynamodb:us-east-1:123456789012:table/table".to_owned(),
                index_names: Vec::new(),
                access: ThrottledAccess::Write,
                limit: ThrottlingLimit::Provisioned,
            }
        );
        get(&engine, 0).await.expect("reads have capacity of their own");
        pass(&engine, 10).await;
        for number in 0..20 {
            put(&engine, number).await.unwrap();
        }
    });
}

#[test]
fn reads_are_held_back_item_by_item_and_page_by_page() {
    run(|engine| async move {
        engine.create_table(create(provisioned(1, 100))).await.unwrap();
        put(&engine, 0).await.unwrap();
        // Eventually consistent reads cost half a unit.
        let refused = use_up(&engine, 2, |_| get(&engine, 0)).await;
        assert_eq!((refused.access, refused.limit), (ThrottledAccess::Read, ThrottlingLimit::Provisioned));
        let scan = engine.scan(Scan::new("table")).await;
        assert_eq!(throttled(scan.unwrap_err()).access, ThrottledAccess::Read);
        pass(&engine, 1).await;
        engine.scan(Scan::new("table")).await.unwrap();
    });
}

#[test]
fn on_demand_tables_are_held_to_their_maxima_alone() {
    run(|engine| async move {
        let on_demand_maximum = OnDemandMaximum { read_units: None, write_units: Some(1) };
        let create = CreateTable { on_demand_maximum, ..create(BillingMode::PayPerRequest) };
        engine.create_table(create).await.unwrap();
        let refused = use_up(&engine, 1, |number| put(&engine, number)).await;
        assert_eq!(refused.limit, ThrottlingLimit::OnDemandMaximum);
        for number in 0..10 * BURST_SECONDS {
            get(&engine, number).await.expect("reads have no maximum");
        }
        let free = ThroughputChange { write_maximum: MaximumChange::Remove, ..ThroughputChange::default() };
        let update = UpdateTable { table_name: "table".into(), throughput: free, ..UpdateTable::default() };
        engine.update_table(update).await.unwrap();
        put(&engine, 0).await.expect("without a maximum everybody is let in");
    });
}

#[test]
fn more_throughput_helps_at_once_and_other_changes_do_not() {
    run(|engine| async move {
        engine.create_table(create(provisioned(1, 1))).await.unwrap();
        use_up(&engine, 1, |number| put(&engine, number)).await;
        let update = |billing_mode, protected| UpdateTable {
            table_name: "table".into(),
            billing_mode,
            deletion_protection: protected,
            ..UpdateTable::default()
        };
        let protect = Some(basalt_engine::DeletionProtection::Enabled);
        engine.update_table(update(None, protect)).await.unwrap();
        put(&engine, 0).await.expect_err("another setting fills no bucket");
        engine.update_table(update(Some(provisioned(1, 100)), None)).await.unwrap();
        pass(&engine, 2).await;
        for number in 0..100 {
            put(&engine, number).await.unwrap();
        }
    });
}

#[test]
fn conditions_that_fail_are_paid_for() {
    run(|engine| async move {
        engine.create_table(create(provisioned(1, 1))).await.unwrap();
        put(&engine, 0).await.unwrap();
        let refused = PutItem {
            condition: Some(condition("attribute_not_exists(pk)", &[])),
            ..PutItem::new("table", key(0))
        };
        pass(&engine, 10).await;
        use_up(&engine, 1, async |_| match engine.put_item(refused.clone()).await {
            Err(Error::ConditionalCheckFailed { .. }) => Ok(()),
            other => other.map(drop),
        })
        .await;
    });
}

#[test]
fn batches_do_what_they_may_and_fail_only_as_a_whole() {
    run(|engine| async move {
        engine.create_table(create(provisioned(1, 1))).await.unwrap();
        use_up(&engine, 1, |number| put(&engine, number)).await;
        pass(&engine, 1).await;
        let writes = |count: usize| BatchWriteItem {
            tables: vec![BatchWriteTable {
                table_name: "table".into(),
                writes: (0..count).map(|number| BatchWrite::Put(key(number))).collect(),
            }],
        };
        let written = engine.batch_write_item(writes(5)).await.unwrap();
        assert_eq!(written.tables[0].unprocessed.len(), 4, "one second brings one unit");
        throttled(engine.batch_write_item(writes(5)).await.unwrap_err());

        let reads = |count: usize| BatchGetItem {
            tables: vec![BatchGetTable {
                table_name: "table".into(),
                keys: (0..count).map(key).collect(),
                projection: None,
                consistency: Consistency::Strong,
            }],
        };
        use_up(&engine, 1, async |_| engine.batch_get_item(reads(1)).await.map(drop)).await;
        pass(&engine, 1).await;
        let read = engine.batch_get_item(reads(3)).await.unwrap();
        assert_eq!((read.tables[0].items.len(), read.tables[0].unprocessed_keys.len()), (1, 2));
        throttled(engine.batch_get_item(reads(3)).await.unwrap_err());
    });
}

#[test]
fn who_switches_enforcement_off_is_always_let_in() {
    let options = basalt_engine::EngineOptions {
        in_memory: true,
        enforce_throughput: false,
        ..crate::support::options(1)
    };
    let engine = Engine::open("basalt-in-memory", options).unwrap().blocking();
    engine.create_table(create(provisioned(1, 1))).unwrap();
    for number in 0..2 * BURST_SECONDS {
        engine.put_item(PutItem::new("table", key(number))).unwrap();
    }
    engine.close().unwrap();
}
