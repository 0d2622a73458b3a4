//! Rows that many fields share: what every name, list of ranges, selector or page must refuse.

use polder_core::reason::Reason;
use serde_json::{Value as Json, json};
use tonic::Code;

use crate::request::{To, list, many, map, number, pairs, text};
use crate::table::{Row, bad, good, refused};

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

/// Lists of names.
pub(crate) fn name_lists(field: &str, most: usize) -> Vec<Row> {
    let first = format!("{field}[0]");
    let mut rows = vec![
        bad(field, list([""]), Reason::FieldRequired).naming(&first),
        bad(field, list(["a", "b", "a"]), Reason::DuplicateValue).naming(&format!("{field}[2]")),
        bad(field, many(most + 1, |at| format!("n{at}")), Reason::CountOutOfBounds),
    ];
    rows.extend(["No", "a b", "ä", "\u{7}"].map(|name| bad(field, list([name]), Reason::NameMalformed).naming(&first)));
    rows
}

/// Labels of an object.
pub(crate) fn labels(field: &str) -> Vec<Row> {
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
pub(crate) fn a_selector() -> Json {
    let requirement = json!({"key": "tier", "operator": "LABEL_OPERATOR_IN", "values": ["front"]});
    json!({"matchLabels": {"app": "web"}, "matchExpressions": [requirement], "expression": "!canary"})
}

/// A selector at `field`, which the request has as [`a_selector`].
pub(crate) fn selectors(field: &str) -> Vec<Row> {
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

/// A list of selectors, which the request has one of.
pub(crate) fn selector_lists(field: &str) -> Vec<Row> {
    let counts = vec![bad(field, To::Times(101), Reason::CountOutOfBounds), good(field, To::Times(100))];
    [selectors(&format!("{field}[0]")), counts].concat()
}

/// Free text for people.
pub(crate) fn texts(field: &str) -> Vec<Row> {
    let mut rows = vec![bad(field, text("x".repeat(1025)), Reason::FieldTooLong), good(field, text("ü".repeat(512)))];
    rows.extend(["a\u{0}", "\u{1b}[2J", "a\u{7f}", "\u{85}"].map(|odd| bad(field, text(odd), Reason::InvalidArgument)));
    rows
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

/// Texts that are no address.
pub(crate) fn addresses(field: &str) -> Vec<Row> {
    addresses_named(field, field, |address| text(address))
}

/// Lists of addresses.
pub(crate) fn address_lists(field: &str) -> Vec<Row> {
    addresses_named(field, &format!("{field}[0]"), |address| list([address]))
}

fn addresses_named(field: &str, named: &str, to: impl Fn(&str) -> To) -> Vec<Row> {
    let wrong =
        ["x", "10.0.0", "10.0.0.256", "10.0.0.1/24", "010.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "1:2", "10.0.0.1\u{0}"];
    wrong.iter().map(|address| bad(field, to(address), Reason::AddressMalformed).naming(named)).collect()
}

/// The caller's id of a change.
pub(crate) fn request_ids() -> Vec<Row> {
    let wrong = ["ä".to_owned(), "a b".to_owned(), "a\n".to_owned(), "\u{7f}".to_owned(), "x".repeat(129)];
    let mut rows: Vec<Row> = wrong.into_iter().map(|id| bad("request_id", text(id), Reason::RequestIdMalformed)).collect();
    rows.push(good("request_id", text("x".repeat(128))));
    rows
}

/// An etag of another version, and one of none.
pub(crate) fn etags(field: &str) -> Vec<Row> {
    [text("00000000-1"), text("nonsense"), text("\u{0}".repeat(5000))]
        .map(|etag| refused(field, etag, Code::Aborted, Reason::EtagMismatch))
        .into()
}

/// An update mask: no field of the object, fields that only answers carry, too many.
pub(crate) fn masks() -> Vec<Row> {
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
pub(crate) fn pages() -> Vec<Row> {
    let sizes = [1001, u64::from(u32::MAX)].map(|size| bad("page_size", number(size), Reason::CountOutOfBounds));
    [sizes.into(), vec![good("page_size", number(1000))], filters()].concat()
}

/// A filter.
pub(crate) fn filters() -> Vec<Row> {
    let deep = format!("{}name=x{}", "(".repeat(50), ")".repeat(50));
    let long = format!("name={}", "x".repeat(4092));
    ["name", "name=", "=x", "name==x", "(name=x", "name=x)", "name='x", "NOT", "nope=x", "labels.=x", "\u{0}", &deep, &long]
        .iter()
        .map(|filter| bad("filter", text(*filter), Reason::FilterMalformed))
        .collect()
}

/// Tokens that no page of this list gave; `others` are tokens of other lists, or of this one with other fields.
pub(crate) fn tokens<'a>(others: impl IntoIterator<Item = &'a str>) -> Vec<Row> {
    let wrong = ["x", "0", "zz", "+1", "ff", "00", "\u{0}"].into_iter().chain(others);
    wrong.map(|token| bad("page_token", text(token), Reason::PageTokenMalformed)).collect()
}

/// Points in time that are none: before 1970, after 9999, with parts out of bounds.
pub(crate) fn times(field: &str) -> Vec<Row> {
    [(-1, 0), (0, -1), (1, -1), (0, 1_000_000_000), (253_402_300_800, 0), (i64::MAX, 0), (i64::MIN, i32::MIN)]
        .map(|(seconds, nanos)| bad(field, To::Time(seconds, nanos), Reason::InvalidArgument))
        .into()
}

/// Lengths of time that are none, or longer than `most` seconds.
pub(crate) fn durations(field: &str, most: i64) -> Vec<Row> {
    let wrong = [(-1, 0), (0, -1), (1, -1), (0, 1_000_000_000), (most, 1), (most + 1, 0), (i64::MAX, 0), (i64::MIN, i32::MIN)];
    let mut rows: Vec<Row> =
        wrong.into_iter().map(|(seconds, nanos)| bad(field, To::Time(seconds, nanos), Reason::CountOutOfBounds)).collect();
    rows.push(good(field, To::Time(most, 0)));
    rows
}

/// Identities.
pub(crate) fn uids(field: &str) -> Vec<Row> {
    let long = ["0".repeat(31), "0".repeat(33), format!("+{}", "0".repeat(31)), "g".repeat(32), "0".repeat(1 << 16)];
    let wrong = ["x", "ä", "\u{0}"].map(str::to_owned).into_iter().chain(long);
    wrong.map(|uid| bad(field, text(uid), Reason::InvalidArgument)).collect()
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

/// Hardware addresses of six octets.
pub(crate) fn macs(field: &str) -> Vec<Row> {
    ["x", "00:15:5d:01:02", "00:15:5d:01:02:03:04", "00155d010203", "00:15:5d:01:02:+3", "\u{0}"]
        .map(|mac| bad(field, text(mac), Reason::InvalidArgument))
        .into()
}
