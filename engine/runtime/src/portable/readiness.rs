//! Sockets by readiness: each request is tried at once, and again when the kernel says that it may succeed.
//!
//! Interest is one-shot and follows what waits: a socket on which nothing waits costs nothing.

#![expect(unsafe_code, reason = "the poller must be told before a socket that it watches is closed")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use polling::{Event, Events, PollMode, Poller};
use rustc_hash::FxHashMap;
use rustix::net::{RecvFlags, SendFlags};
use socket2::Socket;

use crate::backend::{AcceptedSocket, Completion, DetachedSocket, Operation, Outcome, WakeShard};
use crate::ids::{ListenerId, SlotId, SocketId};
use crate::system::sockets;
use crate::table::Table;

/// Whether an operation is about sockets.
pub(super) fn concerns(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::Accept { .. }
            | Operation::Receive { .. }
            | Operation::Send { .. }
            | Operation::CloseSocket { .. }
            | Operation::CloseListener { .. }
    )
}

/// All sockets of one shard, listening and connected.
pub(super) struct Readiness {
    poller: Arc<PollerHandle>,
    /// Kept for their memory; taken out while they are gone through.
    events: Option<Events>,
    sockets: Table<Watched>,
    /// Operations that wait for readiness, and where.
    waiting: FxHashMap<SlotId, SlotId>,
}

/// A socket, what waits on it for readiness, and nothing that does not.
struct Watched {
    socket: Socket,
    incoming: Option<Incoming>,
    outgoing: Option<Outgoing>,
}

enum Incoming {
    Accept { slot: SlotId },
    Receive { slot: SlotId, buffer: Vec<u8> },
}

struct Outgoing {
    slot: SlotId,
    buffer: Vec<u8>,
    sent: usize,
}

struct PollerHandle(Poller);

impl WakeShard for PollerHandle {
    fn wake(&self) {
        self.0.notify().expect("a poller can be notified as long as it lives");
    }
}

impl Readiness {
    pub(super) fn new() -> io::Result<Readiness> {
        let poller = Arc::new(PollerHandle(Poller::new()?));
        let events = Some(Events::new());
        Ok(Readiness { poller, events, sockets: Table::new(), waiting: FxHashMap::default() })
    }

    pub(super) fn wake_handle(&self) -> Arc<dyn WakeShard> {
        Arc::clone(&self.poller) as Arc<dyn WakeShard>
    }

    pub(super) fn listen(&mut self, address: SocketAddr) -> io::Result<(ListenerId, SocketAddr)> {
        let (socket, address) = sockets::listen(address)?;
        let id = self.watch(socket)?;
        Ok((ListenerId(id.to_u64()), address))
    }

    /// Takes a socket into the table and into the poller.
    fn watch(&mut self, socket: Socket) -> io::Result<SlotId> {
        socket.set_nonblocking(true)?;
        let id = self.sockets.insert(Watched { socket, incoming: None, outgoing: None });
        let watched = self.sockets.get(id).expect("it was just inserted");
        // SAFETY: the table owns the socket; it leaves the table only through `unwatch` and `drop`, which delete it
        // from the poller before it can be closed.
        let added = unsafe {
            self.poller.0.add_with_mode(&watched.socket, Event::none(key_of(id)), PollMode::Oneshot)
        };
        if let Err(error) = added {
            self.sockets.remove(id);
            return Err(error);
        }
        Ok(id)
    }

    /// Takes a socket out of both, and ends what waited on it.
    fn unwatch(&mut self, id: SlotId, ended: &mut Vec<Completion>) -> io::Result<Socket> {
        let watched = self.sockets.get_mut(id).ok_or_else(not_open)?;
        self.poller.0.delete(&watched.socket)?;
        let mut watched = self.sockets.remove(id).expect("it was just found");
        let before = ended.len();
        watched.cancel(|_| true, ended);
        self.forget(&ended[before..]);
        Ok(watched.socket)
    }

    pub(super) fn set_nodelay(&mut self, socket: SocketId, nodelay: bool) -> io::Result<()> {
        self.socket(socket)?.set_tcp_nodelay(nodelay)
    }

    pub(super) fn shutdown_send(&mut self, socket: SocketId) -> io::Result<()> {
        sockets::shutdown_send(self.socket(socket)?)
    }

    fn socket(&self, socket: SocketId) -> io::Result<&Socket> {
        let watched = self.sockets.get(SlotId::from_u64(socket.0));
        watched.map(|watched| &watched.socket).ok_or_else(not_open)
    }

