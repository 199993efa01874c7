//! What is taken out of a directory and put into another one: exports, imports, what salvage finds.

use std::{fs, path::Path};

use crate::support::{self, basaltctl, create_table, exit_code, open, put, report_of, rows, text};

const ITEMS: u32 = 1200;

fn written(data: &Path) -> support::Rows {
    let engine = open(data);
    create_table(&engine, "orders");
    put(&engine, "orders", 0..ITEMS, 1);
    engine.checkpoint().unwrap();
    put(&engine, "orders", 0..20, 2);
    let written = rows(&engine, "orders", None);
    engine.close().unwrap();
    written
}

fn read(data: &Path) -> support::Rows {
    let engine = open(data);
    let found = rows(&engine, "orders", None);
    engine.close().unwrap();
    found
}

#[test]
fn an_export_in_each_layout_that_holds_everything_imports_as_the_same_items() {
    let directory = tempfile::tempdir().unwrap();
    let (data, other) = (directory.path().join("data"), directory.path().join("other"));
    let wanted = written(&data);
    let (aws, lines) = (directory.path().join("aws"), directory.path().join("items.jsonl"));
    let export = ["export", text(&data), "--table", "orders"];
    let exported = report_of(&[&export[..], &["--to", text(&aws)]].concat());
    assert_eq!(exported["items"], ITEMS);
    report_of(&[&export[..], &["--format", "jsonl", "--to", text(&lines)]].concat());
    assert_eq!(exit_code(&[&export[..], &["--format", "jsonl", "--to", text(&lines)]].concat()), Some(5));

    let key = ["--table", "orders", "--key", "pk:S,sk:N"];
    let from_aws = exported["path"].as_str().unwrap();
    let import = ["import", text(&other), "--from", from_aws];
    assert_eq!(exit_code(&[&import[..], &["--table", "orders"]].concat()), Some(2), "no table, and no key");
    report_of(&[&import[..], &key[..]].concat());
    assert_eq!(read(&other), wanted);
    // Once more, over itself, from the other layout.
    let again = ["import", text(&other), "--table", "orders", "--format", "jsonl", "--from", text(&lines)];
    assert_eq!(report_of(&again)["items"], ITEMS);
    assert_eq!(read(&other), wanted);

    let manifest = Path::new(from_aws).join("manifest-files.json");
    let first: serde_json::Value =
        serde_json::from_str(fs::read_to_string(&manifest).unwrap().lines().next().unwrap()).unwrap();
    let name = first["dataFileS3Key"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let damaged = Path::new(from_aws).join("data").join(name);
    let mut bytes = fs::read(&damaged).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&damaged, bytes).unwrap();
    assert_eq!(exit_code(&[&import[..], &["--table", "orders"]].concat()), Some(1), "a damaged data file");
}

#[test]
fn csv_brings_keys_with_their_types_and_all_else_as_text() {
    let directory = tempfile::tempdir().unwrap();
    let (data, file) = (directory.path().join("data"), directory.path().join("orders.csv"));
    fs::write(&file, "customer,placed,note\nada,1,\"says \"\"hi\"\", twice\"\nbob,2.50,\nada,1,later\n")
        .unwrap();
    let key = ["--table", "orders", "--key", "customer:S,placed:N"];
    let import = ["import", text(&data), "--format", "csv", "--from", text(&file)];
    assert_eq!(report_of(&[&import[..], &key[..]].concat())["items"], 3);
    let out = directory.path().join("out.csv");
    report_of(&["export", text(&data), "--table", "orders", "--format", "csv", "--to", text(&out)]);
    let written = fs::read_to_string(&out).unwrap();
    let mut lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines.remove(0), "customer,placed,note");
    lines.sort_unstable();
    assert_eq!(lines, ["ada,1,later", "bob,2.5,"], "the last of two with one key stays");
    fs::write(&file, "customer,placed\nada,tomorrow\n").unwrap();
    let refused = basaltctl(&[&import[..], &key[..]].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("line 2: placed"));
}

#[test]
fn inspect_tells_of_the_directory_and_of_what_is_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    written(&data);
    let whole = report_of(&["inspect", text(&data)]);
    assert_eq!(whole["tables"][0]["name"], "orders");
    let table = report_of(&["inspect", text(&data), "table", "orders"]);
    let partition = table["partitions"][0]["number"].to_string();
    let tree = report_of(&["inspect", text(&data), "partition", &partition]);
    assert!(tree["rows"].as_u64().unwrap() > 0, "{tree}");
    assert_eq!(tree["problems"], 0);
    let item = report_of(&["inspect", text(&data), "key", "orders", "key 7", "7"]);
    assert_eq!(item["item"]["life"]["N"], "2", "the log is newer than the file");
    assert_eq!(
        report_of(&["inspect", text(&data), "key", "orders", "key 7", "8"])["item"],
        serde_json::Value::Null
    );
    assert_eq!(exit_code(&["inspect", text(&data), "table", "nobody"]), Some(2));
    for stream in 0..2 {
        for entry in fs::read_dir(data.join(format!("wal/{stream}"))).unwrap() {
            let name = format!("{stream}/{}", entry.unwrap().file_name().to_str().unwrap());
            let code = exit_code(&["inspect", text(&data), "wal", &name]);
            assert!(code == Some(0) || code == Some(2), "{name}: a segment, or a spare one");
        }
    }
}

#[test]
fn salvage_saves_what_is_whole_and_lists_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let (data, saved) = (directory.path().join("data"), directory.path().join("saved"));
    let wanted = written(&data);
    report_of(&["salvage", text(&data), "--to", text(&saved)]);
    assert_eq!(read(&saved), wanted, "of a sound directory nothing is lost");

    damage_items(&data);
    let again = directory.path().join("again");
    let output = basaltctl(&["salvage", text(&data), "--to", text(&again)]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(!report["lost"].as_array().unwrap().is_empty());
    let found = read(&again);
    assert!(found.len() < wanted.len(), "{} of {}", found.len(), wanted.len());
    assert!(
        found.len() > wanted.len() / 3,
        "{} of {}: the other partitions are whole",
        found.len(),
        wanted.len()
    );
    assert!(found.iter().all(|(key, item)| wanted.get(key) == Some(item)));
}

/// Damages a leaf that the table's newest tree reaches.
fn damage_items(data: &Path) {
    const BLOCK_BYTES: usize = 4096;
    let table = report_of(&["inspect", text(data), "table", "orders"]);
    let number = table["partitions"][0]["number"].as_u64().unwrap();
    let file = data.join(format!("part/{:02x}/{number:016x}.pt", number & 0xff));
    let sound = fs::read(&file).unwrap();
    let is_leaf = |block: usize| {
        let page = ["inspect", text(data), "page", &number.to_string(), &block.to_string()];
        let output = basaltctl(&page);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        output.status.success() && report["level"] == 0
    };
    let leaves: Vec<usize> = (8..sound.len() / BLOCK_BYTES).filter(|block| is_leaf(*block)).collect();
    let reached = leaves.into_iter().any(|block| {
        let mut damaged = sound.clone();
        damaged[block * BLOCK_BYTES + 100] ^= 0x55;
        fs::write(&file, damaged).unwrap();
        exit_code(&["verify", text(data)]) == Some(1)
    });
    assert!(reached, "the table has items");
}
