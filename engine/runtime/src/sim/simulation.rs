//! One simulated process: its shards' executors, in turns on one thread, over one world.
//!
//! Every choice is drawn from the seed: which shard runs next and for how long, how long requests take and in which
//! order they happen, what the faults do. A run is therefore a function of its options and its disk, and
//! [`Simulation::trace_hash`] tells whether two runs were the same.
//!
//! A run ends as a value, whatever ends it: a crash that was asked for, a process that stops itself, a panic, tasks
//! that wait for each other for ever.

use super::Random;
use super::backend::SimulatedBackend;
use super::clock::Latencies;
use super::disk::{CrashPolicy, Disk};
use super::fault::{FaultKind, FaultPlan, Faults};
use super::world::{Process, World, WorldOptions};
use crate::executor::{Executor, PanicPolicy, SpinPolicy};
use crate::handle::Handle;
use crate::ids::ShardIndex;
use crate::inbox::Inbox;
use crate::shard_set::Remote;
use crate::time::{MonotonicTime, UnixTime};
use std::any::Any;
use std::cell::{Ref, RefCell, RefMut};
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Tasks polled in one turn of a shard, at most.
const POLLS_PER_TURN_MAX: u64 = 8;

/// What a run is made of, besides its disk.
#[derive(Debug, Clone)]
pub struct SimOptions {
    /// Names the run.
    pub seed: u64,
    /// Executors of the process.
    pub shard_count: u16,
    /// Jobs that a mailbox holds.
    pub mailbox_jobs_max: usize,
    /// How long the device takes.
    pub latencies: Latencies,
    /// What goes wrong besides the crash.
    pub faults: FaultPlan,
    /// Ends the run just before this I/O event, counted from 1.
    pub crash_at_event: Option<u64>,
    /// A run that takes more simulated time than this has lost its way.
    pub time_max: Duration,
    /// A run in which the shards take more turns than this goes round in circles.
    pub turns_max: u64,
    /// Keeps each event as a line of text, for whoever looks for the first difference of two runs.
    pub keep_trace_lines: bool,
}

impl SimOptions {
    /// One shard, a temperament of device chosen by the seed, no faults, no crash.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            shard_count: 1,
            mailbox_jobs_max: 64,
            latencies: Latencies::any(&mut Random::new(!seed)),
            faults: FaultPlan::none(),
            crash_at_event: None,
            time_max: Duration::from_secs(3600),
            turns_max: 20_000_000,
            keep_trace_lines: false,
        }
    }
}

/// Why a run ended before its future did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The I/O event with [`SimOptions::crash_at_event`]'s number was next.
    AtEvent,
    /// The process stopped itself, and said why ([`stop_process`]).
    Stopped(String),
    /// A task panicked.
    Panicked(String),
    /// Nothing can happen any more, and the future is not done.
    Stalled,
    /// [`SimOptions::time_max`] has passed.
    OutOfTime,
    /// [`SimOptions::turns_max`] were taken.
    OutOfTurns,
}

/// A simulated process and its world.
pub struct Simulation {
    /// Dropped first: destructors of tasks still reach the world.
    executors: Vec<Executor>,
    remotes: Vec<Remote>,
    world: Rc<RefCell<World>>,
    random: Random,
    time_max: Duration,
    turns_left: u64,
    ended: Option<Ended>,
}

impl Simulation {
    /// Starts a process that has `disk`.
    #[must_use]
    pub fn new(options: SimOptions, disk: Disk) -> Self {
        assert!(options.shard_count > 0, "a process without shards does nothing");
        let mut random = Random::new(options.seed);
        let world_options = WorldOptions {
            shard_count: options.shard_count,
            latencies: options.latencies,
            faults: Faults::new(options.faults, random.fork()),
            keep_trace_lines: options.keep_trace_lines,
            crash_at_event: options.crash_at_event,
        };
        let world = Rc::new(RefCell::new(World::new(world_options, disk, &mut random)));
        let inboxes = Inbox::set(options.shard_count, options.mailbox_jobs_max);
        let executors = inboxes.iter().map(|inbox| {
            let backend = Box::new(SimulatedBackend::new(&world, inbox.shard()));
            Executor::new(Arc::clone(inbox), backend, PanicPolicy::Propagate, SpinPolicy::Never)
        });
        let executors = executors.collect();
        let remotes = inboxes.into_iter().map(Remote::new).collect();
        Self {
            executors,
            remotes,
            world,
            random,
            time_max: options.time_max,
            turns_left: options.turns_max,
            ended: None,
        }
    }

