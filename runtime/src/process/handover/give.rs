//! The side of the process that is followed: a task that lasts as long as the process serves.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{ASK, BYE, PATIENCE, READY, is_ours, wire};
use crate::inherit::Inheritance;

/// After a connection that was not accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Hands the sockets to one process after the other, until one of them is ready to take what comes: then `stop` is cancelled. When
/// `stop` comes otherwise the path goes, unless another process has just got the socket that it names.
pub(in crate::process) async fn give(listener: UnixListener, path: PathBuf, inheritance: Inheritance, stop: CancellationToken) {
    let mut is_shared = false;
    let is_relieved = stop.run_until_cancelled(serve(&listener, &inheritance, &mut is_shared)).await.is_some();
    if is_relieved {
        tracing::info!("another process takes what comes from now on; this one answers what it has in hand, and ends");
        stop.cancel();
    } else if !is_shared && let Err(error) = std::fs::remove_file(&path) {
        tracing::debug!(path = %path.display(), "the socket for the next process stays: {error}");
    }
}

/// Ends when this process is relieved. `is_shared` as long as another one has the sockets.
async fn serve(listener: &UnixListener, inheritance: &Inheritance, is_shared: &mut bool) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("the next process cannot be heard: {error}");
                sleep(PAUSE).await;
                continue;
            }
        };
        let conversed = converse(listener, inheritance, stream, is_shared).await;
        *is_shared = false;
        match conversed {
            Ok(true) => return,
            Ok(false) => tracing::info!("the process that asked for the sockets has given up; this one goes on"),
            Err(error) => tracing::warn!("the sockets were not handed over, this process goes on: {error}"),
        }
    }
}

/// Whether the other process is ready to take what comes. As long as it gets ready it may take its time: it knows its own bound.
async fn converse(
    listener: &UnixListener,
    inheritance: &Inheritance,
    mut stream: UnixStream,
    is_shared: &mut bool,
) -> io::Result<bool> {
    if !is_ours(&stream)? {
        return Err(io::Error::other("whoever asked is neither of this user nor root"));
    }
    timeout(PATIENCE, hand_over(listener, inheritance, &mut stream)).await??;
    *is_shared = true;
    tracing::info!("another process has copies of the sockets, and gets ready");
    let mut word = [0];
    if stream.read(&mut word).await.unwrap_or(0) == 0 || word[0] != READY {
        return Ok(false);
    }
    // It reads them already, whether it hears this or not.
    if let Err(error) = timeout(PATIENCE, stream.write_all(&[BYE])).await.map_err(io::Error::from).flatten() {
        tracing::debug!("the process that took over did not hear that this one ends: {error}");
    }
    Ok(true)
}

async fn hand_over(listener: &UnixListener, inheritance: &Inheritance, stream: &mut UnixStream) -> io::Result<()> {
    let asked = stream.read_u8().await?;
    if asked != ASK {
        return Err(io::Error::other(format!("whoever asked said {asked}, and not {ASK}: it is of another version")));
    }
    let mut sockets: Vec<OwnedFd> = vec![listener.as_fd().try_clone_to_owned()?];
    sockets.extend(inheritance.copies()?);
    wire::send(stream, &sockets).await
}
