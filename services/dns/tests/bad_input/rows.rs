//! Rows that many fields share.

use polder_core::reason::Reason;
pub(crate) use polder_testing::bad_input::rows::*;
use polder_testing::bad_input::{Row, bad, good, number, text};

/// Texts that are no name of a zone, where one must be given.
pub(crate) fn zone_names(field: &str) -> Vec<Row> {
    let malformed = ["a..b", ".a", ".", "a b", "a/b", "ä", "a\n", "\u{0}", "*", "*.a", "a\\.b", "@", "a.b@", "a.b@No", "a.b@c@d"];
    let long = ["x".repeat(64), "x.".repeat(128), "n".repeat(1 << 17)];
    let malformed = malformed.iter().map(|text| (*text).to_owned()).chain(long);
    let malformed = malformed.map(|name| bad(field, text(name), Reason::NameMalformed));
    malformed.chain([bad(field, text(""), Reason::FieldRequired)]).collect()
}

/// Texts that are no name in `example.com`, where one must be given.
pub(crate) fn owners(field: &str) -> Vec<Row> {
    let malformed = ["a..b", ".a", ".", "a.", "a b", "a/b", "ä", "\u{0}", "a.*", "*.*", "www.example.com", "example.com."];
    let long = ["x".repeat(64), "x".repeat(1 << 16), "x.".repeat(124) + "x"];
    let malformed = malformed.iter().map(|text| (*text).to_owned()).chain(long);
    let malformed = malformed.map(|name| bad(field, text(name), Reason::NameMalformed));
    malformed.chain([bad(field, text(""), Reason::FieldRequired)]).collect()
}

/// Texts that are no type of a record that can be stored.
pub(crate) fn types(field: &str) -> Vec<Row> {
    let wrong = ["", "B", "SOA", "ANY", "OPT", "AXFR", "TYPE99", "TYPE65536", "a b", "ä", "\u{0}"];
    wrong.map(|kind| bad(field, text(kind), Reason::RecordMalformed)).into()
}

/// Numbers of seconds, up to `most`.
pub(crate) fn seconds(field: &str, most: u64) -> Vec<Row> {
    let wrong = [most + 1, u64::from(u32::MAX)].map(|count| bad(field, number(count), Reason::CountOutOfBounds));
    [wrong.as_slice(), &[good(field, number(most)), good(field, number(0))]].concat()
}
