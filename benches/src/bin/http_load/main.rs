//! Loads a DynamoDB endpoint from one thread and tells rate, latencies and what they cost the server.
//!
//! The driver shares the machine with the server, so it does as little as it can: requests are copied together from
//! parts that were written before, answers are searched for their length and no more, sockets are waited for by epoll.

#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a client of the server, on the real clock and sockets of the system, with a result to print"
)]

mod answer;
mod connection;
mod driver;
mod order;
mod request;
mod table;

use std::{process::ExitCode, time::Duration};

use basalt_benches::{
    report::Measured,
    server_process::{Cost, ServerProcess},
    test_item::TestItems,
};
use clap::Parser;
use serde::Serialize;

use crate::{
    driver::{Outcome, Plan},
    order::Order,
    request::{Endpoint, Operation},
};

/// Loads a DynamoDB endpoint and tells rate, latencies and what they cost the server.
#[derive(Debug, Parser)]
struct Options {
    /// Where the server listens
    #[arg(long, default_value = "http://127.0.0.1:8000")]
    endpoint: Endpoint,
    /// Table to use; it is made if it is not there
    #[arg(long, default_value = "load")]
    table: String,
    /// What to do
    #[arg(long, value_enum, default_value = "put")]
    operation: Operation,
    /// Connections, each with one request at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    /// How long to go on with items at random
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Visit every item once, in order, instead of random ones for a time
    #[arg(long)]
    once: bool,
    /// How many different items there are
    #[arg(long, default_value_t = 100_000)]
    items: u64,
    /// Bytes of an item as DynamoDB counts them, in five attributes
    #[arg(long, default_value = "300", value_parser = item_size)]
    item_bytes: TestItems,
    /// Fail when the answer to a get is not the item that was put
    #[arg(long)]
    check: bool,
    /// Process of the server, to tell what the load cost it
    #[arg(long)]
    server_pid: Option<u32>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// All that is told.
#[derive(Debug, Serialize)]
struct Report<'a> {
    operation: &'a str,
    connections: u16,
    item_bytes: usize,
    /// Items put or read; a batch holds several.
    items_a_second: f64,
    /// Requests that were sent again because the server had no room.
    throttled: u64,
    #[serde(flatten)]
    measured: Measured,
    #[serde(flatten)]
    cost: Option<Cost>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("http_load: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    table::create(&options.endpoint, &options.table)?;
    let server = options.server_pid.map(ServerProcess::new);
    let before = server.as_ref().map(ServerProcess::cpu_seconds).transpose()?;
    let outcome = driver::drive(&options.endpoint, &options.plan())?;
    let cost = match (&server, before) {
        (Some(server), Some(before)) => Some(server.cost_since(before, outcome.measured.operations)?),
        _ => None,
    };
    options.tell(&outcome, cost);
    Ok(())
}

impl Options {
    fn plan(&self) -> Plan<'_> {
        let duration = (!self.once).then(|| Duration::from_secs_f64(self.seconds));
        let order = if self.once { Order::once(self.items) } else { Order::random(self.items) };
        Plan {
            table: &self.table,
            operation: self.operation,
            connections: self.connections,
            items: self.item_bytes,
            order,
            duration,
            check: self.check,
        }
    }

    fn tell(&self, outcome: &Outcome, cost: Option<Cost>) {
        let report = Report {
            operation: self.operation.name(),
            connections: self.connections,
            item_bytes: self.item_bytes.item_bytes(),
            items_a_second: outcome.item_count as f64 / outcome.elapsed.as_secs_f64(),
            throttled: outcome.throttled,
            measured: outcome.measured,
            cost,
        };
        if self.json {
            println!("{}", serde_json::to_string(&report).expect("numbers and names are JSON"));
        } else {
            report.print_table();
        }
    }
}

impl Report<'_> {
    fn print_table(&self) {
        let Measured { rate, p50_us, p99_us, p999_us, max_us, .. } = self.measured;
        println!(
            "| operation | connections | requests/s | items/s | p50 us | p99 us | p99.9 us | longest us |"
        );
        println!("|---|--:|--:|--:|--:|--:|--:|--:|");
        println!(
            "| {} | {} | {rate:.0} | {:.0} | {p50_us:.0} | {p99_us:.0} | {p999_us:.0} | {max_us:.0} |",
            self.operation, self.connections, self.items_a_second
        );
        if self.throttled > 0 {
            println!("{} requests were throttled and sent again.", self.throttled);
        }
        if let Some(Cost { server_cpu_us, server_rss_mib, server_rss_peak_mib }) = self.cost {
            println!(
                "Server: {server_cpu_us:.1} us of CPU a request, {server_rss_mib:.1} MiB resident, \
                 {server_rss_peak_mib:.1} MiB at its peak."
            );
        }
    }
}

fn item_size(text: &str) -> Result<TestItems, String> {
    let item_bytes = text.parse().map_err(|_| format!("{text:?} is no number of bytes"))?;
    TestItems::of_size(item_bytes)
}
