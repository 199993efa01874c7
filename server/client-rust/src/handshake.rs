//! How a client begins a connection.

use std::io::{self, Write as _};
use std::net::TcpStream;

use basalt_format::native::frame::{FRAME_HEADER_BYTES, FrameHead, FrameHeader, FrameKind};
use basalt_format::native::handshake::{FEATURE_PAGES, Hello, VERSION, Welcome};

use crate::credentials::Credentials;
use crate::error::Error;

/// Speaks with the server until it takes requests.
pub(crate) fn begin(stream: &mut TcpStream, credentials: &Credentials) -> Result<Welcome, Error> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|error| Error::broken(io::Error::other(error.to_string())))?;
    let hello = Hello { version_min: VERSION, version_max: VERSION, features: FEATURE_PAGES, nonce };
    send(stream, FrameKind::Hello, &hello.encode())?;
    let welcome = Welcome::decode(&receive(stream, FrameKind::Welcome)?)?;
    let proof = credentials.prove(&nonce, &welcome.nonce);
    send(stream, FrameKind::Proof, &proof.encode())?;
    receive(stream, FrameKind::Ready)?;
    Ok(welcome)
}

fn send(stream: &mut TcpStream, kind: FrameKind, body: &[u8]) -> Result<(), Error> {
    stream.write_all(&FrameHead::new(kind, 0).encode(body)).map_err(Error::broken)
}

fn receive(stream: &mut TcpStream, wanted: FrameKind) -> Result<Vec<u8>, Error> {
    let (head, body) = read_frame(stream)?;
    match head.kind {
        kind if kind == wanted => Ok(body),
        FrameKind::Fault => Err(fault(head, &body)),
        _ => Err(Error::broken(io::Error::other("the server sent a frame that does not belong here"))),
    }
}

/// Reads one frame; its length was checked before room is made for it.
pub(crate) fn read_frame(stream: &mut impl io::Read) -> Result<(FrameHead, Vec<u8>), Error> {
    let mut header = [0; FRAME_HEADER_BYTES];
    stream.read_exact(&mut header).map_err(Error::broken)?;
    let header = FrameHeader::decode(&header)?;
    let mut body = vec![0; header.body_bytes()];
    stream.read_exact(&mut body).map_err(Error::broken)?;
    Ok((header.check(&body)?, body))
}

/// The error that a fault is.
pub(crate) fn fault(head: FrameHead, body: &[u8]) -> Error {
    Error::Fault { code: head.code, text: String::from_utf8_lossy(body).into_owned() }
}
