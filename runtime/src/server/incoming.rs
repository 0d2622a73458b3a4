//! The body of a request on its way in: refuses messages that are too large before they are read, and ends when the process
//! drains.
//!
//! A gRPC message is a flag byte, a length of four bytes, and that many bytes (gRPC over HTTP/2, "Length-Prefixed-Message"). The
//! lengths are read here, so that the answer to a message too large is a refusal with a reason, given after five bytes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use polder_core::reason::{Reason, Refusal};
use tonic::Status;
use tonic::body::Body;

use super::ending::Ending;
use crate::status;

const PREFIX_BYTES: usize = 5;

/// Follows the frames of a message stream.
#[derive(Debug, Default)]
struct Framing {
    prefix: [u8; PREFIX_BYTES],
    /// How much of the prefix has been seen.
    seen: usize,
    /// How much of the message is still to come.
    rest: usize,
}

impl Framing {
    /// Moves over `data`; the length of the first message above `limit`, if there is one.
    fn advance(&mut self, mut data: &[u8], limit: usize) -> Option<usize> {
        while !data.is_empty() {
            let skip = self.rest.min(data.len());
            self.rest -= skip;
            data = &data[skip..];
            let take = data.len().min(PREFIX_BYTES - self.seen);
            self.prefix[self.seen..self.seen + take].copy_from_slice(&data[..take]);
            self.seen += take;
            data = &data[take..];
            if self.seen == PREFIX_BYTES {
                let [_, a, b, c, d] = self.prefix;
                self.rest = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
                self.seen = 0;
                if self.rest > limit {
                    return Some(self.rest);
                }
            }
        }
        None
    }
}

/// See the module.
pub(super) struct Incoming {
    inner: Body,
    framing: Framing,
    limit: usize,
    ending: Ending,
    refused: bool,
}

impl Incoming {
    pub(super) fn new(inner: Body, limit: usize, ending: Ending) -> Self {
        Self { inner, framing: Framing::default(), limit, ending, refused: false }
    }

    fn refuse(&mut self, refusal: &Refusal) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.refused = true;
        Poll::Ready(Some(Err(status::encode(refusal))))
    }
}

impl HttpBody for Incoming {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.refused {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let limit = self.limit;
                let excess = frame.data_ref().and_then(|data| self.framing.advance(data, limit));
                match excess {
                    Some(size) => self.refuse(&too_large(size, limit)),
                    None => Poll::Ready(Some(Ok(frame))),
                }
            }
            Poll::Pending if self.ending.has_come(cx) => self.refuse(&shutting_down()),
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.refused || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn too_large(size: usize, limit: usize) -> Refusal {
    let message = format!("the request message has {size} bytes, at most {limit} are taken. Split the request.");
    Refusal::new(Reason::RequestTooLarge, message).with("size", size).with("limit", limit)
}

/// What ends a stream, in either direction, when the process drains.
pub(super) fn shutting_down() -> Refusal {
    Refusal::new(Reason::ShuttingDown, "this process is shutting down. Call again; another one, or its successor, will answer.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(size: usize) -> Vec<u8> {
        let length = u32::try_from(size).unwrap().to_be_bytes();
        [&[0][..], &length[..], &vec![7; size][..]].concat()
    }

    #[test]
    fn lengths_are_found_however_the_bytes_are_cut() {
        let stream = [message(3), message(0), message(100), message(11)].concat();
        for cut in 1..stream.len() {
            let mut framing = Framing::default();
            let found: Vec<usize> = stream.chunks(cut).filter_map(|chunk| framing.advance(chunk, 100)).collect();
            assert!(found.is_empty(), "cut {cut}: {found:?}");
            let mut framing = Framing::default();
            let found = stream.chunks(cut).find_map(|chunk| framing.advance(chunk, 99));
            assert_eq!(found, Some(100), "cut {cut}");
        }
    }
}
