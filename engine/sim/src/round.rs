//! Rounds: work, crash, recover (crash again), verify.

use crate::oracle::{Change, Key, Oracle, Scan, State, Value, Violation};
use crate::subject::{Evaluated, Partition, StartFailure, Subject};
use crate::workload::{Operation, Profile};
use basalt_runtime::sim::{CrashPolicy, Disk, Ended, FaultKind, FaultPlan, Random, SimOptions, Simulation};
use basalt_runtime::{Handle, ShardIndex, Task};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Turns of all shards in one process's life: a hundred times what a round takes.
const TURNS_MAX: u64 = 3_000_000;
/// Recoveries are crashed within this many I/O events.
const RECOVERY_EVENTS: u64 = 40;
/// Starts that may fail because of a fault before the device behaves.
const FAULTY_STARTS_MAX: u32 = 4;
/// Chance that a process whose clients are done ends in good order, of 1000.
const CLEAN_CLOSE_PERMILLE: u32 = 200;

/// How one seed is run.
#[derive(Debug, Clone)]
pub struct RoundOptions {
    /// Crash-recover-verify rounds on one disk, at most.
    pub rounds_max: u64,
    /// Operations of one round, at least and at most, over all clients.
    pub operations: (u64, u64),
    /// Executors of the process, at most.
    pub shard_count_max: u16,
    /// Chance of a second crash, inside recovery, of 1000.
    pub second_crash_permille: u32,
    /// Chance of a third one.
    pub third_crash_permille: u32,
    /// What goes wrong besides crashes.
    pub faults: FaultPlan,
    /// Whether operations may fail because of `faults`.
    pub errors: Errors,
}

/// What an error of the subject means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errors {
    /// There was no reason for it.
    AreViolations,
    /// The device fails, and says so: writes may be refused and the process may stop, but what was acknowledged stays.
    AreExpected,
}

impl Default for RoundOptions {
    fn default() -> Self {
        Self {
            rounds_max: 3,
            operations: (50, 200),
            shard_count_max: 2,
            second_crash_permille: 300,
            third_crash_permille: 50,
            faults: FaultPlan::none(),
            errors: Errors::AreViolations,
        }
    }
}

/// What became of a seed.
#[derive(Debug, Clone, Default)]
pub struct SeedReport {
    /// Rounds that were verified.
    pub rounds: u64,
    /// Crashes, those inside recoveries included.
    pub crashes: u64,
    /// Operations that clients finished.
    pub operations: u64,
    /// I/O events.
    pub events: u64,
    /// Everything that happened, as one number.
    pub trace_hash: u64,
    /// How often each fault struck.
    pub faults_fired: BTreeMap<FaultKind, u64>,
    /// What must not have happened.
    pub violation: Option<Violation>,
}

/// Runs one seed to its end or its first violation.
pub fn run_seed<S: Subject>(subject: &S, seed: u64, options: &RoundOptions) -> SeedReport {
    let mut run = Run {
        subject,
        options,
        random: Random::new(seed),
        oracles: Vec::new(),
        stamp: Rc::new(Cell::new(0)),
        report: SeedReport::default(),
    };
    let violation = run.all_rounds().err();
    SeedReport { violation, ..run.report }
}

/// A partition's oracle, shared by its clients.
type SharedOracle = Rc<RefCell<Oracle>>;

struct Run<'a, S: Subject> {
    subject: &'a S,
    options: &'a RoundOptions,
    random: Random,
    /// By partition, in the order in which the subject gives them.
    oracles: Vec<SharedOracle>,
    /// Makes each write's values different from all others.
    stamp: Rc<Cell<u64>>,
    report: SeedReport,
}

/// A process that is up and holds what it must.
struct Started<P> {
    simulation: Simulation,
    partitions: Vec<P>,
}

