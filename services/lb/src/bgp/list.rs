//! Lists of BGP peers and advertisements: fields for filters, and pages.

use std::borrow::Cow;
use std::sync::Arc;

use polder_core::cluster::Cluster;
use polder_core::filter::Filter;
use polder_core::lb::bgp::{BgpAdvertisement, BgpPeer, Record, Router};
use polder_core::net::{Label, Labels};
use polder_core::reason::{Refusal, Violations};
use polder_proto::convert::page;

/// A record that can be listed.
pub(crate) trait Listed: Record {
    /// The fields that a filter may ask for.
    const FIELDS: &'static [&'static str];

    /// The records behind a name, by name.
    fn after<'a>(cluster: &'a Cluster, name: Option<&Label>) -> Box<dyn Iterator<Item = &'a Arc<Self>> + 'a>;
    /// The values of a field.
    fn values<'a>(&'a self, field: &str) -> Vec<Cow<'a, str>>;
}

/// What a page is asked for by: size, token and filter.
pub(crate) type Asked<'a> = (u32, &'a str, &'a str);

/// A page, and the token of the next one.
///
/// # Errors
/// Every bad field.
pub(super) fn page<'a, R: Listed>(cluster: &'a Cluster, asked: Asked<'_>) -> Result<(Vec<&'a Arc<R>>, String), Refusal> {
    let (size, token, filter) = asked;
    let mut bad = Violations::new();
    let after = page::after::<1>(token, &mut bad).and_then(|[name]| page::part(&name, &mut bad));
    let size = page::size(size, &mut bad);
    let filter = bad.take("filter", Filter::parse(filter, R::FIELDS));
    let filter = bad.finish(filter)?;
    let passes = |record: &&Arc<R>| filter.matches(|field| record.values(field));
    let mut rest = R::after(cluster, after.as_ref()).filter(passes);
    let page: Vec<_> = rest.by_ref().take(size).collect();
    let token = rest.next().and_then(|_| page.last()).map(|last| page::token(&[last.name().as_str()]));
    Ok((page, token.unwrap_or_default()))
}

fn one<'a>(value: impl Into<Cow<'a, str>>) -> Vec<Cow<'a, str>> {
    vec![value.into()]
}

fn texts<'a>(values: impl IntoIterator<Item: ToString>) -> Vec<Cow<'a, str>> {
    values.into_iter().map(|value| Cow::Owned(value.to_string())).collect()
}

/// `labels.app`: the label of that key.
fn label<'a>(labels: &'a Labels, field: &str) -> Vec<Cow<'a, str>> {
    field.strip_prefix("labels.").and_then(|key| labels.get(key)).map(Cow::Borrowed).into_iter().collect()
}

impl Listed for BgpPeer {
    const FIELDS: &'static [&'static str] =
        &["name", "uid", "labels.*", "peer_address", "interface", "peer_asn", "local_asn", "peer_port", "internal"];

    fn after<'a>(cluster: &'a Cluster, name: Option<&Label>) -> Box<dyn Iterator<Item = &'a Arc<Self>> + 'a> {
        Box::new(cluster.lb.bgp_peers_after(name))
    }

    fn values<'a>(&'a self, field: &str) -> Vec<Cow<'a, str>> {
        match (field, &self.spec.router) {
            ("name", _) => one(self.name.as_str()),
            ("uid", _) => texts([self.meta.uid]),
            ("peer_address", Router::Address(address)) => texts([address]),
            ("interface", Router::Interface(name)) => one(name.as_str()),
            ("peer_address" | "interface", _) => Vec::new(),
            ("peer_asn", _) => texts([self.spec.peer_asn.number()]),
            ("local_asn", _) => texts([self.spec.local_asn.number()]),
            ("peer_port", _) => texts([self.spec.port]),
            ("internal", _) => texts([self.is_internal()]),
            (field, _) => label(&self.labels, field),
        }
    }
}

impl Listed for BgpAdvertisement {
    const FIELDS: &'static [&'static str] = &["name", "uid", "labels.*", "pools", "peers", "local_pref", "communities"];

    fn after<'a>(cluster: &'a Cluster, name: Option<&Label>) -> Box<dyn Iterator<Item = &'a Arc<Self>> + 'a> {
        Box::new(cluster.lb.bgp_advertisements_after(name))
    }

    fn values<'a>(&'a self, field: &str) -> Vec<Cow<'a, str>> {
        match field {
            "name" => one(self.name.as_str()),
            "uid" => texts([self.meta.uid]),
            "pools" => texts(&self.spec.pools),
            "peers" => texts(&self.spec.peers),
            "local_pref" => texts(self.spec.local_pref),
            "communities" => texts(&self.spec.communities),
            field => label(&self.labels, field),
        }
    }
}
