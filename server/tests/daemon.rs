//! The program itself: how it starts, refuses and stops, and what it tells while it does.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

/// How long a daemon that should listen may take, in lines of its log.
const START_LINES_MAX: usize = 20;

fn basaltd(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_basaltd"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(arguments: &[&str]) -> Output {
    basaltd(arguments).output().expect("the daemon runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A daemon that listens.
struct Daemon {
    child: Child,
    address: String,
    log: Lines<BufReader<ChildStderr>>,
}

impl Daemon {
    fn start(arguments: &[&str]) -> Daemon {
        let mut child = basaltd(arguments).spawn().expect("the daemon runs");
        let mut log = BufReader::new(child.stderr.take().expect("standard error is piped")).lines();
        let mut lines = log.by_ref().take(START_LINES_MAX).map_while(Result::ok);
        let line =
            lines.find(|line| line.contains("listening on http://")).expect("it says where it listens");
        let address =
            line.split("http://").nth(1).and_then(|rest| rest.split(',').next()).expect("an address");
        Daemon { child, address: address.to_owned(), log }
    }

    fn terminate(&self) {
        let killed =
            Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill runs");
        assert!(killed.success());
    }

    /// Asks it to stop; returns its exit status.
    fn stop(mut self) -> Option<i32> {
        self.terminate();
        self.log.by_ref().for_each(drop);
        self.child.wait().expect("it ends").code()
    }
}

fn terminate(child: &Child) {
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success());
}

#[test]
fn help_documents_flags_environment_file_and_exit_status() {
    let help = output(&["--help"]);
    assert!(help.status.success());
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    for wanted in
        ["--data-dir", "BASALT_MEMORY", "Configuration:", "Exit status:", "  86 ", "SIGTERM", "Examples:"]
    {
        assert!(text.contains(wanted), "{wanted} is missing in\n{text}");
    }
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    for arguments in [
        ["--nonsense", "1"],
        ["--memory", "much"],
        ["--config", "/does/not/exist"],
        ["--account-id", "000000000000"],
    ] {
        let refused = output(&[&arguments[..], &["--in-memory"]].concat());
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {}", stderr(&refused));
        assert!(!refused.stderr.is_empty());
    }
}

#[test]
fn an_unusable_directory_exits_with_80() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    #[expect(clippy::disallowed_methods, reason = "the test makes what the daemon cannot use")]
    std::fs::write(&file, "not a directory").expect("a file");
    let refused = output(&["--data-dir", file.to_str().expect("UTF-8"), "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(80), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("basaltd: cannot open "), "{}", stderr(&refused));
}

#[test]
fn an_address_in_use_exits_with_82() {
    let first = Daemon::start(&["--in-memory", "--listen", "127.0.0.1:0"]);
    let address = &first.address;
    let refused = output(&["--in-memory", "--listen", address]);
    assert_eq!(refused.status.code(), Some(82), "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains(&format!("basaltd: cannot listen on {address}: ")),
        "{}",
        stderr(&refused)
    );
    assert_eq!(first.stop(), Some(0));
}

#[test]
fn sigterm_stops_in_order_and_the_directory_opens_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let arguments = ["--data-dir", directory.path().to_str().expect("UTF-8"), "--listen", "127.0.0.1:0"];
    for _ in 0..2 {
        assert_eq!(Daemon::start(&arguments).stop(), Some(0));
    }
}

#[test]
fn a_daemon_outlives_the_reader_of_its_log() {
    let Daemon { mut child, log, .. } =
        Daemon::start(&["--in-memory", "--listen", "127.0.0.1:0", "--log", "trace"]);
    drop(log);
    terminate(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}
