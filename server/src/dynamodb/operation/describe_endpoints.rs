//! DescribeEndpoints: where to send requests. Here, so that endpoint discovery never leads a client elsewhere.

use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::json::{BodyError, Known, Reader, Writer};
use crate::dynamodb::{Api, Operation};

const CACHE_PERIOD_MINUTES: u32 = 1440;

/// A DescribeEndpoints request, which has no members.
#[derive(Debug, Default)]
pub(crate) struct DescribeEndpointsInput;

impl Operation for DescribeEndpointsInput {
    const SHAPE: &'static str = "DescribeEndpointsRequest";

    fn read_member(&mut self, _reader: &mut Reader<'_>, _name: &str) -> Result<Known, BodyError> {
        Ok(Known::No)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut writer = Writer::default();
        let mut members = writer.object();
        let mut endpoints = members.value_of("Endpoints").array();
        let mut endpoint = endpoints.element().object();
        endpoint.string("Address", &api.endpoint);
        endpoint.value_of("CachePeriodInMinutes").display(CACHE_PERIOD_MINUTES);
        drop(endpoint);
        drop(endpoints);
        drop(members);
        Ok(writer.into_bytes())
    }
}
