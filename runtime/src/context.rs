//! What the server stack knows of a call: who calls, under which trace, until when.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

use crate::{clock, grpc_timeout};

/// The metadata key under which a part of Polder names the person it acts for.
pub const ACTOR_HEADER: &str = "x-polder-actor";
/// The metadata key under which a caller may name its request, for logs.
pub const REQUEST_ID_HEADER: &str = "x-request-id";

/// The actor of a call that names nobody and comes from this machine.
const ANONYMOUS: &str = "anonymous";
/// The most bytes that a caller's own word for itself or its request may have.
const MOST_BYTES: usize = 128;

/// Where a call comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// From a part in the same process, over a local link.
    InProcess,
    /// Over TCP.
    Tcp {
        /// The other end.
        address: SocketAddr,
        /// Whether it proved itself with a certificate of our authority.
        certified: bool,
    },
}

/// What a handler may know of its call besides the message.
///
/// The actor is what the caller says of itself: there are no identities yet apart from certificates, so a name is believed
/// from wherever a call is let in at all. From elsewhere than this machine an unnamed caller goes by its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContext {
    /// Who asks, for the journal.
    pub actor: String,
    /// The W3C trace id in 32 hexadecimal digits: the caller's, or one that begins here.
    pub trace_id: String,
    /// When the caller stops waiting, if it said so.
    pub deadline: Option<Instant>,
    /// The caller's name for its request, if it gave one.
    pub request_id: Option<String>,
    /// Where the call comes from.
    pub peer: Peer,
}

impl Default for RequestContext {
    fn default() -> Self {
        Self { actor: ANONYMOUS.to_owned(), trace_id: String::new(), deadline: None, request_id: None, peer: Peer::InProcess }
    }
}

impl RequestContext {
    /// The context of a call that came through the server stack; the default for one that did not, as in a test that calls a
    /// handler directly.
    #[must_use]
    pub fn of<T>(request: &tonic::Request<T>) -> Arc<Self> {
        request.extensions().get::<Arc<Self>>().cloned().unwrap_or_default()
    }

    /// How long the caller still waits at `now`; `None` for a caller without a deadline.
    #[must_use]
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(now))
    }

    pub(crate) fn new(headers: &HeaderMap, peer: Peer, trace_id: String) -> Self {
        let deadline = grpc_timeout::of(headers).map(|timeout| clock::monotonic() + timeout);
        let actor = text(headers, ACTOR_HEADER).unwrap_or_else(|| match &peer {
            Peer::Tcp { address, .. } if !address.ip().is_loopback() => format!("{ANONYMOUS}@{}", address.ip()),
            Peer::Tcp { .. } | Peer::InProcess => ANONYMOUS.to_owned(),
        });
        Self { actor, trace_id, deadline, request_id: text(headers, REQUEST_ID_HEADER), peer }
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (!value.is_empty() && value.len() <= MOST_BYTES).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(address: &str) -> Peer {
        Peer::Tcp { address: address.parse().unwrap(), certified: false }
    }

    #[test]
    fn an_unnamed_caller_from_elsewhere_goes_by_its_address() {
        let context = |peer| RequestContext::new(&HeaderMap::new(), peer, String::new());
        assert_eq!(context(tcp("127.0.0.1:9")).actor, "anonymous");
        assert_eq!(context(tcp("192.0.2.7:9")).actor, "anonymous@192.0.2.7");
        assert_eq!(context(Peer::InProcess).actor, "anonymous");
    }

    #[test]
    fn a_named_caller_goes_by_its_name_unless_that_is_absurdly_long() {
        let named = |name: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACTOR_HEADER, name.parse().unwrap());
            RequestContext::new(&headers, Peer::InProcess, String::new()).actor
        };
        assert_eq!(named("alice"), "alice");
        assert_eq!(named(&"a".repeat(1000)), "anonymous");
    }
}
