//! One question to upstreams: by UDP, from a socket of its own (so that the kernel draws a port for it) and under a number of its own
//! (RFC 5452), by TCP when the answer is cut; then the next server, for a bounded number of tries.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use polder_core::dns::Rcode;
use polder_core::dns::resolver::{Answer, Key, Spec, Unusable};
use polder_runtime::{clock, entropy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use super::metrics::ForwardMetrics;
use super::servers::{Route, Server};

/// The most packets that are no answer to our question for which one try goes on waiting: somebody may be guessing.
const MOST_FOREIGN: usize = 64;
/// Longer than any packet that we say we take.
const MOST_PACKET: usize = 4096;

/// Why one try gave no answer.
enum Fault {
    /// The server did not answer, or not us.
    Silent,
    /// It answered with something that is of no use.
    Unusable(Unusable),
}

impl From<io::Error> for Fault {
    fn from(_: io::Error) -> Self {
        Self::Silent
    }
}

impl From<tokio::time::error::Elapsed> for Fault {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::Silent
    }
}

/// Asks the servers of a route until one answers; `None` when none did.
pub(super) async fn exchange(route: &Route, spec: &Spec, key: &Key, metrics: &ForwardMetrics) -> Option<Answer> {
    let (servers, any_up) = route.order(spec);
    if !any_up {
        metrics.broken();
    }
    let (mut next, mut edns) = (servers.iter().cycle(), true);
    let mut server = next.next()?;
    for _ in 0..spec.tries {
        let fault = match attempt(server, key, edns, spec.timeout, metrics).await {
            Ok(answer) => return Some(answer),
            Err(fault) => fault,
        };
        // A server from before EDNS (RFC 6891 §7) is asked again without it.
        if edns && matches!(fault, Fault::Unusable(Unusable::Failed(Rcode::FormErr | Rcode::NotImp))) {
            edns = false;
            continue;
        }
        (server, edns) = (next.next()?, true);
    }
    None
}

/// One try, counted.
async fn attempt(server: &Arc<Server>, key: &Key, edns: bool, within: Duration, metrics: &ForwardMetrics) -> Result<Answer, Fault> {
    let began = clock::monotonic();
    metrics.asked(server.upstream);
    let result = ask(server.upstream.0, key, edns, within).await;
    let rcode = match &result {
        Ok(answer) => answer.rcode,
        Err(Fault::Unusable(Unusable::Failed(rcode))) => *rcode,
        Err(Fault::Unusable(_)) => Rcode::ServFail,
        Err(Fault::Silent) => {
            server.was_silent();
            metrics.silent(server.upstream);
            return Err(Fault::Silent);
        }
    };
    server.answered();
    metrics.answered(server.upstream, rcode, began.elapsed());
    result.map(|mut answer| {
        answer.by = Some(server.upstream);
        answer
    })
}

/// Asks a server for a name that only it can bring back to us, and notes whether it is alive.
pub(super) async fn probe(server: &Arc<Server>, key: &Key, within: Duration, metrics: &ForwardMetrics) {
    // Any answer shows that it is alive, a refusal too.
    drop(attempt(server, key, true, within, metrics).await);
}

async fn ask(server: SocketAddr, key: &Key, edns: bool, within: Duration) -> Result<Answer, Fault> {
    let id = u16::try_from(entropy::draw().0 & 0xffff).unwrap_or_default();
    let query = key.encode(id, edns);
    match by_udp(server, key, (id, &query), clock::monotonic() + within).await {
        Err(Fault::Unusable(Unusable::Truncated)) => by_tcp(server, key, (id, &query), clock::monotonic() + within).await,
        result => result,
    }
}

async fn by_udp(server: SocketAddr, key: &Key, (id, query): (u16, &[u8]), until: Instant) -> Result<Answer, Fault> {
    let any: SocketAddr = if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await?;
    // Packets of others do not reach a socket that is connected.
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut packet = vec![0; MOST_PACKET];
    for _ in 0..MOST_FOREIGN {
        let length = timeout_at(until, socket.recv(&mut packet)).await??;
        match Answer::read(key, id, packet.get(..length).unwrap_or_default()) {
            Err(Unusable::Foreign) => {}
            result => return result.map_err(Fault::Unusable),
        }
    }
    Err(Fault::Silent)
}

async fn by_tcp(server: SocketAddr, key: &Key, (id, query): (u16, &[u8]), until: Instant) -> Result<Answer, Fault> {
    let talk = async {
        let mut stream = TcpStream::connect(server).await?;
        let length = u16::try_from(query.len()).unwrap_or_default();
        stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
        let mut message = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut message).await?;
        io::Result::Ok(message)
    };
    let message = timeout_at(until, talk).await??;
    Answer::read(key, id, &message).map_err(Fault::Unusable)
}
