//! Datagrams by the batch: one `recvmmsg` takes what waits in a socket, one `sendmmsg` sends the answers, each from the address that
//! was asked.
//!
//! The kernel's interface is arrays of raw pointers, and no crate here wraps both calls with a source address for each answer. So
//! the unsafe code of the name server is in this file, and only here. Pointers are made anew for every call and live no longer.

#![expect(unsafe_code, reason = "recvmmsg and sendmmsg take arrays of raw pointers")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use libc::{
    c_int, c_void, cmsghdr, in_pktinfo, in6_pktinfo, iovec, mmsghdr, sockaddr_in, sockaddr_in6, sockaddr_storage, socklen_t,
};
use polder_core::dns::Near;
use polder_core::dns::wire::MOST_UDP;
use socket2::{SockAddr, SockAddrStorage};

/// Datagrams of one system call.
pub(super) const MOST: usize = 32;
/// The longest query that we say we take (RFC 6891 §6.2.4): what does not fit here is cut and gets FORMERR.
pub(super) const MOST_QUERY: usize = MOST_UDP as usize;
/// Bytes that come near the processor at once.
const LINE: usize = 64;
/// The most of them that are asked for of one answer: what is looked at for a service has about three.
const MOST_LINES: usize = 6;
/// Room for where a packet was sent to, of either family.
// SAFETY: arithmetic on a size.
const CONTROL: usize = unsafe { libc::CMSG_SPACE(size_of::<in6_pktinfo>() as u32) } as usize;

/// What the kernel says of a packet, laid out as it demands.
#[derive(Clone, Copy)]
struct Control {
    _aligned: [cmsghdr; 0],
    _room: [u8; CONTROL],
}

/// Where an answer goes, and where from.
#[derive(Clone, Copy)]
pub(super) struct Route {
    peer: sockaddr_storage,
    peer_length: socklen_t,
    control: Control,
    control_length: usize,
}

impl Route {
    const fn unknown() -> Self {
        // SAFETY: an address of zeroes is one of no family, which is what it is until the kernel says more.
        let peer = unsafe { std::mem::zeroed() };
        let control = Control { _aligned: [], _room: [0; CONTROL] };
        Self { peer, peer_length: 0, control, control_length: 0 }
    }

    /// A message to be filled, with up to `control` bytes of where it was sent to, or to be sent.
    fn message(&mut self, part: &mut iovec, control: usize) -> mmsghdr {
        let mut message = empty();
        message.msg_hdr.msg_name = (&raw mut self.peer).cast();
        message.msg_hdr.msg_namelen = self.peer_length;
        message.msg_hdr.msg_iov = part;
        message.msg_hdr.msg_iovlen = 1;
        if control > 0 {
            message.msg_hdr.msg_control = (&raw mut self.control).cast();
            message.msg_hdr.msg_controllen = control as _;
        }
        message
    }

    /// Sends one answer that was not ready with its batch, without waiting.
    ///
    /// # Errors
    /// Those of the socket; the answer is lost.
    pub(super) fn send(mut self, socket: &UdpSocket, answer: &[u8]) -> io::Result<()> {
        let mut part = iovec { iov_base: answer.as_ptr().cast_mut().cast(), iov_len: answer.len() };
        let message = self.message(&mut part, self.control_length).msg_hdr;
        // SAFETY: the message points to `part`, which points to the answer, and to `self`, with the lengths of what they point to;
        // the kernel only reads what is sent.
        let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// The address of whoever asked.
    pub(super) fn client(&self) -> Option<IpAddr> {
        let peer = &raw const self.peer;
        // SAFETY: the structure of every family begins with its number and is no longer than the one for all; what the kernel did not
        // write is zeroes.
        match c_int::from(self.peer.ss_family) {
            libc::AF_INET => Some(Ipv4Addr::from(unsafe { &*peer.cast::<sockaddr_in>() }.sin_addr.s_addr.to_ne_bytes()).into()),
            libc::AF_INET6 => Some(Ipv6Addr::from(unsafe { &*peer.cast::<sockaddr_in6>() }.sin6_addr.s6_addr).into()),
            _ => None,
        }
    }

    /// Whom the answer goes to.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        let mut peer = SockAddrStorage::zeroed();
        // SAFETY: it is the same plain structure of the kernel's under another name; the kernel wrote the address, with its length.
        let peer = unsafe {
            *peer.view_as::<sockaddr_storage>() = self.peer;
            SockAddr::new(peer, self.peer_length)
        };
        peer.as_socket()
    }
}

/// One query and its answer.
struct Slot {
    query: [u8; MOST_QUERY],
    query_length: usize,
    answer: [u8; MOST_UDP as usize],
    /// 0 sends nothing.
    answer_length: usize,
    route: Route,
}

