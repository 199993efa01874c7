//! `basaltd`, the Basalt daemon.
#![expect(clippy::result_large_err, reason = "an error is made once, and ends the process")]

mod allocator;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use basalt_server::{Config, ConfigError, DaemonError, run};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

fn main() -> ExitCode {
    allocator::give_back_soon();
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        // Also prints help, which goes to standard output and is no failure.
        Err(DaemonError::Config(ConfigError::CommandLine(error))) => error.exit(),
        Err(error) => {
            // If standard error is gone, the status still tells.
            let _ = writeln!(io::stderr(), "basaltd: {error}");
            ExitCode::from(&error)
        }
    }
}

fn start() -> Result<(), DaemonError> {
    let config = Config::from_process()?;
    start_log(&config.log)?;
    run(config)
}

fn start_log(levels: &str) -> Result<(), DaemonError> {
    let refuse = |reason: String| DaemonError::Log { levels: levels.to_owned(), reason };
    let targets: Targets =
        levels.parse().map_err(|error: tracing_subscriber::filter::ParseError| refuse(error.to_string()))?;
    let format =
        tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(targets)
        .with(format)
        .try_init()
        .map_err(|error| refuse(error.to_string()))
}
