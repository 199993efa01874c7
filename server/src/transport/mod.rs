//! The bytes of a connection: as they are, or within TLS.
//!
//! Owned by the connection's task. Both forms move bytes in owned buffers, at most one receive and one send at a time,
//! as [`TcpStream`] does; what is spoken over them is not known here.

mod tls;

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use basalt_engine::runtime::TcpStream;

pub(crate) use self::tls::TlsStream;
pub use self::tls::{TlsError, TlsIdentity};

/// One connection's bytes.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(TcpStream),
    /// The handshake is over.
    Tls(Box<TlsStream>),
}

impl Transport {
    /// Who is at the other end.
    pub(crate) fn peer_addr(&self) -> SocketAddr {
        match self {
            Transport::Plain(stream) => stream.peer_addr(),
            Transport::Tls(stream) => stream.peer_addr(),
        }
    }

    /// Whether a receive was started and its end was not taken.
    pub(crate) fn is_receiving(&self) -> bool {
        match self {
            Transport::Plain(stream) => stream.is_receiving(),
            Transport::Tls(stream) => stream.is_receiving(),
        }
    }

    /// Starts to receive into `buffer`, which has room. Panics if a receive was started already.
    pub(crate) fn start_receive(&mut self, buffer: Vec<u8>) {
        match self {
            Transport::Plain(stream) => stream.start_receive(buffer),
            Transport::Tls(stream) => stream.start_receive(buffer),
        }
    }

    /// Waits for the receive that was started: how many bytes were appended, 0 at the end of the stream, and its buffer.
    pub(crate) fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<(io::Result<usize>, Vec<u8>)> {
        match self {
            Transport::Plain(stream) => stream.poll_receive(context),
            Transport::Tls(stream) => stream.poll_receive(context),
        }
    }

    /// Whether a send was started and its end was not taken.
    pub(crate) fn is_sending(&self) -> bool {
        match self {
            Transport::Plain(stream) => stream.is_sending(),
            Transport::Tls(stream) => stream.is_sending(),
        }
    }

    /// Starts to send all of `buffer`. Panics if a send was started already.
    pub(crate) fn start_send(&mut self, buffer: Vec<u8>) {
        match self {
            Transport::Plain(stream) => stream.start_send(buffer),
            Transport::Tls(stream) => stream.start_send(buffer),
        }
    }

    /// Waits for the send that was started; a buffer comes back, to be filled again.
    pub(crate) fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<(io::Result<()>, Vec<u8>)> {
        match self {
            Transport::Plain(stream) => stream.poll_send(context),
            Transport::Tls(stream) => stream.poll_send(context),
        }
    }

    /// Starts to send what tells the peer that the bytes end here, if there is such a thing and it was not sent: without
    /// it the peer cannot know an end from an attack that cuts the connection.
    pub(crate) fn start_close(&mut self) {
        match self {
            Transport::Plain(_) => {}
            Transport::Tls(stream) => stream.start_close(),
        }
    }

    /// Tells the peer's kernel that nothing more will be sent.
    pub(crate) fn shutdown(&self) -> io::Result<()> {
        match self {
            Transport::Plain(stream) => stream.shutdown(),
            Transport::Tls(stream) => stream.shutdown(),
        }
    }
}
