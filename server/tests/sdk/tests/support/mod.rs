//! The real daemon and clients of it. `BASALTD` names the daemon's binary.

use std::{
    env,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Config, Region},
};

/// The daemon, killed when the test ends.
pub struct Daemon {
    process: Child,
    url: String,
    _directory: tempfile::TempDir,
}

impl Daemon {
    /// Starts a daemon on a new directory.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|probe| probe.local_addr()).expect("a port is free").port();
        let process = Command::new(env::var("BASALTD").expect("BASALTD names the daemon"))
            .arg("--data-dir")
            .arg(directory.path().join("data"))
            .arg("--listen")
            .arg(format!("127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .spawn()
            .expect("the daemon starts");
        Self { process, url: format!("http://127.0.0.1:{port}"), _directory: directory }
    }

    /// The official client.
    pub fn client(&self) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::from_keys("test", "test", None))
            .endpoint_url(&self.url)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Client::from_conf(config)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.process.kill().expect("the daemon was running");
        self.process.wait().expect("a killed process ends");
    }
}

/// Returns once the daemon serves.
pub async fn wait_until_it_answers(client: &Client) {
    for _ in 0..1000 {
        if client.list_tables().send().await.is_ok() {
            return;
        }
        // Nothing tells a client that a port is about to open.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the daemon does not answer");
}
