//! What is measured, and in which part of a round.

use std::fmt;

use serde::Serialize;

/// A directory of its own in each round, and what is done in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Load in key order, then ranges and a scan
    Ordered,
    /// Load in random order, then single items and batches
    Random,
    /// What the data take and what is written for them; pauses make it long
    Disk,
    /// kill -9 during writes, then the first read
    Reopen,
    /// Data eight times the memory
    Large,
}

impl Part {
    /// Whether it takes minutes and is done in fewer rounds.
    pub fn is_long(self) -> bool {
        !matches!(self, Part::Ordered | Part::Random)
    }
}

macro_rules! rows {
    ($($row:ident: $title:literal, $unit:ident;)*) => {
        /// One thing that is measured, in the order of the report.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Row {
            $(#[doc = $title] $row,)*
        }

        impl Row {
            /// What its figures are.
            pub fn unit(self) -> Unit {
                match self { $(Row::$row => Unit::$unit,)* }
            }
        }

        impl fmt::Display for Row {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(match self { $(Row::$row => $title,)* })
            }
        }
    };
}

rows! {
    PointReads: "point get, hit, one thread", PerSecond;
    PointReadsTwo: "point get, hit, two threads", PerSecond;
    Ranges: "range of 100, one thread", PerSecond;
    Scan: "full scan, items", PerSecond;
    DurablePuts: "durable put, one writer", PerSecond;
    DurableBatches: "durable batches of 64, one writer, items", PerSecond;
    DurablePutsManyClients: "durable put, many clients", PerSecond;
    YcsbA: "YCSB-A, many clients", PerSecond;
    YcsbB: "YCSB-B, many clients", PerSecond;
    LoadRandom: "bulk load, random, items", PerSecond;
    LoadOrdered: "bulk load, sorted, items", PerSecond;
    DiskLoaded: "disk / logical after a random load", Ratio;
    DiskOverwritten: "disk / logical after as many random overwrites", Ratio;
    WrittenUniform: "bytes written a user byte, uniform overwrites", Ratio;
    WrittenZipfian: "bytes written a user byte, zipfian overwrites", Ratio;
    Reopen: "kill -9 during writes to first read", Milliseconds;
    LargeReads: "data 8 x memory: point get, many clients", PerSecond;
    LargeReadModifyWrites: "data 8 x memory: get and durable put, many clients", PerSecond;
}

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// The higher the better.
    PerSecond,
    /// The lower the better.
    Ratio,
    /// The lower the better.
    Milliseconds,
}

/// One measurement.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Figure {
    /// In the row's unit.
    pub value: f64,
    /// Latency of one operation, where there are single operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<f64>,
    /// Its 99th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<f64>,
}

impl Figure {
    /// A figure without latencies.
    pub fn plain(value: f64) -> Self {
        Self { value, p50_us: None, p99_us: None }
    }

    /// Operations of `count` items each.
    pub fn of(measured: basalt_benches::report::Measured, count: u64) -> Self {
        let (p50_us, p99_us) = (Some(measured.p50_us), Some(measured.p99_us));
        Self { value: measured.rate * count as f64, p50_us, p99_us }
    }
}

/// What one engine did in one part of a round.
pub type Figures = Vec<(Row, Figure)>;
