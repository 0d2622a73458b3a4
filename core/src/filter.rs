//! The `filter` of List and Watch requests: a subset of AIP-160.
//!
//! ```text
//! filter     = factor { [ "AND" ] factor }          two conditions side by side must both hold
//! factor     = term { "OR" term }                   OR binds tighter than AND, as AIP-160 says
//! term       = [ "NOT" | "-" ] ( "(" filter ")" | condition )
//! condition  = field ( "=" | "!=" | "<" | "<=" | ">" | ">=" | ":" ) value
//! field      = name { "." name }                    labels.app, labels."example.com/zone"
//! value      = bare word | quoted text              "*" at an end of it stands for any text, for = and !=
//! ```
//!
//! `field:value` asks whether the field has the value, or, for text, contains it; `field:*` whether there is any. Numbers compare
//! as numbers, everything else as text. A field with several values meets a condition when one of them does.

mod lexer;
mod parser;

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::reason::Malformed;

/// The most bytes of a filter.
pub const MOST_BYTES: usize = 4096;

/// A parsed filter; the empty one lets everything through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter(Option<Expression>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Expression {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Condition { field: String, operator: Operator, value: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Has,
}

/// What a filter asks of one field at least: nothing passes that does not have one of the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand<'f> {
    /// The field.
    pub field: &'f str,
    /// The values, as they stand in the filter.
    pub values: Vec<&'f str>,
}

impl Filter {
    /// Reads a filter over these fields. A known field that ends in `.*` stands for every field below it: `labels.*`.
    ///
    /// # Errors
    /// `FILTER_MALFORMED`, with the place, or the unknown field and the known ones.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, Malformed> {
        parser::parse(text, known).map(Self)
    }

    /// Whether everything passes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Conditions that are necessary to pass, for those who have an index: `a=x AND (b=y OR b=z)` demands `x` of `a` and `y` or
    /// `z` of `b`. They are not sufficient, and a filter may have none.
    #[must_use]
    pub fn demands(&self) -> Vec<Demand<'_>> {
        self.0.as_ref().map(Expression::demands).unwrap_or_default()
    }

    /// Whether an object passes; `values` gives the values of one of its fields.
    pub fn matches<'a>(&self, values: impl Fn(&str) -> Vec<Cow<'a, str>>) -> bool {
        self.0.as_ref().is_none_or(|expression| expression.holds(&values))
    }
}

impl Expression {
    fn demands(&self) -> Vec<Demand<'_>> {
        match self {
            Self::All(parts) => parts.iter().flat_map(Self::demands).collect(),
            Self::Any(parts) => parts.iter().map(Self::demands).reduce(either).unwrap_or_default(),
            Self::Condition { field, operator: Operator::Equal, value } if !is_pattern(value) => {
                vec![Demand { field, values: vec![value] }]
            }
            Self::Not(_) | Self::Condition { .. } => Vec::new(),
        }
    }

    fn holds<'a>(&self, values: &impl Fn(&str) -> Vec<Cow<'a, str>>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(values)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(values)),
            Self::Not(part) => !part.holds(values),
            Self::Condition { field, operator: Operator::NotEqual, value } => !values(field).iter().any(|have| equal(have, value)),
            Self::Condition { field, operator: Operator::Has, value } if value == "*" => {
                values(field).iter().any(|have| !have.is_empty())
            }
            Self::Condition { field, operator, value } => values(field).iter().any(|have| operator.holds(have, value)),
        }
    }
}

impl Operator {
    fn holds(self, have: &str, wanted: &str) -> bool {
        match self {
            Self::Equal => equal(have, wanted),
            Self::NotEqual => !equal(have, wanted),
            Self::Has => have == wanted || have.contains(wanted),
            Self::Less => compare(have, wanted) == Ordering::Less,
            Self::LessOrEqual => compare(have, wanted) != Ordering::Greater,
            Self::Greater => compare(have, wanted) == Ordering::Greater,
            Self::GreaterOrEqual => compare(have, wanted) != Ordering::Less,
        }
    }
}

fn equal(have: &str, wanted: &str) -> bool {
    match (wanted.strip_prefix('*'), wanted.strip_suffix('*')) {
        (Some(inner), Some(_)) => have.contains(inner.strip_suffix('*').unwrap_or(inner)),
        (Some(end), None) => have.ends_with(end),
        (None, Some(start)) => have.starts_with(start),
        (None, None) => have == wanted,
    }
}

fn is_pattern(value: &str) -> bool {
    value.starts_with('*') || value.ends_with('*')
}

/// What is demanded where one of two lists of demands holds: of a field that both name, a value of either.
fn either<'f>(one: Vec<Demand<'f>>, other: Vec<Demand<'f>>) -> Vec<Demand<'f>> {
    let both = one.into_iter().filter_map(|mut demand| {
        let also = other.iter().find(|also| also.field == demand.field)?;
        demand.values.extend(&also.values);
        Some(demand)
    });
    both.collect()
}

fn compare(have: &str, wanted: &str) -> Ordering {
    match (have.parse::<u128>(), wanted.parse::<u128>()) {
        (Ok(have), Ok(wanted)) => have.cmp(&wanted),
        _ => have.cmp(wanted),
    }
}

#[cfg(test)]
mod tests;
