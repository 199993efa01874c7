//! Reads request bodies: within the size limit, the time limit and the memory that requests may take.
//!
//! Memory is charged before it is used: the whole announced length at once, and a chunked or compressed body as it
//! grows. So a body that cannot be kept is refused before its first byte is read.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use basalt_engine::runtime::{Handle, Sleep};
use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body as _, Incoming};

use super::compression::{self, Coding};
use crate::limits::{BODY_BYTES_MAX, Limits, MemoryExhausted, MemoryPermit};

/// Of a body that is refused, so much is read and dropped, that the client gets to read why.
const DISCARD_BYTES_MAX: usize = 2 * BODY_BYTES_MAX;

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyFailure {
    #[error("the body is larger than 16 MiB")]
    TooLarge,
    #[error("the body is not soundly compressed")]
    BrokenCompression,
    #[error(transparent)]
    Memory(#[from] MemoryExhausted),
    /// Nobody is left to answer, or the peer took too long.
    #[error("the body did not arrive")]
    Lost,
}

/// When the body must be there. Time runs from the first wait on: most bodies come with their heads.
enum Deadline<'a> {
    Untimed { handle: &'a Handle, limits: &'a Limits },
    Running(Sleep),
}

impl Deadline<'_> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Deadline::Untimed { handle, limits } = self {
            *self = Deadline::Running(handle.sleep(limits.body_time));
        }
        match self {
            Deadline::Running(sleep) => Pin::new(sleep).poll(context),
            Deadline::Untimed { .. } => unreachable!("it was just started"),
        }
    }
}

/// Reads the body of a request, inflated. What the body takes is charged to `memory`.
pub(crate) async fn read_body(
    mut incoming: Incoming,
    headers: &HeaderMap,
    limits: &Limits,
    handle: &Handle,
    memory: &mut MemoryPermit,
) -> Result<Bytes, BodyFailure> {
    let mut deadline = Deadline::Untimed { handle, limits };
    let body = match collect(&mut incoming, &mut deadline, memory).await {
        Ok(body) => body,
        Err(refused @ (BodyFailure::TooLarge | BodyFailure::Memory(_))) => {
            discard(&mut incoming, &mut deadline).await;
            return Err(refused);
        }
        Err(lost) => return Err(lost),
    };
    match Coding::of_request(headers) {
        Some(coding) => compression::inflate(coding, &body, handle, memory).await.map(Bytes::from),
        None => Ok(body),
    }
}

async fn collect(
    incoming: &mut Incoming,
    deadline: &mut Deadline<'_>,
    memory: &mut MemoryPermit,
) -> Result<Bytes, BodyFailure> {
    let announced = incoming.size_hint().exact().unwrap_or(0);
    let announced = usize::try_from(announced).ok().filter(|bytes| *bytes <= BODY_BYTES_MAX);
    let announced = announced.ok_or(BodyFailure::TooLarge)?;
    memory.charge(announced)?;
    let Some(first) = next_chunk(incoming, deadline).await? else { return Ok(Bytes::new()) };
    // Most bodies come in one piece, with their head: they stay where hyper has them.
    if first.len() == announced {
        return Ok(first);
    }
    let mut body = Vec::with_capacity(announced);
    let mut next = Some(first);
    while let Some(chunk) = next {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(BodyFailure::TooLarge);
        }
        if body.len() + chunk.len() > announced {
            memory.charge(chunk.len())?;
        }
        body.extend_from_slice(&chunk);
        next = next_chunk(incoming, deadline).await?;
    }
    Ok(body.into())
}

/// Reads and drops what is left of a body, up to a limit.
async fn discard(incoming: &mut Incoming, deadline: &mut Deadline<'_>) {
    let mut discarded = 0;
    while let Ok(Some(chunk)) = next_chunk(incoming, deadline).await {
        discarded += chunk.len();
        if discarded > DISCARD_BYTES_MAX {
            return;
        }
    }
}

/// The next bytes of a body; None at its end.
async fn next_chunk(
    incoming: &mut Incoming,
    deadline: &mut Deadline<'_>,
) -> Result<Option<Bytes>, BodyFailure> {
    poll_fn(|context| {
        loop {
            match Pin::new(&mut *incoming).poll_frame(context) {
                Poll::Ready(None) => return Poll::Ready(Ok(None)),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(BodyFailure::Lost)),
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers say nothing that matters here.
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Ok(Some(data)));
                    }
                }
                Poll::Pending => return deadline.poll(context).map(|()| Err(BodyFailure::Lost)),
            }
        }
    })
    .await
}
