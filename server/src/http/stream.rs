//! A connection as hyper wants it, over the runtime's owned buffers.
//!
//! The kernel fills a buffer that we own, and bytes are copied from it into hyper's; answers are copied into one
//! buffer that the kernel empties while hyper goes on. So at most one receive and one send are in flight, and an
//! idle connection holds one small buffer.
//!
//! Here, too, are the time limits on the peer, because only here it is visible whether a peer is idle between
//! requests, slow within the head of one, or refuses an answer. (hyper's own header timeout counts the idle time
//! as well, so that a limit against slow heads would close the pools of every SDK.)

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use basalt_engine::runtime::Handle;
use hyper::rt::{Read, ReadBufCursor, Write};

use crate::limits::Limits;
use crate::time_limit::TimeLimit;
use crate::transport::Transport;

/// The receive buffer of an idle connection; a typical request fits.
const RECEIVE_BYTES_MIN: usize = 4 << 10;
/// The receive buffer grows up to this size while a body keeps filling it.
const RECEIVE_BYTES_MAX: usize = 64 << 10;
/// So much of an answer is given to the kernel at once.
const SEND_BYTES_MAX: usize = 256 << 10;

/// Where the connection's requests stand: told by the service, seen by the stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestState(Rc<RequestCells>);

#[derive(Debug, Default)]
struct RequestCells {
    started_count: Cell<u64>,
    is_active: Cell<bool>,
}

impl RequestState {
    /// A request's head has arrived; it is being answered until the guard is dropped.
    pub(crate) fn start(&self) -> ActiveRequest {
        self.0.started_count.set(self.0.started_count.get() + 1);
        self.0.is_active.set(true);
        ActiveRequest(self.clone())
    }

    fn is_active(&self) -> bool {
        self.0.is_active.get()
    }
}

/// A request is being answered.
#[derive(Debug)]
pub(crate) struct ActiveRequest(RequestState);

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.0.is_active.set(false);
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct HttpStream {
    stream: Transport,
    handle: Handle,
    limits: Rc<Limits>,
    requests: RequestState,
    /// Requests started when `peer_wait` was last looked at: what it says of an earlier one is over.
    requests_seen: u64,
    /// Received bytes; hyper has taken those before `taken`.
    received: Vec<u8>,
    taken: usize,
    receive_bytes: usize,
    /// The send buffer while nothing is being sent.
    send_buffer: Vec<u8>,
    peer_wait: PeerWait,
    peer_limit: TimeLimit,
    send_limit: TimeLimit,
}

/// What we wait for the peer to do, outside of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PeerWait {
    /// To start a request.
    Idle,
    /// To finish the head it has started.
    Head,
    /// Nothing that is timed here.
    Untimed,
}

impl HttpStream {
    /// A stream over an accepted connection of the shard of `handle`.
    pub(crate) fn new(
        stream: Transport,
        handle: Handle,
        limits: Rc<Limits>,
        requests: RequestState,
    ) -> HttpStream {
        HttpStream {
            stream,
            handle,
            limits,
            requests,
            requests_seen: 0,
            received: Vec::new(),
            taken: 0,
            receive_bytes: RECEIVE_BYTES_MIN,
            send_buffer: Vec::new(),
            peer_wait: PeerWait::Untimed,
            peer_limit: TimeLimit::default(),
            send_limit: TimeLimit::default(),
        }
    }

    /// Gives hyper what it has room for; true if there was anything.
    fn hand_over(&mut self, buffer: &mut ReadBufCursor<'_>) -> bool {
        let waiting = self.received.get(self.taken..).unwrap_or_default();
        let count = waiting.len().min(buffer.remaining());
        let (handed, _) = waiting.split_at(count);
        buffer.put_slice(handed);
        self.taken += count;
        count > 0
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.stream.is_receiving() {
            let mut buffer = std::mem::take(&mut self.received);
            buffer.clear();
            self.taken = 0;
            fit_capacity(&mut buffer, self.receive_bytes);
            self.stream.start_receive(buffer);
        }
        let (result, buffer) = ready!(self.stream.poll_receive(context));
        self.received = buffer;
        let count = result?;
        self.receive_bytes = match count {
            full if full >= self.receive_bytes => (self.receive_bytes * 2).min(RECEIVE_BYTES_MAX),
            _ => RECEIVE_BYTES_MIN,
        };
        self.note_arrival(count);
        Poll::Ready(Ok(()))
    }

    /// The first bytes outside of a request start the time for its head.
    fn note_arrival(&mut self, count: usize) {
        self.forget_earlier_requests();
        if count > 0 && !self.requests.is_active() {
            self.wait_for_peer(PeerWait::Head);
        }
    }

    /// Fails once the peer has used up its time.
    fn poll_peer_deadline(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        self.forget_earlier_requests();
        if self.peer_wait == PeerWait::Untimed && !self.requests.is_active() {
            self.wait_for_peer(PeerWait::Idle);
        }
        let time = match self.peer_wait {
            PeerWait::Idle => self.limits.idle_time,
            PeerWait::Head => self.limits.head_time,
            PeerWait::Untimed => return Ok(()),
        };
        self.peer_limit.poll(time, &self.handle, context)
    }

    fn forget_earlier_requests(&mut self) {
        let started = self.requests.0.started_count.get();
        if std::mem::replace(&mut self.requests_seen, started) != started {
            self.wait_for_peer(PeerWait::Untimed);
        }
    }

    fn wait_for_peer(&mut self, wait: PeerWait) {
        if self.peer_wait == wait {
            return;
        }
        self.peer_wait = wait;
        self.peer_limit.stop();
    }

    /// Waits until nothing is being sent.
    fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.stream.is_sending() {
            return Poll::Ready(Ok(()));
        }
        match self.stream.poll_send(context) {
            Poll::Ready((result, mut buffer)) => {
                self.send_limit.stop();
                fit_capacity(&mut buffer, RECEIVE_BYTES_MIN);
                self.send_buffer = buffer;
                Poll::Ready(result)
            }
            Poll::Pending => match self.send_limit.poll(self.limits.write_time, &self.handle, context) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            },
        }
    }
}

impl Read for HttpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = &mut *self;
        if stream.hand_over(&mut buffer) {
            return Poll::Ready(Ok(()));
        }
        match stream.poll_receive(context) {
            Poll::Ready(result) => {
                result?;
                // Nothing handed over means the end of the stream to hyper, too.
                stream.hand_over(&mut buffer);
                Poll::Ready(Ok(()))
            }
            Poll::Pending => {
                stream.poll_peer_deadline(context)?;
                Poll::Pending
            }
        }
    }
}

impl Write for HttpStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(context))?;
        let mut buffer = std::mem::take(&mut self.send_buffer);
        buffer.clear();
        for slice in slices {
            let room = SEND_BYTES_MAX - buffer.len();
            buffer.extend(slice.iter().take(room));
        }
        let count = buffer.len();
        if count > 0 {
            self.stream.start_send(buffer);
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(context))?;
        self.stream.start_close();
        ready!(self.poll_sent(context))?;
        Poll::Ready(self.stream.shutdown())
    }
}

/// Gives an empty buffer the wanted capacity: room for more, and nothing kept that one large message needed.
fn fit_capacity(buffer: &mut Vec<u8>, bytes: usize) {
    if buffer.capacity() < bytes || buffer.capacity() > 2 * bytes {
        *buffer = Vec::with_capacity(bytes);
    }
}
