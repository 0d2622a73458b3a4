//! One watch on etcd: messages into commits.
//!
//! etcd does not close a watch that it cancels: it says so once and is silent for ever after. Every message is looked at for
//! that first. All events of one revision come in one message, and one message may hold many revisions.

use std::collections::VecDeque;

use bytes::Bytes;
use etcd_client::{EventType, WatchResponse, WatchStream};
use futures::stream::{self, BoxStream, StreamExt as _};
use polder_core::id::Revision;

use super::classify::{Call, classify, is_oversized};
use super::revision;
use crate::backend::{Batch, Event};
use crate::error::Error;

/// An open watch.
pub(super) struct Watching {
    stream: WatchStream,
    after: Revision,
    ready: VecDeque<Batch>,
    over: bool,
}

impl Watching {
    /// Takes the first message, which says whether the watch stands.
    pub(super) async fn begin(stream: WatchStream, after: Revision) -> Result<Self, Error> {
        let mut watching = Self { stream, after, ready: VecDeque::new(), over: false };
        watching.read().await?;
        Ok(watching)
    }

    /// The batches; the stream ends after its first error.
    pub(super) fn batches(self) -> BoxStream<'static, Result<Batch, Error>> {
        stream::unfold(self, |mut watching| async move {
            let item = watching.next().await?;
            Some((item, watching))
        })
        .boxed()
    }

    async fn next(&mut self) -> Option<Result<Batch, Error>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Some(Ok(batch));
            }
            if self.over {
                return None;
            }
            if let Err(error) = self.read().await {
                self.over = true;
                return Some(Err(error));
            }
        }
    }

    async fn read(&mut self) -> Result<(), Error> {
        match self.stream.message().await {
            Ok(Some(message)) => self.take(&message),
            Ok(None) => Err(Error::Unavailable("etcd ended the watch".to_owned())),
            // What is owed does not fit one message of this client: only a fresh range gets past it.
            Err(etcd_client::Error::GRpcStatus(status)) if is_oversized(&status) => {
                Err(Error::Compacted { at: Revision(self.after.0 + 1) })
            }
            Err(error) => Err(classify(error, Call::Read)),
        }
    }

    fn take(&mut self, message: &WatchResponse) -> Result<(), Error> {
        if message.canceled() {
            // The header's revision is 0 here: nothing may resume from it.
            return Err(match message.compact_revision() {
                0 => Error::Unavailable(format!("etcd cancelled the watch: {}", message.cancel_reason())),
                at => Error::Compacted { at: revision(at) },
            });
        }
        for event in message.events() {
            let Some(kv) = event.kv() else { continue };
            let at = revision(kv.mod_revision());
            if at <= self.after {
                continue;
            }
            let value = (event.event_type() == EventType::Put).then(|| Bytes::copy_from_slice(kv.value()));
            let event = Event { key: Bytes::copy_from_slice(kv.key()), value };
            match self.ready.back_mut() {
                Some(batch) if batch.revision == at => batch.events.push(event),
                _ => self.ready.push_back(Batch { revision: at, events: vec![event] }),
            }
        }
        if let Some(last) = self.ready.back() {
            self.after = last.revision;
        }
        Ok(())
    }
}
