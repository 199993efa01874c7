//! The daemon's life: open, listen, wait for a signal, finish, close.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use basalt_engine::{Engine, OpenError, OpenErrorKind};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::admin;
use crate::config::{Config, ConfigError};
use crate::listener::{Server, StartError};
use crate::native::Credentials;
use crate::transport::{TlsError, TlsIdentity};

/// Why a daemon ended otherwise than by a signal, or not in order.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The levels of the log cannot be understood.
    #[error("--log {levels:?}: {reason}")]
    Log {
        /// The levels.
        levels: String,
        /// Why not.
        reason: String,
    },
    /// There is no TLS with what was named for it.
    #[error("--tls-cert and --tls-key: {0}")]
    Tls(#[from] TlsError),
    /// The system refuses to tell of signals.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    /// The data could not be opened.
    #[error("cannot open {directory}: {source}")]
    Open {
        /// The directory.
        directory: String,
        /// Why.
        source: OpenError,
    },
    /// The server could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The engine did not close in order.
    #[error("the logs could not be sealed: {0}. Nothing acknowledged is lost; the next start recovers")]
    Close(basalt_engine::Error),
}

impl DaemonError {
    /// The exit status, as `--help` documents it.
    pub fn exit_status(&self) -> u8 {
        match self {
            DaemonError::Close(_) => 1,
            DaemonError::Config(_) | DaemonError::Log { .. } | DaemonError::Tls(_) => 2,
            DaemonError::Signals(_) => 80,
            DaemonError::Start(_) => 82,
            DaemonError::Open { source, .. } => match source.kind() {
                OpenErrorKind::FixOptions => 2,
                OpenErrorKind::InUse => 81,
                OpenErrorKind::DamagedRoot => 85,
                OpenErrorKind::DamagedLog => 86,
                OpenErrorKind::MissingData => 87,
                OpenErrorKind::Incompatible => 88,
                _ => 80,
            },
        }
    }
}

impl From<&DaemonError> for ExitCode {
    fn from(error: &DaemonError) -> Self {
        ExitCode::from(error.exit_status())
    }
}

/// Serves until SIGTERM or SIGINT, then finishes what is in flight and closes.
pub fn run(config: Config) -> Result<(), DaemonError> {
    let identity = match &config.tls {
        Some(files) => Some(TlsIdentity::read(&files.certificate, &files.key)?),
        None => None,
    };
    // Before anything is opened, so that an early signal still ends in order.
    let mut signals = Stop::watch().map_err(DaemonError::Signals)?;
    let directory = config.data_directory.display().to_string();
    let engine = Engine::open(&config.data_directory, config.engine.clone())
        .map_err(|source| DaemonError::Open { directory, source })?;
    tracing::info!("{}", engine.recovery_report());
    let served = serve(&engine, &config, identity, &mut signals);
    let closed = engine.blocking().close().map_err(DaemonError::Close);
    served.and(closed)
}

/// What only a start runs need not stay in memory: an idle daemon is small.
fn release_start_up_code() {
    match basalt_engine::runtime::release_code_pages() {
        Ok(bytes) => tracing::debug!(bytes, "the program's code is mapped again as it is used"),
        Err(error) => tracing::debug!("the code of the start stays in memory: {error}"),
    }
}

fn serve(
    engine: &Engine,
    config: &Config,
    identity: Option<TlsIdentity>,
    signals: &mut Stop,
) -> Result<(), DaemonError> {
    let scheme = if identity.is_some() { "https" } else { "http" };
    let listening = (config.listen, identity);
    let server = Server::start(engine.clone(), config.resource_names(), listening, config.limits.clone())?;
    let native = config.native_listen.map(|address| server.listen_native(address, Credentials::Unverified));
    let native = native.transpose()?;
    if let Some(address) = config.admin_listen {
        let address = admin::listen(engine, address, &config.limits)?;
        tracing::info!("operators are answered on http://{address}/_basalt/admin/");
    }
    tracing::warn!(
        "signatures are accepted unverified: whoever reaches the address may read and write everything"
    );
    tracing::info!(
        "listening on {scheme}://{}, {} shards, {}{}",
        server.address(),
        engine.remotes().len(),
        server.backend().name(),
        if config.engine.in_memory { ", nothing is kept on disk" } else { "" },
    );
    if let Some(address) = native {
        tracing::info!("listening for the binary protocol on {address}");
    }
    release_start_up_code();
    signals.wait();
    tracing::info!("stopping: {} connections are open", server.connection_count());
    admin::stop(engine);
    let cut_off = server.stop();
    if cut_off > 0 {
        tracing::warn!("{cut_off} connections were cut off: their requests did not finish in time");
    }
    Ok(())
}

/// The signals that end a daemon.
struct Stop {
    signals: Signals,
}

impl Stop {
    /// Watches from now on. After the first signal, a second one ends the process at once.
    fn watch() -> io::Result<Stop> {
        let is_stopping = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // In this order: the first signal finds the flag unset, and sets it.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&is_stopping))?;
            signal_hook::flag::register(signal, Arc::clone(&is_stopping))?;
        }
        Ok(Stop { signals: Signals::new([SIGTERM, SIGINT])? })
    }

    /// Waits for a signal, or returns at once if one came before.
    fn wait(&mut self) {
        self.signals.forever().next();
    }
}
