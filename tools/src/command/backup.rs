//! `basaltctl backup` and `basaltctl backup verify`.

use std::process::ExitCode;

use serde::Serialize;

use super::Output;
use crate::{
    backup::{
        manifest::Manifest,
        restore::Chain,
        source::Source,
        store::Store,
        write::{self, BackupReport},
    },
    failure::{Exit, Failure},
    words::bytes_in_words,
};

/// Backs `from` up to `to`.
pub(crate) fn run(from: &str, to: &str, base: Option<&str>, output: Output) -> Result<ExitCode, Failure> {
    let store = Store::open(to)?;
    let base_location = base.map(absolute).transpose()?;
    let base = match &base_location {
        Some(location) => Some((Manifest::read(&Store::open(location)?)?, location.as_str())),
        None => None,
    };
    let source = Source::open(from)?;
    let base = base.as_ref().map(|(manifest, location)| (manifest, *location));
    let report = threads_for(&source)?.install(|| write::back_up(&source, &store, base))?;
    output.print(&report, || {
        let BackupReport { backup_id, files, raw_bytes, stored_bytes, reused_bytes, .. } = &report;
        let kind = if report.is_incremental { "incremental" } else { "full" };
        let reused = match reused_bytes {
            0 => String::new(),
            bytes => format!(" ({} were there already)", bytes_in_words(*bytes)),
        };
        format!(
            "{kind} backup {backup_id}: {} of {files} files in {}{reused}; verified",
            bytes_in_words(*raw_bytes),
            bytes_in_words(*stored_bytes)
        )
    });
    Ok(ExitCode::SUCCESS)
}

/// Threads that compress and store: all cores, but of a running daemon's machine only one in four. The others are its
/// clients'.
fn threads_for(source: &Source) -> Result<rayon::ThreadPool, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = match source {
        Source::Directory(_) => cores,
        Source::Daemon(_) => (cores / 4).max(1),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| Failure::new(Exit::Unreadable, format!("threads cannot be started: {error}")))
}

#[derive(Serialize)]
struct VerifyReport {
    backup_id: String,
    /// This one and those that it rests on.
    backups: usize,
    chunks: usize,
    stored_bytes: u64,
}

/// Reads a backup and those that it rests on, to the last byte.
pub(crate) fn verify(backup: &str, moved: &[String], output: Output) -> Result<ExitCode, Failure> {
    let chain = Chain::open(backup, moved)?;
    chain.check_layers()?;
    for (store, manifest) in chain.links() {
        write::verify(store, manifest)?;
    }
    let manifests = || chain.links().iter().map(|(_, manifest)| manifest);
    let report = VerifyReport {
        backup_id: chain.newest().backup_id.clone(),
        backups: chain.links().len(),
        chunks: manifests().map(|manifest| manifest.chunks().count()).sum(),
        stored_bytes: manifests().map(Manifest::stored_bytes).sum(),
    };
    output.print(&report, || {
        let VerifyReport { backup_id, backups, chunks, stored_bytes } = &report;
        format!(
            "backup {backup_id} is sound: {backups} in its chain, {chunks} chunks, {}",
            bytes_in_words(*stored_bytes)
        )
    });
    Ok(ExitCode::SUCCESS)
}

/// Where a base is must be known from everywhere.
fn absolute(location: &str) -> Result<String, Failure> {
    match Store::open(location)? {
        Store::Bucket(_) => Ok(location.to_owned()),
        Store::Directory(path) => {
            let path = std::path::absolute(&path).map_err(|error| Failure::io(&path, error))?;
            Ok(path.to_string_lossy().into_owned())
        }
    }
}
