//! `basaltctl verify` against golden directories that are damaged in one place: it finds the damage, or what was damaged
//! is used by nothing, and the engine answers as before.
//!
//! `BASALT_DAMAGES=100000 BASALT_DAMAGE_SEED=7 cargo test --release -p basalt-tools --test damage` is a campaign.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use basalt_engine::{Engine, EngineOptions, ListTables, OpenError, Scan};
use basalt_runtime::sim::Random;
use basalt_sim::damage::{Damage, Files, golden_files};

const DAMAGES: u64 = 150;
/// Exit codes of `verify`.
const SOUND: i32 = 0;
const DAMAGED: i32 = 1;

/// The items of each table, in one order.
type Items = BTreeMap<String, Vec<String>>;

/// A golden directory, copied where it can be damaged.
struct Copied {
    folder: tempfile::TempDir,
    files: Files,
}

impl Copied {
    fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = golden_files(name, &folder.path().join("data"));
        for (path, bytes) in &files {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        Self { folder, files }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What the engine answers; asked of a copy, since a start writes.
    fn items(&self) -> Result<Items, OpenError> {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        copy(&self.data(), &data);
        let options = EngineOptions { shard_count: Some(1), pin_shards: false, ..EngineOptions::default() };
        let engine = Engine::open(&data, options)?.blocking();
        let names = engine.list_tables(ListTables::default()).unwrap().table_names;
        let scanned = names.into_iter().map(|name| {
            let page = engine.scan(Scan::new(&name)).unwrap();
            assert!(page.last_evaluated_key.is_none(), "golden tables are small");
            let items = page.items.iter().map(|item| format!("{:?}", item.as_item().to_item().unwrap()));
            (name, items.collect())
        });
        let items = scanned.collect();
        engine.close().unwrap();
        Ok(items)
    }

    /// Damages one file, as the number says, and tells which and how.
    fn damage(&self, number: u64) -> (&(PathBuf, Vec<u8>), Damage) {
        let damage = Damage::any(&self.files, &mut Random::new(number));
        let file = &self.files[damage.file()];
        let mut damaged = file.1.clone();
        damage.apply(&mut damaged);
        fs::write(&file.0, damaged).unwrap();
        (file, damage)
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

fn verify(directory: &Path) -> Option<i32> {
    let output = Command::new(env!("CARGO_BIN_EXE_basaltctl")).arg("verify").arg(directory).output().unwrap();
    output.status.code()
}

fn number_from(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn verify_finds_every_damage_that_matters() {
    let (seed, count) = (number_from("BASALT_DAMAGE_SEED", 1), number_from("BASALT_DAMAGES", DAMAGES));
    // A killed log's last frame cannot be told from a write that was torn: only what was stopped has one answer.
    let copied = Copied::of("stopped");
    assert_eq!(verify(&copied.data()), Some(SOUND));
    let items = copied.items().unwrap();
    assert!(items.values().any(|items| items.len() > 5), "the golden directory has items");

    let mut found = 0;
    for number in seed * 1_000_000..seed * 1_000_000 + count {
        let ((path, bytes), what) = copied.damage(number);
        let place = format!("seed {seed}: {}: {what}", path.display());
        match verify(&copied.data()) {
            // Codes above that are refusals: there is nothing to verify, or it is another version's.
            Some(code) if code >= DAMAGED => found += 1,
            Some(SOUND) => match copied.items() {
                Ok(answered) => assert_eq!(answered, items, "verify found nothing: {place}"),
                Err(refused) => panic!("verify found nothing, a start does: {place}: {refused}"),
            },
            code => panic!("verify ended with {code:?}: {place}"),
        }
        fs::write(path, bytes).unwrap();
    }
    assert!(found * 2 > count, "most damage is where something is: {found} of {count} found");
}
