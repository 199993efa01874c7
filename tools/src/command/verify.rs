//! `basaltctl verify`: what is wrong with a directory, and where.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use basalt_format::{
    BLOCK_SIZE_BYTES,
    data_directory::{NODE_COPY_BYTES, NODE_COPY_OFFSETS, Node},
    superblock::Superblock,
};
use rayon::prelude::*;
use serde::Serialize;

use super::Output;
use crate::{
    catalog::{CATALOG_PARTITION, Catalog},
    consistency::{self, Contradiction},
    directory::{HeldDirectory, map},
    failure::{Exit, Failure},
    log::{LogStream, LogStreams, newest_node},
    progress,
    rows::DirectoryRows,
    tree::{self, Counts, Finding, Level},
};

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    is_sound: bool,
    files: Vec<FileReport>,
    streams: Vec<StreamReport>,
    /// What does not fit together although each file is sound.
    contradictions: Vec<Contradiction>,
}

#[derive(Debug, Serialize)]
struct FileReport {
    path: PathBuf,
    partition: Option<u64>,
    /// Of a partition that was dropped: the next start removes it, and it was not looked at.
    is_dropped: bool,
    counts: Counts,
    levels: Vec<Level>,
    findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct StreamReport {
    stream: u16,
    segments: usize,
    frames: u64,
    records: u64,
    bytes: u64,
    findings: Vec<String>,
}

impl Report {
    pub(crate) fn is_sound(&self) -> bool {
        self.is_sound
    }
}

/// Verifies `directory` and prints the report; the exit code tells scripts what it says.
pub(crate) fn run(directory: &Path, output: Output) -> Result<ExitCode, Failure> {
    let report = verify(directory)?;
    output.print(&report, || in_text(&report));
    Ok(if report.is_sound { ExitCode::SUCCESS } else { ExitCode::from(Exit::Damaged as u8) })
}

/// Verifies a directory that nobody uses.
pub(crate) fn verify(directory: &Path) -> Result<Report, Failure> {
    let held = HeldDirectory::hold(directory)?;
    let (node_report, node) = verify_node(&held.node())?;
    // Without NODE neither the cluster nor the log's secret is known.
    let logs = match &node {
        Some(node) => LogStreams::read(&held, node)?,
        None => LogStreams::none(),
    };
    let rows = DirectoryRows::read(&held, node.as_ref(), &logs)?;
    let catalog = Catalog::read(&rows, node.as_ref())?;
    let mut files = vec![node_report];
    files.extend(verify_partitions(&held, node.as_ref(), &catalog, &rows)?);
    let mut contradictions: Vec<Contradiction> = Vec::new();
    if node.is_some() {
        contradictions.extend(catalog.doubt.clone().map(|doubt| Contradiction::new("the catalog", doubt)));
        if catalog.is_whole() && logs.findings().next().is_none() {
            let damaged: BTreeSet<u64> = files.iter().filter_map(FileReport::damaged_partition).collect();
            contradictions = consistency::check(&catalog, &rows, &|partition| damaged.contains(&partition))?;
        }
    }
    let streams: Vec<StreamReport> = logs.streams().iter().map(StreamReport::of).collect();
    let is_sound = contradictions.is_empty()
        && files.iter().all(|file| file.findings.is_empty())
        && streams.iter().all(|stream| stream.findings.is_empty());
    Ok(Report { is_sound, files, streams, contradictions })
}

fn verify_partitions(
    held: &HeldDirectory,
    node: Option<&Node>,
    catalog: &Catalog,
    rows: &DirectoryRows<'_>,
) -> Result<Vec<FileReport>, Failure> {
    let paths = held.partition_files()?;
    let bytes =
        paths.iter().filter_map(|(_, path)| path.metadata().ok()).map(|metadata| metadata.len()).sum();
    let bar = progress::of_bytes("verify", bytes);
    let checked = paths.into_par_iter().map(|(number, path)| {
        let report = match catalog.counts(number) {
            true => verify_partition(number, path, node, catalog, rows)?,
            false => FileReport { is_dropped: true, ..FileReport::new(path) },
        };
        bar.inc(report.path.metadata().map_or(0, |metadata| metadata.len()));
        Ok(report)
    });
    let checked = checked.collect::<Result<Vec<_>, Failure>>()?;
    bar.finish_and_clear();
    Ok(checked)
}

/// Both copies of NODE; the newest one says which cluster the files must be of.
fn verify_node(path: &Path) -> Result<(FileReport, Option<Node>), Failure> {
    let bytes = map(path)?;
    let mut findings = Vec::new();
    for offset in NODE_COPY_OFFSETS {
        let start = offset as usize;
        let stored = bytes.get(start..start + NODE_COPY_BYTES).unwrap_or_default();
        let is_unwritten = !stored.is_empty() && stored.iter().all(|&byte| byte == 0);
        let block = offset / BLOCK_SIZE_BYTES as u64;
        match Node::decode_copy(stored) {
            Ok(node) if node.copy_offset() == offset => {}
            Ok(_) => {
                findings.push(Finding { block, problem: "a copy of NODE in the other's place".to_owned() });
            }
            Err(_) if is_unwritten => {}
            Err(error) => findings.push(Finding { block, problem: format!("copy of NODE: {error}") }),
        }
    }
    let newest = newest_node(&bytes);
    if newest.is_none() {
        findings.push(Finding { block: 0, problem: "no copy of NODE can be read".to_owned() });
    }
    Ok((FileReport { findings, ..FileReport::new(path.to_owned()) }, newest))
}

fn verify_partition(
    number: u64,
    path: PathBuf,
    node: Option<&Node>,
    catalog: &Catalog,
    rows: &DirectoryRows<'_>,
) -> Result<FileReport, Failure> {
    let bytes = map(&path)?;
    let mut report = tree::check(&bytes, node.map(|node| node.cluster_uuid));
    let block =
        report.superblock.as_ref().map_or(0, |superblock| Superblock::block_of(superblock.generation));
    let superblock = report.superblock.as_ref();
    if superblock.is_some_and(|superblock| superblock.partition != number) {
        report.findings.push(Finding::new(block, "the file is another partition's"));
    }
    if superblock.is_some() {
        let doubt = rows.of(number)?.doubt();
        report.findings.extend(doubt.map(|doubt| Finding::new(block, doubt)));
    }
    if number == CATALOG_PARTITION {
        report.findings.extend(catalog.unreadable.iter().map(|row| Finding::new(block, row.clone())));
    }
    let tree::TreeReport { counts, levels, findings, .. } = report;
    Ok(FileReport { partition: Some(number), counts, levels, findings, ..FileReport::new(path) })
}

impl FileReport {
    fn new(path: PathBuf) -> Self {
        let (counts, levels, findings) = (Counts::default(), Vec::new(), Vec::new());
        Self { path, partition: None, is_dropped: false, counts, levels, findings }
    }

