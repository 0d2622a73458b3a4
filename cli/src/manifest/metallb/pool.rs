//! IPAddressPool, and AddressPool, its form of old: pools of external addresses.

use polder_core::net::{Labels, Selector};
use serde_json::{Map, Value, json};

use super::super::document::Document;
use super::super::notes::strangers;
use super::super::{Intent, Kind};
use super::advertisement::Advertisement;
use super::layer2::Announced;
use super::selectors::{selectors, shown};
use super::{begin, copy, flag, words};
use crate::failure::Failure;

/// A pool, before it is known who announces it.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) document: Document,
    pub(super) intent: Intent,
    pub(super) labels: Labels,
    /// It is an AddressPool, which says itself how it is announced.
    pub(super) old: bool,
}

impl Pool {
    /// # Errors
    /// [`Failure::Usage`] naming the field that cannot be read.
    pub(super) fn read(document: Document) -> Result<Self, Failure> {
        let mut intent = common(&document, &["addresses", "autoAssign", "avoidBuggyIPs", "serviceAllocation"])?;
        if let Some(allocation) = document.at(&["spec", "serviceAllocation"]) {
            if !allocation.is_object() {
                return Err(document.wrong("spec.serviceAllocation", "is a mapping"));
            }
            let known = ["priority", "namespaces", "namespaceSelectors", "serviceSelectors"];
            intent.notes.extend(strangers("spec.serviceAllocation", allocation, &known));
            for key in ["priority", "namespaces"] {
                if let Some(value) = document.at(&["spec", "serviceAllocation", key]) {
                    intent.object.insert(key.to_owned(), value.clone());
                }
            }
            for (from, to) in [("namespaceSelectors", "namespaceSelectors"), ("serviceSelectors", "ownerSelectors")] {
                let found = selectors(&document, &["spec", "serviceAllocation", from])?;
                put_selectors(&mut intent.object, to, &found);
            }
        }
        let labels = labels(&document)?;
        Ok(Self { document, intent, labels, old: false })
    }

    /// The pool, and its own advertisements.
    ///
    /// # Errors
    /// [`Failure::Usage`] naming the field that cannot be read.
    pub(super) fn read_old(document: Document) -> Result<(Self, Vec<Advertisement>), Failure> {
        let known = ["addresses", "autoAssign", "avoidBuggyIPs", "protocol", "bgpAdvertisements"];
        let mut intent = common(&document, &known)?;
        let own = document.list(&["spec", "bgpAdvertisements"])?.to_vec();
        let advertisements = match document.text(&["spec", "protocol"]).as_str() {
            "layer2" if own.is_empty() => Vec::new(),
            "layer2" => return Err(document.wrong("spec.bgpAdvertisements", "protocol layer2 has none")),
            "bgp" => {
                intent.object.insert("bgpOnly".to_owned(), json!(true));
                // Without any, MetalLB advertises every address by itself.
                let own = if own.is_empty() { vec![json!({})] } else { own };
                let numbered = own.into_iter().enumerate();
                numbered.map(|(at, one)| Advertisement::of_old_pool(&document, at, one)).collect::<Result<_, _>>()?
            }
            other => return Err(document.wrong("spec.protocol", &format!("`{other}` is not layer2 or bgp"))),
        };
        let labels = labels(&document)?;
        Ok((Self { document, intent, labels, old: true }, advertisements))
    }

    /// Takes over how the pool is announced on the local network, and whether by BGP as well.
    pub(super) fn announce(&mut self, layer2: Option<&Announced>, by_bgp: bool) {
        let Intent { object, notes, .. } = &mut self.intent;
        match (layer2, by_bgp, self.old) {
            (_, _, true) => {}
            (None, true, _) => drop(object.insert("bgpOnly".to_owned(), json!(true))),
            (None, false, _) => notes.push(
                "no L2Advertisement and no BGPAdvertisement of this run names the pool: MetalLB announces its addresses \
                 nowhere, Polder answers for them on the local network"
                    .to_owned(),
            ),
            (Some(announced), by_bgp, _) => {
                let way = &announced.way;
                put_selectors(object, "nodeSelectors", &way.nodes);
                if !way.interfaces.is_empty() {
                    object.insert("announceInterfaces".to_owned(), json!(way.interfaces));
                }
                notes.extend(announced.notes.iter().cloned());
                if by_bgp && !way.nodes.is_empty() {
                    notes.push(
                        "the nodeSelectors of its L2Advertisements hold for BGP as well: the nodes of a pool are those that \
                         announce it in any way"
                            .to_owned(),
                    );
                }
            }
        }
    }
}

fn put_selectors(object: &mut Map<String, Value>, key: &str, selectors: &[Selector]) {
    if !selectors.is_empty() {
        object.insert(key.to_owned(), shown(selectors));
    }
}

/// What both forms have.
fn common(document: &Document, known: &[&str]) -> Result<Intent, Failure> {
    let mut intent = begin(document, Kind::Pool, known)?;
    let object = &mut intent.object;
    object.insert("purpose".to_owned(), json!("POOL_PURPOSE_EXTERNAL_SERVICE"));
    object.insert("description".to_owned(), json!("imported from MetalLB"));
    match words(document, "addresses")? {
        none if none.is_empty() => return Err(document.wrong("spec.addresses", "at least one is required")),
        ranges => drop(object.insert("ranges".to_owned(), json!(ranges))),
    }
    if flag(document, "autoAssign")? == Some(false) {
        object.insert("explicitOnly".to_owned(), json!(true));
    }
    copy(document, &[("avoidBuggyIPs", "avoidBuggyIps")], object);
    Ok(intent)
}

fn labels(document: &Document) -> Result<Labels, Failure> {
    let wrong = |why: &str| document.wrong("metadata.labels", why);
    let pairs = match document.at(&["metadata", "labels"]) {
        None => return Ok(Labels::default()),
        Some(Value::Object(pairs)) => pairs,
        Some(_) => return Err(wrong("is a mapping")),
    };
    let text = |(key, value): (&String, &Value)| value.as_str().map(|value| (key.clone(), value.to_owned()));
    let pairs: Option<Vec<(String, String)>> = pairs.iter().map(text).collect();
    let pairs = pairs.ok_or_else(|| wrong("the values are texts; put them in quotes"))?;
    Labels::new(pairs.into_iter().collect::<std::collections::BTreeMap<_, _>>()).map_err(|error| wrong(&error.description))
}
