//! What is told of a measurement: rate, latencies, medians of rounds.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// A histogram of nanoseconds up to a minute.
pub fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are legal")
}

/// Operations that were measured together.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Measured {
    /// How many.
    pub operations: u64,
    /// Operations a second.
    pub rate: f64,
    /// Median latency.
    pub p50_us: f64,
    /// 99th percentile of the latency.
    pub p99_us: f64,
    /// 99.9th percentile of the latency.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
}

impl Measured {
    /// Sums up what clients recorded, in nanoseconds, within `elapsed`.
    pub fn of(elapsed: Duration, clients: &[Histogram<u64>]) -> Self {
        let mut all = latency_histogram();
        for client in clients {
            all.add(client).expect("all histograms have the same bounds");
        }
        let quantile = |quantile| all.value_at_quantile(quantile) as f64 / 1000.0;
        Self {
            operations: all.len(),
            rate: all.len() as f64 / elapsed.as_secs_f64(),
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: all.max() as f64 / 1000.0,
        }
    }
}

/// Median, lowest and highest of some rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The middle one; of an even number, the mean of the two in the middle.
    pub median: f64,
    /// The lowest.
    pub lowest: f64,
    /// The highest.
    pub highest: f64,
}

impl Spread {
    /// Of at least one round.
    ///
    /// # Panics
    /// If there is none.
    pub fn of(rounds: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = rounds.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (lowest, highest) = (sorted[0], sorted[sorted.len() - 1]);
        let median = (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0;
        Self { median, lowest, highest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 9.0]), Spread { median: 3.0, lowest: 1.0, highest: 9.0 });
        assert_eq!(Spread::of([5.0]), Spread { median: 5.0, lowest: 5.0, highest: 5.0 });
    }

    #[test]
    fn latencies_of_all_clients_count() {
        let mut clients = [latency_histogram(), latency_histogram()];
        clients[0].record(1_000_000).unwrap();
        clients[1].record(3_000_000).unwrap();
        let measured = Measured::of(Duration::from_secs(2), &clients);
        assert_eq!((measured.operations, measured.rate), (2, 1.0));
        assert!(measured.max_us >= 3000.0, "{measured:?}");
    }
}
