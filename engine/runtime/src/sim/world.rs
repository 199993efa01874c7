//! Everything outside of the simulated process: disk, clocks, faults, and the requests on their way between them.
//!
//! Shared by the backends of all shards. A request waits in a queue ordered by when it happens; its effect on the disk
//! takes place at that moment, not when it was submitted, and its completion is then ready for its shard. So a crash
//! finds requests that have happened though nobody knows yet, and others that are still on their way.

use super::Random;
use super::clock::{Clock, Jump, Latencies};
use super::describe::{bytes_number, describe};
use super::disk::{Disk, LockOwner, NodeId, SyncPoint};
use super::effects::Written;
use super::fault::{FaultKind, Faults};
use super::trace::Trace;
use crate::aligned_buffer::AlignedBuffer;
use crate::backend::{Completion, OpenOptions, Operation, Outcome};
use crate::ids::{FileId, ShardIndex, SlotId};
use crate::time::MonotonicTime;
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How much longer a slow request takes.
const SLOW_FACTOR: u64 = 1000;
/// Turns in which the machine is busy elsewhere, of 1000.
const BUSY_TURNS_PERMILLE: u32 = 30;

pub(super) struct World {
    pub(super) disk: Disk,
    pub(super) clock: Clock,
    pub(super) faults: Faults,
    pub(super) trace: Trace,
    pub(super) entropy: Random,
    latencies: Latencies,
    random: Random,
    requests: BTreeMap<Due, Request>,
    next_order: u64,
    pub(super) files: BTreeMap<FileId, OpenFile>,
    pub(super) next_file: u64,
    /// Files whose locks live until the last request has ended.
    held_locks: BTreeSet<NodeId>,
    completions: Vec<Vec<Completion>>,
    event_count: u64,
    crash_at_event: Option<u64>,
    process: Process,
    /// Shown every disk that a power loss could begin with.
    probe: Option<Probe>,
    /// How far each look at the clock moves it: more than nothing in turns on a machine that is busy elsewhere.
    look_takes: Duration,
}

/// Called before each I/O event with the disk as a power loss would find it, everything unsynced still undecided.
pub(super) type Probe = Box<dyn FnMut(&Disk)>;

/// How the simulated process fares, as far as the world knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    Running,
    /// The event at which it was to end has come.
    AtCrash,
    /// What it still submits is ignored: these are destructors of a process that is no more.
    Dead,
}

/// When a request happens. No two are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: MonotonicTime,
    order: u64,
}

struct Request {
    shard: ShardIndex,
    slot: SlotId,
    step: Step,
}

pub(super) enum Step {
    Perform(Operation),
    /// A sync covers what was written before it began.
    SyncFile {
        file: FileId,
        began: SyncPoint,
    },
    SyncDirectory {
        path: PathBuf,
        began: SyncPoint,
    },
    /// The second half of a write with a sync.
    SyncWritten {
        file: FileId,
        began: SyncPoint,
        buffer: AlignedBuffer,
        written: usize,
    },
    /// It has happened; only the news is late.
    Deliver(Outcome),
    /// A write of a process that was killed.
    Late {
        node: NodeId,
        offset: u64,
        bytes: Vec<u8>,
    },
}

pub(super) struct OpenFile {
    pub(super) node: NodeId,
    pub(super) path: PathBuf,
    pub(super) options: OpenOptions,
    pub(super) is_direct: bool,
}

/// What a world is made of, besides its disk.
pub(super) struct WorldOptions {
    pub(super) shard_count: u16,
    pub(super) latencies: Latencies,
    pub(super) faults: Faults,
    pub(super) keep_trace_lines: bool,
    pub(super) crash_at_event: Option<u64>,
}

