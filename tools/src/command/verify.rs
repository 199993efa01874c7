//! `basaltctl verify`: what is wrong with a directory, and where.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the report of a command")]

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use basalt_format::data_directory::{NODE_COPY_BYTES, NODE_COPY_OFFSETS, Node};
use basalt_runtime::FileMap;
use serde::Serialize;

use super::partition_file::{self, Counts, Finding};
use crate::directory::{DirectoryError, HeldDirectory};

const EXIT_DAMAGED: u8 = 1;
const EXIT_UNREADABLE: u8 = 3;
const EXIT_IN_USE: u8 = 4;

#[derive(Debug, Serialize)]
struct Report {
    is_sound: bool,
    files: Vec<FileReport>,
}

#[derive(Debug, Serialize)]
struct FileReport {
    path: PathBuf,
    counts: Counts,
    findings: Vec<Finding>,
}

/// Verifies `directory` and prints the report; the exit code tells scripts what it says.
pub(crate) fn run(directory: &Path, json: bool) -> ExitCode {
    let report = match verify(directory) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("basaltctl: {error}");
            let is_in_use = matches!(error, DirectoryError::InUse { .. });
            return ExitCode::from(if is_in_use { EXIT_IN_USE } else { EXIT_UNREADABLE });
        }
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&report).expect("a report is plain data"));
    } else {
        print(&report);
    }
    if report.is_sound { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DAMAGED) }
}

fn verify(directory: &Path) -> Result<Report, DirectoryError> {
    let held = HeldDirectory::hold(directory)?;
    let (node, cluster_uuid) = verify_node(&held.node())?;
    let mut files = vec![node];
    for path in held.partition_files()? {
        let bytes = map(&path)?;
        let (counts, findings) = partition_file::check(&bytes, cluster_uuid);
        files.push(FileReport { path, counts, findings });
    }
    let is_sound = files.iter().all(|file| file.findings.is_empty());
    Ok(Report { is_sound, files })
}

/// Both copies of NODE; the newest one says which cluster the files must be of.
fn verify_node(path: &Path) -> Result<(FileReport, Option<[u8; 16]>), DirectoryError> {
    let bytes = map(path)?;
    let mut findings = Vec::new();
    let mut newest: Option<Node> = None;
    for offset in NODE_COPY_OFFSETS {
        let start = offset as usize;
        let stored = bytes.get(start..start + NODE_COPY_BYTES).unwrap_or_default();
        let is_unwritten = !stored.is_empty() && stored.iter().all(|&byte| byte == 0);
        match Node::decode_copy(stored) {
            Ok(node) if newest.as_ref().is_none_or(|found| found.revision < node.revision) => {
                newest = Some(node)
            }
            Ok(_) => {}
            Err(_) if is_unwritten => {}
            Err(error) => {
                let block = offset / basalt_format::BLOCK_SIZE_BYTES as u64;
                findings.push(Finding { block, problem: format!("copy of NODE: {error}") });
            }
        }
    }
    if newest.is_none() {
        findings.push(Finding { block: 0, problem: "no copy of NODE can be read".to_owned() });
    }
    let report = FileReport { path: path.to_owned(), counts: Counts::default(), findings };
    Ok((report, newest.map(|node| node.cluster_uuid)))
}

fn map(path: &Path) -> Result<FileMap, DirectoryError> {
    FileMap::open(path).map_err(|source| DirectoryError::Unreadable { path: path.to_owned(), source })
}

fn print(report: &Report) {
    for FileReport { path, counts, findings } in &report.files {
        let verdict = if findings.is_empty() { "sound" } else { "DAMAGED" };
        let Counts { pages, overflow_values, rows, reachable_bytes } = counts;
        println!(
            "{path}: {verdict}, {rows} rows, {pages} pages, {overflow_values} large values, {reachable_bytes} bytes",
            path = path.display()
        );
        for Finding { block, problem } in findings {
            println!("  block {block}: {problem}");
        }
    }
    let count: usize = report.files.iter().map(|file| file.findings.len()).sum();
    match count {
        0 => println!(
            "nothing is wrong with {} files; log streams are judged by the daemon's start",
            report.files.len()
        ),
        _ => println!(
            "{count} problems: restore what is damaged from a backup, or keep a copy before you try anything"
        ),
    }
}
