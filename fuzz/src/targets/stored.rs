//! Stored bytes, as a key and a value: whatever they are, they are a record, no record, or named damage; a record is written as
//! bytes that are read as the same record under the same key; and a view that takes it and gives it up again is the view it was.

use polder_core::cluster::{Change, Cluster};
use polder_core::dns::zones;
use polder_core::{ipam, lb, schema::Schema};
use polder_proto::stored::Stored;

use super::Target;
use crate::Shape;

/// The target.
pub const TARGET: Target = Target {
    name: "stored",
    shape: Shape::Record(&[
        "/polder/ipam/",
        "/polder/lb/",
        "/polder/dns/",
        "zones/",
        "records/",
        "example.com/",
        "@/",
        "*.app/",
        "TXT",
        "namespaces/",
        "pools/",
        "reservations/",
        "network",
        "nodes/",
        "blocks/",
        "allocations/",
        "neighbors/",
        "services/",
        "bgp-peers/",
        "bgp-advertisements/",
        "resting/",
        "announcements/",
        "drains/",
        "epoch",
        "10.0.0.13",
        "fd00::1",
        "head/",
        "journal/",
        "shop/",
        "web",
        "10.0.0.0-24",
        "fd00::-64",
        "-",
        "/",
        "A",
        "a=b",
        "00000000000000000000000000000003",
        "a in (b,c)",
        "!a",
        "ä",
    ]),
    run,
};

/// The most that can be wrong with one record of the size of an input.
const MOST_FINDINGS: usize = 8192;

fn run(input: &[u8]) {
    let at = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (key, value) = (&input[..at], input.get(at + 1..).unwrap_or_default());
    for value in [None, Some(value)] {
        match Stored::decode(key, value) {
            Err(damage) => assert!(!damage.why.is_empty() && damage.key == String::from_utf8_lossy(key), "{damage:?}"),
            Ok(None) => {}
            Ok(Some(change)) => {
                comes_back(key, value, &change);
                moves(&change);
            }
        }
    }
}

fn comes_back(key: &[u8], value: Option<&[u8]>, change: &Change) {
    let written = Stored::encode(change);
    assert_eq!(written.key.escape_ascii().to_string(), key.escape_ascii().to_string(), "one record has one key");
    assert_eq!(written.value.is_some(), value.is_some());
    let again = Stored::decode(&written.key, written.value.as_deref());
    assert_eq!(again.as_ref(), Ok(&Some(change.clone())));
    assert_eq!(Stored::encode(change), written);
}

/// Indexes of a view are sums over its records, so a record leaves none of itself behind.
fn moves(change: &Change) {
    let empty = Cluster::default();
    let mut view = empty.clone();
    Stored::apply(&mut view, change);
    assert_eq!(Stored::before(&view, change), Stored::encode(change).value);
    let once = view.clone();
    Stored::apply(&mut view, change);
    assert_same(&view, &once);
    // An audit of any state ends, whatever it finds.
    assert!(ipam::audit::audit(&view).checked <= 1 && lb::audit(&view).len() <= MOST_FINDINGS);
    assert!(zones::audit(&view).len() <= 2);
    Stored::apply(&mut view, &without(change));
    assert_eq!(Stored::before(&view, change), None);
    assert_same(&view, &empty);
}

fn assert_same(one: &Cluster, other: &Cluster) {
    assert_eq!(one.ipam, other.ipam);
    assert_eq!(one.lb, other.lb);
    assert_eq!(one.dns, other.dns);
}

/// The deletion of the record that a change puts.
fn without(change: &Change) -> Change {
    let key = Stored::encode(change).key;
    Stored::decode(&key, None).unwrap().unwrap()
}
