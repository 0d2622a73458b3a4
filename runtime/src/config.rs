//! Configuration in four layers: the program's defaults, a TOML file, environment variables, command line flags. The later one
//! wins, value by value.
//!
//! A configuration is any serde structure with a `Default`. Its keys are the serialised default's keys, joined by dots; the
//! environment variable of a key is the prefix and the key in upper case with `_` for the dot: `telemetry.log_format` is
//! `POLDER_TELEMETRY_LOG_FORMAT`. A key that the structure does not have is refused wherever it is named by the operator, and
//! a value that cannot be read is refused with its key and where it came from. An absent value (`None`) takes text.

mod flags;
mod layers;
mod period;
mod process;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use flags::ProcessFlags;
pub use period::{NotAPeriod, Period};
pub use process::{Configured, LimitsConfig, ProcessConfig, TlsConfig};

use layers::Layers;

/// The prefix of every environment variable.
pub const ENV_PREFIX: &str = "POLDER_";

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A key of the configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A command line flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Environment(name) => write!(f, "the environment variable {name}"),
            Self::Flag(name) => write!(f, "the flag {name}"),
        }
    }
}

/// One value that a flag sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The key, with dots: `telemetry.log_format`.
    pub key: String,
    /// The value as text.
    pub value: String,
    /// The flag as the operator wrote it, for messages: `--log-format`.
    pub flag: String,
}

impl Override {
    /// `value` for `key`, set by `flag`.
    #[must_use]
    pub fn new(key: &str, value: impl fmt::Display, flag: &str) -> Self {
        Self { key: key.to_owned(), value: value.to_string(), flag: flag.to_owned() }
    }
}

/// What lies over the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// The environment: names and values, with whatever else is in there.
    pub environment: Vec<(String, String)>,
    /// What the flags say.
    pub flags: Vec<Override>,
}

impl Sources {
    /// The process's own environment over `file`, and `flags` over both. Variables that are not Unicode are passed over.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Override>) -> Self {
        let text =
            |(name, value): (std::ffi::OsString, std::ffi::OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self { file, environment: std::env::vars_os().filter_map(text).collect(), flags }
    }
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration file {} is not TOML: {source}", .path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A key that does not exist.
    #[error("{origin} names the key `{key}`, which does not exist{}", did_you_mean(.near))]
    UnknownKey {
        /// The key.
        key: String,
        /// Who names it.
        origin: Origin,
        /// A key that is spelled nearly like it.
        near: Option<String>,
    },
    /// A value that cannot be read.
    #[error("`{key}` cannot be `{value}` ({origin}): {why}")]
    BadValue {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// Who sets it.
        origin: Origin,
        /// What is wrong with it.
        why: String,
    },
    /// The values are fine one by one, but not together; or the defaults themselves do not hold.
    #[error("the configuration does not hold together: {0}")]
    Inconsistent(String),
}

fn did_you_mean(near: &Option<String>) -> String {
    near.as_ref().map(|key| format!("; did you mean `{key}`?")).unwrap_or_default()
}

/// The effective configuration.
///
/// # Errors
/// [`ConfigError`] names the key and where its value came from.
pub fn load<T>(sources: &Sources) -> Result<T, ConfigError>
where
    T: Serialize + DeserializeOwned + Default,
{
    let defaults = serde_json::to_value(T::default()).map_err(|error| ConfigError::Inconsistent(error.to_string()))?;
    let mut layers = Layers::over(defaults);
    if let Some(path) = &sources.file {
        layers.file(path, &read(path)?)?;
    }
    layers.environment(&sources.environment)?;
    for flag in &sources.flags {
        layers.flag(flag)?;
    }
    layers.finish()
}

/// The configuration as a TOML file that would give it again; absent values are left out.
///
/// # Errors
/// [`ConfigError::Inconsistent`] for a structure that TOML cannot hold.
pub fn dump<T: Serialize>(config: &T) -> Result<String, ConfigError> {
    let table = toml::Table::try_from(config).map_err(|error| ConfigError::Inconsistent(error.to_string()))?;
    toml::to_string_pretty(&table).map_err(|error| ConfigError::Inconsistent(error.to_string()))
}

fn read(path: &Path) -> Result<Value, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|source| ConfigError::NotToml { path: path.to_owned(), source: Box::new(source) })
}

#[cfg(test)]
mod tests;