    pub(super) fn detach(&mut self, socket: SocketId) -> io::Result<DetachedSocket> {
        let mut ended = Vec::new();
        let socket = self.unwatch(SlotId::from_u64(socket.0), &mut ended)?;
        assert!(ended.is_empty(), "a socket moves with nothing in flight");
        Ok(DetachedSocket::System(socket.into()))
    }

    pub(super) fn attach(&mut self, socket: DetachedSocket) -> io::Result<SocketId> {
        let DetachedSocket::System(descriptor) = socket else { return Err(not_open()) };
        let id = self.watch(Socket::from(descriptor))?;
        Ok(SocketId(id.to_u64()))
    }

    pub(super) fn submit(&mut self, slot: SlotId, operation: Operation, ended: &mut Vec<Completion>) {
        match operation {
            Operation::Accept { listener } => self.receive(listener.0, Incoming::Accept { slot }, ended),
            Operation::Receive { socket, buffer } => {
                self.receive(socket.0, Incoming::Receive { slot, buffer }, ended);
            }
            Operation::Send { socket, buffer, sent } => {
                self.send(socket, Outgoing { slot, buffer, sent }, ended)
            }
            Operation::CloseSocket { socket: SocketId(id) }
            | Operation::CloseListener { listener: ListenerId(id) } => {
                let closed = self.unwatch(SlotId::from_u64(id), ended).map(drop);
                ended.push(Completion { slot, outcome: Outcome::Done(closed), last: true });
            }
            _ => unreachable!("asked only for what concerns sockets"),
        }
    }

    fn receive(&mut self, id: u64, incoming: Incoming, ended: &mut Vec<Completion>) {
        let id = SlotId::from_u64(id);
        let Some(watched) = self.sockets.get_mut(id) else {
            ended.push(incoming.failed(not_open()));
            return;
        };
        assert!(watched.incoming.is_none(), "one accept or receive at a time");
        self.waiting.insert(incoming.slot(), id);
        watched.incoming = Some(incoming);
        self.advance(id, ended);
    }

    fn send(&mut self, socket: SocketId, outgoing: Outgoing, ended: &mut Vec<Completion>) {
        let id = SlotId::from_u64(socket.0);
        let Some(watched) = self.sockets.get_mut(id) else {
            ended.push(outgoing.ended(Err(not_open())));
            return;
        };
        assert!(watched.outgoing.is_none(), "one send at a time");
        self.waiting.insert(outgoing.slot, id);
        watched.outgoing = Some(outgoing);
        self.advance(id, ended);
    }

    /// Tries what waits on a socket, and has the poller watch for the rest.
    fn advance(&mut self, id: SlotId, ended: &mut Vec<Completion>) {
        let before = ended.len();
        ended.extend(self.try_accept(id));
        if let Some(watched) = self.sockets.get_mut(id) {
            ended.extend(watched.try_receive());
            ended.extend(watched.try_send());
            let interest = watched.interest(id);
            if let Err(error) = self.arm(id, interest) {
                self.fail(id, &error, ended);
            }
        }
        self.forget(&ended[before..]);
    }

    fn try_accept(&mut self, id: SlotId) -> Option<Completion> {
        let watched = self.sockets.get_mut(id)?;
        let Some(Incoming::Accept { slot }) = watched.incoming else { return None };
        let accepted = when_ready(|| watched.socket.accept())?;
        watched.incoming = None;
        let result = accepted.and_then(|(socket, peer)| {
            let peer = sockets::ip_address(&peer)?;
            Ok(AcceptedSocket { socket: SocketId(self.watch(socket)?.to_u64()), peer })
        });
        Some(Completion { slot, outcome: Outcome::Accepted(result), last: true })
    }

    fn arm(&self, id: SlotId, interest: Event) -> io::Result<()> {
        match self.sockets.get(id) {
            Some(watched) if interest.readable || interest.writable => {
                self.poller.0.modify_with_mode(&watched.socket, interest, PollMode::Oneshot)
            }
            _ => Ok(()),
        }
    }

    /// The poller refused to watch: what waits would wait forever.
    fn fail(&mut self, id: SlotId, error: &io::Error, ended: &mut Vec<Completion>) {
        let Some(watched) = self.sockets.get_mut(id) else { return };
        let copy = || io::Error::new(error.kind(), error.to_string());
        ended.extend(watched.incoming.take().map(|incoming| incoming.failed(copy())));
        ended.extend(watched.outgoing.take().map(|outgoing| outgoing.ended(Err(copy()))));
    }

