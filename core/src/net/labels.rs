//! Labels, and the whole of Kubernetes' label-selector grammar: equality, sets, existence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::reason::{Malformed, Reason, shown};

/// Key-value pairs on an object. Cheap to clone, and without any it holds no memory: most objects have none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels(Option<Arc<BTreeMap<String, String>>>);

impl Labels {
    /// Checks every key and value (Kubernetes' rules: keys `[prefix/]name`, values at most 63 of `[A-Za-z0-9._-]`).
    ///
    /// # Errors
    /// [`Reason::LabelMalformed`], naming the pair.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, Malformed> {
        let mut map = BTreeMap::new();
        for (key, value) in pairs {
            check_key(&key)?;
            check_value(&value)?;
            map.insert(key, value);
        }
        Ok(Self((!map.is_empty()).then(|| Arc::new(map))))
    }

    /// The value under a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.as_ref()?.get(key).map(String::as_str)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Every pair, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|pairs| pairs.iter()).map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

fn is_part(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let ends = |text: &str| {
        let alnum = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        alnum(text.bytes().next()) && alnum(text.bytes().last())
    };
    text.len() <= 63 && text.bytes().all(legal) && ends(text)
}

fn check_key(key: &str) -> Result<(), Malformed> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if !is_part(name) || prefix.is_some_and(|prefix| prefix.parse::<super::Name>().is_err()) {
        let description =
            format!("`{}` is not a label key: `[prefix.example/]name`, the name at most 63 of A-Z a-z 0-9 . _ -", shown(key));
        return Err(Malformed::new(Reason::LabelMalformed, description));
    }
    Ok(())
}

fn check_value(value: &str) -> Result<(), Malformed> {
    if value.is_empty() || is_part(value) {
        return Ok(());
    }
    let description = format!("`{}` is not a label value: empty, or at most 63 of A-Z a-z 0-9 . _ -", shown(value));
    Err(Malformed::new(Reason::LabelMalformed, description))
}

/// One condition of a selector. Its values are in order, each once: slices, for there are as many selectors as services.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Requirement {
    /// The key is there with one of the values.
    In(String, Box<[String]>),
    /// The key is not there, or has none of the values.
    NotIn(String, Box<[String]>),
    /// The key is there.
    Exists(String),
    /// The key is not there.
    Absent(String),
}

impl Requirement {
    /// One condition from the parts of a `matchExpressions` item.
    ///
    /// # Errors
    /// [`Reason::SelectorMalformed`] and [`Reason::LabelMalformed`].
    pub fn new(key: &str, operator: &str, values: &[String]) -> Result<Self, Malformed> {
        check_key(key)?;
        values.iter().try_for_each(|value| check_value(value))?;
        let set = || values.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect::<Box<[_]>>();
        match (operator, values.is_empty()) {
            ("In", false) => Ok(Self::In(key.to_owned(), set())),
            ("NotIn", false) => Ok(Self::NotIn(key.to_owned(), set())),
            ("Exists", true) => Ok(Self::Exists(key.to_owned())),
            ("DoesNotExist", true) => Ok(Self::Absent(key.to_owned())),
            _ => {
                let description = format!(
                    "`{} {}` with {} values: In and NotIn need values, Exists and DoesNotExist take none",
                    shown(key),
                    shown(operator),
                    values.len()
                );
                Err(Malformed::new(Reason::SelectorMalformed, description))
            }
        }
    }

    fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|value| has(values, value)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|value| !has(values, value)),
            Self::Exists(key) => labels.get(key).is_some(),
            Self::Absent(key) => labels.get(key).is_none(),
        }
    }

    /// The key and the value, when the condition is equality with one value.
    #[must_use]
    pub fn equality(&self) -> Option<(&str, &str)> {
        match self {
            Self::In(key, values) if values.len() == 1 => values.first().map(|value| (key.as_str(), value.as_str())),
            Self::In(..) | Self::NotIn(..) | Self::Exists(_) | Self::Absent(_) => None,
        }
    }
}

