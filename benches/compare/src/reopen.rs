//! A process that is killed while it writes, and how long the next one needs to its first read.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use basalt_benches::engine_under_test::{TABLE, key_item};
use basalt_engine::{Engine, GetItem};

use crate::{
    BASALT_ON_SHARDS, LOG_READ, basalt, disk,
    plan::Plan,
    row::{Figure, Figures, Row},
};

/// What the process says when everything is loaded.
const READY: &str = "ready";

/// Loads, says so, and writes until it is killed.
pub fn write_for_ever(directory: &Path, plan: &Plan) {
    let mut engine = basalt::create(directory);
    engine.load(plan.items);
    let mut out = std::io::stdout();
    writeln!(out, "{READY}").and_then(|()| out.flush()).expect("whoever started this listens");
    basalt::write_for_ever(&engine, plan.clients);
}

/// Kills a writing process, reads what log there is, and opens the directory.
pub fn measure(directory: &Path, plan: &Plan) -> Vec<(String, Figures)> {
    let program = env::current_exe().expect("this program is a file");
    let mut child = Command::new(program)
        .arg("--write-for-ever")
        .arg(directory)
        .args(["--items", &plan.items.to_string(), "--clients", &plan.clients.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts again");
    let mut line = String::new();
    let said = child.stdout.take().expect("it was asked for");
    BufReader::new(said).read_line(&mut line).expect("the process says something");
    assert_eq!(line.trim(), READY, "the process has ended before its time");
    thread::sleep(plan.duration);
    child.kill().and_then(|()| child.wait()).expect("the process can be killed");

    let log_read = disk::read_through(&directory.join("wal"));
    let started = Instant::now();
    let engine = Engine::open(directory, basalt::options()).expect("the engine opens").blocking();
    let read = engine.get_item(GetItem::new(TABLE, key_item(0))).expect("the engine reads");
    let opened = started.elapsed();
    assert!(read.item.is_some(), "it was loaded");
    engine.close().expect("the engine closes");
    let milliseconds =
        |took: std::time::Duration| vec![(Row::Reopen, Figure::plain(took.as_secs_f64() * 1e3))];
    vec![(BASALT_ON_SHARDS.to_owned(), milliseconds(opened)), (LOG_READ.to_owned(), milliseconds(log_read))]
}
