//! The operators' listener: snapshots for backups of a running daemon, compaction, how far indexes are behind.
//!
//! Off unless `--admin-listen` is given, on an address of its own, and meant for this machine: who reaches it may read
//! everything. Everything is `POST /_basalt/admin/<what>` with a JSON body; answers are JSON, or plain bytes for what
//! is read of a snapshot. All of it runs on the first shard; the engine takes it on to where files are owned.
//!
//! Deliberately unknown here: what a backup looks like (that is `basaltctl`'s), tables and items.

mod answer;
mod sessions;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, mpsc};

use basalt_engine::Engine;
use basalt_engine::runtime::{Handle, Task, TcpListener, TcpStream};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};

use self::answer::{Answer, Refusal};
use self::sessions::Sessions;
use crate::http::body::read_body;
use crate::http::request_id::{RequestId, RequestIds};
use crate::http::response::{self, AnswerBody, JsonType};
use crate::http::stream::{HttpStream, RequestState};
use crate::limits::{Limits, RequestMemory};
use crate::listener::StartError;
use crate::transport::Transport;

const PATH_PREFIX: &str = "/_basalt/admin/";

thread_local! {
    /// The accepting task and the sessions of this thread's admin listeners; they end with their engine's shard.
    static LISTENERS: RefCell<Vec<Task<()>>> = const { RefCell::new(Vec::new()) };
}

/// What answers operators.
struct Admin {
    engine: Engine,
    handle: Handle,
    sessions: Sessions,
    limits: Rc<Limits>,
    memory: Arc<RequestMemory>,
}

/// Listens on `address` with the first shard of `engine`; waits until it does and returns the address with its port.
pub(crate) fn listen(
    engine: &Engine,
    address: SocketAddr,
    limits: &Limits,
) -> Result<SocketAddr, StartError> {
    let leader = engine.remotes().first().ok_or(StartError::EngineClosed)?;
    let (sender, receiver) = mpsc::sync_channel(1);
    let (engine, limits) = (engine.clone(), limits.clone());
    let job = Box::new(move |handle: &Handle| {
        // The receiver waits right below.
        let _ = sender.send(start(engine, handle, address, limits));
    });
    leader.try_send(job).map_err(|_| StartError::EngineClosed)?;
    let listening = receiver.recv().map_err(|_| StartError::EngineClosed)?;
    listening.map_err(|source| StartError::Listen { address, source })
}

fn start(engine: Engine, handle: &Handle, address: SocketAddr, limits: Limits) -> io::Result<SocketAddr> {
    let listener = handle.listen(address)?;
    let address = listener.local_addr();
    let memory = RequestMemory::new(limits.request_memory_bytes);
    let admin = Rc::new(Admin {
        engine,
        handle: handle.clone(),
        sessions: Sessions::default(),
        limits: Rc::new(limits),
        memory,
    });
    let sweeping = Rc::clone(&admin);
    let tasks = [
        handle.spawn(accept_all(Rc::clone(&admin), listener)),
        handle.spawn(async move { sweeping.sessions.sweep_forever(&sweeping.handle).await }),
    ];
    LISTENERS.with_borrow_mut(|listeners| listeners.extend(tasks));
    Ok(address)
}

/// Ends the listeners of the first shard and gives back what their sessions keep: an engine that closes is held by
/// nobody.
pub(crate) fn stop(engine: &Engine) {
    let Some(leader) = engine.remotes().first() else { return };
    let (sender, receiver) = mpsc::sync_channel(1);
    let job = Box::new(move |_: &Handle| {
        LISTENERS.with_borrow_mut(|listeners| listeners.drain(..).for_each(Task::abort));
        let _ = sender.send(());
    });
    if leader.try_send(job).is_ok() {
        // A shard that has ended has dropped the job.
        let _ = receiver.recv();
    }
}

async fn accept_all(admin: Rc<Admin>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let serving = admin.handle.spawn(serve(Rc::clone(&admin), stream));
                serving.detach();
            }
            Err(error) => {
                tracing::warn!(%error, "an admin connection could not be accepted");
                admin.handle.sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(admin: Rc<Admin>, stream: TcpStream) {
    let requests = RequestState::default();
    // What operators ask stays on this machine: no TLS.
    let stream = Transport::Plain(stream);
    let stream = HttpStream::new(stream, admin.handle.clone(), Rc::clone(&admin.limits), requests.clone());
    let ids = Rc::new(RequestIds::new(&admin.handle));
    let service = service_fn(move |request| {
        let (admin, ids, requests) = (Rc::clone(&admin), Rc::clone(&ids), requests.clone());
        async move {
            let _active = requests.start();
            Ok::<_, std::convert::Infallible>(admin.respond(request, ids.next()).await)
        }
    });
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None);
    let connection = pin!(builder.serve_connection(stream, service));
    if let Err(error) = connection.await {
        tracing::debug!(%error, "an admin connection broke");
    }
}

impl Admin {
    async fn respond(&self, request: Request<Incoming>, request_id: RequestId) -> Response<AnswerBody> {
        let (head, body) = request.into_parts();
        let mut memory = self.memory.permit();
        let body = read_body(body, &head.headers, &self.limits, &self.handle, &mut memory).await;
        let what = head.uri.path().strip_prefix(PATH_PREFIX).filter(|_| head.method == Method::POST);
        let answered = match (what, body) {
            (Some(what), Ok(body)) => self.answer(what, &body).await,
            (None, _) => Err(Refusal::unknown()),
            (_, Err(failure)) => Err(Refusal::bad_request(failure.to_string())),
        };
        match answered {
            Ok(Answer::Json(body)) => response::json(hyper::StatusCode::OK, JsonType::Json, body, request_id),
            Ok(Answer::Bytes(bytes)) => response::answer(hyper::StatusCode::OK, bytes, request_id),
            Err(refusal) => response::json(refusal.status, JsonType::Json, refusal.into_body(), request_id),
        }
    }
}
