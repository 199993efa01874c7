//! One connection: frames in, requests begun, answers out.
//!
//! The session's task owns the socket. It reads only while another request may be begun, so that a client which sends
//! more than it takes is held back by TCP. Each request is a task of its own; a session that ends leaves them to
//! finish, since a write that was begun is a write.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use basalt_engine::runtime::{Handle, TcpStream};
use basalt_format::native::frame::{FLAG_PAGES, FrameHead, FrameKind};
use basalt_format::native::handshake::FEATURE_PAGES;

use super::answers::{Answers, NumberInUse};
use super::credentials::Credentials;
use super::fault::Fault;
use super::handshake::Stage;
use super::input::{Input, Received};
use super::request::{self, Answering};
use crate::http::connection::StopSignal;
use crate::limits::{Limits, MemoryExhausted};
use crate::time_limit::TimeLimit;

/// After a fault, so much of what the client still sends is read and thrown away, so that the fault reaches it.
const LINGER_BYTES_MAX: usize = 1 << 20;
/// And for so long.
const LINGER_TIME: Duration = Duration::from_secs(2);

/// What a session needs of the server.
#[derive(Clone)]
pub(crate) struct SessionContext {
    pub(crate) handle: Handle,
    pub(crate) answering: Answering,
    pub(crate) limits: Rc<Limits>,
    pub(crate) credentials: Arc<Credentials>,
}

/// Serves a connection to its end.
pub(crate) async fn serve(context: SessionContext, stream: TcpStream, stop: Rc<StopSignal>) {
    let peer = stream.peer_addr();
    let mut session = Session::new(context, stream);
    let ended = poll_fn(|context| session.poll(context, &stop)).await;
    session.answers.close();
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}

/// One connection's state.
struct Session {
    context: SessionContext,
    stream: TcpStream,
    input: Input,
    answers: Rc<Answers>,
    stage: Stage,
    flow: Flow,
    /// The buffer of the last send, to be filled again.
    spare: Vec<u8>,
    peer_wait: PeerWait,
    peer_limit: TimeLimit,
    send_limit: TimeLimit,
}

/// Whether frames are still taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Open,
    /// No request is begun any more; those in flight are answered, then a fault or nothing is said.
    Finishing(Finish),
    /// The last frame is ready to be sent.
    Closing,
    /// All is sent: what still comes is thrown away.
    Lingering {
        discarded: usize,
    },
}

/// Why requests are no longer begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finish {
    /// The client has finished sending.
    EndOfInput,
    /// The server stops.
    Stop,
}

/// What we wait for the client to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PeerWait {
    /// Nothing.
    Untimed,
    /// To finish the handshake.
    Handshake,
    /// To finish the frame of this number.
    Frame(u64),
    /// To ask for something.
    Idle,
    /// To take what was sent, and to close.
    Linger,
}

impl Session {
    fn new(context: SessionContext, stream: TcpStream) -> Session {
        Session {
            input: Input::new(Arc::clone(&context.answering.memory)),
            context,
            stream,
            answers: Rc::default(),
            stage: Stage::New,
            flow: Flow::Open,
            spare: Vec::new(),
            peer_wait: PeerWait::Untimed,
            peer_limit: TimeLimit::default(),
            send_limit: TimeLimit::default(),
        }
    }

    fn poll(&mut self, context: &mut Context<'_>, stop: &StopSignal) -> Poll<io::Result<()>> {
        self.answers.wake_session_of(context);
        if self.flow == Flow::Open && stop.poll(context) {
            self.flow = Flow::Finishing(Finish::Stop);
        }
        loop {
            let are_frames_taken = self.take_frames();
            self.finish();
            let sent = self.poll_send(context)?;
            if self.flow == Flow::Closing && !self.stream.is_sending() && !self.answers.has_ready() {
                self.stream.shutdown()?;
                self.flow = Flow::Lingering { discarded: 0 };
            }
            // What was received must not go back to the kernel before its frames are taken.
            let has_room_again = !are_frames_taken && self.answers.has_room();
            match self.poll_receive(context, are_frames_taken)? {
                Progress::End => return Poll::Ready(Ok(())),
                Progress::Made => {}
                Progress::None if sent || has_room_again => {}
                Progress::None => return self.poll_peer(context),
            }
        }
    }

