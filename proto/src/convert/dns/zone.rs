//! A zone.

use std::net::IpAddr;

use polder_core::cluster::Cluster;
use polder_core::dns::DomainName;
use polder_core::dns::transfer::{Secondaries, networks, notified};
use polder_core::dns::zones::check::{self, MOST_NEGATIVE_TTL, MOST_SERVERS, MOST_TIMER, MOST_TTL};
use polder_core::dns::zones::{Decision, Move, Zone, ZoneDraft, ZoneName, ZoneSpec};
use polder_core::meta::Meta;
use polder_core::reason::{Malformed, Reason, Violations, shown};

use super::super::common::{labels, parsed, show_labels, show_time};
use super::super::ipam::values::few;
use super::super::written::Written;
use super::zones::Shown;
use crate::dns::v1 as pb;
use crate::types::v1 as types;

impl Written for pb::Zone {
    type Record = Zone;
    type Key = ZoneName;
    type Draft = ZoneDraft;
    const MESSAGE: &'static str = "polder.dns.v1.Zone";
    const FIELD: &'static str = "zone";
    const SETTABLE: &'static [&'static str] = &[
        "labels",
        "primary_name_server",
        "mailbox",
        "name_servers",
        "default_ttl_seconds",
        "negative_ttl_seconds",
        "refresh_seconds",
        "retry_seconds",
        "expire_seconds",
        "publish_services",
        "transfer_to",
        "notify",
    ];

    fn key(&self, bad: &mut Violations) -> Option<ZoneName> {
        parsed(&self.name, at("name"), bad)
    }

    fn etag(&self) -> &str {
        &self.etag
    }

    fn asked(record: &Zone) -> Self {
        let spec = &record.spec;
        Self {
            name: record.name.to_string(),
            uid: record.meta.uid.to_string(),
            etag: record.meta.etag(),
            labels: show_labels(&record.labels),
            create_time: Some(show_time(record.meta.created)),
            update_time: Some(show_time(record.meta.updated)),
            primary_name_server: spec.primary.as_ref().map(ToString::to_string).unwrap_or_default(),
            mailbox: spec.mailbox.as_ref().map(check::mail_address).unwrap_or_default(),
            name_servers: spec.name_servers.iter().map(ToString::to_string).collect(),
            default_ttl_seconds: spec.ttl,
            negative_ttl_seconds: spec.negative_ttl,
            refresh_seconds: spec.refresh,
            retry_seconds: spec.retry,
            expire_seconds: spec.expire,
            publish_services: spec.publish_services,
            transfer_to: spec.secondaries.transfer_to.iter().map(ToString::to_string).collect(),
            notify: spec.secondaries.notify.iter().map(ToString::to_string).collect(),
            serial: 0,
            system: false,
            record_sets: 0,
        }
    }

    fn draft(self, _: &[String], bad: &mut Violations) -> Option<ZoneDraft> {
        let name = self.key(bad);
        let usual = ZoneSpec::default();
        let mut time = |seconds, most, usual, field: &str| bad.take(at(field), check::seconds_or(seconds, most, usual));
        let ttl = time(self.default_ttl_seconds, MOST_TTL, usual.ttl, "default_ttl_seconds");
        let negative_ttl = time(self.negative_ttl_seconds, MOST_NEGATIVE_TTL, usual.negative_ttl, "negative_ttl_seconds");
        let refresh = time(self.refresh_seconds, MOST_TIMER, usual.refresh, "refresh_seconds");
        let retry = time(self.retry_seconds, MOST_TIMER, usual.retry, "retry_seconds");
        let expire = time(self.expire_seconds, MOST_TIMER, usual.expire, "expire_seconds");
        if let Some((refresh, expire)) = refresh.zip(expire) {
            bad.take(at("expire_seconds"), check::expiry(expire, refresh));
        }
        let primary = given(&self.primary_name_server, "primary_name_server", host, bad);
        let mailbox = given(&self.mailbox, "mailbox", check::mailbox, bad);
        let name_servers = name_servers(&self.name_servers, bad);
        let transfer_to = networks(&self.transfer_to, &at("transfer_to"), bad);
        let secondaries = Secondaries { transfer_to, notify: notified(&self.notify, &at("notify"), bad) };
        let labels = labels(self.labels, &at("labels"), bad);
        let (ttl, negative_ttl) = (ttl?, negative_ttl?);
        let (refresh, retry, expire, publish_services) = (refresh?, retry?, expire?, self.publish_services);
        let spec =
            ZoneSpec { primary, mailbox, name_servers, ttl, negative_ttl, refresh, retry, expire, publish_services, secondaries };
        Some(ZoneDraft { name: name?, labels, spec })
    }
}

impl Shown for pb::Zone {
    type Changed = pb::UpdateZoneResponse;
    const KIND: &'static str = "zone";

    fn show(cluster: &Cluster, record: &Zone) -> Self {
        let record_sets = u32::try_from(cluster.dns.count_in(&record.name)).unwrap_or(u32::MAX);
        Self { record_sets, ..Self::asked(record) }
    }

    fn meta(record: &Zone) -> &Meta {
        &record.meta
    }

    fn main(decision: &Decision) -> Option<&Move<Zone>> {
        decision.zone.as_ref()
    }

    fn changed(shown: Option<Self>, impact: Vec<types::Impact>) -> Self::Changed {
        pb::UpdateZoneResponse { zone: shown, revision: 0, impact }
    }

    fn parts(changed: Self::Changed) -> (Option<Self>, Vec<types::Impact>) {
        (changed.zone, changed.impact)
    }
}

fn at(field: &str) -> String {
    format!("zone.{field}")
}

/// The value of a field that may be absent.
fn given<T>(text: &str, field: &str, read: impl Fn(&str) -> Result<T, Malformed>, bad: &mut Violations) -> Option<T> {
    if text.is_empty() { None } else { bad.take(at(field), read(text)) }
}

/// The name of a host, not its address.
fn host(text: &str) -> Result<DomainName, Malformed> {
    if text.parse::<IpAddr>().is_ok() || text == "." {
        let description = format!("`{}` is not the name of a host, such as `ns1.site-12.example`", shown(text));
        return Err(Malformed::new(Reason::NameMalformed, description));
    }
    text.parse()
}

fn name_servers(texts: &[String], bad: &mut Violations) -> Vec<DomainName> {
    if !few(texts.len(), MOST_SERVERS, &at("name_servers"), bad) {
        return Vec::new();
    }
    let mut servers = Vec::new();
    for (nth, text) in texts.iter().enumerate() {
        let field = at(&format!("name_servers[{nth}]"));
        match bad.take(field.as_str(), host(text)) {
            Some(server) if servers.contains(&server) => {
                bad.add(field, Reason::DuplicateValue, format!("`{server}` is there already"));
            }
            server => servers.extend(server),
        }
    }
    servers
}