impl Slot {
    const fn new() -> Self {
        let (query, answer) = ([0; MOST_QUERY], [0; MOST_UDP as usize]);
        Self { query, query_length: 0, answer, answer_length: 0, route: Route::unknown() }
    }
}

/// What is done where no datagram is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// One is waited for, as long as the socket's read timeout says.
    ForOne,
    /// None is.
    No,
}

impl Wait {
    const fn flag(self) -> c_int {
        match self {
            Self::ForOne => libc::MSG_WAITFORONE,
            Self::No => libc::MSG_DONTWAIT,
        }
    }
}

/// Up to [`MOST`] datagrams with room for their answers.
pub(super) struct Batch {
    slots: Box<[Slot]>,
    filled: usize,
    /// Bytes that the kernel may say of each packet: none on a socket with an address of its own.
    control: usize,
}

impl Batch {
    /// An empty batch for a socket.
    pub(super) fn new(socket: &UdpSocket) -> io::Result<Self> {
        let control = if socket.local_addr()?.ip().is_unspecified() { CONTROL } else { 0 };
        Ok(Self { slots: std::iter::repeat_with(Slot::new).take(MOST).collect(), filled: 0, control })
    }

    /// Takes the datagrams that wait, as many as there is room for.
    ///
    /// # Errors
    /// Those of the socket, [`io::ErrorKind::WouldBlock`] where there are none; the batch is empty then.
    pub(super) fn receive(&mut self, socket: &UdpSocket, wait: Wait) -> io::Result<()> {
        self.filled = 0;
        let mut parts = [NO_PART; MOST];
        let mut messages = [empty(); MOST];
        for ((slot, part), message) in self.slots.iter_mut().zip(&mut parts).zip(&mut messages) {
            *part = iovec { iov_base: slot.query.as_mut_ptr().cast(), iov_len: slot.query.len() };
            slot.route.peer_length = size_of::<sockaddr_storage>() as socklen_t;
            *message = slot.route.message(part, self.control);
        }
        // SAFETY: every message points to its own part and to its own slot, with the lengths of what they point to; nothing else
        // touches them during the call, and there is no time-out to point to.
        let received = unsafe {
            let flags = wait.flag() as _;
            libc::recvmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), MOST as u32, flags, ptr::null_mut())
        };
        self.filled = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for (slot, message) in self.slots.iter_mut().zip(&messages).take(self.filled) {
            let (route, told) = (&mut slot.route, message.msg_hdr.msg_controllen);
            slot.query_length = message.msg_len as usize;
            route.peer_length = message.msg_hdr.msg_namelen;
            route.control_length = if self.control > 0 { route.control.turn_around(told as _) } else { 0 };
        }
        Ok(())
    }

    /// Has what each answer is going to be made of brought near the processor, as `near` guesses it of the query: memory is waited for once
    /// for every step then, and not for each query.
    pub(super) fn prefetch<'n>(&self, near: impl Fn(&[u8]) -> Option<Near<'n>>) {
        let mut places = [None; MOST];
        for (slot, place) in self.slots.iter().take(self.filled).zip(&mut places) {
            let query = slot.query.get(..slot.query_length).unwrap_or(&slot.query);
            *place = near(query);
        }
        // In loops of their own: what waits for the address of a page waits for several at once then.
        let places = places.iter().flatten();
        places.clone().for_each(|near| prefetch(near.way()));
        places.clone().for_each(|near| prefetch(near.index()));
        places.for_each(|near| near.entries().chunks(LINE).take(MOST_LINES).for_each(prefetch));
    }

    /// Has every datagram answered: `answer` writes into the buffer that it is given and says how long its answer is, 0 for none.
    /// One that comes later takes the route.
    pub(super) fn answer(&mut self, mut answer: impl FnMut(&[u8], &mut [u8], &Route) -> usize) {
        for slot in self.slots.iter_mut().take(self.filled) {
            let query = slot.query.get(..slot.query_length).unwrap_or(&slot.query);
            slot.answer_length = answer(query, &mut slot.answer, &slot.route).min(slot.answer.len());
        }
    }

    /// Sends the answers, without waiting: one that cannot be sent now, or not to this peer, is lost like any packet (the client
    /// asks again) and holds up no other. How many were lost.
    pub(super) fn send(&mut self, socket: &UdpSocket) -> usize {
        let mut parts = [NO_PART; MOST];
        let mut messages = [empty(); MOST];
        let mut count = 0;
        let answers = self.slots.iter_mut().take(self.filled).filter(|slot| slot.answer_length > 0);
        for ((slot, part), message) in answers.zip(&mut parts).zip(&mut messages) {
            *part = iovec { iov_base: slot.answer.as_mut_ptr().cast(), iov_len: slot.answer_length };
            *message = slot.route.message(part, slot.route.control_length);
            count += 1;
        }
        let (mut next, mut lost, mut first) = (0, 0, None);
        while let Some(rest) = messages.get_mut(next..count).filter(|rest| !rest.is_empty()) {
            // SAFETY: as in `receive`; the messages after `next` are as they were made.
            let sent = unsafe {
                let flags = libc::MSG_DONTWAIT as _;
                libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as u32, flags)
            };
            // The kernel stops at the first message that fails, and says why when a call begins with it.
            match usize::try_from(sent) {
                Ok(sent) if sent > 0 => next += sent,
                _ => {
                    first.get_or_insert_with(|| (next, io::Error::last_os_error()));
                    (next, lost) = (next + 1, lost + 1);
                }
            }
        }
        if let Some((number, error)) = first {
            let mut answered = self.slots.iter().take(self.filled).filter(|slot| slot.answer_length > 0);
            let peer = answered.nth(number).and_then(|slot| slot.route.peer());
            tracing::trace!(lost, ?peer, "answers were not sent, the first because: {error}");
        }
        lost
    }
}

