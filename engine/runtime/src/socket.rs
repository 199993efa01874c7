//! Listening sockets and connections, over owned buffers.
//!
//! A connection keeps at most one receive and one send in flight. Both belong to the connection, not to the future
//! that asked for them: dropping such a future loses no byte, and the next call goes on where it stopped.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};
use std::{fmt, io};

use crate::backend::{AcceptedSocket, DetachedSocket, Operation, Outcome};
use crate::core::{Core, InFlight};
use crate::file::mismatched;
use crate::handle::Handle;
use crate::ids::{ListenerId, SocketId};
use crate::operation_slab::Held;

/// A listening socket; closed when dropped.
pub struct TcpListener {
    core: Rc<Core>,
    open: Rc<OpenListener>,
    address: SocketAddr,
    accepting: RefCell<Option<InFlight>>,
}

/// What an accept in flight keeps open.
pub(crate) struct OpenListener {
    core: Weak<Core>,
    id: ListenerId,
}

impl Drop for OpenListener {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            core.start_orphan(Operation::CloseListener { listener: self.id });
        }
    }
}

impl TcpListener {
    pub(crate) fn new(core: &Rc<Core>, id: ListenerId, address: SocketAddr) -> TcpListener {
        let open = Rc::new(OpenListener { core: Rc::downgrade(core), id });
        TcpListener { core: Rc::clone(core), open, address, accepting: RefCell::new(None) }
    }

    /// The address it listens on, with the port that it got.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The next connection, and who connected. One task accepts.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    /// The next connection, as [`TcpListener::accept`].
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let mut accepting = self.accepting.borrow_mut();
        let in_flight = accepting.get_or_insert_with(|| {
            self.core.start(Operation::Accept { listener: self.open.id }, Some(self.open.clone()))
        });
        let arrival = ready!(in_flight.poll_next(context));
        if arrival.last {
            *accepting = None;
        }
        let Outcome::Accepted(result) = arrival.outcome else { mismatched("accept", &arrival.outcome) };
        Poll::Ready(
            result.map(|AcceptedSocket { socket, peer }| (TcpStream::new(&self.core, socket, peer), peer)),
        )
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TcpListener({})", self.address)
    }
}

/// A connection; closed when dropped, after what is in flight on it has been cancelled.
pub struct TcpStream {
    core: Rc<Core>,
    open: Rc<OpenSocket>,
    peer: SocketAddr,
    receiving: RefCell<Option<InFlight>>,
    sending: RefCell<Option<Sending>>,
    /// Bytes of the present send's buffer that earlier, short sends have sent.
    sent: Cell<usize>,
}

/// A send that was started and whose end was not taken.
enum Sending {
    /// The kernel took all of it at once.
    Ended(Vec<u8>),
    InFlight(InFlight),
}

/// What operations in flight keep open.
pub(crate) struct OpenSocket {
    core: Weak<Core>,
    /// Taken away when the socket moves to another shard.
    id: Cell<Option<SocketId>>,
}

impl OpenSocket {
    fn id(&self) -> SocketId {
        self.id.get().expect("a detached socket has no stream")
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        if let (Some(socket), Some(core)) = (self.id.get(), self.core.upgrade()) {
            core.start_orphan(Operation::CloseSocket { socket });
        }
    }
}

impl TcpStream {
    pub(crate) fn new(core: &Rc<Core>, id: SocketId, peer: SocketAddr) -> TcpStream {
        let open = OpenSocket { core: Rc::downgrade(core), id: Cell::new(Some(id)) };
        TcpStream {
            core: Rc::clone(core),
            open: Rc::new(open),
            peer,
            receiving: RefCell::new(None),
            sending: RefCell::new(None),
            sent: Cell::new(0),
        }
    }

    /// Who is at the other end.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Appends what has arrived to `buffer`, within its capacity, waiting for at least one byte; 0 at the end of the
    /// stream. The buffer comes back, longer. Must not be mixed with [`TcpStream::poll_receive`] while one of them is
    /// waiting.
    pub async fn read(&self, buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        let mut buffer = Some(buffer);
        poll_fn(|context| {
            if let Some(buffer) = buffer.take() {
                self.start_receive(buffer);
            }
            self.poll_receive(context)
        })
        .await
    }

    /// Whether a receive is in flight, or has ended and was not taken.
    pub fn is_receiving(&self) -> bool {
        self.receiving.borrow().is_some()
    }

    /// Starts to receive into `buffer`, which has room. Panics if a receive is in flight already.
    pub fn start_receive(&self, buffer: Vec<u8>) {
        assert!(buffer.len() < buffer.capacity(), "a receive needs room");
        let mut receiving = self.receiving.borrow_mut();
        assert!(receiving.is_none(), "one receive at a time");
        *receiving =
            Some(self.core.start(Operation::Receive { socket: self.open.id(), buffer }, self.held()));
    }

