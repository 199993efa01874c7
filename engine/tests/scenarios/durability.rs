//! What was acknowledged is there after a close, a kill and a loss of power, whatever the number of shards.

use basalt_engine::{
    BatchWrite, BatchWriteItem, BatchWriteTable, CreateTable, Engine, GetItem, ListTables, PutItem, Scan,
    runtime::sim::Disk,
};

use crate::{
    simulated::Simulated,
    support::{SIMPLE, item, number, simple_schema, text},
};

const ITEM_COUNT: i64 = 60;
/// The file of partition 0.
const CATALOG_FILE: &str = "/data/part/00/0000000000000000.pt";

async fn fill(engine: Engine) {
    engine.create_table(CreateTable::new(SIMPLE, simple_schema())).await.unwrap();
    for index in 0..ITEM_COUNT {
        let item = item([("pk", text(&format!("key {index}"))), ("n", number(index))]);
        engine.put_item(PutItem::new(SIMPLE, item)).await.unwrap();
    }
}

async fn check_filled(engine: Engine) {
    for index in 0..ITEM_COUNT {
        let key = item([("pk", text(&format!("key {index}")))]);
        let read =
            engine.get_item(GetItem::new(SIMPLE, key)).await.unwrap().item.expect("an acknowledged item");
        assert_eq!(read.as_item().to_item().unwrap().get("n"), Some(&number(index)));
    }
    let page = engine.scan(Scan::new(SIMPLE)).await.unwrap();
    assert_eq!(page.count, ITEM_COUNT as u64);
}

fn filled(shard_count: u16) -> Simulated {
    let mut simulated = Simulated::open(Disk::new(), shard_count, 1);
    simulated.run(fill);
    simulated
}

#[test]
fn items_survive_a_clean_close() {
    let disk = filled(2).close();
    Simulated::open(disk, 2, 2).run(check_filled);
}

#[test]
fn items_survive_a_kill() {
    let disk = filled(2).kill();
    Simulated::open(disk, 2, 2).run(check_filled);
}

#[test]
fn items_survive_a_loss_of_power() {
    for shard_count in 1..=3 {
        let disk = filled(shard_count).lose_power();
        Simulated::open(disk, shard_count, 2).run(check_filled);
    }
}

#[test]
fn every_shard_count_finds_what_every_other_one_wrote() {
    for before in 1..=3 {
        for after in 1..=3 {
            let disk = filled(before).lose_power();
            let mut reopened = Simulated::open(disk, after, 2);
            reopened.run(check_filled);
            // And once more, after the foreign log has been let go of.
            let disk = reopened.close();
            Simulated::open(disk, before, 3).run(check_filled);
        }
    }
}

#[test]
fn tables_and_their_identity_survive() {
    let mut simulated = filled(2);
    let before = simulated.run(|engine| async move { engine.describe_table(SIMPLE).await.unwrap() });
    let mut reopened = Simulated::open(simulated.lose_power(), 3, 2);
    let after = reopened.run(|engine| async move { engine.describe_table(SIMPLE).await.unwrap() });
    assert_eq!(after.table_id, before.table_id);
    assert_eq!(after.created_unix_us, before.created_unix_us);
    assert_eq!(after.key_schema, before.key_schema);
    assert_eq!(reopened.engine().recovery_report().table_count, 1);
}

#[test]
fn a_deleted_table_does_not_come_back_and_its_numbers_are_not_given_again() {
    let mut simulated = filled(2);
    simulated.run(|engine| async move { engine.delete_table(SIMPLE).await.unwrap() });
    let mut reopened = Simulated::open(simulated.lose_power(), 2, 2);
    reopened.run(|engine| async move {
        assert!(engine.list_tables(ListTables::default()).await.unwrap().table_names.is_empty());
        engine.create_table(CreateTable::new(SIMPLE, simple_schema())).await.unwrap();
        assert_eq!(engine.scan(Scan::new(SIMPLE)).await.unwrap().count, 0, "nothing of the old table shows");
        engine.put_item(PutItem::new(SIMPLE, item([("pk", text("new"))]))).await.unwrap();
    });
    let mut again = Simulated::open(reopened.lose_power(), 1, 3);
    again.run(|engine| async move {
        assert_eq!(engine.scan(Scan::new(SIMPLE)).await.unwrap().count, 1);
    });
}

#[test]
fn a_batch_shares_its_syncs() {
    let mut simulated = Simulated::open(Disk::new(), 1, 1);
    simulated.run(|engine| async move {
        engine.create_table(CreateTable::new(SIMPLE, simple_schema())).await.unwrap();
    });
    let items = || (0..25).map(|index| item([("pk", text(&format!("key {index}")))]));
    let writes = items().map(BatchWrite::Put).collect();
    let table = BatchWriteTable { table_name: SIMPLE.into(), writes };

    let started = simulated.now();
    simulated.run(|engine| async move {
        engine.batch_write_item(BatchWriteItem { tables: vec![table] }).await.unwrap();
    });
    let together = simulated.now() - started;

    let started = simulated.now();
    simulated.run(move |engine| async move {
        for mut item in items() {
            item.insert("again".to_owned(), number(1));
            engine.put_item(PutItem::new(SIMPLE, item)).await.unwrap();
        }
    });
    let one_by_one = simulated.now() - started;
    assert!(together * 5 < one_by_one, "{together:?} together, {one_by_one:?} one by one");
}

#[test]
fn a_thousand_tables_made_and_dropped_leave_no_file_behind() {
    let mut simulated = Simulated::open(Disk::new(), 2, 1);
    simulated.run(|engine| async move {
        for index in 0..1000 {
            let name = format!("table-{index}");
            engine.create_table(CreateTable::new(&name, simple_schema())).await.unwrap();
            engine.delete_table(&name).await.unwrap();
        }
        assert!(engine.list_tables(ListTables::default()).await.unwrap().table_names.is_empty());
    });
    let partition_files: Vec<String> = simulated
        .files()
        .into_iter()
        .filter(|path| path.contains("/part/") && path != CATALOG_FILE)
        .collect();
    assert_eq!(partition_files, [""; 0], "tables cost nothing but the catalog's entries");
}
