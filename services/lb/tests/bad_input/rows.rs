//! Rows that many fields share: what every name, address or port must refuse.

use polder_core::reason::Reason;
pub(crate) use polder_testing::bad_input::rows::*;
use polder_testing::bad_input::{Row, To, bad, good, text};
use serde_json::Value as Json;

/// Texts that are no DNS label, where one may be left out.
pub(crate) fn labels_of_dns(field: &str) -> Vec<Row> {
    let malformed = ["Upper", "a.b", "a..b", ".a", "a.", "-a", "a-", "a_b", "a b", "a/b", "ä", "a\n", "\u{0}", "*"];
    let long = ["x".repeat(64), "x".repeat(1 << 16), "n".repeat(1 << 17)];
    let malformed = malformed.iter().map(|text| (*text).to_owned()).chain(long);
    malformed.map(|name| bad(field, text(name), Reason::NameMalformed)).collect()
}

/// The same where one may not be left out, which an object's name may not.
pub(crate) fn required_labels_of_dns(field: &str) -> Vec<Row> {
    [labels_of_dns(field), vec![bad(field, text(""), Reason::FieldRequired)]].concat()
}

/// Names of objects that may be left out.
pub(crate) fn names_in(field: &str, named: &str, wrap: impl Fn(&str) -> Json) -> Vec<Row> {
    let wrong = ["Upper", "a..b", ".a", "a.", "a b", "a/b", "ä", "\u{7}"];
    wrong.iter().map(|name| bad(field, wrap(name), Reason::NameMalformed).naming(named)).collect()
}

/// A list of selectors, which the request has one of.
pub(crate) fn selector_lists(field: &str) -> Vec<Row> {
    let second = format!("{field}[1]");
    let counts = vec![
        bad(field, To::Times(101), Reason::CountOutOfBounds),
        bad(field, To::Times(2), Reason::DuplicateValue).naming(&second),
    ];
    [selectors(&format!("{field}[0]")), counts].concat()
}

/// Texts that are no address of one host.
pub(crate) fn hosts(field: &str) -> Vec<Row> {
    [addresses(field), vec![bad(field, text("0.0.0.0"), Reason::AddressMalformed)]].concat()
}

/// Texts that are no address, where one is asked for.
pub(crate) fn wishes(field: &str, named: &str, wrap: impl Fn(&str) -> Json) -> Vec<Row> {
    let none = bad(field, wrap(""), Reason::AddressMalformed).naming(named);
    [addresses_in(field, named, wrap), vec![none]].concat()
}

/// Numbers that are no port, among them 0 where that means nothing.
pub(crate) fn ports(field: &str, zero: bool) -> Vec<Row> {
    let wrong = [65_536u32, u32::MAX].into_iter().chain(zero.then_some(0));
    wrong.map(|port| bad(field, port, Reason::PortMalformed)).chain([good(field, 65_535)]).collect()
}

/// Numbers that are no value of an enum.
pub(crate) fn enums(field: &str) -> Vec<Row> {
    [99, -1].map(|number| bad(field, number, Reason::InvalidArgument)).into()
}

/// How long to wait.
pub(crate) fn waits() -> Vec<Row> {
    let none = bad("wait", "-1s", Reason::InvalidArgument);
    vec![none, bad("wait", "301s", Reason::CountOutOfBounds), good("wait", "0s"), good("wait", "300s")]
}

/// Lengths of time that are none, or no whole seconds up to the most that BGP has.
pub(crate) fn seconds(field: &str) -> Vec<Row> {
    let wrong = [(-1, 0), (0, -1), (1, -1), (0, 1_000_000_000), (9, 1), (65_536, 0), (i64::MAX, 0), (i64::MIN, i32::MIN)];
    wrong.map(|(seconds, nanos)| bad(field, To::Time(seconds, nanos), Reason::CountOutOfBounds)).into()
}
