//! Which transaction has to come before which.

use super::{Recency, Seen, Transaction, order::Orders};
use crate::{history::Moment, history::Outcome};

/// Why one transaction comes before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependency {
    /// The other appended right behind its element (ww).
    WriteWrite,
    /// The other read its element, as the last one (wr).
    WriteRead,
    /// The other appended the first element that it did not see (rw).
    ReadOverwritten,
    /// It was over before the other began.
    RealTime,
}

impl Dependency {
    pub(super) fn name(self) -> &'static str {
        match self {
            Dependency::WriteWrite => "ww",
            Dependency::WriteRead => "wr",
            Dependency::ReadOverwritten => "rw",
            Dependency::RealTime => "rt",
        }
    }
}

/// Transactions and their dependencies.
///
/// Behind the transactions' nodes stand the instants at which one was over, in a chain: a transaction points at its
/// end's instant, and an instant at what began before the next one. So as many edges as transactions tell all of what
/// the clock says.
#[derive(Debug)]
pub(super) struct Graph {
    edges: Vec<Vec<(usize, Dependency)>>,
}

impl Graph {
    pub(super) fn of(history: &[Transaction], orders: &Orders) -> Self {
        let mut graph = Self { edges: vec![Vec::new(); history.len()] };
        for writers in orders.values() {
            for pair in writers.windows(2) {
                graph.add(pair[0], pair[1], Dependency::WriteWrite);
            }
        }
        for (reader, transaction) in history.iter().enumerate() {
            for read in &transaction.reads {
                let length = match &read.seen {
                    Seen::Elements(elements) => elements.len(),
                    Seen::Length(length) => *length,
                };
                graph.add_read(reader, length, orders.get(&read.list).map_or(&[][..], Vec::as_slice));
            }
        }
        graph.add_real_time(history, orders);
        graph
    }

    pub(super) fn node_count(&self) -> usize {
        self.edges.len()
    }

    pub(super) fn edges_of(&self, node: usize) -> &[(usize, Dependency)] {
        &self.edges[node]
    }

    fn add(&mut self, before: usize, after: usize, dependency: Dependency) {
        if before != after {
            self.edges[before].push((after, dependency));
        }
    }

    fn add_read(&mut self, reader: usize, length: usize, writers: &[usize]) {
        if let Some(last) = length.checked_sub(1).and_then(|last| writers.get(last)) {
            self.add(*last, reader, Dependency::WriteRead);
        }
        if let Some(next) = writers.get(length) {
            self.add(reader, *next, Dependency::ReadOverwritten);
        }
    }

    fn add_real_time(&mut self, history: &[Transaction], orders: &Orders) {
        let mut happened: Vec<bool> =
            history.iter().map(|transaction| matches!(transaction.outcome, Outcome::Answered(()))).collect();
        for writer in orders.values().flatten() {
            happened[*writer] = true;
        }
        let mut ends: Vec<(Moment, usize)> = (history.iter().enumerate())
            .filter(|(number, _)| happened[*number])
            .map(|(number, transaction)| (transaction.span.answered, number))
            .collect();
        ends.sort_unstable();
        let first_instant = self.edges.len();
        self.edges.resize(first_instant + ends.len(), Vec::new());
        for (place, (_, number)) in ends.iter().enumerate() {
            let instant = first_instant + place;
            self.add(*number, instant, Dependency::RealTime);
            if place + 1 < ends.len() {
                self.add(instant, instant + 1, Dependency::RealTime);
            }
        }
        let comes_behind_all = |(number, transaction): &(usize, &Transaction)| {
            happened[*number] && transaction.recency == Recency::OfAll
        };
        for (number, transaction) in history.iter().enumerate().filter(comes_behind_all) {
            let ended_before = ends.partition_point(|(answered, _)| *answered < transaction.span.asked);
            if let Some(last) = ended_before.checked_sub(1) {
                self.add(first_instant + last, number, Dependency::RealTime);
            }
        }
    }
}
