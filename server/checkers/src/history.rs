//! What clients write down: calls, their time, and what came of them.

use std::fmt::{self, Display};

/// Nanoseconds since the history began, by one clock for all clients.
pub type Moment = u64;

/// From the moment just before a call was sent to the moment just after it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Before the first byte of the request was sent.
    pub asked: Moment,
    /// After the last byte of the answer. For a call whose answer never came: when it could have no effect any more,
    /// that is when the server's next life began to answer.
    pub answered: Moment,
}

impl Span {
    /// Whether this was over before the other began, so that everybody must see them in this order.
    pub fn is_before(self, other: Span) -> bool {
        self.answered < other.asked
    }
}

impl Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |moment: Moment| moment as f64 / 1e6;
        write!(formatter, "{:.3}..{:.3} ms", millis(self.asked), millis(self.answered))
    }
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<A> {
    /// It was answered.
    Answered(A),
    /// It was refused without having looked at an item: it had no effect and tells nothing.
    Refused,
    /// No answer came: it happened at some instant of its span, or never.
    Unknown,
}

/// One call of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<C, A> {
    /// Who asked.
    pub client: u32,
    /// When.
    pub span: Span,
    /// What was asked.
    pub call: C,
    /// What came of it.
    pub outcome: Outcome<A>,
}