/// Why something was not done.
enum Stop {
    Ended(Ended),
    Refused(String),
    Violation(Violation),
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl From<Ended> for Stop {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl<S: Subject> Run<'_, S> {
    fn all_rounds(&mut self) -> Result<(), Violation> {
        let mut started = self.start(Disk::new())?;
        for _ in 0..self.random.between(1, self.options.rounds_max) {
            let disk = self.work(started)?;
            started = self.start(disk)?;
            self.report.rounds += 1;
        }
        self.note_end(&started.simulation);
        Ok(())
    }

    /// Starts the process until it is up and verified; it may be crashed on the way.
    fn start(&mut self, mut disk: Disk) -> Result<Started<S::Partition>, Violation> {
        for attempt in 0.. {
            let mut simulation = Simulation::new(self.options_of_attempt(attempt), disk);
            disk = match self.start_once(&mut simulation) {
                Ok(partitions) => {
                    simulation.crash_at_event(None);
                    return Ok(Started { simulation, partitions });
                }
                Err(Stop::Violation(violation)) => return Err(violation),
                Err(Stop::Ended(ended)) => self.disk_after(simulation, ended)?,
                Err(Stop::Refused(reason))
                    if self.options.errors == Errors::AreViolations || attempt > FAULTY_STARTS_MAX =>
                {
                    return Err(Violation::Failed(format!("the process refused its own disk: {reason}")));
                }
                Err(Stop::Refused(_)) => self.end(simulation),
            };
        }
        unreachable!("the loop ends by returning")
    }

    /// The first attempts may crash and meet faults; after that the device behaves, and the process must start.
    fn options_of_attempt(&mut self, attempt: u32) -> SimOptions {
        let crash_permille = match attempt {
            0 => self.options.second_crash_permille,
            1 => self.options.third_crash_permille,
            _ => 0,
        };
        let crashes = self.random.chance(crash_permille);
        let shard_count = self.random.between(1, u64::from(self.options.shard_count_max));
        SimOptions {
            shard_count: u16::try_from(shard_count).expect("at most shard_count_max"),
            turns_max: TURNS_MAX,
            faults: if attempt < FAULTY_STARTS_MAX { self.options.faults.clone() } else { FaultPlan::none() },
            crash_at_event: crashes.then(|| self.random.between(1, RECOVERY_EVENTS)),
            ..SimOptions::new(self.random.next_u64())
        }
    }

    fn start_once(&mut self, simulation: &mut Simulation) -> Result<Vec<S::Partition>, Stop> {
        let partitions = self.subject.start(simulation).map_err(|failure| match failure {
            StartFailure::Ended(ended) => Stop::Ended(ended),
            StartFailure::Refused(reason) => Stop::Refused(reason),
        })?;
        self.oracles.resize_with(partitions.len(), Default::default);
        for (partition, oracle) in partitions.iter().zip(&self.oracles) {
            verify(simulation, partition, &mut oracle.borrow_mut())?;
        }
        Ok(partitions)
    }

    /// Lets clients work until they are done or the crash comes; returns the disk that is left.
    fn work(&mut self, started: Started<S::Partition>) -> Result<Disk, Violation> {
        let Started { mut simulation, partitions } = started;
        let operations = self.random.between(self.options.operations.0, self.options.operations.1);
        let crash_after_events = self.random.between(1, operations * 3);
        simulation.crash_at_event(Some(simulation.event_count() + crash_after_events));
        let violation = Rc::new(RefCell::new(None));
        let finished = Rc::new(Cell::new(0));
        let clients = self.spawn_clients(&simulation, &partitions, operations, &violation, &finished);
        let ended = simulation.run_until(ShardIndex(0), async move {
            for client in clients {
                client.await;
            }
        });
        self.report.operations += finished.get();
        if let Some(violation) = violation.take() {
            return Err(violation);
        }
        match ended {
            Ok(()) if self.random.chance(CLEAN_CLOSE_PERMILLE) => self.close(simulation, &partitions),
            Ok(()) => Ok(self.end(simulation)),
            Err(ended) => self.disk_after(simulation, ended),
        }
    }

    fn spawn_clients(
        &mut self,
        simulation: &Simulation,
        partitions: &[S::Partition],
        operations: u64,
        violation: &Rc<RefCell<Option<Violation>>>,
        finished: &Rc<Cell<u64>>,
    ) -> Vec<Task<()>> {
        let profile = Profile::any(&mut self.random);
        let client_count = profile.client_count * partitions.len() as u64;
        let mut clients = Vec::new();
        for (partition, oracle) in partitions.iter().zip(&self.oracles) {
            for _ in 0..profile.client_count {
                let client = Client {
                    partition: partition.clone(),
                    oracle: Rc::clone(oracle),
                    handle: simulation.handle(partition.shard()),
                    random: self.random.fork(),
                    profile: profile.clone(),
                    stamp: Rc::clone(&self.stamp),
                    errors: self.options.errors,
                };
                let (violation, finished) = (Rc::clone(violation), Rc::clone(finished));
                let operations = operations.div_ceil(client_count);
                clients.push(simulation.handle(partition.shard()).spawn(async move {
                    if let Err(found) = client.run(operations, &finished).await {
                        violation.borrow_mut().get_or_insert(found);
                    }
                }));
            }
        }
        clients
    }

    /// Ends the process in good order.
    fn close(&mut self, mut simulation: Simulation, partitions: &[S::Partition]) -> Result<Disk, Violation> {
        simulation.crash_at_event(None);
        let mut closed = Vec::new();
        for partition in partitions {
            let shard = partition.shard();
            if closed.contains(&shard) {
                continue;
            }
            closed.push(shard);
            let closing = partition.clone();
            match simulation.run_until(shard, async move { closing.close().await }) {
                Ok(Ok(())) => {}
                Ok(Err(_)) if self.options.errors == Errors::AreExpected => {}
                Ok(Err(reason)) => return Err(Violation::Failed(format!("closing: {reason}"))),
                Err(ended) => return self.disk_after(simulation, ended),
            }
        }
        Ok(self.end(simulation))
    }

    /// The disk after a run that has ended by itself, if it was allowed to.
    fn disk_after(&mut self, simulation: Simulation, ended: Ended) -> Result<Disk, Violation> {
        let may_stop = self.options.errors == Errors::AreExpected;
        match ended {
            Ended::AtEvent => Ok(self.end(simulation)),
            Ended::Stopped(_) if may_stop => Ok(self.end(simulation)),
            Ended::Stopped(reason) => Err(Violation::Failed(format!("the process stopped itself: {reason}"))),
            Ended::Panicked(reason) => Err(Violation::Failed(format!("a panic: {reason}"))),
            Ended::Stalled => Err(Violation::Failed("everybody waits for ever".to_owned())),
            Ended::OutOfTurns => Err(Violation::Failed("the process goes round in circles".to_owned())),
            Ended::OutOfTime => Err(Violation::Failed("an hour has passed and nothing is done".to_owned())),
        }
    }

    /// Takes the process its power, or its life.
    fn end(&mut self, simulation: Simulation) -> Disk {
        self.note_end(&simulation);
        self.report.crashes += 1;
        match self.random.below(20) {
            0..3 => simulation.kill(),
            3..6 => simulation.lose_power(CrashPolicy::LoseUnsynced),
            _ => simulation.lose_power(CrashPolicy::Any),
        }
    }

    fn note_end(&mut self, simulation: &Simulation) {
        let report = &mut self.report;
        report.events += simulation.event_count();
        report.trace_hash = report.trace_hash.rotate_left(7) ^ simulation.trace_hash();
        for (kind, count) in simulation.faults_fired() {
            *report.faults_fired.entry(kind).or_insert(0) += count;
        }
    }
}

/// Reads a whole partition and asks its oracle.
fn verify<P: Partition>(simulation: &mut Simulation, partition: &P, oracle: &mut Oracle) -> Result<(), Stop> {
    let reader = partition.clone();
    let rows = simulation.run_until(partition.shard(), async move {
        reader.check().await?;
        reader.scan(&Scan::everything()).await
    })?;
    let rows = rows.map_err(|reason| Stop::Refused(format!("after recovery: {reason}")))?;
    let count = rows.len();
    let found: State = rows.into_iter().collect();
    if found.len() != count {
        return Err(Violation::Failed("a walk gave the same key twice".to_owned()).into());
    }
    oracle.recovered(&found, partition.committed_index())?;
    Ok(())
}

/// One client: does one thing after the other and tells the oracle what it saw.
struct Client<P> {
    partition: P,
    oracle: SharedOracle,
    handle: Handle,
    random: Random,
    profile: Profile,
    stamp: Rc<Cell<u64>>,
    errors: Errors,
}

impl<P: Partition> Client<P> {
    async fn run(mut self, operations: u64, finished: &Cell<u64>) -> Result<(), Violation> {
        for _ in 0..operations {
            self.stamp.set(self.stamp.get() + 1);
            let operation = self.profile.operation(&mut self.random, self.stamp.get());
            match self.perform(operation).await? {
                Err(reason) if self.errors == Errors::AreViolations => return Err(Violation::Failed(reason)),
                _ => finished.set(finished.get() + 1),
            }
        }
        Ok(())
    }

