//! One process takes the place of another without a gap: it is given the listening sockets of the one before.
//!
//! A process that may be followed listens at a path, a Unix socket for its own user. The next one asks there before it binds anything:
//!
//! 1. It says [`ASK`] and gets copies of all sockets, the one at the path first. From then on nothing that waits in them can be lost:
//!    one of the two has them open.
//! 2. It gets ready and takes nothing out of them. If it fails it hangs up, and the one before has not noticed more than that. If the
//!    one before dies, the next one has the sockets.
//! 3. It begins to take what comes and says [`READY`]; for a moment both do. The one before says [`BYE`], answers what it has in hand,
//!    and ends by itself: nobody else knows when it is done, and until then it would hold connections, memory and its place in the store.
//!
//! The path is a name for the socket, as long as anybody listens on it. A crash leaves the name of a socket that nobody has: that is
//! replaced. Nothing else is left.

mod give;
mod take;
mod wire;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};

use crate::inherit::InheritError;

pub(super) use give::give;
pub(super) use take::Predecessor;

/// "Give me the sockets": the first byte of a conversation, and another one where the conversation is another.
const ASK: u8 = b'1';
/// "I take what comes."
const READY: u8 = b'R';
/// "I do not any more."
const BYE: u8 = b'B';
/// How long one side may take for its next word, unless it is getting ready.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a process is followed by another one.
#[derive(Debug, Clone)]
pub struct Handover {
    /// The Unix socket at which the next process asks.
    pub path: PathBuf,
    /// How long this process may take to be ready, before it leaves everything to the one before.
    pub warm_up: Duration,
}

/// Why a process cannot take over, nor start in the usual way.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The path cannot be used.
    #[error("cannot be asked for sockets at {}: {source}", .path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody listens at the path, and did not hand anything over.
    #[error("the process at {} does not hand over its sockets, and goes on as it is: {why}", .path.display())]
    Refused {
        /// The path.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// What was handed over cannot be used.
    #[error(transparent)]
    Sockets(#[from] InheritError),
    /// Sockets came from the service manager too.
    #[error(
        "the service manager passes the sockets (LISTEN_FDS), and keeps what comes between two processes by itself: \
         leave out the path {}, or the socket unit",
        .path.display()
    )]
    Twice {
        /// The path.
        path: PathBuf,
    },
}

impl Handover {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> HandoverError + '_ {
        move |source| HandoverError::Path { path: path.to_owned(), source }
    }
}

/// Whether the other side is the same user, or root.
fn is_ours(stream: &UnixStream) -> io::Result<bool> {
    let peer = stream.peer_cred()?.uid();
    Ok(peer == 0 || peer == rustix::process::geteuid().as_raw())
}

/// Listens at the path, for this user alone. It appears whole, in the place of one that nobody listens at.
///
/// # Errors
/// [`HandoverError::Path`] when there can be none.
pub(super) fn listen(path: &Path) -> Result<UnixListener, HandoverError> {
    try_listen(path).map_err(Handover::at(path))
}

fn try_listen(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;

    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}", std::process::id()));
    let partial = PathBuf::from(partial);
    let listener = UnixListener::bind(&partial)?;
    let named = std::fs::set_permissions(&partial, std::fs::Permissions::from_mode(0o600));
    if let Err(error) = named.and_then(|()| std::fs::rename(&partial, path)) {
        // It is of no use to anybody; what counts is why.
        drop(std::fs::remove_file(&partial));
        return Err(error);
    }
    Ok(listener)
}

#[cfg(test)]
mod tests;
