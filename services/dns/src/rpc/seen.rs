//! The methods of `polder.dns.v1.DnsService` that are about what one server has seen.

use polder_core::time::Timestamp;
use polder_proto::convert::dns as convert;
use polder_proto::dns::v1::*;
use polder_runtime::status::refuse;
use tonic::Response;

use super::Answer;
use crate::seen::{Failure, MOST_FAILURES};
use crate::service::Service;

/// The most names of one answer: about what the tables of a thread hold.
const MOST_NAMES: usize = 500;

/// A time as messages have it.
pub(super) fn time(at: Timestamp) -> prost_types::Timestamp {
    let micros = i64::try_from(at.0).unwrap_or_default();
    let nanos = i32::try_from(micros % 1_000_000 * 1000).unwrap_or_default();
    prost_types::Timestamp { seconds: micros / 1_000_000, nanos }
}

fn failure(failed: Failure) -> QueryFailure {
    let (name, rtype) = failed.question.map(|(name, rtype)| (name.to_string(), rtype.to_string())).unwrap_or_default();
    QueryFailure {
        time: Some(time(failed.at)),
        client: failed.client.map(|client| client.to_string()).unwrap_or_default(),
        protocol: failed.proto.to_owned(),
        name,
        r#type: rtype,
        rcode: failed.rcode.map(|rcode| rcode.to_string()).unwrap_or_default(),
        why: failed.why.to_owned(),
    }
}

impl Service {
    pub(super) fn on_top_names(&self, request: &GetTopNamesRequest) -> Answer<GetTopNamesResponse> {
        let limit = convert::limit(request.limit, MOST_NAMES).map_err(refuse)?;
        let top = self.seen().top(limit);
        let named = top.names.into_iter().map(|(name, rtype, queries, error)| {
            let (name, r#type) = (name.to_string(), rtype.to_string());
            TopName { name, r#type, queries, error }
        });
        let (server, since) = (self.name().to_owned(), Some(time(top.since)));
        Ok(Response::new(GetTopNamesResponse { server, since, queries: top.queries, names: named.collect() }))
    }

    pub(super) fn on_recent_failures(&self, request: &GetRecentFailuresRequest) -> Answer<GetRecentFailuresResponse> {
        let limit = convert::limit(request.limit, MOST_FAILURES).map_err(refuse)?;
        let (newest, total) = self.seen().failures(limit);
        let failures = newest.into_iter().map(failure).collect();
        Ok(Response::new(GetRecentFailuresResponse { server: self.name().to_owned(), failures, total }))
    }
}
