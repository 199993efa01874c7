//! What can be wrong with a history of transactions.

use std::fmt::{self, Display};

use super::{Dependency, Element, ListId};

/// One fault. Transactions are counted as in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anomaly {
    /// An element was read whose transaction was refused (Adya's G1a).
    AbortedRead {
        /// Where.
        list: ListId,
        /// What.
        element: Element,
        /// Who appended it.
        writer: usize,
        /// Who read it.
        reader: usize,
    },
    /// An element was read that nobody appended there, or before anybody did.
    InventedElement {
        /// Where.
        list: ListId,
        /// What.
        element: Element,
        /// Who read it.
        reader: usize,
    },
    /// A list was longer than anybody ever read it.
    InventedLength {
        /// Which.
        list: ListId,
        /// How long.
        length: usize,
        /// Who read it.
        reader: usize,
    },
    /// An element is twice in its list: a write was done twice.
    DuplicateElement {
        /// Where.
        list: ListId,
        /// What.
        element: Element,
    },
    /// Two reads of a list of which neither is how the other begins: a write was lost, or orders differ.
    IncompatibleOrders {
        /// Which list.
        list: ListId,
        /// Who read the longer one.
        longer: usize,
        /// Who read the shorter one.
        shorter: usize,
    },
    /// A transaction that was done left nothing in a list.
    LostAppend {
        /// Where.
        list: ListId,
        /// What.
        element: Element,
        /// Who appended it.
        writer: usize,
    },
    /// A read without an element whose append was over when it was asked.
    StaleRead {
        /// Where.
        list: ListId,
        /// What is missing.
        element: Element,
        /// Who appended it.
        writer: usize,
        /// Who did not read it.
        reader: usize,
    },
    /// A transaction that was not answered is done in one list and not in another.
    TornTransaction {
        /// Which.
        writer: usize,
        /// Where an element is missing.
        list: ListId,
    },
    /// Transactions each of which has to come before the next, in a circle.
    Cycle {
        /// By which dependencies.
        kind: CycleKind,
        /// Whether one of them is only that a transaction was over before another began: then the history may be
        /// serializable, but not in the order of time.
        is_in_real_time: bool,
        /// Each transaction and how the next one depends on it.
        steps: Vec<(usize, Dependency)>,
    },
}

/// Adya's names for cycles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CycleKind {
    /// G0, a dirty write: only writes over writes.
    DirtyWrite,
    /// G1c: circular flow of information: writes over writes and reads of writes.
    CircularFlow,
    /// G-single: one read of what another overwrote; a lost update, a torn read.
    SingleAntiDependency,
    /// G2: several reads of what others overwrote; write skew.
    AntiDependencies,
}

impl CycleKind {
    pub(super) fn of(steps: &[(usize, Dependency)]) -> Self {
        let count_of = |kind| steps.iter().filter(|(_, dependency)| *dependency == kind).count();
        match (count_of(Dependency::ReadOverwritten), count_of(Dependency::WriteRead)) {
            (0, 0) => CycleKind::DirtyWrite,
            (0, _) => CycleKind::CircularFlow,
            (1, _) => CycleKind::SingleAntiDependency,
            _ => CycleKind::AntiDependencies,
        }
    }

    fn name(self) -> &'static str {
        match self {
            CycleKind::DirtyWrite => "G0 (dirty write)",
            CycleKind::CircularFlow => "G1c (circular flow of information)",
            CycleKind::SingleAntiDependency => "G-single (read skew, lost update)",
            CycleKind::AntiDependencies => "G2 (write skew)",
        }
    }
}

impl Display for Anomaly {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Anomaly::Cycle { kind, is_in_real_time, steps } => {
                let suffix = if *is_in_real_time { ", in real time" } else { "" };
                write!(formatter, "{}{suffix}:", kind.name())?;
                steps.iter().try_for_each(|(transaction, dependency)| {
                    write!(formatter, " {transaction} -{}->", dependency.name())
                })
            }
            other => write!(formatter, "{other:?}"),
        }
    }
}
