//! A server that is asked about names outside, and how.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use super::super::name::DomainName;
use super::super::server::ServerAddress;
use crate::reason::{Malformed, Reason, shown};

/// The port of name servers over TLS (RFC 7858 §3.1).
const TLS_PORT: u16 = 853;
/// What an upstream over TLS begins with.
const TLS: &str = "tls://";
/// The longest name of a host (RFC 1035 §2.3.4), written without the final dot.
const MOST_HOST: usize = 253;

/// A server that is asked. Copies are cheap.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Upstream {
    /// Where it is.
    pub address: SocketAddr,
    /// Whom it has to show to be, where it is asked over TLS alone (RFC 7858); `None`: it is asked by UDP and TCP.
    pub tls: Option<Shows>,
}

/// What the certificate of a server must be for (RFC 8310, the strict profile).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shows {
    /// The address that it is asked at.
    Address,
    /// A name.
    Name(HostName),
}

/// The name of a host as certificates have it: letters, digits, `-` and `_`, in lower case, without a final dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(Arc<str>);

impl HostName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = Malformed;

    /// A final dot may be there.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let host = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let labels = || host.split('.');
        let is_label = |label: &str| {
            let fits = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
            fits && !label.starts_with('-') && !label.ends_with('-')
        };
        // A last label of digits alone would make an address of it.
        let is_address = labels().next_back().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        let is_name = host.parse::<DomainName>().is_ok_and(|name| name != DomainName::root());
        if host.len() > MOST_HOST || !is_name || is_address || !labels().all(is_label) {
            let description = format!(
                "`{}` is not a name that a certificate can be for, such as `dns.example`; leave `#` out for one that is for the address",
                shown(text)
            );
            return Err(Malformed::new(Reason::NameMalformed, description));
        }
        Ok(Self(host.into()))
    }
}

impl fmt::Display for Upstream {
    /// Without the port where it is the usual one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(shows) = &self.tls else { return ServerAddress(self.address).fmt(f) };
        f.write_str(TLS)?;
        match self.address {
            SocketAddr::V4(address) if address.port() == TLS_PORT => address.ip().fmt(f)?,
            SocketAddr::V6(address) if address.port() == TLS_PORT => write!(f, "[{}]", address.ip())?,
            address => address.fmt(f)?,
        }
        shows.fmt(f)
    }
}

impl fmt::Display for Shows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => Ok(()),
            Self::Name(name) => write!(f, "#{}", name.as_str()),
        }
    }
}

impl FromStr for Upstream {
    type Err = Malformed;

    /// `ADDRESS[:PORT]`, or `tls://ADDRESS[:PORT][#NAME]`.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        if let Some(rest) = text.strip_prefix(TLS) {
            let (address, name) = rest.split_once('#').map_or((rest, None), |(address, name)| (address, Some(name)));
            let ServerAddress(address) = ServerAddress::read(address, TLS_PORT)?;
            let shows = name.map(str::parse).transpose()?.map_or(Shows::Address, Shows::Name);
            return Ok(Self { address, tls: Some(shows) });
        }
        if text.contains("://") {
            let description = format!(
                "`{}`: servers are asked by UDP and TCP, or over TLS, `tls://192.0.2.53#dns.example`; no other way is offered yet",
                shown(text)
            );
            return Err(Malformed::new(Reason::NotImplemented, description));
        }
        let ServerAddress(address) = text.parse()?;
        Ok(Self { address, tls: None })
    }
}

impl Upstream {
    /// As it is counted: always with its port.
    #[must_use]
    pub fn label(&self) -> String {
        self.tls.as_ref().map_or_else(|| self.address.to_string(), |shows| format!("{TLS}{}{shows}", self.address))
    }
}
