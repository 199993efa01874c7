//! The command line.

use std::path::PathBuf;

use basalt_benches::keys::Distribution;
use basalt_engine::EngineOptions;

use crate::{
    record::Records,
    session::{
        Credentials, Database, EmbeddedDatabase, Endpoint, HttpDatabase, NativeDatabase, RedisDatabase,
    },
    workload::Workload,
};

const ABOUT: &str = "Puts workloads on a DynamoDB-compatible database, or on Basalt's engine inside of this process, \
and tells rates, latencies and what they cost the server.

The records are loaded first (leave that out with --keep), then the workload runs. By default it runs as an open loop: \
operations begin at a steady rate, whatever the database does, and a latency counts from the time at which its \
operation was to begin. So a database that stands still for a second shows a second of late operations, and not one \
slow one. Without --rate, the rate is 70 % of what a closed loop of five seconds reaches; --closed-loop measures the \
most that the clients and the database can do, and latencies under that load.

Each client is a thread with one connection and one request at a time. In an open loop there must be enough of them: \
when all wait for answers, operations begin late, and that counts.";

const EXAMPLES: &str = "Workloads:
  a to f        YCSB's core workloads; e on a table with a sort key
  load          only the load
  counter       UpdateItem that adds one, on few hot items
  single-table  customers and their orders under one partition key each
  transfer      TransactWriteItems of two updates

Examples:
  basalt-bench --endpoint http://127.0.0.1:8000 --workload a
      YCSB A at 70 % of the peak, against a local server
  basalt-bench --workload b --rate 20000 --seconds 60 --plot b.svg --json b.json
      a minute at a fixed rate, with plots and all figures
  basalt-bench --workload c --closed-loop --clients 64 --server-pid $(pidof basaltd)
      the most reads there can be, and the server's processor time for each
  basalt-bench --embedded /var/tmp/bench --workload f
      the engine without a server
  basalt-bench --native 127.0.0.1:8001 --workload b
      a Basalt server through its binary protocol
  basalt-bench --endpoint http://127.0.0.1:4567 --workload a --keep
      another database, loaded before

Exit status: 0 when the run came to its end, 1 when a request failed for another reason than throttling or a conflict \
of transactions, 2 for a wrong command line.";

/// Puts workloads on a DynamoDB-compatible database.
#[derive(Debug, clap::Parser)]
#[command(name = "basalt-bench", version, about, long_about = ABOUT, after_long_help = EXAMPLES)]
pub(crate) struct Options {
    /// Where a DynamoDB-compatible server listens
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000", help_heading = "Database")]
    endpoint: Endpoint,
    /// Use the engine inside of this process, with its data in this directory
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "endpoint", help_heading = "Database")]
    embedded: Option<PathBuf>,
    /// Use a Redis server, to compare single keys: workloads a, b, c, d, f and counter
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["endpoint", "embedded"], help_heading = "Database")]
    redis: Option<std::net::SocketAddr>,
    /// Use a Basalt server through its binary protocol
    #[arg(
        long,
        value_name = "HOST:PORT",
        conflicts_with_all = ["endpoint", "embedded", "redis"],
        help_heading = "Database"
    )]
    native: Option<std::net::SocketAddr>,
    /// Memory of the embedded engine, in MiB
    #[arg(long, value_name = "MIB", requires = "embedded", help_heading = "Database")]
    memory_mib: Option<u64>,
    /// Table to use; it is made if it is not there
    #[arg(long, default_value = "basalt-bench", help_heading = "Database")]
    table: String,
    /// Who signs the requests
    #[arg(long, env = "AWS_ACCESS_KEY_ID", default_value = "bench", help_heading = "Database")]
    access_key: String,
    /// What signs the requests
    #[arg(
        long,
        env = "AWS_SECRET_ACCESS_KEY",
        default_value = "bench",
        hide_env_values = true,
        help_heading = "Database"
    )]
    secret_key: String,
    /// Region that the requests are signed for
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1", help_heading = "Database")]
    region: String,

    /// What to do
    #[arg(long, value_enum, default_value = "a", help_heading = "Workload")]
    pub(crate) workload: Workload,
    /// How keys are chosen, instead of the workload's own way
    #[arg(long, value_enum, help_heading = "Workload")]
    pub(crate) distribution: Option<Distribution>,
    /// Records to load
    #[arg(
        long,
        default_value_t = 100_000,
        value_parser = clap::value_parser!(u64).range(2..),
        help_heading = "Workload"
    )]
    pub(crate) records: u64,
    /// Fields of a record, beside its key
    #[arg(
        long,
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=100),
        help_heading = "Workload"
    )]
    fields: u32,
    /// Bytes of a field
    #[arg(
        long,
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=4096),
        help_heading = "Workload"
    )]
    field_bytes: u32,
    /// The most records of one range, of workload e
    #[arg(
        long,
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=1000),
        help_heading = "Workload"
    )]
    pub(crate) range_records: u32,
    /// Do not load: the records are there from an earlier run
    #[arg(long, help_heading = "Workload")]
    pub(crate) keep: bool,
    /// Where the clients' chances begin: the same seed makes the same requests
    #[arg(long, default_value_t = 0, help_heading = "Workload")]
    pub(crate) seed: u64,

    /// Threads, each with a connection and one request at a time
    #[arg(
        long,
        default_value_t = 16,
        value_parser = clap::value_parser!(u16).range(1..=1024),
        help_heading = "Pace"
    )]
    pub(crate) clients: u16,
    /// How long to go on
    #[arg(long, default_value_t = 30.0, value_parser = positive, help_heading = "Pace")]
    pub(crate) seconds: f64,
    /// Operations a second of the open loop, over all clients
    #[arg(long, value_parser = positive, help_heading = "Pace")]
    rate: Option<f64>,
    /// Each client begins its next operation when the one before has ended
    #[arg(long, conflicts_with = "rate", help_heading = "Pace")]
    closed_loop: bool,

    /// Process of the server, to tell its processor time an operation and its memory
    #[arg(long, value_name = "PID", conflicts_with = "embedded", help_heading = "Results")]
    pub(crate) server_pid: Option<u32>,
    /// Write all figures as JSON instead of a table; - writes them to standard output
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub(crate) json: Option<PathBuf>,
    /// Draw rate and latencies as SVG
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub(crate) plot: Option<PathBuf>,
    /// Do not tell progress
    #[arg(long, help_heading = "Results")]
    pub(crate) quiet: bool,
}

