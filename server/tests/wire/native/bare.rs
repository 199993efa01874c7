//! A connection without a client: frames as a test wants them, right or wrong.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use basalt_client::Node;
use basalt_format::native::codes;
use basalt_format::native::frame::{FLAG_MORE, Frame, FrameHead, FrameKind};
use basalt_format::native::handshake::{FEATURE_PAGES, Hello, Proof, VERSION};

/// A read that takes longer than this fails its test instead of hanging it.
const READ_TIME_MAX: Duration = Duration::from_secs(20);

/// A connection.
pub(super) struct Bare {
    stream: TcpStream,
    received: Vec<u8>,
}

pub(super) fn hello() -> Hello {
    Hello { version_min: VERSION, version_max: VERSION, features: FEATURE_PAGES, nonce: [7; 16] }
}

/// The bytes of a request.
pub(super) fn request(number: u32, operation: &str, members: &[(&str, Node)]) -> Vec<u8> {
    let members = members.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let code = codes::operation_number(operation).expect("the operation has documents");
    let head = FrameHead { code, ..FrameHead::new(FrameKind::Request, number) };
    head.encode(&Node::Object(members.collect()).encode())
}

impl Bare {
    pub(super) fn connect(address: SocketAddr) -> Bare {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(READ_TIME_MAX)).expect("a timeout can be set");
        stream.set_nodelay(true).expect("small packets can be sent");
        Bare { stream, received: Vec::new() }
    }

    /// A connection that is ready for requests.
    pub(super) fn ready(address: SocketAddr) -> Bare {
        let mut bare = Bare::connect(address);
        bare.send(&FrameHead::new(FrameKind::Hello, 0).encode(&hello().encode()));
        assert_eq!(bare.frame().0.kind, FrameKind::Welcome);
        let proof = Proof { proof: [0; 32], access_key_id: "anybody" };
        bare.send(&FrameHead::new(FrameKind::Proof, 0).encode(&proof.encode()));
        assert_eq!(bare.frame().0.kind, FrameKind::Ready);
        bare
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the server takes what is sent");
    }

    pub(super) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next frame, which must come.
    pub(super) fn frame(&mut self) -> (FrameHead, Vec<u8>) {
        self.try_frame().expect("a frame comes")
    }

    pub(super) fn try_frame(&mut self) -> io::Result<(FrameHead, Vec<u8>)> {
        loop {
            if let Some((frame, end)) = Frame::parse(&self.received).expect("the server's frames are sound") {
                let taken = (frame.head, frame.body.to_vec());
                self.received.drain(..end);
                return Ok(taken);
            }
            let mut buffer = [0; 64 << 10];
            match self.stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.received.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// The next answer or error, put together from its parts; parts of others must not be in between.
    pub(super) fn answer(&mut self) -> (FrameHead, Node) {
        let mut document = Vec::new();
        loop {
            let (head, part) = self.frame();
            document.extend_from_slice(&part);
            if head.flags & FLAG_MORE == 0 {
                return (head, Node::decode(&document).expect("a document comes"));
            }
        }
    }

    /// The fault that the server closes with: its name.
    pub(super) fn fault(&mut self) -> &'static str {
        let (head, text) = self.frame();
        assert_eq!(head.kind, FrameKind::Fault, "{}", String::from_utf8_lossy(&text));
        assert!(!text.is_empty(), "a fault has a text");
        assert!(self.try_frame().is_err(), "nothing follows a fault");
        codes::fault_name(head.code).expect("the fault is listed")
    }

    /// The same connection, to send from another thread.
    pub(super) fn another_handle(&self) -> Bare {
        let stream = self.stream.try_clone().expect("a socket can be shared");
        Bare { stream, received: Vec::new() }
    }
}
