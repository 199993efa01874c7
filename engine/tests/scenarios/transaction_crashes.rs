//! Transactions over several shards under crashes: a bank whose money neither grows nor shrinks.
//!
//! Accounts lie on all shards. Clients move money between two or three of them, and each transfer leaves a receipt and
//! counts in its first account, so that a part of one shows; others read all accounts as of one moment, and write to
//! accounts plainly. The process crashes at some I/O event and starts again with any number of shards. After each start
//! the sums are right, every acknowledged transfer has its receipt, and a repeated token moves nothing.

use std::{cell::RefCell, collections::BTreeMap, path::Path, rc::Rc};

use basalt_engine::{
    CreateTable, Engine, Error, GetItem, PutItem, Scan, TokenSpace, TransactAction, TransactGet,
    TransactToken, TransactWrite, UpdateItem,
    model::{Item, Value, expression::Condition},
    runtime::{
        Handle, ShardIndex,
        sim::{
            CrashPolicy, Disk, Ended, Random, SimOptions, Simulation,
            planted::{PlantedBug, plant},
        },
    },
};

use crate::support::{condition, decoded, item, number, options, simple_schema, text, updating};

const TABLE: &str = "bank";
const ACCOUNTS: u64 = 9;
const BALANCE: i64 = 100;
const CLIENTS: u64 = 4;
const LEADER: ShardIndex = ShardIndex(0);
const SEEDS: u64 = 30;
/// Directories that a planted mistake may survive.
const SEEDS_WITH_MISTAKE: u64 = 300;
const ROUNDS: u32 = 6;

/// What clients were told, over all lives of one directory.
#[derive(Default)]
struct Told {
    is_open: bool,
    next_transfer: u64,
    /// Transfers that were acknowledged.
    acknowledged: Vec<u64>,
}

type SharedTold = Rc<RefCell<Told>>;

#[test]
fn transfers_are_whole_after_every_crash() {
    assert_eq!(first_failure(SEEDS), None);
}

#[test]
fn a_commit_without_a_durable_decision_is_found() {
    assert_found(PlantedBug::SkipDecision);
}

#[test]
fn prepared_items_that_a_start_forgets_are_found() {
    assert_found(PlantedBug::ForgetPrepared);
}

fn assert_found(bug: PlantedBug) {
    let _planted = plant(bug);
    assert!(first_failure(SEEDS_WITH_MISTAKE).is_some(), "{bug:?} was not found");
}

/// `SIM_SEED=7 cargo test -p basalt-engine --test scenarios transfers` runs one directory; `SIM_SEEDS=1000` runs more.
fn first_failure(seeds: u64) -> Option<String> {
    let given = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let range = match given("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..given("SIM_SEEDS").unwrap_or(seeds),
    };
    range.into_iter().find_map(|seed| Some(format!("SIM_SEED={seed}: {}", campaign(seed).err()?)))
}

fn campaign(seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let told = SharedTold::default();
    let mut disk = Disk::new();
    for round in 0..ROUNDS {
        let shard_count = u16::try_from(random.between(1, 4)).expect("a few");
        let mut options = SimOptions { shard_count, ..SimOptions::new(random.next_u64()) };
        // Short lives crash inside of a start.
        let life_max = if random.chance(250) { 60 } else { 600 };
        options.crash_at_event = Some(random.between(1, life_max));
        let mut simulation = Simulation::new(options, disk);
        let life =
            live(simulation.handle(LEADER), simulation.remotes().to_vec(), Rc::clone(&told), random.fork());
        match simulation.run_until(LEADER, life) {
            Ok(Ok(())) | Err(Ended::AtEvent) => {}
            Ok(Err(failure)) => return Err(format!("round {round}: {failure}")),
            Err(ended) => return Err(format!("round {round}: the process ended by itself: {ended:?}")),
        }
        disk = simulation.lose_power(CrashPolicy::Any);
    }
    Ok(())
}

/// A process: start, audit, then clients until they have done enough.
async fn live(
    leader: Handle,
    remotes: Vec<basalt_engine::runtime::Remote>,
    told: SharedTold,
    mut random: Random,
) -> Result<(), String> {
    let shard_count = u16::try_from(remotes.len()).expect("a few");
    let opened = Engine::open_on(leader.clone(), remotes, Path::new("/data"), options(shard_count)).await;
    let engine = opened.map_err(|error| error.to_string())?;
    if told.borrow().is_open {
        audit(&engine, &told).await?;
    } else {
        open_bank(&engine).await?;
        told.borrow_mut().is_open = true;
    }
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (engine, told, random) = (engine.clone(), Rc::clone(&told), random.fork());
            leader.spawn(async move {
                match client {
                    0 => watch(&engine, random).await,
                    1 => meddle(&engine, random).await,
                    _ => transfer(&engine, &told, random).await,
                }
            })
        })
        .collect();
    for client in clients {
        client.await?;
    }
    audit(&engine, &told).await
}

