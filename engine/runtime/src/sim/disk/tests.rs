//! The disk against a map of what must, may and must not be there after a crash.

use super::*;
use proptest::prelude::*;

fn path(name: &str) -> &Path {
    Path::new(name)
}

fn create() -> OpenOptions {
    OpenOptions::new().read(true).write(true).create(true)
}

fn disk_with_file(content: &[u8]) -> (Disk, NodeId) {
    let mut disk = Disk::new();
    disk.write_file(path("/f"), content).expect("an empty disk takes a file");
    let node = disk.open(path("/f"), create()).expect("just written");
    (disk, node)
}

fn contents(disk: &Disk) -> BTreeMap<String, Vec<u8>> {
    let read = |name: String| (disk.read_file(path(&name)).expect("listed"), name);
    disk.list_files().into_iter().map(read).map(|(bytes, name)| (name, bytes)).collect()
}

#[test]
fn reads_show_writes_holes_and_the_end() {
    let (mut disk, node) = disk_with_file(b"");
    disk.write(node, 5000, b"abc").expect("room");
    assert_eq!(disk.size_bytes(node), 5003);
    let mut buffer = [9; 8];
    assert_eq!(disk.read(node, 4998, &mut buffer), 5);
    assert_eq!(&buffer, b"\0\0abc\x09\x09\x09");
    assert_eq!(disk.read(node, 6000, &mut buffer), 0);
}

#[test]
fn cut_bytes_do_not_come_back_when_the_file_grows() {
    let (mut disk, node) = disk_with_file(&[7; 9000]);
    disk.truncate(node, 100).expect("small");
    disk.truncate(node, 9000).expect("small");
    let bytes = disk.read_file(path("/f")).expect("there");
    assert!(bytes[..100].iter().all(|&byte| byte == 7));
    assert!(bytes[100..].iter().all(|&byte| byte == 0));
    disk.sync_file(node, disk.sync_point());
    let after = disk.crash(&mut Random::new(1), CrashPolicy::LoseUnsynced);
    assert_eq!(after.read_file(path("/f")).expect("there"), bytes);
}

#[test]
fn unsynced_sectors_stay_go_or_are_stale_independently() {
    let (mut disk, node) = disk_with_file(&[1; 1024]);
    disk.write(node, 0, &[2; 1024]).expect("room");
    disk.write(node, 0, &[3; 1024]).expect("room");
    let mut random = Random::new(3);
    let mut seen = BTreeSet::new();
    for _ in 0..1000 {
        let image = disk.crash(&mut random, CrashPolicy::Any);
        let bytes = image.read_file(path("/f")).expect("its name is durable");
        assert_eq!(bytes.len(), 1024);
        for sector in bytes.chunks(512) {
            assert!(sector.iter().all(|&byte| byte == sector[0]), "a sector is never torn inside");
        }
        seen.insert((bytes[0], bytes[512]));
    }
    let all: BTreeSet<_> = (1..=3).flat_map(|first| (1..=3).map(move |second| (first, second))).collect();
    assert_eq!(seen, all);
}

#[test]
fn a_sync_covers_what_was_written_before_it_began() {
    let (mut disk, node) = disk_with_file(&[1; 512]);
    disk.write(node, 0, &[2; 512]).expect("room");
    let began = disk.sync_point();
    disk.write(node, 0, &[3; 512]).expect("room");
    disk.sync_file(node, began);
    let lost = disk.crash(&mut Random::new(1), CrashPolicy::LoseUnsynced);
    assert_eq!(lost.read_file(path("/f")).expect("there"), [2; 512]);
    let kept = disk.crash(&mut Random::new(1), CrashPolicy::KeepUnsynced);
    assert_eq!(kept.read_file(path("/f")).expect("there"), [3; 512]);
}

#[test]
fn a_name_lives_by_its_directorys_sync_alone() {
    let mut disk = Disk::new();
    disk.create_directory_all(path("/a/b")).expect("new");
    let node = disk.open(path("/a/b/f"), create()).expect("new");
    disk.write(node, 0, b"kept").expect("room");
    disk.sync_file(node, disk.sync_point());
    let lose = |disk: &Disk| disk.crash(&mut Random::new(1), CrashPolicy::LoseUnsynced).list_files();
    for directory in ["/a/b", "/a"] {
        disk.sync_directory(path(directory), disk.sync_point()).expect("there");
        assert!(lose(&disk).is_empty(), "a parent's name is still unsynced after {directory}");
    }
    disk.sync_directory(path("/"), disk.sync_point()).expect("there");
    assert_eq!(lose(&disk), ["/a/b/f"]);
}

