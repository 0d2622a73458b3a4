//! Rows that many fields share: what every name, list of ranges, time or hardware address must refuse.

use polder_core::reason::Reason;
pub(crate) use polder_testing::bad_input::rows::*;
use polder_testing::bad_input::{Row, To, bad, good, list, many, text};

/// Texts that are no name of an object, and the longest part of one.
pub(crate) fn names(field: &str) -> Vec<Row> {
    let malformed = ["Upper", "a..b", ".a", "a.", "-a", "a-", "a_b", "a b", "a/b", "ä", "a\n", "\u{0}", "*"];
    let long = ["x".repeat(64), "x.".repeat(127), format!("{}n", "n.".repeat(1 << 17))];
    let malformed = malformed.iter().map(|text| (*text).to_owned()).chain(long);
    malformed.map(|name| bad(field, text(name), Reason::NameMalformed)).collect()
}

/// The same where the name may not be left out.
pub(crate) fn required_names(field: &str) -> Vec<Row> {
    [names(field), vec![bad(field, text(""), Reason::FieldRequired)]].concat()
}

/// Texts that are no DNS label, where a label may be left out.
pub(crate) fn dns_labels(field: &str) -> Vec<Row> {
    [names(field), vec![bad(field, text("a.b"), Reason::NameMalformed), good(field, text("x".repeat(63)))]].concat()
}

/// A list of selectors, which the request has one of.
pub(crate) fn selector_lists(field: &str) -> Vec<Row> {
    let counts = vec![bad(field, To::Times(101), Reason::CountOutOfBounds), good(field, To::Times(100))];
    [selectors(&format!("{field}[0]")), counts].concat()
}

/// Free text for people.
pub(crate) fn texts(field: &str) -> Vec<Row> {
    let all = polder_testing::bad_input::rows::texts(field, 1024);
    [all, vec![good(field, text("ü".repeat(512)))]].concat()
}

/// Lists of ranges.
pub(crate) fn ranges(field: &str) -> Vec<Row> {
    let first = format!("{field}[0]");
    let wrong = [
        ("", Reason::RangeMalformed),
        ("garbage", Reason::RangeMalformed),
        ("10.9.0.300", Reason::RangeMalformed),
        ("10.9.0.0/33", Reason::RangeMalformed),
        ("10.9.0.0/-1", Reason::AddressMalformed),
        ("010.9.0.0/24", Reason::RangeMalformed),
        ("10.9.0.0/", Reason::RangeMalformed),
        ("fd09::/129", Reason::RangeMalformed),
        ("10.9.0.1\n10.9.0.2", Reason::RangeMalformed),
        ("10.9.0.5-", Reason::AddressMalformed),
        ("10.9.0.5-x", Reason::AddressMalformed),
        ("10.9.0.5-10.9.0.7-10.9.0.9", Reason::AddressMalformed),
        ("::ffff:10.9.0.1", Reason::RangeMalformed),
        ("::ffff:10.9.0.0/120", Reason::AddressMalformed),
        ("10.9.0.20-10.9.0.10", Reason::RangeReversed),
        ("fd09::2-fd09::1", Reason::RangeReversed),
        ("10.9.0.1-fd09::1", Reason::FamilyMismatch),
    ];
    let mut rows: Vec<Row> = wrong.into_iter().map(|(range, reason)| bad(field, list([range]), reason).naming(&first)).collect();
    rows.push(bad(field, many(257, |at| format!("10.9.{at}.0")), Reason::CountOutOfBounds));
    rows
}

/// Lists of addresses.
pub(crate) fn address_lists(field: &str) -> Vec<Row> {
    addresses_in(field, &format!("{field}[0]"), |address| list([address]))
}

/// Lengths of time that are none, or longer than `most` seconds.
pub(crate) fn durations(field: &str, most: i64) -> Vec<Row> {
    let wrong = [(-1, 0), (0, -1), (1, -1), (0, 1_000_000_000), (most, 1), (most + 1, 0), (i64::MAX, 0), (i64::MIN, i32::MIN)];
    let mut rows: Vec<Row> =
        wrong.into_iter().map(|(seconds, nanos)| bad(field, To::Time(seconds, nanos), Reason::CountOutOfBounds)).collect();
    rows.push(good(field, To::Time(most, 0)));
    rows
}

/// Handles of callers.
pub(crate) fn handles(field: &str) -> Vec<Row> {
    let wrong = ["ä".to_owned(), "a\n".to_owned(), "\u{7f}".to_owned(), "x".repeat(254), "x".repeat(1 << 16)];
    wrong.into_iter().map(|handle| bad(field, text(handle), Reason::NameMalformed)).collect()
}

/// Hardware addresses of devices of any kind.
pub(crate) fn hardware(field: &str) -> Vec<Row> {
    let long = ["00"; 33].join(":");
    ["x", "00155d010203", "00:15:5d:01:02:+3", "00:", "0:1:2:3:4:5", "\u{0}", &long]
        .map(|mac| bad(field, text(mac), Reason::InvalidArgument))
        .into()
}
