//! Clients by their networks: who can send from one address can send from all of its network, so bounds count networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// How many first bits of an address are the network of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Networks {
    /// Of an IPv4 address: 0 to 32.
    pub ipv4: u8,
    /// Of an IPv6 address: 0 to 128.
    pub ipv6: u8,
}

impl Default for Networks {
    /// What one customer of a provider has at most, as name servers count.
    fn default() -> Self {
        Self { ipv4: 24, ipv6: 56 }
    }
}

/// The network of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(IpAddr);

impl Networks {
    /// The network of this client.
    #[must_use]
    pub fn of(self, client: IpAddr) -> Network {
        Network(match client {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(self.ipv4.into())).unwrap_or(0);
                Ipv4Addr::from(u32::from(address) & mask).into()
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(self.ipv6.into())).unwrap_or(0);
                Ipv6Addr::from(u128::from(address) & mask).into()
            }
        })
    }
}

/// A list of prefixes that is asked about every query.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prefixes {
    ipv4: Box<[(u32, u32)]>,
    ipv6: Box<[(u128, u128)]>,
}

impl Prefixes {
    /// Addresses that nobody outside of a site can send from: those for private use (RFC 1918, RFC 4193), shared with a provider (RFC
    /// 6598), of a link (RFC 3927, RFC 4291 §2.5.6), of this machine.
    pub const PRIVATE: [&'static str; 9] = [
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "fc00::/7",
        "fe80::/10",
        "::1/128",
    ];

    /// Whether the address is in one of them.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.ipv4.iter().any(|(mask, network)| u32::from(address) & mask == *network),
            IpAddr::V6(address) => self.ipv6.iter().any(|(mask, network)| u128::from(address) & mask == *network),
        }
    }
}

impl FromIterator<IpNet> for Prefixes {
    fn from_iter<T: IntoIterator<Item = IpNet>>(prefixes: T) -> Self {
        let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
        for prefix in prefixes {
            match prefix {
                IpNet::V4(prefix) => ipv4.push((prefix.netmask().into(), prefix.network().into())),
                IpNet::V6(prefix) => ipv6.push((prefix.netmask().into(), prefix.network().into())),
            }
        }
        Self { ipv4: ipv4.into(), ipv6: ipv6.into() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix(address: IpAddr, length: u8) -> IpNet {
        IpNet::new(address, length % if address.is_ipv4() { 33 } else { 129 }).unwrap()
    }

    proptest! {
        #[test]
        fn prefixes_contain_what_their_text_says(address: IpAddr, base: IpAddr, length: u8) {
            let prefix = prefix(base, length);
            prop_assert_eq!(Prefixes::from_iter([prefix]).contain(address), prefix.contains(&address));
            prop_assert!(Prefixes::from_iter([prefix]).contain(prefix.broadcast()));
        }

        #[test]
        fn clients_are_of_one_network_when_their_first_bits_agree(one: IpAddr, other: IpAddr, ipv4 in 0_u8..=32, ipv6 in 0_u8..=128) {
            let networks = Networks { ipv4, ipv6 };
            let length = if one.is_ipv4() { ipv4 } else { ipv6 };
            let together = IpNet::new(one, length).unwrap().contains(&other);
            prop_assert_eq!(networks.of(one) == networks.of(other), together);
        }
    }

    #[test]
    fn private_addresses_are_the_ones_meant() {
        let private: Prefixes = Prefixes::PRIVATE.iter().map(|text| text.parse::<IpNet>().unwrap()).collect();
        for inside in
            ["10.1.2.3", "172.31.0.1", "192.168.9.9", "100.127.0.1", "169.254.1.1", "127.0.0.1", "fd00::1", "fe80::1", "::1"]
        {
            assert!(private.contain(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["11.0.0.1", "172.32.0.1", "100.128.0.1", "8.8.8.8", "2001:db8::1", "::2", "fec0::1"] {
            assert!(!private.contain(outside.parse().unwrap()), "{outside}");
        }
    }
}
