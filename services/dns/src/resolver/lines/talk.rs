//! What happens on one connection, from its begin to its end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use polder_core::dns::resolver::{Asking, Pipeline};
use polder_runtime::{clock, entropy};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::client::TlsStream;

use super::{Call, Ended, Heard, Line, MOST_EACH, Peer};
use crate::resolver::plain::framed;

/// How long a connection may take to be made or to be closed, and for how long it is kept when nobody asks.
const HANDSHAKE: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(10);
/// Bytes that wait to be written, from which on no more questions are taken.
const MOST_OUTGOING: usize = 65_536;
/// Bytes for which there is room before they are read.
const READ: usize = 4096;
/// The most messages in a row that answer nothing.
const MOST_STRANGE: u32 = 64;

type Waiter = oneshot::Sender<Result<Heard, Ended>>;

/// Makes the connection and holds it until it ends; then all who wait on it hear of that.
pub(super) async fn hold(peer: Arc<Peer>, line: Arc<Line>, mut calls: mpsc::Receiver<Call>) {
    let mut waiting = Pipeline::new(MOST_EACH);
    let whole = async {
        let never = |why: &str| Ended { was_made: false, why: why.into() };
        let stream = match timeout(HANDSHAKE, peer.connect()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(why)) => return never(&why),
            Err(_) => return never("it takes too long to connect"),
        };
        line.heard.fetch_add(1, Ordering::Relaxed);
        let why = match Talk::new(&line, stream).run(&mut calls, &mut waiting).await {
            Ok(why) => why.into(),
            Err(error) => format!("the connection broke: {error}").into(),
        };
        Ended { was_made: true, why }
    };
    let lost = || Ended { was_made: true, why: "nothing came on the connection any more".into() };
    let ended = line.lost.run_until_cancelled(whole).await.unwrap_or_else(lost);
    calls.close();
    let queued = std::iter::from_fn(|| calls.try_recv().ok()).map(|call| call.answer);
    for waiter in waiting.into_waiters().chain(queued) {
        // They may have gone.
        drop(waiter.send(Err(ended.clone())));
    }
}

struct Talk<'a> {
    line: &'a Line,
    reader: ReadHalf<TlsStream<TcpStream>>,
    writer: WriteHalf<TlsStream<TcpStream>>,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// Whether something is to be written, or written and may not have left yet.
    is_pending: bool,
    idle: Instant,
    strange: u32,
}

impl<'a> Talk<'a> {
    fn new(line: &'a Line, stream: TlsStream<TcpStream>) -> Self {
        let (reader, writer) = split(stream);
        let (incoming, outgoing, idle) = (Vec::new(), Vec::new(), clock::monotonic() + IDLE);
        Self { line, reader, writer, incoming, outgoing, is_pending: false, idle, strange: 0 }
    }

    /// Says why it ended. No step waits for another one: a server that does not read is read from all the same.
    async fn run(mut self, calls: &mut mpsc::Receiver<Call>, waiting: &mut Pipeline<Waiter>) -> io::Result<&'static str> {
        loop {
            self.incoming.reserve(READ);
            tokio::select! {
                Some(call) = calls.recv(), if self.outgoing.len() < MOST_OUTGOING => self.take(call, waiting),
                sent = send(&mut self.writer, &self.outgoing), if self.is_pending => {
                    let sent = sent?;
                    self.outgoing.drain(..sent);
                    self.is_pending = sent > 0;
                }
                read = self.reader.read_buf(&mut self.incoming) => {
                    if read? == 0 {
                        return Ok("it closed the connection");
                    }
                    self.hear(waiting);
                    if self.strange > MOST_STRANGE {
                        return Ok("it sends what nobody has asked for");
                    }
                }
                () = sleep_until(self.idle) => {
                    waiting.forget(Waiter::is_closed);
                    if waiting.is_empty() {
                        // The server closes the connection too, whether it hears this or not.
                        drop(timeout(HANDSHAKE, self.writer.shutdown()).await);
                        return Ok("nobody had asked on it for a while");
                    }
                    self.idle = clock::monotonic() + IDLE;
                }
            }
        }
    }

    fn take(&mut self, call: Call, waiting: &mut Pipeline<Waiter>) {
        let Call { key, edns, answer } = call;
        waiting.forget(Waiter::is_closed);
        self.idle = clock::monotonic() + IDLE;
        let draw = u16::try_from(entropy::draw().0 & 0xffff).unwrap_or_default();
        // Whoever finds no room hears that nobody answers: the places on a connection are counted before it comes to this.
        let Ok(id) = waiting.begin(key.clone(), answer, draw) else { return };
        let asking = Asking { id, edns, is_padded: true, ..Asking::default() };
        self.outgoing.extend_from_slice(&framed(&asking.encode(&key)));
        self.is_pending = true;
    }

    /// Gives every whole message to whoever waits for it.
    fn hear(&mut self, waiting: &mut Pipeline<Waiter>) {
        let mut rest = self.incoming.as_slice();
        while let Some((length, behind)) = rest.split_first_chunk() {
            let Some((message, behind)) = behind.split_at_checked(usize::from(u16::from_be_bytes(*length))) else { break };
            rest = behind;
            self.line.heard.fetch_add(1, Ordering::Relaxed);
            match waiting.end(message) {
                Some((waiter, heard)) => {
                    self.strange = 0;
                    drop(waiter.send(Ok(heard)));
                }
                None => self.strange += 1,
            }
        }
        let read = self.incoming.len() - rest.len();
        self.incoming.drain(..read);
    }
}

/// One step of writing: so many bytes were taken; none, when there are no more and all have left.
async fn send(writer: &mut WriteHalf<TlsStream<TcpStream>>, outgoing: &[u8]) -> io::Result<usize> {
    if outgoing.is_empty() {
        writer.flush().await?;
        return Ok(0);
    }
    match writer.write(outgoing).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        sent => Ok(sent),
    }
}
