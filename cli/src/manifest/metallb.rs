//! MetalLB's objects, under `metallb.io`: IPAddressPool, AddressPool, L2Advertisement, BGPPeer, BGPAdvertisement, Community,
//! BFDProfile, and the Secrets that peers take their passwords from.
//!
//! They speak of each other by name and by label, so none can be carried over alone: the documents of a whole run are collected,
//! wherever they stand, and then resolved. Pools, peers and BGP advertisements become objects of Polder. An L2Advertisement
//! becomes part of the pools that it names, a BFDProfile part of its peers, a Community part of the advertisements that use its
//! names, a Secret part of its peers.

mod advertisement;
mod layer2;
mod parts;
mod peer;
mod pool;
mod selectors;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::document::Document;
use super::notes::leftovers;
use super::{Intent, Kind, Manifest};
use crate::failure::Failure;
use advertisement::Advertisement;
use layer2::Layer2;
use parts::Parts;
use pool::Pool;

/// The documents of a run that have to be seen together.
#[derive(Debug, Default)]
pub struct Config {
    documents: Vec<Document>,
    /// What has been described, so that nothing is described twice.
    seen: BTreeSet<(&'static str, String)>,
}

/// What is of MetalLB, by `apiVersion` and `kind`, and under which word names are unique. An old pool and a new one of one name
/// are one thing twice.
const KINDS: [(&str, &str, &str); 9] = [
    ("metallb.io/v1beta1", "IPAddressPool", "pool"),
    ("metallb.io/v1beta1", "AddressPool", "pool"),
    ("metallb.io/v1beta1", "L2Advertisement", "l2advertisement"),
    ("metallb.io/v1beta1", "BGPAdvertisement", "bgpadvertisement"),
    ("metallb.io/v1beta1", "BGPPeer", "bgppeer"),
    ("metallb.io/v1beta2", "BGPPeer", "bgppeer"),
    ("metallb.io/v1beta1", "BFDProfile", "bfdprofile"),
    ("metallb.io/v1beta1", "Community", "community"),
    ("v1", "Secret", "secret"),
];

/// The type of the secrets that MetalLB takes passwords from.
const BASIC_AUTH: &str = "kubernetes.io/basic-auth";

fn word(document: &Document) -> Option<&'static str> {
    let is_it = |(version, kind, _): &&(&str, &str, &str)| document.api_version == *version && document.kind == *kind;
    let (.., word) = KINDS.iter().find(is_it)?;
    (*word != "secret" || document.text(&["type"]) == BASIC_AUTH).then_some(*word)
}

impl Config {
    /// Whether the document is one of those.
    #[must_use]
    pub fn takes(&self, document: &Document) -> bool {
        word(document).is_some()
    }

    /// Keeps a document until all are there.
    ///
    /// # Errors
    /// [`Failure::Usage`] for one without a name, and for a second one of the same name.
    pub fn add(&mut self, document: Document) -> Result<(), Failure> {
        let (Some(word), name) = (word(&document), document.name()?) else { return Ok(()) };
        let key = if word == "secret" { format!("{}/{name}", document.namespace()) } else { name };
        if !self.seen.insert((word, key.clone())) {
            return Err(document.wrong("metadata.name", &format!("{word} `{key}` is described twice in one run")));
        }
        self.documents.push(document);
        Ok(())
    }

