//! Loads the real daemon over the wire, kills it again and again, and judges what its clients were told.
//!
//! Rounds of a few seconds: clients of all arenas at once, kills at random instants, then quiet, a last read of
//! everything, and the checkers. The seed decides what is asked and when the daemon is killed; how calls interleave is
//! up to the machine, so a fault is kept with its whole history, which is its proof.

#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "clients and a process on the real clock, sockets and threads of the system, with a result to print"
)]

mod arena;
mod chance;
mod connection;
mod daemon;
mod round;
mod session;
mod tail;
mod wire;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;

use crate::{
    arena::{Arena, Bank, Fault, Growth, Lists, Registers, Versions},
    connection::Service,
    daemon::{Daemon, DaemonOptions, Lives},
    round::{RoundOptions, RoundResult},
    session::{Course, Session},
    tail::Tail,
};

/// Checks histories of concurrent clients of a daemon that is killed.
#[derive(Debug, Parser)]
struct Arguments {
    /// The daemon, as built for release
    basaltd: PathBuf,
    /// How long to put load on it
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How long a round is
    #[arg(long, default_value_t = 10)]
    round_seconds: u64,
    /// The longest time between a start and the next kill; 0: no kills
    #[arg(long, default_value_t = 1500, value_name = "MILLISECONDS")]
    life_max: u64,
    /// Decides what is asked and when it is killed [default: by the time]
    #[arg(long)]
    seed: Option<u64>,
    /// How files and sockets are driven: auto, uring or portable
    #[arg(long, default_value = "auto")]
    io: String,
    /// Clients of each of the four arenas
    #[arg(long, default_value_t = 6)]
    clients: u32,
    /// By how many KiB a second each table grows: with a small --partition-size, partitions are split under load
    #[arg(long, default_value_t = 0, value_name = "KIBIBYTES")]
    growth: u64,
    /// One more flag of the daemon; may be given several times
    #[arg(long = "flag", value_name = "FLAG", allow_hyphen_values = true)]
    flags: Vec<String>,
    /// Where the data is put [default: the system's temporary directory]
    #[arg(long)]
    directory: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("check_histories: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let seed = arguments.seed.unwrap_or_else(seed_by_time);
    println!("check_histories: seed {seed}, io {}, {} s", arguments.io, arguments.seconds);
    let parent = arguments.directory.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::Builder::new().prefix("basalt-histories-").tempdir_in(parent);
    let folder = folder.map_err(|error| format!("no directory: {error}"))?;
    let outcome = run_in(folder.path(), seed, arguments);
    if outcome.is_err() {
        eprintln!("check_histories: data, log and histories are kept in {}", folder.keep().display());
    }
    outcome
}

fn run_in(folder: &Path, seed: u64, arguments: &Arguments) -> Result<(), String> {
    let clients = arguments.clients;
    let hot: [&dyn Arena; 4] =
        [&Registers { clients }, &Versions { clients }, &Lists { clients }, &Bank { clients }];
    let growth = Growth::new(&hot, arguments.growth << 10);
    let mut arenas = hot.to_vec();
    if arguments.growth > 0 {
        arenas.push(&growth);
    }
    let lives = Lives::new();
    let mut flags = vec!["--io".to_owned(), arguments.io.clone()];
    flags.extend(arguments.flags.iter().cloned());
    let binary = arguments.basaltd.clone();
    let mut daemon = Daemon::start(DaemonOptions { binary, folder: folder.to_owned(), flags }, &lives)?;
    let mut tails = prepare(&Course::new(&lives, daemon.address(), seed, 0), &arenas)?;
    let mut total = RoundResult::default();
    let started = Instant::now();
    let mut loaded = Duration::ZERO;
    for number in 1.. {
        let left = Duration::from_secs(arguments.seconds).saturating_sub(loaded);
        if left.is_zero() {
            break;
        }
        let duration = left.min(Duration::from_secs(arguments.round_seconds));
        let life_max = (arguments.life_max > 0).then(|| Duration::from_millis(arguments.life_max));
        let options = RoundOptions { seed, number, duration, life_max };
        let result = round::run(&mut daemon, &lives, &arenas, &mut tails, options)?;
        loaded += duration;
        tell(number, &result);
        keep_faults(folder, number, &result.finding.faults)?;
        total.kills += result.kills;
        round::add(&mut total.tallies, result.tallies);
        total.finding.absorb(result.finding);
    }
    report(&total, loaded, started.elapsed());
    let ended: usize = tails.iter().map(Tail::finished_count).sum();
    println!("{ended} shards of streams ended, each by a split of its partition.");
    Ok(())
}

/// Makes the tables and the readers of their streams.
fn prepare(course: &Course<'_>, arenas: &[&dyn Arena]) -> Result<Vec<Tail>, String> {
    let mut session = Session::new(course, 0);
    for table in arenas.iter().flat_map(|arena| arena.tables()) {
        session.demand(Service::Tables, "CreateTable", &table)?;
    }
    let streamed = arenas.iter().filter_map(|arena| arena.streamed_table());
    streamed.map(|table| Tail::new(&mut session, table)).collect()
}

fn tell(number: u64, result: &RoundResult) {
    let sum = |part: fn(&session::Tally) -> u64| result.tallies.values().map(part).sum::<u64>();
    println!(
        "round {number}: {} operations, {} refused, {} unknown, {} kills, {}",
        sum(|tally| tally.answered + tally.refused + tally.unknown),
        sum(|tally| tally.refused),
        sum(|tally| tally.unknown),
        result.kills,
        match result.finding.faults.len() {
            0 => "no fault".to_owned(),
            count => format!("{count} FAULTS"),
        }
    );
}

/// One proof is enough; some more help to see what they have in common.
const FAULTS_KEPT_MAX: usize = 10;

/// Writes the first faults with their histories; an error if there is any.
fn keep_faults(folder: &Path, round: u64, faults: &[Fault]) -> Result<(), String> {
    for (number, fault) in faults.iter().enumerate().take(FAULTS_KEPT_MAX) {
        println!("FAULT {}", fault.summary);
        let path = folder.join(format!("round-{round}-fault-{number}.txt"));
        fs::write(&path, format!("{}\n{}", fault.summary, fault.history))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if faults.is_empty() { Ok(()) } else { Err(format!("{} faults in round {round}", faults.len())) }
}

fn report(total: &RoundResult, loaded: Duration, elapsed: Duration) {
    println!("\n| operation | answered | refused | unknown |\n|---|--:|--:|--:|");
    let mut operations = 0;
    for (operation, tally) in &total.tallies {
        println!("| {operation} | {} | {} | {} |", tally.answered, tally.refused, tally.unknown);
        operations += tally.answered + tally.refused + tally.unknown;
    }
    let judged: Vec<String> =
        total.finding.judged.iter().map(|(what, count)| format!("{count} {what}")).collect();
    println!(
        "\n{operations} operations in {} s of load, {} kills, {} s in all. Judged: {}. No fault.",
        loaded.as_secs(),
        total.kills,
        elapsed.as_secs(),
        judged.join(", ")
    );
}

fn seed_by_time() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| time.as_nanos() as u64)
}
