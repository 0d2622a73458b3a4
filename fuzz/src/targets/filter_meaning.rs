//! What filters mean: expressions made here, written in every way the grammar has, must let through what a plain reading of the
//! grammar's comment lets through.

use std::borrow::Cow;
use std::cmp::Ordering;

use polder_core::filter::{Filter, MOST_BYTES};

use super::Target;
use crate::{Shape, Source};

/// The target.
pub const TARGET: Target = Target { name: "filter_meaning", shape: Shape::Bytes, run };

const KNOWN: [&str; 4] = ["name", "priority", "address", "labels.*"];
/// Fields as the parser names them, and as they are written.
const FIELDS: [(&str, &str); 5] = [
    ("name", "name"),
    ("priority", "priority"),
    ("address", "address"),
    ("labels.app", "labels.app"),
    ("labels.example.com/zone", "labels.\"example.com/zone\""),
];
const OPERATORS: [&str; 7] = ["=", "!=", "<", "<=", ">", ">=", ":"];
const WANTED: [&str; 14] = ["", "*", "**", "a", "a*", "*b", "*a*", "9", "10", "010", "a b", "AND", "q\"'\\", "ä"];
const HELD: [&str; 10] = ["", "a", "ab", "ba", "9", "10", "100", "a b", "q\"'\\", "ää"];
/// The deepest expression that is made; the grammar allows more.
const DEEPEST: usize = 3;

enum Expression {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Condition { field: (&'static str, &'static str), operator: &'static str, wanted: &'static str },
}

impl Expression {
    fn read(source: &mut Source<'_>, depth: usize) -> Self {
        let parts = |source: &mut Source<'_>| (0..2 + source.below(2)).map(|_| Self::read(source, depth + 1)).collect();
        match source.below(if depth < DEEPEST && !source.is_empty() { 5 } else { 2 }) {
            2 => Self::All(parts(source)),
            3 => Self::Any(parts(source)),
            4 => Self::Not(Box::new(Self::read(source, depth + 1))),
            _ => Self::Condition { field: source.pick(&FIELDS), operator: source.pick(&OPERATORS), wanted: source.pick(&WANTED) },
        }
    }

    /// The text, in parentheses where its place needs them: OR binds tighter than AND, NOT tighter than both.
    fn write(&self, source: &mut Source<'_>) -> String {
        let spaced = |source: &mut Source<'_>| source.pick(&["", " "]);
        match self {
            Self::All(parts) => {
                let written: Vec<String> = parts.iter().map(|part| part.write_in(source, matches!(part, Self::All(_)))).collect();
                written.join(source.pick(&[" AND ", " ", "  "]))
            }
            Self::Any(parts) => {
                let tight = |part: &Self| matches!(part, Self::All(_) | Self::Any(_));
                let written: Vec<String> = parts.iter().map(|part| part.write_in(source, tight(part))).collect();
                written.join(" OR ")
            }
            Self::Not(part) => {
                let sign = source.pick(&["NOT ", "-"]);
                format!("{sign}{}", part.write_in(source, matches!(**part, Self::All(_) | Self::Any(_))))
            }
            Self::Condition { field: (_, field), operator, wanted } => {
                let (before, after) = (spaced(source), spaced(source));
                format!("{field}{before}{operator}{after}{}", quoted(wanted, source))
            }
        }
    }

    fn write_in(&self, source: &mut Source<'_>, needed: bool) -> String {
        let text = self.write(source);
        if needed || source.below(8) == 1 { format!("({text})") } else { text }
    }

    fn holds(&self, object: &[(&str, Vec<&str>)]) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(object)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(object)),
            Self::Not(part) => !part.holds(object),
            Self::Condition { field: (field, _), operator, wanted } => {
                let values = object.iter().filter(|(name, _)| name == field).flat_map(|(_, values)| values);
                let meets = |have: &&str| match *operator {
                    "=" | "!=" => is_like(have, wanted),
                    ":" if *wanted == "*" => !have.is_empty(),
                    ":" => have.contains(wanted),
                    "<" => order(have, wanted).is_lt(),
                    "<=" => order(have, wanted).is_le(),
                    ">" => order(have, wanted).is_gt(),
                    _ => order(have, wanted).is_ge(),
                };
                let any = values.copied().any(|have| meets(&have));
                if *operator == "!=" { !any } else { any }
            }
        }
    }
}

/// A value as it may be written: bare if it can be, else in quotes.
fn quoted(value: &str, source: &mut Source<'_>) -> String {
    let bare = !value.is_empty() && !value.contains([' ', '"', '\'', '\\']);
    if bare && source.flag() {
        return value.to_owned();
    }
    let quote = source.pick(&['"', '\'']);
    let escape = |letter: char| if letter == quote || letter == '\\' { format!("\\{letter}") } else { letter.to_string() };
    format!("{quote}{}{quote}", value.chars().map(escape).collect::<String>())
}

/// Whether the value is the wanted text, a star at an end of which stands for any text.
fn is_like(have: &str, wanted: &str) -> bool {
    let (open_front, open_back) = (wanted.starts_with('*'), wanted.ends_with('*'));
    let core = wanted.strip_prefix('*').unwrap_or(wanted);
    let core = core.strip_suffix('*').unwrap_or(core);
    (0..=have.len()).filter(|at| have.is_char_boundary(*at)).any(|at| {
        let rest = have[at..].strip_prefix(core);
        rest.is_some_and(|rest| (at == 0 || open_front) && (rest.is_empty() || open_back))
    })
}

/// Numbers as numbers, everything else as text.
fn order(have: &str, wanted: &str) -> Ordering {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    match (number(have), number(wanted)) {
        (Some(have), Some(wanted)) => have.cmp(&wanted),
        _ => have.cmp(wanted),
    }
}

fn run(input: &[u8]) {
    let mut source = Source::new(input);
    let expression = Expression::read(&mut source, 0);
    let text = expression.write(&mut source);
    if text.len() > MOST_BYTES {
        return;
    }
    let filter = Filter::parse(&text, &KNOWN).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    for _ in 0..6 {
        let values = |source: &mut Source<'_>| (0..source.below(3)).map(|_| source.pick(&HELD)).collect::<Vec<_>>();
        let object: Vec<(&str, Vec<&str>)> = FIELDS.iter().map(|(field, _)| (*field, values(&mut source))).collect();
        let of = |field: &str| -> Vec<Cow<'_, str>> {
            let values = object.iter().filter(|(name, _)| *name == field).flat_map(|(_, values)| values);
            values.map(|value| Cow::Borrowed(*value)).collect()
        };
        assert_eq!(filter.matches(of), expression.holds(&object), "{text:?} on {object:?}");
    }
}
