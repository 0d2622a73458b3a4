//! One question at a time, to learn when a name is served.

use std::net::SocketAddr;
use std::time::Duration;

use polder_core::dns::RecordType;
use polder_core::dns::message::Message;
use polder_core::dns::wire::encode_query;
use polder_runtime::clock::monotonic;
use polder_runtime::tasks::Failure;
use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};

/// How long one answer may take: after that it counts as lost.
const LOST: Duration = Duration::from_secs(1);
/// The pause before a server that does not answer at all is asked again.
const PAUSE: Duration = Duration::from_millis(20);

/// Somebody who asks one server.
pub(super) struct Asking {
    socket: UdpSocket,
    next: u16,
}

impl Asking {
    pub(super) async fn of(server: SocketAddr) -> Result<Self, Failure> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.connect(server).await?;
        Ok(Self { socket, next: 0 })
    }

    /// Asks for an address of a name until there is one.
    ///
    /// # Errors
    /// When there is none for so long.
    pub(super) async fn until_served(&mut self, name: &str, patience: Duration) -> Result<(), Failure> {
        let (parsed, begun) = (name.parse()?, monotonic());
        loop {
            self.next = self.next.wrapping_add(1);
            let query = encode_query(self.next, &parsed, RecordType::A);
            match timeout(LOST, self.answer(&query)).await {
                Ok(Ok(message)) if !message.answer.is_empty() => return Ok(()),
                Ok(Ok(_)) => {}
                // Nobody listens yet, or a packet was lost.
                Ok(Err(_)) | Err(_) => sleep(PAUSE).await,
            }
            if begun.elapsed() > patience {
                return Err(format!("`{name}` was not served within {patience:?}").into());
            }
        }
    }

    /// The answer to this query; others are answers to what was given up.
    async fn answer(&self, query: &[u8]) -> Result<Message, Failure> {
        self.socket.send(query).await?;
        let mut buffer = [0; 4096];
        loop {
            let length = self.socket.recv(&mut buffer).await?;
            if let Some(message) = buffer.get(..length).and_then(Message::read).filter(|message| message.id == self.next) {
                return Ok(message);
            }
        }
    }
}
