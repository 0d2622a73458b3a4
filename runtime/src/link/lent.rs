//! A request body that can be had back as long as nobody has begun to read it.
//!
//! A call that fails before its body was touched cannot have been acted upon: a handler runs only on a message. So it may be
//! sent again elsewhere, streams included, and nothing has to be kept in memory for that.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use tonic::Status;
use tonic::body::Body;

type Slot = Arc<Mutex<Option<Body>>>;

/// The body as the connection sees it.
pub(super) struct Lent {
    slot: Slot,
    begun: Option<Body>,
}

/// The lender's side.
pub(super) struct Lender(Slot);

/// Lends `body`.
pub(super) fn lend(body: Body) -> (Lent, Lender) {
    let slot = Arc::new(Mutex::new(Some(body)));
    (Lent { slot: Arc::clone(&slot), begun: None }, Lender(slot))
}

impl Lender {
    /// The body, unless somebody has begun to read it.
    pub(super) fn take_back(self) -> Option<Body> {
        take(&self.0)
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.begun.is_none() {
            self.begun = take(&self.slot);
        }
        match &mut self.begun {
            Some(body) => Pin::new(body).poll_frame(cx),
            // Taken back: this attempt is over.
            None => Poll::Ready(None),
        }
    }
}

fn take(slot: &Slot) -> Option<Body> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}