    fn damaged_partition(&self) -> Option<u64> {
        self.partition.filter(|_| !self.findings.is_empty())
    }
}

impl StreamReport {
    fn of(stream: &LogStream) -> Self {
        Self {
            stream: stream.stream,
            segments: stream.segments.len(),
            frames: stream.frames,
            records: stream.records,
            bytes: stream.bytes,
            findings: stream.findings.iter().map(ToString::to_string).collect(),
        }
    }
}

fn in_text(report: &Report) -> String {
    let mut text = String::new();
    for FileReport { path, is_dropped, counts, findings, .. } in &report.files {
        if *is_dropped {
            let _ = writeln!(text, "{}: dropped, the next start removes it", path.display());
            continue;
        }
        let verdict = if findings.is_empty() { "sound" } else { "DAMAGED" };
        let Counts { pages, overflow_values, rows, reachable_bytes } = counts;
        // Writing into a string does not fail.
        let _ = writeln!(
            text,
            "{path}: {verdict}, {rows} rows, {pages} pages, {overflow_values} large values, {reachable_bytes} bytes",
            path = path.display()
        );
        for Finding { block, problem } in findings {
            let _ = writeln!(text, "  block {block}: {problem}");
        }
    }
    for StreamReport { stream, segments, frames, records, bytes, findings } in &report.streams {
        let verdict = if findings.is_empty() { "sound" } else { "DAMAGED" };
        let _ = writeln!(
            text,
            "log stream {stream}: {verdict}, {segments} segments, {frames} frames, {records} records, {bytes} bytes"
        );
        for problem in findings {
            let _ = writeln!(text, "  {problem}");
        }
    }
    for Contradiction { subject, problem } in &report.contradictions {
        let _ = writeln!(text, "{subject}: {problem}");
    }
    let count: usize = report.files.iter().map(|file| file.findings.len()).sum::<usize>()
        + report.streams.iter().map(|stream| stream.findings.len()).sum::<usize>()
        + report.contradictions.len();
    text.push_str(&match count {
        0 => "nothing is wrong".to_owned(),
        _ => format!(
            "{count} problems. Keep a copy of the directory before you try anything; then restore from a backup \
             (basaltctl restore), or save what can be read (basaltctl salvage)"
        ),
    });
    text
}
