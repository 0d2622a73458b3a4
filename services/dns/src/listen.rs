//! Sockets: UDP and TCP on the same port number. Those that somebody else had before are taken first, whoever that was.

#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use polder_runtime::inherit::Inheritance;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

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
    /// One for each thread; the kernel spreads queries over them by client. Several threads may have the same one.
    pub(crate) udp: Vec<Arc<UdpSocket>>,
    pub(crate) tcp: TcpListener,
}

impl Sockets {
    /// Takes what was passed for the address, and binds what is missing.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub(crate) fn open(address: SocketAddr, workers: usize, inheritance: &Inheritance) -> Result<Self, CannotListen> {
        let (udp, tcp) = (inheritance.udp(address), inheritance.tcp(address));
        let opened = if udp.is_empty() && tcp.is_none() {
            Self::bind(address, workers)
        } else {
            Self::complete(address, workers, (udp, tcp))
        };
        let keep = |opened: Self| {
            inheritance.keep(&opened.tcp)?;
            // Those that threads share stand at the end once more.
            let own = opened.udp.iter().enumerate().filter(|(place, udp)| !shares(&opened.udp, *place, udp));
            own.map(|(_, udp)| udp).try_for_each(|udp| inheritance.keep(udp))?;
            Ok(opened)
        };
        opened.and_then(keep).map_err(|source| CannotListen { address, source })
    }

    fn bind(address: SocketAddr, workers: usize) -> io::Result<Self> {
        let mut attempts = if address.port() == 0 { ATTEMPTS } else { 1 };
        loop {
            attempts -= 1;
            match Self::complete(address, workers, (Vec::new(), None)) {
                Err(error) if attempts > 0 && error.kind() == io::ErrorKind::AddrInUse => {}
                result => return result,
            }
        }
    }

    /// TCP alone, as TLS wants it.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub(crate) fn open_tls(address: SocketAddr, inheritance: &Inheritance) -> Result<(SocketAddr, TcpListener), CannotListen> {
        let opened = Self::tcp(address, inheritance.tcp(address)).and_then(|tcp| {
            inheritance.keep(&tcp)?;
            Ok((tcp.local_addr()?, tcp))
        });
        opened.map_err(|source| CannotListen { address, source })
    }

    /// TCP first, and not shared: it keeps a second server from taking half of this one's queries.
    fn complete(address: SocketAddr, workers: usize, passed: (Vec<UdpSocket>, Option<TcpListener>)) -> io::Result<Self> {
        let (udp, tcp) = passed;
        let tcp = Self::tcp(address, tcp)?;
        let address = tcp.local_addr()?;
        let udp: Vec<Socket> = if udp.is_empty() {
            (0..workers).map(|_| Self::udp(address)).collect::<io::Result<_>>()?
        } else {
            udp.into_iter().map(|udp| Self::passed(udp.into(), address)).collect::<io::Result<_>>()?
        };
        udp.first().map_or(Ok(()), |socket| log_room(address, socket))?;
        Ok(Self { address, udp: spread(udp, workers), tcp })
    }

    fn tcp(address: SocketAddr, passed: Option<TcpListener>) -> io::Result<TcpListener> {
        let tcp = match passed {
            Some(passed) => one_family(SockRef::from(&passed), address).map(|()| passed)?,
            None => Self::bind_tcp(address)?,
        };
        tcp.set_nonblocking(true)?;
        Ok(tcp)
    }

    fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
        let tcp = socket(address, Type::STREAM, Protocol::TCP)?;
        tcp.set_reuse_address(true)?;
        tcp.bind(&address.into())?;
        tcp.listen(BACKLOG)?;
        Ok(tcp.into())
    }

    fn udp(address: SocketAddr) -> io::Result<Socket> {
        let udp = socket(address, Type::DGRAM, Protocol::UDP)?;
        udp.set_reuse_port(true)?;
        let udp = Self::fitted(udp, address)?;
        udp.bind(&address.into())?;
        Ok(udp)
    }

    fn passed(udp: Socket, address: SocketAddr) -> io::Result<Socket> {
        one_family(SockRef::from(&udp), address)?;
        Self::fitted(udp, address)
    }

    /// A socket as the threads want it. What is set here is the same in all processes that have it.
    fn fitted(udp: Socket, address: SocketAddr) -> io::Result<Socket> {
        if let Err(error) = grow(&udp) {
            tracing::debug!(%address, "buffers stay as they are: {error}");
        }
        if address.ip().is_unspecified() {
            tell_destinations(udp.as_fd(), address.is_ipv6())?;
        }
        udp.set_nonblocking(false)?;
        udp.set_read_timeout(Some(LOOK_UP))?;
        Ok(udp)
    }
}

/// Refuses a socket of IPv6 that takes IPv4 too: whose address a client has would be in doubt, and it cannot be changed any more.
fn one_family(socket: SockRef<'_>, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() && address.ip().is_unspecified() && !socket.only_v6()? {
        let advice = "let its unit say BindIPv6Only=ipv6-only, and list addresses of IPv4 beside it";
        return Err(io::Error::other(format!("the socket that was passed takes IPv4 too; {advice}")));
    }
    Ok(())
}

/// Asks for the buffers. The kernel gives what its limits allow; less than asked for is no failure. A service manager may give more than
/// these, and asking anew would take that away.
fn grow(udp: &Socket) -> io::Result<()> {
    if room(udp.recv_buffer_size()?) < RECEIVE_BUFFER {
        udp.set_recv_buffer_size(RECEIVE_BUFFER)?;
    }
    if room(udp.send_buffer_size()?) < SEND_BUFFER {
        udp.set_send_buffer_size(SEND_BUFFER)?;
    }
    Ok(())
}

/// Linux reports twice what it was asked for: one half is for its own bookkeeping.
const fn room(reported: usize) -> usize {
    reported / 2
}

/// One socket for each thread. No socket stays without a thread, whatever the threads that are wanted: what it holds would be lost. Nor
/// is one added to those that were passed: some day it would be one too many, and be closed with what it holds.
fn spread(sockets: Vec<Socket>, threads: usize) -> Vec<Arc<UdpSocket>> {
    let sockets: Vec<Arc<UdpSocket>> = sockets.into_iter().map(|socket| Arc::new(socket.into())).collect();
    let count = threads.max(sockets.len());
    sockets.iter().cycle().take(count).cloned().collect()
}

/// Whether the socket at this place is one that stands before it too.
fn shares(sockets: &[Arc<UdpSocket>], place: usize, socket: &Arc<UdpSocket>) -> bool {
    sockets.iter().take(place).any(|earlier| Arc::ptr_eq(earlier, socket))
}

/// Says how large the receive buffers of an address are. All are asked for alike.
fn log_room(address: SocketAddr, udp: &Socket) -> io::Result<()> {
    let bytes = room(udp.recv_buffer_size()?);
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
