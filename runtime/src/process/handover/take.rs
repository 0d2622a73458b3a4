//! The side of the process that takes over.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::{ASK, BYE, Handover, HandoverError, PATIENCE, READY, is_ours, wire};
use crate::inherit::Passed;

/// The process before this one, which goes on until it is told otherwise.
#[derive(Debug)]
pub(in crate::process) struct Predecessor {
    stream: UnixStream,
    /// The socket at the path.
    listener: UnixListener,
}

impl Predecessor {
    /// Asks at the path; `None` where nobody listens.
    ///
    /// # Errors
    /// [`HandoverError`] when somebody does, and hands nothing over, and for a path that is something else.
    pub(in crate::process) async fn ask(path: &Path) -> Result<Option<(Self, Vec<Passed>)>, HandoverError> {
        let Some(stream) = connect(path).await.map_err(Handover::at(path))? else { return Ok(None) };
        let refused = |why: String| HandoverError::Refused { path: path.to_owned(), why };
        let (stream, mut sockets) = match timeout(PATIENCE, converse(stream)).await {
            Ok(conversed) => conversed.map_err(|error| refused(error.to_string()))?,
            Err(_) => return Err(refused(format!("it says nothing for {PATIENCE:?}"))),
        };
        if sockets.is_empty() {
            return Err(refused("it has none".to_owned()));
        }
        let listener = unix(sockets.remove(0)).map_err(|error| refused(format!("the socket at the path is none: {error}")))?;
        let numbered = sockets.into_iter().enumerate();
        let passed = numbered.map(|(number, socket)| Passed::new(socket, format!("number {number} of the process before")));
        let passed = passed.collect::<Result<_, _>>()?;
        Ok(Some((Self { stream, listener }, passed)))
    }

    /// Whether it lives: then it answers what comes.
    pub(in crate::process) fn lives(&self) -> bool {
        matches!(self.stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Tells it that this process takes what comes, and gives the socket at the path.
    pub(in crate::process) async fn relieve(mut self) -> UnixListener {
        let told = timeout(PATIENCE, async {
            self.stream.write_all(&[READY]).await?;
            self.stream.read_u8().await
        });
        match told.await {
            Ok(Ok(BYE)) => tracing::info!("the process before has handed over; it answers what it has in hand, and ends"),
            Ok(Ok(_)) => tracing::warn!("the process before does not understand that it is relieved; look whether it ends"),
            Ok(Err(error)) => tracing::info!("the process before has ended in the middle of the handover: {error}"),
            Err(_) => tracing::warn!("the process before says nothing for {PATIENCE:?}; look whether it ends"),
        }
        self.listener
    }
}

/// Where nobody listens there may be nothing, or what a crash left.
async fn connect(path: &Path) -> io::Result<Option<UnixStream>> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(io::Error::other("it is there, and no socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => _ = found?,
    }
    match UnixStream::connect(path).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if [io::ErrorKind::ConnectionRefused, io::ErrorKind::NotFound].contains(&error.kind()) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn converse(mut stream: UnixStream) -> io::Result<(UnixStream, Vec<OwnedFd>)> {
    if !is_ours(&stream)? {
        return Err(io::Error::other("it belongs to another user"));
    }
    stream.write_all(&[ASK]).await?;
    let sockets = wire::receive(&stream).await?;
    Ok((stream, sockets))
}

fn unix(socket: OwnedFd) -> io::Result<UnixListener> {
    let listener = net::UnixListener::from(socket);
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}
