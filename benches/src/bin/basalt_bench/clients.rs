//! Clients as threads: each with a session of its own, watched once a second.
//!
//! A client records every latency in a histogram of the present second. The watcher takes it away second by second,
//! so that progress, the course of the run and its sums come from the same counts.

use std::{
    array,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use basalt_benches::report::latency_histogram;
use hdrhistogram::Histogram;

use crate::{
    pace::{Clock as _, Pace, RealClock},
    record::Records,
    session::{self, Failure, Session},
    workload::{Chooser, KINDS, Kind, Population},
};

/// How long a client rests whose request was throttled.
const THROTTLE_PAUSE: Duration = Duration::from_millis(10);
/// Latencies by kind, in nanoseconds.
pub(crate) type Latencies = [Histogram<u64>; KINDS.len()];

/// What is counted beside latencies.
#[derive(Debug, Default)]
struct Tallies {
    throttled: AtomicU64,
    conflicts: AtomicU64,
    misses: AtomicU64,
}

/// The course of a run.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) elapsed: Duration,
    pub(crate) seconds: Vec<Second>,
    pub(crate) sums: Latencies,
    pub(crate) throttled: u64,
    pub(crate) conflicts: u64,
    pub(crate) misses: u64,
}

/// One interval between two looks.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(crate) struct Second {
    /// Its end, since the start of the run.
    pub(crate) at_s: f64,
    /// Operations that ended in it, a second.
    pub(crate) rate: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
}

/// One client before it starts.
pub(crate) struct Client {
    pub(crate) session: Box<dyn Session>,
    pub(crate) chooser: Chooser,
}

/// Runs all clients to the end of the pace, calling `tell` once a second.
pub(crate) fn run(
    clients: Vec<Client>,
    records: Records,
    population: &Population,
    pace: &Pace,
    tell: impl FnMut(&Second),
) -> Result<Course, String> {
    let latencies: Vec<Mutex<Latencies>> = clients.iter().map(|_| Mutex::new(empty())).collect();
    let (tallies, stopping) = (Tallies::default(), AtomicBool::new(false));
    let started = Instant::now();
    let versions = AtomicU64::new(std::process::id().into());
    thread::scope(|scope| {
        let work =
            Work { records, population, pace, tallies: &tallies, stopping: &stopping, versions: &versions };
        let running: Vec<_> = clients
            .into_iter()
            .zip(&latencies)
            .map(|(client, latencies)| scope.spawn(move || work.run(client, latencies)))
            .collect();
        let mut watch =
            Watch { started, last: started, latencies: &latencies, sums: empty(), seconds: Vec::new(), tell };
        while running.iter().any(|client| !client.is_finished()) {
            let next_look = watch.last + Duration::from_secs(1);
            while RealClock.now() < next_look && running.iter().any(|client| !client.is_finished()) {
                RealClock.wait_until(RealClock.now() + Duration::from_millis(20));
            }
            watch.look();
        }
        for client in running {
            client.join().map_err(|_panic| "a client panicked".to_owned())??;
        }
        watch.look();
        let count = |tally: &AtomicU64| tally.load(Ordering::Relaxed);
        Ok(Course {
            elapsed: watch.last - started,
            seconds: watch.seconds,
            sums: watch.sums,
            throttled: count(&tallies.throttled),
            conflicts: count(&tallies.conflicts),
            misses: count(&tallies.misses),
        })
    })
}

fn empty() -> Latencies {
    array::from_fn(|_| latency_histogram())
}

/// What all clients share.
#[derive(Clone, Copy)]
struct Work<'a> {
    records: Records,
    population: &'a Population,
    pace: &'a Pace,
    tallies: &'a Tallies,
    /// A client has failed: the others end.
    stopping: &'a AtomicBool,
    versions: &'a AtomicU64,
}

impl Work<'_> {
    fn run(self, mut client: Client, latencies: &Mutex<Latencies>) -> Result<(), String> {
        while !self.stopping.load(Ordering::Relaxed)
            && let Some(intended) = self.pace.next(&RealClock)
        {
            let Some(step) = client.chooser.next(self.population) else { break };
            let version = self.versions.fetch_add(1, Ordering::Relaxed);
            match session::run(client.session.as_mut(), step, self.records, version) {
                Ok(found) => self.record(step.kind(), intended, found, latencies),
                Err(Failure::Throttled) => {
                    self.tallies.throttled.fetch_add(1, Ordering::Relaxed);
                    RealClock.wait_until(RealClock.now() + THROTTLE_PAUSE);
                }
                Err(Failure::Conflict) => {
                    self.tallies.conflicts.fetch_add(1, Ordering::Relaxed);
                }
                Err(Failure::Lost(reason)) => {
                    self.stopping.store(true, Ordering::Relaxed);
                    return Err(reason);
                }
            }
        }
        Ok(())
    }

    fn record(self, kind: Kind, intended: Instant, found: Option<u64>, latencies: &Mutex<Latencies>) {
        let latency = RealClock.now() - intended;
        if found == Some(0) {
            self.tallies.misses.fetch_add(1, Ordering::Relaxed);
        }
        let mut latencies = latencies.lock().unwrap_or_else(PoisonError::into_inner);
        latencies[kind as usize].saturating_record(latency.as_nanos() as u64);
    }
}

struct Watch<'a, T> {
    started: Instant,
    last: Instant,
    latencies: &'a [Mutex<Latencies>],
    sums: Latencies,
    seconds: Vec<Second>,
    tell: T,
}

impl<T: FnMut(&Second)> Watch<'_, T> {
    /// Takes what clients have recorded since the last look.
    fn look(&mut self) {
        let mut all = latency_histogram();
        for latencies in self.latencies {
            let mut taken = latencies.lock().unwrap_or_else(PoisonError::into_inner);
            for (kind, sum) in taken.iter_mut().zip(&mut self.sums) {
                sum.add(&*kind).expect("all histograms have the same bounds");
                all.add(&*kind).expect("all histograms have the same bounds");
                kind.reset();
            }
        }
        let now = RealClock.now();
        let since_last = (now - self.last).as_secs_f64();
        self.last = now;
        if all.is_empty() {
            return;
        }
        let quantile = |quantile| all.value_at_quantile(quantile) as f64 / 1000.0;
        let second = Second {
            at_s: (now - self.started).as_secs_f64(),
            rate: all.len() as f64 / since_last,
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            max_us: all.max() as f64 / 1000.0,
        };
        (self.tell)(&second);
        self.seconds.push(second);
    }
}
