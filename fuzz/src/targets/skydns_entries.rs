//! Keys and values that other programs store in the way of SkyDNS: whatever they are, they are an entry or named damage; an entry comes
//! back from what is written of it, and a view that takes it and gives it up again is the view it was.

use std::sync::Arc;

use polder_core::dns::skydns::{Key, View, Why};
use polder_core::dns::zones::ZoneName;
use polder_proto::stored::dns::skydns::{decode, encode};

use super::{MOST_SAID, Target};
use crate::Shape;

const PREFIX: &str = "/skydns";

/// The target.
pub const TARGET: Target = Target {
    name: "skydns_entries",
    shape: Shape::Text(&[
        "/org",
        "/example",
        "/www",
        "/arpa/in-addr",
        "/ip6",
        "/dns/apex",
        "/*",
        "\n",
        "{",
        "}",
        "\"",
        ":",
        ",",
        "\"host\":",
        "\"port\":",
        "\"priority\":",
        "\"weight\":",
        "\"text\":",
        "\"ttl\":",
        "\"mail\":true",
        "\"targetstrip\":",
        "\"group\":",
        "null",
        "\"192.0.2.7\"",
        "\"fd00::1\"",
        "\"www.example.net.\"",
        "-1",
        "0",
        "1",
        "65536",
        "1e9",
        "18446744073709551616",
        "\\u0000",
    ]),
    run,
};

fn run(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (path, value) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    let key = [PREFIX.as_bytes(), path].concat();
    let entry = match decode(PREFIX, &key, value) {
        Ok(entry) => entry,
        Err(unusable) => {
            assert!(
                Why::ALL.contains(&unusable.why) && !unusable.text.is_empty() && unusable.text.len() <= MOST_SAID,
                "{unusable:?}"
            );
            return;
        }
    };
    assert_eq!(decode(PREFIX, &key, &encode(&entry)).as_ref(), Ok(&entry));
    let zones: Arc<[ZoneName]> = ["org", "example.org", "in-addr.arpa"].map(|zone| zone.parse().unwrap()).into();
    let before = View::unread(zones).emptied();
    let mut view = before.clone();
    let key = Key::from(String::from_utf8(key).unwrap());
    let wanted = view.wants(&entry);
    view.put(&key, Some(Arc::new(entry.clone())));
    assert_eq!(view.get(&key).map(AsRef::as_ref), wanted.then_some(&entry));
    view.put(&key, None);
    assert_eq!(view, before);
}
