//! Medians and spread of the rounds, as a Markdown table.

use std::{collections::BTreeMap, fmt};

use basalt_benches::report::{Measured, Spread};

/// One thing that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// Reads of single items that are there, one client.
    PointReads,
    /// Durable writes of single items, one client.
    DurablePuts,
    /// Durable writes of single items, many clients.
    DurablePutsManyClients,
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Row::PointReads => "point reads, 1 client",
            Row::DurablePuts => "durable puts, 1 client",
            Row::DurablePutsManyClients => "durable puts, many clients",
        })
    }
}

/// What one engine did in one round.
pub type Round = Vec<(Row, Measured)>;

/// Every measurement of every engine.
#[derive(Debug, Default)]
pub struct Report {
    measured: BTreeMap<Row, BTreeMap<String, Vec<Measured>>>,
}

impl Report {
    /// Adds one engine's round.
    pub fn add(&mut self, engine: &str, round: Round) {
        for (row, measured) in round {
            self.measured.entry(row).or_default().entry(engine.to_owned()).or_default().push(measured);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "| | engine | ops/s median (lowest–highest) | p50 us | p99 us |")?;
        writeln!(formatter, "|---|---|--:|--:|--:|")?;
        for (row, engines) in &self.measured {
            for (engine, rounds) in engines {
                let spread = |field: fn(&Measured) -> f64| Spread::of(rounds.iter().map(field));
                let Spread { median, lowest, highest } = spread(|round| round.rate);
                let (p50, p99) = (spread(|round| round.p50_us).median, spread(|round| round.p99_us).median);
                writeln!(
                    formatter,
                    "| {row} | {engine} | {median:.0} ({lowest:.0}–{highest:.0}) | {p50:.1} | {p99:.1} |"
                )?;
            }
        }
        Ok(())
    }
}
