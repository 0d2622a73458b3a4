//! Where another name server is.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::reason::{Malformed, Reason, shown};

/// The port of name servers (RFC 1035 §4.2).
const PORT: u16 = 53;

/// The address of another name server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerAddress(pub SocketAddr);

impl fmt::Display for ServerAddress {
    /// Without the port where it is the usual one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.port() == PORT { self.0.ip().fmt(f) } else { self.0.fmt(f) }
    }
}

impl FromStr for ServerAddress {
    type Err = Malformed;

    /// An address, or an address and a port.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::read(text, PORT)
    }
}

impl ServerAddress {
    /// An address, or an address and a port; `port` is the usual one.
    pub(super) fn read(text: &str, port: u16) -> Result<Self, Malformed> {
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let alone = bracketed.unwrap_or(text).parse::<IpAddr>().map(|address| SocketAddr::new(address, port));
        let address = alone.or_else(|_| text.parse::<SocketAddr>()).map_err(|_| {
            let description =
                format!("`{}` is not the address of a server such as `192.0.2.53` or `[2001:db8::53]:5353`", shown(text));
            Malformed::new(Reason::AddressMalformed, description)
        })?;
        if address.port() == 0 {
            return Err(Malformed::new(Reason::PortMalformed, format!("`{}` has port 0; ports are 1 to 65535", shown(text))));
        }
        let ip = address.ip();
        let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
        if ip.is_unspecified() || ip.is_multicast() || broadcast {
            let description = format!("`{}` is not the address of one server", shown(text));
            return Err(Malformed::new(Reason::AddressMalformed, description));
        }
        Ok(Self(SocketAddr::new(ip, address.port())))
    }
}
