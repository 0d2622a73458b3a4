//! A record set.

use std::sync::Arc;

use polder_core::cluster::Cluster;
use polder_core::dns::RecordType;
use polder_core::dns::zones::check::{self, MOST_TTL};
use polder_core::dns::zones::{Decision, Move, RecordSet, RecordSetKey, SetDraft, ZoneName};
use polder_core::meta::Meta;
use polder_core::reason::Violations;

use super::super::common::{labels, parsed, show_labels, show_time};
use super::super::written::Written;
use super::zones::Shown;
use crate::dns::v1 as pb;
use crate::types::v1 as types;

const AT: &str = "record_set.";

/// The key of a set, from zone, name and type, which are fields under `at`.
pub fn key([zone, name, rtype]: [&str; 3], at: &str, bad: &mut Violations) -> Option<RecordSetKey> {
    let zone: Option<ZoneName> = parsed(zone, format!("{at}zone"), bad);
    let owner = bad.take(format!("{at}name"), check::owner(name, zone.as_ref()));
    let rtype = bad.take(format!("{at}type"), rtype.parse().and_then(check::rtype));
    let key = RecordSetKey::new(zone?, owner?, rtype?);
    bad.take(format!("{at}name"), key)
}

impl Written for pb::RecordSet {
    type Record = RecordSet;
    type Key = RecordSetKey;
    type Draft = SetDraft;
    const MESSAGE: &'static str = "polder.dns.v1.RecordSet";
    const FIELD: &'static str = "record_set";
    const SETTABLE: &'static [&'static str] = &["labels", "ttl_seconds", "data"];

    fn key(&self, bad: &mut Violations) -> Option<RecordSetKey> {
        key([&self.zone, &self.name, &self.r#type], AT, bad)
    }

    fn etag(&self) -> &str {
        &self.etag
    }

    fn asked(record: &RecordSet) -> Self {
        let key = &record.key;
        Self {
            zone: key.zone().to_string(),
            name: key.owner().to_string(),
            r#type: key.rtype().to_string(),
            uid: record.meta.uid.to_string(),
            etag: record.meta.etag(),
            labels: show_labels(&record.labels),
            create_time: Some(show_time(record.meta.created)),
            update_time: Some(show_time(record.meta.updated)),
            ttl_seconds: record.ttl,
            data: record.data.iter().map(ToString::to_string).collect(),
        }
    }

    fn draft(self, _: &[String], bad: &mut Violations) -> Option<SetDraft> {
        let key = self.key(bad);
        if let Some(key) = &key {
            bad.take(format!("{AT}type"), check::place(key));
        }
        let ttl = self.ttl_seconds.and_then(|seconds| bad.take(format!("{AT}ttl_seconds"), check::seconds(seconds, MOST_TTL)));
        let labels = labels(self.labels, &format!("{AT}labels"), bad);
        // Where the zone cannot be read the data is still looked at, in any other.
        let any = || self.zone.parse().or_else(|_| "example".parse()).ok();
        let rtype = self.r#type.parse::<RecordType>().and_then(check::rtype).ok();
        let data = rtype.zip(any()).and_then(|(rtype, zone)| check::data(rtype, &self.data, &zone, &format!("{AT}data"), bad));
        Some(SetDraft { key: Arc::new(key?), labels, ttl, data: data? })
    }
}

impl Shown for pb::RecordSet {
    type Changed = pb::UpdateRecordSetResponse;
    const KIND: &'static str = "record set";

    fn show(_: &Cluster, record: &RecordSet) -> Self {
        Self::asked(record)
    }

    fn meta(record: &RecordSet) -> &Meta {
        &record.meta
    }

    fn main(decision: &Decision) -> Option<&Move<RecordSet>> {
        decision.sets.first()
    }

    fn changed(shown: Option<Self>, impact: Vec<types::Impact>) -> Self::Changed {
        pb::UpdateRecordSetResponse { record_set: shown, revision: 0, impact }
    }

    fn parts(changed: Self::Changed) -> (Option<Self>, Vec<types::Impact>) {
        (changed.record_set, changed.impact)
    }
}
