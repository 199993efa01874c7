//! The daemon's configuration: flags, environment and a TOML file, in this order of precedence.
//!
//! One list of settings ([`settings::Settings`]) serves all three, so a setting has one name, one meaning and one
//! documentation. What nobody sets gets its default here.

mod command_line;
mod quantity;
mod settings;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use basalt_engine::EngineOptions;
use basalt_engine::runtime::FileMap;
use clap::Parser as _;

use self::command_line::CommandLine;
use self::quantity::{ByteSize, TimeSpan};
use self::settings::{IndexAnswer, Io, Settings};
use crate::dynamodb::ResourceNames;
use crate::limits::{BODY_BYTES_MAX, Limits};

/// DynamoDB Local's port, which clients and tutorials expect.
const DEFAULT_PORT: u16 = 8000;
const DEFAULT_DIRECTORY: &str = "basalt-data";
const DEFAULT_LOG: &str = "info";
/// The part of the memory that connections and requests may take, in hundredths.
const REQUEST_MEMORY_PERCENT: u64 = 15;
/// However small the memory, one request of the largest size fits.
const REQUEST_MEMORY_BYTES_MIN: usize = BODY_BYTES_MAX + (8 << 20);

/// What a daemon needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the data is.
    pub data_directory: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// By what to show clients of HTTP who listens; `None`: without TLS.
    pub tls: Option<TlsFiles>,
    /// Where to listen for clients of the binary protocol, if anywhere.
    pub native_listen: Option<SocketAddr>,
    /// Where to listen for operators, if at all.
    pub admin_listen: Option<SocketAddr>,
    /// Which events are logged: a level, or levels by module.
    pub log: String,
    /// How the engine is opened.
    pub engine: EngineOptions,
    /// What clients may take.
    pub limits: Limits,
}

/// The files of a server's identity, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Its certificate, and those that vouch for it.
    pub certificate: PathBuf,
    /// The key to the certificate.
    pub key: PathBuf,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The command line or environment cannot be understood, or asked for help.
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A certificate without its key, or a key without a certificate.
    #[error("--tls-cert and --tls-key belong together: one of them is missing")]
    HalfOfTls,
    /// The file cannot be understood.
    #[error("cannot understand the configuration file {path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
}

impl Config {
    /// The configuration of this process.
    pub fn from_process() -> Result<Config, ConfigError> {
        Config::from_arguments(std::env::args_os())
    }

    /// The configuration that these arguments, the environment and the file that they name make.
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<Config, ConfigError> {
        let command_line = CommandLine::try_parse_from(arguments)?;
        let settings = match command_line.config {
            None => command_line.settings,
            Some(path) => command_line.settings.or(read_file(path)?),
        };
        Config::from_settings(settings)
    }

    /// The names of this daemon's resources.
    pub fn resource_names(&self) -> ResourceNames {
        ResourceNames { account_id: self.engine.account_id.clone(), region: self.engine.region.clone() }
    }

    fn from_settings(settings: Settings) -> Result<Config, ConfigError> {
        let engine = engine_options(&settings);
        Ok(Config {
            data_directory: settings.data_dir.unwrap_or_else(|| DEFAULT_DIRECTORY.into()),
            listen: settings.listen.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, DEFAULT_PORT).into()),
            tls: tls_files(settings.tls_cert, settings.tls_key)?,
            native_listen: settings.native_listen,
            admin_listen: settings.admin_listen,
            log: settings.log.unwrap_or_else(|| DEFAULT_LOG.into()),
            limits: Limits {
                connections_max: settings.max_connections.unwrap_or(Limits::default().connections_max),
                request_memory_bytes: request_memory_bytes(engine.memory_budget_bytes),
                head_time: time(settings.head_timeout, Limits::default().head_time),
                body_time: time(settings.body_timeout, Limits::default().body_time),
                idle_time: time(settings.idle_timeout, Limits::default().idle_time),
                write_time: time(settings.write_timeout, Limits::default().write_time),
                shutdown_time: time(settings.shutdown_timeout, Limits::default().shutdown_time),
            },
            engine,
        })
    }
}

fn tls_files(certificate: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<TlsFiles>, ConfigError> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
        (None, None) => Ok(None),
        _ => Err(ConfigError::HalfOfTls),
    }
}

fn engine_options(settings: &Settings) -> EngineOptions {
    let defaults = EngineOptions::default();
    EngineOptions {
        shard_count: settings.shards.or(defaults.shard_count),
        memory_budget_bytes: settings.memory.map_or(defaults.memory_budget_bytes, ByteSize::bytes),
        log_budget_bytes: settings.log_budget.map(ByteSize::bytes).or(defaults.log_budget_bytes),
        partition_bytes_max: settings.partition_size.map_or(defaults.partition_bytes_max, ByteSize::bytes),
        io: settings.io.map_or(defaults.io, Io::choice),
        in_memory: settings.in_memory.unwrap_or(defaults.in_memory),
        account_id: settings.account_id.clone().unwrap_or(defaults.account_id),
        region: settings.region.clone().unwrap_or(defaults.region),
        enforce_throughput: settings.throttle.unwrap_or(defaults.enforce_throughput),
        index_acknowledgement: settings
            .index_acknowledgement
            .map_or(defaults.index_acknowledgement, IndexAnswer::acknowledgement),
        table_creation_time: time(settings.table_creation_time, defaults.table_creation_time),
        hold_checkpoints: settings.hold_checkpoints.unwrap_or(defaults.hold_checkpoints),
        ..EngineOptions::default()
    }
}

