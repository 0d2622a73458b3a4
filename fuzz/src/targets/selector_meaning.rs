//! What selectors mean: conditions made here, written in every way the grammar has, must match as a plain reading of them does.

use std::fmt::Write as _;

use polder_core::net::{Labels, Selector};

use super::Target;
use crate::{Shape, Source};

/// The target.
pub const TARGET: Target = Target { name: "selector_meaning", shape: Shape::Bytes, run };

const KEYS: [&str; 4] = ["app", "in", "example.com/zone", "a.b_C-9"];
const VALUES: [&str; 5] = ["", "a", "in", "v1.2_x-Y", "0"];
const SPACES: [&str; 3] = ["", " ", "\t "];

/// A condition: a key, the values it may have or must not have, or whether it is there at all.
enum Condition {
    OneOf(&'static str, Vec<&'static str>),
    NoneOf(&'static str, Vec<&'static str>),
    There(&'static str),
    Gone(&'static str),
}

impl Condition {
    fn read(source: &mut Source<'_>) -> Self {
        let key = source.pick(&KEYS);
        let values = |source: &mut Source<'_>| (0..=source.below(3)).map(|_| source.pick(&VALUES)).collect();
        match source.below(4) {
            0 => Self::OneOf(key, values(source)),
            1 => Self::NoneOf(key, values(source)),
            2 => Self::There(key),
            _ => Self::Gone(key),
        }
    }

    fn write(&self, text: &mut String, source: &mut Source<'_>) {
        let (before, after) = (source.pick(&SPACES), source.pick(&SPACES));
        let written = match self {
            Self::OneOf(key, values) if values.len() == 1 && source.flag() => {
                format!("{key}{before}{}{after}{}", source.pick(&["=", "=="]), values[0])
            }
            Self::NoneOf(key, values) if values.len() == 1 && source.flag() => format!("{key}{before}!={after}{}", values[0]),
            Self::OneOf(key, values) => format!("{key} {before}in{after}({before}{})", values.join(&format!("{after},{before}"))),
            Self::NoneOf(key, values) => format!("{key} notin{before}({}{after})", values.join(",")),
            Self::There(key) => (*key).to_owned(),
            Self::Gone(key) => format!("!{before}{key}"),
        };
        write!(text, "{before}{written}{after}").unwrap();
    }

    fn holds(&self, labels: &[(&str, &str)]) -> bool {
        let has = |wanted: &str| labels.iter().any(|(key, _)| *key == wanted);
        let any = |wanted: &str, values: &[&str]| labels.iter().any(|(key, value)| *key == wanted && values.contains(value));
        match self {
            Self::OneOf(key, values) => any(key, values),
            Self::NoneOf(key, values) => !any(key, values),
            Self::There(key) => has(key),
            Self::Gone(key) => !has(key),
        }
    }
}

fn run(input: &[u8]) {
    let mut source = Source::new(input);
    let conditions: Vec<Condition> = (0..source.below(5)).map(|_| Condition::read(&mut source)).collect();
    let mut text = String::new();
    for (at, condition) in conditions.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        condition.write(&mut text, &mut source);
    }
    let selector: Selector = text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"));
    for _ in 0..8 {
        let mut there = KEYS.map(|_| source.flag()).into_iter();
        let labels: Vec<(&str, &str)> =
            KEYS.iter().map(|key| (*key, source.pick(&VALUES))).filter(|_| there.next() == Some(true)).collect();
        let want = conditions.iter().all(|condition| condition.holds(&labels));
        let held = Labels::new(labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))).unwrap();
        assert_eq!(selector.matches(&held), want, "{text:?} on {labels:?}");
    }
}
