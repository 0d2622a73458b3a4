//! Rows that fields of many services share: what every selector, list of names or page must refuse.

use polder_core::reason::Reason;
use serde_json::{Value as Json, json};
use tonic::Code;

use super::request::{To, list, many, map, number, pairs, text};
use super::table::{Row, bad, good, refused};

/// Labels of an object.
#[must_use]
pub fn labels(field: &str) -> Vec<Row> {
    let long = "x".repeat(64);
    let keys = ["", "-", "a/", "/a", "a/b/c", "Prefix/a", "ä", "a b", "a\n", &long];
    let values = ["-", "a b", "ä", "\u{0}", &long];
    let mut rows: Vec<Row> = keys.iter().map(|key| bad(field, map([(*key, text("x"))]), Reason::LabelMalformed)).collect();
    rows.extend(values.iter().map(|value| bad(field, map([("app", text(*value))]), Reason::LabelMalformed)));
    rows.push(bad(field, pairs(101, &text("x")), Reason::CountOutOfBounds));
    rows.push(good(field, pairs(100, &text("x".repeat(63)))));
    rows.push(good(field, map([("a.example/b", text(""))])));
    rows
}

/// A selector whose every part can be made wrong.
#[must_use]
pub fn a_selector() -> Json {
    let requirement = json!({"key": "tier", "operator": "LABEL_OPERATOR_IN", "values": ["front"]});
    json!({"matchLabels": {"app": "web"}, "matchExpressions": [requirement], "expression": "!canary"})
}

/// A selector at `field`, which the request has as [`a_selector`].
#[must_use]
pub fn selectors(field: &str) -> Vec<Row> {
    let at = |part: &str| format!("{field}.{part}");
    let (labels, requirement) = (at("match_labels"), at("match_expressions[0]"));
    let part = |part: &str| at(&format!("match_expressions[0].{part}"));
    let long = format!("a{}", ",a".repeat(2048));
    let mut rows: Vec<Row> = ["a in b", "a in (b", "a b", "a=b=c", "=b", "-a", "a=ü", "(", "a in (b) c", "a\u{0}", "!"]
        .iter()
        .map(|expression| bad(at("expression"), text(*expression), selector_reason(expression)))
        .collect();
    rows.extend([
        bad(at("expression"), text(long), Reason::FieldTooLong),
        bad(at("expression"), text(many_requirements(101)), Reason::CountOutOfBounds),
        good(at("expression"), text(many_requirements(100))),
        bad(labels.clone(), map([("-", text("x"))]), Reason::LabelMalformed),
        bad(labels.clone(), map([("app", text("ü"))]), Reason::LabelMalformed),
        bad(labels.clone(), pairs(101, &text("x")), Reason::CountOutOfBounds),
        good(labels, pairs(99, &text("x"))),
        bad(at("match_expressions"), To::Times(101), Reason::CountOutOfBounds),
        good(at("match_expressions"), To::Times(99)),
        bad(part("key"), text(""), Reason::LabelMalformed).naming(&requirement),
        bad(part("key"), text("a b"), Reason::LabelMalformed).naming(&requirement),
        bad(part("operator"), number(0), Reason::SelectorMalformed).naming(&requirement),
        bad(part("operator"), number(99), Reason::SelectorMalformed).naming(&requirement),
        bad(part("operator"), number(3), Reason::SelectorMalformed).naming(&requirement),
        bad(part("values"), To::Absent, Reason::SelectorMalformed).naming(&requirement),
        bad(part("values"), list(["a b"]), Reason::LabelMalformed).naming(&requirement),
        bad(part("values"), many(101, |at| format!("v{at}")), Reason::CountOutOfBounds).naming(&requirement),
        good(part("values"), many(100, |at| format!("v{at}"))),
    ]);
    rows
}

fn selector_reason(expression: &str) -> Reason {
    // What has the shape of a condition is judged by its key and value.
    let shaped = ["a in b", "a b", "a=b=c", "=b", "-a", "a=ü", "a\u{0}", "!"];
    if shaped.contains(&expression) { Reason::LabelMalformed } else { Reason::SelectorMalformed }
}

fn many_requirements(count: usize) -> String {
    (0..count).map(|at| format!("k{at}")).collect::<Vec<_>>().join(",")
}

/// Lists of names.
#[must_use]
pub fn name_lists(field: &str, most: usize) -> Vec<Row> {
    let first = format!("{field}[0]");
    let mut rows = vec![
        bad(field, list([""]), Reason::FieldRequired).naming(&first),
        bad(field, list(["a", "b", "a"]), Reason::DuplicateValue).naming(format!("{field}[2]")),
        bad(field, many(most + 1, |at| format!("n{at}")), Reason::CountOutOfBounds),
    ];
    rows.extend(["No", "a b", "ä", "\u{7}"].map(|name| bad(field, list([name]), Reason::NameMalformed).naming(&first)));
    rows
}

