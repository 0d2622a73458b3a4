//! Sockets over a Unix socket: messages of one byte, which says how many of them the message carries (`SCM_RIGHTS`). A message of 0
//! is the last one.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Sockets of one message; the kernel takes no more than 253.
const EACH: usize = 64;
/// The most sockets that are taken in all.
const MOST: usize = 4096;

/// Sends the sockets; the caller keeps its own.
///
/// # Errors
/// Those of the connection.
pub(super) async fn send(stream: &UnixStream, sockets: &[OwnedFd]) -> io::Result<()> {
    for part in sockets.chunks(EACH) {
        let part: Vec<BorrowedFd<'_>> = part.iter().map(OwnedFd::as_fd).collect();
        send_part(stream, &part).await?;
    }
    send_part(stream, &[]).await
}

async fn send_part(stream: &UnixStream, part: &[BorrowedFd<'_>]) -> io::Result<()> {
    let count = [u8::try_from(part.len()).map_err(io::Error::other)?];
    let send = || {
        let mut room = [MaybeUninit::uninit(); cmsg_space!(ScmRights(EACH))];
        let mut control = SendAncillaryBuffer::new(&mut room);
        if !part.is_empty() && !control.push(SendAncillaryMessage::ScmRights(part)) {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        Ok(sendmsg(stream, &[IoSlice::new(&count)], &mut control, flags).map(drop)?)
    };
    stream.async_io(Interest::WRITABLE, send).await
}

/// Takes the sockets that the other side sends.
///
/// # Errors
/// Those of the connection; when fewer sockets arrive than were sent; when there are more than anybody listens on.
pub(super) async fn receive(stream: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    let mut sockets = Vec::new();
    loop {
        let part = stream.async_io(Interest::READABLE, || receive_part(stream)).await?;
        if part.is_empty() {
            return Ok(sockets);
        }
        sockets.extend(part);
        if sockets.len() > MOST {
            return Err(io::Error::other(format!("more than {MOST} sockets were sent")));
        }
    }
}

fn receive_part(stream: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    let mut room = [MaybeUninit::uninit(); cmsg_space!(ScmRights(EACH))];
    let (mut count, mut control) = ([0], RecvAncillaryBuffer::new(&mut room));
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let message = recvmsg(stream, &mut [IoSliceMut::new(&mut count)], &mut control, flags)?;
    if message.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut sockets = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(some) = message {
            sockets.extend(some);
        }
    }
    if message.flags.contains(ReturnFlags::CTRUNC) || sockets.len() != usize::from(count[0]) {
        let text = format!("{} of {} sockets arrived; are there file descriptors left (ulimit -n)?", sockets.len(), count[0]);
        return Err(io::Error::other(text));
    }
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[tokio::test]
    async fn any_number_of_sockets_arrives_in_order() {
        for number in [0, 1, EACH, 2 * EACH + 1] {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let sockets: Vec<UdpSocket> = (0..number).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
            let at: Vec<_> = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
            let sockets: Vec<OwnedFd> = sockets.into_iter().map(OwnedFd::from).collect();
            let (sent, received) = tokio::join!(send(&ours, &sockets), receive(&theirs));
            sent.unwrap();
            drop(sockets);
            let arrived = received.unwrap().into_iter().map(|socket| UdpSocket::from(socket).local_addr().unwrap());
            assert_eq!(arrived.collect::<Vec<_>>(), at);
        }
    }

    #[tokio::test]
    async fn sockets_that_do_not_come_are_missed() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.try_write(&[2]).unwrap();
        assert!(receive(&theirs).await.unwrap_err().to_string().contains("0 of 2"));
        drop(ours);
        assert_eq!(receive(&theirs).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