fn request_memory_bytes(memory_budget_bytes: u64) -> usize {
    let share = memory_budget_bytes / 100 * REQUEST_MEMORY_PERCENT;
    usize::try_from(share).unwrap_or(usize::MAX).max(REQUEST_MEMORY_BYTES_MIN)
}

fn time(setting: Option<TimeSpan>, default: Duration) -> Duration {
    setting.map_or(default, TimeSpan::duration)
}

fn read_file(path: PathBuf) -> Result<Settings, ConfigError> {
    let map = match FileMap::open(&path) {
        Ok(map) => map,
        Err(source) => return Err(ConfigError::Unreadable { path, source }),
    };
    let text = std::str::from_utf8(&map).map_err(|error| error.to_string());
    let settings = text.and_then(|text| toml::from_str(text).map_err(|error| error.to_string()));
    settings.map_err(|reason| ConfigError::File { path, reason })
}

#[cfg(test)]
mod tests {
    use basalt_engine::IndexAcknowledgement;

    use super::*;

    fn config(arguments: &[&str]) -> Result<Config, ConfigError> {
        let program = std::iter::once("basaltd").chain(arguments.iter().copied());
        Config::from_arguments(program.map(OsString::from))
    }

    fn file(text: &str) -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("basalt.toml");
        #[expect(clippy::disallowed_methods, reason = "the test makes the file that the daemon reads")]
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap().to_owned();
        (directory, path)
    }

    #[test]
    fn without_arguments_it_serves_the_default_directory_locally() {
        let config = config(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
        assert_eq!(config.data_directory, PathBuf::from("basalt-data"));
        assert_eq!(config.native_listen, None);
        assert!(!config.engine.in_memory);
        config.engine.validate().unwrap();
    }

    #[test]
    fn flags_are_understood() {
        let config = config(&[
            "--data-dir",
            "/d",
            "--listen",
            "0.0.0.0:1",
            "--native-listen",
            "127.0.0.1:8001",
            "--in-memory",
            "--shards",
            "3",
            "--memory",
            "128MiB",
            "--io",
            "portable",
            "--log",
            "debug",
            "--region",
            "eu-west-1",
            "--idle-timeout",
            "1500ms",
            "--log-budget",
            "1GiB",
            "--partition-size",
            "2GiB",
            "--throttle=false",
            "--table-creation-time",
            "2s",
        ])
        .unwrap();
        assert_eq!(config.native_listen.unwrap().port(), 8001);
        assert_eq!(config.engine.shard_count, Some(3));
        assert_eq!(config.engine.memory_budget_bytes, 128 << 20);
        assert_eq!(config.engine.log_budget_bytes, Some(1 << 30));
        assert_eq!(config.engine.partition_bytes_max, 2 << 30);
        assert_eq!(config.limits.idle_time, Duration::from_millis(1500));
        assert_eq!(config.resource_names().region, "eu-west-1");
        assert!(config.engine.in_memory);
        assert!(!config.engine.enforce_throughput);
        assert_eq!(config.engine.table_creation_time, Duration::from_secs(2));
    }

    #[test]
    fn a_certificate_needs_its_key() {
        let tls = config(&["--tls-cert", "c.pem", "--tls-key", "k.pem"]).unwrap().tls;
        assert_eq!(tls, Some(TlsFiles { certificate: "c.pem".into(), key: "k.pem".into() }));
        assert!(matches!(config(&["--tls-cert", "c.pem"]), Err(ConfigError::HalfOfTls)));
        assert!(matches!(config(&["--tls-key", "k.pem"]), Err(ConfigError::HalfOfTls)));
        assert_eq!(config(&[]).unwrap().tls, None);
    }

    #[test]
    fn flags_win_over_the_file() {
        let (_directory, path) = file(
            "listen = \"127.0.0.1:1\"\nmemory = \"1GiB\"\nin-memory = true\nmax-connections = 9\nindex-acknowledgement = \"asynchronous\"\n",
        );
        let config = config(&["--config", &path, "--memory", "256MiB"]).unwrap();
        assert_eq!(config.engine.memory_budget_bytes, 256 << 20);
        assert_eq!(config.listen.port(), 1);
        assert_eq!(config.limits.connections_max, 9);
        assert_eq!(config.engine.index_acknowledgement, IndexAcknowledgement::Asynchronous);
        assert!(config.engine.in_memory);
    }

    #[test]
    fn mistakes_in_the_file_are_told_with_their_place() {
        let (_directory, path) = file("memory = \"1GiB\"\nlistn = \"127.0.0.1:1\"\n");
        let error = config(&["--config", &path]).unwrap_err().to_string();
        assert!(error.contains("listn"), "{error}");
        assert!(
            config(&["--config", "/does/not/exist"]).unwrap_err().to_string().contains("/does/not/exist")
        );
    }

    #[test]
    fn mistakes_in_flags_are_told() {
        for arguments in
            [["--memory", "much"], ["--shards", "-1"], ["--listen", "nowhere"], ["--io", "magic"]]
        {
            assert!(matches!(config(&arguments), Err(ConfigError::CommandLine(_))), "{arguments:?}");
        }
    }

    #[test]
    fn every_setting_is_documented_and_has_an_environment_variable() {
        use clap::CommandFactory as _;
        for argument in CommandLine::command().get_arguments() {
            assert!(argument.get_help().is_some(), "{argument}");
            if !["help", "version"].contains(&argument.get_id().as_str()) {
                let variable = argument.get_env().unwrap().to_str().unwrap().to_owned();
                assert!(variable.starts_with("BASALT_"), "{variable}");
            }
        }
    }
}
