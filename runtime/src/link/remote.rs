//! Several replicas behind one link.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use polder_core::reason::{Reason, Refusal};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Status, TimeoutExpired};
use tower::{Service, ServiceExt};

use super::LinkError;
use super::lent::{Lender, lend};
use crate::{clock, grpc_timeout, status};

/// How long a replica that could not be reached is passed over.
const PASSED_OVER: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A peer that hangs is given up after the sum of both. Our servers do not count pings.
const PING_EVERY: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// See [`super::Link::remote`].
#[derive(Clone)]
pub(super) struct Remote(Arc<Replicas>);

struct Replicas {
    list: Vec<Replica>,
    turn: AtomicUsize,
}

struct Replica {
    uri: Arc<str>,
    channel: Channel,
    down_until: Mutex<Option<Instant>>,
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uris())
    }
}

impl Remote {
    pub(super) fn to<U: AsRef<str>>(uris: &[U], tls: Option<&ClientTlsConfig>) -> Result<Self, LinkError> {
        if uris.is_empty() {
            return Err(LinkError::NoAddress);
        }
        let list = uris.iter().map(|uri| Replica::at(uri.as_ref(), tls)).collect::<Result<_, _>>()?;
        Ok(Self(Arc::new(Replicas { list, turn: AtomicUsize::new(0) })))
    }

    pub(super) async fn call(&self, request: Request<Body>) -> Response<Body> {
        let answer = match grpc_timeout::of(request.headers()) {
            Some(limit) => tokio::time::timeout(limit, self.attempt(request)).await.unwrap_or_else(|_| Err(deadline_passed())),
            None => self.attempt(request).await,
        };
        answer.unwrap_or_else(|refusal| status::encode(&refusal).into_http())
    }

    async fn attempt(&self, request: Request<Body>) -> Result<Response<Body>, Refusal> {
        let (mut parts, mut body) = request.into_parts();
        let mut why = String::new();
        let mut replicas = self.in_turn().peekable();
        while let Some(replica) = replicas.next() {
            // Nothing is kept for another attempt where there is nobody to make it with.
            let kept = replicas.peek().map(|_| parts.clone());
            match replica.call(Request::from_parts(parts, body)).await {
                Ok(response) => return Ok(response),
                Err(Failed::InFlight(refusal)) => return Err(refusal),
                Err(Failed::Unsent { body: unsent, error }) => (body, why) = (unsent, error),
            }
            match kept {
                Some(kept) => parts = kept,
                None => break,
            }
        }
        let message = format!("none of {} can be reached ({why}). Nothing was sent; try again.", self.uris());
        Err(Refusal::new(Reason::PeerUnavailable, message).with("peers", self.uris()))
    }

    /// The replicas from the next one on, those that were down lately last.
    fn in_turn(&self) -> impl Iterator<Item = &Replica> {
        let list = &self.0.list;
        let first = self.0.turn.fetch_add(1, Ordering::Relaxed);
        let mut order: Vec<&Replica> = (0..list.len()).map(|n| &list[first.wrapping_add(n) % list.len()]).collect();
        order.sort_by_key(|replica| replica.is_down());
        order.into_iter()
    }

    fn uris(&self) -> String {
        self.0.list.iter().map(|replica| &*replica.uri).collect::<Vec<_>>().join(", ")
    }
}

/// How a call did not get an answer.
enum Failed {
    /// It never left: the body is untouched.
    Unsent { body: Body, error: String },
    /// It may have arrived.
    InFlight(Refusal),
}

impl Replica {
    fn at(uri: &str, tls: Option<&ClientTlsConfig>) -> Result<Self, LinkError> {
        let bad = |why: &dyn fmt::Display| LinkError::BadAddress { uri: uri.to_owned(), why: why.to_string() };
        let mut endpoint = Endpoint::from_shared(uri.to_owned()).map_err(|error| bad(&chain(&error)))?;
        match (uri.split_once(':').map_or("", |(scheme, _)| scheme), tls) {
            ("unix" | "http", _) => {}
            ("https", Some(tls)) => endpoint = endpoint.tls_config(tls.clone()).map_err(|error| bad(&chain(&error)))?,
            ("https", None) => return Err(bad(&"https needs tls.ca_file, the authority that signed its certificate")),
            _ => return Err(bad(&"write it as http://HOST:PORT, https://HOST:PORT or unix:PATH")),
        }
        let channel = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true)
            .connect_lazy();
        Ok(Self { uri: uri.into(), channel, down_until: Mutex::new(None) })
    }

    fn is_down(&self) -> bool {
        self.down_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| clock::monotonic() < until)
    }

    fn mark(&self, down_until: Option<Instant>) {
        *self.down_until.lock().unwrap_or_else(PoisonError::into_inner) = down_until;
    }

    async fn call(&self, request: Request<Body>) -> Result<Response<Body>, Failed> {
        let (parts, body) = request.into_parts();
        let (lent, lender) = lend(body);
        match self.send(Request::from_parts(parts, Body::new(lent))).await {
            Ok(response) => {
                self.mark(None);
                let uri = Arc::clone(&self.uri);
                Ok(response.map(|body| Body::new(body.map_err(move |status| broken(&uri, &status)))))
            }
            Err(error) => Err(self.failed(&error, lender)),
        }
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, tonic::transport::Error> {
        let mut channel = self.channel.clone();
        channel.ready().await?.call(request).await
    }

    fn failed(&self, error: &tonic::transport::Error, lender: Lender) -> Failed {
        if is_timeout(error) {
            return Failed::InFlight(deadline_passed());
        }
        self.mark(Some(clock::monotonic() + PASSED_OVER));
        let error = format!("{}: {}", self.uri, chain(error));
        match lender.take_back() {
            Some(body) => Failed::Unsent { body, error },
            None => Failed::InFlight(unknown_outcome(&error)),
        }
    }
}

fn deadline_passed() -> Refusal {
    let message = "the deadline passed before an answer came. What was asked may still happen; \
                   repeat it with the same request id to learn the outcome.";
    Refusal::new(Reason::OutcomeUnknown, message)
}

fn unknown_outcome(error: &str) -> Refusal {
    let message = format!("the connection was lost while the call was under way ({error}). Repeat it with the same request id.");
    Refusal::new(Reason::PeerUnavailable, message)
}

/// The status for an answer that breaks off.
fn broken(uri: &str, status: &Status) -> Status {
    if matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded) {
        return Status::new(status.code(), status.message());
    }
    status::encode(&unknown_outcome(&format!("{uri}: {}", status.message())))
}

fn is_timeout(error: &tonic::transport::Error) -> bool {
    let first: Option<&(dyn Error + 'static)> = Some(error);
    std::iter::successors(first, |&error| error.source()).any(|error| error.is::<TimeoutExpired>())
}

/// An error with its causes, which is where transports keep the interesting part.
fn chain(error: &(dyn Error + 'static)) -> String {
    let all = std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string);
    let mut parts: Vec<String> = all.collect();
    parts.dedup();
    parts.join(": ")
}
