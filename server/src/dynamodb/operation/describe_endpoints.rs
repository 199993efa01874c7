//! DescribeEndpoints: where to send requests. Here, so that endpoint discovery never leads a client elsewhere.

use std::net::SocketAddr;

use hyper::http::uri::Authority;

use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::json::{BodyError, Known, Reader, Writer};
use crate::dynamodb::{Api, Operation};

const CACHE_PERIOD_MINUTES: u32 = 1440;

/// A DescribeEndpoints request, which has no members.
#[derive(Debug, Default)]
pub(crate) struct DescribeEndpointsInput {
    /// By what name the client reached this server.
    host: Option<String>,
}

impl Operation for DescribeEndpointsInput {
    const SHAPE: &'static str = "DescribeEndpointsRequest";

    fn read_member(&mut self, _reader: &mut Reader<'_>, _name: &str) -> Result<Known, BodyError> {
        Ok(Known::No)
    }

    fn learn_host(&mut self, host: &str) {
        self.host = Some(host.to_owned());
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut writer = Writer::default();
        let mut members = writer.object();
        let mut endpoints = members.value_of("Endpoints").array();
        let mut endpoint = endpoints.element().object();
        endpoint.string("Address", &address(api.listening, self.host));
        endpoint.value_of("CachePeriodInMinutes").display(CACHE_PERIOD_MINUTES);
        drop(endpoint);
        drop(endpoints);
        drop(members);
        Ok(writer.into_bytes())
    }
}

/// Where the client should send requests: where the server listens. To listen on all addresses is no address that
/// anybody can connect to, so there it is what the client itself called the server.
fn address(listening: Option<SocketAddr>, host: Option<String>) -> String {
    let told = listening.map(|listening| listening.to_string()).unwrap_or_default();
    match (listening, host) {
        (Some(listening), Some(host)) if listening.ip().is_unspecified() && is_address(&host) => host,
        _ => told,
    }
}

/// Whether a text is a host, with a port or without, and nothing else.
fn is_address(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    // What is before the name is a user, which is no part of an address. Authorities may have ports beyond 65535.
    match host.strip_prefix(authority.host()) {
        Some("") => !authority.host().is_empty(),
        Some(_port) => !authority.host().is_empty() && authority.port_u16().is_some(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(listening: &str, host: &str) -> String {
        address(Some(listening.parse().unwrap()), Some(host.to_owned()))
    }

    #[test]
    fn a_server_on_one_address_tells_it_whatever_it_is_called() {
        assert_eq!(told("127.0.0.1:8000", "elsewhere:1"), "127.0.0.1:8000");
        assert_eq!(told("[::1]:8000", "elsewhere:1"), "[::1]:8000");
    }

    #[test]
    fn a_server_on_all_addresses_tells_what_the_client_called_it() {
        for listening in ["0.0.0.0:8000", "[::]:8000"] {
            for host in ["localhost:8000", "db", "10.0.0.7:80", "[fe80::1]:8000", "dynamodb.eu-west-1.local"]
            {
                assert_eq!(told(listening, host), host);
            }
        }
    }

    #[test]
    fn what_is_no_address_is_not_told() {
        for host in ["", ":8000", "a b", "user@db:8000", "db:", "db:99999", "db:x", "http://db", "db/path"] {
            assert_eq!(told("0.0.0.0:8000", host), "0.0.0.0:8000", "{host:?}");
        }
        assert_eq!(address(Some(([0, 0, 0, 0], 8000).into()), None), "0.0.0.0:8000");
    }
}