/// Accounts are there from the start on; a crash in between leaves some of them, which are put again.
async fn open_bank(engine: &Engine) -> Result<(), String> {
    match engine.create_table(CreateTable::new(TABLE, simple_schema())).await {
        Ok(_) | Err(Error::TableExists { .. }) => {}
        Err(error) => return Err(error.to_string()),
    }
    for account in 0..ACCOUNTS {
        let account = item([
            ("pk", text(&account_name(account))),
            ("balance", number(BALANCE)),
            ("transfers", number(0)),
        ]);
        engine.put_item(PutItem::new(TABLE, account)).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Moves money, with a receipt: every transfer all or nothing.
async fn transfer(engine: &Engine, told: &SharedTold, mut random: Random) -> Result<(), String> {
    for _ in 0..random.between(1, 8) {
        let id = {
            let mut told = told.borrow_mut();
            told.next_transfer += 1;
            told.next_transfer
        };
        let actions = transfer_of(id, &mut random);
        let token =
            random.coin().then(|| TransactToken::new(TokenSpace::TransactWriteItems, id.to_string(), &id));
        let request = TransactWrite { actions, token };
        match engine.transact_write(request.clone()).await {
            Ok(_) => told.borrow_mut().acknowledged.push(id),
            Err(Error::TransactionCanceled { .. }) => continue,
            Err(error) => return Err(error.to_string()),
        }
        if request.token.is_some() && random.coin() {
            let again = engine.transact_write(request).await.map_err(|error| error.to_string())?;
            if !again.is_replay {
                return Err(format!("transfer {id} ran twice"));
            }
        }
    }
    Ok(())
}

fn transfer_of(id: u64, random: &mut Random) -> Vec<TransactAction> {
    let from = random.below(ACCOUNTS);
    let to = (from + random.between(1, ACCOUNTS - 1)) % ACCOUNTS;
    let sum = i64::try_from(random.between(1, 30)).expect("little");
    let sum = [(":sum", number(sum)), (":one", number(1))];
    let taken = updating("SET balance = balance - :sum, transfers = transfers + :one", &sum);
    let given = updating("SET balance = balance + :sum", &sum[..1]);
    let covered: Condition = condition("balance >= :sum", &sum[..1]);
    vec![
        TransactAction::Put(PutItem::new(TABLE, item([("pk", text(&receipt_name(id))), ("n", number(1))]))),
        TransactAction::Update(UpdateItem {
            condition: Some(covered),
            ..UpdateItem::new(TABLE, account_key(from), taken)
        }),
        TransactAction::Update(UpdateItem::new(TABLE, account_key(to), given)),
    ]
}

/// Reads all accounts as of one moment: the sum is always the same.
async fn watch(engine: &Engine, mut random: Random) -> Result<(), String> {
    for _ in 0..random.between(1, 12) {
        let reads = (0..ACCOUNTS).map(|account| GetItem::new(TABLE, account_key(account))).collect();
        match engine.transact_get(TransactGet { reads }).await {
            Ok(output) => {
                let accounts = output.reads.iter().filter_map(|read| read.item.as_ref().map(decoded));
                check_sum(accounts)?;
            }
            Err(Error::TransactionCanceled { .. }) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

/// Writes to accounts without a transaction, and changes no sum.
async fn meddle(engine: &Engine, mut random: Random) -> Result<(), String> {
    for touch in 0..random.between(1, 20) {
        let touched = updating("SET touched = :n", &[(":n", number(touch as i64))]);
        let update = UpdateItem::new(TABLE, account_key(random.below(ACCOUNTS)), touched);
        match engine.update_item(update).await {
            Ok(_) | Err(Error::TransactionConflict) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

/// Compares everything that is there with what clients were told.
async fn audit(engine: &Engine, told: &SharedTold) -> Result<(), String> {
    let page = engine.scan(Scan::new(TABLE)).await.map_err(|error| error.to_string())?;
    let items: BTreeMap<String, Item> =
        page.items.iter().map(decoded).map(|item| (name_of(&item), item)).collect();
    let accounts = || (0..ACCOUNTS).filter_map(|account| items.get(&account_name(account)).cloned());
    check_sum(accounts())?;
    let receipts = items.keys().filter(|name| name.starts_with("receipt")).count() as i64;
    let transfers: i64 = accounts().map(|account| integer(&account, "transfers")).sum();
    if receipts != transfers {
        return Err(format!("{receipts} receipts for {transfers} transfers"));
    }
    let lost = told.borrow().acknowledged.iter().find(|id| !items.contains_key(&receipt_name(**id))).copied();
    match lost {
        Some(id) => Err(format!("transfer {id} was acknowledged and is gone")),
        None => writable(engine).await,
    }
}

/// No item is locked for good.
async fn writable(engine: &Engine) -> Result<(), String> {
    for account in 0..ACCOUNTS {
        let seen = updating("SET seen = :one", &[(":one", number(1))]);
        let update = UpdateItem::new(TABLE, account_key(account), seen);
        engine.update_item(update).await.map_err(|error| format!("account {account}: {error}"))?;
    }
    Ok(())
}

fn check_sum(accounts: impl Iterator<Item = Item>) -> Result<(), String> {
    let sum: i64 = accounts.map(|account| integer(&account, "balance")).sum();
    let wanted = BALANCE * ACCOUNTS as i64;
    if sum == wanted { Ok(()) } else { Err(format!("{sum} in the bank, should be {wanted}")) }
}

fn integer(item: &Item, name: &str) -> i64 {
    match item.get(name) {
        Some(Value::N(number)) => number.to_string().parse().expect("whole numbers"),
        other => panic!("{name} is {other:?}"),
    }
}

fn name_of(item: &Item) -> String {
    match item.get("pk") {
        Some(Value::S(name)) => name.clone(),
        other => panic!("pk is {other:?}"),
    }
}

fn account_key(account: u64) -> Item {
    item([("pk", text(&account_name(account)))])
}

fn account_name(account: u64) -> String {
    format!("account {account}")
}

fn receipt_name(id: u64) -> String {
    format!("receipt {id}")
}
