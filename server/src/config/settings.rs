//! The settings themselves. Each may come from a flag, an environment variable or the file, under one name.

use std::net::SocketAddr;
use std::path::PathBuf;

use basalt_engine::{IndexAcknowledgement, runtime::IoChoice};
use serde::Deserialize;

use super::quantity::{ByteSize, TimeSpan};

/// How files and sockets are driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Io {
    /// io_uring where the kernel allows it, else portable
    Auto,
    /// io_uring, or no start
    Uring,
    /// readiness for sockets, threads for files
    Portable,
}

impl Io {
    pub(super) fn choice(self) -> IoChoice {
        match self {
            Io::Auto => IoChoice::Auto,
            Io::Uring => IoChoice::Uring,
            Io::Portable => IoChoice::Portable,
        }
    }
}

/// When a write that changes global indexes is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum IndexAnswer {
    /// when the indexes show it: a read of an index finds what was written before
    Visible,
    /// when it is durable in its table; the indexes follow, as DynamoDB's do
    Asynchronous,
}

impl IndexAnswer {
    pub(super) fn acknowledgement(self) -> IndexAcknowledgement {
        match self {
            IndexAnswer::Visible => IndexAcknowledgement::Visible,
            IndexAnswer::Asynchronous => IndexAcknowledgement::Asynchronous,
        }
    }
}

/// What may be set; what is not is None.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Settings {
    /// Directory of the data [default: basalt-data]
    ///
    /// It is made if it is not there. One daemon at a time may use it.
    #[arg(long, env = "BASALT_DATA_DIR", value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,

    /// Address to listen on [default: 127.0.0.1:8000]
    ///
    /// Signatures are accepted without being verified: whoever can reach the address may read and write everything.
    /// Port 0 takes a free port, which the log tells.
    #[arg(long, env = "BASALT_LISTEN", value_name = "ADDRESS")]
    pub(super) listen: Option<SocketAddr>,

    /// Certificate of this server, then those that vouch for it, as PEM; makes --listen speak HTTPS only
    ///
    /// The binary protocol of --native-listen is not encrypted.
    #[arg(long, env = "BASALT_TLS_CERT", value_name = "FILE")]
    pub(super) tls_cert: Option<PathBuf>,

    /// Private key to the certificate, as PEM
    #[arg(long, env = "BASALT_TLS_KEY", value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,

    /// Address to listen on for clients of the binary protocol [default: none]
    ///
    /// As for `--listen`, credentials are accepted without being verified. The usual port is 8001.
    #[arg(long, env = "BASALT_NATIVE_LISTEN", value_name = "ADDRESS")]
    pub(super) native_listen: Option<SocketAddr>,
    /// Address for operators' tools (`basaltctl backup`, `compact`, `index-lag`) [default: none]
    ///
    /// Nobody is asked who he is: whoever can reach the address may read everything. Use one of this machine.
    #[arg(long, env = "BASALT_ADMIN_LISTEN", value_name = "ADDRESS")]
    pub(super) admin_listen: Option<SocketAddr>,

    /// Keep all data in memory and touch no directory; it is gone at the end
    #[arg(long, env = "BASALT_IN_MEMORY", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(super) in_memory: Option<bool>,

    /// Shards, each a thread with a part of the data [default: one a core]
    ///
    /// May differ from start to start.
    #[arg(long, env = "BASALT_SHARDS", value_name = "COUNT")]
    pub(super) shards: Option<u16>,

    /// Memory for pages, logs and requests together [default: 1GiB]
    ///
    /// Data may be larger. 15 % of it are for connections and requests; a request that finds no room is answered
    /// with ThrottlingException, which SDKs retry.
    #[arg(long, env = "BASALT_MEMORY", value_name = "SIZE")]
    pub(super) memory: Option<ByteSize>,

    /// How files and sockets are driven [default: auto]
    #[arg(long, env = "BASALT_IO", value_name = "KIND")]
    pub(super) io: Option<Io>,

    /// What is logged, on standard error: error, warn, info, debug or trace [default: info]
    ///
    /// Also by module, as in `info,basalt_storage=debug`.
    #[arg(long, env = "BASALT_LOG", value_name = "LEVELS")]
    pub(super) log: Option<String>,

    /// Account in the resource names of tables: 12 digits, not all zero [default: 123456789012]
    #[arg(long, env = "BASALT_ACCOUNT_ID", value_name = "DIGITS")]
    pub(super) account_id: Option<String>,

    /// Region in the resource names of tables [default: us-east-1]
    #[arg(long, env = "BASALT_REGION", value_name = "NAME")]
    pub(super) region: Option<String>,

    /// Hold tables to their provisioned throughput and on-demand maximums [default: true]
    ///
    /// As on AWS, five minutes of unused capacity are saved up; who uses more is answered with
    /// ProvisionedThroughputExceededException or ThrottlingException. On-demand tables without a maximum are never
    /// throttled.
    #[arg(long, env = "BASALT_THROTTLE", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(super) throttle: Option<bool>,

    /// Bytes of log to keep at most [default: four times the data, from 64MiB to 1GiB]
    ///
    /// More log means fewer checkpoints and a longer restart after a crash.
    #[arg(long, env = "BASALT_LOG_BUDGET", value_name = "SIZE")]
    pub(super) log_budget: Option<ByteSize>,

    /// Size from which a partition of a table or global index is split in two [default: 10GiB]
    ///
    /// Smaller ones spread a table over the cores earlier; each costs a file and some memory. At least 16KiB, for tests.
    #[arg(long, env = "BASALT_PARTITION_SIZE", value_name = "SIZE")]
    pub(super) partition_size: Option<ByteSize>,

    /// When a write that changes global secondary indexes is answered [default: visible]
    #[arg(long, env = "BASALT_INDEX_ACKNOWLEDGEMENT", value_name = "WHEN")]
    pub(super) index_acknowledgement: Option<IndexAnswer>,

    /// For tests of code that waits for tables: how long a new table is CREATING, as DynamoDB's are for seconds [default: 0s]
    ///
    /// Until then it takes no reads, writes or changes.
    #[arg(long, env = "BASALT_TABLE_CREATION_TIME", value_name = "TIME")]
    pub(super) table_creation_time: Option<TimeSpan>,

    /// Connections open at once; more are closed as they come [default: 4096]
    #[arg(long, env = "BASALT_MAX_CONNECTIONS", value_name = "COUNT")]
    pub(super) max_connections: Option<usize>,

    /// Time a client has from the first byte of a request to the end of its headers [default: 10s]
    #[arg(long, env = "BASALT_HEAD_TIMEOUT", value_name = "TIME")]
    pub(super) head_timeout: Option<TimeSpan>,

    /// Time a client has to send a body [default: 30s]
    #[arg(long, env = "BASALT_BODY_TIMEOUT", value_name = "TIME")]
    pub(super) body_timeout: Option<TimeSpan>,

    /// Time after which a connection without a request is closed [default: 60s]
    #[arg(long, env = "BASALT_IDLE_TIMEOUT", value_name = "TIME")]
    pub(super) idle_timeout: Option<TimeSpan>,

    /// Time a client may refuse to take any of an answer [default: 30s]
    #[arg(long, env = "BASALT_WRITE_TIMEOUT", value_name = "TIME")]
    pub(super) write_timeout: Option<TimeSpan>,

    /// Time that requests in flight have to finish when the daemon stops [default: 10s]
    #[arg(long, env = "BASALT_SHUTDOWN_TIMEOUT", value_name = "TIME")]
    pub(super) shutdown_timeout: Option<TimeSpan>,

    /// For tests that need a long log: start no checkpoint until the log budget forces one
    #[arg(long, env = "BASALT_HOLD_CHECKPOINTS", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(super) hold_checkpoints: Option<bool>,
}