    /// A shard's handle.
    #[must_use]
    pub fn handle(&self, shard: ShardIndex) -> Handle {
        self.executors[shard.as_usize()].handle()
    }

    /// The ways to all shards, by shard.
    #[must_use]
    pub fn remotes(&self) -> &[Remote] {
        &self.remotes
    }

    /// Runs `main` on a shard, and everything else with it, until `main` is done or the run ends.
    ///
    /// # Errors
    /// Says what ended the run. From then on every call says the same, except after [`Ended::Stalled`], when another
    /// future may set things going again.
    pub fn run_until<T: 'static>(
        &mut self,
        shard: ShardIndex,
        main: impl Future<Output = T> + 'static,
    ) -> Result<T, Ended> {
        let result = Rc::new(RefCell::new(None));
        let target = Rc::clone(&result);
        self.handle(shard).spawn(async move { *target.borrow_mut() = Some(main.await) }).detach();
        self.run_while(|_| result.borrow().is_none())?;
        let value = result.borrow_mut().take();
        Ok(value.expect("the run went on until it was there"))
    }

    /// Lets everything run for a while.
    ///
    /// # Errors
    /// Says what ended the run; that nothing is left to do is no end here.
    pub fn run_for(&mut self, duration: Duration) -> Result<(), Ended> {
        let end = self.now() + duration;
        match self.run_while(|simulation| simulation.now() < end) {
            Err(Ended::Stalled) => {
                self.world.borrow_mut().clock.advance_to(end);
                Ok(())
            }
            other => other,
        }
    }

    /// The process is killed (kill -9): what it has written is in the system's cache, what it was about to write is
    /// there or not.
    #[must_use]
    pub fn kill(self) -> Disk {
        self.world.borrow_mut().kill()
    }

    /// Power is lost. Returns a disk as it may be found afterwards.
    #[must_use]
    pub fn lose_power(mut self, policy: CrashPolicy) -> Disk {
        let mut random = self.random.fork();
        self.lose_power_undecided().crash(&mut random, policy)
    }

    /// Power is lost, and the caller decides what becomes of all that was unsynced or on its way
    /// ([`Disk::crash`], [`Disk::crash_images`]).
    #[must_use]
    pub fn into_unsynced_disk(mut self) -> Disk {
        self.lose_power_undecided()
    }

    fn lose_power_undecided(&mut self) -> Disk {
        self.world.borrow_mut().lose_power()
    }

    /// Ends the run before the I/O event with this number.
    pub fn crash_at_event(&mut self, event: Option<u64>) {
        self.world.borrow_mut().crash_at_event(event);
    }

    /// Shows `probe` before each I/O event the disk that a power loss would find, with everything unsynced still
    /// undecided: for [`Disk::crash_images`].
    pub fn set_probe(&mut self, probe: impl FnMut(&Disk) + 'static) {
        self.world.borrow_mut().set_probe(Box::new(probe));
    }

    /// I/O events so far: requests that changed the disk, or could have.
    #[must_use]
    pub fn event_count(&self) -> u64 {
        self.world.borrow().event_count()
    }

    /// One number for everything that has happened.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.world.borrow().trace.hash()
    }

    /// What has happened, if [`SimOptions::keep_trace_lines`] was set.
    #[must_use]
    pub fn trace_lines(&self) -> Vec<String> {
        self.world.borrow().trace.lines().to_vec()
    }

    /// How often each kind of fault has struck.
    #[must_use]
    pub fn faults_fired(&self) -> BTreeMap<FaultKind, u64> {
        self.world.borrow().faults.fired().clone()
    }

    /// The clock that only grows.
    #[must_use]
    pub fn now(&self) -> MonotonicTime {
        self.world.borrow().clock.now()
    }

    /// Sets the calendar's clock, forward or back.
    pub fn set_unix_time(&mut self, time: UnixTime) {
        self.world.borrow_mut().clock.set_unix_time(time);
    }

    /// The disk, as it is between two events.
    #[must_use]
    pub fn disk(&self) -> Ref<'_, Disk> {
        Ref::map(self.world.borrow(), |world| &world.disk)
    }

    /// The disk, to be spoiled under the running process.
    #[must_use]
    pub fn disk_mut(&mut self) -> RefMut<'_, Disk> {
        RefMut::map(self.world.borrow_mut(), |world| &mut world.disk)
    }

    // The scheduler.

    fn run_while(&mut self, mut goes_on: impl FnMut(&Self) -> bool) -> Result<(), Ended> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            while goes_on(self) {
                self.step()?;
            }
            Ok(())
        }));
        let result = outcome.unwrap_or_else(|panic| Err(ended_by(panic)));
        self.ended = result.clone().err().filter(|ended| *ended != Ended::Stalled);
        result
    }

    /// Lets one shard take a turn, or time pass.
    fn step(&mut self) -> Result<(), Ended> {
        self.world.borrow_mut().run_due();
        if self.world.borrow().process() == Process::AtCrash {
            return Err(Ended::AtEvent);
        }
        if self.now() - MonotonicTime::from_nanos(0) > self.time_max {
            return Err(Ended::OutOfTime);
        }
        let runnable: Vec<usize> =
            (0..self.executors.len()).filter(|&shard| self.is_runnable(shard)).collect();
        if runnable.is_empty() {
            return self.pass_time();
        }
        self.turns_left = self.turns_left.checked_sub(1).ok_or(Ended::OutOfTurns)?;
        let shard = runnable[self.random.index(runnable.len())];
        self.take_turn(shard);
        Ok(())
    }

    fn is_runnable(&self, shard: usize) -> bool {
        let executor = &self.executors[shard];
        let world = self.world.borrow();
        !executor.is_idle()
            || world.has_completions(executor.handle().shard())
            || executor.next_deadline().is_some_and(|deadline| deadline <= world.clock.now())
    }

    fn take_turn(&mut self, shard: usize) {
        let polls = self.random.between(1, POLLS_PER_TURN_MAX);
        let now = self.now().as_nanos();
        let mut world = self.world.borrow_mut();
        world.trace.fold(&[now, shard as u64, polls], || format!("{now} ns: shard {shard} runs"));
        world.begin_turn();
        drop(world);
        let executor = &self.executors[shard];
        executor.collect();
        for _ in 0..polls {
            if !executor.poll_one() {
                break;
            }
        }
        self.world.borrow_mut().end_turn();
    }

    /// Everybody waits: the next thing to happen is a request or a timer.
    fn pass_time(&mut self) -> Result<(), Ended> {
        let timers = self.executors.iter().filter_map(Executor::next_deadline);
        let mut world = self.world.borrow_mut();
        let next = timers.chain(world.next_due()).min().ok_or(Ended::Stalled)?;
        world.clock.advance_to(next);
        Ok(())
    }
}

/// The process is gone before its tasks are: what their destructors submit goes nowhere.
impl Drop for Simulation {
    fn drop(&mut self) {
        self.world.borrow_mut().end_process();
        self.executors.clear();
    }
}

/// The reason with which a simulated process stopped itself, on its way through the stack.
struct StopReason(String);

/// Stops the simulated process: all of its shards, now. The run's caller gets [`Ended::Stopped`] with the reason.
/// Where a real process would abort; destructors that run on the way reach nothing.
pub fn stop_process(reason: &str) -> ! {
    resume_unwind(Box::new(StopReason(reason.to_owned())))
}

fn ended_by(panic: Box<dyn Any + Send>) -> Ended {
    match panic.downcast::<StopReason>() {
        Ok(reason) => Ended::Stopped(reason.0),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Ended::Panicked(text.unwrap_or_else(|| "no message".to_owned()))
        }
    }
}
