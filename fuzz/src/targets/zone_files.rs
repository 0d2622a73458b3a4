//! Zone files: what is read is printed, and read back as the same; what is not is refused with the lines named.

use polder_core::dns::master::{self, ZoneFile};
use polder_core::dns::zones::ZoneName;
use polder_core::reason::Reason;

use super::{MOST_SAID, Target};
use crate::Shape;

/// The target.
pub const TARGET: Target = Target {
    name: "zone_files",
    shape: Shape::Text(&[
        "$ORIGIN ",
        "$TTL ",
        "$INCLUDE ",
        "example.com.",
        "@",
        "*",
        " ",
        "\t",
        "\n",
        "\r\n",
        "(",
        ")",
        ";",
        "\"",
        "\\",
        "\\032",
        ".",
        " IN ",
        " CH ",
        " SOA ",
        " NS ",
        " A ",
        " AAAA ",
        " CNAME ",
        " MX ",
        " TXT ",
        " SRV ",
        " PTR ",
        " CAA ",
        "10.0.0.1",
        "fd00::1",
        "ns1",
        "www",
        "_sip._tcp",
        "1h30m",
        "300",
        "0 issue \"ca\"",
        "1 2 3 4 5",
        "TYPE99",
        "ä",
    ]),
    run,
};

const REASONS: [Reason; 8] = [
    Reason::RecordMalformed,
    Reason::NameMalformed,
    Reason::FieldRequired,
    Reason::FieldTooLong,
    Reason::CountOutOfBounds,
    Reason::ConflictingFields,
    Reason::CnameConflict,
    Reason::DuplicateValue,
];

fn run(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    if let Some(zone) = master::zone_of(text) {
        assert_eq!(zone.as_str().parse::<ZoneName>().as_ref(), Ok(&zone));
    }
    let zone: ZoneName = "example.com".parse().unwrap();
    match master::read(text, &zone, "text") {
        Ok(file) => assert_eq!(master::read(&printed(&zone, &file), &zone, "text").unwrap(), file),
        Err(refusal) => {
            assert!(!refusal.violations.is_empty());
            for bad in &refusal.violations {
                assert!(REASONS.contains(&bad.reason) && bad.field == "text", "{bad:?}");
                assert!(bad.description.len() <= MOST_SAID, "{bad:?}");
            }
        }
    }
}

/// The file as one of whole names, without anything that could be left out.
fn printed(zone: &ZoneName, file: &ZoneFile) -> String {
    let apex = zone.domain();
    let mut lines = Vec::new();
    lines.extend(file.start.as_ref().map(|start| {
        let times = [start.refresh, start.retry, start.expire, start.negative_ttl].map(|seconds| seconds.to_string()).join(" ");
        format!("{apex} SOA {} {} 1 {times}", start.primary, start.mailbox)
    }));
    lines.extend(file.name_servers.iter().map(|server| format!("{apex} NS {server}")));
    for (key, set) in &file.sets {
        let ttl = set.ttl.map(|seconds| seconds.to_string()).unwrap_or_default();
        lines.extend(set.data.iter().map(|data| format!("{} {ttl} {} {data}", key.domain(), key.rtype())));
    }
    // Last, where it stands for no record any more.
    lines.extend(file.ttl.map(|seconds| format!("$TTL {seconds}")));
    lines.join("\n") + "\n"
}
