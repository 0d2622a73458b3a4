//! A server that is asked by UDP, from a socket of its own for each question (so that the kernel draws a port for it), and by TCP where
//! the answer is cut, or may be somebody else's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use polder_core::dns::Rcode;
use polder_core::dns::cookie::Secret;
use polder_core::dns::resolver::{Answer, Asking, Cookie, Key, Marks, Unusable};
use polder_runtime::{clock, entropy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use super::exchange::Fault;

/// The most packets that are no answer to our question for which one try goes on waiting: somebody may be guessing.
const MOST_FOREIGN: usize = 64;
/// Longer than any packet that we say we take.
const MOST_PACKET: usize = 4096;

/// See the module.
pub(super) struct Plain {
    address: SocketAddr,
    /// What our cookies are made with.
    secret: Secret,
    /// Held for one look or one change, never over anything that waits.
    marks: Mutex<Marks>,
}

impl Plain {
    pub(super) fn new(address: SocketAddr, secret: Secret) -> Self {
        Self { address, secret, marks: Mutex::default() }
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the server is asked from an address of ours.
    fn asking(&self, own: IpAddr, edns: bool) -> Asking {
        let (id, letters) = (u16::try_from(entropy::draw().0 & 0xffff).unwrap_or_default(), entropy::draw().0);
        let own = Cookie::of(&self.secret, own, self.address, clock::now().0 / 1_000_000);
        self.marks().asking((id, edns), own, letters)
    }

    pub(super) async fn ask(&self, key: &Key, edns: bool, within: Duration) -> Result<Answer, Fault> {
        let until = clock::monotonic() + within;
        let mut result = self.by_udp(key, edns, until).await;
        if matches!(result, Err(Fault::Unusable(Unusable::Failed(Rcode::BadCookie)))) {
            // Once more, with the cookie that came with it (RFC 7873 §5.3).
            result = self.by_udp(key, edns, until).await;
        }
        match result {
            Err(Fault::Unusable(Unusable::Truncated | Unusable::Doubtful | Unusable::Failed(Rcode::BadCookie))) => {
                self.by_tcp(key, edns, clock::monotonic() + within).await
            }
            result => result,
        }
    }

    async fn by_udp(&self, key: &Key, edns: bool, until: Instant) -> Result<Answer, Fault> {
        let is_v4 = self.address.is_ipv4();
        let any: SocketAddr = if is_v4 { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        let socket = UdpSocket::bind(any).await?;
        // Packets of others do not reach a socket that is connected.
        socket.connect(self.address).await?;
        let asking = self.asking(socket.local_addr()?.ip(), edns);
        socket.send(&asking.encode(key)).await?;
        let mut packet = vec![0; MOST_PACKET];
        for _ in 0..MOST_FOREIGN {
            let length = timeout_at(until, socket.recv(&mut packet)).await??;
            match self.marks().read(&asking, key, packet.get_mut(..length).unwrap_or_default()) {
                Err(Unusable::Foreign) => {}
                result => return result.map_err(Fault::Unusable),
            }
        }
        Err(Fault::Silent(format!("{MOST_FOREIGN} packets in its name were no answers")))
    }

    async fn by_tcp(&self, key: &Key, edns: bool, until: Instant) -> Result<Answer, Fault> {
        let talk = async {
            let mut stream = TcpStream::connect(self.address).await?;
            let asking = self.asking(stream.local_addr()?.ip(), edns);
            stream.write_all(&framed(&asking.encode(key))).await?;
            let mut message = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut message).await?;
            io::Result::Ok((asking, message))
        };
        let silent = |why: String| Fault::Silent(format!("by TCP: {why}"));
        let talked = timeout_at(until, talk).await.map_err(|late| silent(late.to_string()))?;
        let (asking, mut message) = talked.map_err(|error| silent(error.to_string()))?;
        let mut marks = self.marks();
        let before = marks.changes_letters();
        let read = marks.read_safe(&asking, key, &mut message).map_err(Fault::Unusable);
        if marks.changes_letters() && !before {
            tracing::info!(
                upstream = %self.address,
                "an upstream changes the letter case of names: it does not protect answers of this one from forgery any more"
            );
        }
        read
    }
}

/// A message behind its length, in one piece (RFC 7766 §8).
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or_default();
    [&length.to_be_bytes(), message].concat()
}
