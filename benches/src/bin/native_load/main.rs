//! Loads a daemon through the binary protocol from one thread and tells rate, latencies and what they cost the server.
//!
//! Each connection keeps a number of requests in flight; an answer's number says which of them it ends, and the next
//! request takes its place. As in `http_load`, the driver does as little as it can, since it shares the machine.

#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a client of the server, on the real clock and sockets of the system, with a result to print"
)]

mod connection;
mod request;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use basalt_benches::report::{Measured, latency_histogram};
use basalt_benches::test_item::TestItems;
use basalt_benches::workload::Chance;
use clap::Parser;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use crate::connection::Connection;
use crate::request::{Operation, RequestWriter};

/// A server that says nothing at all for this long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Loads a daemon through the binary protocol.
#[derive(Debug, Parser)]
struct Options {
    /// Where the daemon listens for the binary protocol
    #[arg(long, default_value = "127.0.0.1:8001")]
    address: SocketAddr,
    /// Table to use, as `http_load` makes it
    #[arg(long, default_value = "load")]
    table: String,
    /// What to do
    #[arg(long, value_enum, default_value = "put")]
    operation: Operation,
    /// Connections
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    /// Requests in flight on each connection
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    depth: u16,
    /// How long to go on
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How many different items there are
    #[arg(long, default_value_t = 100_000)]
    items: u64,
    /// Bytes of an item as DynamoDB counts them, in five attributes
    #[arg(long, default_value_t = 300)]
    item_bytes: usize,
    /// Fail when a get finds no item
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(measured) => {
            // The shape of `http_load --json`, so that one script reads both.
            println!("{}", serde_json::to_string(&measured).expect("numbers and names are JSON"));
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("native_load: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<Measured, String> {
    let items = TestItems::of_size(options.item_bytes)?;
    let mut writer = RequestWriter::new(&options.table, options.operation, items);
    let mut chance = Chance::new(options.items);
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|error| error.to_string())?;
    let mut connections = Vec::new();
    for index in 0..u64::from(options.connections) {
        let connection = Connection::open(options.address, options.depth)?;
        epoll::add(&epoll, connection.stream(), epoll::EventData::new_u64(index), epoll::EventFlags::IN)
            .map_err(|error| error.to_string())?;
        connections.push(connection);
    }
    let mut latencies = latency_histogram();
    let started = Instant::now();
    for connection in &mut connections {
        for number in 0..u32::from(options.depth) {
            connection.begin(number, writer.write(number, chance.below(options.items)));
        }
        connection.send()?;
    }
    let duration = Duration::from_secs_f64(options.seconds);
    let timeout = Timespec::try_from(SILENCE_MAX).expect("a minute is a time");
    let mut events = Vec::with_capacity(connections.len());
    while started.elapsed() < duration {
        match epoll::wait(&epoll, spare_capacity(&mut events), Some(&timeout)) {
            Ok(0) => return Err(format!("no answer for {SILENCE_MAX:?}")),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.to_string()),
        }
        for event in events.drain(..) {
            let connection = &mut connections[event.data.u64() as usize];
            connection.receive()?;
            while let Some(answer) = connection.next_answer()? {
                if options.check && !answer.has_item {
                    return Err(format!("request {} found no item", answer.number));
                }
                latencies.saturating_record(answer.latency.as_nanos() as u64);
                let request = writer.write(answer.number, chance.below(options.items));
                connection.begin(answer.number, request);
            }
            connection.send()?;
        }
    }
    Ok(Measured::of(started.elapsed(), &[latencies]))
}
