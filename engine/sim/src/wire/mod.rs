//! The whole system behind its sockets: clients send DynamoDB's JSON and know each answer to the letter.
//!
//! What the daemon does between a request's body and its reply runs here, over several shards of a simulated process:
//! reading JSON, the order of checks, expressions, PartiQL, tokens, streams, expiry. Each client has a table of its
//! own and asks one thing at a time, so that a model of DynamoDB (`model`), which shares no code with what it judges,
//! knows what must be answered; a crash leaves one request of which it is not known whether it was done. The clients
//! run beside each other, so that they share logs, frames, the catalog and the splits of partitions.
//!
//! Beside them others contend for the same items (`contended`), and checkers judge what they were answered.
//!
//! HTTP itself is not here: simulated processes have no sockets.

mod client;
mod contended;
mod generator;
mod model;
mod requests;
mod verify;

use self::client::{Client, Knowledge};
use self::contended::{Contender, Contest};
use crate::lives::{Lives, Stop};
use crate::oracle::Violation;
use crate::round::{RoundOptions, SeedReport};
use crate::whole;
use basalt_engine::Engine;
use basalt_runtime::sim::{Disk, Simulation};
use basalt_runtime::{ShardIndex, UnixTime};
use basalt_server::{Dispatch, ResourceNames};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// Shard that leads starts, and reads what they find.
const LEADER: ShardIndex = ShardIndex(0);
const CLIENTS_MAX: u64 = 5;
/// Clients that share tables, at most.
const CONTENDERS_MAX: u64 = 4;
/// I/O events that an operation causes, at most, as far as crashes are aimed by it.
const EVENTS_PER_OPERATION: u64 = 4;
/// Chance that the calendar jumps when a life's clients are done, of 1000.
const JUMP_PERMILLE: u32 = 600;
/// Longer than tokens are kept, and than any item has to live.
const JUMP: Duration = Duration::from_hours(1);
/// What is removed of expired items is removed within this time: several times the pause between two looks.
const EXPIRY_TIME: Duration = Duration::from_secs(10);
/// The calendar of the first life.
const FIRST_DAY: UnixTime = UnixTime::from_micros(1_800_000_000_000_000);

/// Runs one seed to its end or its first violation.
#[must_use]
pub fn run_seed(seed: u64, options: &RoundOptions) -> SeedReport {
    let mut run = Run {
        lives: Lives::new(seed, options),
        clients: Vec::new(),
        contenders: 0,
        contest: Rc::default(),
        calendar: FIRST_DAY,
    };
    let violation = run.all_rounds().err();
    SeedReport { violation, ..run.lives.report }
}

struct Run<'a> {
    lives: Lives<'a>,
    /// By number.
    clients: Vec<Rc<RefCell<Knowledge>>>,
    contenders: u64,
    contest: Rc<Contest>,
    calendar: UnixTime,
}