impl World {
    pub(super) fn new(options: WorldOptions, mut disk: Disk, random: &mut Random) -> Self {
        let late = disk.take_late_writes();
        let mut world = Self {
            disk,
            clock: Clock::new(),
            faults: options.faults,
            trace: Trace::new(options.keep_trace_lines),
            entropy: random.fork(),
            latencies: options.latencies,
            random: random.fork(),
            requests: BTreeMap::new(),
            next_order: 0,
            files: BTreeMap::new(),
            next_file: 0,
            held_locks: BTreeSet::new(),
            completions: (0..options.shard_count).map(|_| Vec::new()).collect(),
            event_count: 0,
            crash_at_event: options.crash_at_event,
            process: Process::Running,
            probe: None,
            look_takes: Duration::ZERO,
        };
        for write in late {
            let (nobody, slot) = (ShardIndex(0), SlotId { index: 0, generation: 0 });
            let step = Step::Late { node: write.node, offset: write.offset, bytes: write.bytes };
            let latency_ns = world.random.between(0, 5_000_000);
            world.enqueue(Request { shard: nobody, slot, step }, latency_ns);
        }
        world
    }

    pub(super) fn process(&self) -> Process {
        self.process
    }

    /// Ends the run before the I/O event with this number, counted from the start of the run.
    pub(super) fn crash_at_event(&mut self, event: Option<u64>) {
        self.crash_at_event = event;
    }

    pub(super) fn set_probe(&mut self, probe: Probe) {
        self.probe = Some(probe);
    }

    pub(super) fn event_count(&self) -> u64 {
        self.event_count
    }

    // The process's side.

    pub(super) fn look_at_clock(&mut self) -> MonotonicTime {
        self.clock.advance(self.look_takes);
        self.clock.now()
    }

    pub(super) fn submit(&mut self, shard: ShardIndex, slot: SlotId, operation: Operation) {
        if self.process == Process::Dead {
            return;
        }
        let latency_ns = self.latency_ns(&operation);
        let began = self.disk.sync_point();
        let step = match operation {
            Operation::Sync { file, .. } => Step::SyncFile { file, began },
            Operation::SyncDirectory { path } => Step::SyncDirectory { path, began },
            other => Step::Perform(other),
        };
        self.enqueue(Request { shard, slot, step }, latency_ns);
    }

    /// A cancel comes in time in half of the cases; then nothing has happened.
    pub(super) fn cancel(&mut self, shard: ShardIndex, slot: SlotId) {
        let mut waiting =
            self.requests.iter().filter(|(_, request)| request.shard == shard && request.slot == slot);
        let Some((&due, request)) = waiting.next() else { return };
        if matches!(request.step, Step::Perform(Operation::CloseFile { .. }) | Step::Deliver(_))
            || self.random.coin()
        {
            return;
        }
        let request = self.requests.remove(&due).expect("found above");
        let outcome = failed(request.step, Errno::CANCELED);
        self.complete(request.shard, request.slot, outcome);
    }

    pub(super) fn take_completions(&mut self, shard: ShardIndex, completions: &mut Vec<Completion>) {
        completions.append(&mut self.completions[shard.as_usize()]);
    }

    pub(super) fn has_completions(&self, shard: ShardIndex) -> bool {
        !self.completions[shard.as_usize()].is_empty()
    }

    pub(super) fn try_lock(&mut self, file: FileId) -> io::Result<bool> {
        let open = self.files.get(&file).ok_or(Errno::BADF)?;
        let taken = self.faults.strikes(FaultKind::LockTaken, &open.path);
        Ok(!taken && self.disk.try_lock(open.node, LockOwner(file.0)))
    }

    pub(super) fn hold_for_requests(&mut self, file: FileId) -> io::Result<()> {
        let open = self.files.get(&file).ok_or(Errno::BADF)?;
        self.held_locks.insert(open.node);
        Ok(())
    }

    // The scheduler's side.

    /// When the next request happens.
    pub(super) fn next_due(&self) -> Option<MonotonicTime> {
        self.requests.first_key_value().map(|(due, _)| due.at)
    }

