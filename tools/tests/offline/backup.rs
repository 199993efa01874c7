//! Backups of a stopped directory: full, incremental, restored, damaged, broken off.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::{self, basaltctl, create_table, exit_code, open, put, report_of, rows, text};

const ITEMS: u32 = 3000;
const KILLS: usize = 5;

struct Places {
    _directory: tempfile::TempDir,
    data: PathBuf,
    full: PathBuf,
    incremental: PathBuf,
    restored: PathBuf,
}

fn places() -> Places {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (data, full, incremental, restored) = (at("data"), at("full"), at("incremental"), at("restored"));
    Places { _directory: directory, data, full, incremental, restored }
}

fn written(data: &Path) {
    let engine = open(data);
    create_table(&engine, "orders");
    create_table(&engine, "other");
    put(&engine, "orders", 0..ITEMS, 1);
    put(&engine, "other", 0..50, 1);
    engine.checkpoint().unwrap();
    engine.close().unwrap();
}

fn backup(from: &Path, to: &Path, base: Option<&Path>) -> serde_json::Value {
    let mut arguments = vec!["backup", "--from", text(from), "--to", text(to)];
    if let Some(base) = base {
        arguments.extend(["--base", text(base)]);
    }
    report_of(&arguments)
}

#[test]
fn a_chain_of_backups_restores_what_each_of_them_saw() {
    let Places { data, full, incremental, restored, _directory } = places();
    written(&data);
    let whole = backup(&data, &full, None);
    assert_eq!(whole["is_incremental"], false);

    let engine = open(&data);
    put(&engine, "orders", 10..30, 2);
    engine.checkpoint().unwrap();
    // The newest writes are in the log alone.
    put(&engine, "orders", ITEMS..ITEMS + 5, 2);
    let (wanted, wanted_index) = (rows(&engine, "orders", None), rows(&engine, "orders", Some("by_color")));
    engine.close().unwrap();
    let part = backup(&data, &incremental, Some(&full));
    assert_eq!(part["is_incremental"], true);
    let bytes = |report: &serde_json::Value| report["stored_bytes"].as_u64().unwrap();
    // About a quarter: twenty rows and their index's lie in as many leaves, more or fewer by the table's secret.
    assert!(bytes(&part) * 3 < bytes(&whole), "{part} after {whole}");

    assert_eq!(report_of(&["backup", "verify", text(&incremental)])["backups"], 2);
    report_of(&["restore", "--from", text(&incremental), "--to", text(&restored)]);
    report_of(&["verify", text(&restored)]);
    let engine = open(&restored);
    assert_eq!(rows(&engine, "orders", None), wanted);
    assert_eq!(rows(&engine, "orders", Some("by_color")), wanted_index);
    assert_eq!(rows(&engine, "other", None).len(), 50);
    engine.close().unwrap();

    // The base still restores to what it saw.
    let of_base = restored.with_file_name("of base");
    report_of(&["restore", "--from", text(&full), "--to", text(&of_base)]);
    let engine = open(&of_base);
    assert_eq!(rows(&engine, "orders", None).len(), ITEMS as usize);
    engine.close().unwrap();
}

#[test]
fn one_table_restores_alone_and_nothing_is_written_over() {
    let Places { data, full, restored, _directory, .. } = places();
    written(&data);
    backup(&data, &full, None);
    let restore = ["restore", "--from", text(&full), "--to", text(&restored), "--table"];
    let unknown = basaltctl(&[&restore[..], &["nobody"]].concat());
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("orders"), "it says which tables there are");
    report_of(&[&restore[..], &["other"]].concat());
    let engine = open(&restored);
    assert_eq!(rows(&engine, "other", None).len(), 50);
    assert_eq!(engine.list_tables(basalt_engine::ListTables::default()).unwrap().table_names, ["other"]);
    engine.close().unwrap();

    assert_eq!(exit_code(&[&restore[..], &["other"]].concat()), Some(5), "the directory is there");
    let again = ["backup", "--from", text(&data), "--to", text(&full)];
    assert_eq!(exit_code(&again), Some(5), "the backup is there");
}

#[test]
fn a_backup_that_was_broken_off_goes_on_and_a_moved_base_is_found() {
    let Places { data, full, incremental, restored, _directory } = places();
    written(&data);
    backup(&data, &full, None);
    // As if it had been killed before the manifest.
    fs::remove_file(full.join("manifest")).unwrap();
    assert_eq!(exit_code(&["backup", "verify", text(&full)]), Some(1));
    fs::create_dir_all(full.join("chunks/zz")).unwrap();
    fs::write(full.join("chunks/zz/building-1-1"), b"half a chunk").unwrap();
    let resumed = backup(&data, &full, None);
    let reused = resumed["reused_bytes"].as_u64().unwrap();
    assert!(reused * 2 > resumed["stored_bytes"].as_u64().unwrap(), "{resumed}");
    assert!(!full.join("chunks/zz/building-1-1").exists(), "leftovers go");

    backup(&data, &incremental, Some(&full));
    let moved = full.with_file_name("moved");
    fs::rename(&full, &moved).unwrap();
    let restore = ["restore", "--from", text(&incremental), "--to", text(&restored)];
    assert_eq!(exit_code(&restore), Some(1));
    report_of(&[&restore[..], &["--base", text(&moved)]].concat());
}

