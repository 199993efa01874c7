//! Runs one shard: its tasks in the order in which they were woken, its mailbox, timers and completions in between.
//!
//! One thread, one queue, no choice that depends on anything but the backend: in simulation the same seed gives the
//! same order. A panic in a task ends the process, since the state it leaves behind is nobody's to trust; in
//! simulation it goes on to the test.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::backend::{Backend, Completion, Wait};
use crate::core::Core;
use crate::current;
use crate::handle::Handle;
use crate::ids::SlotId;
use crate::inbox::{Inbox, Job};
use crate::task::{RunningTask, Task};
use crate::time::MonotonicTime;

/// A poll longer than this is reported: everything else on the shard waited for it.
const STALL_REPORTED: Duration = Duration::from_millis(10);
/// Tasks polled before completions, timers and mailboxes are looked at again.
const POLLS_PER_TURN_MAX: usize = 64;
/// How long tasks are polled before that, whatever their number: a log write waits for the end of the turn.
const TURN_TIME_MAX: Duration = Duration::from_micros(200);
/// Jobs taken from one queue of the mailbox in one turn.
const JOBS_PER_QUEUE_MAX: usize = 64;
/// How long the executor looks for work before it sleeps, if there was much of it.
const SPIN: Duration = Duration::from_micros(20);
/// The window whose polls are counted to judge whether spinning pays.
const LOAD_WINDOW: Duration = Duration::from_millis(1);
/// Polls in one window that count as load.
const LOAD_POLLS_MIN: u32 = 32;

/// What a panic in a task does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PanicPolicy {
    /// Logs it and ends the process.
    Abort,
    /// Lets it through to whoever drives the executor.
    Propagate,
}

/// Whether the executor may look for work in a loop before it sleeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SpinPolicy {
    /// Under load: there is a core for each shard.
    UnderLoad,
    Never,
}

/// Drives one shard.
pub(crate) struct Executor {
    core: Rc<Core>,
    panic_policy: PanicPolicy,
    spin_policy: SpinPolicy,
    /// Kept for their memory.
    completions: RefCell<Vec<Completion>>,
    jobs: RefCell<Vec<Job>>,
}

impl Executor {
    pub(crate) fn new(
        inbox: Arc<Inbox>,
        backend: Box<dyn Backend>,
        panic_policy: PanicPolicy,
        spin_policy: SpinPolicy,
    ) -> Executor {
        inbox.signal().set_target(backend.wake_handle());
        Executor {
            core: Rc::new(Core::new(inbox, backend)),
            panic_policy,
            spin_policy,
            completions: RefCell::default(),
            jobs: RefCell::default(),
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle::new(Rc::clone(&self.core))
    }

    /// Runs until `main` has ended. Other tasks stay where they are.
    pub(crate) fn run_until<T: 'static>(&self, main: impl Future<Output = T> + 'static) -> T {
        let _entered = current::enter(Rc::clone(&self.core));
        let main = Task::spawn(&self.core, main);
        let mut load = Load::default();
        while !main.is_finished() {
            let busy = self.run_turn(&mut load);
            if main.is_finished() || self.core.has_ready() {
                continue;
            }
            // Where nobody looks for work before the sleep, the kernel is told in one call what the turn has submitted
            // and that its end is waited for.
            if !self.may_spin(&load) || (!busy && !self.spin()) {
                self.sleep();
            }
        }
        take_finished(main)
    }

    /// One round of everything, without waiting; whether anything happened.
    fn run_turn(&self, load: &mut Load) -> bool {
        let arrived = self.take_in();
        let began = self.core.now();
        let mut busy = self.core.fire_timers(began) | arrived;
        let mut now = began;
        for _ in 0..POLLS_PER_TURN_MAX {
            let Some(ended) = self.poll_one_at(now) else { break };
            now = ended;
            busy = true;
            load.polls += 1;
            if now - began >= TURN_TIME_MAX {
                break;
            }
        }
        load.turn(now);
        busy
    }

    /// Takes in mail, due timers and completions, without waiting; whether there were any.
    pub(crate) fn collect(&self) -> bool {
        let _entered = current::enter(Rc::clone(&self.core));
        let arrived = self.take_in();
        (self.core.next_deadline().is_some() && self.core.fire_timers(self.core.now())) | arrived
    }

    /// Takes in mail and completions, without waiting; whether there were any.
    fn take_in(&self) -> bool {
        let completed = self.core.poll_backend(Wait::Never, &mut self.completions.borrow_mut());
        self.take_mail() | completed
    }

    /// Polls the first task of the queue; whether there was one.
    pub(crate) fn poll_one(&self) -> bool {
        let _entered = current::enter(Rc::clone(&self.core));
        self.poll_one_at(self.core.now()).is_some()
    }

