//! How a connection begins: hello, welcome, proof.

use basalt_engine::runtime::Handle;
use basalt_format::native::frame::{BODY_BYTES_MAX, FrameHead, FrameKind, HANDSHAKE_BODY_BYTES_MAX};
use basalt_format::native::handshake::{FEATURE_PAGES, Hello, Proof, VERSION, Welcome};

use super::answers::REQUESTS_MAX;
use super::credentials::Credentials;
use super::fault::Fault;
use crate::limits::BODY_BYTES_MAX as REQUEST_BYTES_MAX;

/// What this server can do beyond the first version.
const FEATURES: u64 = FEATURE_PAGES;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing was said.
    New,
    /// The client was challenged.
    Challenged { client_nonce: [u8; 16], server_nonce: [u8; 16], features: u64 },
    /// Requests are taken.
    Ready { features: u64 },
}

impl Stage {
    /// The longest body that the client may send now.
    pub(super) fn body_bytes_max(self) -> usize {
        match self {
            Stage::Ready { .. } => BODY_BYTES_MAX,
            Stage::New | Stage::Challenged { .. } => HANDSHAKE_BODY_BYTES_MAX,
        }
    }

    /// Answers a frame of the handshake: the next stage, and the frame to send.
    pub(super) fn advance(
        self,
        head: FrameHead,
        body: &[u8],
        credentials: &Credentials,
        handle: &Handle,
    ) -> Result<(Stage, FrameKind, Vec<u8>), Fault> {
        match (self, head.kind) {
            (Stage::New, FrameKind::Hello) => {
                let (welcome, stage) = greet(Hello::decode(body)?, handle)?;
                Ok((stage, FrameKind::Welcome, welcome.encode()))
            }
            (Stage::Challenged { client_nonce, server_nonce, features }, FrameKind::Proof) => {
                if !credentials.accept(&Proof::decode(body)?, &client_nonce, &server_nonce) {
                    return Err(Fault::AuthenticationFailed);
                }
                Ok((Stage::Ready { features }, FrameKind::Ready, Vec::new()))
            }
            _ => Err(Fault::UnexpectedFrame("this frame does not belong here")),
        }
    }
}

fn greet(hello: Hello, handle: &Handle) -> Result<(Welcome, Stage), Fault> {
    if !hello.speaks_version() {
        return Err(Fault::UnsupportedVersion);
    }
    let mut nonce = [0; 16];
    handle.fill_entropy(&mut nonce);
    let features = hello.features & FEATURES;
    let welcome = Welcome {
        version: VERSION,
        features,
        nonce,
        requests_max: REQUESTS_MAX as u32,
        request_bytes_max: REQUEST_BYTES_MAX as u32,
    };
    Ok((welcome, Stage::Challenged { client_nonce: hello.nonce, server_nonce: nonce, features }))
}
