//! Rounds: work, crash, recover (crash again), verify.

use crate::lives::{Lives, Stop};
use crate::oracle::{Change, Key, Oracle, Scan, State, Value, Violation};
use crate::subject::{Evaluated, Partition, StartFailure, Subject};
use crate::workload::{Operation, Profile};
use basalt_runtime::sim::{Disk, FaultKind, FaultPlan, Random, Simulation};
use basalt_runtime::{Handle, ShardIndex, Task};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

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
    let mut run =
        Run { subject, lives: Lives::new(seed, options), oracles: Vec::new(), stamp: Rc::new(Cell::new(0)) };
    let violation = run.all_rounds().err();
    SeedReport { violation, ..run.lives.report }
}

/// A partition's oracle, shared by its clients.
type SharedOracle = Rc<RefCell<Oracle>>;

struct Run<'a, S: Subject> {
    subject: &'a S,
    lives: Lives<'a>,
    /// By partition, in the order in which the subject gives them.
    oracles: Vec<SharedOracle>,
    /// Makes each write's values different from all others.
    stamp: Rc<Cell<u64>>,
}

/// A process that is up and holds what it must.
struct Started<P> {
    simulation: Simulation,
    partitions: Vec<P>,
}

impl<S: Subject> Run<'_, S> {
    fn all_rounds(&mut self) -> Result<(), Violation> {
        let mut started = self.start(Disk::new())?;
        for _ in 0..self.lives.random.between(1, self.lives.options.rounds_max) {
            let disk = self.work(started)?;
            started = self.start(disk)?;
            self.lives.report.rounds += 1;
        }
        self.lives.note_end(&started.simulation);
        Ok(())
    }

    /// Starts the process until it is up and verified; it may be crashed on the way.
    fn start(&mut self, disk: Disk) -> Result<Started<S::Partition>, Violation> {
        let Self { subject, lives, oracles, .. } = self;
        let (simulation, partitions) =
            lives.start(disk, |simulation| start_once(*subject, oracles, simulation))?;
        Ok(Started { simulation, partitions })
    }

    /// Lets clients work until they are done or the crash comes; returns the disk that is left.
    fn work(&mut self, started: Started<S::Partition>) -> Result<Disk, Violation> {
        let Started { mut simulation, partitions } = started;
        let operations =
            self.lives.random.between(self.lives.options.operations.0, self.lives.options.operations.1);
        let crash_after_events = self.lives.random.between(1, operations * 3);
        simulation.crash_at_event(Some(simulation.event_count() + crash_after_events));
        let violation = Rc::new(RefCell::new(None));
        let finished = Rc::new(Cell::new(0));
        let clients = self.spawn_clients(&simulation, &partitions, operations, &violation, &finished);
        let ended = simulation.run_until(ShardIndex(0), async move {
            for client in clients {
                client.await;
            }
        });
        self.lives.report.operations += finished.get();
        if let Some(violation) = violation.take() {
            return Err(violation);
        }
        match ended {
            Ok(()) if self.lives.random.chance(CLEAN_CLOSE_PERMILLE) => self.close(simulation, &partitions),
            Ok(()) => Ok(self.lives.end(simulation)),
            Err(ended) => self.lives.disk_after(simulation, ended),
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
        let profile = Profile::any(&mut self.lives.random);
        let client_count = profile.client_count * partitions.len() as u64;
        let mut clients = Vec::new();
        for (partition, oracle) in partitions.iter().zip(&self.oracles) {
            for _ in 0..profile.client_count {
                let client = Client {
                    partition: partition.clone(),
                    oracle: Rc::clone(oracle),
                    handle: simulation.handle(partition.shard()),
                    random: self.lives.random.fork(),
                    profile: profile.clone(),
                    stamp: Rc::clone(&self.stamp),
                    errors: self.lives.options.errors,
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
                Ok(Err(_)) if self.lives.options.errors == Errors::AreExpected => {}
                Ok(Err(reason)) => return Err(Violation::Failed(format!("closing: {reason}"))),
                Err(ended) => return self.lives.disk_after(simulation, ended),
            }
        }
        Ok(self.lives.end(simulation))
    }
}

fn start_once<S: Subject>(
    subject: &S,
    oracles: &mut Vec<SharedOracle>,
    simulation: &mut Simulation,
) -> Result<Vec<S::Partition>, Stop> {
    let partitions = subject.start(simulation).map_err(|failure| match failure {
        StartFailure::Ended(ended) => Stop::Ended(ended),
        StartFailure::Refused(reason) => Stop::Refused(reason),
    })?;
    oracles.resize_with(partitions.len(), Default::default);
    for (partition, oracle) in partitions.iter().zip(oracles) {
        verify(simulation, partition, &mut oracle.borrow_mut())?;
    }
    Ok(partitions)
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
