//! `basaltctl index-lag`.

use std::{process::ExitCode, time::Duration};

use serde::{Deserialize, Serialize};

use super::Output;
use crate::{backup::daemon::AdminClient, failure::Failure, words::bytes_in_words};

#[derive(Serialize)]
struct OfTable<'a> {
    table: &'a str,
}

/// What the daemon answers, and what is told as JSON.
#[derive(Serialize, Deserialize)]
struct LagReport {
    entry_count: u64,
    bytes: u64,
    oldest_age_us: u64,
}

/// Asks a daemon how far a table's global indexes are behind it.
pub(crate) fn run(daemon: &str, table: &str, output: Output) -> Result<ExitCode, Failure> {
    if !daemon.starts_with("http://") {
        return Err(Failure::usage(format!("{daemon}: only a running daemon knows, at http://HOST:PORT")));
    }
    let report: LagReport = AdminClient::new(daemon).ask("index-lag", &OfTable { table })?;
    output.print(&report, || report.in_words());
    Ok(ExitCode::SUCCESS)
}

impl LagReport {
    fn in_words(&self) -> String {
        if self.entry_count == 0 {
            return "every index has every write".to_owned();
        }
        let (taken, age) = (bytes_in_words(self.bytes), Duration::from_micros(self.oldest_age_us));
        format!(
            "writes that not every index has yet: {}, of {taken}; the oldest came {age:?} ago",
            self.entry_count
        )
    }
}

#[cfg(test)]
mod tests {
    use super::LagReport;

    #[test]
    fn a_lag_is_told_in_words() {
        let none = LagReport { entry_count: 0, bytes: 0, oldest_age_us: 0 };
        assert_eq!(none.in_words(), "every index has every write");
        let some = LagReport { entry_count: 12, bytes: 2048, oldest_age_us: 1_500 };
        assert_eq!(
            some.in_words(),
            "writes that not every index has yet: 12, of 2.00 KiB; the oldest came 1.5ms ago"
        );
    }
}