impl Run<'_> {
    fn all_rounds(&mut self) -> Result<(), Violation> {
        for _ in 0..self.lives.random.between(1, CLIENTS_MAX) {
            self.clients.push(Rc::default());
        }
        self.contenders = self.lives.random.between(0, CONTENDERS_MAX);
        let (mut simulation, mut engine) = self.start(Disk::new())?;
        for _ in 0..self.lives.random.between(1, self.lives.options.rounds_max) {
            let disk = self.work(simulation, engine)?;
            (simulation, engine) = self.start(disk)?;
            self.lives.report.rounds += 1;
        }
        self.judge_contest(&mut simulation, &engine)?;
        drop(engine);
        self.lives.note_end(&simulation);
        Ok(())
    }

    /// Starts the engine until it is up and holds what it must.
    fn start(&mut self, disk: Disk) -> Result<(Simulation, Engine), Violation> {
        let Self { lives, clients, contenders, contest, calendar } = self;
        lives.start(disk, |simulation| {
            simulation.set_unix_time(*calendar);
            let engine = whole::open(simulation)?;
            verify_all(simulation, &engine, clients)?;
            if *contenders > 0 {
                let (engine, contest) = (engine.clone(), Rc::clone(contest));
                let begin = async move { contest.begin_life(&api(&engine)).await };
                simulation.run_until(LEADER, begin)?.map_err(Violation::Failed)?;
            }
            Ok(engine)
        })
    }

    /// Lets clients work until they are done or the crash comes; returns the disk that is left.
    fn work(&mut self, mut simulation: Simulation, engine: Engine) -> Result<Disk, Violation> {
        let operations =
            self.lives.random.between(self.lives.options.operations.0, self.lives.options.operations.1);
        // Half of all lives are long enough for the calendar to jump.
        let reach = EVENTS_PER_OPERATION * if self.lives.random.coin() { 1 } else { 100 };
        let crash_after_events = self.lives.random.between(1, operations * reach);
        simulation.crash_at_event(Some(simulation.event_count() + crash_after_events));
        let outcome = Rc::new(Outcome::default());
        let ended = self.let_clients_work(&mut simulation, &engine, operations, &outcome);
        self.lives.report.operations += outcome.finished.get();
        if let Some(violation) = outcome.violation.take() {
            return Err(violation);
        }
        if ended.is_ok() && self.lives.random.chance(JUMP_PERMILLE) {
            self.jump(&mut simulation, &engine)?;
        }
        self.note_calendar(&simulation);
        match ended {
            Ok(()) => Ok(self.lives.end(simulation)),
            Err(ended) => self.lives.disk_after(simulation, ended),
        }
    }

    fn let_clients_work(
        &mut self,
        simulation: &mut Simulation,
        engine: &Engine,
        operations: u64,
        outcome: &Rc<Outcome>,
    ) -> Result<(), basalt_runtime::sim::Ended> {
        let share = operations.div_ceil(self.clients.len() as u64 + self.contenders);
        let handle_of = |number: u64| {
            let shard = number % simulation.remotes().len() as u64;
            simulation.handle(ShardIndex(u16::try_from(shard).expect("small")))
        };
        let mut tasks = Vec::new();
        for (number, knowledge) in (0..).zip(&self.clients) {
            let (handle, random) = (handle_of(number), self.lives.random.fork());
            let client = Client::new(number, engine, handle.clone(), knowledge, random);
            tasks.push(handle.spawn(note(outcome, client.run(share, Rc::clone(outcome)))));
        }
        for number in 0..self.contenders {
            let contender = Contender {
                number: u32::try_from(number).expect("few"),
                engine: engine.clone(),
                contest: Rc::clone(&self.contest),
                random: self.lives.random.fork(),
            };
            tasks.push(handle_of(number).spawn(note(outcome, contender.run(share, Rc::clone(outcome)))));
        }
        simulation.run_until(LEADER, async move {
            for task in tasks {
                task.await;
            }
        })
    }

    /// Lets the checkers judge what contenders were answered in all lives.
    fn judge_contest(&self, simulation: &mut Simulation, engine: &Engine) -> Result<(), Violation> {
        if self.contenders == 0 {
            return Ok(());
        }
        let (engine, contest) = (engine.clone(), Rc::clone(&self.contest));
        let judged = simulation.run_until(LEADER, async move { contest.judge(&api(&engine)).await });
        judged
            .map_err(|ended| Violation::Failed(format!("while the contest is judged: {ended:?}")))?
            .map_err(Violation::Failed)
    }

    /// Sets the calendar forward: items expire, and tokens are forgotten.
    fn jump(&mut self, simulation: &mut Simulation, engine: &Engine) -> Result<(), Violation> {
        simulation.crash_at_event(None);
        let now = unix_time(simulation).as_micros();
        let later = UnixTime::from_micros(now + JUMP.as_micros() as u64);
        simulation.set_unix_time(later);
        let ended = |ended| Violation::Failed(format!("while items expire: {ended:?}"));
        simulation.run_for(EXPIRY_TIME).map_err(ended)?;
        for knowledge in &self.clients {
            let model = &mut knowledge.borrow_mut().model;
            model.expire(later.as_secs());
            model.tokens.clear();
        }
        match verify_all(simulation, engine, &self.clients) {
            Ok(()) => Ok(()),
            Err(Stop::Violation(violation)) => Err(violation),
            Err(Stop::Ended(end)) => Err(ended(end)),
            Err(Stop::Refused(reason)) => Err(Violation::Failed(format!("after items expired: {reason}"))),
        }
    }

    /// The next life's calendar goes on where this one's is.
    fn note_calendar(&mut self, simulation: &Simulation) {
        self.calendar = unix_time(simulation);
    }
}

fn unix_time(simulation: &Simulation) -> UnixTime {
    simulation.handle(LEADER).unix_time()
}

/// Reads every client's table over the wire, and asks the client.
fn verify_all(
    simulation: &mut Simulation,
    engine: &Engine,
    clients: &[Rc<RefCell<Knowledge>>],
) -> Result<(), Stop> {
    for (number, knowledge) in (0..).zip(clients) {
        let (engine, table, handle) = (engine.clone(), table_of(number), simulation.handle(LEADER));
        let read =
            simulation.run_until(LEADER, async move { verify::read(&engine, &handle, &table).await })?;
        let found = read.and_then(|found| knowledge.borrow_mut().found(found));
        found.map_err(|reason| Violation::Failed(format!("client {number}, its table: {reason}")))?;
    }
    Ok(())
}

/// What the clients of one life have come to.
#[derive(Default)]
pub(crate) struct Outcome {
    finished: Cell<u64>,
    violation: RefCell<Option<Violation>>,
}

impl Outcome {
    pub(crate) fn finished(&self) {
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

/// The server's API on this shard.
pub(crate) fn api(engine: &Engine) -> Dispatch {
    let names = ResourceNames { account_id: "123456789012".to_owned(), region: "us-east-1".to_owned() };
    Dispatch::new(engine, names).expect("clients are tasks of shards")
}

pub(crate) fn table_of(client: u64) -> String {
    format!("table-{client}")
}
