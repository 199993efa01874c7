//! One keep-alive connection with at most one request under way.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    ops::Range,
    time::Instant,
};

use crate::answer::Answer;

/// Room for an answer; it grows when one is longer.
const ANSWER_BYTES: usize = 16 << 10;

/// A connection and its request.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    /// The bytes of the request under way.
    pub(crate) request: Vec<u8>,
    /// The items that it is about.
    pub(crate) numbers: Range<u64>,
    /// When it was first sent.
    pub(crate) started: Instant,
    sent: usize,
    answer: Vec<u8>,
    received: usize,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            request: Vec::new(),
            numbers: 0..0,
            started: Instant::now(),
            sent: 0,
            answer: vec![0; ANSWER_BYTES],
            received: 0,
        })
    }

    /// Begins to send the request from its first byte.
    pub(crate) fn restart(&mut self) {
        (self.sent, self.received) = (0, 0);
    }

    /// Sends what the socket takes; true when all is sent.
    pub(crate) fn send(&mut self) -> io::Result<bool> {
        while self.sent < self.request.len() {
            match self.stream.write(&self.request[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Takes what has come; the answer once it is whole.
    pub(crate) fn receive(&mut self) -> io::Result<Option<Answer>> {
        if self.received == self.answer.len() {
            self.answer.resize(2 * self.answer.len(), 0);
        }
        match self.stream.read(&mut self.answer[self.received..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.received += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        Answer::find(&self.answer[..self.received]).map_err(io::Error::other)
    }

    /// The body of an answer that [`Connection::receive`] has found.
    pub(crate) fn body(&self, answer: &Answer) -> &[u8] {
        &self.answer[answer.body.clone()]
    }
}
