//! Crash after crash on one directory, checked after each.

use std::{cell::RefCell, rc::Rc, time::Duration};

use basalt_runtime::{
    Handle,
    sim::{CrashPolicy, Disk, Ended, FaultKind, FaultPlan, FaultRate, Random, SimOptions},
};
use basalt_storage::{StorageError, Wal};

use crate::harness::{Model, SharedModel, append, run_with, small_options, start};

/// Writers that append at once.
const WRITERS: u64 = 4;

/// What one directory goes through.
pub(crate) struct Campaign {
    random: Random,
    disk: Disk,
    model: SharedModel,
    faults: FaultPlan,
}

impl Campaign {
    /// An empty directory; `faults` strike its processes besides the crashes.
    pub(crate) fn new(seed: u64, faults: FaultPlan) -> Self {
        let model = Rc::new(RefCell::new(Model::default()));
        Self { random: Random::new(seed), disk: Disk::new(), model, faults }
    }

    /// One process: starts, checks what it finds, writes, and crashes at some I/O event.
    pub(crate) fn round(&mut self) -> Result<(), String> {
        let mut options = SimOptions::new(self.random.next_u64());
        // A short life crashes inside of recovery.
        let life_max = if self.random.chance(300) { 40 } else { 400 };
        options.crash_at_event = Some(self.random.between(1, life_max));
        options.faults = self.faults.clone();
        let (model, writers) = (Rc::clone(&self.model), self.random.fork());
        let disk = std::mem::take(&mut self.disk);
        let (ended, simulation) = run_with(options, disk, |handle| live(handle, model, writers));
        match ended {
            Ok(Ok(())) | Err(Ended::AtEvent) => {}
            // What a process does that cannot write its log any more, or not even start.
            Err(Ended::Stopped(_)) | Ok(Err(Failure::Storage(StorageError::Disk { .. })))
                if !simulation.faults_fired().is_empty() => {}
            Ok(Err(failure)) => return Err(failure.to_string()),
            Err(ended) => return Err(format!("the process ended by itself: {ended:?}")),
        }
        self.disk =
            if self.random.chance(200) { simulation.kill() } else { simulation.lose_power(CrashPolicy::Any) };
        Ok(())
    }
}

/// Why a process ended that was not meant to.
enum Failure {
    /// The log answered with an error.
    Storage(StorageError),
    /// The log holds what it must not, or lacks what it must hold.
    Wrong(String),
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Storage(error) => error.fmt(formatter),
            Self::Wrong(what) => formatter.write_str(what),
        }
    }
}

/// A process: recovery, then writers until they have written enough.
async fn live(handle: Handle, model: SharedModel, mut random: Random) -> Result<(), Failure> {
    let started = start(&handle, small_options()).await?;
    model.borrow_mut().recovered(&started.found).map_err(Failure::Wrong)?;
    let writers = (0..WRITERS).map(|_| {
        let (handle, wal, model, random) =
            (handle.clone(), started.wal.clone(), Rc::clone(&model), random.fork());
        handle.clone().spawn(write(handle, wal, model, random))
    });
    let writers: Vec<_> = writers.collect();
    for writer in writers {
        writer.await?;
    }
    if random.coin() {
        started.wal.seal_and_close().await?;
    }
    drop(started.node);
    Ok(())
}

async fn write(handle: Handle, wal: Wal, model: SharedModel, mut random: Random) -> Result<(), Failure> {
    for _ in 0..random.between(1, 12) {
        let bytes_max = if random.chance(100) { 60 << 10 } else { 600 };
        if wal.used_bytes() + bytes_max > wal.budget_bytes() / 2 {
            wal.set_needed_low(model.borrow_mut().release(None));
        }
        wal.room(bytes_max).await?;
        let entry = model.borrow_mut().next_entry(&mut random, bytes_max);
        let ticket = append(&wal, &entry);
        model.borrow_mut().appended(entry, ticket);
        if random.chance(800) {
            wal.durable(ticket).await?;
            model.borrow_mut().acknowledged(wal.durable_frame());
        }
        if random.chance(300) {
            wal.set_needed_low(model.borrow_mut().release(Some(&mut random)));
        }
        if random.chance(200) {
            // Long enough for a Seal.
            handle.sleep(Duration::from_millis(random.below(20))).await;
        }
    }
    Ok(())
}

/// One sync of the log in a hundred fails, and the system forgets what was to be synced.
pub(crate) fn failing_syncs() -> FaultPlan {
    FaultPlan::none()
        .with(FaultKind::SyncErrorForgets, FaultRate::PerMillion(10_000))
        .only_paths_with("/wal/0/")
}

/// Runs campaigns of a few rounds each; returns the first failure with its seed.
pub(crate) fn first_failure(
    seeds: impl Iterator<Item = u64>,
    rounds: u32,
    faults: &FaultPlan,
) -> Option<String> {
    for seed in seeds {
        let mut campaign = Campaign::new(seed, faults.clone());
        for round in 0..rounds {
            if let Err(failure) = campaign.round() {
                return Some(format!("SIM_SEED={seed}, round {round}: {failure}"));
            }
        }
    }
    None
}

/// `SIM_SEED=7 cargo test -p basalt-storage --test log` runs one campaign; `SIM_SEEDS=10000` runs more of them.
fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIM_SEEDS").unwrap_or(60),
    }
}

#[test]
fn what_was_acknowledged_survives_every_crash() {
    assert_eq!(first_failure(seeds(), 12, &FaultPlan::none()), None);
}

#[test]
fn what_was_acknowledged_survives_failed_syncs() {
    assert_eq!(first_failure(seeds(), 12, &failing_syncs()), None);
}
