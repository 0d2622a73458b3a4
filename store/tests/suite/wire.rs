//! A relay in front of an etcd member that reads the frames of HTTP/2 as they pass, both ways.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What a client says before its first frame.
const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
const HEADER: usize = 9;
const PING: u8 = 0x6;
const ACKNOWLEDGES: u8 = 0x1;
const GOAWAY: u8 = 0x7;
/// The last stream and the code come before the text.
const GOAWAY_TEXT: usize = 8;

/// What has passed so far, on all connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct Passed {
    /// When the client asked for a sign of life.
    pub(crate) pings: Vec<Instant>,
    /// With which words the member ended a connection.
    pub(crate) farewells: Vec<String>,
}

/// A relay on a port of its own. Dropping it cuts its connections.
pub(crate) struct Wire {
    address: String,
    passed: Arc<Mutex<Passed>>,
    _accepts: JoinSet<()>,
}

impl Wire {
    /// A relay to the member at `to`.
    pub(crate) async fn to(to: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let passed = Arc::<Mutex<Passed>>::default();
        let (member, seen) = (to.to_owned(), Arc::clone(&passed));
        let mut accepts = JoinSet::new();
        accepts.spawn(async move {
            let mut relays = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                relays.spawn(relay(client, member.clone(), Arc::clone(&seen)));
            }
        });
        Self { address, passed, _accepts: accepts }
    }

    /// Where clients find it, as `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn passed(&self) -> Passed {
        self.passed.lock().unwrap().clone()
    }
}

/// One connection, until either side ends it.
async fn relay(client: TcpStream, member: String, passed: Arc<Mutex<Passed>>) {
    let Ok(server) = TcpStream::connect(member).await else { return };
    for side in [&client, &server] {
        side.set_nodelay(true).unwrap();
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let pings = Arc::clone(&passed);
    let up = frames(from_client, to_server, PREFACE, move |kind, flags, _| {
        if kind == PING && flags & ACKNOWLEDGES == 0 {
            pings.lock().unwrap().pings.push(Instant::now());
        }
    });
    let down = frames(from_server, to_client, 0, move |kind, _, payload| {
        if kind == GOAWAY {
            let text = payload.get(GOAWAY_TEXT..).map(String::from_utf8_lossy).unwrap_or_default();
            passed.lock().unwrap().farewells.push(text.into_owned());
        }
    });
    // An end of one side is the end of both, and no matter here.
    tokio::select! { _ = up => {}, _ = down => {} }
}

/// Hands on what `from` sends, frame by frame, and shows each frame's kind, flags and payload.
async fn frames(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    preface: usize,
    mut show: impl FnMut(u8, u8, &[u8]),
) -> std::io::Result<()> {
    let mut frame = vec![0; preface];
    from.read_exact(&mut frame).await?;
    loop {
        to.write_all(&frame).await?;
        frame.resize(HEADER, 0);
        from.read_exact(&mut frame).await?;
        let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]) as usize;
        frame.resize(HEADER + length, 0);
        from.read_exact(&mut frame[HEADER..]).await?;
        show(frame[3], frame[4], &frame[HEADER..]);
    }
}