#[test]
fn a_rename_replaces_in_one_instant() {
    let (mut disk, node) = disk_with_file(b"old");
    disk.close(node);
    disk.create_directory_all(path("/tmp")).expect("new");
    let new = disk.open(path("/tmp/n"), create()).expect("new");
    disk.write(new, 0, b"new").expect("room");
    disk.sync_file(new, disk.sync_point());
    disk.rename(path("/tmp/n"), path("/f")).expect("both there");
    let mut random = Random::new(9);
    let mut seen = BTreeSet::new();
    for _ in 0..300 {
        let image = disk.crash(&mut random, CrashPolicy::Any);
        seen.insert(image.read_file(path("/f")).expect("one or the other, never neither"));
    }
    assert_eq!(seen, BTreeSet::from([b"old".to_vec(), b"new".to_vec()]));
    disk.sync_directory(path("/"), disk.sync_point()).expect("there");
    let image = disk.crash(&mut random, CrashPolicy::LoseUnsynced);
    assert_eq!(image.read_file(path("/f")).expect("there"), b"new");
    assert_eq!(image.list_files(), ["/f"]);
}

#[test]
fn a_removed_file_serves_who_has_it_open_and_may_return() {
    let (mut disk, node) = disk_with_file(b"here");
    disk.remove_file(path("/f")).expect("there");
    let mut buffer = [0; 4];
    assert_eq!(disk.read(node, 0, &mut buffer), 4);
    assert!(disk.used_bytes() > 0);
    disk.close(node);
    assert_eq!(disk.used_bytes(), 0);
    assert!(disk.list_files().is_empty());
    let image = disk.crash(&mut Random::new(1), CrashPolicy::LoseUnsynced);
    assert_eq!(image.read_file(path("/f")).expect("its removal was not synced"), b"here");
}

#[test]
fn a_killed_process_leaves_its_writes_and_no_locks() {
    let (mut disk, node) = disk_with_file(b"");
    assert!(disk.try_lock(node, LockOwner(1)));
    assert!(disk.try_lock(node, LockOwner(1)));
    assert!(!disk.try_lock(node, LockOwner(2)));
    disk.write(node, 0, b"unsynced").expect("room");
    disk.kill();
    assert_eq!(disk.read_file(path("/f")).expect("there"), b"unsynced");
    assert!(
        disk.crash(&mut Random::new(1), CrashPolicy::LoseUnsynced)
            .read_file(path("/f"))
            .expect("there")
            .is_empty()
    );
    let again = disk.open(path("/f"), create()).expect("there");
    assert!(disk.try_lock(again, LockOwner(2)));
}

#[test]
fn a_failed_sync_hides_what_a_power_loss_takes() {
    let (mut disk, node) = disk_with_file(&[1; 64 * 512]);
    disk.write(node, 0, &[2; 64 * 512]).expect("room");
    disk.forget_unsynced(node, &mut Random::new(4), Reads::ThroughCache);
    // The next sync succeeds and means nothing.
    disk.sync_file(node, disk.sync_point());
    assert_eq!(disk.read_file(path("/f")).expect("there"), [2; 64 * 512]);
    let image = disk.crash(&mut Random::new(1), CrashPolicy::KeepUnsynced);
    assert!(image.read_file(path("/f")).expect("there").contains(&1));
}

#[test]
fn reads_past_the_cache_show_what_a_failed_sync_left() {
    let (mut disk, node) = disk_with_file(&[1; 64 * 512]);
    disk.write(node, 0, &[2; 64 * 512]).expect("room");
    disk.forget_unsynced(node, &mut Random::new(4), Reads::PastCache);
    let shown = disk.read_file(path("/f")).expect("there");
    assert!(shown.contains(&1));
    let image = disk.crash(&mut Random::new(1), CrashPolicy::Any);
    assert_eq!(image.read_file(path("/f")).expect("there"), shown);
}

#[test]
fn a_full_disk_says_so_and_removal_makes_room() {
    let mut disk = Disk::new();
    disk.set_capacity_bytes(Some(3 * 4096));
    let node = disk.open(path("/f"), create()).expect("names are free");
    disk.allocate(node, 0, 2 * 4096).expect("fits");
    disk.write(node, 0, &[1; 8192]).expect("allocated space is there");
    let full = disk.write(node, 8192, &[1; 4097]).expect_err("two blocks into one");
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    disk.punch_hole(node, 0, 4096).expect("there");
    disk.write(node, 8192, &[1; 4097]).expect("room again");
    disk.remove_file(path("/f")).expect("there");
    disk.close(node);
    assert_eq!(disk.used_bytes(), 0);
}