fn has(values: &[String], value: &str) -> bool {
    values.binary_search_by(|one| one.as_str().cmp(value)).is_ok()
}

/// All conditions must hold; without any, everything matches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector(Arc<[Requirement]>);

impl Selector {
    /// A selector from conditions; their order and repetition do not matter.
    #[must_use]
    pub fn new(requirements: impl IntoIterator<Item = Requirement>) -> Self {
        Self(requirements.into_iter().collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// Whether it has no conditions, so that everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the labels satisfy every condition.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| requirement.matches(labels))
    }

    /// The conditions.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        &self.0
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, requirement) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            match requirement {
                Requirement::In(key, values) => match requirement.equality() {
                    Some((key, value)) => write!(f, "{key}={value}")?,
                    None => write!(f, "{key} in ({})", values.join(","))?,
                },
                Requirement::NotIn(key, values) => write!(f, "{key} notin ({})", values.join(","))?,
                Requirement::Exists(key) => f.write_str(key)?,
                Requirement::Absent(key) => write!(f, "!{key}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Selector {
    type Err = Malformed;

    /// The text form of `kubectl -l`: `a=b,c!=d,e in (x,y),f notin (z),g,!h`.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let parts = split_outside_parentheses(text);
        let requirements = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).map(parse_requirement);
        requirements.collect::<Result<Vec<_>, _>>().map(Self::new)
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

fn parse_requirement(text: &str) -> Result<Requirement, Malformed> {
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some(key) = text.strip_prefix('!') {
        return Requirement::new(key.trim(), "DoesNotExist", &[]);
    }
    if let Some((key, value)) = text.split_once("!=") {
        return Requirement::new(key.trim(), "NotIn", &one(value));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Requirement::new(key.trim(), "In", &one(value));
    }
    let Some((head, list)) = text.split_once('(') else {
        return Requirement::new(text, "Exists", &[]);
    };
    let bad = || Malformed::new(Reason::SelectorMalformed, format!("`{}` is not a condition of a label selector", shown(text)));
    let list = list.trim_end().strip_suffix(')').ok_or_else(bad)?;
    let values: Vec<String> = list.split(',').map(|value| value.trim().to_owned()).collect();
    let (key, operator) = head.trim().rsplit_once(char::is_whitespace).ok_or_else(bad)?;
    match operator {
        "in" => Requirement::new(key.trim(), "In", &values),
        "notin" => Requirement::new(key.trim(), "NotIn", &values),
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::new(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))).unwrap()
    }

    #[test]
    fn the_whole_grammar_matches_as_kubectl_does() {
        let web = labels(&[("app", "WS"), ("tier", "front"), ("example.com/zone", "a")]);
        for yes in [
            "",
            "app=WS",
            "app==WS",
            "app!=DB",
            "tier in (front, back)",
            "tier notin (back)",
            "app,!gone",
            "nope notin (x)",
            "example.com/zone=a",
            "nope!=x",
        ] {
            assert!(yes.parse::<Selector>().unwrap().matches(&web), "{yes}");
        }
        for no in ["app=DB", "app!=WS", "tier in (back)", "tier notin (front,back)", "gone", "!app", "app=WS,tier=back"] {
            assert!(!no.parse::<Selector>().unwrap().matches(&web), "{no}");
        }
    }

    #[test]
    fn what_is_not_a_selector_is_refused() {
        for bad in ["a in b", "a in (b", "a within (b)", "=b", "a=b=c", "in (a)", "a b", "-a=b", "a=ü"] {
            assert!(bad.parse::<Selector>().is_err(), "{bad}");
        }
    }

    #[test]
    fn text_comes_back_as_the_same_selector() {
        for text in ["app=WS", "!gone,app,tier in (back,front),zone notin (a)", ""] {
            let selector: Selector = text.parse().unwrap();
            assert_eq!(selector.to_string().parse::<Selector>().unwrap(), selector, "{text}");
        }
    }
}
