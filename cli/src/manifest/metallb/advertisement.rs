//! BGPAdvertisement: what of which pools is advertised, to whom and how.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::document::Document;
use super::super::notes::strangers;
use super::super::{Intent, Kind};
use super::parts::Parts;
use super::pool::Pool;
use super::selectors::{Chosen, selectors, shown};
use super::{begin, copy, words};
use crate::failure::Failure;

const KNOWN: [&str; 9] = [
    "aggregationLength",
    "aggregationLengthV6",
    "localPref",
    "communities",
    "ipAddressPools",
    "ipAddressPoolSelectors",
    "nodeSelectors",
    "serviceSelectors",
    "peers",
];

/// The names of RFC 1997 and its successors that need no Community.
const WELL_KNOWN: [&str; 10] = [
    "no-export",
    "no-advertise",
    "no-export-subconfed",
    "local-as",
    "no-peer",
    "blackhole",
    "graceful-shutdown",
    "accept-own",
    "llgr-stale",
    "no-llgr",
];

/// An advertisement whose communities are not resolved yet.
#[derive(Debug)]
pub(super) struct Advertisement {
    pub(super) document: Document,
    intent: Intent,
    pools: Chosen,
    /// Where the communities stand, for messages.
    place: String,
    communities: Vec<String>,
    /// It comes from an AddressPool.
    old: bool,
}

impl Advertisement {
    /// # Errors
    /// [`Failure::Usage`] naming the field that cannot be read.
    pub(super) fn read(document: Document) -> Result<Self, Failure> {
        let mut intent = begin(&document, Kind::BgpAdvertisement, &KNOWN)?;
        let pools = Chosen::read(&document)?;
        let object = &mut intent.object;
        copy(&document, &[("localPref", "localPref")], object);
        copy(&document, &[("aggregationLength", "aggregationLengthV4"), ("aggregationLengthV6", "aggregationLengthV6")], object);
        for (key, names) in [("pools", pools.names.clone()), ("peers", words(&document, "peers")?)] {
            if !names.is_empty() {
                object.insert(key.to_owned(), json!(names));
            }
        }
        for (from, to) in [
            ("ipAddressPoolSelectors", "poolSelectors"),
            ("serviceSelectors", "serviceSelectors"),
            ("nodeSelectors", "nodeSelectors"),
        ] {
            let found = selectors(&document, &["spec", from])?;
            if !found.is_empty() {
                object.insert(to.to_owned(), shown(&found));
            }
        }
        let communities = words(&document, "communities")?;
        Ok(Self { document, intent, pools, place: "spec.communities".to_owned(), communities, old: false })
    }

    /// One of the advertisements that an AddressPool has inside.
    ///
    /// # Errors
    /// [`Failure::Usage`] naming the field that cannot be read.
    pub(super) fn of_old_pool(pool: &Document, at: usize, own: Value) -> Result<Self, Failure> {
        let path = format!("spec.bgpAdvertisements[{at}]");
        let Value::Object(fields) = &own else { return Err(pool.wrong(&path, "is a mapping")) };
        let notes = strangers(&path, &own, &["aggregationLength", "aggregationLengthV6", "localPref", "communities"]);
        let of = pool.name()?;
        let name = format!("{of}-{}", at + 1);
        let mut object = Map::from_iter([("name".to_owned(), json!(name)), ("pools".to_owned(), json!([of]))]);
        for (from, to) in [
            ("aggregationLength", "aggregationLengthV4"),
            ("aggregationLengthV6", "aggregationLengthV6"),
            ("localPref", "localPref"),
        ] {
            if let Some(value) = fields.get(from).filter(|value| !value.is_null()) {
                object.insert(to.to_owned(), value.clone());
            }
        }
        let place = format!("{path}.communities");
        let listed = match fields.get("communities") {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(value) => value.as_array().and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect()),
        };
        let communities = listed.ok_or_else(|| pool.wrong(&place, "is a list of words"))?;
        let intent = Intent { kind: Kind::BgpAdvertisement, namespace: String::new(), name, object, notes };
        Ok(Self { document: pool.clone(), intent, pools: Chosen::one(&of), place, communities, old: true })
    }

    /// The advertisement, with the names of Communities as what they stand for.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a name that nobody has given.
    pub(super) fn resolved(mut self, parts: &mut Parts) -> Result<Intent, Failure> {
        let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
        for (at, text) in self.communities.iter().enumerate() {
            let value = match parts.community(text) {
                Some(value) => value,
                None if text.contains(':') || WELL_KNOWN.contains(&text.to_ascii_lowercase().as_str()) => text.clone(),
                None => {
                    let why =
                        format!("`{text}` is not a community such as 65000:100, and no Community of this run has a name like it");
                    return Err(self.document.wrong(&format!("{}[{at}]", self.place), &why));
                }
            };
            if seen.insert(value.clone()) {
                all.push(value);
            }
        }
        if !all.is_empty() {
            self.intent.object.insert("communities".to_owned(), json!(all));
        }
        Ok(self.intent)
    }
}

/// The pools that any advertisement means.
pub(super) fn by_pool(advertisements: &mut [Advertisement], pools: &[Pool]) -> BTreeSet<String> {
    for one in advertisements.iter_mut().filter(|one| !one.old) {
        for name in one.pools.strangers(pools) {
            one.intent.notes.push(format!(
                "spec.ipAddressPools: pool `{name}` is not in this run: whether its addresses are advertised by BGP only is not \
                 carried over to it"
            ));
        }
    }
    let meant = pools.iter().filter(|pool| advertisements.iter().any(|one| one.pools.means(pool)));
    meant.map(|pool| pool.intent.name.clone()).collect()
}
