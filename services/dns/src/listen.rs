//! Sockets: UDP and TCP on the same port number.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::udp::tell_destinations;

/// Bursts of some thousand queries wait here while a thread is busy.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Answers on their way out. It is larger than what the kernel keeps for one neighbour that does not answer, so that none can take
/// all of it.
const SEND_BUFFER: usize = 1 << 20;
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

    /// TCP alone, as TLS wants it.
    pub(crate) fn bind_tls(address: SocketAddr) -> Result<(SocketAddr, TcpListener), CannotListen> {
        let bound = Self::tcp(address).and_then(|tcp| Ok((tcp.local_addr()?, tcp)));
        bound.map_err(|source| CannotListen { address, source })
    }

    /// TCP first, and not shared: it keeps a second server from taking half of this one's queries.
    fn try_bind(address: SocketAddr, workers: usize) -> io::Result<Self> {
        let tcp = Self::tcp(address)?;
        let address = tcp.local_addr()?;
        let udp = (0..workers).map(|_| Self::udp(address)).collect::<io::Result<Vec<_>>>()?;
        udp.first().map_or(Ok(()), |socket| log_room(address, socket))?;
        Ok(Self { address, udp: udp.into_iter().map(UdpSocket::from).collect(), tcp })
    }

    fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
        let tcp = socket(address, Type::STREAM, Protocol::TCP)?;
        tcp.set_reuse_address(true)?;
        tcp.bind(&address.into())?;
        tcp.listen(BACKLOG)?;
        tcp.set_nonblocking(true)?;
        Ok(tcp.into())
    }

    fn udp(address: SocketAddr) -> io::Result<Socket> {
        let udp = socket(address, Type::DGRAM, Protocol::UDP)?;
        udp.set_reuse_port(true)?;
        // The kernel gives what its limits allow; less than asked for is no failure.
        if let Err(error) = udp.set_recv_buffer_size(RECEIVE_BUFFER).and_then(|()| udp.set_send_buffer_size(SEND_BUFFER)) {
            tracing::debug!(%address, "buffers stay as they are: {error}");
        }
        if address.ip().is_unspecified() {
            tell_destinations(udp.as_fd(), address.is_ipv6())?;
        }
        udp.bind(&address.into())?;
        udp.set_read_timeout(Some(LOOK_UP))?;
        Ok(udp)
    }
}

/// Says how large the receive buffers of an address are. All are asked for alike.
fn log_room(address: SocketAddr, udp: &Socket) -> io::Result<()> {
    // Linux reports twice what it was asked for: one half is for its own bookkeeping.
    let bytes = udp.recv_buffer_size()? / 2;
    if bytes < RECEIVE_BUFFER {
        let advice = "queries may be lost in bursts; raise net.core.rmem_max to have what is wanted";
        tracing::info!(%address, bytes, wanted = RECEIVE_BUFFER, "a small receive buffer: {advice}");
    } else {
        tracing::debug!(%address, bytes, "receive buffer");
    }
    Ok(())
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // IPv4 has its own sockets: an answer's family is then never in doubt.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}
