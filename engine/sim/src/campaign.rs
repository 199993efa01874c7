//! Ranges of numbered jobs on several threads, with progress and totals.
//!
//! A job is a seed, or a small workload; each runs on one thread from beginning to end, so threads change nothing of
//! what a job finds. Failures come out in the order of their numbers.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the campaign drives simulations from outside: real threads, real time"
)]

use crate::exhaustive::WorkloadReport;
use crate::oracle::Violation;
use crate::round::SeedReport;
use crate::watchdog::Watchdog;
use basalt_runtime::sim::{FaultKind, marks};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Which jobs run, and when to stop.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// The jobs' numbers.
    pub jobs: Range<u64>,
    /// Threads that run them.
    pub threads: usize,
    /// Whether a failure ends it.
    pub on_failure: OnFailure,
    /// No job begins after this time.
    pub time_max: Option<Duration>,
    /// A job that takes longer hangs.
    pub job_time_max: Duration,
}

/// Far more than any job takes, also on a machine that is busy with other things.
pub const JOB_TIME_MAX: Duration = Duration::from_secs(120);

/// What a failure means for the jobs that have not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// They do not begin.
    Stop,
    /// They run all the same.
    GoOn,
}

/// What one job found.
#[derive(Debug, Clone, Default)]
pub struct JobReport {
    /// Disks that were crashed, recovered and verified.
    pub rounds: u64,
    /// Operations of clients.
    pub operations: u64,
    /// I/O events.
    pub events: u64,
    /// How often each fault struck.
    pub faults_fired: BTreeMap<FaultKind, u64>,
    /// Everything that happened, as one number; 0 where nobody counts.
    pub trace_hash: u64,
    /// What must not have happened.
    pub violation: Option<Violation>,
}

/// The sum of all jobs.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// Jobs that have ended.
    pub jobs: u64,
    /// See [`JobReport::rounds`].
    pub rounds: u64,
    /// See [`JobReport::operations`].
    pub operations: u64,
    /// See [`JobReport::events`].
    pub events: u64,
    /// See [`JobReport::faults_fired`].
    pub faults_fired: BTreeMap<FaultKind, u64>,
    /// How often each mark was passed.
    pub marks: BTreeMap<&'static str, u64>,
    /// The jobs that failed, and how.
    pub failures: BTreeMap<u64, Violation>,
    /// Time so far.
    pub elapsed: Duration,
}

impl Campaign {
    /// Runs the jobs; `progress` is told about once a second and after each failure, `on_hang` of each job that does not
    /// end in time. It goes on if that returns.
    pub fn run(
        &self,
        job: impl Fn(u64) -> JobReport + Sync,
        mut progress: impl FnMut(&Totals),
        on_hang: impl Fn(u64) + Send,
    ) -> Totals {
        let began = Instant::now();
        let next = AtomicU64::new(self.jobs.start);
        let stopped = AtomicBool::new(false);
        let (sender, reports) = mpsc::channel();
        let (still_working, done) = mpsc::channel();
        let watchdog = Watchdog::default();
        let watched = |number| watchdog.watched(number, || job(number));
        let mut totals = Totals::default();
        std::thread::scope(|scope| {
            let watchdog = &watchdog;
            scope.spawn(move || watchdog.watch(self.job_time_max, &done, on_hang));
            for _ in 0..self.threads {
                let (sender, still_working) = (sender.clone(), still_working.clone());
                let (job, next, stopped) = (&watched, &next, &stopped);
                scope.spawn(move || {
                    self.work(job, next, stopped, began, &sender);
                    drop(still_working);
                });
            }
            drop((sender, still_working));
            let mut told = began;
            for (number, report, marks) in reports {
                let has_failed = report.violation.is_some();
                totals.add(number, report, marks);
                totals.elapsed = began.elapsed();
                if has_failed || told.elapsed() > Duration::from_secs(1) {
                    told = Instant::now();
                    progress(&totals);
                }
            }
        });
        totals
    }