    /// Deals with the frames that have come, as far as there is room for requests. Whether none is left.
    fn take_frames(&mut self) -> bool {
        while self.flow == Flow::Open {
            if !self.answers.has_room() {
                return false;
            }
            let taken = match self.input.next(self.stage.body_bytes_max()) {
                Ok(Received::Nothing) => return true,
                Ok(Received::Frame(head, body)) => {
                    self.take_frame(head, body).map_err(|fault| (fault, head.request))
                }
                Ok(Received::NoRoom(head)) => self.refuse_frame(head).map_err(|fault| (fault, head.request)),
                Err(broken) => Err((broken.into(), 0)),
            };
            if let Err((fault, request)) = taken {
                self.fail(&fault, request);
            }
        }
        true
    }

    fn take_frame(&mut self, head: FrameHead, body: Vec<u8>) -> Result<(), Fault> {
        let Stage::Ready { features } = self.stage else {
            let SessionContext { credentials, handle, .. } = &self.context;
            let (stage, kind, answer) = self.stage.advance(head, &body, credentials, handle)?;
            self.stage = stage;
            self.answers.push(FrameHead::new(kind, 0), &answer);
            return Ok(());
        };
        match head.kind {
            FrameKind::Request | FrameKind::JsonRequest => {
                check_flags(head, features)?;
                let in_flight = self.answers.begin(head.request)?;
                let answering = self.context.answering.clone();
                self.context.handle.spawn(answering.answer(in_flight, head, body)).detach();
                Ok(())
            }
            FrameKind::Cancel => {
                self.answers.cancel(head.request);
                Ok(())
            }
            _ => Err(Fault::UnexpectedFrame("a client does not send this frame now")),
        }
    }

    /// The frame's body is being thrown away; if it was a request, it is answered all the same.
    fn refuse_frame(&mut self, head: FrameHead) -> Result<(), Fault> {
        if !matches!(head.kind, FrameKind::Request | FrameKind::JsonRequest) {
            return Err(Fault::UnexpectedFrame("only requests are so long"));
        }
        let in_flight = self.answers.begin(head.request)?;
        let refusal = request::refuse(in_flight, MemoryExhausted.into());
        self.context.handle.spawn(refusal).detach();
        Ok(())
    }

    /// Tells why, and closes.
    fn fail(&mut self, fault: &Fault, request: u32) {
        tracing::debug!(peer = %self.stream.peer_addr(), %fault, "a connection is closed");
        self.answers.push(fault.head(request), fault.to_string().as_bytes());
        self.answers.close();
        self.flow = Flow::Closing;
    }

    /// Once everything in flight is answered, ends what is to end.
    fn finish(&mut self) {
        match self.flow {
            Flow::Finishing(finish) if self.answers.is_idle() => match finish {
                Finish::EndOfInput => self.flow = Flow::Closing,
                Finish::Stop => self.fail(&Fault::Stopping, 0),
            },
            _ => {}
        }
    }

    /// Sends what is ready. Whether a send ended.
    fn poll_send(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        let mut has_sent = false;
        loop {
            if !self.stream.is_sending() {
                if !self.answers.has_ready() {
                    return Ok(has_sent);
                }
                let ready = self.answers.take_ready(std::mem::take(&mut self.spare));
                self.stream.start_send(ready);
            }
            match self.stream.poll_send(context) {
                Poll::Ready((result, buffer)) => {
                    result?;
                    self.send_limit.stop();
                    self.spare = buffer;
                    has_sent = true;
                }
                Poll::Pending => {
                    let SessionContext { limits, handle, .. } = &self.context;
                    self.send_limit.poll(limits.write_time, handle, context)?;
                    return Ok(has_sent);
                }
            }
        }
    }

