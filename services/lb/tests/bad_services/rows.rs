//! Rows that many fields share.

use polder_core::reason::Reason;
use serde_json::{Map, Value as Json, json};
use tonic::Code;

use crate::table::{Row, bad, good, refused};

/// Texts that are no DNS label.
const NO_LABELS: [&str; 11] = ["Upper", "a.b", ".a", "-a", "a-", "a_b", "a b", "a/b", "ä", "a\n", "\u{0}"];

/// Names that are DNS labels and may be left out.
pub(crate) fn labels_of_dns(field: &str, named: &str) -> Vec<Row> {
    let long = ["x".repeat(64), "x".repeat(1 << 16)];
    let wrong = NO_LABELS.iter().map(|text| (*text).to_owned()).chain(long);
    wrong.map(|name| bad(field, name, Reason::NameMalformed).naming(named)).collect()
}

/// The same where they may not be left out.
pub(crate) fn required_labels_of_dns(field: &str) -> Vec<Row> {
    [labels_of_dns(field, field), vec![bad(field, "", Reason::FieldRequired)]].concat()
}

/// Names of objects that may be left out.
pub(crate) fn names(field: &str, wrap: impl Fn(&str) -> Json, named: &str) -> Vec<Row> {
    let wrong = ["Upper", "a..b", ".a", "a.", "a b", "a/b", "ä", "\u{7}"];
    wrong.iter().map(|name| bad(field, wrap(name), Reason::NameMalformed).naming(named)).collect()
}

/// Labels of an object.
pub(crate) fn labels(field: &str, reason: Reason) -> Vec<Row> {
    let long = "x".repeat(64);
    let mut rows: Vec<Row> = ["", "-", "a/", "/a", "a/b/c", "Prefix/a", "ä", "a b", "a\n", &long]
        .iter()
        .map(|key| bad(field, json!({*key: "x"}), reason))
        .collect();
    rows.extend(["-", "a b", "ä", "\u{0}", &long].iter().map(|value| bad(field, json!({"app": value}), reason)));
    rows.push(bad(field, pairs(101), Reason::CountOutOfBounds));
    rows.push(good(field, pairs(100)));
    rows
}

/// A map of so many pairs.
pub(crate) fn pairs(count: usize) -> Json {
    Json::Object((0..count).map(|at| (format!("k{at}"), Json::from("x"))).collect::<Map<_, _>>())
}

/// Texts that are no address.
pub(crate) fn addresses(field: &str, wrap: impl Fn(&str) -> Json, named: &str) -> Vec<Row> {
    let wrong =
        ["", "x", "10.0.0", "10.0.0.256", "10.0.0.1/24", "010.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "1:2", "10.0.0.1\u{0}"];
    wrong.iter().map(|text| bad(field, wrap(text), Reason::AddressMalformed).naming(named)).collect()
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

/// Free text with an end.
pub(crate) fn texts(field: &str, most: usize) -> Vec<Row> {
    let mut rows = vec![bad(field, "x".repeat(most + 1), Reason::FieldTooLong), good(field, "x".repeat(most))];
    rows.extend(["a\u{0}", "\u{1b}[2J", "\u{85}"].map(|odd| bad(field, odd, Reason::InvalidArgument)));
    rows
}

/// The caller's id of a change.
pub(crate) fn request_ids() -> Vec<Row> {
    let wrong = ["ä".to_owned(), "a b".to_owned(), "a\n".to_owned(), "\u{7f}".to_owned(), "x".repeat(129)];
    let wrong = wrong.into_iter().map(|id| bad("request_id", id, Reason::RequestIdMalformed));
    wrong.chain([good("request_id", "x".repeat(128))]).collect()
}

/// How long to wait.
pub(crate) fn waits() -> Vec<Row> {
    let none = bad("wait", "-1s", Reason::InvalidArgument);
    vec![none, bad("wait", "301s", Reason::CountOutOfBounds), good("wait", "0s"), good("wait", "300s")]
}

/// Etags of other versions.
pub(crate) fn etags(field: &str) -> Vec<Row> {
    ["00000000-1".to_owned(), "nonsense".to_owned(), "\u{0}".repeat(5000)]
        .map(|etag| refused(field, etag, Code::Aborted, Reason::EtagMismatch))
        .into()
}

/// A filter.
pub(crate) fn filters() -> Vec<Row> {
    let deep = format!("{}name=x{}", "(".repeat(50), ")".repeat(50));
    let long = format!("name={}", "x".repeat(4092));
    ["name", "name=", "=x", "name==x", "(name=x", "name=x)", "NOT", "nope=x", "\u{0}", &deep, &long]
        .map(|filter| bad("filter", filter, Reason::FilterMalformed))
        .into()
}

/// Size and token of a page.
pub(crate) fn pages() -> Vec<Row> {
    let sizes = [1001, u32::MAX].map(|size| bad("page_size", size, Reason::CountOutOfBounds));
    let tokens = ["x", "0", "zz", "+1", "ff", "\u{0}"].map(|token| bad("page_token", token, Reason::PageTokenMalformed));
    [sizes.into(), tokens.into(), vec![good("page_size", 1000)], filters()].concat()
}
