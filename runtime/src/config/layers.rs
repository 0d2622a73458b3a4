//! Values laid over the tree of defaults, each with where it came from.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{ConfigError, ENV_PREFIX, Origin, Override};

/// One value that an operator set.
struct Set {
    key: String,
    value: Value,
    origin: Origin,
}

/// The defaults, and everything set over them in order.
pub(super) struct Layers {
    defaults: Value,
    set: Vec<Set>,
}

impl Layers {
    pub(super) const fn over(defaults: Value) -> Self {
        Self { defaults, set: Vec::new() }
    }

    /// Lays a file's tree over what is there.
    pub(super) fn file(&mut self, path: &Path, tree: &Value) -> Result<(), ConfigError> {
        let origin = Origin::File(path.to_owned());
        // A table without keys says nothing.
        let said = leaves(tree, Some(&self.defaults)).into_iter().filter(|(_, value)| *value != Value::Object(Map::new()));
        for (key, value) in said {
            self.put(key, origin.clone(), |_| Ok(value))?;
        }
        Ok(())
    }

    /// Lays over it every variable that belongs to a key. Others with the prefix are passed over: programs share an
    /// environment, and Kubernetes puts variables of its own into it.
    pub(super) fn environment(&mut self, environment: &[(String, String)]) -> Result<(), ConfigError> {
        for (key, _) in leaves(&self.defaults, None) {
            let name = format!("{ENV_PREFIX}{}", key.replace('.', "_").to_ascii_uppercase());
            if let Some((_, text)) = environment.iter().find(|(other, _)| *other == name) {
                self.put(key, Origin::Environment(name), |default| typed(text, default))?;
            }
        }
        Ok(())
    }

    pub(super) fn flag(&mut self, flag: &Override) -> Result<(), ConfigError> {
        self.put(flag.key.clone(), Origin::Flag(flag.flag.clone()), |default| typed(&flag.value, default))
    }

    /// The structure that all layers together give.
    pub(super) fn finish<T: DeserializeOwned>(self) -> Result<T, ConfigError> {
        let mut tree = self.defaults.clone();
        for set in &self.set {
            place(&mut tree, &set.key, set.value.clone());
        }
        serde_json::from_value(tree).map_err(|error| self.culprit::<T>(&error))
    }

    fn put(
        &mut self,
        key: String,
        origin: Origin,
        value: impl FnOnce(&Value) -> Result<Value, Mistyped>,
    ) -> Result<(), ConfigError> {
        let Some(default) = at(&self.defaults, &key) else {
            let near = nearest(&key, leaves(&self.defaults, None).into_iter().map(|(known, _)| known));
            return Err(ConfigError::UnknownKey { key, origin, near });
        };
        match value(default) {
            Ok(value) => self.set.push(Set { key, value, origin }),
            Err(Mistyped { value, why }) => return Err(ConfigError::BadValue { key, value, origin, why: why.to_owned() }),
        }
        Ok(())
    }

    /// Serde says what is wrong, but not at which key. So each value is tried alone over the defaults.
    fn culprit<T: DeserializeOwned>(self, error: &serde_json::Error) -> ConfigError {
        for set in self.set {
            let mut tree = self.defaults.clone();
            place(&mut tree, &set.key, set.value.clone());
            if let Err(error) = serde_json::from_value::<T>(tree) {
                let value = set.value.as_str().map_or_else(|| set.value.to_string(), str::to_owned);
                return ConfigError::BadValue { key: set.key, value, origin: set.origin, why: error.to_string() };
            }
        }
        ConfigError::Inconsistent(error.to_string())
    }
}

/// Every key of `tree` with its value. An empty table is a leaf, and so is whatever `known` does not have as a table:
/// then the values below it are one value, or one unknown key.
fn leaves(tree: &Value, known: Option<&Value>) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    walk(tree, known, String::new(), &mut found);
    found
}

fn walk(tree: &Value, known: Option<&Value>, path: String, found: &mut Vec<(String, Value)>) {
    let descend = path.is_empty() || known.is_none_or(is_branch);
    match tree.as_object().filter(|table| !table.is_empty() && descend) {
        Some(table) => {
            for (name, value) in table {
                let key = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                // Below an unknown key nothing is known either; `Null` stands for that, and stops the walk there.
                let below = known.map(|known| known.get(name).unwrap_or(&Value::Null));
                walk(value, below, key, found);
            }
        }
        None => found.push((path, tree.clone())),
    }
}

fn is_branch(value: &Value) -> bool {
    value.as_object().is_some_and(|table| !table.is_empty())
}

fn at<'a>(tree: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(tree, |tree, name| tree.get(name))
}

fn place(tree: &mut Value, key: &str, value: Value) {
    let mut here = tree;
    for name in key.split('.') {
        if !here.is_object() {
            *here = Value::Object(Map::new());
        }
        here = &mut here[name];
    }
    *here = value;
}

/// Text that cannot be read as the type its key has.
struct Mistyped {
    value: String,
    why: &'static str,
}

/// Text as the type that the default has; a list is separated by commas.
fn typed(text: &str, default: &Value) -> Result<Value, Mistyped> {
    let refuse = |why| Mistyped { value: text.to_owned(), why };
    match default {
        Value::Bool(_) => text.parse().map(Value::Bool).map_err(|_| refuse("it must be `true` or `false`")),
        Value::Number(_) => text.parse().map(Value::Number).map_err(|_| refuse("it must be a number")),
        Value::Array(_) => Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect()),
        Value::Object(_) => Err(refuse("it is a table; set its keys one by one")),
        Value::Null | Value::String(_) => Ok(Value::from(text)),
    }
}

/// The known key that is spelled most like `key`, if one is close.
fn nearest(key: &str, known: impl Iterator<Item = String>) -> Option<String> {
    const CLOSE: usize = 3;
    known.map(|known| (distance(key, &known), known)).filter(|(apart, _)| *apart <= CLOSE).min().map(|(_, known)| known)
}

/// The Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let change = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