#[test]
fn flipped_bits_are_seen_before_and_after_a_crash() {
    let (mut disk, _) = disk_with_file(&[0; 600]);
    disk.flip_bits(path("/f"), 599, 0x81).expect("inside");
    assert!(disk.flip_bits(path("/f"), 600, 1).is_err());
    let image = disk.crash(&mut Random::new(1), CrashPolicy::Any);
    for seen in [&disk, &image] {
        assert_eq!(seen.read_file(path("/f")).expect("there")[599], 0x81);
    }
}

#[test]
fn wrong_names_are_refused_as_by_an_operating_system() {
    let (mut disk, _) = disk_with_file(b"");
    disk.create_directory_all(path("/d/e")).expect("new");
    let kind = |result: io::Result<()>| result.expect_err("wrong").kind();
    assert_eq!(kind(disk.open(path("/d"), create()).map(drop)), io::ErrorKind::IsADirectory);
    assert_eq!(kind(disk.open(path("/none"), OpenOptions::new()).map(drop)), io::ErrorKind::NotFound);
    assert_eq!(
        kind(disk.open(path("/f"), create().create_new(true)).map(drop)),
        io::ErrorKind::AlreadyExists
    );
    assert_eq!(kind(disk.open(path("/f/g"), create()).map(drop)), io::ErrorKind::NotADirectory);
    assert_eq!(kind(disk.remove_directory(path("/d"))), io::ErrorKind::DirectoryNotEmpty);
    assert_eq!(kind(disk.remove_file(path("/d"))), io::ErrorKind::IsADirectory);
    assert_eq!(kind(disk.rename(path("/none"), path("/x"))), io::ErrorKind::NotFound);
    assert_eq!(disk.metadata(path("/f/g")).expect("not an error"), None);
    assert!(disk.metadata(path("/d/e")).expect("there").is_some_and(|metadata| metadata.is_directory));
}

#[test]
fn few_blocks_crash_in_every_way() {
    let (mut disk, node) = disk_with_file(&[1; 3 * 4096]);
    for block in 0..3 {
        disk.write(node, block * 4096, &[2; 4096]).expect("room");
    }
    // Zeros over zeros are nothing that could be lost.
    disk.allocate(node, 3 * 4096, 4096).expect("room");
    assert_eq!(disk.crash_unit_count(), 4);
    let mut random = Random::new(1);
    let images: Vec<_> = disk.crash_images(&mut random).map(|image| contents(&image)).collect();
    assert_eq!(images.len(), 16 + 3 * TEARS);
    let whole: BTreeSet<_> = images[..16].iter().cloned().collect();
    assert_eq!(whole.len(), 16, "each subset is a different disk");
    let torn = images[16..].iter().filter(|image| !whole.contains(*image)).count();
    assert!(torn > 0, "some images hold half a block");
}

const TEARS: usize = 4;

#[test]
fn many_blocks_crash_in_samples_with_both_extremes() {
    let (mut disk, node) = disk_with_file(&[1; 9 * 4096]);
    disk.write(node, 0, &[2; 9 * 4096]).expect("room");
    let mut random = Random::new(1);
    let images: Vec<_> = disk.crash_images(&mut random).collect();
    assert_eq!(images.len(), CRASH_IMAGE_SAMPLES);
    assert_eq!(images[0].read_file(path("/f")).expect("there"), [1; 9 * 4096]);
    assert_eq!(images[1].read_file(path("/f")).expect("there"), [2; 9 * 4096]);
}

/// One step of the model run. Sizes are in bytes, offsets within a file of at most 20 KiB.
#[derive(Debug, Clone)]
enum Step {
    Write { file: u8, offset: u64, length: u64 },
    Truncate { file: u8, size: u64 },
    Punch { file: u8, offset: u64, length: u64 },
    Allocate { file: u8, offset: u64, length: u64 },
    Sync { file: u8 },
    SyncRoot,
    Rename { from: u8, to: u8 },
    Remove { file: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (file, at, length) = (0..3_u8, 0..12_000_u64, 1..9_000_u64);
    let range = (file.clone(), at.clone(), length);
    let step = prop_oneof![
        6 => range.clone().prop_map(|(file, offset, length)| Step::Write { file, offset, length }),
        1 => (file.clone(), at).prop_map(|(file, size)| Step::Truncate { file, size }),
        1 => range.clone().prop_map(|(file, offset, length)| Step::Punch { file, offset, length }),
        1 => range.prop_map(|(file, offset, length)| Step::Allocate { file, offset, length }),
        2 => file.clone().prop_map(|file| Step::Sync { file }),
        1 => Just(Step::SyncRoot),
        1 => (file.clone(), file.clone()).prop_map(|(from, to)| Step::Rename { from, to }),
        1 => file.prop_map(|file| Step::Remove { file }),
    ];
    proptest::collection::vec(step, 1..40)
}

/// A map of plain vectors, and for every byte of a file's whole life the values it may have after a crash.
#[derive(Default)]
struct Model {
    names: BTreeMap<u8, usize>,
    files: Vec<ModelFile>,
}

#[derive(Clone, Default)]
struct ModelFile {
    bytes: Vec<u8>,
    /// Contents since the last sync, that one first.
    history: Vec<Vec<u8>>,
}

impl ModelFile {
    fn changed(&mut self) {
        self.history.push(self.bytes.clone());
    }

