//! The bodies of records other than Effects.

use crate::bytes::{Put, Reader};
use crate::error::DecodeError;

/// Body of a CheckpointDone: the record's partition has a durable superblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointDone {
    /// The superblock's generation, from 1 on.
    pub generation: u64,
    /// Every entry up to this index is in the tree that it names.
    pub applied_index: u64,
}

/// Body of a PartCreate: the record's partition begins, empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartCreate {
    /// The table or index that it is a part of; opaque to storage.
    pub table: u64,
    /// The lowest hash that it owns.
    pub hash_low: u64,
    /// The highest hash that it owns.
    pub hash_high: u64,
    /// Seeds the hashes; opaque to storage.
    pub hash_secret: [u8; 16],
}

/// Body of a Cut: recovery ended the stream at `lsn`; frames that stand there are void for all time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// End of the last frame that was believed.
    pub lsn: u64,
}

impl CheckpointDone {
    const WHAT: &'static str = "log checkpoint note";

    /// Encodes the body.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(16);
        body.put_u64(self.generation);
        body.put_u64(self.applied_index);
        body
    }

    /// Decodes the body.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(Self::WHAT, body);
        let note = Self { generation: reader.u64()?, applied_index: reader.u64()? };
        reader.finish()?;
        if note.generation == 0 {
            return Err(DecodeError::NotCanonical { what: Self::WHAT, rule: "generations count from 1" });
        }
        Ok(note)
    }
}

impl PartCreate {
    const WHAT: &'static str = "log partition creation";

    /// Encodes the body.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(40);
        body.put_u64(self.table);
        body.put_u64(self.hash_low);
        body.put_u64(self.hash_high);
        body.put_bytes(&self.hash_secret);
        body
    }

    /// Decodes the body.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(Self::WHAT, body);
        let create = Self {
            table: reader.u64()?,
            hash_low: reader.u64()?,
            hash_high: reader.u64()?,
            hash_secret: reader.array()?,
        };
        reader.finish()?;
        if create.hash_low > create.hash_high {
            return Err(DecodeError::NotCanonical { what: Self::WHAT, rule: "a hash range is not empty" });
        }
        Ok(create)
    }
}

impl Cut {
    /// Encodes the body.
    pub fn encode(&self) -> Vec<u8> {
        self.lsn.to_le_bytes().to_vec()
    }

    /// Decodes the body.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("log cut", body);
        let cut = Self { lsn: reader.u64()? };
        reader.finish()?;
        Ok(cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bodies_come_back_as_they_were_written(a in 1u64.., b: u64, c: u64, secret: [u8; 16]) {
            let note = CheckpointDone { generation: a, applied_index: b };
            prop_assert_eq!(CheckpointDone::decode(&note.encode()), Ok(note));
            let create = PartCreate { table: a, hash_low: b.min(c), hash_high: b.max(c), hash_secret: secret };
            prop_assert_eq!(PartCreate::decode(&create.encode()), Ok(create));
            let cut = Cut { lsn: b };
            prop_assert_eq!(Cut::decode(&cut.encode()), Ok(cut));
        }

        #[test]
        fn an_accepted_body_is_the_one_that_is_written(body in proptest::collection::vec(any::<u8>(), 0..48)) {
            if let Ok(note) = CheckpointDone::decode(&body) {
                prop_assert_eq!(&note.encode(), &body);
            }
            if let Ok(create) = PartCreate::decode(&body) {
                prop_assert_eq!(&create.encode(), &body);
            }
            if let Ok(cut) = Cut::decode(&body) {
                prop_assert_eq!(&cut.encode(), &body);
            }
        }
    }

    #[test]
    fn impossible_values_are_refused() {
        assert!(
            CheckpointDone::decode(&CheckpointDone { generation: 0, applied_index: 1 }.encode()).is_err()
        );
        let reversed = PartCreate { table: 1, hash_low: 2, hash_high: 1, hash_secret: [0; 16] };
        assert!(PartCreate::decode(&reversed.encode()).is_err());
    }
}
