//! Label selectors and labels as text: what parses is printed and read back as the same, and is met by the labels that its own
//! conditions are met by.

use polder_core::net::labels::Requirement;
use polder_core::net::{Labels, Selector};
use polder_core::reason::Reason;

use super::{Target, comes_back, refused_well};
use crate::Shape;

/// The target.
pub const TARGET: Target = Target {
    name: "selectors",
    shape: Shape::Text(&[
        "app",
        "=",
        "==",
        "!=",
        "!",
        " in ",
        " notin ",
        "(",
        ")",
        ",",
        "example.com/",
        "a",
        "_",
        ".",
        "-",
        " ",
        "in",
        "notin",
        "()",
        "=)",
        "(,)",
        "\n",
        "ü",
    ]),
    run,
};

const REASONS: [Reason; 2] = [Reason::SelectorMalformed, Reason::LabelMalformed];

fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let pairs = text.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned()));
    let labels = Labels::new(pairs).unwrap_or_else(|error| {
        refused_well(&error, &[Reason::LabelMalformed]);
        Labels::default()
    });
    let Some(selector) = comes_back::<Selector>(&text, &REASONS) else { return };
    assert_eq!(Selector::new(selector.requirements().iter().rev().cloned()), selector, "the order does not matter");
    for labels in [labels, satisfying(&selector)] {
        assert_eq!(selector.matches(&labels), selector.requirements().iter().all(|one| holds(one, &labels)));
    }
    assert_eq!(selector.is_empty(), selector.to_string().is_empty());
    for one in selector.requirements() {
        assert_eq!(one.equality().is_some(), matches!(one, Requirement::In(_, values) if values.len() == 1));
    }
}

/// Labels that meet what the selector asks to be there, if that can be.
fn satisfying(selector: &Selector) -> Labels {
    let pairs = selector.requirements().iter().filter_map(|one| match one {
        Requirement::In(key, values) => Some((key.clone(), values.first()?.clone())),
        Requirement::Exists(key) => Some((key.clone(), String::new())),
        Requirement::NotIn(..) | Requirement::Absent(_) => None,
    });
    Labels::new(pairs).unwrap()
}

fn holds(one: &Requirement, labels: &Labels) -> bool {
    let value_of = |wanted: &str| labels.iter().find(|(key, _)| *key == wanted).map(|(_, value)| value);
    match one {
        Requirement::In(key, values) => values.iter().any(|value| value_of(key) == Some(value.as_str())),
        Requirement::NotIn(key, values) => values.iter().all(|value| value_of(key) != Some(value.as_str())),
        Requirement::Exists(key) => value_of(key).is_some(),
        Requirement::Absent(key) => value_of(key).is_none(),
    }
}
