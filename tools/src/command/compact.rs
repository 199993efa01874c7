//! `basaltctl compact`.

use std::{path::Path, process::ExitCode};

use basalt_engine::{Engine, EngineOptions};
use serde::{Deserialize, Serialize};

use super::{Output, restore::of_engine};
use crate::{backup::daemon::AdminClient, directory::HeldDirectory, failure::Failure, words::bytes_in_words};

#[derive(Serialize, Deserialize)]
struct CompactReport {
    bytes_before: u64,
    bytes_after: u64,
}

/// Compacts a stopped directory, or asks a daemon to.
pub(crate) fn run(target: &str, output: Output) -> Result<ExitCode, Failure> {
    let report = if target.starts_with("http://") {
        AdminClient::new(target).command("compact")?
    } else {
        compact_directory(Path::new(target))?
    };
    let CompactReport { bytes_before, bytes_after } = report;
    output.print(&report, || {
        format!(
            "partition files took {} and take {}",
            bytes_in_words(bytes_before),
            bytes_in_words(bytes_after)
        )
    });
    Ok(ExitCode::SUCCESS)
}

fn compact_directory(directory: &Path) -> Result<CompactReport, Failure> {
    // Says clearly what is no directory and what is in use, where an engine would make one or wait.
    drop(HeldDirectory::hold(directory)?);
    let engine = Engine::open(directory, EngineOptions::default())
        .map_err(|error| Failure::damaged(format!("{}: {error}", directory.display())))?
        .blocking();
    let (bytes_before, bytes_after) = engine.compact().map_err(of_engine)?;
    engine.close().map_err(of_engine)?;
    Ok(CompactReport { bytes_before, bytes_after })
}