    /// Lets the requests happen whose time has come, up to the crash.
    pub(super) fn run_due(&mut self) {
        while self.process == Process::Running
            && let Some(first) = self.requests.first_entry()
            && first.key().at <= self.clock.now()
        {
            let (due, request) = first.remove_entry();
            if self.changes_disk(&request) {
                self.event_count += 1;
                self.show_to_probe(&request);
                if self.crash_at_event == Some(self.event_count) {
                    self.requests.insert(due, request);
                    self.process = Process::AtCrash;
                    return;
                }
            }
            self.note(&request);
            self.jump_calendar();
            self.happen(request);
        }
    }

    /// Before an executor's turn: now and then one in which time flies, so that tasks find their budget spent.
    pub(super) fn begin_turn(&mut self) {
        if self.random.chance(BUSY_TURNS_PERMILLE) {
            self.look_takes = Duration::from_nanos(self.random.between(1_000, 400_000));
        }
    }

    /// After an executor's turn: the time it took.
    pub(super) fn end_turn(&mut self) {
        self.look_takes = Duration::ZERO;
        let (low, high) = self.latencies.turn_ns;
        let nanos = self.random.between(low, high);
        self.clock.advance(Duration::from_nanos(nanos));
    }

    /// The power is gone: everything on its way may or may not have reached the disk's cache, and is left there as
    /// unsynced. Syncs on their way are lost; a crash that keeps all is what they could have made of it.
    pub(super) fn lose_power(&mut self) -> Disk {
        self.process = Process::Dead;
        for request in self.drain_requests() {
            carry_out(&mut self.disk, &self.files, &request.step);
        }
        self.disk.kill();
        std::mem::take(&mut self.disk)
    }

    /// The process is killed: each request on its way is either carried out or not. Without a lock that waits for
    /// them, the writes among them may come while the next process runs.
    pub(super) fn kill(&mut self) -> Disk {
        self.process = Process::Dead;
        let is_guarded = self.disk.locked_files().all(|node| self.held_locks.contains(&node));
        for request in self.drain_requests() {
            if self.random.coin() {
                carry_out(&mut self.disk, &self.files, &request.step);
            } else if !is_guarded && let Some((node, offset, bytes)) = self.as_late_write(request.step) {
                self.disk.write_later(node, offset, bytes);
            }
        }
        self.disk.kill();
        std::mem::take(&mut self.disk)
    }

    /// From now on nothing reaches the disk.
    pub(super) fn end_process(&mut self) {
        self.process = Process::Dead;
    }

    // Requests.

    fn enqueue(&mut self, request: Request, latency_ns: u64) {
        // The random upper half decides between requests of one moment; the counter keeps keys apart.
        self.next_order += 1;
        let order = self.random.next_u64() << 32 | (self.next_order & u64::from(u32::MAX));
        let at = self.clock.now() + Duration::from_nanos(latency_ns);
        self.requests.insert(Due { at, order }, request);
    }

    fn drain_requests(&mut self) -> Vec<Request> {
        let mut requests: Vec<Request> = std::mem::take(&mut self.requests).into_values().collect();
        for place in (1..requests.len()).rev() {
            requests.swap(place, self.random.index(place + 1));
        }
        requests
    }

    fn latency_ns(&mut self, operation: &Operation) -> u64 {
        let (range, slow) = match operation {
            Operation::Read { .. } => (self.latencies.read_ns, Some(FaultKind::ReadSlow)),
            Operation::Write { .. } => (self.latencies.write_ns, Some(FaultKind::WriteSlow)),
            Operation::Sync { .. } | Operation::SyncDirectory { .. } => {
                (self.latencies.sync_ns, Some(FaultKind::SyncSlow))
            }
            _ => (self.latencies.write_ns, None),
        };
        let path = self.path_of(operation);
        let is_slow = slow.is_some_and(|kind| self.faults.strikes(kind, &path));
        self.random.between(range.0, range.1) * if is_slow { SLOW_FACTOR } else { 1 }
    }