    /// Receives while there is use for it.
    fn poll_receive(&mut self, context: &mut Context<'_>, are_frames_taken: bool) -> io::Result<Progress> {
        let wants_input = match self.flow {
            Flow::Open => are_frames_taken && self.answers.has_room(),
            Flow::Lingering { discarded } => {
                if discarded > LINGER_BYTES_MAX {
                    return Ok(Progress::End);
                }
                self.input.forget();
                true
            }
            // What is in flight may be a receive that was started before.
            Flow::Finishing(_) | Flow::Closing => false,
        };
        if !wants_input {
            return Ok(Progress::None);
        }
        if !self.stream.is_receiving() {
            self.stream.start_receive(self.input.take_buffer());
        }
        let Poll::Ready((result, buffer)) = self.stream.poll_receive(context) else {
            return Ok(Progress::None);
        };
        self.input.give_back(buffer);
        let count = result?;
        match &mut self.flow {
            Flow::Lingering { discarded } => {
                *discarded += count;
                Ok(if count == 0 { Progress::End } else { Progress::Made })
            }
            flow => {
                if count == 0 {
                    *flow = Flow::Finishing(Finish::EndOfInput);
                }
                Ok(Progress::Made)
            }
        }
    }

    /// Holds the client to its times.
    fn poll_peer(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wait = self.peer_wait();
        if wait != self.peer_wait {
            self.peer_wait = wait;
            self.peer_limit.stop();
        }
        let Some(time) = self.time_of(wait) else { return Poll::Pending };
        if self.peer_limit.poll(time, &self.context.handle, context).is_ok() {
            return Poll::Pending;
        }
        match wait {
            PeerWait::Linger | PeerWait::Untimed => return Poll::Ready(Ok(())),
            PeerWait::Idle => self.fail(&Fault::Idle, 0),
            PeerWait::Handshake | PeerWait::Frame(_) => self.fail(&Fault::TooSlow, 0),
        }
        // The fault is to be sent.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn peer_wait(&self) -> PeerWait {
        match (self.flow, self.stage, self.input.begun_frame()) {
            (Flow::Lingering { .. }, ..) => PeerWait::Linger,
            (Flow::Finishing(_) | Flow::Closing, ..) => PeerWait::Untimed,
            (Flow::Open, Stage::New | Stage::Challenged { .. }, _) => PeerWait::Handshake,
            // Frames that wait for room are not the client's fault.
            (Flow::Open, ..) if !self.answers.has_room() => PeerWait::Untimed,
            (Flow::Open, _, Some(frame)) => PeerWait::Frame(frame),
            (Flow::Open, _, None) if self.answers.is_idle() => PeerWait::Idle,
            (Flow::Open, _, None) => PeerWait::Untimed,
        }
    }

    fn time_of(&self, wait: PeerWait) -> Option<Duration> {
        let limits = &self.context.limits;
        match wait {
            PeerWait::Untimed => None,
            PeerWait::Handshake => Some(limits.head_time),
            PeerWait::Frame(_) => Some(limits.body_time),
            PeerWait::Idle => Some(limits.idle_time),
            PeerWait::Linger => Some(LINGER_TIME),
        }
    }
}

/// What a look at the input came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    None,
    Made,
    End,
}

fn check_flags(head: FrameHead, features: u64) -> Result<(), Fault> {
    if head.flags & FLAG_PAGES == 0 {
        return Ok(());
    }
    if features & FEATURE_PAGES == 0 {
        return Err(Fault::UnexpectedFrame("pages were not agreed on"));
    }
    if !request::has_pages(head.code) {
        return Err(Fault::UnexpectedFrame("only Query and Scan have pages"));
    }
    Ok(())
}

impl From<NumberInUse> for Fault {
    fn from(_: NumberInUse) -> Self {
        Fault::UnexpectedFrame("the number is that of a request in flight")
    }
}
