//! Listening sockets that somebody else had before: the service manager, or the process whose place this one takes.
//!
//! Whoever listens asks here first, by address, and binds only what is not there. What came while nobody read it waits in these
//! sockets, so a process that has got any opens its doors only when it can answer: until [`Inheritance::opened`] nobody takes anything
//! out of a socket, inherited or not. Copies of all sockets are kept for the next process where there may be one.

mod environment;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::net::{AddressFamily, SocketType, getsockname, sockopt};
use tokio_util::sync::CancellationToken;

pub(crate) use environment::passed;

/// Why sockets that were passed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InheritError {
    /// The variables that announce sockets cannot be read.
    #[error("sockets were announced that cannot be found: `{variable}` is `{value}`; it has to be {wanted}")]
    Announced {
        /// The variable.
        variable: &'static str,
        /// What it is.
        value: String,
        /// What it could be.
        wanted: String,
    },
    /// A socket is of another kind.
    #[error("the socket {name} that was passed cannot be used: {why}")]
    Useless {
        /// What it is called, by the manager or by its number.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing is served where they listen.
    #[error(
        "sockets were passed at which nothing is served: {sockets}. \
         Name their addresses in the configuration, once for TCP, or leave the sockets out of the socket unit"
    )]
    Unclaimed {
        /// Which they are.
        sockets: String,
    },
}

/// What a socket takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Udp,
    Tcp,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        })
    }
}

/// A socket that was passed, and where it listens.
#[derive(Debug)]
pub(crate) struct Passed {
    socket: OwnedFd,
    kind: Kind,
    address: SocketAddr,
    name: String,
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.kind, self.address, self.name)
    }
}

impl Passed {
    /// Looks what a socket is; `name` is for people.
    ///
    /// # Errors
    /// [`InheritError::Useless`] for what is neither UDP nor a TCP listener.
    pub(crate) fn new(socket: OwnedFd, name: String) -> Result<Self, InheritError> {
        match look(&socket) {
            Ok((kind, address)) => Ok(Self { socket, kind, address, name }),
            Err(why) => Err(InheritError::Useless { name, why }),
        }
    }
}

fn look(socket: &OwnedFd) -> Result<(Kind, SocketAddr), String> {
    let system = |errno: rustix::io::Errno| format!("the system says: {}", io::Error::from(errno));
    let family = sockopt::socket_domain(socket).map_err(system)?;
    if ![AddressFamily::INET, AddressFamily::INET6].contains(&family) {
        return Err("it is neither of IPv4 nor of IPv6".to_owned());
    }
    let kind = match sockopt::socket_type(socket).map_err(system)? {
        SocketType::DGRAM => Kind::Udp,
        SocketType::STREAM if sockopt::socket_acceptconn(socket).map_err(system)? => Kind::Tcp,
        SocketType::STREAM => return Err("it is a connection, and no listener (the unit has to say Accept=no)".to_owned()),
        _ => return Err("it is neither UDP nor TCP".to_owned()),
    };
    let address = getsockname(socket).map_err(system)?;
    let address = SocketAddr::try_from(address).map_err(system)?;
    Ok((kind, address))
}

/// Who passed the sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Giver {
    /// The service manager: its unit lists exactly those that are wanted.
    Manager,
    /// The process before this one, whose settings may have been others.
    Process,
}

/// See the module. Clones share it.
#[derive(Clone, Default)]
pub struct Inheritance(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    open: CancellationToken,
}

#[derive(Default)]
struct State {
    from: Option<Giver>,
    /// Those that nobody has asked for yet.
    passed: Vec<Passed>,
    /// Copies for the next process; none are kept where there will be none.
    kept: Option<Vec<OwnedFd>>,
}

impl fmt::Debug for Inheritance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inheritance").field("from", &self.from()).field("open", &self.0.open.is_cancelled()).finish_non_exhaustive()
    }
}

impl Inheritance {
    /// Every UDP socket at exactly this address, none being a reason to bind. What one holds is lost unless somebody reads it.
    #[must_use]
    pub fn udp(&self, address: SocketAddr) -> Vec<UdpSocket> {
        let mut state = self.state();
        let claimed = state.passed.extract_if(.., |passed| passed.kind == Kind::Udp && passed.address == address);
        claimed.map(|passed| UdpSocket::from(passed.socket)).collect()
    }

    /// The TCP listener at exactly this address.
    #[must_use]
    pub fn tcp(&self, address: SocketAddr) -> Option<TcpListener> {
        let mut state = self.state();
        let place = state.passed.iter().position(|passed| passed.kind == Kind::Tcp && passed.address == address)?;
        Some(TcpListener::from(state.passed.swap_remove(place).socket))
    }

    /// Notes a socket that is listened on, wherever it came from, for the process that takes over.
    ///
    /// # Errors
    /// When there are no file descriptors left.
    pub fn keep(&self, socket: &impl AsFd) -> io::Result<()> {
        if let Some(kept) = &mut self.state().kept {
            kept.push(socket.as_fd().try_clone_to_owned()?);
        }
        Ok(())
    }

    /// Waits until what comes may be taken out of the sockets.
    pub fn opened(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.open.clone().cancelled_owned()
    }

    pub(crate) fn open(&self) {
        self.0.open.cancel();
    }

    /// Takes sockets; without any nothing changes.
    pub(crate) fn adopt(&self, from: Giver, passed: Vec<Passed>) {
        if !passed.is_empty() {
            let mut state = self.state();
            state.from = Some(from);
            state.passed.extend(passed);
        }
    }

    /// Who passed sockets, if anybody did.
    pub(crate) fn from(&self) -> Option<Giver> {
        self.state().from
    }

    /// To be called when everything is bound: what nobody asked for is closed.
    ///
    /// # Errors
    /// [`InheritError::Unclaimed`] when the service manager passed it: what comes there would wait for ever.
    pub(crate) fn all_claimed(&self) -> Result<(), InheritError> {
        let mut state = self.state();
        let rest: Vec<String> = std::mem::take(&mut state.passed).iter().map(ToString::to_string).collect();
        let sockets = rest.join(", ");
        match state.from {
            Some(Giver::Manager) if !rest.is_empty() => Err(InheritError::Unclaimed { sockets }),
            _ => {
                if !rest.is_empty() {
                    tracing::info!(sockets, "nothing is served any more where the process before did");
                }
                Ok(())
            }
        }
    }

    /// From now on copies are kept.
    pub(crate) fn begin_keeping(&self) {
        self.state().kept.get_or_insert_default();
    }

    /// Closes the copies: a listener that is closed has to be closed.
    pub(crate) fn forget(&self) {
        self.state().kept = None;
    }

    /// Copies of the copies, to be sent away.
    pub(crate) fn copies(&self) -> io::Result<Vec<OwnedFd>> {
        self.state().kept.iter().flatten().map(OwnedFd::try_clone).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under this lock can leave the lists half changed.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