    /// Whether a crash may leave `found`: a size it had, and at each place a value it had, or zero beyond a size.
    fn allows(&self, found: &[u8]) -> bool {
        let sizes = self.history.iter().any(|version| version.len() == found.len());
        let value = |version: &Vec<u8>, place: usize| version.get(place).copied().unwrap_or(0);
        let fits = |place: usize| self.history.iter().any(|version| value(version, place) == found[place]);
        sizes && (0..found.len()).all(fits)
    }
}

fn name_of(file: u8) -> String {
    format!("/{file}")
}

fn run(disk: &mut Disk, model: &mut Model, number: u8, step: &Step) {
    let (Step::Write { file, .. }
    | Step::Truncate { file, .. }
    | Step::Punch { file, .. }
    | Step::Allocate { file, .. }
    | Step::Sync { file }
    | Step::Remove { file }
    | Step::Rename { from: file, .. }) = step
    else {
        return disk.sync_directory(path("/"), disk.sync_point()).expect("the root is there");
    };
    let name = name_of(*file);
    let node = disk.open(path(&name), create()).expect("room");
    let index = *model.names.entry(*file).or_insert_with(|| {
        model.files.push(ModelFile { history: vec![Vec::new()], ..ModelFile::default() });
        model.files.len() - 1
    });
    let bytes = &mut model.files[index].bytes;
    let place = |value: u64| usize::try_from(value).expect("small");
    match *step {
        Step::Write { offset, length, .. } => {
            let data = vec![number; place(length)];
            disk.write(node, offset, &data).expect("room");
            bytes.resize(bytes.len().max(place(offset + length)), 0);
            bytes[place(offset)..place(offset + length)].copy_from_slice(&data);
        }
        Step::Truncate { size, .. } => {
            disk.truncate(node, size).expect("small");
            bytes.resize(place(size), 0);
        }
        Step::Punch { offset, length, .. } => {
            disk.punch_hole(node, offset, length).expect("small");
            let end = bytes.len().min(place(offset + length));
            bytes[place(offset).min(end)..end].fill(0);
        }
        Step::Allocate { offset, length, .. } => {
            disk.allocate(node, offset, length).expect("room");
            bytes.resize(bytes.len().max(place(offset + length)), 0);
        }
        Step::Sync { .. } => {
            disk.sync_file(node, disk.sync_point());
            model.files[index].history.clear();
        }
        Step::Remove { .. } => {
            disk.remove_file(path(&name)).expect("open");
            model.names.remove(file);
        }
        Step::Rename { to, .. } => {
            disk.rename(path(&name), path(&name_of(to))).expect("open");
            model.names.remove(file);
            model.names.insert(to, index);
        }
        Step::SyncRoot => unreachable!("returned above"),
    }
    model.files[index].changed();
    disk.close(node);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn disk_shows_what_was_done_and_a_crash_leaves_only_what_was_there(steps in steps(), seed: u64) {
        let (mut disk, mut model) = (Disk::new(), Model::default());
        for (number, step) in (1..).zip(&steps) {
            run(&mut disk, &mut model, number, step);
        }
        let shown: BTreeMap<String, Vec<u8>> = model
            .names
            .iter()
            .map(|(&file, &index)| (name_of(file), model.files[index].bytes.clone()))
            .collect();
        prop_assert_eq!(&contents(&disk), &shown);
        prop_assert_eq!(&contents(&disk.clone().crash(&mut Random::new(seed), CrashPolicy::KeepUnsynced)), &shown);

        let mut random = Random::new(seed);
        for _ in 0..8 {
            let image = disk.crash(&mut random, CrashPolicy::Any);
            for (name, found) in contents(&image) {
                prop_assert!(model.files.iter().any(|file| file.allows(&found)), "{} holds what was never there", name);
            }
            // A crashed disk is settled: the next crash changes nothing.
            prop_assert_eq!(contents(&image.crash(&mut random, CrashPolicy::Any)), contents(&image));
        }
        disk.sync_all();
        prop_assert_eq!(&contents(&disk.crash(&mut random, CrashPolicy::LoseUnsynced)), &shown);
    }
}
