//! Basalt's embedded engine beside RocksDB, LMDB, redb, fjall and SQLite: the same items, the same questions, in rounds that
//! alternate the engines, so that whatever else the machine does troubles all of them.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "clients on threads of their own, on the real clock, with a result to print"
)]

mod basalt;
mod disk;
mod machine;
mod part;
mod peers;
mod plan;
mod reopen;
mod report;
mod row;
mod threads;
mod wanted;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use clap::{Parser, ValueEnum as _, builder::PossibleValuesParser};

use crate::{
    plan::Plan,
    report::Report,
    row::{Figures, Part},
};

/// The engines, Basalt first.
const NAMES: [&str; 6] = ["basalt", "rocksdb", "lmdb", "redb", "fjall", "sqlite"];
/// All but Basalt.
const PEERS: &[&str] = NAMES.split_at(1).1;
/// The names of what is in the report beside the peers.
const BASALT_ON_SHARDS: &str = "basalt, on its shards";
const BASALT_BLOCKING: &str = "basalt, blocking handle";
const RAW_SYNC: &str = "4 KiB written and synced, no engine";
const DEVICE: &str = "the device: random O_DIRECT reads of 12 KiB";
const LOG_READ: &str = "O_DIRECT read of the log";

const EXAMPLES: &str = "Examples:
  basalt-compare
      the whole table: about fifteen minutes on a quiet machine
  basalt-compare --quick
      the same at a small scale, to see that it works, or on a noisy machine
  basalt-compare --parts random --engines basalt,fjall --seconds 5
      some rows, longer

Durability: every acknowledged write is synced by every engine. RocksDB: WAL with sync. LMDB: synced commits. redb: \
immediate durability. fjall: persist after each write. SQLite: WAL, synchronous=FULL. Loads are durable when they end.";

/// Measures embedded engines side by side.
#[derive(Debug, Parser)]
#[command(name = "basalt-compare", about, after_long_help = EXAMPLES)]
struct Options {
    /// How often each engine is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// In how many of these rounds the parts that take minutes are done, too
    #[arg(long, default_value_t = 1)]
    long_rounds: usize,
    /// Items of 16 and 256 bytes that each engine holds
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..))]
    items: u64,
    /// How long each measurement takes
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Clients of the rows with many
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Two rounds of a fifth of a second each, 50,000 items, shorter pauses
    #[arg(long, conflicts_with_all = ["rounds", "items", "seconds"])]
    quick: bool,
    /// Which engines
    #[arg(long, value_delimiter = ',', default_values = NAMES, value_parser = PossibleValuesParser::new(NAMES))]
    engines: Vec<String>,
    /// Which parts of a round
    #[arg(long, value_enum, value_delimiter = ',')]
    parts: Vec<Part>,
    /// Where to put the data; default: the system's temporary directory
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Also write every figure as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// What a process does that is to be killed
    #[arg(long, hide = true)]
    write_for_ever: Option<PathBuf>,
}

impl Options {
    fn plan(&self) -> Plan {
        let (items, seconds, pause) =
            if self.quick { (50_000, 0.2, 2.0) } else { (self.items, self.seconds, 10.0) };
        let (duration, pause) = (Duration::from_secs_f64(seconds), Duration::from_secs_f64(pause));
        Plan { items, duration, clients: self.clients, pause }
    }

    fn rounds(&self) -> usize {
        if self.quick { 2 } else { self.rounds }
    }

    fn parts(&self) -> &[Part] {
        if self.parts.is_empty() { Part::value_variants() } else { &self.parts }
    }
}

fn main() {
    let options = Options::parse();
    let plan = options.plan();
    if let Some(directory) = &options.write_for_ever {
        return reopen::write_for_ever(directory, &plan);
    }
    let report = measure(&options, &plan);
    let machine = machine::describe();
    if let Some(path) = &options.json {
        fs::write(path, report.json(&machine)).expect("the figures can be written");
    }
    println!(
        "{report}\n{} rounds of {} s ({} of the long parts), {} items, {} clients. {machine}.",
        options.rounds(),
        plan.duration.as_secs_f64(),
        options.long_rounds,
        plan.items,
        plan.clients
    );
}

fn measure(options: &Options, plan: &Plan) -> Report {
    let mut report = Report::default();
    for round in 0..options.rounds() {
        let parts = options.parts().iter().filter(|part| round < options.long_rounds || !part.is_long());
        for part in parts {
            // Each round begins with another engine: none is always the first after a pause, or after the same one.
            let start = round % options.engines.len();
            for engine in options.engines.iter().cycle().skip(start).take(options.engines.len()) {
                eprintln!("round {} of {}: {part:?}, {engine}", round + 1, options.rounds());
                settle();
                let directory = new_directory(options);
                for (name, figures) in measure_one(engine, *part, directory.path(), plan) {
                    report.add(&name, figures);
                }
            }
        }
    }
    report
}

/// One engine's part of a round in a new directory, under each name that it is to be told by.
fn measure_one(engine: &str, part: Part, directory: &Path, plan: &Plan) -> Vec<(String, Figures)> {
    if engine == NAMES[0] {
        part::of_basalt(part, directory, plan)
    } else {
        part::of_peer(engine, part, directory, plan)
    }
}

fn new_directory(options: &Options) -> tempfile::TempDir {
    let parent = options.directory.clone().unwrap_or_else(std::env::temp_dir);
    tempfile::tempdir_in(parent).expect("a directory can be made")
}

/// Lets the system write what the engine before has left to it.
fn settle() {
    let synced = Command::new("sync").status().expect("sync can be run");
    assert!(synced.success(), "sync failed");
}
