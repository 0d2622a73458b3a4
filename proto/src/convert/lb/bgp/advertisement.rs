//! A BGP advertisement.

use std::num::NonZeroU32;

use polder_core::cluster::Cluster;
use polder_core::lb::bgp::check::{self, MOST_NAMED};
use polder_core::lb::bgp::conditions::Heard;
use polder_core::lb::bgp::{AdvertisementDraft, AdvertisementSpec, BgpAdvertisement, Community, conditions};
use polder_core::net::Family;
use polder_core::reason::{Malformed, Reason, Violations, shown};

use super::super::super::common::{labels, parsed, show_labels, show_time};
use super::super::super::ipam::values::{few, show_selectors};
use super::{Shown, selectors, show_condition};
use crate::lb::v1 as pb;
use crate::types::v1 as types;

impl Shown for pb::BgpAdvertisement {
    type Record = BgpAdvertisement;
    type Changed = pb::UpdateBgpAdvertisementResponse;
    const MESSAGE: &'static str = "polder.lb.v1.BgpAdvertisement";
    const FIELD: &'static str = "bgp_advertisement";
    const SETTABLE: &'static [&'static str] = &[
        "labels",
        "pools",
        "pool_selectors",
        "service_selectors",
        "node_selectors",
        "peers",
        "aggregation_length_v4",
        "aggregation_length_v6",
        "local_pref",
        "communities",
    ];

    fn name(&self) -> &str {
        &self.name
    }

    fn etag(&self) -> &str {
        &self.etag
    }

    fn asked(record: &BgpAdvertisement) -> Self {
        let spec = &record.spec;
        Self {
            name: record.name.to_string(),
            uid: record.meta.uid.to_string(),
            etag: record.meta.etag(),
            labels: show_labels(&record.labels),
            create_time: Some(show_time(record.meta.created)),
            update_time: Some(show_time(record.meta.updated)),
            pools: spec.pools.iter().map(ToString::to_string).collect(),
            pool_selectors: show_selectors(&spec.pool_selectors),
            service_selectors: show_selectors(&spec.services),
            node_selectors: show_selectors(&spec.nodes),
            peers: spec.peers.iter().map(ToString::to_string).collect(),
            aggregation_length_v4: spec.length_v4.into(),
            aggregation_length_v6: spec.length_v6.into(),
            local_pref: spec.local_pref.map_or(0, NonZeroU32::get),
            communities: spec.communities.iter().map(ToString::to_string).collect(),
            conditions: Vec::new(),
        }
    }

    fn show(cluster: &Cluster, record: &BgpAdvertisement) -> Self {
        let conditions = conditions::of_advertisement(cluster, record).into_iter().map(show_condition).collect();
        Self { conditions, ..Self::asked(record) }
    }

    fn observe(self, _: &Cluster, _: &BgpAdvertisement, _: Option<&Heard>) -> Self {
        self
    }

    fn draft(self, _: &[String], bad: &mut Violations) -> Option<AdvertisementDraft> {
        let name = parsed(&self.name, at("name"), bad);
        let spec = spec(&self, bad);
        let labels = labels(self.labels, &at("labels"), bad);
        Some(AdvertisementDraft { name: name?, labels, spec: spec? })
    }

    fn line(record: &BgpAdvertisement) -> String {
        let or = |names: Vec<String>, otherwise: &str| if names.is_empty() { otherwise.to_owned() } else { names.join(", ") };
        let spec = &record.spec;
        let chosen = if spec.pool_selectors.is_empty() { "all pools" } else { "pools by label" };
        let pools = or(spec.pools.iter().map(ToString::to_string).collect(), chosen);
        let peers = or(spec.peers.iter().map(ToString::to_string).collect(), "all peers");
        format!("BGP advertisement {} of {pools} to {peers}", record.name)
    }

    fn changed(shown: Option<Self>, impact: Vec<types::Impact>) -> Self::Changed {
        pb::UpdateBgpAdvertisementResponse { bgp_advertisement: shown, revision: 0, impact }
    }

    fn parts(changed: Self::Changed) -> (Option<Self>, Vec<types::Impact>) {
        (changed.bgp_advertisement, changed.impact)
    }
}

fn at(field: &str) -> String {
    format!("bgp_advertisement.{field}")
}

fn spec(given: &pb::BgpAdvertisement, bad: &mut Violations) -> Option<AdvertisementSpec> {
    let services = selectors(&given.service_selectors, &at("service_selectors"), bad);
    let mut length = |number: u32, family: Family, field: &str| {
        let length = bad.take(at(field), check::aggregation(number, family))?;
        if given.service_selectors.is_empty() {
            return Some(length);
        }
        bad.take(at(field), check::unaggregated(length, family)).map(|()| length)
    };
    let length_v4 = length(given.aggregation_length_v4, Family::V4, "aggregation_length_v4");
    let length_v6 = length(given.aggregation_length_v6, Family::V6, "aggregation_length_v6");
    let mut communities: Vec<Community> = distinct(&given.communities, "communities", bad);
    communities.sort_unstable();
    Some(AdvertisementSpec {
        pools: distinct(&given.pools, "pools", bad),
        pool_selectors: selectors(&given.pool_selectors, &at("pool_selectors"), bad),
        services,
        nodes: selectors(&given.node_selectors, &at("node_selectors"), bad),
        peers: distinct(&given.peers, "peers", bad),
        length_v4: length_v4?,
        length_v6: length_v6?,
        local_pref: NonZeroU32::new(given.local_pref),
        communities,
    })
}

/// Values of which none is given twice, in whatever form.
fn distinct<T>(texts: &[String], field: &str, bad: &mut Violations) -> Vec<T>
where
    T: std::str::FromStr<Err = Malformed> + PartialEq,
{
    let field = at(field);
    if !few(texts.len(), MOST_NAMED, &field, bad) {
        return Vec::new();
    }
    let mut read: Vec<T> = Vec::with_capacity(texts.len());
    for (nth, text) in texts.iter().enumerate() {
        let field = format!("{field}[{nth}]");
        match bad.take(field.as_str(), text.parse()) {
            Some(value) if read.contains(&value) => {
                bad.add(field, Reason::DuplicateValue, format!("`{}` is given twice", shown(text)));
            }
            value => read.extend(value),
        }
    }
    read
}
