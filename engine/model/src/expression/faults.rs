//! Remembers the first fault of each class while an expression is parsed, and picks the one DynamoDB reports.
//!
//! DynamoDB goes over a parsed expression several times, once a class of fault, and reports what it meets first.
//! We go over it once, so the order of those passes is written down here instead. Order as observed by dynalite's
//! tests against AWS.

use super::error::Fault;

/// A pass over the expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultClass {
    Parentheses,
    OperatorCount,
    UnknownFunction,
    MisusedFunction,
    Reserved,
    RepeatedSection,
    UndefinedName,
    UndefinedValue,
    Overlap,
    Conflict,
    OperandCount,
    Distinct,
    ActionOperand,
    Operand,
    /// The first comparison or function of a condition that has any of the faults in [`LEAF_ORDER`].
    Leaf,
}

/// Order in a condition.
pub(crate) const CONDITION_ORDER: &[FaultClass] = &[
    FaultClass::Parentheses,
    FaultClass::OperatorCount,
    FaultClass::UnknownFunction,
    FaultClass::MisusedFunction,
    FaultClass::Reserved,
    FaultClass::Leaf,
];

/// Order within one comparison or function of a condition.
const LEAF_ORDER: &[FaultClass] =
    &[FaultClass::UndefinedName, FaultClass::OperandCount, FaultClass::Distinct, FaultClass::Operand];

/// Order in an update.
pub(crate) const UPDATE_ORDER: &[FaultClass] = &[
    FaultClass::Parentheses,
    FaultClass::OperatorCount,
    FaultClass::Reserved,
    FaultClass::UnknownFunction,
    FaultClass::RepeatedSection,
    FaultClass::UndefinedName,
    FaultClass::UndefinedValue,
    FaultClass::Overlap,
    FaultClass::Conflict,
    FaultClass::ActionOperand,
    FaultClass::Operand,
];

/// Order in a projection.
pub(crate) const PROJECTION_ORDER: &[FaultClass] =
    &[FaultClass::Reserved, FaultClass::UndefinedName, FaultClass::Overlap, FaultClass::Conflict];

/// The first fault of each class so far.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    first: Vec<(FaultClass, Fault)>,
}

impl Faults {
    /// Remembers a fault, unless its class has one already.
    pub(crate) fn record(&mut self, class: FaultClass, fault: Fault) {
        if !self.has(class) {
            self.first.push((class, fault));
        }
    }

    /// Whether a fault of this class was met.
    pub(crate) fn has(&self, class: FaultClass) -> bool {
        self.first.iter().any(|(known, _)| *known == class)
    }

    /// Ends a comparison or function of a condition: its faults count as one from here on.
    pub(crate) fn settle_leaf(&mut self) {
        if let Some(fault) = self.take_first(LEAF_ORDER) {
            self.record(FaultClass::Leaf, fault);
        }
    }

    /// The fault to report.
    pub(crate) fn check(&mut self, order: &[FaultClass]) -> Result<(), Fault> {
        self.take_first(order).map_or(Ok(()), Err)
    }

    fn take_first(&mut self, order: &[FaultClass]) -> Option<Fault> {
        let class = order.iter().find(|&&class| self.has(class))?;
        let position = self.first.iter().position(|(known, _)| known == class)?;
        Some(self.first.swap_remove(position).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(section: &'static str) -> Fault {
        Fault::RepeatedSection { section }
    }

    #[test]
    fn order_beats_time_and_time_decides_within_a_class() {
        let mut faults = Faults::default();
        faults.record(FaultClass::Conflict, section("first"));
        faults.record(FaultClass::Overlap, section("second"));
        faults.record(FaultClass::Overlap, section("third"));
        assert_eq!(faults.check(PROJECTION_ORDER), Err(section("second")));
    }

    #[test]
    fn the_first_faulty_leaf_hides_later_ones() {
        let mut faults = Faults::default();
        faults.record(FaultClass::Operand, section("late class, first leaf"));
        faults.settle_leaf();
        faults.record(FaultClass::UndefinedName, section("early class, second leaf"));
        faults.settle_leaf();
        assert_eq!(faults.check(CONDITION_ORDER), Err(section("late class, first leaf")));
        assert_eq!(Faults::default().check(CONDITION_ORDER), Ok(()));
    }
}