#[test]
fn a_backup_that_is_killed_again_and_again_goes_on_and_is_whole() {
    let Places { data, full, restored, _directory, .. } = places();
    written(&data);
    let chunks = || match full.join("chunks").exists() {
        true => {
            files_below(&full).iter().filter(|file| file.extension().is_some_and(|end| end == "zst")).count()
        }
        false => 0,
    };
    // Each run is killed when it has stored something; wherever that hits it, the next one goes on.
    for _ in 0..KILLS {
        let before = chunks();
        let mut running = support::start_basaltctl(&["backup", "--from", text(&data), "--to", text(&full)]);
        while running.try_wait().unwrap().is_none() && chunks() == before {
            std::thread::yield_now();
        }
        running.kill().unwrap();
        running.wait().unwrap();
    }
    if !full.join("manifest").exists() {
        let resumed = backup(&data, &full, None);
        assert!(resumed["reused_bytes"].as_u64().unwrap() > 0, "{resumed}");
    }
    report_of(&["backup", "verify", text(&full)]);
    report_of(&["restore", "--from", text(&full), "--to", text(&restored)]);
    let (engine, copy) = (open(&data), open(&restored));
    assert_eq!(rows(&copy, "orders", None), rows(&engine, "orders", None));
    engine.close().unwrap();
    copy.close().unwrap();
}

#[test]
fn every_damage_to_a_backup_is_found_before_anything_is_restored() {
    let Places { data, full, restored, _directory, .. } = places();
    let engine = open(&data);
    create_table(&engine, "orders");
    put(&engine, "orders", 0..60, 1);
    engine.checkpoint().unwrap();
    engine.close().unwrap();
    backup(&data, &full, None);
    let files = files_below(&full);
    assert!(files.len() > 4);
    for path in &files {
        let original = fs::read(path).unwrap();
        for place in [0, original.len() / 3, original.len() / 2, original.len() - 1] {
            let mut damaged = original.clone();
            damaged[place] ^= 1;
            fs::write(path, damaged).unwrap();
            assert_eq!(exit_code(&["backup", "verify", text(&full)]), Some(1), "{path:?} at {place}");
        }
        fs::write(path, &original[..original.len() / 2]).unwrap();
        assert_eq!(exit_code(&["backup", "verify", text(&full)]), Some(1), "{path:?} cut");
        let restore = ["restore", "--from", text(&full), "--to", text(&restored)];
        assert_eq!(exit_code(&restore), Some(1), "{path:?} cut");
        assert!(!restored.exists());
        fs::write(path, original).unwrap();
    }
    report_of(&["backup", "verify", text(&full)]);
    let (one, other) = (&files[0], &files[1]);
    let (first, second) = (fs::read(one).unwrap(), fs::read(other).unwrap());
    fs::write(one, second).unwrap();
    fs::write(other, first).unwrap();
    assert_eq!(exit_code(&["backup", "verify", text(&full)]), Some(1), "two chunks swapped");
}

#[test]
fn a_directory_in_use_is_no_source() {
    let Places { data, full, _directory, .. } = places();
    let engine = open(&data);
    assert_eq!(exit_code(&["backup", "--from", text(&data), "--to", text(&full)]), Some(4));
    assert_eq!(exit_code(&["compact", text(&data)]), Some(4));
    engine.close().unwrap();
}

#[test]
fn compaction_gives_back_what_deleted_items_took() {
    let Places { data, _directory, .. } = places();
    written(&data);
    let engine = open(&data);
    engine.delete_table("other").unwrap();
    for number in 0..ITEMS - 100 {
        let key = support::key(number);
        engine.delete_item(basalt_engine::DeleteItem::new("orders", key)).unwrap();
    }
    let wanted = rows(&engine, "orders", None);
    engine.close().unwrap();
    let report = report_of(&["compact", text(&data)]);
    let (before, after) = (report["bytes_before"].as_u64().unwrap(), report["bytes_after"].as_u64().unwrap());
    assert!(after * 3 < before, "{report}");
    report_of(&["verify", text(&data)]);
    let engine = open(&data);
    assert_eq!(rows(&engine, "orders", None), wanted);
    engine.close().unwrap();
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}