/// Free text of so many octets at the most.
#[must_use]
pub fn texts(field: &str, most: usize) -> Vec<Row> {
    let mut rows = vec![bad(field, text("x".repeat(most + 1)), Reason::FieldTooLong), good(field, text("x".repeat(most)))];
    rows.extend(["a\u{0}", "\u{1b}[2J", "a\u{7f}", "\u{85}"].map(|odd| bad(field, text(odd), Reason::InvalidArgument)));
    rows
}

/// Texts that are no address.
#[must_use]
pub fn addresses(field: &str) -> Vec<Row> {
    addresses_in(field, field, text)
}

/// The same where something else is set: a list of one address.
pub fn addresses_in<T: Into<To>>(field: &str, named: &str, wrap: impl Fn(&'static str) -> T) -> Vec<Row> {
    let wrong =
        ["x", "10.0.0", "10.0.0.256", "10.0.0.1/24", "010.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "1:2", "10.0.0.1\u{0}"];
    wrong.into_iter().map(|address| bad(field, wrap(address), Reason::AddressMalformed).naming(named)).collect()
}

/// Points in time that are none: before 1970, after 9999, with parts out of bounds.
#[must_use]
pub fn times(field: &str) -> Vec<Row> {
    [(-1, 0), (0, -1), (1, -1), (0, 1_000_000_000), (253_402_300_800, 0), (i64::MAX, 0), (i64::MIN, i32::MIN)]
        .map(|(seconds, nanos)| bad(field, To::Time(seconds, nanos), Reason::InvalidArgument))
        .into()
}

/// Hardware addresses of six octets.
#[must_use]
pub fn macs(field: &str) -> Vec<Row> {
    ["x", "00:15:5d:01:02", "00:15:5d:01:02:03:04", "00155d010203", "00:15:5d:01:02:+3", "\u{0}"]
        .map(|mac| bad(field, text(mac), Reason::InvalidArgument))
        .into()
}

/// Identities.
#[must_use]
pub fn uids(field: &str) -> Vec<Row> {
    let long = ["0".repeat(31), "0".repeat(33), format!("+{}", "0".repeat(31)), "g".repeat(32), "0".repeat(1 << 16)];
    let wrong = ["x", "ä", "\u{0}"].map(str::to_owned).into_iter().chain(long);
    wrong.map(|uid| bad(field, text(uid), Reason::InvalidArgument)).collect()
}

/// The caller's id of a change.
#[must_use]
pub fn request_ids() -> Vec<Row> {
    let wrong = ["ä".to_owned(), "a b".to_owned(), "a\n".to_owned(), "\u{7f}".to_owned(), "x".repeat(129)];
    let mut rows: Vec<Row> = wrong.into_iter().map(|id| bad("request_id", text(id), Reason::RequestIdMalformed)).collect();
    rows.push(good("request_id", text("x".repeat(128))));
    rows
}

/// An etag of another version, and one of none.
#[must_use]
pub fn etags(field: &str) -> Vec<Row> {
    [text("00000000-1"), text("nonsense"), text("\u{0}".repeat(5000))]
        .map(|etag| refused(field, etag, Code::Aborted, Reason::EtagMismatch))
        .into()
}

/// An update mask: no field of the object, fields that only answers carry, too many.
#[must_use]
pub fn masks() -> Vec<Row> {
    let field = "update_mask";
    let mut rows: Vec<Row> = ["", "nope", "name", "uid", "etag", "create_time", "labels.app", "*", "\u{0}"]
        .iter()
        .map(|path| bad(field, list([*path]), Reason::InvalidArgument))
        .collect();
    rows.push(bad(field, many(101, |_| "labels".to_owned()), Reason::CountOutOfBounds));
    rows.push(good(field, list(["labels"])));
    rows
}

/// Size and filter of a page.
#[must_use]
pub fn pages() -> Vec<Row> {
    let sizes = [1001, u64::from(u32::MAX)].map(|size| bad("page_size", number(size), Reason::CountOutOfBounds));
    [sizes.into(), vec![good("page_size", number(1000))], filters()].concat()
}

/// A filter.
#[must_use]
pub fn filters() -> Vec<Row> {
    let deep = format!("{}name=x{}", "(".repeat(50), ")".repeat(50));
    let long = format!("name={}", "x".repeat(4092));
    ["name", "name=", "=x", "name==x", "(name=x", "name=x)", "name='x", "NOT", "nope=x", "labels.=x", "\u{0}", &deep, &long]
        .iter()
        .map(|filter| bad("filter", text(*filter), Reason::FilterMalformed))
        .collect()
}

/// Tokens that no page of this list gave; `others` are tokens of other lists, or of this one with other fields.
pub fn tokens<'a>(others: impl IntoIterator<Item = &'a str>) -> Vec<Row> {
    let wrong = ["x", "0", "zz", "+1", "ff", "00", "\u{0}"].into_iter().chain(others);
    wrong.map(|token| bad("page_token", text(token), Reason::PageTokenMalformed)).collect()
}