    fn work(
        &self,
        job: impl Fn(u64) -> JobReport,
        next: &AtomicU64,
        stopped: &AtomicBool,
        began: Instant,
        reports: &mpsc::Sender<(u64, JobReport, BTreeMap<&'static str, u64>)>,
    ) {
        while !stopped.load(Ordering::Relaxed) && self.time_max.is_none_or(|most| began.elapsed() < most) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.jobs.end {
                return;
            }
            let report = job(number);
            if report.violation.is_some() && self.on_failure == OnFailure::Stop {
                stopped.store(true, Ordering::Relaxed);
            }
            reports
                .send((number, report, marks::take()))
                .expect("the campaign listens until all threads are done");
        }
    }
}

impl Totals {
    /// Adds what another campaign found. Failures of the same number are told once.
    pub fn merge(&mut self, other: Self) {
        self.jobs += other.jobs;
        self.rounds += other.rounds;
        self.operations += other.operations;
        self.events += other.events;
        add_counts(&mut self.faults_fired, other.faults_fired);
        add_counts(&mut self.marks, other.marks);
        self.failures.extend(other.failures);
        self.elapsed += other.elapsed;
    }

    fn add(&mut self, number: u64, report: JobReport, marks: BTreeMap<&'static str, u64>) {
        self.jobs += 1;
        self.rounds += report.rounds;
        self.operations += report.operations;
        self.events += report.events;
        add_counts(&mut self.faults_fired, report.faults_fired);
        add_counts(&mut self.marks, marks);
        if let Some(violation) = report.violation {
            self.failures.insert(number, violation);
        }
    }
}

fn add_counts<K: Ord>(sum: &mut BTreeMap<K, u64>, counts: BTreeMap<K, u64>) {
    for (key, count) in counts {
        *sum.entry(key).or_insert(0) += count;
    }
}

/// One line for people.
impl fmt::Display for Totals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64().max(0.001);
        write!(
            formatter,
            "{} jobs, {} rounds ({:.0}/s), {} operations, {} I/O events, {} failures, {seconds:.1} s",
            self.jobs,
            self.rounds,
            self.rounds as f64 / seconds,
            self.operations,
            self.events,
            self.failures.len()
        )
    }
}

impl From<SeedReport> for JobReport {
    fn from(report: SeedReport) -> Self {
        Self {
            rounds: report.rounds,
            operations: report.operations,
            events: report.events,
            faults_fired: report.faults_fired,
            trace_hash: report.trace_hash,
            violation: report.violation,
        }
    }
}

impl From<WorkloadReport> for JobReport {
    fn from(report: WorkloadReport) -> Self {
        Self {
            rounds: report.crash_states,
            events: report.events,
            violation: report.violation,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing_at(number: u64) -> impl Fn(u64) -> JobReport + Sync {
        move |job| JobReport {
            rounds: 2,
            violation: (job == number).then(|| Violation::Failed("as planned".to_owned())),
            ..JobReport::default()
        }
    }

    fn campaign(jobs: Range<u64>, on_failure: OnFailure) -> Campaign {
        Campaign { jobs, threads: 2, on_failure, time_max: None, job_time_max: JOB_TIME_MAX }
    }

    fn never(job: u64) {
        unreachable!("job {job} does not hang");
    }

    #[test]
    fn every_job_runs_once_and_is_counted() {
        let totals = campaign(5..105, OnFailure::GoOn).run(failing_at(50), |_| {}, never);
        assert_eq!((totals.jobs, totals.rounds), (100, 200));
        assert_eq!(totals.failures.keys().collect::<Vec<_>>(), [&50]);
    }

    #[test]
    fn a_failure_stops_what_has_not_begun() {
        let totals = campaign(0..1_000_000_000, OnFailure::Stop).run(failing_at(10), |_| {}, never);
        assert!(totals.jobs < 1_000_000_000);
        assert!(totals.failures.contains_key(&10));
    }

    #[test]
    fn a_job_that_hangs_is_named() {
        let (release, released) = mpsc::channel();
        let released = std::sync::Mutex::new(released);
        let campaign = Campaign { job_time_max: Duration::from_millis(1), ..campaign(0..3, OnFailure::GoOn) };
        let hanging_at_1 = |job| {
            if job == 1 {
                released.lock().unwrap().recv().unwrap();
            }
            JobReport::default()
        };
        let totals = campaign.run(
            hanging_at_1,
            |_| {},
            |job| {
                if job == 1 {
                    release.send(()).unwrap();
                }
            },
        );
        assert_eq!(totals.jobs, 3);
    }
}
