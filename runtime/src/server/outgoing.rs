//! The body of an answer on its way out: ends at the deadline and when the process drains, turns a panic into a status, gives
//! every error a reason, and records how the call ended.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use polder_core::reason::{Reason, Refusal};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use tonic::Status;
use tonic::body::Body;

use super::bad_status;
use super::call::Record;
use super::ending::Ending;
use super::incoming::shutting_down;
use crate::status;
use crate::tasks::panic_text;

/// What ends an answer before its handler does.
pub(super) struct Ends {
    pub(super) deadline: Deadline,
    pub(super) ending: Ending,
}

/// The caller's deadline.
pub(super) enum Deadline {
    /// The caller waits as long as it takes.
    Never,
    /// Nobody has had to wait for it yet.
    At(Instant),
    /// A timer runs.
    Timer(Pin<Box<Sleep>>),
}

impl Deadline {
    pub(super) fn at(deadline: Option<Instant>) -> Self {
        deadline.map_or(Self::Never, Self::At)
    }

    /// Whether it has passed; if not, the task is woken when it does.
    fn has_passed(&mut self, cx: &mut Context<'_>) -> bool {
        if let Self::At(deadline) = self {
            *self = Self::Timer(Box::pin(tokio::time::sleep_until(*deadline)));
        }
        match self {
            Self::Never | Self::At(_) => false,
            Self::Timer(sleep) => sleep.as_mut().poll(cx).is_ready(),
        }
    }
}

/// See the module.
pub(super) struct Outgoing {
    inner: Body,
    ends: Ends,
    record: Record,
    ended: bool,
    permit: Option<OwnedSemaphorePermit>,
}

impl Outgoing {
    pub(super) fn new(inner: Body, ends: Ends, record: Record, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self { inner, ends, record, ended: false, permit }
    }

    /// Notes the end. Everything that the call held is free before the caller learns of it.
    fn finish(&mut self, status: &Status) {
        self.ended = true;
        self.permit = None;
        self.record.ended(status);
    }

    fn finish_well(&mut self) {
        self.ended = true;
        self.permit = None;
        self.record.ended_well();
    }

    /// Ends the answer with a status in trailers.
    fn end(&mut self, status: Status) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let status = status::explained(status);
        self.finish(&status);
        let mut trailers = HeaderMap::new();
        Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
    }

    fn trailers(&mut self, trailers: HeaderMap) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match bad_status(&trailers) {
            Some(status) if !status::is_explained(&status) => return self.end(status),
            Some(status) => self.finish(&status),
            None => self.finish_well(),
        }
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.inner).poll_frame(cx)));
        match polled {
            Ok(Poll::Ready(Some(Ok(frame)))) => match frame.into_trailers() {
                Ok(trailers) => self.trailers(trailers),
                Err(data) => Poll::Ready(Some(Ok(data))),
            },
            Ok(Poll::Ready(Some(Err(status)))) => self.end(status),
            Ok(Poll::Ready(None)) => {
                self.finish_well();
                Poll::Ready(None)
            }
            Ok(Poll::Pending) => match self.cut_short(cx) {
                Some(refusal) => self.end(status::encode(&refusal)),
                None => Poll::Pending,
            },
            Err(panic) => self.end(panicked(panic_text(&*panic))),
        }
    }

    /// Why the answer ends although its handler has more to say, if it does.
    fn cut_short(&mut self, cx: &mut Context<'_>) -> Option<Refusal> {
        if self.ends.deadline.has_passed(cx) {
            return Some(deadline_passed());
        }
        self.ends.ending.has_come(cx).then(shutting_down)
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let call = Arc::clone(self.record.call());
        call.within(|| self.next(cx))
    }

    fn is_end_stream(&self) -> bool {
        // Asked after the last frame only: a body that says so earlier would never be polled, and its end never recorded.
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// The caller's deadline has passed.
pub(super) fn deadline_passed() -> Refusal {
    let message = "the caller's deadline passed before the answer was there. What was asked may still happen; \
                   repeat it with the same request id to learn the outcome.";
    Refusal::new(Reason::OutcomeUnknown, message)
}

/// A handler has panicked: the caller learns that much, the log the rest.
pub(super) fn panicked(text: &str) -> Status {
    tracing::error!("a handler has panicked: {text}");
    status::encode(&Refusal::new(Reason::Internal, "the handler of this call has failed; the server's log says how"))
}
