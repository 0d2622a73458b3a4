//! Lists of record sets: what they are asked for by.

use std::borrow::Cow;

use polder_core::dns::RecordType;
use polder_core::dns::zones::{Owner, RecordSet, ZoneName};
use polder_core::filter::Filter;
use polder_core::reason::{Refusal, Violations};

use super::super::common::parsed;
use super::super::page;
use crate::dns::v1;

/// The fields of a record set that a filter may ask for.
const FIELDS: &[&str] = &["name", "type", "uid", "ttl_seconds", "data", "labels.*"];

/// A page of record sets.
#[derive(Debug, Clone)]
pub struct SetPage {
    /// The number of items.
    pub size: usize,
    /// Name and type of the last item of the page before.
    pub after: Option<(Owner, RecordType)>,
    filter: Filter,
}

/// Reads what is asked for of the record sets of a zone.
///
/// # Errors
/// A refusal that names every bad field.
pub fn set_page(request: &v1::ListRecordSetsRequest) -> Result<(ZoneName, SetPage), Refusal> {
    let mut bad = Violations::new();
    let zone = parsed(&request.zone, "zone", &mut bad);
    let size = page::size(request.page_size, &mut bad);
    let after = page::after::<2>(&request.page_token, &mut bad);
    let after = after.and_then(|[name, rtype]| page::part(&name, &mut bad).zip(page::part(&rtype, &mut bad)));
    let filter = bad.take("filter", Filter::parse(&request.filter, FIELDS));
    bad.finish(zone.zip(filter).map(|(zone, filter)| (zone, SetPage { size, after, filter })))
}

impl SetPage {
    /// Whether a set passes.
    #[must_use]
    pub fn passes(&self, set: &RecordSet) -> bool {
        self.filter.matches(|field| match field {
            "name" => vec![Cow::Borrowed(set.key.owner().as_str())],
            "type" => vec![Cow::Owned(set.key.rtype().to_string())],
            "uid" => vec![Cow::Owned(set.meta.uid.to_string())],
            "ttl_seconds" => set.ttl.iter().map(|seconds| Cow::Owned(seconds.to_string())).collect(),
            "data" => set.data.iter().map(|data| Cow::Owned(data.to_string())).collect(),
            field => field.strip_prefix("labels.").and_then(|key| set.labels.get(key)).map(Cow::Borrowed).into_iter().collect(),
        })
    }
}
