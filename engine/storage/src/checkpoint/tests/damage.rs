//! Damaged files: a typed error, or the right answer.

use std::path::{Path, PathBuf};

use basalt_runtime::sim::{Disk, Random};

use crate::{
    btree::tests::{Harness, Mix, Model, simulate},
    error::{Refusal, StorageError},
    range::{Direction, KeyRange},
};

const PATH: &str = "/data/part/07/0000000000000007.pt";

/// A file with two checkpoints.
fn file() -> (Vec<u8>, Model) {
    let (model, simulation) = simulate(1, Disk::new(), |handle| async move {
        let mut random = Random::new(1);
        let mut harness = Harness::new(&handle, 4096, 64 << 20);
        for _ in 0..2 {
            harness.apply(Mix { keys: 60, ..Mix::USUAL }.changes(&mut random, 60)).await;
            harness.checkpoint().await;
        }
        harness.model
    });
    let bytes = simulation.disk().read_file(Path::new(PATH)).expect("the checkpoint has placed it");
    (bytes, model)
}

fn disk_with(bytes: &[u8]) -> Disk {
    let mut disk = Disk::new();
    let directory = PathBuf::from(PATH);
    disk.create_directory_all(directory.parent().expect("a directory")).expect("a new disk takes it");
    disk.write_file(Path::new(PATH), bytes).expect("a new disk takes it");
    disk.sync_all();
    disk
}

/// Opens the file and reads everything.
fn read_all(bytes: &[u8]) -> Result<Model, StorageError> {
    let (result, _simulation) = simulate(2, disk_with(bytes), |handle| async move {
        let harness = Harness::open(&handle, 4096, 64 << 20, 0).await?;
        harness.tree.check().await?;
        Ok(harness.scan(KeyRange::ALL, Direction::Forward, usize::MAX).await.into_iter().collect())
    });
    result
}

#[test]
fn a_flipped_bit_anywhere_is_an_error_or_changes_nothing() {
    let (bytes, model) = file();
    assert_eq!(read_all(&bytes).expect("undamaged"), model);
    let mut random = Random::new(3);
    let mut errors = 0;
    for _ in 0..300 {
        let place = random.below(bytes.len() as u64) as usize;
        if place / 4096 == 4 {
            continue; // The newest superblock: whether the older one will do is for the log to say.
        }
        let mut damaged = bytes.clone();
        damaged[place] ^= 1 << random.below(8);
        match read_all(&damaged) {
            // Free blocks, padding of free extents and the older superblock are nobody's.
            Ok(found) => assert!(found == model, "byte {place}"),
            Err(StorageError::Corrupt { .. } | StorageError::Refused(_)) => errors += 1,
            Err(error) => panic!("byte {place}: {error}"),
        }
    }
    assert!(errors > 0, "the tree covers a good part of the file");
}

#[test]
fn a_cut_file_is_an_error() {
    let (bytes, _) = file();
    for length in [0, 100, 4096, 5 * 4096, bytes.len() / 2] {
        assert!(read_all(&bytes[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn a_damaged_superblock_leaves_the_other_one() {
    let (bytes, model) = file();
    let generation_of = |block: usize| {
        basalt_format::superblock::Superblock::decode(&bytes[block * 4096..][..4096])
            .expect("valid")
            .generation
    };
    assert_eq!((generation_of(0), generation_of(4)), (1, 4), "2 and 3 are left out");
    let mut damaged = bytes.clone();
    damaged[100] ^= 1;
    assert_eq!(read_all(&damaged).expect("B is the newest"), model);
    damaged[4 * 4096 + 100] ^= 1;
    assert!(matches!(read_all(&damaged), Err(StorageError::Refused(Refusal::DamagedRoot { .. }))));
    let mut damaged = bytes;
    damaged[4 * 4096 + 100] ^= 1;
    let (next, simulation) = simulate(4, disk_with(&damaged), |handle| async move {
        let mut harness = Harness::open(&handle, 4096, 64 << 20, 2).await.expect("A is left");
        assert_eq!(harness.tree.generation().get(), 1);
        harness.apply([(b"\x10zz".to_vec(), Some(b"1".to_vec()))].into()).await;
        harness.checkpoint().await.get()
    });
    assert_eq!(next, 7, "4 replaces the damaged B, 5 is kept for a copy, 7 takes the place of A");
    let bytes = simulation.disk().read_file(Path::new(PATH)).expect("placed");
    for (block, generation) in [(0, 7), (4, 4)] {
        let superblock = basalt_format::superblock::Superblock::decode(&bytes[block * 4096..][..4096]);
        assert_eq!(superblock.expect("valid").generation, generation);
    }
}

#[test]
fn the_file_of_another_partition_or_cluster_is_refused() {
    let (bytes, _) = file();
    let forged = |change: fn(&mut basalt_format::superblock::Superblock)| {
        let mut bytes = bytes.clone();
        for block in [0, 4] {
            let mut superblock =
                basalt_format::superblock::Superblock::decode(&bytes[block * 4096..][..4096]).expect("valid");
            change(&mut superblock);
            bytes[block * 4096..][..4096].copy_from_slice(&superblock.encode());
        }
        read_all(&bytes)
    };
    for (what, result) in [
        ("cluster", forged(|superblock| superblock.cluster_uuid = [9; 16])),
        ("partition", forged(|superblock| superblock.partition = 8)),
        ("features", forged(|superblock| superblock.features_incompatible = 1)),
        ("features of writers", forged(|superblock| superblock.features_read_only = 1)),
    ] {
        assert!(matches!(result, Err(StorageError::Refused(Refusal::Incompatible { .. }))), "{what}");
    }
    assert!(forged(|superblock| superblock.features_compatible = 1).is_ok(), "any version may ignore these");
}
