//! The daemon under test: a process that is killed and started again on the same directory and port.

use std::{
    fs::File,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{Condvar, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

use basalt_checkers::history::Moment;
use serde_json::json;

use crate::connection::{Connection, Service};

/// A start that takes longer has failed.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// Between looks at a port that is about to open: nothing tells a client of it.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// What a daemon is started with.
#[derive(Debug, Clone)]
pub(crate) struct DaemonOptions {
    pub(crate) binary: PathBuf,
    /// Directory of data and log.
    pub(crate) folder: PathBuf,
    /// More flags.
    pub(crate) flags: Vec<String>,
}

/// A running daemon.
#[derive(Debug)]
pub(crate) struct Daemon {
    options: DaemonOptions,
    address: SocketAddr,
    process: Child,
}

impl Daemon {
    /// Starts the first life on a free port.
    pub(crate) fn start(options: DaemonOptions, lives: &Lives) -> Result<Self, String> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let address = port.map_err(|error| format!("no free port: {error}"))?;
        let process = spawn(&options, address)?;
        let mut daemon = Self { options, address, process };
        daemon.wait_for_answer()?;
        lives.begin();
        Ok(daemon)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the process at once, without its knowing, and starts the next life.
    pub(crate) fn kill_and_restart(&mut self, lives: &Lives) -> Result<(), String> {
        if let Ok(Some(status)) = self.process.try_wait() {
            return Err(format!("the daemon had ended by itself: {status}"));
        }
        lives.end();
        self.end();
        self.process = spawn(&self.options, self.address)?;
        self.wait_for_answer()?;
        lives.begin();
        Ok(())
    }

    fn end(&mut self) {
        // Whether it could be killed shows in how it ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    fn wait_for_answer(&mut self) -> Result<(), String> {
        let started = Instant::now();
        while !self.answers() {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(format!("the daemon did not start: {status}"));
            }
            if started.elapsed() > START_TIME_MAX {
                return Err(format!("the daemon did not answer within {START_TIME_MAX:?}"));
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    fn answers(&self) -> bool {
        let asked = Connection::open(self.address)
            .and_then(|mut connection| connection.exchange(Service::Tables, "ListTables", &json!({})));
        matches!(asked, Ok((200, _)))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

fn spawn(options: &DaemonOptions, address: SocketAddr) -> Result<Child, String> {
    let log = open_log(&options.folder).map_err(|error| format!("the daemon's log: {error}"))?;
    let errors = log.try_clone().map_err(|error| format!("the daemon's log: {error}"))?;
    Command::new(&options.binary)
        .arg("--data-dir")
        .arg(options.folder.join("data"))
        .args(["--listen", &address.to_string()])
        .args(&options.flags)
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map_err(|error| format!("{}: {error}", options.binary.display()))
}

fn open_log(folder: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(folder.join("daemon.log"))
}

/// The lives of the daemon, by the one clock of all clients.
#[derive(Debug)]
pub(crate) struct Lives {
    origin: Instant,
    state: Mutex<LivesState>,
    has_begun: Condvar,
}

#[derive(Debug, Default)]
struct LivesState {
    /// When each life gave its first answer.
    begun: Vec<Moment>,
    /// From the first answer of a life to just before it is killed.
    is_up: bool,
}

/// One life of the daemon, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life(usize);

impl Lives {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now(), state: Mutex::default(), has_begun: Condvar::new() }
    }

    pub(crate) fn now(&self) -> Moment {
        self.origin.elapsed().as_nanos() as Moment
    }

    /// The present life; waits for it to begin.
    pub(crate) fn present(&self) -> Result<Life, String> {
        let state = self.wait_while(|state| !state.is_up);
        if state.is_up { Ok(Life(state.begun.len())) } else { Err("the daemon did not start again".into()) }
    }

    /// Whether nobody has begun to kill this life.
    pub(crate) fn is_present(&self, life: Life) -> bool {
        let state = self.state();
        state.is_up && state.begun.len() == life.0
    }

    /// When the life behind `life` begins or began; until then it has to have been killed.
    pub(crate) fn beginning_after(&self, life: Life) -> Result<Moment, String> {
        let state = self.wait_while(|state| state.begun.len() <= life.0);
        let moment = state.begun.get(life.0).copied();
        moment.ok_or_else(|| "a connection was lost though nobody had killed the daemon".into())
    }

    fn begin(&self) {
        let now = self.now();
        let mut state = self.state();
        state.begun.push(now);
        state.is_up = true;
        self.has_begun.notify_all();
    }

    fn end(&self) {
        self.state().is_up = false;
    }

    fn wait_while(&self, is_waiting: impl Fn(&LivesState) -> bool) -> MutexGuard<'_, LivesState> {
        let is_waiting = |state: &mut LivesState| is_waiting(state);
        let waited = self.has_begun.wait_timeout_while(self.state(), START_TIME_MAX, is_waiting);
        waited.expect("nobody panics while holding it").0
    }

    fn state(&self) -> MutexGuard<'_, LivesState> {
        self.state.lock().expect("nobody panics while holding it")
    }
}
