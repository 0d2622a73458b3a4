//! Manifests of every dialect: nothing panics, what is refused names its place, and what is taken is printed as Polder's own
//! documents, which are read back as the same.

use polder_cli::failure::Failure;
use polder_cli::manifest::{Intent, Manifest, print, read};

use super::Target;
use crate::Shape;

/// The target.
pub const TARGET: Target = Target {
    name: "manifests",
    shape: Shape::Text(&[
        "\n---\n",
        "apiVersion: metallb.io/v1beta1\n",
        "apiVersion: polder.dev/v1\n",
        "kind: IPAddressPool\n",
        "kind: L2Advertisement\n",
        "kind: BGPAdvertisement\n",
        "kind: BGPPeer\n",
        "kind: Service\n",
        "metadata: {name: a}\n",
        "spec:\n",
        "ipAddressPools: [a]",
        "ipAddressPoolSelectors: [{matchLabels: {a: b}}]",
        "nodeSelectors: [{matchExpressions: [{key: a, operator: In, values: [b]}]}]",
        "interfaces: [eth0]",
        "communities: [a, '1:2']",
        "type: kubernetes.io/basic-auth\n",
        "null",
        "[]",
        "{}",
        "true",
        "1e3",
        "'",
        "\"",
        "\\u2028",
        "&a ",
        "*a",
        "- ",
        "? ",
        "  ",
        ": ",
        "!!binary ",
        "| \n",
    ]),
    run,
};

/// How much longer than its input what is said of it may be: a letter is escaped into ten at most, and a line more says why.
const ESCAPED: usize = 10;
const WORDS: usize = 4000;

fn run(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    match read("fuzz.yaml", text) {
        Ok(manifest) => is_read_back(&manifest, text.len()),
        Err(failure) => refused_well(&failure, text.len()),
    }
}

pub(super) fn refused_well(failure: &Failure, length: usize) {
    let said = failure.text();
    assert!(matches!(failure, Failure::Usage(_)), "it is the input that is wrong: {said}");
    assert!(said.contains("fuzz.yaml"), "{said}");
    assert!(said.len() <= length * ESCAPED + WORDS, "{} bytes about {length}: {said}", said.len());
}

pub(super) fn is_read_back(manifest: &Manifest, length: usize) {
    for note in manifest.all_notes() {
        assert!(note.len() <= length * ESCAPED + WORDS, "{} bytes about {length}: {note}", note.len());
    }
    let printed = print::yaml(manifest).unwrap();
    let again = read("printed.yaml", &printed).unwrap_or_else(|failure| panic!("{}\n{printed}", failure.text()));
    assert_eq!(bare(&again), bare(manifest), "{printed}");
    assert_eq!(again.all_notes().count(), 0, "{printed}");
}

fn bare(manifest: &Manifest) -> Vec<Intent> {
    manifest.intents.iter().map(|intent| Intent { notes: Vec::new(), ..intent.clone() }).collect()
}
