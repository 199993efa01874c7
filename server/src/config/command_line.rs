//! The command line, and what `--help` tells beside the settings.

use std::path::PathBuf;

use super::settings::Settings;

const AFTER_HELP: &str = "\
Configuration:
  Each setting is a flag (--idle-timeout 30s), an environment variable (BASALT_IDLE_TIMEOUT=30s) or a line of the
  configuration file (idle-timeout = \"30s\"). Flags win over the environment, the environment over the file. A file
  with a setting that does not exist is refused.

Signals:
  SIGTERM, SIGINT   Accept no more connections, finish the requests in flight, write checkpoints for at most half a
                    second, and exit with 0. A second signal exits at once; nothing acknowledged is lost even so.

Exit status:
   0  Stopped by a signal, everything in order
   1  The logs could not be sealed at the end; the next start recovers
   2  The command line, the environment or the configuration file is wrong
  80  The directory, a device or the threads cannot be used
  81  Another process uses the directory
  82  The address cannot be listened on
  85  Root structures of the data are damaged: restore, or look with `basaltctl verify`
  86  The log is damaged where acknowledged writes may be: look with `basaltctl verify`
  87  Files or log entries that the data names are missing: restore
  88  The directory was written by another cluster or by an incompatible version
  With 81 and 85 to 88 nothing in the directory has been changed.

Examples:
  basaltd
      Serves ./basalt-data at http://127.0.0.1:8000
  basaltd --native-listen 127.0.0.1:8001
      The same, and Basalt's own binary protocol on port 8001
  basaltd --in-memory --listen 127.0.0.1:0
      For tests: a free port, nothing on disk
  basaltd --config /etc/basalt.toml --log info,basalt_server=debug
      As configured, telling more of what the server does
  AWS_ENDPOINT_URL=http://127.0.0.1:8000 aws dynamodb list-tables
      Any client, once it knows the address; keys may be anything, but must be there";

/// Serves DynamoDB's API from Basalt's own storage engine.
///
/// Basalt keeps tables durably in one directory and speaks DynamoDB's JSON protocol over HTTP/1.1, so that AWS's
/// SDKs, its command line and other clients work unchanged. A write is answered once it is on disk; the daemon may be
/// killed at any instant.
#[derive(Debug, clap::Parser)]
#[command(name = "basaltd", version, after_long_help = AFTER_HELP, max_term_width = 120)]
pub(super) struct CommandLine {
    /// File of settings, in TOML
    #[arg(long, env = "BASALT_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    #[command(flatten)]
    pub(super) settings: Settings,
}
