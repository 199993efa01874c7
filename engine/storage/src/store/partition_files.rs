//! Files of partitions that nobody knows any more: a crash came between a drop's catalog entry and the removal.

use std::{io, path::PathBuf};

use basalt_runtime::EntryKind;

use super::{Shard, ShardStore};
use crate::{
    error::{DiskOperation, StorageError},
    ids::PartitionId,
};

impl ShardStore {
    /// The partitions that have a file in this directory, of any shard.
    pub async fn partition_files(&self) -> Result<Vec<PartitionId>, StorageError> {
        let shard = &self.shard;
        let mut found = Vec::new();
        for group in shard.entries_of(shard.directory.join("part"), EntryKind::Directory).await? {
            let path = shard.directory.join("part").join(group);
            for name in shard.entries_of(path, EntryKind::File).await? {
                // Anything else in there is not ours, and stays.
                found.extend(partition_of(&name));
            }
        }
        Ok(found)
    }

    /// Removes the file of a partition that no shard has open; no error if it is gone.
    pub async fn remove_partition_file(&self, id: PartitionId) -> Result<(), StorageError> {
        let path = self.shard.partition_path(id);
        match self.shard.handle.remove_file(&path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StorageError::disk(DiskOperation::Remove, path, error))
            }
            _ => Ok(()),
        }
    }
}

impl Shard {
    async fn entries_of(&self, directory: PathBuf, kind: EntryKind) -> Result<Vec<String>, StorageError> {
        match self.handle.read_directory(&directory).await {
            Ok(entries) => {
                let names = entries.into_iter().filter(|entry| entry.kind == kind);
                Ok(names.filter_map(|entry| entry.name.into_string().ok()).collect())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(StorageError::disk(DiskOperation::Directory, directory, error)),
        }
    }
}

/// The id in `<partition16>.pt`.
fn partition_of(name: &str) -> Option<PartitionId> {
    let digits = name.strip_suffix(".pt").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok().map(PartitionId::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_partition_files_name_partitions() {
        assert_eq!(partition_of("00000000000000ff.pt"), Some(PartitionId::new(255)));
        for other in ["ff.pt", "00000000000000ff", "00000000000000zz.pt", "00000000000000ff.pt.old", ""] {
            assert_eq!(partition_of(other), None, "{other}");
        }
    }
}
