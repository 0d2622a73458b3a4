//! What becomes part of something else: BFDProfile, Community, Secret.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::super::document::Document;
use super::super::notes::{leftovers, strangers};
use super::{copy, flag, unknown};
use crate::failure::Failure;

/// The parts of a run, and which of them somebody has used.
#[derive(Debug, Default)]
pub(super) struct Parts {
    profiles: BTreeMap<String, Used<Map<String, Value>>>,
    communities: BTreeMap<String, Used<String>>,
    secrets: BTreeMap<(String, String), Used<String>>,
    notes: Vec<String>,
}

#[derive(Debug)]
struct Used<T> {
    value: T,
    used: bool,
}

impl<T: Clone> Used<T> {
    const fn new(value: T) -> Self {
        Self { value, used: false }
    }

    fn take(&mut self) -> T {
        self.used = true;
        self.value.clone()
    }
}

impl Parts {
    /// # Errors
    /// [`Failure::Usage`] naming the field that cannot be read.
    pub(super) fn add(&mut self, document: &Document) -> Result<(), Failure> {
        let name = document.name()?;
        let (title, notes) = match document.kind.as_str() {
            "BFDProfile" => {
                let (profile, notes) = profile(document)?;
                self.profiles.insert(name.clone(), Used::new(profile));
                ("bfdprofile", notes)
            }
            "Community" => ("community", self.aliases(document)?),
            _ => {
                self.secrets.insert((document.namespace(), name.clone()), Used::new(password(document)?));
                let known = ["metadata.name", "metadata.namespace", "metadata.labels", "metadata.annotations", "type"];
                ("secret", leftovers(document, &[&known[..], &["data", "stringData", "immutable"]].concat()))
            }
        };
        self.notes.extend(notes.iter().map(|note| format!("{title}/{name}: {note}")));
        Ok(())
    }

    fn aliases(&mut self, document: &Document) -> Result<Vec<String>, Failure> {
        let mut notes = unknown(document, &["communities"]);
        for (at, alias) in document.list(&["spec", "communities"])?.iter().enumerate() {
            let path = format!("spec.communities[{at}]");
            let text = |key: &str| {
                let text = alias[key].as_str().filter(|text| !text.is_empty());
                text.map(str::to_owned).ok_or_else(|| document.wrong(&format!("{path}.{key}"), "is required"))
            };
            let (name, value) = (text("name")?, text("value")?);
            notes.extend(strangers(&path, alias, &["name", "value"]));
            if self.communities.insert(name.clone(), Used::new(value)).is_some() {
                return Err(document.wrong(&format!("{path}.name"), &format!("`{name}` is given twice in one run")));
            }
        }
        Ok(notes)
    }

    /// The BFD settings of a name.
    pub(super) fn profile(&mut self, name: &str) -> Option<Map<String, Value>> {
        self.profiles.get_mut(name).map(Used::take)
    }

    /// What a name of a Community stands for.
    pub(super) fn community(&mut self, name: &str) -> Option<String> {
        self.communities.get_mut(name).map(Used::take)
    }

    /// The password in a secret of this namespace.
    pub(super) fn password(&mut self, namespace: &str, name: &str) -> Option<String> {
        self.secrets.get_mut(&(namespace.to_owned(), name.to_owned())).map(Used::take)
    }

    /// What could not be carried over, and what nobody has used.
    pub(super) fn titled_notes(self) -> impl Iterator<Item = String> {
        let unused = |title: &str, user: &str| format!("{title}: no {user} of this run uses it, so nothing of it is kept");
        let profiles = self.profiles.into_iter().filter(|(_, part)| !part.used);
        let profiles = profiles.map(move |(name, _)| unused(&format!("bfdprofile/{name}"), "BGPPeer"));
        let communities = self.communities.into_iter().filter(|(_, part)| !part.used);
        let communities = communities.map(move |(name, _)| unused(&format!("community name `{name}`"), "BGPAdvertisement"));
        let secrets = self.secrets.into_iter().filter(|(_, part)| !part.used);
        let secrets = secrets.map(move |((_, name), _)| unused(&format!("secret/{name}"), "BGPPeer"));
        self.notes.into_iter().chain(profiles).chain(communities).chain(secrets)
    }
}

fn profile(document: &Document) -> Result<(Map<String, Value>, Vec<String>), Failure> {
    let fields = [
        ("transmitInterval", "transmitIntervalMs"),
        ("receiveInterval", "receiveIntervalMs"),
        ("detectMultiplier", "detectMultiplier"),
        ("passiveMode", "passive"),
        ("minimumTtl", "minimumTtl"),
    ];
    let known =
        ["transmitInterval", "receiveInterval", "detectMultiplier", "passiveMode", "minimumTtl", "echoMode", "echoInterval"];
    let mut notes = unknown(document, &known);
    // Without echo mode its interval says nothing.
    if flag(document, "echoMode")? == Some(true) {
        notes.push("spec.echoMode is not carried over: Polder's BFD does not echo".to_owned());
    }
    let mut settings = Map::new();
    copy(document, &fields, &mut settings);
    Ok((settings, notes))
}

/// The password of a secret of type `kubernetes.io/basic-auth`.
fn password(document: &Document) -> Result<String, Failure> {
    let plain = document.at(&["stringData", "password"]).map(|value| ("stringData.password", value));
    let coded = document.at(&["data", "password"]).map(|value| ("data.password", value));
    let (field, value) = plain.or(coded).ok_or_else(|| document.wrong("data.password", "is required"))?;
    let text = value.as_str().ok_or_else(|| document.wrong(field, "is a text"))?;
    let password = match field {
        "data.password" => {
            let bytes = STANDARD.decode(text.trim()).map_err(|_| document.wrong(field, "is not base64"))?;
            String::from_utf8(bytes).map_err(|_| document.wrong(field, "is not text when it is decoded"))?
        }
        _ => text.to_owned(),
    };
    if password.is_empty() || password.contains(['\n', '\r']) {
        return Err(document.wrong(field, "a password is one line, without a line break at its end"));
    }
    Ok(password)
}
