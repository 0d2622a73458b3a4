//! Label selectors as Kubernetes writes them, and the pools that an advertisement means.

use polder_core::net::labels::Requirement;
use polder_core::net::{Labels, Selector};
use serde_json::{Value, json};

use super::super::document::Document;
use super::pool::Pool;
use super::words;
use crate::failure::Failure;

/// The selectors of a list.
///
/// # Errors
/// [`Failure::Usage`] naming the selector that is none.
pub(super) fn selectors(document: &Document, path: &[&str]) -> Result<Vec<Selector>, Failure> {
    let one =
        |(at, value): (usize, &Value)| selector(value).map_err(|why| document.wrong(&format!("{}[{at}]", path.join(".")), &why));
    document.list(path)?.iter().enumerate().map(one).collect()
}

fn selector(value: &Value) -> Result<Selector, String> {
    let fields = value.as_object().ok_or("is a selector: matchLabels, matchExpressions")?;
    let mut requirements = Vec::new();
    for (key, value) in fields {
        match (key.as_str(), value) {
            (_, Value::Null) => {}
            ("matchLabels", Value::Object(pairs)) => {
                for (key, value) in pairs {
                    let value = value.as_str().ok_or_else(|| format!("matchLabels.{key}: is a text; put it in quotes"))?;
                    requirements.push(requirement(key, "In", &[value.to_owned()])?);
                }
            }
            ("matchExpressions", Value::Array(items)) => {
                for item in items {
                    requirements.push(expression(item)?);
                }
            }
            _ => return Err(format!("{key}: a selector has a mapping matchLabels and a list matchExpressions")),
        }
    }
    Ok(Selector::new(requirements))
}

fn expression(item: &Value) -> Result<Requirement, String> {
    let known = |key: &String| matches!(key.as_str(), "key" | "operator" | "values");
    if let Some(other) = item.as_object().and_then(|fields| fields.keys().find(|key| !known(key))) {
        return Err(format!("matchExpressions: `{other}` is not a field; there are key, operator, values"));
    }
    let text = |key: &str| item[key].as_str().ok_or_else(|| format!("matchExpressions: {key}: is required"));
    let values = match &item["values"] {
        Value::Null => Some(Vec::new()),
        Value::Array(values) => values.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    let values = values.ok_or("matchExpressions: values: is a list of texts; put them in quotes")?;
    requirement(text("key")?, text("operator")?, &values)
}

fn requirement(key: &str, operator: &str, values: &[String]) -> Result<Requirement, String> {
    Requirement::new(key, operator, values).map_err(|error| error.description)
}

/// The selectors as the API takes them.
pub(super) fn shown(selectors: &[Selector]) -> Value {
    selectors.iter().map(|selector| json!({ "expression": selector.to_string() })).collect()
}

/// The pools that an advertisement means: by name, by label, or all.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub(super) names: Vec<String>,
    pub(super) selectors: Vec<Selector>,
}

impl Chosen {
    /// # Errors
    /// [`Failure::Usage`] naming the field that cannot be read.
    pub(super) fn read(document: &Document) -> Result<Self, Failure> {
        let selectors = selectors(document, &["spec", "ipAddressPoolSelectors"])?;
        Ok(Self { names: words(document, "ipAddressPools")?, selectors })
    }

    /// The pool of one name.
    pub(super) fn one(name: &str) -> Self {
        Self { names: vec![name.to_owned()], selectors: Vec::new() }
    }

    /// Whether it means a pool. An AddressPool has its own announcement, which nothing else speaks of.
    pub(super) fn means(&self, pool: &Pool) -> bool {
        let all = self.names.is_empty() && self.selectors.is_empty();
        let labels: &Labels = &pool.labels;
        let chosen = all || self.names.contains(&pool.intent.name) || self.selectors.iter().any(|one| one.matches(labels));
        !pool.old && chosen
    }

    /// The names that are of no pool of the run.
    pub(super) fn strangers<'a>(&'a self, pools: &'a [Pool]) -> impl Iterator<Item = &'a String> {
        self.names.iter().filter(|name| !pools.iter().any(|pool| pool.intent.name == **name))
    }
}