    /// The inner error is the subject's own.
    async fn perform(&mut self, operation: Operation) -> Result<Result<(), String>, Violation> {
        match operation {
            Operation::Write { reads, changes } => self.write(reads, changes).await,
            Operation::Read(keys) => match self.partition.read(&keys).await {
                Ok(values) => self.oracle.borrow_mut().read(&zipped(keys, values)).map(Ok),
                Err(reason) => Ok(Err(reason)),
            },
            Operation::Scan(scan) => match self.partition.scan(&scan).await {
                Ok(rows) => self.oracle.borrow_mut().scanned(&scan, &rows).map(Ok),
                Err(reason) => Ok(Err(reason)),
            },
            Operation::Checkpoint => Ok(self.partition.checkpoint().await),
            Operation::Check => Ok(self.partition.check().await),
            Operation::Pause(duration) => {
                self.handle.sleep(duration).await;
                Ok(Ok(()))
            }
        }
    }

    async fn write(
        &mut self,
        reads: Vec<Key>,
        changes: Vec<Change>,
    ) -> Result<Result<(), String>, Violation> {
        let Evaluated { values, commit } = match self.partition.write(&reads, &changes).await {
            Ok(evaluated) => evaluated,
            Err(reason) => return Ok(Err(reason)),
        };
        let depends_on = self.oracle.borrow().evaluated(&zipped(reads, values))?;
        let index = if changes.is_empty() { depends_on } else { self.oracle.borrow_mut().logged(changes) };
        let committed = commit.await;
        if committed.is_ok() {
            self.oracle.borrow_mut().acknowledged(index);
        }
        Ok(committed)
    }
}

fn zipped(keys: Vec<Key>, values: Vec<Option<Value>>) -> Vec<(Key, Option<Value>)> {
    assert_eq!(keys.len(), values.len(), "one answer per key");
    keys.into_iter().zip(values).collect()
}
