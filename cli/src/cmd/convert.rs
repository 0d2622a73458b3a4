//! `polder convert`: what `polder apply` would make of manifests, as Polder's own documents. It asks no server.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::apply::read;
use crate::failure::Failure;
use crate::manifest::{Kind, Manifest, print};
use crate::output::{Format, data};

/// The documents; what cannot be carried over goes to standard error as well.
///
/// # Errors
/// [`Failure::Local`] for a file that cannot be read, [`Failure::Usage`] for what is wrong in it; [`Failure::Negative`] with the
/// documents when something cannot be carried over and everything has to be.
pub fn run(files: &[PathBuf], strict: bool, format: Format) -> Result<String, Failure> {
    let manifest = read(files)?;
    let notes: Vec<String> = manifest.all_notes().collect();
    for note in &notes {
        eprintln!("note: {note}");
    }
    if has_passwords(&manifest) {
        eprintln!("note: what is printed has the passwords of BGP peers in it");
    }
    let text = show(&manifest, format)?;
    if strict && !notes.is_empty() { Err(Failure::Negative(text)) } else { Ok(text) }
}

fn show(manifest: &Manifest, format: Format) -> Result<String, Failure> {
    match format {
        Format::Table | Format::Wide | Format::Yaml => print::yaml(manifest),
        Format::Json => {
            let items: Vec<Value> = manifest.intents.iter().map(print::document).collect();
            data(&json!({ "apiVersion": "v1", "kind": "List", "items": items }), format)
        }
        Format::Name => Ok(manifest.intents.iter().map(|intent| intent.title() + "\n").collect()),
    }
}

fn has_passwords(manifest: &Manifest) -> bool {
    manifest.intents.iter().any(|intent| intent.kind == Kind::BgpPeer && intent.object.contains_key("password"))
}
