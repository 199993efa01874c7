//! The trees that conditions become. Evaluation is in `evaluate`.
//!
//! Public and open, because legacy parameters and PartiQL build the same trees by hand. Parsers guarantee more than
//! the types say (bounded size, operands of possible types); evaluation does not rely on it: what cannot be compared
//! is simply false.

use std::sync::Arc;

use super::encoded::encode_value;
use crate::path::DocumentPath;
use crate::value::{Value, ValueKind};

/// A condition: true or false of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// All of these, tried in order until one is false.
    And(Vec<Condition>),
    /// Any of these, tried in order until one is true.
    Or(Vec<Condition>),
    /// The opposite.
    Not(Box<Condition>),
    /// `left = right` and its like.
    Compare {
        /// The operator.
        comparator: Comparator,
        /// What stands before it.
        left: Operand,
        /// What stands behind it.
        right: Operand,
    },
    /// `value BETWEEN lower AND upper`, both bounds included.
    Between {
        /// What must lie between.
        value: Operand,
        /// The lower bound.
        lower: Operand,
        /// The upper bound.
        upper: Operand,
    },
    /// `value IN (…)`.
    In {
        /// What must be one of them.
        value: Operand,
        /// Them.
        candidates: Vec<Operand>,
    },
    /// `attribute_exists(path)`
    Exists(DocumentPath),
    /// `attribute_not_exists(path)`
    NotExists(DocumentPath),
    /// `attribute_type(operand, :type)`
    HasType {
        /// What is looked at.
        operand: Operand,
        /// The type it must have.
        kind: ValueKind,
    },
    /// `begins_with(operand, prefix)`
    BeginsWith {
        /// The longer one.
        operand: Operand,
        /// The shorter one.
        prefix: Operand,
    },
    /// `contains(operand, member)`
    Contains {
        /// A string, set or list.
        operand: Operand,
        /// A part of the string, or a member.
        member: Operand,
    },
}

/// The six comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparator {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparator {
    /// How it is written.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// Whether it asks for more than equality, so that its operands need a type that has an order.
    pub const fn needs_order(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }

    /// The operator that says the same with its operands exchanged.
    pub const fn flipped(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

/// Something that has a value, if the item has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// Whatever the item has there.
    Path(DocumentPath),
    /// A constant of the request.
    Constant(Constant),
    /// `size(operand)`
    Size(Box<Operand>),
}

/// A value of the request, shared by all places that use it and encoded once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constant(Arc<ConstantParts>);

#[derive(Debug, PartialEq, Eq)]
struct ConstantParts {
    value: Value,
    encoded: Box<[u8]>,
}

impl Constant {
    /// Makes a constant of a value.
    pub fn new(value: Value) -> Self {
        let encoded = encode_value(&value);
        Self(Arc::new(ConstantParts { value, encoded }))
    }

    /// The value.
    pub fn value(&self) -> &Value {
        &self.0.value
    }

    /// The value's type.
    pub fn kind(&self) -> ValueKind {
        self.value().kind()
    }

    /// The value as items hold it.
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.0.encoded
    }
}