    /// Waits for the receive that was started: how many bytes were appended, and its buffer. A caller may stop
    /// calling, and go on later.
    pub fn poll_receive(&self, context: &mut Context<'_>) -> Poll<(io::Result<usize>, Vec<u8>)> {
        let mut receiving = self.receiving.borrow_mut();
        let in_flight = receiving.as_mut().expect("a receive was started");
        let arrival = ready!(in_flight.poll_next(context));
        *receiving = None;
        match arrival.outcome {
            Outcome::Streamed { result, buffer } => Poll::Ready((result, buffer)),
            other => mismatched("receive", &other),
        }
    }

    /// Sends all of `buffer`, which comes back.
    pub async fn write_all(&self, buffer: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        let mut buffer = Some(buffer);
        poll_fn(|context| {
            if let Some(buffer) = buffer.take() {
                self.start_send(buffer);
            }
            self.poll_send(context)
        })
        .await
    }

    /// Whether a send is in flight, or has ended and was not taken.
    pub fn is_sending(&self) -> bool {
        self.sending.borrow().is_some()
    }

    /// Starts to send all of `buffer`. Panics if a send is in flight already.
    pub fn start_send(&self, buffer: Vec<u8>) {
        let mut sending = self.sending.borrow_mut();
        assert!(sending.is_none(), "one send at a time");
        let sent = self.core.with_backend(|backend| backend.send_now(self.open.id(), &buffer));
        *sending = Some(match sent == buffer.len() {
            true => Sending::Ended(buffer),
            false => Sending::InFlight(self.send_from(buffer, sent)),
        });
    }

    /// Waits for the send that was started, until all is sent; the buffer comes back. A caller may stop calling, and go
    /// on later; between calls no further part is sent.
    pub fn poll_send(&self, context: &mut Context<'_>) -> Poll<(io::Result<()>, Vec<u8>)> {
        let mut sending = self.sending.borrow_mut();
        loop {
            let in_flight = match sending.as_mut().expect("a send was started") {
                Sending::InFlight(in_flight) => in_flight,
                Sending::Ended(buffer) => {
                    let buffer = std::mem::take(buffer);
                    *sending = None;
                    return Poll::Ready((Ok(()), buffer));
                }
            };
            let Outcome::Streamed { result, buffer } = ready!(in_flight.poll_next(context)).outcome else {
                panic!("the backend answered a send with something else");
            };
            *sending = None;
            let sent = self.sent.replace(0);
            match result {
                Ok(bytes) if sent + bytes == buffer.len() => return Poll::Ready((Ok(()), buffer)),
                Ok(0) => return Poll::Ready((Err(io::ErrorKind::WriteZero.into()), buffer)),
                Ok(bytes) => *sending = Some(Sending::InFlight(self.send_from(buffer, sent + bytes))),
                Err(error) => return Poll::Ready((Err(error), buffer)),
            }
        }
    }

    fn send_from(&self, buffer: Vec<u8>, sent: usize) -> InFlight {
        self.sent.set(sent);
        self.core.start(Operation::Send { socket: self.open.id(), buffer, sent }, self.held())
    }

    /// Sends small segments at once instead of gathering them.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.core.with_backend(|backend| backend.set_nodelay(self.open.id(), nodelay))
    }

    /// Tells the peer that nothing more will be sent.
    pub fn shutdown(&self) -> io::Result<()> {
        self.core.with_backend(|backend| backend.shutdown_send(self.open.id()))
    }

    /// Takes the connection off this shard. Fails if a receive or a send is in flight.
    pub fn detach(self) -> io::Result<DetachedStream> {
        if self.is_receiving() || self.is_sending() {
            return Err(io::Error::other("a connection with a request in flight cannot move"));
        }
        let socket = self.core.with_backend(|backend| backend.detach_socket(self.open.id()))?;
        self.open.id.set(None);
        Ok(DetachedStream { socket, peer: self.peer })
    }

    fn held(&self) -> Held {
        Some(self.open.clone())
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TcpStream({})", self.peer)
    }
}

/// A connection on its way from one shard to another.
#[derive(Debug)]
pub struct DetachedStream {
    socket: DetachedSocket,
    peer: SocketAddr,
}

impl DetachedStream {
    /// Who is at the other end.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Takes the connection in on the shard of `handle`.
    pub fn attach(self, handle: &Handle) -> io::Result<TcpStream> {
        handle.attach_socket(self.socket, self.peer)
    }
}
