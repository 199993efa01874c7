//! Medians and spread of the rounds, as Markdown tables and as JSON.

use std::{collections::BTreeMap, fmt};

use basalt_benches::report::Spread;
use serde::Serialize;

use crate::{
    BASALT_ON_SHARDS,
    row::{Figure, Figures, Row, Unit},
    wanted::{self, Verdict},
};

/// Every measurement of every engine.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    rows: BTreeMap<Row, BTreeMap<String, Vec<Figure>>>,
}

impl Report {
    /// Adds what one engine did in one part of a round.
    pub fn add(&mut self, engine: &str, figures: Figures) {
        for (row, figure) in figures {
            self.rows.entry(row).or_default().entry(engine.to_owned()).or_default().push(figure);
        }
    }

    /// The median of the rounds that have such a figure.
    pub fn median(&self, row: Row, engine: &str, of: impl Fn(&Figure) -> Option<f64>) -> Option<f64> {
        spread(self.rows.get(&row)?.get(engine)?, of).map(|spread| spread.median)
    }

    /// Everything, for programs.
    pub fn json(&self, machine: &str) -> String {
        #[derive(Serialize)]
        struct Whole<'a> {
            command: String,
            machine: &'a str,
            #[serde(flatten)]
            report: &'a Report,
            wanted: Vec<Verdict>,
        }
        let command = std::env::args().collect::<Vec<_>>().join(" ");
        let whole = Whole { command, machine, report: self, wanted: wanted::verdicts(self) };
        serde_json::to_string_pretty(&whole).expect("numbers and names are JSON")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "| | wanted | reached | |\n|---|---|--:|---|")?;
        for Verdict { what, wanted, reached, is_met } in wanted::verdicts(self) {
            let verdict = if is_met { "met" } else { "**missed**" };
            writeln!(formatter, "| {what} | {wanted} | {reached:.2} | {verdict} |")?;
        }
        writeln!(formatter, "\n| | engine | median (lowest–highest) | basalt by it | p50 us | p99 us |")?;
        writeln!(formatter, "|---|---|--:|--:|--:|--:|")?;
        for (row, engines) in &self.rows {
            let own = self.median(*row, BASALT_ON_SHARDS, |figure| Some(figure.value));
            for (engine, rounds) in engines {
                write_row(formatter, *row, engine, rounds, own)?;
            }
        }
        Ok(())
    }
}

fn write_row(
    formatter: &mut fmt::Formatter<'_>,
    row: Row,
    engine: &str,
    rounds: &[Figure],
    own: Option<f64>,
) -> fmt::Result {
    let Spread { median, lowest, highest } =
        spread(rounds, |figure| Some(figure.value)).expect("each figure has a value");
    let digits = match row.unit() {
        Unit::PerSecond => 0,
        Unit::Ratio => 2,
        Unit::Milliseconds => 1,
    };
    let ratio = own.map_or(String::new(), |own| format!("{:.2}", own / median));
    let latency = |of: fn(&Figure) -> Option<f64>| {
        spread(rounds, of).map_or(String::new(), |spread| format!("{:.1}", spread.median))
    };
    let (p50, p99) = (latency(|figure| figure.p50_us), latency(|figure| figure.p99_us));
    writeln!(
        formatter,
        "| {row} | {engine} | {median:.digits$} ({lowest:.digits$}–{highest:.digits$}) | {ratio} | {p50} | {p99} |"
    )
}

fn spread(rounds: &[Figure], of: impl Fn(&Figure) -> Option<f64>) -> Option<Spread> {
    let figures: Vec<f64> = rounds.iter().filter_map(of).collect();
    (!figures.is_empty()).then(|| Spread::of(figures))
}
