//! A running daemon's snapshot, read through its admin listener.
//!
//! The daemon keeps the snapshot as long as somebody asks for something of it every minute, and gives it back when it
//! is told that this is over.

use std::time::Duration;

use basalt_format::{BLOCK_SIZE_BYTES, data_directory::NODE_FILE_BYTES, superblock::Superblock};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::source::{SourceContent, SourceFile};
use crate::failure::{Exit, Failure};

/// A checkpoint of everything may come before the answer.
const ANSWER_TIME: Duration = Duration::from_secs(600);
const ANSWER_BYTES_MAX: u64 = 1 << 30;
/// Blocks that are asked for at once: while a shard copies and sends more of them, its clients wait.
const READ_BLOCKS: usize = 64;

/// The admin listener of a daemon.
pub(crate) struct AdminClient {
    address: String,
    agent: ureq::Agent,
}

/// A snapshot that the daemon keeps until this is dropped.
pub(crate) struct DaemonSnapshot {
    client: AdminClient,
    begun: Begun,
    node: Vec<u8>,
}

#[derive(Deserialize)]
struct Begun {
    snapshot: String,
    taken_unix_us: u64,
    node: String,
    files: Vec<BegunFile>,
}

#[derive(Deserialize)]
struct BegunFile {
    path: String,
    superblock: Option<String>,
    size_bytes: u64,
    end_offset: u64,
}

#[derive(Serialize)]
struct Named<'a> {
    snapshot: &'a str,
}

#[derive(Serialize)]
struct Read<'a> {
    snapshot: &'a str,
    path: &'a str,
    block: u64,
    blocks: u32,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Deserialize)]
struct Refused {
    message: String,
}

impl AdminClient {
    /// The listener at `http://HOST:PORT`.
    pub(crate) fn new(address: &str) -> Self {
        let config =
            ureq::Agent::config_builder().timeout_global(Some(ANSWER_TIME)).http_status_as_error(false);
        Self { address: address.trim_end_matches('/').to_owned(), agent: config.build().into() }
    }

    /// Asks for `/_basalt/admin/<what>` and reads the JSON of the answer.
    pub(crate) fn ask<T: DeserializeOwned>(&self, what: &str, body: &impl Serialize) -> Result<T, Failure> {
        let answer = self.post(what, body)?;
        serde_json::from_slice(&answer)
            .map_err(|error| self.failure(&format!("the answer cannot be understood: {error}")))
    }

    /// Asks as one who has nothing to say.
    pub(crate) fn command<T: DeserializeOwned>(&self, what: &str) -> Result<T, Failure> {
        self.ask(what, &Nothing {})
    }

    fn post(&self, what: &str, body: &impl Serialize) -> Result<Vec<u8>, Failure> {
        let body = serde_json::to_vec(body).expect("requests are plain data");
        let url = format!("{}/_basalt/admin/{what}", self.address);
        let broken = |error: ureq::Error| self.failure(&error.to_string());
        let mut answer = self.agent.post(&url).send(&body).map_err(broken)?;
        let bytes = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(broken)?;
        if answer.status().is_success() {
            return Ok(bytes);
        }
        let refused: Result<Refused, _> = serde_json::from_slice(&bytes);
        let reason =
            refused.map_or_else(|_| format!("HTTP status {}", answer.status()), |refused| refused.message);
        Err(match answer.status() {
            ureq::http::StatusCode::BAD_REQUEST => Failure::usage(reason),
            _ => self.failure(&reason),
        })
    }

    fn failure(&self, reason: &str) -> Failure {
        Failure::new(Exit::Unreadable, format!("{} (the daemon's --admin-listen): {reason}", self.address))
    }
}

impl DaemonSnapshot {
    pub(crate) fn begin(address: &str) -> Result<Self, Failure> {
        let client = AdminClient::new(address);
        let begun: Begun = client.command("snapshot/begin")?;
        let node = decode_base64(&begun.node, &client)?;
        Ok(Self { client, begun, node })
    }

    pub(crate) fn taken_unix_us(&self) -> u64 {
        self.begun.taken_unix_us
    }

    pub(crate) fn files(&self) -> Result<Vec<SourceFile>, Failure> {
        let node_bytes = NODE_FILE_BYTES as u64;
        let mut files = vec![SourceFile {
            path: "NODE".to_owned(),
            size_bytes: node_bytes,
            content: SourceContent::Prefix(self.node.len() as u64),
        }];
        for BegunFile { path, superblock, size_bytes, end_offset } in &self.begun.files {
            let (size_bytes, content) = match superblock {
                None => (*size_bytes, SourceContent::Prefix(*end_offset)),
                Some(text) => {
                    let superblock = Superblock::decode(&decode_base64(text, &self.client)?)
                        .map_err(|error| self.client.failure(&format!("{path}: {error}")))?;
                    let size_bytes = superblock.file_blocks * BLOCK_SIZE_BYTES as u64;
                    (size_bytes, SourceContent::Partition(Box::new(superblock)))
                }
            };
            files.push(SourceFile { path: path.clone(), size_bytes, content });
        }
        Ok(files)
    }

    pub(crate) fn read(&self, path: &str, offset: u64, length: usize) -> Result<Vec<u8>, Failure> {
        let block_bytes = BLOCK_SIZE_BYTES as u64;
        if path == "NODE" {
            return Ok(self.node.get(offset as usize..offset as usize + length).unwrap_or_default().to_vec());
        }
        let (first, end) = (offset / block_bytes, (offset + length as u64).div_ceil(block_bytes));
        let mut bytes = Vec::with_capacity((end - first) as usize * BLOCK_SIZE_BYTES);
        for block in (first..end).step_by(READ_BLOCKS) {
            let blocks = (end - block).min(READ_BLOCKS as u64) as u32;
            let read = Read { snapshot: &self.begun.snapshot, path, block, blocks };
            bytes.extend(self.client.post("snapshot/read", &read)?);
        }
        let start = (offset % block_bytes) as usize;
        match bytes.get(start..start + length) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => {
                Err(self.client.failure(&format!("{path}: it ends before byte {}", offset + length as u64)))
            }
        }
    }

    pub(crate) fn release_log(&self) -> Result<(), Failure> {
        self.tell("snapshot/release-log")
    }

    fn tell(&self, what: &str) -> Result<(), Failure> {
        let named = Named { snapshot: &self.begun.snapshot };
        self.client.ask::<serde_json::Value>(what, &named).map(|_done| ())
    }
}

impl Drop for DaemonSnapshot {
    fn drop(&mut self) {
        // A daemon that cannot be told gives it up by itself in a minute.
        let _untold = self.tell("snapshot/end");
    }
}

fn decode_base64(text: &str, client: &AdminClient) -> Result<Vec<u8>, Failure> {
    BASE64_STANDARD.decode(text).map_err(|error| client.failure(&format!("the answer is no base64: {error}")))
}
