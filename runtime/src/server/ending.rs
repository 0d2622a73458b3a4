//! The moment at which streams end because the process drains.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio_util::sync::CancellationToken;

/// What the drain leaves to bodies that are on their way: a short answer in the middle of its transfer is not cut.
const GRACE: Duration = Duration::from_millis(250);

/// Comes a moment after the drain has begun.
pub(super) enum Ending {
    /// Nobody has had to wait for it yet; most bodies are through before anybody has.
    Of(CancellationToken),
    /// Somebody waits.
    Awaited(BoxFuture<'static, ()>),
}

impl Ending {
    pub(super) fn of(drain: &CancellationToken) -> Self {
        Self::Of(drain.clone())
    }

    /// Whether it has come; if not, the task is woken when it does. Not to be asked again once it has.
    pub(super) fn has_come(&mut self, cx: &mut Context<'_>) -> bool {
        if let Self::Of(drain) = self {
            let drain = drain.clone();
            *self = Self::Awaited(Box::pin(async move {
                drain.cancelled_owned().await;
                tokio::time::sleep(GRACE).await;
            }));
        }
        match self {
            Self::Of(_) => false,
            Self::Awaited(ending) => ending.poll_unpin(cx).is_ready(),
        }
    }
}

/// A body of an HTTP answer that just ends when the process drains and it has nothing to say: pages have streams too.
pub(crate) struct EndsOnDrain<B> {
    inner: B,
    ending: Ending,
    ended: bool,
}

impl<B> EndsOnDrain<B> {
    pub(crate) fn new(inner: B, drain: &CancellationToken) -> Self {
        Self { inner, ending: Ending::of(drain), ended: false }
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for EndsOnDrain<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if polled.is_pending() && self.ending.has_come(cx) {
            self.ended = true;
            return Poll::Ready(None);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
