//! Which keys of other programs names follow from.

use std::sync::Arc;
use std::time::Duration;

use polder_core::dns::DomainName;
use polder_core::dns::zones::ZoneName;
use polder_core::reason::{Malformed, Reason, Refusal, Violations};

use super::DnsConfig;
use super::guards::all_named;

/// The most zones that may be filled.
const MOST_ZONES: usize = 64;
/// The most bytes of the prefix.
const MOST_PREFIX: usize = 128;
/// What is ours.
const OWN: &str = "/polder/";
/// The shortest time between two comparisons: each reads everything.
const LEAST_AUDIT: Duration = Duration::from_secs(1);

/// What is read in the way of SkyDNS.
#[derive(Debug, Clone)]
pub(crate) struct SkyDnsConfig {
    /// Without a slash at its end.
    pub(crate) prefix: String,
    /// At least one.
    pub(crate) zones: Arc<[ZoneName]>,
    /// The time between two comparisons of everything.
    pub(crate) audit_every: Duration,
}

impl DnsConfig {
    /// What other programs store names for; `None` when that is off. `is_shared` says whether others can write to the store at all.
    ///
    /// # Errors
    /// Everything that is wrong with it, by key.
    pub(crate) fn skydns(&self, domain: &DomainName, is_shared: bool) -> Result<Option<SkyDnsConfig>, Refusal> {
        if self.skydns_prefix.is_empty() && self.skydns_zones.is_empty() {
            return Ok(None);
        }
        let mut bad = Violations::new();
        let prefix = bad.take("dns.skydns_prefix", prefix(&self.skydns_prefix, is_shared));
        if self.skydns_zones.is_empty() || self.skydns_zones.len() > MOST_ZONES {
            let text = format!("{} zones to be filled; it has to be 1 to {MOST_ZONES}", self.skydns_zones.len());
            bad.add("dns.skydns_zones", Reason::CountOutOfBounds, text);
        }
        let named = self.skydns_zones.iter().take(MOST_ZONES).enumerate();
        let zones: Vec<ZoneName> =
            named.filter_map(|(nth, text)| bad.take(format!("dns.skydns_zones[{nth}]"), zone(text, domain))).collect();
        let audit_every = self.skydns_audit_every.0;
        if audit_every < LEAST_AUDIT {
            let text = format!("`{}` is too short; it has to be {LEAST_AUDIT:?} at least", self.skydns_audit_every);
            bad.add("dns.skydns_audit_every", Reason::CountOutOfBounds, text);
        }
        let config = prefix.map(|prefix| SkyDnsConfig { prefix, zones: zones.into(), audit_every });
        all_named(bad.finish(config)).map(Some)
    }
}

fn prefix(text: &str, is_shared: bool) -> Result<String, Malformed> {
    if text.is_empty() {
        return Err(Malformed::new(
            Reason::FieldRequired,
            "it has to be said where there are zones to be filled, such as `/skydns`",
        ));
    }
    if !is_shared {
        let text = "no other program can write to an embedded store; leave it out, or use etcd";
        return Err(Malformed::new(Reason::ConflictingFields, text));
    }
    let prefix = text.strip_suffix('/').unwrap_or(text);
    let is_legal = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
    let legal = prefix.len() <= MOST_PREFIX && prefix.strip_prefix('/').is_some_and(|parts| parts.split('/').all(is_legal));
    let whole = format!("{prefix}/");
    if !legal || whole.starts_with(OWN) || OWN.starts_with(&whole) {
        let text = format!(
            "`{text}` is no prefix of keys of other programs, such as `/skydns`: not under `{OWN}`, {MOST_PREFIX} bytes at most"
        );
        return Err(Malformed::new(Reason::NameMalformed, text));
    }
    Ok(prefix.to_owned())
}

fn zone(text: &str, domain: &DomainName) -> Result<ZoneName, Malformed> {
    let zone: ZoneName = text.parse()?;
    if zone.view().is_some() {
        return Err(Malformed::new(
            Reason::ZoneOverlap,
            format!("`{zone}` is in a view; zones that all clients see can be filled"),
        ));
    }
    if zone.domain().is_under(domain) || domain.is_under(zone.domain()) {
        let text = format!("`{zone}` is, has in it or lies in the cluster's domain `{domain}`, whose names are computed");
        return Err(Malformed::new(Reason::ZoneOverlap, text));
    }
    Ok(zone)
}

#[cfg(test)]
mod tests {
    use polder_runtime::config::Period;

    use super::*;

    fn read(prefix: &str, zones: &[&str], is_shared: bool) -> Result<Option<SkyDnsConfig>, String> {
        let zones = zones.iter().map(|zone| (*zone).to_owned()).collect();
        let config = DnsConfig { skydns_prefix: prefix.to_owned(), skydns_zones: zones, ..DnsConfig::default() };
        config.skydns(&"cluster.local".parse().unwrap(), is_shared).map_err(|refusal| refusal.message.clone())
    }

    #[test]
    fn it_is_off_or_has_a_prefix_and_zones() {
        assert!(read("", &[], false).unwrap().is_none());
        let config = read("/a/skydns/", &["Example.org.", "2.0.192.in-addr.arpa"], true).unwrap().unwrap();
        assert_eq!((config.prefix.as_str(), config.zones[0].as_str(), config.zones.len()), ("/a/skydns", "example.org", 2));
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let message = read("/skydns", &["example.org"], false).unwrap_err();
        assert_eq!(message, "`dns.skydns_prefix`: no other program can write to an embedded store; leave it out, or use etcd");
        for bad in ["skydns", "/", "//x", "/x//", "/a b", "/polder", "/polder/x/", "/polder/dns/zones"] {
            assert!(read(bad, &["example.org"], true).unwrap_err().contains("`dns.skydns_prefix`: "), "{bad}");
        }
        let message = read("", &["example.org", "a..b", "svc.cluster.local", "local", "a.example@branch"], true).unwrap_err();
        for key in ["prefix", "zones[1]", "zones[2]", "zones[3]", "zones[4]"] {
            assert!(message.contains(&format!("`dns.skydns_{key}`: ")), "{message}");
        }
        assert!(read("/skydns", &[], true).unwrap_err().contains("`dns.skydns_zones`: 0 zones"));
        let often = DnsConfig {
            skydns_prefix: "/skydns".to_owned(),
            skydns_zones: vec!["example.org".to_owned()],
            skydns_audit_every: Period(Duration::ZERO),
            ..DnsConfig::default()
        };
        assert!(often.skydns(&"cluster.local".parse().unwrap(), true).unwrap_err().message.contains("`dns.skydns_audit_every`"));
    }
}
