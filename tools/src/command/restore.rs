//! `basaltctl restore`.

use std::{path::Path, process::ExitCode};

use basalt_engine::{BlockingEngine, DeletionProtection, Engine, EngineOptions, ListTables, UpdateTable};
use serde::Serialize;

use super::{Output, verify};
use crate::{
    backup::restore::Chain,
    destination::{beside, publish, require_absent_or_empty, start_over},
    failure::Failure,
    words::bytes_in_words,
};

#[derive(Serialize)]
struct RestoreReport {
    backup_id: String,
    taken_unix_us: u64,
    directory: String,
    files: usize,
    bytes: u64,
}

/// Makes the directory `to` from the backup `from`.
pub(crate) fn run(
    from: &str,
    to: &Path,
    table: Option<&str>,
    moved: &[String],
    output: Output,
) -> Result<ExitCode, Failure> {
    require_absent_or_empty(to)?;
    let chain = Chain::open(from, moved)?;
    let built = beside(to, ".restoring");
    start_over(&built)?;
    chain.write_files(&built)?;
    let report = verify::verify(&built)?;
    if !report.is_sound() {
        return Err(Failure::damaged(format!(
            "what was restored is not sound: see basaltctl verify {}",
            built.display()
        )));
    }
    if let Some(table) = table {
        keep_only(&built, table)?;
    }
    publish(&built, to)?;
    let newest = chain.newest();
    let report = RestoreReport {
        backup_id: newest.backup_id.clone(),
        taken_unix_us: newest.taken_unix_us,
        directory: to.display().to_string(),
        files: newest.files.len(),
        bytes: chain.links().iter().map(|(_, manifest)| manifest.raw_bytes()).sum(),
    };
    output.print(&report, || {
        let RestoreReport { backup_id, directory, files, bytes, .. } = &report;
        format!("{directory} is backup {backup_id}: {files} files, {} read; verified", bytes_in_words(*bytes))
    });
    Ok(ExitCode::SUCCESS)
}

/// Deletes every other table.
fn keep_only(directory: &Path, wanted: &str) -> Result<(), Failure> {
    let engine = Engine::open(directory, EngineOptions::default())
        .map_err(|error| Failure::damaged(format!("{}: {error}", directory.display())))?
        .blocking();
    let names = table_names(&engine)?;
    if !names.iter().any(|name| name == wanted) {
        let there = names.join(", ");
        return Err(Failure::usage(format!("the backup has no table {wanted}; it has: {there}")));
    }
    for name in names.iter().filter(|name| *name != wanted) {
        let unprotected = UpdateTable {
            table_name: name.clone(),
            deletion_protection: Some(DeletionProtection::Disabled),
            ..UpdateTable::default()
        };
        if engine.describe_table(name).map_err(of_engine)?.deletion_protection == DeletionProtection::Enabled
        {
            engine.update_table(unprotected).map_err(of_engine)?;
        }
        engine.delete_table(name).map_err(of_engine)?;
    }
    engine.checkpoint().map_err(of_engine)?;
    engine.close().map_err(of_engine)
}

/// Every table, by name.
pub(crate) fn table_names(engine: &BlockingEngine) -> Result<Vec<String>, Failure> {
    let mut names: Vec<String> = Vec::new();
    loop {
        let request =
            ListTables { exclusive_start_table_name: names.last().cloned(), ..ListTables::default() };
        let page = engine.list_tables(request).map_err(of_engine)?;
        names.extend(page.table_names);
        if page.last_evaluated_table_name.is_none() {
            return Ok(names);
        }
    }
}

pub(crate) fn of_engine(error: basalt_engine::Error) -> Failure {
    Failure::new(crate::failure::Exit::Unreadable, error.to_string())
}
