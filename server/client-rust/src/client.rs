//! The client that is awaited.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;

use basalt_format::Put as _;
use basalt_format::native::Node;
use basalt_format::native::frame::FrameKind;

use crate::answer::Answer;
use crate::blocking::BlockingClient;
use crate::call::{Body, Slot};
use crate::connection::Connection;
use crate::credentials::Credentials;
use crate::error::{Error, ServiceError};
use crate::pages::Pages;
use crate::request::Request;

/// A connection to a server, to be awaited on any executor. Clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    connection: Arc<Connection>,
    address: SocketAddr,
    credentials: Credentials,
}

impl Client {
    /// Connects to the first of the addresses. They are resolved on the calling thread; connecting has one of its own.
    ///
    /// # Errors
    /// When the server cannot be reached, does not speak this version, or does not take the credentials.
    pub async fn connect(address: impl ToSocketAddrs, credentials: Credentials) -> Result<Self, Error> {
        let address = first_of(address)?;
        let opened = Arc::new(std::sync::Mutex::new(None));
        let (result, done) = (Arc::clone(&opened), Arc::new(Slot::default()));
        let (told, proving) = (Arc::clone(&done), credentials.clone());
        thread::spawn(move || {
            let outcome = Connection::open(address, &proving);
            result.lock().unwrap_or_else(std::sync::PoisonError::into_inner).replace(outcome);
            told.finish_body(&[], None, false);
        });
        std::future::poll_fn(|context| done.poll(context)).await?;
        let opened = opened.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let connection = opened.expect("the thread told that it was done")?;
        Ok(Self { connection, address, credentials })
    }

    pub(crate) fn connect_blocking(
        address: impl ToSocketAddrs,
        credentials: Credentials,
    ) -> Result<Self, Error> {
        let address = first_of(address)?;
        let connection = Connection::open(address, &credentials)?;
        Ok(Self { connection, address, credentials })
    }

    /// The same client, waiting on the calling thread.
    pub fn blocking(&self) -> BlockingClient {
        BlockingClient::from(self.clone())
    }

    /// Sends a request and waits for its answer. The request is sent even if the caller stops waiting then.
    ///
    /// # Errors
    /// When the server answers with an exception, or not at all.
    pub async fn call(&self, request: Request) -> Result<Answer, Error> {
        let code = request.code();
        let call = self.connection.send(FrameKind::Request, code, 0, &request.into_document()).await?;
        answer_of(call.next().await?)
    }

    /// Calls any operation by its target, such as `DynamoDB_20120810.CreateTable`, with the JSON that HTTP would carry;
    /// answers with JSON.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_json(&self, target: &str, json: &str) -> Result<String, Error> {
        let mut body = Vec::new();
        body.put_prefixed_bytes(target.as_bytes());
        body.extend_from_slice(json.as_bytes());
        let call = self.connection.send(FrameKind::JsonRequest, 0, 0, &body).await?;
        let answer = call.next().await?;
        match answer.exception {
            None => Ok(String::from_utf8_lossy(&answer.bytes).into_owned()),
            Some(code) => Err(exception_of(code, &answer.bytes)?.into()),
        }
    }

    /// The pages of a query or scan, which the server sends one after the other. They come on a connection of their
    /// own, so that a caller who takes them slowly holds up nothing else.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn pages(&self, request: Request) -> Result<Pages, Error> {
        let own = Self::connect(self.address, self.credentials.clone()).await?;
        Pages::begin(&own.connection, request).await
    }
}

fn first_of(address: impl ToSocketAddrs) -> Result<SocketAddr, Error> {
    let mut addresses = address.to_socket_addrs().map_err(Error::broken)?;
    addresses.next().ok_or_else(|| Error::broken(std::io::ErrorKind::AddrNotAvailable))
}

/// What a body says: an answer or an exception.
pub(crate) fn answer_of(body: Body) -> Result<Answer, Error> {
    match body.exception {
        None => Ok(Answer(Node::decode(&body.bytes)?)),
        Some(code) => Err(exception_of(code, &body.bytes)?.into()),
    }
}

fn exception_of(code: u16, document: &[u8]) -> Result<ServiceError, Error> {
    let details = Answer(Node::decode(document)?);
    // As DynamoDB spells it: most exceptions in one way, some in the other.
    let message = details.text("message").or(details.text("Message")).unwrap_or_default().to_owned();
    Ok(ServiceError { code, message, details })
}