    fn path_of(&self, operation: &Operation) -> PathBuf {
        match operation {
            Operation::OpenFile { path, .. }
            | Operation::CreateDirectoryAll { path }
            | Operation::RemoveDirectory { path }
            | Operation::Rename { from: path, .. }
            | Operation::RemoveFile { path }
            | Operation::SyncDirectory { path }
            | Operation::ReadDirectory { path }
            | Operation::Metadata { path } => path.clone(),
            Operation::Read { file, .. }
            | Operation::Write { file, .. }
            | Operation::Sync { file, .. }
            | Operation::Allocate { file, .. }
            | Operation::Truncate { file, .. }
            | Operation::PunchHole { file, .. }
            | Operation::FileSize { file }
            | Operation::CloseFile { file } => {
                self.files.get(file).map(|open| open.path.clone()).unwrap_or_default()
            }
            _ => PathBuf::new(),
        }
    }

    /// Whether this request is an I/O event. What does not change the disk is none: a crash before a read finds the same
    /// disk as a crash after it.
    fn changes_disk(&self, request: &Request) -> bool {
        match &request.step {
            Step::Perform(Operation::OpenFile { path, options }) => self.open_changes_disk(path, *options),
            Step::Perform(operation) => operation_changes_disk(operation),
            Step::SyncFile { .. }
            | Step::SyncDirectory { .. }
            | Step::SyncWritten { .. }
            | Step::Late { .. } => true,
            Step::Deliver(_) => false,
        }
    }

    fn show_to_probe(&mut self, next: &Request) {
        if let Some(probe) = &mut self.probe {
            let mut disk = self.disk.clone();
            for request in std::iter::once(next).chain(self.requests.values()) {
                carry_out(&mut disk, &self.files, &request.step);
            }
            disk.kill();
            probe(&disk);
        }
    }

    fn open_changes_disk(&self, path: &Path, options: OpenOptions) -> bool {
        let may_make = options.create || options.create_new;
        options.truncate || (may_make && matches!(self.disk.metadata(path), Ok(None)))
    }

    fn note(&mut self, request: &Request) {
        let (name, [first, second, third]) = describe(&request.step);
        let (now, shard) = (self.clock.now().as_nanos(), u64::from(request.shard.0));
        let what = bytes_number(name.as_bytes());
        self.trace.fold(&[now, shard, request.slot.to_u64(), what, first, second, third], || {
            format!("{now} ns: shard {shard} {name} {first:x} {second:x} {third:x}")
        });
    }

    fn jump_calendar(&mut self) {
        for (kind, direction) in
            [(FaultKind::WallClockForward, Jump::Forward), (FaultKind::WallClockBack, Jump::Back)]
        {
            if self.faults.strikes(kind, Path::new("")) {
                self.clock.jump(self.faults.random(), direction);
            }
        }
    }

    fn happen(&mut self, request: Request) {
        let Request { shard, slot, step } = request;
        let outcome = match step {
            Step::Perform(Operation::Write { file, buffer, written, offset, after }) => {
                match self.write(file, buffer, written, offset, after) {
                    Written::Done(outcome) => outcome,
                    Written::SyncNext(next) => {
                        let latency_ns =
                            self.random.between(self.latencies.sync_ns.0, self.latencies.sync_ns.1);
                        return self.enqueue(Request { shard, slot, step: next }, latency_ns);
                    }
                }
            }
            Step::Perform(operation) => self.perform(operation),
            Step::SyncFile { file, began } => Outcome::Done(self.sync_file(file, began)),
            Step::SyncDirectory { path, began } => Outcome::Done(self.sync_directory(&path, began)),
            Step::SyncWritten { file, began, buffer, written } => {
                let result = self.sync_file(file, began).map(|()| buffer.len() - written);
                Outcome::Transferred { result, buffer }
            }
            Step::Deliver(outcome) => return self.complete(shard, slot, outcome),
            Step::Late { node, offset, bytes } => return self.disk.write_late(node, offset, &bytes),
        };
        if self.faults.strikes(FaultKind::CompletionDelayed, Path::new("")) {
            let latency_ns = self.faults.random().between(1_000, 10_000_000);
            return self.enqueue(Request { shard, slot, step: Step::Deliver(outcome) }, latency_ns);
        }
        self.complete(shard, slot, outcome);
    }