    /// Polls the first task of the queue; the time when it returned, if there was one.
    fn poll_one_at(&self, began: MonotonicTime) -> Option<MonotonicTime> {
        let (slot, task) = self.core.take_next_task()?;
        self.core.begin_poll(began);
        self.poll_task(slot, task);
        let ended = self.core.now();
        report_stall(&self.core, ended - began);
        Some(ended)
    }

    fn poll_task(&self, slot: SlotId, mut task: RunningTask) {
        let poll = match self.panic_policy {
            PanicPolicy::Propagate => task.poll(),
            // Nothing of this state is looked at again.
            PanicPolicy::Abort => {
                catch_unwind(AssertUnwindSafe(|| task.poll())).unwrap_or_else(abort_process)
            }
        };
        self.core.put_back_task(slot, task, poll);
    }

    fn take_mail(&self) -> bool {
        let inbox = self.core.inbox();
        let mut jobs = self.jobs.take();
        inbox.take_jobs(JOBS_PER_QUEUE_MAX, &mut jobs);
        let mut any = !jobs.is_empty();
        let handle = self.handle();
        // The jobs of one turn share one budget: many that take their time must not keep completions waiting.
        if any {
            self.core.begin_poll(self.core.now());
        }
        for job in jobs.drain(..) {
            self.run_job(job, &handle);
        }
        self.jobs.replace(jobs);
        while let Some(task) = inbox.pop_woken() {
            self.core.push_ready(task);
            any = true;
        }
        any
    }

    fn run_job(&self, job: Job, handle: &Handle) {
        match self.panic_policy {
            PanicPolicy::Propagate => job(handle),
            PanicPolicy::Abort => {
                catch_unwind(AssertUnwindSafe(|| job(handle))).unwrap_or_else(abort_process);
            }
        }
    }

    /// Whether there was much to do lately, and a core is there for whoever looks for more.
    fn may_spin(&self, load: &Load) -> bool {
        self.spin_policy == SpinPolicy::UnderLoad && load.is_high
    }

    /// Looks for work for a while; whether some was found.
    fn spin(&self) -> bool {
        let end = self.core.now() + SPIN;
        loop {
            let arrived = self.take_in();
            let now = self.core.now();
            if self.core.fire_timers(now) | arrived | self.core.has_ready() {
                return true;
            }
            if now >= end {
                return false;
            }
            std::hint::spin_loop();
        }
    }

    fn sleep(&self) {
        let inbox = self.core.inbox();
        let signal = inbox.signal();
        signal.prepare_to_sleep();
        if !inbox.has_work() {
            let until = Wait::Until(self.core.next_deadline());
            self.core.poll_backend(until, &mut self.completions.borrow_mut());
        }
        signal.awake();
    }

    /// Nothing to do until somebody sends, a timer fires or an operation ends.
    pub(crate) fn is_idle(&self) -> bool {
        !self.core.has_ready() && !self.core.inbox().has_work()
    }

    /// When the first timer fires.
    pub(crate) fn next_deadline(&self) -> Option<MonotonicTime> {
        self.core.next_deadline()
    }

    /// Tasks that were woken after their end.
    fn discard_woken(&self) {
        while self.core.inbox().pop_woken().is_some() {}
    }

    /// Ends the shard in order: no more mail, tasks dropped, operations cancelled and waited for.
    pub(crate) fn shut_down(self) {
        let _entered = current::enter(Rc::clone(&self.core));
        self.core.inbox().close();
        self.core.drop_tasks();
        self.core.cancel_all();
        while self.core.operations_in_flight() > 0 {
            self.discard_woken();
            self.sleep();
        }
    }
}

/// Without waiting for operations: in simulation this is the crash.
impl Drop for Executor {
    fn drop(&mut self) {
        let _entered = current::enter(Rc::clone(&self.core));
        self.core.inbox().close();
        self.core.drop_tasks();
        self.core.drop_backend();
    }
}

/// How busy the shard was in the last window.
#[derive(Default)]
struct Load {
    polls: u32,
    window_began: MonotonicTime,
    is_high: bool,
}

impl Load {
    fn turn(&mut self, now: MonotonicTime) {
        if now - self.window_began >= LOAD_WINDOW {
            self.is_high = self.polls >= LOAD_POLLS_MIN && now - self.window_began < 2 * LOAD_WINDOW;
            *self = Load { polls: 0, window_began: now, is_high: self.is_high };
        }
    }
}

fn take_finished<T: 'static>(mut task: Task<T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(&mut task).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the task has finished"),
    }
}

fn report_stall(core: &Core, took: Duration) {
    if took > STALL_REPORTED {
        let milliseconds = took.as_millis() as u64;
        tracing::warn!(shard = core.shard().0, milliseconds, "a task held the shard for too long");
    }
}

fn abort_process<T>(panic: Box<dyn Any + Send>) -> T {
    let reason = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(reason, "a task panicked; the process ends, and its next start recovers from disk");
    std::process::abort()
}
