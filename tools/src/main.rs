//! `basaltctl`, the tools of a Basalt data directory: what is wrong with it, what is in it, backups of it.
//!
//! What verifies, inspects and backs up reads files through `basalt-format` alone, never through the engine, so that
//! an engine bug cannot hide itself. What writes tables (import, salvage, a table's restore) does so through the
//! embedded engine, into a directory that no daemon uses.
#![forbid(unsafe_code)]

mod backup;
mod catalog;
mod command;
mod consistency;
mod derived;
mod destination;
mod directory;
mod failure;
mod log;
mod progress;
mod rows;
mod tree;
mod words;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use command::{export::ExportFormat, import::ImportFormat, inspect::Subject};

const AFTER_HELP: &str = "\
Exit codes:
  0  Done; nothing is wrong
  1  Bytes are damaged or missing; standard output or error says what and where
  2  The command line asks for something that makes no sense
  3  A file, a bucket or a daemon cannot be read or written
  4  A daemon is using the directory: stop it first, or ask it (--admin-listen)
  5  The destination holds something already: nothing is ever written over

Buckets are reached with AWS's environment variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_REGION, and AWS_ENDPOINT_URL for stores that are not Amazon's.";

/// Verifies, inspects, backs up, restores, compacts, salvages, exports and imports Basalt's data.
#[derive(Parser)]
#[command(name = "basaltctl", version, after_help = AFTER_HELP, max_term_width = 120)]
struct Arguments {
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reads all of a stopped daemon's directory and says what is wrong, where, and what to do
    ///
    /// Checked are NODE's copies; both superblocks of each file; every page and value that the newest
    /// superblock reaches (checksum, birth, place, order, fences, counts, hashes); the allocation map
    /// against what is reached; every log stream's chain from the oldest needed segment to its end;
    /// that the logs go on where the files end; the catalog against the files; items against their
    /// keys, indexes, expiries and collection sizes; stream records and the splits that their streams
    /// went through. Nothing is written.
    ///
    /// Examples:
    ///   basaltctl verify /var/lib/basalt
    ///   basaltctl verify /var/lib/basalt --json
    #[command(verbatim_doc_comment)]
    Verify {
        /// The data directory
        directory: PathBuf,
    },
    /// Shows a stopped daemon's directory, or something in it, in words
    ///
    /// Examples:
    ///   basaltctl inspect /var/lib/basalt
    ///   basaltctl inspect /var/lib/basalt table orders
    ///   basaltctl inspect /var/lib/basalt partition 7
    ///   basaltctl inspect /var/lib/basalt page 7 1032
    ///   basaltctl inspect /var/lib/basalt wal 0/0000000000000001.wal
    ///   basaltctl inspect /var/lib/basalt key orders customer-1 2024-05-01
    #[command(verbatim_doc_comment)]
    Inspect {
        /// The data directory
        directory: PathBuf,
        #[command(subcommand)]
        subject: Option<Subject>,
    },
    /// Makes a backup, or verifies one
    ///
    /// A full backup holds what the newest generations reach and the logs' tails; with --base it leaves
    /// out what that backup holds. It is compressed, checksummed, and read back before it counts. When
    /// it was broken off, the same command goes on where it ended.
    ///
    /// Examples:
    ///   basaltctl backup --from /var/lib/basalt --to /backups/monday
    ///   basaltctl backup --from http://127.0.0.1:8002 --to s3://backups/tuesday \
    ///                    --base s3://backups/monday
    ///   basaltctl backup verify /backups/monday
    #[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
    Backup {
        #[command(flatten)]
        job: Option<BackupJob>,
        #[command(subcommand)]
        verify: Option<BackupCommand>,
    },
    /// Makes a directory from a backup; a daemon can be started on it
    ///
    /// The directory is built beside its name, verified, and renamed. What is there is never written
    /// over.
    ///
    /// Examples:
    ///   basaltctl restore --from /backups/monday --to /var/lib/basalt
    ///   basaltctl restore --from s3://backups/tuesday --to ./orders --table orders
    #[command(verbatim_doc_comment)]
    Restore {
        /// The backup: a directory or s3://BUCKET/PREFIX
        #[arg(long)]
        from: String,
        /// The directory to make
        #[arg(long)]
        to: PathBuf,
        /// Keep this table alone
        #[arg(long)]
        table: Option<String>,
        /// Where a backup is now that this one rests on, if it was moved; may be given several times
        #[arg(long)]
        base: Vec<String>,
    },
    /// Gives space that holds nothing back to the file system: a directory's or a running daemon's
    ///
    /// Pages at the ends of files are moved to free places before them and the files are cut off.
    /// Says the bytes before and after.
    ///
    /// Examples:
    ///   basaltctl compact /var/lib/basalt
    ///   basaltctl compact http://127.0.0.1:8002
    #[command(verbatim_doc_comment)]
    Compact {
        /// The data directory, or http://HOST:PORT of a daemon's --admin-listen
        target: String,
    },
    /// Says how far the global indexes of a running daemon's table are behind it
    ///
    /// Told are the writes that not every index has yet, the memory that they take, and the age of the
    /// oldest. It is of use where writes are answered before their indexes have them
    /// (basaltd --index-acknowledgement asynchronous).
    ///
    /// Examples:
    ///   basaltctl index-lag http://127.0.0.1:8002 --table orders
    ///   basaltctl index-lag http://127.0.0.1:8002 --table orders --json
    #[command(verbatim_doc_comment)]
    IndexLag {
        /// http://HOST:PORT of the daemon's --admin-listen
        daemon: String,
        /// The table whose indexes are asked for
        #[arg(long)]
        table: String,
    },
    /// Saves what can still be read of a damaged directory into a new one, and lists what was lost
    ///
    /// The damaged directory is only read. Tables that the catalog still tells of are made anew, paid
    /// for by request, and filled with every item whose page and checksums are whole and whatever the
    /// logs hold behind them; their indexes are built of these items. Without a readable NODE the logs
    /// cannot be believed, and the files alone are salvaged. Exits with 1 if anything was lost.
    ///
    /// Example:
    ///   basaltctl salvage /var/lib/basalt --to ./salvaged
    #[command(verbatim_doc_comment)]
    Salvage {
        /// The damaged directory
        directory: PathBuf,
        /// The directory to make
        #[arg(long)]
        to: PathBuf,
    },
    /// Writes a table's items into files
    ///
    /// Formats: dynamodb is the layout of AWS's export to S3 (DynamoDB JSON, gzip, manifests), which
    /// AWS imports; jsonl is one item of DynamoDB JSON a line; csv has a column for each attribute, and
    /// holds no nested values. The directory is opened as a daemon's start would.
    ///
    /// Example:
    ///   basaltctl export /var/lib/basalt --table orders --format dynamodb --to ./export
    #[command(verbatim_doc_comment)]
    Export {
        /// The data directory
        directory: PathBuf,
        #[arg(long)]
        table: String,
        #[arg(long, value_enum, default_value_t = ExportFormat::Dynamodb)]
        format: ExportFormat,
        /// A directory (dynamodb) or a file (jsonl, csv) to make
        #[arg(long)]
        to: PathBuf,
    },
    /// Reads items from files into a table of a stopped daemon's directory
    ///
    /// A table that is not there is made with --key. Items with a key that is there replace what is
    /// there. csv is read as AWS's import reads it: the first line names the attributes, and everything
    /// but keys is text.
    ///
    /// Examples:
    ///   basaltctl import /var/lib/basalt --table orders --from ./AWSDynamoDB/01234-abcd
    ///   basaltctl import ./data --table orders --key customer:S,placed:N \
    ///                    --format csv --from orders.csv
    #[command(verbatim_doc_comment)]
    Import {
        /// The data directory; made if it is not there
        directory: PathBuf,
        #[arg(long)]
        table: String,
        #[arg(long, value_enum, default_value_t = ImportFormat::Dynamodb)]
        format: ImportFormat,
        /// The export's directory (dynamodb), or a file (jsonl, csv)
        #[arg(long)]
        from: PathBuf,
        /// Keys of a table to be made: NAME:TYPE or NAME:TYPE,NAME:TYPE, with types S, N and B
        #[arg(long)]
        key: Option<String>,
    },
}