/// When operations begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Loop {
    /// When the one before has ended.
    Closed,
    /// So many a second.
    Open(f64),
    /// At a share of the peak, which is to be found first.
    OpenBelowPeak,
}

impl Options {
    pub(crate) fn pace(&self) -> Loop {
        match self.rate {
            _ if self.closed_loop => Loop::Closed,
            Some(rate) => Loop::Open(rate),
            None => Loop::OpenBelowPeak,
        }
    }

    pub(crate) fn record_shape(&self) -> Records {
        Records {
            layout: self.workload.layout(),
            fields: self.fields,
            field_bytes: self.field_bytes as usize,
        }
    }

    /// The database that is meant, opened if it is this process's own.
    pub(crate) fn database(&self) -> Result<Box<dyn Database>, String> {
        if let Some(address) = self.redis {
            return Ok(Box::new(RedisDatabase { address }));
        }
        if let Some(address) = self.native {
            let credentials = basalt_client::Credentials::new(&self.access_key, &self.secret_key);
            return Ok(Box::new(NativeDatabase { address, credentials, table: self.table.clone() }));
        }
        let Some(directory) = &self.embedded else {
            let credentials = Credentials {
                access_key: self.access_key.clone(),
                secret_key: self.secret_key.clone(),
                region: self.region.clone(),
            };
            let (endpoint, table) = (self.endpoint.clone(), self.table.clone());
            return Ok(Box::new(HttpDatabase { endpoint, credentials, table }));
        };
        let mut options = EngineOptions::default();
        if let Some(mib) = self.memory_mib {
            options.memory_budget_bytes = mib << 20;
        }
        let opened = EmbeddedDatabase::open(directory, options, self.table.clone());
        Ok(Box::new(opened.map_err(|failure| failure.to_string())?))
    }
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    if number > 0.0 && f64::is_finite(number) { Ok(number) } else { Err("it must be above 0".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Options, clap::Error> {
        Options::try_parse_from([&["basalt-bench"], arguments].concat())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn loops_are_open_unless_asked_otherwise() {
        assert_eq!(parsed(&[]).unwrap().pace(), Loop::OpenBelowPeak);
        assert_eq!(parsed(&["--rate", "1e3"]).unwrap().pace(), Loop::Open(1000.0));
        assert_eq!(parsed(&["--closed-loop"]).unwrap().pace(), Loop::Closed);
        assert!(parsed(&["--closed-loop", "--rate", "5"]).is_err());
        assert!(parsed(&["--rate", "0"]).is_err());
        assert!(parsed(&["--seconds", "NaN"]).is_err());
    }
}
