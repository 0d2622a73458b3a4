//! Filters as text: whatever it is, it is read or refused with a short message that has a place in the text, and what is read can
//! be asked of any object.

use std::borrow::Cow;

use polder_core::filter::{Filter, MOST_BYTES};
use polder_core::reason::Reason;

use super::{Target, refused_well};
use crate::Shape;

/// The target.
pub const TARGET: Target = Target {
    name: "filters",
    shape: Shape::Text(&[
        "name",
        "priority",
        "address",
        "labels.",
        "labels.\"example.com/zone\"",
        "=",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        ":",
        "*",
        "AND",
        "OR",
        "NOT",
        "-",
        "(",
        ")",
        "\"",
        "'",
        "\\",
        " ",
        ".",
        "10",
        "ä",
        "((((((((((((((((((((((",
    ]),
    run,
};

const KNOWN: [&str; 4] = ["name", "priority", "address", "labels.*"];

fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match Filter::parse(&text, &KNOWN) {
        Err(error) => {
            refused_well(&error, &[Reason::FilterMalformed]);
            let place = error.description.split("at byte ").last().and_then(|rest| rest.split(',').next());
            let place: usize = place.and_then(|place| place.parse().ok()).unwrap_or_else(|| panic!("no place: {error}"));
            assert!(place <= text.len(), "{error}");
        }
        Ok(filter) => {
            assert!(text.len() <= MOST_BYTES);
            assert_eq!(filter.is_empty(), text.trim().is_empty());
            let passes = filter.matches(object);
            assert!(passes || !filter.is_empty());
            ways_to_say_it(&text, &filter, passes);
        }
    }
}

/// Parentheses, NOT twice, and the same again change nothing; NOT turns it round.
fn ways_to_say_it(text: &str, filter: &Filter, passes: bool) {
    assert_eq!(Filter::parse(text, &KNOWN).as_ref(), Ok(filter));
    if filter.is_empty() {
        return;
    }
    for (said, want) in [
        (format!("({text})"), passes),
        (format!("NOT ({text})"), !passes),
        (format!("-(-({text}))"), passes),
        (format!("({text}) AND ({text})"), passes),
        (format!("({text}) OR ({text})"), passes),
    ] {
        // It may be too long or too deep now.
        if let Ok(filter) = Filter::parse(&said, &KNOWN) {
            assert_eq!(filter.matches(object), want, "{said:?}");
        }
    }
}

fn object(field: &str) -> Vec<Cow<'static, str>> {
    match field {
        "name" => vec!["web-1".into()],
        "priority" => vec!["10".into()],
        "address" => vec!["10.0.0.7".into(), "fd00::7".into()],
        "labels.example.com/zone" => vec!["a".into()],
        _ => Vec::new(),
    }
}
