//! Sockets: UDP and TCP on the same port number.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// Bursts of some thousand queries wait here while a thread is busy.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 512;
/// A free TCP port may be taken for UDP: others are tried.
const ATTEMPTS: usize = 16;
/// How often a thread without queries looks whether it should end.
pub(crate) const LOOK_UP: Duration = Duration::from_millis(200);

/// Why the name server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve DNS at {address}: {source}")]
pub struct CannotListen {
    /// The address that was asked for.
    pub address: SocketAddr,
    source: io::Error,
}

/// One address, listened on.
pub(crate) struct Sockets {
    /// With the port that was really bound.
    pub(crate) address: SocketAddr,
    /// One for each thread; the kernel spreads queries over them by client.
    pub(crate) udp: Vec<UdpSocket>,
    pub(crate) tcp: TcpListener,
}

impl Sockets {
    pub(crate) fn bind(address: SocketAddr, workers: usize) -> Result<Self, CannotListen> {
        let mut attempts = if address.port() == 0 { ATTEMPTS } else { 1 };
        loop {
            attempts -= 1;
            match Self::try_bind(address, workers) {
                Err(error) if attempts > 0 && error.kind() == io::ErrorKind::AddrInUse => {}
                result => return result.map_err(|source| CannotListen { address, source }),
            }
        }
    }

    /// TCP first, and not shared: it keeps a second server from taking half of this one's queries.
    fn try_bind(address: SocketAddr, workers: usize) -> io::Result<Self> {
        let tcp = socket(address, Type::STREAM, Protocol::TCP)?;
        tcp.set_reuse_address(true)?;
        tcp.bind(&address.into())?;
        tcp.listen(BACKLOG)?;
        tcp.set_nonblocking(true)?;
        let tcp = TcpListener::from(tcp);
        let address = tcp.local_addr()?;
        let udp = (0..workers).map(|_| Self::udp(address)).collect::<io::Result<_>>()?;
        Ok(Self { address, udp, tcp })
    }

    fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
        let udp = socket(address, Type::DGRAM, Protocol::UDP)?;
        udp.set_reuse_port(true)?;
        // The kernel gives what its limits allow; less than asked for is no failure.
        if let Err(error) = udp.set_recv_buffer_size(RECEIVE_BUFFER) {
            tracing::debug!("a small receive buffer: {error}");
        }
        udp.bind(&address.into())?;
        udp.set_read_timeout(Some(LOOK_UP))?;
        Ok(UdpSocket::from(udp))
    }
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // IPv4 has its own sockets: an answer's family is then never in doubt.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}