/// A backup to be made.
#[derive(clap::Args)]
struct BackupJob {
    /// A stopped daemon's directory, or http://HOST:PORT of a running one's --admin-listen
    #[arg(long)]
    from: String,
    /// A directory to make, or s3://BUCKET/PREFIX
    #[arg(long)]
    to: String,
    /// The backup that this one is to rest on
    #[arg(long)]
    base: Option<String>,
}

#[derive(Subcommand)]
enum BackupCommand {
    /// Reads a backup, and those that it rests on, and compares every byte with its checksums
    Verify {
        /// The backup: a directory or s3://BUCKET/PREFIX
        backup: String,
        /// Where a backup is now that this one rests on, if it was moved; may be given several times
        #[arg(long)]
        base: Vec<String>,
    },
}

fn main() -> ExitCode {
    let Arguments { json, command } = Arguments::parse();
    let output = command::Output::new(json);
    let done = match command {
        Command::Verify { directory } => command::verify::run(&directory, output),
        Command::Inspect { directory, subject } => command::inspect::run(&directory, subject, output),
        Command::Backup { job: Some(BackupJob { from, to, base }), verify: None } => {
            command::backup::run(&from, &to, base.as_deref(), output)
        }
        Command::Backup { verify: Some(BackupCommand::Verify { backup, base }), .. } => {
            command::backup::verify(&backup, &base, output)
        }
        Command::Backup { job: None, verify: None } => {
            Err(failure::Failure::usage("say --from and --to, or verify and a backup"))
        }
        Command::Restore { from, to, table, base } => {
            command::restore::run(&from, &to, table.as_deref(), &base, output)
        }
        Command::Compact { target } => command::compact::run(&target, output),
        Command::IndexLag { daemon, table } => command::index_lag::run(&daemon, &table, output),
        Command::Salvage { directory, to } => command::salvage::run(&directory, &to, output),
        Command::Export { directory, table, format, to } => {
            command::export::run(&directory, &table, format, &to, output)
        }
        Command::Import { directory, table, format, from, key } => {
            command::import::run(&directory, &table, format, &from, key.as_deref(), output)
        }
    };
    match done {
        Ok(code) => code,
        Err(failure) => output.failed(&failure),
    }
}
