//! Attribute values as requests and expressions handle them, decoded and owned.
//!
//! Invariant: sets are sorted, have no member twice and are never empty, because only [`Set::new`] makes them; so
//! equal sets are equal structures and their encoding is unique. Depth, total size and key rules are not checked
//! here but in `validate`.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use crate::number::Number;

/// One attribute value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    S(String),
    /// Number.
    N(Number),
    /// Bytes.
    B(Vec<u8>),
    /// Set of texts, in order of their UTF-8 bytes.
    Ss(Set<String>),
    /// Set of numbers, in numeric order.
    Ns(Set<Number>),
    /// Set of byte strings, in byte order.
    Bs(Set<Vec<u8>>),
    /// Map.
    M(BTreeMap<String, Value>),
    /// List.
    L(Vec<Value>),
    /// Truth value.
    Bool(bool),
    /// Null.
    Null,
}

impl Value {
    /// Which of the ten types this is.
    pub fn kind(&self) -> ValueKind {
        match self {
            Self::S(_) => ValueKind::S,
            Self::N(_) => ValueKind::N,
            Self::B(_) => ValueKind::B,
            Self::Ss(_) => ValueKind::Ss,
            Self::Ns(_) => ValueKind::Ns,
            Self::Bs(_) => ValueKind::Bs,
            Self::M(_) => ValueKind::M,
            Self::L(_) => ValueKind::L,
            Self::Bool(_) => ValueKind::Bool,
            Self::Null => ValueKind::Null,
        }
    }
}

/// The ten types; [`fmt::Display`] writes DynamoDB's short names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueKind {
    /// `S`
    S,
    /// `N`
    N,
    /// `B`
    B,
    /// `SS`
    Ss,
    /// `NS`
    Ns,
    /// `BS`
    Bs,
    /// `M`
    M,
    /// `L`
    L,
    /// `BOOL`
    Bool,
    /// `NULL`
    Null,
}

impl ValueKind {
    /// The name on the wire and in most texts: `S`, `SS`, `BOOL`, …
    pub const fn name(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::N => "N",
            Self::B => "B",
            Self::Ss => "SS",
            Self::Ns => "NS",
            Self::Bs => "BS",
            Self::M => "M",
            Self::L => "L",
            Self::Bool => "BOOL",
            Self::Null => "NULL",
        }
    }

    /// The type of a name as [`ValueKind::name`] gives it.
    pub fn from_name(name: &str) -> Option<Self> {
        const ALL: [ValueKind; 10] = [
            ValueKind::S,
            ValueKind::N,
            ValueKind::B,
            ValueKind::Ss,
            ValueKind::Ns,
            ValueKind::Bs,
            ValueKind::M,
            ValueKind::L,
            ValueKind::Bool,
            ValueKind::Null,
        ];
        ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for ValueKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Members in ascending order, each once, at least one. Reads as a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set<T>(Vec<T>);

/// Why members do not make a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetError {
    /// There is none.
    Empty,
    /// One is there more than once.
    Duplicate,
}

/// What can be a member of a set.
pub trait SetMember: Ord + Clone {}

impl SetMember for String {}
impl SetMember for Number {}
impl SetMember for Vec<u8> {}

impl<T: SetMember> Set<T> {
    /// Sorts members, which must be different and at least one.
    pub fn new(members: impl Into<Vec<T>>) -> Result<Self, SetError> {
        let mut members = members.into();
        if members.is_empty() {
            return Err(SetError::Empty);
        }
        members.sort_unstable();
        let duplicate = members.windows(2).any(|pair| pair[0] == pair[1]);
        if duplicate { Err(SetError::Duplicate) } else { Ok(Self(members)) }
    }

    /// Whether `member` is in the set.
    pub fn contains_member(&self, member: &T) -> bool {
        self.0.binary_search(member).is_ok()
    }

    /// The members of either set.
    pub fn union(&self, other: &Self) -> Self {
        let mut members = [self.0.as_slice(), other.0.as_slice()].concat();
        members.sort_unstable();
        members.dedup();
        Self(members)
    }

    /// The members of this set that the other has not; `None` if that leaves none.
    pub fn difference(&self, other: &Self) -> Option<Self> {
        let left: Vec<T> = self.0.iter().filter(|member| !other.contains_member(member)).cloned().collect();
        (!left.is_empty()).then_some(Self(left))
    }

    /// Gives up the members, still in order.
    pub fn into_members(self) -> Vec<T> {
        self.0
    }
}

impl<T> Deref for Set<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}
