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
mod machine;
mod peers;
mod report;
mod workload;

use std::{path::PathBuf, process::Command, time::Duration};

use clap::{Parser, builder::PossibleValuesParser};

use crate::{
    report::{Report, Round},
    workload::Plan,
};

/// The engines, Basalt first.
const NAMES: [&str; 6] = [BASALT, "rocksdb", "lmdb", "redb", "fjall", "sqlite"];
const BASALT: &str = "basalt";

/// Measures embedded engines side by side.
#[derive(Debug, Parser)]
struct Options {
    /// How often each engine is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Items of 16 and 256 bytes that each engine holds
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..))]
    items: u64,
    /// How long each measurement takes
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Clients of the row with many
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Which engines
    #[arg(long, value_delimiter = ',', default_values = NAMES, value_parser = PossibleValuesParser::new(NAMES))]
    engines: Vec<String>,
    /// Where to put the data; default: the system's temporary directory
    #[arg(long)]
    directory: Option<PathBuf>,
}

fn main() {
    let options = Options::parse();
    let duration = Duration::from_secs_f64(options.seconds);
    let plan = Plan { items: options.items, duration, clients: options.clients };
    let mut report = Report::default();
    for round in 0..options.rounds {
        // Each round begins with another engine: none is always the first after a pause, or after the same one.
        let start = round % options.engines.len();
        for engine in options.engines.iter().cycle().skip(start).take(options.engines.len()) {
            eprintln!("round {} of {}: {engine}", round + 1, options.rounds);
            for (name, measured) in measure(engine, &options, &plan) {
                report.add(&name, measured);
            }
        }
    }
    let Options { rounds, items, seconds, clients, .. } = options;
    println!(
        "{report}\n{rounds} rounds of {seconds} s, {items} items, {clients} clients. {}.",
        machine::describe()
    );
}

/// One engine's round in a new directory, under each name that it is to be told by.
fn measure(engine: &str, options: &Options, plan: &Plan) -> Vec<(String, Round)> {
    settle();
    let parent = options.directory.clone().unwrap_or_else(std::env::temp_dir);
    let directory = tempfile::tempdir_in(parent).expect("a directory can be made");
    if engine == BASALT {
        let opened = basalt::open(directory.path(), plan);
        let rounds = vec![
            (format!("{BASALT}, on its shards"), basalt::measure_on_shards(&opened, plan)),
            (format!("{BASALT}, blocking handle"), peers::measure(opened.blocking(), plan)),
        ];
        opened.close();
        return rounds;
    }
    let peer = peers::open(engine, directory.path(), plan);
    vec![(engine.to_owned(), peers::measure(&peer, plan))]
}

/// Lets the system write what the engine before has left to it.
fn settle() {
    let synced = Command::new("sync").status().expect("sync can be run");
    assert!(synced.success(), "sync failed");
}
