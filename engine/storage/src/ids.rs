//! Newtypes for every number that storage counts by, so that two of them cannot be swapped.
//!
//! Arithmetic is checked: an overflow of any of these means a broken invariant, not a condition to handle.

use std::fmt;

macro_rules! id {
    ($(#[$meta:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name($inner);

        impl $name {
            /// The number itself, for codecs and logs.
            pub const fn get(self) -> $inner {
                self.0
            }

            /// Wraps a number read from the format or chosen by the owner.
            pub const fn new(value: $inner) -> Self {
                Self(value)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }
    };
}

macro_rules! next {
    ($name:ident) => {
        impl $name {
            /// The value that follows this one.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.checked_add(1).expect(concat!(stringify!($name), " counts less than 2^64")))
            }
        }
    };
}

id!(
    /// One B+tree: a hash range of one table or index. Never reused. Partition 0 is the catalog.
    PartitionId(u64),
    "partition "
);
id!(
    /// Position of an entry in its partition's gapless sequence; the first entry is 1, 0 means none yet.
    EntryIndex(u64),
    "index "
);
id!(
    /// Hybrid time: wall-clock microseconds since 1970, pushed up so that it never goes back in a partition.
    HybridTime(u64),
    "hlc "
);
id!(
    /// Position in one shard's log: bytes since the stream's creation, never reset, never reused.
    Lsn(u64),
    "lsn "
);
id!(
    /// Number of a frame in its stream; the first is 1, 0 means none yet.
    FrameSequence(u64),
    "frame "
);
id!(
    /// A partition's checkpoint number; odd ones live in superblock A, even ones in B; 0 means no checkpoint yet.
    Generation(u64),
    "generation "
);
id!(
    /// A log stream of this data directory. Streams of an earlier shard count stay listed in NODE.
    StreamId(u16),
    "stream "
);

next!(EntryIndex);
next!(FrameSequence);
next!(Generation);
next!(HybridTime);

/// The catalog's partition, recovered first and alone.
pub const CATALOG_PARTITION: PartitionId = PartitionId::new(0);

/// A place in the logs: a stream and a position in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LogPosition {
    /// The stream.
    pub stream: StreamId,
    /// The position in it.
    pub lsn: Lsn,
}

impl Lsn {
    /// The position `bytes` further on.
    #[must_use]
    pub fn advance(self, bytes: u64) -> Self {
        Self(self.0.checked_add(bytes).expect("a log is shorter than 2^64 bytes"))
    }

    /// Bytes from `earlier` to here; `None` if `earlier` lies behind.
    pub fn since(self, earlier: Self) -> Option<u64> {
        self.0.checked_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lsn_distance_is_none_when_reversed() {
        assert_eq!(Lsn::new(10).since(Lsn::new(4)), Some(6));
        assert_eq!(Lsn::new(4).since(Lsn::new(10)), None);
    }

    #[test]
    fn ids_print_their_kind() {
        assert_eq!(PartitionId::new(7).to_string(), "partition 7");
        assert_eq!(EntryIndex::new(3).next().to_string(), "index 4");
    }
}
