//! The client that waits on the calling thread.

use std::net::ToSocketAddrs;

use crate::answer::Answer;
use crate::call::block_on;
use crate::client::Client;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::pages::Pages;
use crate::request::Request;

/// A connection to a server; its operations wait. Clones share the connection, so that the requests of many threads
/// travel together.
#[derive(Debug, Clone)]
pub struct BlockingClient {
    client: Client,
}

impl BlockingClient {
    /// As [`Client::connect`].
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn connect(address: impl ToSocketAddrs, credentials: Credentials) -> Result<Self, Error> {
        Client::connect_blocking(address, credentials).map(Self::from)
    }

    /// The same client, to be awaited.
    pub fn awaited(&self) -> Client {
        self.client.clone()
    }

    /// As [`Client::call`].
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn call(&self, request: Request) -> Result<Answer, Error> {
        block_on(self.client.call(request))
    }

    /// As [`Client::call_json`].
    ///
    /// # Errors
    /// As [`Client::call_json`].
    pub fn call_json(&self, target: &str, json: &str) -> Result<String, Error> {
        block_on(self.client.call_json(target, json))
    }

    /// As [`Client::pages`].
    ///
    /// # Errors
    /// As [`Client::pages`].
    pub fn pages(&self, request: Request) -> Result<BlockingPages, Error> {
        block_on(self.client.pages(request)).map(BlockingPages)
    }
}

impl From<Client> for BlockingClient {
    fn from(client: Client) -> Self {
        Self { client }
    }
}

/// Pages on their way; ends behind the last one, and behind an error.
#[derive(Debug)]
pub struct BlockingPages(Pages);

impl Iterator for BlockingPages {
    type Item = Result<Answer, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        block_on(self.0.next()).transpose()
    }
}
