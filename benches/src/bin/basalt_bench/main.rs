//! `basalt-bench`: puts workloads on a DynamoDB-compatible database and tells what it takes, and how long.
//!
//! One thread and one connection a client; a client has one request under way. Clients share the machine with a local
//! server, so the processor time of the server is told apart from the rates.

#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a client of databases, on the real clock, threads and sockets of the system, with a result to print"
)]

mod clients;
mod options;
mod pace;
mod plot;
mod record;
mod report;
mod session;
mod workload;

use std::{
    fs, io,
    process::ExitCode,
    time::{Duration, Instant},
};

use basalt_benches::{
    keys::{Distribution, KeyChooser},
    server_process::ServerProcess,
};
use clap::Parser as _;

use crate::{
    clients::{Client, Course, Second},
    options::{Loop, Options},
    pace::Pace,
    report::Report,
    session::{Database, Failure},
    workload::{Chooser, Population, Workload},
};

/// How long the peak is looked for that an open loop's rate is a share of.
const PEAK_TIME: Duration = Duration::from_secs(5);
/// The share of the peak at which latencies say something: below, queues are short; above, they are all there is.
const PEAK_SHARE: f64 = 0.7;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("basalt-bench: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    sharpen_timers()?;
    let database = options.database()?;
    let outcome = Bench { options, database: database.as_ref() }.run();
    let closed = database.close().map_err(told);
    tell(&outcome?, options)?;
    closed
}

/// Threads are woken when they asked for it, not up to 50 us later: late starts would count as latency.
fn sharpen_timers() -> Result<(), String> {
    let shortest = std::num::NonZeroU64::new(1);
    rustix::thread::set_current_timer_slack(shortest).map_err(|error| format!("timers: {error}"))
}

/// One run on one database.
struct Bench<'a> {
    options: &'a Options,
    database: &'a dyn Database,
}

impl Bench<'_> {
    fn run(&self) -> Result<Report, String> {
        let Options { workload, records, seconds, .. } = self.options;
        self.database.create_table(workload.layout()).map_err(told)?;
        let population = Population::new(*records);
        if !self.options.keep {
            let loaded = self.load()?;
            if *workload == Workload::Load {
                return Ok(self.report(None, loaded, None));
            }
        } else if *workload == Workload::Load {
            return Err("--keep leaves nothing to load".to_owned());
        }
        let rate = match self.options.pace() {
            Loop::Closed => None,
            Loop::Open(rate) => Some(rate),
            Loop::OpenBelowPeak => Some(self.peak(&population)? * PEAK_SHARE),
        };
        self.say(&match rate {
            Some(rate) => format!("open loop, {rate:.0} operations a second, {seconds} s"),
            None => format!("closed loop, {seconds} s"),
        });
        let server = self.options.server_pid.map(ServerProcess::new);
        let before = server.as_ref().map(ServerProcess::cpu_seconds).transpose()?;
        let course = self.drive(*workload, &population, Duration::from_secs_f64(*seconds), rate)?;
        let operations = course.sums.iter().map(hdrhistogram::Histogram::len).sum();
        let cost = match (&server, before) {
            (Some(server), Some(before)) => Some(server.cost_since(before, operations)?),
            _ => None,
        };
        Ok(self.report(rate, course, cost))
    }

    /// Puts every record once.
    fn load(&self) -> Result<Course, String> {
        self.say(&format!("loading {} records", self.options.records));
        let population = Population::until(self.options.records);
        self.drive(Workload::Load, &population, Duration::MAX, None)
    }

    /// Operations a second of a short closed loop.
    fn peak(&self, population: &Population) -> Result<f64, String> {
        self.say("looking for the peak");
        let course = self.drive(self.options.workload, population, PEAK_TIME, None)?;
        let operations: u64 = course.sums.iter().map(hdrhistogram::Histogram::len).sum();
        Ok(operations as f64 / course.elapsed.as_secs_f64())
    }

    fn drive(
        &self,
        workload: Workload,
        population: &Population,
        duration: Duration,
        rate: Option<f64>,
    ) -> Result<Course, String> {
        let distribution = match workload {
            Workload::Load => Distribution::Uniform,
            _ => self.options.distribution.unwrap_or_else(|| workload.distribution()),
        };
        let keys = KeyChooser::new(distribution, population.count());
        let clients = (0..u64::from(self.options.clients)).map(|number| {
            let chooser =
                Chooser::new(workload, keys.clone(), self.options.range_records, self.options.seed + number);
            Ok(Client { session: self.database.session().map_err(told)?, chooser })
        });
        let clients = clients.collect::<Result<Vec<_>, String>>()?;
        let pace = Pace::new(Instant::now(), duration, rate);
        clients::run(clients, self.options.record_shape(), population, &pace, |second| self.progress(second))
    }

    fn report(
        &self,
        rate: Option<f64>,
        course: Course,
        cost: Option<basalt_benches::server_process::Cost>,
    ) -> Report {
        let command = std::env::args().collect::<Vec<_>>().join(" ");
        Report::new(command, rate, course, cost)
    }

    fn progress(&self, second: &Second) {
        let Second { at_s, rate, p50_us, p99_us, max_us } = second;
        self.say(&format!(
            "{at_s:6.1} s  {rate:9.0} ops/s  p50 {p50_us:.0} us  p99 {p99_us:.0} us  longest {max_us:.0} us"
        ));
    }

    fn say(&self, message: &str) {
        if !self.options.quiet {
            eprintln!("{message}");
        }
    }
}

fn tell(report: &Report, options: &Options) -> Result<(), String> {
    if let Some(path) = &options.plot {
        fs::write(path, plot::svg(report)?).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    match &options.json {
        Some(path) => {
            let json = serde_json::to_string_pretty(report).expect("numbers and names are JSON");
            if path.as_os_str() == "-" {
                println!("{json}");
                return Ok(());
            }
            fs::write(path, json).map_err(|error| format!("{}: {error}", path.display()))
        }
        None => report.write_table(&mut io::stdout()).map_err(|error| error.to_string()),
    }
}

fn told(failure: Failure) -> String {
    failure.to_string()
}
