//! Tokens of transactions whose tables are deleted: they answer for their ten minutes, whatever crashes and whatever
//! takes the tables' names.

use std::time::Duration;

use basalt_engine::{
    CreateTable, Engine, GetItem, PutItem, TokenSpace, TransactAction, TransactToken, TransactWrite,
    runtime::sim::{Disk, Random},
};

use crate::{
    seeds::for_each_seed,
    simulated::Simulated,
    support::{SIMPLE, item, simple_schema, text},
};

const TOKEN_LIFETIME: Duration = Duration::from_mins(10);
/// One item of the first transaction, so that it is on one shard; enough of the second that it is on several.
const ITEM_COUNTS: [usize; 2] = [1, 20];

/// Puts some items, under a token of its own for each number of them.
fn request(item_count: usize) -> TransactWrite {
    let put = |key: usize| {
        let item = item([("pk", text(&format!("{item_count}.{key}")))]);
        TransactAction::Put(PutItem::new(SIMPLE, item))
    };
    let token = TransactToken {
        space: TokenSpace::TransactWriteItems,
        token: format!("once {item_count}"),
        digest: item_count as u128,
    };
    TransactWrite { actions: (0..item_count).map(put).collect(), token: Some(token) }
}

/// Whether each transaction was answered again, rather than run.
async fn replays(engine: &Engine) -> Vec<bool> {
    let mut replays = Vec::new();
    for item_count in ITEM_COUNTS {
        let output = engine.transact_write(request(item_count)).await.expect("nothing stands against it");
        replays.push(output.is_replay);
    }
    replays
}

async fn create(engine: &Engine) {
    engine.create_table(CreateTable::new(SIMPLE, simple_schema())).await.expect("the name is free");
}

async fn has_items(engine: &Engine) -> bool {
    let get = GetItem::new(SIMPLE, item([("pk", text("1.0"))]));
    engine.get_item(get).await.unwrap().item.is_some()
}

/// Partitions of all shards that were ever written to, the catalog's own among them.
async fn partition_count(engine: &Engine) -> usize {
    engine.metrics().await.unwrap().iter().map(|shard| shard.partition_count).sum()
}

#[test]
fn a_repeated_request_does_not_run_on_a_table_that_was_made_again() {
    for shard_count in 1..=3 {
        let mut simulated = Simulated::open(Disk::new(), shard_count, 1);
        simulated.run(|engine| async move {
            create(&engine).await;
            assert_eq!(replays(&engine).await, [false, false]);
            engine.delete_table(SIMPLE).await.unwrap();
            create(&engine).await;
            assert_eq!(replays(&engine).await, [true, true]);
            assert!(!has_items(&engine).await, "it did not run");
        });
        simulated.wait(TOKEN_LIFETIME / 2);
        // Another number of shards: tokens and partitions change their owners.
        let mut reopened = Simulated::open(simulated.lose_power(), shard_count % 3 + 1, 2);
        reopened.run(|engine| async move {
            assert_eq!(replays(&engine).await, [true, true]);
            assert!(!has_items(&engine).await, "it did not run after the start either");
        });
    }
}

#[test]
fn tokens_that_have_had_their_time_keep_nothing_of_a_deleted_table() {
    let mut simulated = Simulated::open(Disk::new(), 2, 3);
    simulated.run(|engine| async move {
        create(&engine).await;
        assert_eq!(replays(&engine).await, [false, false]);
        engine.delete_table(SIMPLE).await.unwrap();
        assert!(partition_count(&engine).await > 1, "the tokens' partitions are there");
    });
    simulated.wait(TOKEN_LIFETIME + Duration::from_mins(3));
    let mut reopened = Simulated::open(simulated.lose_power(), 2, 4);
    reopened.run(|engine| async move {
        assert_eq!(partition_count(&engine).await, 1, "the catalog's");
        create(&engine).await;
        assert_eq!(replays(&engine).await, [false, false]);
        assert!(has_items(&engine).await);
    });
}

#[test]
fn a_table_whose_tokens_have_had_their_time_leaves_nothing_at_once() {
    let mut simulated = Simulated::open(Disk::new(), 2, 5);
    simulated.run(|engine| async move {
        create(&engine).await;
        assert_eq!(replays(&engine).await, [false, false]);
    });
    simulated.wait(TOKEN_LIFETIME + Duration::from_secs(1));
    simulated.run(|engine| async move { drop(engine.delete_table(SIMPLE).await.unwrap()) });
    simulated.wait(Duration::from_secs(1));
    simulated.run(|engine| async move { assert_eq!(partition_count(&engine).await, 1, "the catalog's") });
}

#[test]
fn a_crash_while_a_table_with_tokens_is_deleted_forgets_none() {
    for_each_seed(0..24, |seed| {
        let mut random = Random::new(seed);
        let mut simulated = Simulated::open(Disk::new(), 2, seed);
        simulated.run(|engine| async move {
            create(&engine).await;
            assert_eq!(replays(&engine).await, [false, false]);
        });
        simulated.crash_in(random.between(1, 40));
        simulated.run_or_crash(|engine| async move {
            engine.delete_table(SIMPLE).await.unwrap();
            create(&engine).await;
        });
        let shard_count = 1 + u16::try_from(random.below(3)).unwrap();
        let mut reopened = Simulated::open(simulated.lose_power(), shard_count, seed);
        reopened.run(|engine| async move {
            if engine.describe_table(SIMPLE).await.is_err() {
                create(&engine).await;
            }
            assert_eq!(replays(&engine).await, [true, true]);
        });
    });
}
