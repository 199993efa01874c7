//! The whole engine: tables, several shards, clients that talk to it as programs do, crashes, other shard counts.
//!
//! Storage's own rungs know the order of entries and prove every state between them. Here clients see only answers, so
//! each client works on items of its own and knows exactly what they must be, but for what it was doing when the
//! process died: that is there or not, whole or not at all where the operation promises it (`ledger`). What others
//! hold is read too, and must be one of the states that their owners know of. Each start also reads both indexes of
//! every table, and its stream, which must tell how every item came to be what it is (`streams`).

mod client;
mod ledger;
mod requests;
mod streams;
mod verify;

use self::client::{Administrator, Client};
use self::ledger::Ledger;
use self::verify::Streams;
use crate::lives::{Lives, Stop};
use crate::oracle::Violation;
use crate::round::{RoundOptions, SeedReport};
use basalt_engine::{Engine, EngineOptions};
use basalt_runtime::sim::{Disk, Random, Simulation};
use basalt_runtime::{ShardIndex, Task};
use basalt_storage::StoreOptions;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

const DIRECTORY: &str = "/data";
/// The shard that leads a start.
const LEADER: ShardIndex = ShardIndex(0);
/// Clients that work on items, at most.
const CLIENTS_MAX: u64 = 6;
/// I/O events that an operation causes, at most, as far as crashes are aimed by it.
const EVENTS_PER_OPERATION: u64 = 4;
/// A few large items.
const PARTITION_BYTES_MAX: u64 = 64 << 10;
const PARTITION_CHECK_INTERVAL: Duration = Duration::from_millis(3);
/// Chance that a process whose clients are done ends in good order, of 1000.
const CLEAN_CLOSE_PERMILLE: u32 = 200;
/// Chance that a process is left alone when its clients are done, and does not crash before, of 1000.
const REST_PERMILLE: u32 = 50;
/// Longer than the pause between two trims of streams.
const REST: Duration = Duration::from_secs(61);

/// Runs one seed to its end or its first violation.
#[must_use]
pub fn run_seed(seed: u64, options: &RoundOptions) -> SeedReport {
    let mut run =
        Run { lives: Lives::new(seed, options), rests: Random::new(seed ^ 0x4E57), ledger: Rc::default() };
    let violation = run.all_rounds().err();
    SeedReport { violation, ..run.lives.report }
}

struct Run<'a> {
    lives: Lives<'a>,
    /// Decides which lives have a rest; on its own, so that the lives of a seed stay what they are.
    rests: Random,
    ledger: Rc<RefCell<Ledger>>,
}