#[cfg(test)]
impl Batch {
    /// As if the datagram with this number had come from somewhere else.
    pub(super) fn redirect(&mut self, number: usize, peer: SocketAddr) {
        let (peer, route) = (SockAddr::from(peer), &mut self.slots[number].route);
        route.peer_length = peer.len();
        // SAFETY: the same plain structure of the kernel's under another name.
        route.peer = unsafe { *peer.as_storage().view_as::<sockaddr_storage>() };
    }
}

impl Control {
    /// Makes of `length` bytes of where a packet was sent to the same of where its answer is to come from, and says how long that
    /// is: 0 when the kernel did not say, or nothing can come from there. The route decides about the interface, as for everything
    /// else that leaves; only a link-local address means nothing without one.
    fn turn_around(&mut self, length: usize) -> usize {
        let mut message = empty().msg_hdr;
        message.msg_control = (&raw mut *self).cast();
        message.msg_controllen = length.min(CONTROL) as _;
        // SAFETY: the first header, if the length has room for one, lies in `self`, which is aligned for it and initialised; what
        // follows it is read and written only where its length says that it is whole, which is within `self`.
        unsafe {
            let place = libc::CMSG_FIRSTHDR(&raw const message);
            if place.is_null() {
                return 0;
            }
            let (header, data) = (place.read(), libc::CMSG_DATA(place));
            let holds = |size: usize| header.cmsg_len >= libc::CMSG_LEN(size as u32) as _;
            match (header.cmsg_level, header.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) if holds(size_of::<in_pktinfo>()) => {
                    let place = data.cast::<in_pktinfo>();
                    place.write_unaligned(in_pktinfo { ipi_ifindex: 0, ..place.read_unaligned() });
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if holds(size_of::<in6_pktinfo>()) => {
                    let place = data.cast::<in6_pktinfo>();
                    let news = place.read_unaligned();
                    let address = Ipv6Addr::from(news.ipi6_addr.s6_addr);
                    if address.is_multicast() {
                        return 0;
                    }
                    let ipi6_ifindex = if address.is_unicast_link_local() { news.ipi6_ifindex } else { 0 };
                    place.write_unaligned(in6_pktinfo { ipi6_ifindex, ..news });
                }
                _ => return 0,
            }
        }
        length.min(CONTROL)
    }
}

/// Has the kernel say of every packet that a socket receives where it was sent to.
///
/// # Errors
/// Those of `setsockopt`.
pub(crate) fn tell_destinations(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<()> {
    let (level, option) = if ipv6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO) } else { (libc::IPPROTO_IP, libc::IP_PKTINFO) };
    let on: c_int = 1;
    // SAFETY: the value is an int, as both options demand, and lives through the call.
    let done = unsafe {
        let value = (&raw const on).cast::<c_void>();
        libc::setsockopt(socket.as_raw_fd(), level, option, value, size_of::<c_int>() as socklen_t)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Asks for the memory that something begins in, and does not wait for it.
fn prefetch<T: ?Sized>(wanted: &T) {
    let place = ptr::from_ref(wanted).cast::<i8>();
    // SAFETY: it reads nothing that anybody sees and changes nothing, wherever it points.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(place);
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{place}]", place = in(reg) place, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = place;
}

const NO_PART: iovec = iovec { iov_base: ptr::null_mut(), iov_len: 0 };

const fn empty() -> mmsghdr {
    // SAFETY: null pointers and zero lengths are a message that points nowhere.
    unsafe { std::mem::zeroed() }
}
