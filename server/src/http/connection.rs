//! Drives one connection: requests one after the other, until the peer goes, a time limit passes or the server
//! stops. A stop lets the request in flight finish and closes the connection after its answer.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Waker};

use basalt_engine::runtime::Handle;
use hyper::body::{Body as _, Incoming};
use hyper::header::{HOST, ORIGIN};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};

use super::body::{BodyFailure, read_body};
use super::compression::{self, Coding};
use super::edges::{self, Edge};
use super::request_id::{RequestId, RequestIds};
use super::response::{self, AnswerBody};
use super::stream::{HttpStream, RequestState};
use crate::auth;
use crate::dynamodb::error_map::{ApiError, Exception};
use crate::dynamodb::{Api, Call, messages, status_and_body};
use crate::limits::{HEAD_BYTES_MAX, Limits, RequestMemory};
use crate::transport::Transport;

/// hyper reads at most so much ahead.
const READ_AHEAD_BYTES_MAX: usize = 128 << 10;

/// hyper hangs up on longer heads, with a code of its own. What is between this and [`HEAD_BYTES_MAX`] is answered
/// as DynamoDB does.
const PARSED_HEAD_BYTES_MAX: usize = 4 * HEAD_BYTES_MAX;

/// What a connection needs of the server.
#[derive(Clone)]
pub(crate) struct ConnectionContext {
    pub(crate) handle: Handle,
    pub(crate) api: Rc<Api>,
    pub(crate) limits: Rc<Limits>,
    pub(crate) memory: std::sync::Arc<RequestMemory>,
}

/// Tells one connection to end after the request it is answering.
#[derive(Debug, Default)]
pub(crate) struct StopSignal {
    is_set: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl StopSignal {
    /// Asks the connection to end.
    pub(crate) fn set(&self) {
        self.is_set.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Whether the connection shall end; if not, its task is woken when it shall.
    pub(crate) fn poll(&self, context: &Context<'_>) -> bool {
        if !self.is_set.get() {
            let mut waiting = self.waker.borrow_mut();
            match &mut *waiting {
                Some(waker) => waker.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
        }
        self.is_set.get()
    }
}

/// Serves a connection to its end.
pub(crate) async fn serve(context: ConnectionContext, stream: Transport, stop: Rc<StopSignal>) {
    let peer = stream.peer_addr();
    let requests = RequestState::default();
    let stream =
        HttpStream::new(stream, context.handle.clone(), Rc::clone(&context.limits), requests.clone());
    let ids = RequestIds::new(&context.handle);
    let endpoint = Rc::new(Endpoint { context, ids, requests });
    let service = service_fn(move |request| endpoint.clone().answer_or_hang_up(request));
    let mut connection = pin!(http_builder().serve_connection(stream, service));
    let mut is_stopping = false;
    let result = poll_fn(|context| {
        if !is_stopping && stop.poll(context) {
            is_stopping = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(context)
    })
    .await;
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}

fn http_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // The time limits are the stream's.
    builder.header_read_timeout(None);
    // Else hyper looks for the peer's end while a request is being answered, and takes a new buffer for it, since the
    // request still holds the old one. Whoever has gone is found when the answer is sent.
    builder.half_close(true);
    builder.max_header_size(PARSED_HEAD_BYTES_MAX).max_buf_size(READ_AHEAD_BYTES_MAX);
    builder
}

/// The request line and the headers as they were sent, give or take spaces.
fn head_bytes(head: &Parts) -> usize {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let headers = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    head.method.as_str().len() + target + headers.sum::<usize>()
}

/// The request's peer is gone or too slow: there is nobody to answer.
#[derive(Debug, thiserror::Error)]
#[error("the request did not arrive")]
struct HangUp;

type Answering = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, HangUp>>>>;

/// One connection's end of the service.
struct Endpoint {
    context: ConnectionContext,
    ids: RequestIds,
    requests: RequestState,
}

impl Endpoint {
    /// Boxed, because hyper keeps room for the future in every connection, also in idle ones.
    fn answer_or_hang_up(self: Rc<Self>, request: Request<Incoming>) -> Answering {
        Box::pin(async move {
            let _active = self.requests.start();
            self.answer(request).await
        })
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<AnswerBody>, HangUp> {
        let request_id = self.ids.next();
        let (head, body) = request.into_parts();
        if head_bytes(&head) > HEAD_BYTES_MAX {
            return Ok(response::head_too_large(request_id));
        }
        let mut response = match head.method {
            Method::POST => self.answer_post(&head, body, request_id).await?,
            _ => self.answer_edge(
                edges::classify(&head.method, &head.headers, !body.is_end_stream()),
                &head,
                request_id,
            ),
        };
        if head.headers.contains_key(ORIGIN) {
            edges::allow_any_origin(&mut response);
        }
        Ok(response)
    }

    fn answer_edge(&self, edge: Edge, head: &Parts, request_id: RequestId) -> Response<AnswerBody> {
        match edge {
            Edge::Health => edges::health(self.context.api.region(), request_id),
            Edge::Preflight => edges::preflight(&head.headers, request_id),
            Edge::NotFound | Edge::Operation(_) => edges::not_found(request_id),
        }
    }

    async fn answer_post(
        &self,
        head: &Parts,
        body: Incoming,
        request_id: RequestId,
    ) -> Result<Response<AnswerBody>, HangUp> {
        let ConnectionContext { handle, limits, memory, api } = &self.context;
        let mut memory = memory.permit();
        let body = match read_body(body, &head.headers, limits, handle, &mut memory).await {
            Ok(body) => body,
            Err(failure) => return refuse_body(failure, head, request_id),
        };
        let Edge::Operation(json_type) = edges::classify(&head.method, &head.headers, !body.is_empty())
        else {
            return Ok(edges::not_found(request_id));
        };
        let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        let signature = auth::check_shape(&head.headers, head.uri.query());
        let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
        let call = Call { target: target.unwrap_or_default(), host, signature, body, memory };
        let outcome = api.answer(call).await;
        let (status, body) = status_and_body(outcome);
        let coding = Coding::accepted_by(&head.headers);
        let compressed = match coding {
            Some(coding) => compression::deflate(coding, &body, handle).await.map(|body| (coding, body)),
            None => None,
        };
        Ok(match compressed {
            Some((coding, body)) => response::compressed_json(status, json_type, coding, body, request_id),
            None => response::json(status, json_type, body, request_id),
        })
    }
}

fn refuse_body(
    failure: BodyFailure,
    head: &Parts,
    request_id: RequestId,
) -> Result<Response<AnswerBody>, HangUp> {
    let error = match failure {
        BodyFailure::TooLarge => return Ok(response::too_large()),
        BodyFailure::Lost => return Err(HangUp),
        BodyFailure::Memory(exhausted) => exhausted.into(),
        BodyFailure::BrokenCompression => {
            ApiError::new(Exception::InternalServerError, messages::BROKEN_COMPRESSION)
        }
    };
    Ok(match edges::classify(&head.method, &head.headers, true) {
        Edge::Operation(json_type) => {
            let (status, body) = status_and_body(Err(error));
            response::json(status, json_type, body, request_id)
        }
        _ => edges::not_found(request_id),
    })
}
