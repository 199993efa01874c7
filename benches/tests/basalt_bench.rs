//! `basalt-bench` from its command line to its figures, on the engine inside of its process.

#![expect(clippy::disallowed_methods, reason = "runs a program on real files")]

use std::{fs, path::Path, process::Command};

use serde_json::Value;

fn bench(directory: &Path, arguments: &[&str]) -> Result<Value, String> {
    let figures = directory.join("figures.json");
    let output = Command::new(env!("CARGO_BIN_EXE_basalt-bench"))
        .args(["--embedded".as_ref(), directory.join("data").as_os_str()])
        .args(["--json".as_ref(), figures.as_os_str()])
        .args(["--memory-mib", "64", "--quiet", "--records", "300", "--fields", "3", "--clients", "4"])
        .args(arguments)
        .output()
        .expect("the program starts");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let json = fs::read(figures).expect("the figures were written");
    Ok(serde_json::from_slice(&json).expect("the figures are JSON"))
}

fn count(figures: &Value, kind: &str) -> u64 {
    figures["kinds"][kind]["operations"].as_u64().unwrap_or(0)
}

#[test]
fn every_workload_runs_and_counts_its_kinds() {
    let expected: [(&str, &[&str]); 8] = [
        ("a", &["read", "update"]),
        ("d", &["read", "insert"]),
        ("f", &["read", "read_modify_write"]),
        ("counter", &["count"]),
        ("transfer", &["transfer"]),
        ("load", &["insert"]),
        ("e", &["range", "insert"]),
        ("single-table", &["range", "read", "insert"]),
    ];
    for (workload, kinds) in expected {
        // Tables with and without a sort key cannot share a name.
        let directory = tempfile::tempdir().expect("a directory can be made");
        let arguments = ["--workload", workload, "--closed-loop", "--seconds", "0.3"];
        let figures = bench(directory.path(), &arguments).expect(workload);
        for kind in kinds {
            assert!(count(&figures, kind) > 0, "{workload} {kind}: {figures}");
        }
        // A record that is being inserted may be asked for.
        if !kinds.contains(&"insert") {
            assert_eq!(figures["misses"], 0, "{workload}: what was loaded is there");
        }
    }
}

#[test]
fn an_open_loop_does_what_its_rate_asks_for() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let plot = directory.path().join("plot.svg");
    let plot_path = plot.to_str().expect("a temporary path is text");
    let arguments = ["--workload", "c", "--rate", "200", "--seconds", "2", "--plot", plot_path];
    let figures = bench(directory.path(), &arguments).expect("the run comes to its end");
    assert_eq!(count(&figures, "read"), 400, "two seconds at two hundred a second, late or not");
    assert!(fs::read_to_string(plot).expect("the plot was drawn").contains("<polyline"));
}

#[test]
fn what_cannot_be_done_is_told() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let told = bench(directory.path(), &["--workload", "load", "--keep"]).expect_err("nothing is to be done");
    assert!(told.contains("--keep leaves nothing to load"), "{told}");
}
