//! Engines on a simulated disk: closed, killed or unplugged, and opened again with another number of shards.

use std::{future::Future, path::Path, time::Duration};

use basalt_engine::{
    Engine, EngineOptions,
    runtime::{
        MonotonicTime, ShardIndex, UnixTime,
        sim::{CrashPolicy, Disk, Ended, SimOptions, Simulation},
    },
};

use crate::support::options;

const DIRECTORY: &str = "/data";
/// Days pass while records grow old.
const TIME_MAX: Duration = Duration::from_hours(72);
/// Where a partition's file ends its superblocks and begins its pages.
const PAGES_OFFSET: u64 = 8 * BLOCK_BYTES;
const BLOCK_BYTES: u64 = 4096;
const LEADER: ShardIndex = ShardIndex(0);

/// A running engine and its simulated machine.
pub(crate) struct Simulated {
    simulation: Simulation,
    engine: Engine,
}

impl Simulated {
    /// Starts a process of `shard_count` shards on `disk`.
    pub(crate) fn open(disk: Disk, shard_count: u16, seed: u64) -> Self {
        Self::try_open(disk, options(shard_count), seed, None).expect("the start comes to its end")
    }

    /// Starts a process on `disk`, which may end before the I/O event with a number; the disk is then as the power
    /// loss left it.
    pub(crate) fn try_open(
        disk: Disk,
        options: EngineOptions,
        seed: u64,
        crash_at_event: Option<u64>,
    ) -> Result<Self, Box<Disk>> {
        let shard_count = options.shard_count.expect("simulated processes say how many shards they have");
        let sim_options =
            SimOptions { shard_count, crash_at_event, time_max: TIME_MAX, ..SimOptions::new(seed) };
        let mut simulation = Simulation::new(sim_options, disk);
        let (leader, remotes) = (simulation.handle(LEADER), simulation.remotes().to_vec());
        let opening = async move { Engine::open_on(leader, remotes, Path::new(DIRECTORY), options).await };
        match simulation.run_until(LEADER, opening) {
            Ok(opened) => Ok(Self { simulation, engine: opened.expect("the directory opens") }),
            Err(Ended::AtEvent) => Err(Box::new(simulation.lose_power(CrashPolicy::Any))),
            Err(other) => panic!("the start ended with {other:?}"),
        }
    }

    /// Lets the process end before the I/O event that is `events` after the last one.
    pub(crate) fn crash_in(&mut self, events: u64) {
        let now = self.simulation.event_count();
        self.simulation.crash_at_event(Some(now + events));
    }

    /// Runs `work` on the first shard to its end, or until the process ends; whether it came to its end.
    pub(crate) fn run_or_crash<F: Future<Output = ()> + 'static>(
        &mut self,
        work: impl FnOnce(Engine) -> F,
    ) -> bool {
        let working = work(self.engine.clone());
        match self.simulation.run_until(LEADER, working) {
            Ok(()) => true,
            Err(Ended::AtEvent) => false,
            Err(other) => panic!("the process ended with {other:?}"),
        }
    }

    /// Runs `work` on the first shard to its end.
    pub(crate) fn run<T: 'static, F: Future<Output = T> + 'static>(
        &mut self,
        work: impl FnOnce(Engine) -> F,
    ) -> T {
        let working = work(self.engine.clone());
        self.simulation.run_until(LEADER, working).expect("the work comes to its end")
    }

    /// The engine, for what it tells at once.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The paths of all files.
    pub(crate) fn files(&self) -> Vec<String> {
        self.simulation.disk().list_files()
    }

    /// Flips bits of every page of a partition's file, and of none of its superblocks, under the running process.
    pub(crate) fn spoil_pages(&mut self, path: &str) {
        spoil_pages_of(&mut self.simulation.disk_mut(), path);
    }

    /// The simulated time.
    pub(crate) fn now(&self) -> MonotonicTime {
        self.simulation.now()
    }

    /// Begins `work` on the first shard and gives it so much time.
    pub(crate) fn run_for<F: Future<Output = ()> + 'static>(
        &mut self,
        time: Duration,
        work: impl FnOnce(Engine) -> F,
    ) {
        self.simulation.handle(LEADER).spawn(work(self.engine.clone())).detach();
        self.simulation.run_for(time).expect("the process lives");
    }

    /// Sets the calendar forward or back.
    pub(crate) fn set_unix_time(&mut self, time: UnixTime) {
        self.simulation.set_unix_time(time);
    }

    /// What the calendar shows.
    pub(crate) fn unix_time(&self) -> UnixTime {
        self.simulation.handle(LEADER).unix_time()
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, duration: Duration) {
        let handle = self.simulation.handle(LEADER);
        let waited = self.simulation.run_until(LEADER, async move { handle.sleep(duration).await });
        waited.expect("time passes");
    }

    /// Closes the engine and ends the process.
    pub(crate) fn close(mut self) -> Disk {
        self.run(Engine::close).expect("the engine closes");
        self.simulation.kill()
    }

    /// The process dies; the system goes on.
    pub(crate) fn kill(self) -> Disk {
        self.simulation.kill()
    }

    /// The machine stops; what was not synced may be lost.
    pub(crate) fn lose_power(self) -> Disk {
        self.simulation.lose_power(CrashPolicy::Any)
    }
}

/// Flips bits of every page of a partition's file, and of none of its superblocks.
pub(crate) fn spoil_pages_of(disk: &mut Disk, path: &str) {
    (0..page_blocks(disk, path)).for_each(|block| spoil_block(disk, path, block));
}

/// How many blocks of a partition's file are not its superblocks'.
pub(crate) fn page_blocks(disk: &Disk, path: &str) -> u64 {
    let file_bytes = disk.read_file(Path::new(path)).expect("the file is there").len() as u64;
    file_bytes.saturating_sub(PAGES_OFFSET) / BLOCK_BYTES
}

/// Flips bits of one of these blocks; a second time mends it.
pub(crate) fn spoil_block(disk: &mut Disk, path: &str, block: u64) {
    let start = PAGES_OFFSET + block * BLOCK_BYTES;
    for offset in (start..start + BLOCK_BYTES).step_by(512) {
        disk.flip_bits(Path::new(path), offset, 0x5a).expect("the byte is in the file");
    }
}