impl Settings {
    /// These settings, and where they say nothing, `other`'s.
    pub(super) fn or(self, other: Settings) -> Settings {
        Settings {
            data_dir: self.data_dir.or(other.data_dir),
            listen: self.listen.or(other.listen),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            native_listen: self.native_listen.or(other.native_listen),
            admin_listen: self.admin_listen.or(other.admin_listen),
            in_memory: self.in_memory.or(other.in_memory),
            shards: self.shards.or(other.shards),
            memory: self.memory.or(other.memory),
            io: self.io.or(other.io),
            log: self.log.or(other.log),
            account_id: self.account_id.or(other.account_id),
            region: self.region.or(other.region),
            throttle: self.throttle.or(other.throttle),
            log_budget: self.log_budget.or(other.log_budget),
            partition_size: self.partition_size.or(other.partition_size),
            index_acknowledgement: self.index_acknowledgement.or(other.index_acknowledgement),
            table_creation_time: self.table_creation_time.or(other.table_creation_time),
            max_connections: self.max_connections.or(other.max_connections),
            head_timeout: self.head_timeout.or(other.head_timeout),
            body_timeout: self.body_timeout.or(other.body_timeout),
            idle_timeout: self.idle_timeout.or(other.idle_timeout),
            write_timeout: self.write_timeout.or(other.write_timeout),
            shutdown_timeout: self.shutdown_timeout.or(other.shutdown_timeout),
            hold_checkpoints: self.hold_checkpoints.or(other.hold_checkpoints),
        }
    }
}