impl Run<'_> {
    fn all_rounds(&mut self) -> Result<(), Violation> {
        let (mut simulation, mut engine) = self.start(Disk::new())?;
        for _ in 0..self.lives.random.between(1, self.lives.options.rounds_max) {
            let disk = self.work(simulation, engine)?;
            (simulation, engine) = self.start(disk)?;
            self.lives.report.rounds += 1;
        }
        drop(engine);
        self.lives.note_end(&simulation);
        Ok(())
    }

    /// Starts the engine until it is up and holds what it must.
    fn start(&mut self, disk: Disk) -> Result<(Simulation, Engine), Violation> {
        let Self { lives, ledger, .. } = self;
        let is_calendar_sound = lives.options.faults.is_empty();
        let streams = if is_calendar_sound { Streams::AreChecked } else { Streams::AreLeftOut };
        lives.start(disk, |simulation| {
            let engine = open(simulation)?;
            verify::after_start(simulation, &engine, ledger, streams)?;
            Ok(engine)
        })
    }

    /// Lets clients work until they are done or the crash comes; returns the disk that is left.
    fn work(&mut self, mut simulation: Simulation, engine: Engine) -> Result<Disk, Violation> {
        let operations =
            self.lives.random.between(self.lives.options.operations.0, self.lives.options.operations.1);
        let crash_after_events = self.lives.random.between(1, operations * EVENTS_PER_OPERATION);
        let rests = self.rests.chance(REST_PERMILLE);
        let crash_at_event = simulation.event_count() + crash_after_events;
        simulation.crash_at_event((!rests).then_some(crash_at_event));
        let outcome = Rc::new(Outcome::default());
        let clients = self.spawn_clients(&simulation, &engine, operations, &outcome);
        let handle = simulation.handle(LEADER);
        let ended = simulation.run_until(LEADER, async move {
            for client in clients {
                client.await;
            }
            if rests {
                handle.sleep(REST).await;
            }
        });
        self.lives.report.operations += outcome.finished.get();
        if let Some(violation) = outcome.violation.take() {
            return Err(violation);
        }
        match ended {
            Ok(()) if self.lives.random.chance(CLEAN_CLOSE_PERMILLE) => self.close(simulation, engine),
            Ok(()) => Ok(self.lives.end(simulation)),
            Err(ended) => self.lives.disk_after(simulation, ended).map_err(|violation| match violation {
                Violation::Failed(reason) => {
                    Violation::Failed(format!("{reason}; clients were at {:?}", outcome.doing.borrow()))
                }
                other => other,
            }),
        }
    }

    fn spawn_clients(
        &mut self,
        simulation: &Simulation,
        engine: &Engine,
        operations: u64,
        outcome: &Rc<Outcome>,
    ) -> Vec<Task<()>> {
        let random = &mut self.lives.random;
        let count = random.between(1, CLIENTS_MAX);
        let administrator =
            Administrator::new(engine, simulation.handle(LEADER), &self.ledger, random.fork());
        let mut tasks =
            vec![simulation.handle(LEADER).spawn(note(outcome, administrator.run(Rc::clone(outcome))))];
        for number in 0..count {
            let shard = ShardIndex(u16::try_from(number % simulation.remotes().len() as u64).expect("small"));
            let handle = simulation.handle(shard);
            let client = Client::new(number, engine, handle.clone(), &self.ledger, random.fork());
            tasks.push(
                handle.spawn(note(outcome, client.run(operations.div_ceil(count), Rc::clone(outcome)))),
            );
        }
        tasks
    }

    /// Ends the process in good order.
    fn close(&mut self, mut simulation: Simulation, engine: Engine) -> Result<Disk, Violation> {
        simulation.crash_at_event(None);
        match simulation.run_until(LEADER, engine.close()) {
            Ok(Ok(())) => Ok(self.lives.end(simulation)),
            Ok(Err(reason)) => Err(Violation::Failed(format!("closing: {reason}"))),
            Err(ended) => self.lives.disk_after(simulation, ended),
        }
    }
}

/// What the clients of one life have come to.
#[derive(Default)]
pub(crate) struct Outcome {
    finished: Cell<u64>,
    /// What each client is doing, for whoever looks for the one that waits for ever.
    doing: RefCell<BTreeMap<u64, &'static str>>,
    violation: RefCell<Option<Violation>>,
}

impl Outcome {
    fn begins(&self, client: u64, what: &'static str) {
        self.doing.borrow_mut().insert(client, what);
    }

    fn finished(&self, client: u64) {
        self.doing.borrow_mut().remove(&client);
        self.finished.set(self.finished.get() + 1);
    }
}

/// Keeps the first violation of all clients.
fn note(
    outcome: &Rc<Outcome>,
    client: impl Future<Output = Result<(), Violation>> + 'static,
) -> impl Future<Output = ()> + 'static {
    let outcome = Rc::clone(outcome);
    async move {
        if let Err(found) = client.await {
            outcome.violation.borrow_mut().get_or_insert(found);
        }
    }
}

/// Opens the engine on all shards of a process.
pub(crate) fn open(simulation: &mut Simulation) -> Result<Engine, Stop> {
    let (leader, remotes) = (simulation.handle(LEADER), simulation.remotes().to_vec());
    let options = small_options(remotes.len());
    let opening = async move { Engine::open_on(leader, remotes, Path::new(DIRECTORY), options).await };
    simulation.run_until(LEADER, opening)?.map_err(|reason| Stop::Refused(reason.to_string()))
}

/// The least memory, log and partitions: checkpoints, eviction, recycling and splits are frequent.
fn small_options(shard_count: usize) -> EngineOptions {
    EngineOptions {
        shard_count: Some(u16::try_from(shard_count).expect("few")),
        memory_budget_bytes: StoreOptions::MEMORY_BUDGET_BYTES_MIN,
        log_budget_bytes: Some(StoreOptions::LOG_BUDGET_BYTES_MIN),
        pin_shards: false,
        // Tables outgrow it within a life, and are split again and again.
        partition_bytes_max: PARTITION_BYTES_MAX,
        partition_check_interval: PARTITION_CHECK_INTERVAL,
        ..EngineOptions::default()
    }
}