    /// Adds what the documents come to.
    ///
    /// # Errors
    /// [`Failure::Usage`] naming the document and the field.
    pub fn resolve(self, manifest: &mut Manifest) -> Result<(), Failure> {
        let (mut parts, mut names) = (Parts::default(), BTreeSet::new());
        let (mut pools, mut layer2, mut advertisements, mut peers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for document in self.documents {
            match document.kind.as_str() {
                "IPAddressPool" => pools.push(Pool::read(document)?),
                "AddressPool" => {
                    let (pool, own) = Pool::read_old(document)?;
                    pools.push(pool);
                    advertisements.extend(own);
                }
                "L2Advertisement" => layer2.push(Layer2::read(&document)?),
                "BGPAdvertisement" => advertisements.push(Advertisement::read(document)?),
                "BGPPeer" => peers.push(document),
                _ => parts.add(&document)?,
            }
        }
        let (by_layer2, by_bgp) = (layer2::by_pool(&mut layer2, &pools), advertisement::by_pool(&mut advertisements, &pools));
        for mut pool in pools {
            pool.announce(by_layer2.get(&pool.intent.name), by_bgp.contains(&pool.intent.name));
            manifest.intents.push(checked(pool.intent, &pool.document)?);
        }
        for peer in &peers {
            manifest.intents.push(checked(peer::intent(peer, &mut parts)?, peer)?);
        }
        for advertisement in advertisements {
            let document = advertisement.document.clone();
            let intent = advertisement.resolved(&mut parts)?;
            // Those of an AddressPool have names that are made here.
            if !names.insert(intent.name.clone()) {
                let why = format!("advertisement `{}` is described twice in one run", intent.name);
                return Err(document.wrong("metadata.name", &why));
            }
            manifest.intents.push(checked(intent, &document)?);
        }
        manifest.notes.extend(layer2.iter().flat_map(Layer2::titled_notes));
        manifest.notes.extend(parts.titled_notes());
        Ok(())
    }
}

fn checked(intent: Intent, document: &Document) -> Result<Intent, Failure> {
    document.check(&intent)?;
    Ok(intent)
}

/// The beginning of an object: its name and its labels, and what of the document has no meaning here.
fn begin(document: &Document, kind: Kind, spec: &[&str]) -> Result<Intent, Failure> {
    let name = document.name()?;
    let mut object = Map::from_iter([("name".to_owned(), Value::from(name.as_str()))]);
    if let Some(labels) = document.at(&["metadata", "labels"]) {
        object.insert("labels".to_owned(), labels.clone());
    }
    Ok(Intent { kind, namespace: String::new(), name, object, notes: unknown(document, spec) })
}

/// A note for every field that is not one of these below `spec`. MetalLB's objects live in a namespace of its own, which says
/// nothing; `kubectl apply` keeps its memory in an annotation.
fn unknown(document: &Document, spec: &[&str]) -> Vec<String> {
    const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
    let mut known = vec!["metadata.name".to_owned(), "metadata.namespace".to_owned(), "metadata.labels".to_owned()];
    known.extend(spec.iter().map(|field| format!("spec.{field}")));
    let annotations = document.at(&["metadata", "annotations"]).and_then(Value::as_object);
    if annotations.is_none_or(|pairs| pairs.keys().all(|key| key == LAST_APPLIED)) {
        known.push("metadata.annotations".to_owned());
    }
    leftovers(document, &known.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Copies fields below `spec` under their names here; those that are not given are left out.
fn copy(document: &Document, fields: &[(&str, &str)], object: &mut Map<String, Value>) {
    for (from, to) in fields {
        if let Some(value) = document.at(&["spec", from]) {
            object.insert((*to).to_owned(), value.clone());
        }
    }
}

/// A yes or no below `spec`.
fn flag(document: &Document, field: &str) -> Result<Option<bool>, Failure> {
    match document.at(&["spec", field]) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(document.wrong(&format!("spec.{field}"), "is true or false")),
    }
}

/// A list of words below `spec`, each once.
fn words(document: &Document, field: &str) -> Result<Vec<String>, Failure> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for (at, item) in document.list(&["spec", field])?.iter().enumerate() {
        let word = item.as_str().map(str::trim).filter(|word| !word.is_empty());
        let word = word.ok_or_else(|| document.wrong(&format!("spec.{field}[{at}]"), "is a word"))?;
        if seen.insert(word) {
            found.push(word.to_owned());
        }
    }
    Ok(found)
}

/// The pools of a run by name, with what is said of each.
type ByPool<T> = BTreeMap<String, T>;

#[cfg(test)]
mod tests;
