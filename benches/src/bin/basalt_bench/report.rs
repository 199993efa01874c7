//! The results: a table for people, JSON for programs.

use std::{collections::BTreeMap, io};

use basalt_benches::{
    report::{Measured, latency_histogram},
    server_process::Cost,
};
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::{
    clients::{Course, Second},
    workload::{KINDS, Kind},
};

/// The quantiles of the latency's curve.
const CURVE: [f64; 13] = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 1.0];

/// All that a run has found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The command line.
    pub(crate) command: String,
    /// The rate asked for; absent in a closed loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate_wanted: Option<f64>,
    #[serde(flatten)]
    pub(crate) total: Measured,
    pub(crate) kinds: BTreeMap<Kind, Measured>,
    /// Quantile and latency in microseconds.
    pub(crate) curve: Vec<(f64, f64)>,
    pub(crate) seconds: Vec<Second>,
    pub(crate) throttled: u64,
    pub(crate) conflicts: u64,
    /// Reads that found nothing.
    pub(crate) misses: u64,
    /// What it cost the server's process.
    #[serde(flatten)]
    pub(crate) cost: Option<Cost>,
}

impl Report {
    pub(crate) fn new(command: String, rate_wanted: Option<f64>, course: Course, cost: Option<Cost>) -> Self {
        let Course { elapsed, seconds, sums, throttled, conflicts, misses } = course;
        let mut all = latency_histogram();
        sums.iter().for_each(|kind| all.add(kind).expect("all histograms have the same bounds"));
        let kinds = KINDS.into_iter().zip(&sums).filter(|(_, latencies)| !latencies.is_empty());
        Self {
            command,
            rate_wanted,
            total: Measured::of(elapsed, &sums),
            kinds: kinds.map(|(kind, latencies)| (kind, one(latencies, elapsed))).collect(),
            curve: CURVE.map(|quantile| (quantile, all.value_at_quantile(quantile) as f64 / 1000.0)).to_vec(),
            seconds,
            throttled,
            conflicts,
            misses,
            cost,
        }
    }

    /// Writes the table.
    pub(crate) fn write_table(&self, out: &mut impl io::Write) -> io::Result<()> {
        writeln!(out, "| operation | ops | ops/s | p50 us | p99 us | p99.9 us | longest us |")?;
        writeln!(out, "|---|--:|--:|--:|--:|--:|--:|")?;
        for (kind, measured) in &self.kinds {
            write_row(out, &format!("{kind:?}"), measured)?;
        }
        write_row(out, "all", &self.total)?;
        let Self { throttled, conflicts, misses, .. } = self;
        writeln!(out, "\n{throttled} throttled, {conflicts} in conflict, {misses} reads of nothing.")?;
        if let Some(Cost { server_cpu_us, server_rss_mib, server_rss_peak_mib }) = self.cost {
            writeln!(
                out,
                "Server: {server_cpu_us:.1} us of processor time an operation, {server_rss_mib:.1} MiB resident, \
                 {server_rss_peak_mib:.1} MiB at its peak."
            )?;
        }
        Ok(())
    }
}

fn one(latencies: &Histogram<u64>, elapsed: std::time::Duration) -> Measured {
    Measured::of(elapsed, std::slice::from_ref(latencies))
}

fn write_row(out: &mut impl io::Write, name: &str, measured: &Measured) -> io::Result<()> {
    let Measured { operations, rate, p50_us, p99_us, p999_us, max_us } = measured;
    writeln!(
        out,
        "| {name} | {operations} | {rate:.0} | {p50_us:.0} | {p99_us:.0} | {p999_us:.0} | {max_us:.0} |"
    )
}
