//! `basaltctl`, the offline tools of a Basalt data directory.
//!
//! Reads files through `basalt-format` alone, never through the engine, so that an engine bug cannot hide itself.
#![forbid(unsafe_code)]

mod command;
mod directory;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Looks at a Basalt data directory while no daemon uses it.
///
/// Exit codes: 0 nothing is wrong, 1 something is, 2 the command line is wrong, 3 the directory cannot be read,
/// 4 a daemon is using it.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reads NODE and every partition's file to the last page and value, and says what is wrong and where
    ///
    /// Checked are NODE's copies, both superblocks of each file, every page and value that the newest superblock
    /// reaches: checksum, birth, place, order, fences, counts. Nothing is written. The log's streams are not read by
    /// this version: a daemon's start judges them before it changes a byte.
    ///
    /// Example: basaltctl verify /var/lib/basalt --json
    Verify {
        /// The data directory
        directory: PathBuf,
        /// Print one JSON object instead of text
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Verify { directory, json } => command::verify::run(&directory, json),
    }
}