    fn complete(&mut self, shard: ShardIndex, slot: SlotId, outcome: Outcome) {
        self.completions[shard.as_usize()].push(Completion { slot, outcome, last: true });
    }

    // The end of the process.

    fn as_late_write(&self, step: Step) -> Option<(NodeId, u64, Vec<u8>)> {
        match step {
            Step::Perform(Operation::Write { file, buffer, written, offset, .. }) => {
                let open = self.files.get(&file)?;
                Some((open.node, offset + written as u64, buffer[written..].to_vec()))
            }
            Step::Late { node, offset, bytes } => Some((node, offset, bytes)),
            _ => None,
        }
    }
}

/// Does what was on its way when the process ended, short of syncs. Errors have nobody to go to.
fn carry_out(disk: &mut Disk, files: &BTreeMap<FileId, OpenFile>, step: &Step) {
    let node = |file: &FileId| files.get(file).map(|open| open.node).ok_or(io::Error::from(Errno::BADF));
    let _nobody_asks = match step {
        Step::Perform(Operation::Write { file, buffer, written, offset, .. }) => {
            node(file).and_then(|node| disk.write(node, offset + *written as u64, &buffer[*written..]))
        }
        Step::Perform(Operation::Allocate { file, offset, length }) => {
            node(file).and_then(|node| disk.allocate(node, *offset, *length))
        }
        Step::Perform(Operation::Truncate { file, length }) => {
            node(file).and_then(|node| disk.truncate(node, *length))
        }
        Step::Perform(Operation::PunchHole { file, offset, length }) => {
            node(file).and_then(|node| disk.punch_hole(node, *offset, *length))
        }
        Step::Perform(Operation::OpenFile { path, options }) => disk.open(path, *options).map(drop),
        Step::Perform(Operation::CreateDirectoryAll { path }) => disk.create_directory_all(path),
        Step::Perform(Operation::RemoveDirectory { path }) => disk.remove_directory(path),
        Step::Perform(Operation::Rename { from, to }) => disk.rename(from, to),
        Step::Perform(Operation::RemoveFile { path }) => disk.remove_file(path),
        Step::Late { node, offset, bytes } => {
            disk.write_late(*node, *offset, bytes);
            Ok(())
        }
        _ => Ok(()),
    };
}

fn operation_changes_disk(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::Write { .. }
            | Operation::Sync { .. }
            | Operation::Allocate { .. }
            | Operation::Truncate { .. }
            | Operation::PunchHole { .. }
            | Operation::CreateDirectoryAll { .. }
            | Operation::RemoveDirectory { .. }
            | Operation::Rename { .. }
            | Operation::RemoveFile { .. }
            | Operation::SyncDirectory { .. }
    )
}

/// The outcome of a step that fails without having done anything.
pub(super) fn failed(step: Step, errno: Errno) -> Outcome {
    let error = io::Error::from(errno);
    match step {
        Step::Perform(operation) => match operation {
            Operation::OpenFile { .. } => Outcome::Opened(Err(error)),
            Operation::Read { buffer, .. } | Operation::Write { buffer, .. } => {
                Outcome::Transferred { result: Err(error), buffer }
            }
            Operation::FileSize { .. } => Outcome::Size(Err(error)),
            Operation::Metadata { .. } => Outcome::Metadata(Err(error)),
            Operation::ReadDirectory { .. } => Outcome::Entries(Err(error)),
            Operation::Accept { .. } => Outcome::Accepted(Err(error)),
            Operation::Receive { buffer, .. } | Operation::Send { buffer, .. } => {
                Outcome::Streamed { result: Err(error), buffer }
            }
            _ => Outcome::Done(Err(error)),
        },
        Step::SyncWritten { buffer, .. } => Outcome::Transferred { result: Err(error), buffer },
        Step::Deliver(outcome) => outcome,
        Step::SyncFile { .. } | Step::SyncDirectory { .. } | Step::Late { .. } => Outcome::Done(Err(error)),
    }
}
