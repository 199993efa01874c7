//! One file a command.

pub(crate) mod backup;
pub(crate) mod compact;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod index_lag;
pub(crate) mod inspect;
mod items;
pub(crate) mod restore;
pub(crate) mod salvage;
pub(crate) mod verify;

use std::process::ExitCode;

use serde::Serialize;

use crate::failure::Failure;

/// How a command tells what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Text,
    Json,
}

#[derive(Serialize)]
struct Failed<'a> {
    error: &'a str,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }

    /// Prints a report: as JSON, or in the words of `text`.
    #[expect(clippy::print_stdout, reason = "the report of a command")]
    pub(crate) fn print(self, report: &impl Serialize, text: impl FnOnce() -> String) {
        match self {
            Self::Json => {
                println!("{}", serde_json::to_string_pretty(report).expect("a report is plain data"))
            }
            Self::Text => println!("{}", text()),
        }
    }

    /// Tells why a command failed.
    #[expect(clippy::print_stderr, clippy::print_stdout, reason = "the report of a command")]
    pub(crate) fn failed(self, failure: &Failure) -> ExitCode {
        let error = failure.to_string();
        eprintln!("basaltctl: {error}");
        if self == Self::Json {
            println!(
                "{}",
                serde_json::to_string_pretty(&Failed { error: &error }).expect("text is plain data")
            );
        }
        failure.exit_code()
    }
}
