//! Zones for other servers: who asks by TCP is sent them, and who is to be told of changes is told by UDP.
//!
//! A transfer has the names of one moment from its beginning to its end. Few of them go on at the same time, each on its own connection,
//! and none longer than [`MOST_TIME`]: a secondary that reads slowly holds up nobody, and keeps old names for no longer than that.
//! Nothing is stored: a crash ends transfers, and secondaries ask again.

mod metrics;
mod notify;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use polder_core::dns::transfer::{Filled, Form, Transfer, ask};
use polder_core::dns::{Rcode, Sent};
use polder_runtime::metrics::Metrics;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::metrics::{TransferMetrics, TransferResult};
pub(crate) use self::notify::Teller;
use crate::names::Names;

/// The most transfers at the same time; others wait for as long as a connection may do nothing.
const MOST_TRANSFERS: usize = 8;
/// The longest time that one transfer takes.
const MOST_TIME: Duration = Duration::from_secs(300);
/// Bytes of a message's length before it.
const LENGTH: usize = 2;

/// The transfers of one process.
pub(crate) struct Transfers {
    names: Arc<Names>,
    slots: Semaphore,
    metrics: TransferMetrics,
}

/// A question that came by TCP.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) message: &'a [u8],
    pub(crate) from: IpAddr,
    /// How long the client may take to read one message.
    pub(crate) idle: Duration,
}

impl Transfers {
    pub(crate) fn new(names: Arc<Names>, metrics: &Metrics) -> Self {
        Self { names, slots: Semaphore::new(MOST_TRANSFERS), metrics: TransferMetrics::register(metrics) }
    }

    /// Answers a question for a zone; `None` when it is another question, or the zone is not for whoever asks: such a question has its
    /// answer as any other. `out` has room for the longest message with its length.
    ///
    /// # Errors
    /// Those of the connection, which has nothing more to say then.
    pub(crate) async fn answer(
        &self,
        asked: Asked<'_>,
        out: &mut [u8],
        stream: &mut (impl AsyncWrite + Unpin),
        stop: &CancellationToken,
    ) -> io::Result<Option<Sent>> {
        let names = self.names.current().load_full();
        let Some((kind, transfer)) = ask(&names, asked.from, asked.message) else { return Ok(None) };
        let Some(mut transfer) = transfer else {
            self.metrics.count(kind, TransferResult::Refused);
            return Ok(None);
        };
        let (form, rtype, scope) = (transfer.form(), transfer.rtype(), transfer.scope());
        let slot = match form {
            Form::Current => None,
            Form::Whole | Form::Steps => match timeout(asked.idle, self.slots.acquire()).await {
                Ok(Ok(slot)) => Some(slot),
                Ok(Err(_)) | Err(_) => {
                    self.metrics.count(kind, TransferResult::Busy);
                    let length = transfer.unavailable(out.get_mut(LENGTH..).unwrap_or_default());
                    write(stream, out, length, asked.idle).await?;
                    return Ok(Some(Sent { length, rcode: Rcode::ServFail, rtype: Some(rtype), cookie: false, scope }));
                }
            },
        };
        let sending = timeout(MOST_TIME, send(&mut transfer, out, stream, asked.idle));
        let sent = stop.run_until_cancelled(sending).await.ok_or_else(|| io::Error::from(io::ErrorKind::Interrupted));
        drop(slot);
        let sent = sent.and_then(|sent| sent.map_err(io::Error::from)).flatten();
        self.metrics.count(kind, if sent.is_ok() { form.into() } else { TransferResult::Failed });
        sent.map(|length| Some(Sent { length, rcode: Rcode::NoError, rtype: Some(rtype), cookie: false, scope }))
    }
}

/// Sends message after message; says how many bytes those were.
async fn send(
    transfer: &mut Transfer<'_>,
    out: &mut [u8],
    stream: &mut (impl AsyncWrite + Unpin),
    idle: Duration,
) -> io::Result<usize> {
    let mut bytes = 0;
    loop {
        match transfer.fill(out.get_mut(LENGTH..).unwrap_or_default()) {
            Filled::Message(length) => {
                write(stream, out, length, idle).await?;
                bytes += length;
            }
            // What comes next takes no longer than this did.
            Filled::Nothing => tokio::task::yield_now().await,
            Filled::End => return Ok(bytes),
        }
    }
}

/// Sends the message of this length that stands behind the place of its length.
async fn write(stream: &mut (impl AsyncWrite + Unpin), out: &mut [u8], length: usize, idle: Duration) -> io::Result<()> {
    let head = u16::try_from(length).map_err(io::Error::other)?.to_be_bytes();
    if let Some(place) = out.first_chunk_mut() {
        *place = head;
    }
    let writing = async {
        stream.write_all(out.get(..LENGTH + length).unwrap_or_default()).await?;
        // Under TLS what is written may be kept back.
        stream.flush().await
    };
    timeout(idle, writing).await?
}

#[cfg(test)]
mod tests;
