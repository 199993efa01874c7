//! One connection with several requests in flight.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use basalt_format::native::handshake::{Hello, Proof, VERSION};
use basalt_format::native::{DocumentReader, Frame, FrameHead, FrameKind};

/// Room for answers; it grows when one is longer.
const RECEIVE_BYTES: usize = 64 << 10;

/// A connection that is ready for requests.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// When the request of each number was given to the socket.
    started: Vec<Instant>,
    outgoing: Vec<u8>,
    sent: usize,
    incoming: Vec<u8>,
    taken: usize,
    received: usize,
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) number: u32,
    pub(crate) latency: Duration,
    pub(crate) has_item: bool,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr, depth: u16) -> Result<Self, String> {
        let stream = TcpStream::connect(address).map_err(|error| lost(&error))?;
        stream.set_nodelay(true).map_err(|error| lost(&error))?;
        let mut connection = Self {
            stream,
            started: vec![Instant::now(); depth.into()],
            outgoing: Vec::new(),
            sent: 0,
            incoming: vec![0; RECEIVE_BYTES],
            taken: 0,
            received: 0,
        };
        connection.shake_hands()?;
        connection.stream.set_nonblocking(true).map_err(|error| lost(&error))?;
        Ok(connection)
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Puts a request among those that are sent next.
    pub(crate) fn begin(&mut self, number: u32, frame: &[u8]) {
        self.started[number as usize] = Instant::now();
        self.outgoing.extend_from_slice(frame);
    }

    /// Sends what the socket takes. Requests are few and short: what it does not take goes with the next answers.
    pub(crate) fn send(&mut self) -> Result<(), String> {
        while self.sent < self.outgoing.len() {
            match self.stream.write(&self.outgoing[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(lost(&error)),
            }
        }
        self.outgoing.clear();
        self.sent = 0;
        Ok(())
    }

    /// Takes what has come.
    pub(crate) fn receive(&mut self) -> Result<(), String> {
        if self.taken > 0 {
            self.incoming.copy_within(self.taken..self.received, 0);
            self.received -= self.taken;
            self.taken = 0;
        }
        if self.received == self.incoming.len() {
            self.incoming.resize(2 * self.incoming.len(), 0);
        }
        match self.stream.read(&mut self.incoming[self.received..]) {
            Ok(0) => Err("the server closed a connection".to_owned()),
            Ok(count) => {
                self.received += count;
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(lost(&error)),
        }
    }

    /// The next whole answer among what has come.
    pub(crate) fn next_answer(&mut self) -> Result<Option<Answer>, String> {
        let waiting = &self.incoming[self.taken..self.received];
        let parsed = Frame::parse(waiting).map_err(|error| error.to_string())?;
        let Some((frame, length)) = parsed else { return Ok(None) };
        if frame.head.kind != FrameKind::Answer {
            return Err(format!("{:?}: {}", frame.head, String::from_utf8_lossy(frame.body)));
        }
        let number = frame.head.request;
        let latency = self.started[number as usize].elapsed();
        let has_item = has_item(frame.body);
        self.taken += length;
        Ok(Some(Answer { number, latency, has_item }))
    }

    fn shake_hands(&mut self) -> Result<(), String> {
        let hello = Hello { version_min: VERSION, version_max: VERSION, features: 0, nonce: [0; 16] };
        let proof = Proof { proof: [0; 32], access_key_id: "load" };
        for (kind, body, wanted) in [
            (FrameKind::Hello, hello.encode(), FrameKind::Welcome),
            (FrameKind::Proof, proof.encode(), FrameKind::Ready),
        ] {
            self.stream.write_all(&FrameHead::new(kind, 0).encode(&body)).map_err(|error| lost(&error))?;
            let kind = self.wait_for_frame()?;
            if kind != wanted {
                return Err(format!("the server answered with {kind:?}"));
            }
        }
        Ok(())
    }

    fn wait_for_frame(&mut self) -> Result<FrameKind, String> {
        loop {
            let waiting = &self.incoming[self.taken..self.received];
            if let Some((frame, length)) = Frame::parse(waiting).map_err(|error| error.to_string())? {
                let kind = frame.head.kind;
                self.taken += length;
                return Ok(kind);
            }
            self.receive()?;
        }
    }
}

fn has_item(document: &[u8]) -> bool {
    let mut reader = DocumentReader::new(document);
    reader.open_object().is_ok() && reader.next_name() == Ok(Some("Item"))
}

fn lost(error: &io::Error) -> String {
    format!("a connection was lost: {error}")
}
