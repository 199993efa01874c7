//! What Basalt is to reach, as ratios to others in the same run.

use crate::{
    BASALT_ON_SHARDS, DEVICE, LOG_READ, PEERS, RAW_SYNC,
    report::Report,
    row::{Row, Unit},
};

/// Which of a row's figures is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Value,
    P99,
}

/// Whose figure is the measure.
#[derive(Debug, Clone, Copy)]
enum Against {
    Engine(&'static str),
    BestPeer,
    /// Basalt's own figure of another row.
    Own(Row),
    Nothing,
}

/// At least (of rates) or at most (of everything else) `factor` times the other's figure, and `more` on top.
struct Wanted {
    row: Row,
    what: What,
    factor: f64,
    against: Against,
    more: f64,
}

/// A wanted ratio and what was reached.
#[derive(Debug, serde::Serialize)]
pub struct Verdict {
    /// The row and what of it.
    pub what: String,
    /// In words.
    pub wanted: String,
    /// Basalt's figure by the other's.
    pub reached: f64,
    /// Whether that is enough.
    pub is_met: bool,
}

fn all() -> Vec<Wanted> {
    use Against::{BestPeer, Engine, Nothing, Own};
    use What::{P99, Value};
    let wanted = |row, what, factor, against| Wanted { row, what, factor, against, more: 0.0 };
    vec![
        wanted(Row::PointReads, Value, 2.0, Engine("lmdb")),
        wanted(Row::PointReadsTwo, Value, 2.0, Own(Row::PointReads)),
        wanted(Row::Ranges, Value, 1.4, Engine("lmdb")),
        wanted(Row::Scan, Value, 1.2, Engine("lmdb")),
        wanted(Row::DurablePuts, Value, 1.5, BestPeer),
        wanted(Row::DurablePuts, P99, 1.3, Engine(RAW_SYNC)),
        wanted(Row::DurableBatches, Value, 2.5, BestPeer),
        wanted(Row::DurablePutsManyClients, Value, 3.5, BestPeer),
        wanted(Row::DurablePutsManyClients, P99, 0.5, BestPeer),
        wanted(Row::YcsbA, Value, 3.0, BestPeer),
        wanted(Row::YcsbB, Value, 2.5, BestPeer),
        wanted(Row::LoadRandom, Value, 2.0, BestPeer),
        wanted(Row::LoadOrdered, Value, 1.1, BestPeer),
        wanted(Row::DiskLoaded, Value, 1.35, Nothing),
        wanted(Row::DiskOverwritten, Value, 1.45, Nothing),
        wanted(Row::WrittenUniform, Value, 1.0, Engine("rocksdb")),
        wanted(Row::WrittenZipfian, Value, 1.0, Engine("rocksdb")),
        Wanted { more: 20.0, ..wanted(Row::Reopen, Value, 1.5, Engine(LOG_READ)) },
        wanted(Row::LargeReads, Value, 0.8, Engine(DEVICE)),
        wanted(Row::LargeReadModifyWrites, Value, 1.0, Engine("rocksdb")),
    ]
}

/// What of the wanted was measured in this run, and what came of it.
pub fn verdicts(report: &Report) -> Vec<Verdict> {
    all().iter().filter_map(|wanted| wanted.verdict(report)).collect()
}

impl Wanted {
    fn verdict(&self, report: &Report) -> Option<Verdict> {
        let own = self.figure(report, self.row, BASALT_ON_SHARDS)?;
        let (other, name) = match self.against {
            Against::Engine(engine) => (self.figure(report, self.row, engine)?, engine.to_owned()),
            Against::Own(row) => (self.figure(report, row, BASALT_ON_SHARDS)?, row.to_string()),
            Against::Nothing => (1.0, "the logical size".to_owned()),
            Against::BestPeer => {
                let best = best_peer(report, self.row)?;
                (self.figure(report, self.row, best)?, format!("the best peer ({best})"))
            }
        };
        let at_least = self.what == What::Value && self.row.unit() == Unit::PerSecond;
        let bound = self.factor * other + self.more;
        let (sign, figure) =
            (if at_least { "≥" } else { "≤" }, if self.what == What::P99 { ", p99" } else { "" });
        let more = if self.more > 0.0 { format!(" + {} ms", self.more) } else { String::new() };
        Some(Verdict {
            what: format!("{}{figure}", self.row),
            wanted: format!("{sign} {} x {name}{more}", self.factor),
            reached: own / other,
            is_met: if at_least { own >= bound } else { own <= bound },
        })
    }

    fn figure(&self, report: &Report, row: Row, engine: &str) -> Option<f64> {
        match self.what {
            What::Value => report.median(row, engine, |figure| Some(figure.value)),
            What::P99 => report.median(row, engine, |figure| figure.p99_us),
        }
    }
}

/// The peer with the highest rate.
fn best_peer(report: &Report, row: Row) -> Option<&'static str> {
    let rate = |name: &str| report.median(row, name, |figure| Some(figure.value));
    let measured = PEERS.iter().filter_map(|peer| Some((*peer, rate(peer)?)));
    measured.max_by(|one, other| one.1.total_cmp(&other.1)).map(|(peer, _)| peer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Figure;

    fn report(figures: &[(Row, &str, f64)]) -> Report {
        let mut report = Report::default();
        for (row, engine, value) in figures {
            report.add(engine, vec![(*row, Figure { value: *value, p50_us: None, p99_us: None })]);
        }
        report
    }

    #[test]
    fn rates_are_compared_with_the_best_peer() {
        let row = Row::DurablePuts;
        let measured = report(&[(row, BASALT_ON_SHARDS, 300.0), (row, "lmdb", 100.0), (row, "fjall", 200.0)]);
        let verdicts = verdicts(&measured);
        assert_eq!(verdicts.len(), 1, "nothing is said of what was not measured: {verdicts:?}");
        assert!(verdicts[0].is_met && verdicts[0].wanted.contains("fjall"), "{verdicts:?}");
        assert!((verdicts[0].reached - 1.5).abs() < 1e-9);
    }

    #[test]
    fn a_start_may_take_the_logs_reading_and_a_little_more() {
        let of = |ms| report(&[(Row::Reopen, BASALT_ON_SHARDS, ms), (Row::Reopen, LOG_READ, 100.0)]);
        assert!(verdicts(&of(170.0))[0].is_met);
        assert!(!verdicts(&of(171.0))[0].is_met);
    }
}
