//! What operators can ask for, and the answers.

use std::path::Path;

use basalt_engine::{ErrorKind, IndexLag, Snapshot, SnapshotContent};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use hyper::StatusCode;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::Admin;

/// Blocks of a file that are read at once at the most: the shard's clients wait meanwhile.
const READ_BLOCKS_MAX: u32 = 1024;

/// An answer that is no refusal.
pub(super) enum Answer {
    Json(Vec<u8>),
    Bytes(Vec<u8>),
}

/// Why something is not done.
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    message: String,
}

#[derive(Serialize)]
struct Begun {
    snapshot: String,
    taken_unix_us: u64,
    /// The bytes of NODE, in base64.
    node: String,
    files: Vec<BegunFile>,
}

#[derive(Serialize)]
struct BegunFile {
    path: String,
    /// Of a partition's file, in base64: what it reaches is what counts.
    superblock: Option<String>,
    size_bytes: u64,
    /// Of a segment: where what counts of it ends.
    end_offset: u64,
}

#[derive(Deserialize)]
struct Named {
    snapshot: String,
}

#[derive(Deserialize)]
struct Read {
    snapshot: String,
    path: String,
    block: u64,
    blocks: u32,
}

#[derive(Deserialize)]
struct OfTable {
    table: String,
}

/// How far a table's global indexes are behind it.
#[derive(Serialize)]
struct Lag {
    /// Writes that not every index has yet.
    entry_count: u64,
    /// Memory that they take.
    bytes: u64,
    /// Age of the oldest; 0 if there is none.
    oldest_age_us: u64,
}

#[derive(Serialize)]
struct Compacted {
    bytes_before: u64,
    bytes_after: u64,
}

#[derive(Serialize)]
struct Refused {
    message: String,
}

#[derive(Serialize)]
struct Done {}

impl Admin {
    pub(super) async fn answer(&self, what: &str, body: &[u8]) -> Result<Answer, Refusal> {
        match what {
            "snapshot/begin" => self.begin().await,
            "snapshot/read" => self.read(parse(body)?).await,
            "snapshot/release-log" => {
                let Named { snapshot } = parse(body)?;
                self.session(&snapshot)?.release_log().await?;
                json(&Done {})
            }
            "snapshot/end" => {
                let Named { snapshot } = parse(body)?;
                self.sessions.end(&snapshot).ok_or_else(Refusal::no_snapshot)?;
                json(&Done {})
            }
            "index-lag" => {
                let OfTable { table } = parse(body)?;
                json(&Lag::from(self.engine.index_lag(&table).await?))
            }
            "compact" => {
                let (bytes_before, bytes_after) = self.engine.compact().await?;
                json(&Compacted { bytes_before, bytes_after })
            }
            _ => Err(Refusal::unknown()),
        }
    }

    async fn begin(&self) -> Result<Answer, Refusal> {
        let snapshot = self.engine.snapshot().await?;
        let begun = Begun {
            snapshot: format!("{:016x}", self.handle.random_u64()),
            taken_unix_us: snapshot.taken().as_micros(),
            node: BASE64_STANDARD.encode(snapshot.node()),
            files: files_of(&snapshot),
        };
        let answer = json(&begun);
        self.sessions.begin(begun.snapshot, snapshot, self.handle.now());
        answer
    }

    async fn read(&self, read: Read) -> Result<Answer, Refusal> {
        if read.blocks > READ_BLOCKS_MAX {
            return Err(Refusal::bad_request(format!("at most {READ_BLOCKS_MAX} blocks are read at once")));
        }
        let snapshot = self.session(&read.snapshot)?;
        Ok(Answer::Bytes(snapshot.read(Path::new(&read.path), read.block, read.blocks).await?))
    }

    fn session(&self, name: &str) -> Result<std::rc::Rc<Snapshot>, Refusal> {
        self.sessions.used(name, self.handle.now()).ok_or_else(Refusal::no_snapshot)
    }
}

fn files_of(snapshot: &Snapshot) -> Vec<BegunFile> {
    let files = snapshot.files().map(|file| {
        let path = file.path.to_string_lossy().into_owned();
        match &file.content {
            SnapshotContent::Partition(superblock) => BegunFile {
                path,
                superblock: Some(BASE64_STANDARD.encode(superblock.encode())),
                size_bytes: 0,
                end_offset: 0,
            },
            SnapshotContent::Segment { size_bytes, end_offset } => {
                BegunFile { path, superblock: None, size_bytes: *size_bytes, end_offset: *end_offset }
            }
        }
    });
    files.collect()
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::bad_request(error.to_string()))
}

fn json(answer: &impl Serialize) -> Result<Answer, Refusal> {
    Ok(Answer::Json(serde_json::to_vec(answer).expect("answers are plain data")))
}

impl Refusal {
    pub(super) fn unknown() -> Self {
        let message = "no such thing: POST /_basalt/admin/ with snapshot/begin, snapshot/read, snapshot/release-log, \
                       snapshot/end, index-lag or compact";
        Self { status: StatusCode::NOT_FOUND, message: message.to_owned() }
    }

    pub(super) fn bad_request(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message }
    }

    fn no_snapshot() -> Self {
        let message = "there is no such snapshot; one that is not used for a minute is given up";
        Self { status: StatusCode::GONE, message: message.to_owned() }
    }

    pub(super) fn into_body(self) -> Vec<u8> {
        serde_json::to_vec(&Refused { message: self.message }).expect("answers are plain data")
    }
}

impl From<IndexLag> for Lag {
    fn from(lag: IndexLag) -> Self {
        let IndexLag { entry_count, bytes, oldest_age } = lag;
        let oldest_age_us = u64::try_from(oldest_age.as_micros()).unwrap_or(u64::MAX);
        Self { entry_count, bytes, oldest_age_us }
    }
}

impl From<basalt_engine::Error> for Refusal {
    fn from(error: basalt_engine::Error) -> Self {
        let status = match error.kind() {
            ErrorKind::FixRequest => StatusCode::BAD_REQUEST,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { status, message: error.to_string() }
    }
}
