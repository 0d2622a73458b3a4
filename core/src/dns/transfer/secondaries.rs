//! Who may have a zone, and who is told of its changes.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::resolver::Upstream;
use super::super::resolver::check::distinct;
use crate::net::{parse_addr, parse_host_net};
use crate::reason::{Malformed, Reason, Violations, shown};

/// The most networks that may have one zone.
pub const MOST_NETWORKS: usize = 16;

/// The other servers of a zone. By default there are none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Secondaries {
    /// Where those come from who may have the zone: nobody else may.
    pub transfer_to: Vec<IpNet>,
    /// Who is told when the zone has changed.
    pub notify: Vec<Upstream>,
}

impl Secondaries {
    /// Whether nobody has anything of it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.transfer_to.is_empty() && self.notify.is_empty()
    }

    /// Whether whoever asks from this address may have the zone.
    #[must_use]
    pub fn allow(&self, from: IpAddr) -> bool {
        let from = from.to_canonical();
        self.transfer_to.iter().any(|network| network.contains(&from))
    }
}

/// A list of networks, every bad one named; a single address stands for itself.
pub fn networks(texts: &[String], field: &str, bad: &mut Violations) -> Vec<IpNet> {
    distinct(texts, (MOST_NETWORKS, "networks"), network, field, bad)
}

/// A network, or a single address.
///
/// # Errors
/// [`Reason::RangeMalformed`], [`Reason::AddressMalformed`].
pub(in crate::dns) fn network(text: &str) -> Result<IpNet, Malformed> {
    if !text.contains('/') {
        return parse_addr(text).map(IpNet::from);
    }
    let network = parse_host_net(text)?;
    if network.trunc() == network {
        return Ok(network);
    }
    // Whoever opens a network by mistake should hear of it.
    let description = format!("`{}` has bits beyond its prefix; write `{}`, or the address alone", shown(text), network.trunc());
    Err(Malformed::new(Reason::RangeMalformed, description))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<Secondaries, Vec<(String, Reason)>> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let mut bad = Violations::new();
        let transfer_to = networks(&texts, "to", &mut bad);
        let named =
            |refusal: crate::reason::Refusal| refusal.violations.iter().map(|bad| (bad.field.clone(), bad.reason)).collect();
        bad.finish(Some(Secondaries { transfer_to, notify: Vec::new() })).map_err(named)
    }

    #[test]
    fn nobody_may_have_a_zone_but_those_who_are_named() {
        assert!(!Secondaries::default().allow("127.0.0.1".parse().unwrap()));
        let some = read(&["192.0.2.0/24", "10.0.0.7", "fd00::/64"]).unwrap();
        for (from, may) in [
            ("192.0.2.255", true),
            ("::ffff:192.0.2.1", true),
            ("192.0.3.0", false),
            ("10.0.0.7", true),
            ("10.0.0.8", false),
            ("fd00::9", true),
            ("fd00:1::9", false),
        ] {
            assert_eq!(some.allow(from.parse().unwrap()), may, "{from}");
        }
        assert!(read(&["0.0.0.0/0"]).unwrap().allow("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn every_bad_network_is_named() {
        let bad = read(&["192.0.2.1/24", "10.0.0.0/33", "x", "10.0.0.1", "10.0.0.1/32", ""]).unwrap_err();
        let expected = [
            ("to[0]", Reason::RangeMalformed),
            ("to[1]", Reason::RangeMalformed),
            ("to[2]", Reason::AddressMalformed),
            ("to[4]", Reason::DuplicateValue),
            ("to[5]", Reason::AddressMalformed),
        ];
        assert_eq!(bad, expected.map(|(field, reason)| (field.to_owned(), reason)));
        assert_eq!(read(&["10.0.0.1"; 17]).unwrap_err(), [("to".to_owned(), Reason::CountOutOfBounds)]);
    }
}