    pub(super) fn cancel(&mut self, slot: SlotId, ended: &mut Vec<Completion>) {
        let Some(id) = self.waiting.remove(&slot) else { return };
        if let Some(watched) = self.sockets.get_mut(id) {
            watched.cancel(|candidate| candidate == slot, ended);
        }
    }

    fn forget(&mut self, ended: &[Completion]) {
        for completion in ended {
            self.waiting.remove(&completion.slot);
        }
    }

    /// Waits for readiness and tries what it concerns; without a socket that waits, only for the wake or the time.
    pub(super) fn wait(&mut self, timeout: Option<Duration>, ended: &mut Vec<Completion>) {
        if self.waiting.is_empty() && timeout == Some(Duration::ZERO) {
            return;
        }
        let mut events = self.events.take().expect("a wait does not wait");
        match self.poller.0.wait(&mut events, timeout) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => panic!("a poller can wait as long as it lives: {error}"),
        }
        for event in events.iter() {
            self.advance(SlotId::from_u64(event.key as u64), ended);
        }
        events.clear();
        self.events = Some(events);
    }
}

impl Drop for Readiness {
    fn drop(&mut self) {
        for (_, watched) in self.sockets.iter_mut() {
            // It fails only if the kernel has forgotten the socket already.
            self.poller.0.delete(&watched.socket).ok();
        }
    }
}

impl Watched {
    fn interest(&self, id: SlotId) -> Event {
        Event::new(key_of(id), self.incoming.is_some(), self.outgoing.is_some())
    }

    fn try_receive(&mut self) -> Option<Completion> {
        let Some(Incoming::Receive { slot, buffer }) = &mut self.incoming else { return None };
        let result = when_ready(|| {
            let (received, _) =
                rustix::net::recv(&self.socket, rustix::buffer::spare_capacity(buffer), RecvFlags::empty())?;
            Ok(received)
        })?;
        let (slot, buffer) = (*slot, std::mem::take(buffer));
        self.incoming = None;
        Some(Completion { slot, outcome: Outcome::Streamed { result, buffer }, last: true })
    }

    fn try_send(&mut self) -> Option<Completion> {
        let Outgoing { buffer, sent, .. } = self.outgoing.as_ref()?;
        let result =
            when_ready(|| Ok(rustix::net::send(&self.socket, &buffer[*sent..], SendFlags::NOSIGNAL)?))?;
        self.outgoing.take().map(|outgoing| outgoing.ended(result))
    }

    /// Ends the chosen operations.
    fn cancel(&mut self, chosen: impl Fn(SlotId) -> bool, ended: &mut Vec<Completion>) {
        let incoming = self.incoming.take_if(|incoming| chosen(incoming.slot()));
        ended.extend(incoming.map(|incoming| incoming.failed(cancelled())));
        let outgoing = self.outgoing.take_if(|outgoing| chosen(outgoing.slot));
        ended.extend(outgoing.map(|outgoing| outgoing.ended(Err(cancelled()))));
    }
}

impl Incoming {
    fn slot(&self) -> SlotId {
        match self {
            Incoming::Accept { slot } | Incoming::Receive { slot, .. } => *slot,
        }
    }

    fn failed(self, error: io::Error) -> Completion {
        let (slot, outcome) = match self {
            Incoming::Accept { slot } => (slot, Outcome::Accepted(Err(error))),
            Incoming::Receive { slot, buffer } => (slot, Outcome::Streamed { result: Err(error), buffer }),
        };
        Completion { slot, outcome, last: true }
    }
}

impl Outgoing {
    fn ended(self, result: io::Result<usize>) -> Completion {
        let outcome = Outcome::Streamed { result, buffer: self.buffer };
        Completion { slot: self.slot, outcome, last: true }
    }
}

/// `None` if the socket is not ready.
fn when_ready<T>(mut call: impl FnMut() -> io::Result<T>) -> Option<io::Result<T>> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return Some(result),
        }
    }
}

/// Never the key that the poller keeps for itself (all bits set): generations leave the highest bit free.
fn key_of(id: SlotId) -> usize {
    const { assert!(usize::BITS == 64, "a poller's key holds a place and a generation") };
    id.to_u64() as usize
}

fn cancelled() -> io::Error {
    io::Error::other("the operation was cancelled")
}

fn not_open() -> io::Error {
    io::ErrorKind::NotConnected.into()
}
