//! DNS cookies towards upstreams (RFC 7873 §5, RFC 9018 §3): an answer by UDP that does not have what we sent is somebody else's, and a
//! server that is shown what it gave before knows that we are who we were.

use std::net::{IpAddr, SocketAddr};

use super::super::cookie::{CLIENT, Secret};
use super::super::message::Reader;
use super::super::record::RecordType;
use super::super::siphash::siphash;
use super::super::wire::OPTION_COOKIE;

/// Bytes of a server's part.
const LEAST_SERVER: usize = 8;
const MOST_SERVER: usize = 32;
/// Seconds for which a server sees the same cookie of us (RFC 7873 §7.1).
const DAY: u64 = 86_400;

/// What a server is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookie {
    client: [u8; CLIENT],
    server: Option<ServerPart>,
}

/// What a server gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ServerPart {
    bytes: [u8; MOST_SERVER],
    length: usize,
}

impl ServerPart {
    fn read(data: &[u8]) -> Option<Self> {
        let mut bytes = [0; MOST_SERVER];
        let length = data.len();
        bytes.get_mut(..length).filter(|_| length >= LEAST_SERVER)?.copy_from_slice(data);
        Some(Self { bytes, length })
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Cookie {
    /// Ours for one server, without its part: another one for each server and each address of ours, so that nobody can tell by it that
    /// two askers are one, and another one every day. `now` is in seconds since the epoch.
    #[must_use]
    pub fn of(secret: &Secret, own: IpAddr, server: SocketAddr, now: u64) -> Self {
        let octets = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        let port = server.port().to_be_bytes();
        let message = [&octets(own)[..], &octets(server.ip()), &port, &(now / DAY).to_be_bytes()].concat();
        Self { client: siphash(secret.as_bytes(), &message).to_le_bytes(), server: None }
    }

    /// The data of the option.
    pub(super) fn to_wire(self) -> Vec<u8> {
        let server = self.server.as_ref().map(ServerPart::as_bytes).unwrap_or_default();
        [&self.client[..], server].concat()
    }

    /// Reads the data of the option in an answer: both parts, or ours alone.
    fn read(data: &[u8]) -> Option<Self> {
        let (client, server) = data.split_first_chunk()?;
        let server = if server.is_empty() { None } else { Some(ServerPart::read(server)?) };
        Some(Self { client: *client, server })
    }
}

/// How an answer stands to the cookie that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It may be the server's.
    Good,
    /// It is not: the answer is dropped.
    Foreign,
    /// It has none, and the server has always given one before: the answer is dropped (RFC 7873 §5.3), and the question to be asked by
    /// TCP, where nobody else can answer.
    Missing,
}

/// What is known of the cookies of one server: the last one it gave.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known(Option<Cookie>);

impl Known {
    /// What the server is shown: `own`, with what it gave for that.
    #[must_use]
    pub fn shown(&self, own: Cookie) -> Cookie {
        self.0.filter(|known| known.client == own.client).unwrap_or(own)
    }

    /// Takes in an answer by UDP to a query with `shown`.
    pub fn take(&mut self, shown: &Cookie, answer: &[u8]) -> Taken {
        match given(answer) {
            Given::None if self.0.is_some() => Taken::Missing,
            Given::None => Taken::Good,
            Given::Cookie(cookie) if cookie.client == shown.client => {
                if cookie.server.is_some() {
                    self.0 = Some(cookie);
                }
                Taken::Good
            }
            Given::Cookie(_) | Given::Illegal => Taken::Foreign,
        }
    }

    /// Takes in an answer by TCP, which is the server's in any case: without a cookie the server gives none any more.
    pub fn take_safe(&mut self, shown: &Cookie, answer: &[u8]) -> Taken {
        if given(answer) == Given::None {
            self.0 = None;
        }
        self.take(shown, answer)
    }
}

/// The cookie of an answer.
#[derive(Debug, PartialEq, Eq)]
enum Given {
    None,
    Cookie(Cookie),
    /// It has a length that none has.
    Illegal,
}

/// The first cookie in a message; those behind it do not count (RFC 7873 §5.3).
fn given(message: &[u8]) -> Given {
    let Some(options) = options(message) else { return Given::None };
    let mut reader = Reader::new(options);
    while let Some([code, length]) = reader.numbers() {
        let Some(data) = reader.take(usize::from(length)) else { break };
        if code == u16::from(OPTION_COOKIE) {
            return Cookie::read(data).map_or(Given::Illegal, Given::Cookie);
        }
    }
    Given::None
}

/// The options of the OPT record.
fn options(message: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(message);
    let [_, _, questions, answers, authorities, additionals] = reader.numbers()?;
    for _ in 0..questions {
        reader.wire_name()?;
        reader.numbers::<2>()?;
    }
    for _ in 0..u32::from(answers) + u32::from(authorities) + u32::from(additionals) {
        reader.wire_name()?;
        let [rtype, _, _, _, length] = reader.numbers()?;
        let data = reader.take(usize::from(length))?;
        if RecordType(rtype) == RecordType::OPT {
            return Some(data);
        }
    }
    None
}
