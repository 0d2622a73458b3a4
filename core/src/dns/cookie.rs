//! DNS cookies (RFC 7873) with the server cookies that all name servers make alike (RFC 9018): a client that sends back what it was
//! given has the address that it asks from.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::siphash::siphash;
use super::wire::presented;
use crate::reason::{Malformed, Reason};

/// Bytes of the client's part.
pub(super) const CLIENT: usize = 8;
/// Bytes of our part.
pub(super) const SERVER: usize = 16;
const VERSION: u8 = 1;
/// Seconds for which a server cookie is good (RFC 9018 §4.3), how far its time may be ahead of ours, and how old one gets before the
/// client is given another.
const LIFE: i32 = 3600;
const AHEAD: i32 = 300;
const FRESH: i32 = 1800;

/// The key of server cookies. Equal on all servers that answer at one address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret([u8; 16]);

impl Secret {
    /// A secret of these bytes, which nobody else may know.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(super) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl FromStr for Secret {
    type Err = Malformed;

    /// 32 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        // The text itself stays out of the message.
        let bad = || Malformed::new(Reason::InvalidArgument, "a secret of DNS cookies has to be 32 hexadecimal digits");
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let byte = |pair: &[u8; 2]| {
            let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
            u8::try_from(high? << 4 | low?).ok()
        };
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        bytes.filter(|_| rest.is_empty()).and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or_else(bad)
    }
}

/// The secrets that are good now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Secrets {
    /// That new cookies are made with.
    pub current: Secret,
    /// Others that cookies are still taken with: the one before, or the one to come.
    pub other: Option<Secret>,
}

/// The COOKIE option of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Presented {
    pub(super) client: [u8; CLIENT],
    /// `None` also for one that no server of RFC 9018 has made.
    pub(super) server: Option<[u8; SERVER]>,
    /// Whether it is the client's part alone.
    pub(super) alone: bool,
}

impl Presented {
    /// Reads the data of the option. `None`: it has a length that no cookie has, and the query gets FORMERR (RFC 7873 §5.2.2).
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let (client, server) = data.split_first_chunk()?;
        if !matches!(server.len(), 0 | 8..=32) {
            return None;
        }
        Some(Self { client: *client, server: server.try_into().ok(), alone: server.is_empty() })
    }
}

/// What comes of a client's cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Whether the client has sent back what it was given at its address.
    pub is_valid: bool,
    /// Whether it has sent back a server cookie that is not good.
    pub is_wrong: bool,
    /// What it is given now.
    pub server: [u8; SERVER],
}

impl Checked {
    /// Looks at the COOKIE option of a query that came from `client` at `now`, in seconds since the epoch. `None` when it has none.
    #[must_use]
    pub fn read(query: &[u8], client: IpAddr, secrets: &Secrets, now: u64) -> Option<Self> {
        let presented = presented(query)?;
        // Time is compared in 32 bits that wrap (RFC 9018 §4.3).
        let [.., t0, t1, t2, t3] = now.to_be_bytes();
        Some(Self::of(presented, client, secrets, u32::from_be_bytes([t0, t1, t2, t3])))
    }

    fn of(presented: Presented, client: IpAddr, secrets: &Secrets, now: u32) -> Self {
        let fresh = || server_cookie(presented.client, client, secrets.current, ([0; 3], now));
        let Some(server) = presented.server else {
            return Self { is_valid: false, is_wrong: !presented.alone, server: fresh() };
        };
        let [version, r0, r1, r2, t0, t1, t2, t3, ..] = server;
        let made = u32::from_be_bytes([t0, t1, t2, t3]);
        let age = now.wrapping_sub(made).cast_signed();
        let is_of = |secret| server_cookie(presented.client, client, secret, ([r0, r1, r2], made)) == server;
        let is_timely = version == VERSION && (-AHEAD..=LIFE).contains(&age);
        let is_current = is_timely && is_of(secrets.current);
        let is_valid = is_current || is_timely && secrets.other.is_some_and(is_of);
        let keeps = is_current && age <= FRESH;
        Self { is_valid, is_wrong: !is_valid, server: if keeps { server } else { fresh() } }
    }
}

/// The cookie of a client, with the bytes that are reserved in it and the time that it is made at.
fn server_cookie(cookie: [u8; CLIENT], client: IpAddr, secret: Secret, (reserved, made): ([u8; 3], u32)) -> [u8; SERVER] {
    let mut message = [0; CLIENT + SERVER / 2 + 16];
    let mut length = 0;
    let mut put = |bytes: &[u8]| {
        if let Some(place) = message.get_mut(length..length + bytes.len()) {
            place.copy_from_slice(bytes);
            length += bytes.len();
        }
    };
    put(&cookie);
    put(&[VERSION]);
    put(&reserved);
    put(&made.to_be_bytes());
    match client {
        IpAddr::V4(address) => put(&address.octets()),
        IpAddr::V6(address) => put(&address.octets()),
    }
    let hash = siphash(secret.as_bytes(), message.get(..length).unwrap_or_default()).to_le_bytes();
    let ([r0, r1, r2], [t0, t1, t2, t3], [h0, h1, h2, h3, h4, h5, h6, h7]) = (reserved, made.to_be_bytes(), hash);
    [VERSION, r0, r1, r2, t0, t1, t2, t3, h0, h1, h2, h3, h4, h5, h6, h7]
}

#[cfg(test)]
mod tests;
