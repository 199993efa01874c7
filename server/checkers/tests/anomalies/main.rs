//! Goal: a checker that says nothing has looked. Each anomaly is planted in a small history and must be reported, by
//! its name; histories of a correct store, whatever its clients do and wherever it crashes, must pass; and one error
//! brought into such a history must not.

mod bank;
mod indexes;
mod registers;
mod simulated;
mod streams;
mod transactions;

use basalt_checkers::history::Span;

fn span(asked: u64, answered: u64) -> Span {
    Span { asked, answered }
}
